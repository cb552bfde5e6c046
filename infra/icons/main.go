// Command icons draws PageFree's icons from one set of numbers: the SVG as text, the PNGs by the distance of each pixel to
// the shapes, so that no browser and no library is needed. `make icons` writes them beside the console's other files.
package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
)

const dir = "internal/web/console/assets"

// The mark: the line of a pulse on a rounded square, on a grid of 24.
const (
	grid   = 24.0
	corner = 6.0
	stroke = 2.2
)

type point struct{ x, y float64 }

var (
	line  = []point{{3.5, 13}, {7.5, 13}, {9.7, 7}, {13.7, 18}, {16, 13}, {20.5, 13}}
	brand = color.NRGBA{0x1f, 0x5f, 0xbf, 0xff}
	white = color.NRGBA{0xff, 0xff, 0xff, 0xff}
)

// picture is one PNG.
type picture struct {
	name   string
	size   int
	corner float64     // of the square, on the grid; 0 fills the picture
	scale  float64     // of the line, around the middle
	ground color.NRGBA // of the square
}

var pictures = []picture{
	{"icon-192.png", 192, corner, 1, brand},
	{"icon-512.png", 512, corner, 1, brand},
	{"icon-maskable-512.png", 512, 0, .78, brand}, // what matters lies in the middle 80 %, a system cuts the rest as it likes
	{"apple-touch-icon.png", 180, 0, .9, brand},   // opaque: iOS rounds it, and shows what is transparent in black
	{"badge-96.png", 96, 0, 1.1, color.NRGBA{}},   // of a status bar, which takes its alpha alone
}

func main() {
	for name, body := range drawn() {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "icons:", err)
			os.Exit(1)
		}
	}
}

// drawn is every file by its name.
func drawn() map[string][]byte {
	files := map[string][]byte{"icon.svg": []byte(svg())}
	for _, p := range pictures {
		var b bytes.Buffer
		e := png.Encoder{CompressionLevel: png.BestCompression}
		if err := e.Encode(&b, p.draw()); err != nil {
			panic(err) // into memory
		}
		files[p.name] = b.Bytes()
	}
	return files
}

func svg() string {
	var d strings.Builder
	for i, p := range line {
		fmt.Fprintf(&d, "%c%g %g", "ML"[min(i, 1)], p.x, p.y)
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g"><rect width="%g" height="%g" rx="%g" fill="#%02x%02x%02x"/>`+
		`<path d="%s" fill="none" stroke="#fff" stroke-width="%g" stroke-linecap="round" stroke-linejoin="round"/></svg>`+"\n",
		grid, grid, grid, grid, corner, brand.R, brand.G, brand.B, d.String(), stroke)
}

func (p picture) draw() *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, p.size, p.size))
	unit := float64(p.size) / grid // pixels
	for y := range p.size {
		for x := range p.size {
			at := point{(float64(x) + .5) / unit, (float64(y) + .5) / unit}
			ground := 1.0
			if p.corner > 0 {
				ground = covered(square(at, p.corner) * unit)
			}
			ground *= float64(p.ground.A) / 255
			mark := covered(p.mark(at) * unit)
			img.SetNRGBA(x, y, over(p.ground, ground, mark))
		}
	}
	return img
}

// covered is how much of a pixel a shape covers, by the distance of its middle to the shape's edge, in pixels; inside is negative.
func covered(distance float64) float64 { return min(max(.5-distance, 0), 1) }

// square is the distance to the edge of the rounded square that fills the grid.
func square(p point, radius float64) float64 {
	half := grid / 2
	dx, dy := math.Abs(p.x-half)-half+radius, math.Abs(p.y-half)-half+radius
	return math.Hypot(max(dx, 0), max(dy, 0)) + min(max(dx, dy), 0) - radius
}

// mark is the distance to the edge of the line, drawn with round ends.
func (pic picture) mark(p point) float64 {
	middle := point{12, 12.5}
	p = point{(p.x-12)/pic.scale + middle.x, (p.y-12)/pic.scale + middle.y}
	if pic.scale == 1 {
		p.y -= .5 // as the SVG has it
	}
	best := math.Inf(1)
	for i := 1; i < len(line); i++ {
		a, b := line[i-1], line[i]
		dx, dy := b.x-a.x, b.y-a.y
		t := min(max(((p.x-a.x)*dx+(p.y-a.y)*dy)/(dx*dx+dy*dy), 0), 1)
		best = min(best, math.Hypot(p.x-a.x-t*dx, p.y-a.y-t*dy))
	}
	return (best - stroke/2) * pic.scale
}

// over lays the white line over the ground.
func over(ground color.NRGBA, groundAlpha, mark float64) color.NRGBA {
	alpha := mark + groundAlpha*(1-mark)
	if alpha == 0 {
		return color.NRGBA{}
	}
	mix := func(below uint8) uint8 {
		return uint8(math.Round((float64(white.R)*mark + float64(below)*groundAlpha*(1-mark)) / alpha))
	}
	return color.NRGBA{mix(ground.R), mix(ground.G), mix(ground.B), uint8(math.Round(alpha * 255))}
}
