package main

import (
	"bytes"
	"image"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

var once = sync.OnceValue(drawn)

func decoded(t *testing.T, body []byte) *image.NRGBA {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if whole, is := img.(*image.NRGBA); is {
		return whole
	}
	out := image.NewNRGBA(img.Bounds()) // one without a transparent pixel is written without alpha
	draw.Draw(out, out.Bounds(), img, image.Point{}, draw.Src)
	return out
}

// TestTheFilesAreWhatItDraws: by their pixels, each channel to one step in 255, since processors round differently.
func TestTheFilesAreWhatItDraws(t *testing.T) {
	for name, want := range once() {
		got, err := os.ReadFile(filepath.Join("../..", dir, name))
		if err != nil {
			t.Fatalf("%v: run make icons", err)
		}
		if filepath.Ext(name) == ".svg" {
			if !bytes.Equal(got, want) {
				t.Errorf("%s: run make icons", name)
			}
			continue
		}
		a, b := decoded(t, got), decoded(t, want)
		if a.Bounds() != b.Bounds() {
			t.Fatalf("%s: %v, want %v: run make icons", name, a.Bounds(), b.Bounds())
		}
		for i := range a.Pix {
			if max(a.Pix[i], b.Pix[i])-min(a.Pix[i], b.Pix[i]) > 1 {
				t.Errorf("%s differs at pixel %d: run make icons", name, i/4)
				break
			}
		}
	}
}

// TestPictures: what systems ask of each.
func TestPictures(t *testing.T) {
	files := once()
	for _, p := range pictures {
		img := decoded(t, files[p.name])
		if img.Bounds().Dx() != p.size || img.Bounds().Dy() != p.size {
			t.Errorf("%s: %v", p.name, img.Bounds())
		}
		opaque, any := true, false
		for y := range p.size {
			for x := range p.size {
				c := img.NRGBAAt(x, y)
				lit := c.A > 0 && c.R > 0x80
				opaque, any = opaque && c.A == 0xff, any || lit
				if dx, dy := float64(x)-float64(p.size)/2, float64(y)-float64(p.size)/2; p.name == "icon-maskable-512.png" && lit && dx*dx+dy*dy > .4*.4*float64(p.size*p.size) {
					t.Fatalf("%s: its line leaves the circle that no system cuts, at %d,%d", p.name, x, y)
				}
			}
		}
		if !any {
			t.Errorf("%s: no line", p.name)
		}
		if whole := p.name == "apple-touch-icon.png" || p.name == "icon-maskable-512.png"; opaque != whole {
			t.Errorf("%s: opaque %v", p.name, opaque)
		}
	}
}
