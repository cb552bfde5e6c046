package main

import (
	"cmp"
	"image"
	"image/color"
	"slices"
)

// palette is up to 256 colours of a picture: the most used ones, but none that
// is hardly to be told from one before it.
func palette(from image.Image) color.Palette {
	used := map[color.RGBA]int{}
	for y := from.Bounds().Min.Y; y < from.Bounds().Max.Y; y++ {
		for x := from.Bounds().Min.X; x < from.Bounds().Max.X; x++ {
			used[color.RGBAModel.Convert(from.At(x, y)).(color.RGBA)]++
		}
	}
	byUse := make([]color.RGBA, 0, len(used))
	for c := range used {
		byUse = append(byUse, c)
	}
	slices.SortFunc(byUse, func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(used[b], used[a]), cmp.Compare(number(a), number(b)))
	})
	var out color.Palette
	for _, c := range byUse {
		if len(out) == 256 {
			break
		}
		if !slices.ContainsFunc(out, func(other color.Color) bool { return alike(c, other.(color.RGBA)) }) {
			out = append(out, c)
		}
	}
	return out
}

func number(c color.RGBA) uint32 { return uint32(c.R)<<16 | uint32(c.G)<<8 | uint32(c.B) }

// alike reports whether nobody sees a difference between two colours.
func alike(a, b color.RGBA) bool {
	far := func(x, y uint8) int { return int(x) - int(y) }
	r, g, blue := far(a.R, b.R), far(a.G, b.G), far(a.B, b.B)
	return r*r+g*g+blue*blue < 40
}
