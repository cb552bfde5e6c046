package statuspage

import (
	"encoding/hex"
	"fmt"
	"math"
)

// rgb is a colour, each part from 0 to 1.
type rgb [3]float64

func parseRGB(s string) rgb {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 3 {
		return rgb{}
	}
	return rgb{float64(b[0]) / 255, float64(b[1]) / 255, float64(b[2]) / 255}
}

func (c rgb) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c[0]*255)), int(math.Round(c[1]*255)), int(math.Round(c[2]*255)))
}

// luminance and contrast are those of WCAG 2.2.
func (c rgb) luminance() float64 {
	linear := func(v float64) float64 {
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

func contrast(a, b rgb) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func (c rgb) mix(with rgb, share float64) rgb {
	for i := range c {
		c[i] += (with[i] - c[i]) * share
	}
	return c
}

// Backgrounds that text in the accent colour stands on, the harder ones of the
// style sheet: --paper in light, --sheet in dark.
var (
	lightGround, darkGround = parseRGB("f5f6f8"), parseRGB("191e26")
	black, white            = rgb{}, rgb{1, 1, 1}
)

// Contrasts that text in the accent colour has at least. WCAG AA asks for 4.5;
// on dark, what has no more looks dull.
const enoughLight, enoughDark = 4.6, 6

// readable is the colour nearest to c, towards another, that has a contrast on a ground.
func (c rgb) readable(ground, towards rgb, enough float64) rgb {
	for share := 0.0; share < 1; share += 0.02 {
		if m := parseRGB(c.mix(towards, share).String()[1:]); contrast(m, ground) >= enough {
			return m
		}
	}
	return towards
}

// on is what can be read on c.
func (c rgb) on() rgb {
	if contrast(c, white) >= contrast(c, black) {
		return white
	}
	return black
}

// accent is the style sheet of an accent colour: itself, for what is only
// looked at, and a form of it for light and for dark that can be read.
func accent(hex string) []byte {
	c := parseRGB(hex)
	light, dark := c.readable(lightGround, black, enoughLight), c.readable(darkGround, white, enoughDark)
	return fmt.Appendf(nil, ":root{--brand:%s;--accent:%s;--on-accent:%s}\n@media(prefers-color-scheme:dark){:root{--accent:%s;--on-accent:%s}}\n",
		c, light, light.on(), dark, dark.on())
}
