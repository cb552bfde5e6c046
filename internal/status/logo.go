package status

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net/http"

	"pagefree/internal/platform/problem"
)

// Limits of a picture: what is taken, in bytes and pixels, and what is kept of it.
const (
	MaxLogo     = 256 << 10
	maxPixels   = 4_000_000
	logoWidth   = 512
	logoHeight  = 128
	minLogoSide = 1
)

var (
	errLogoKind = problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "A logo is a PNG or a JPEG.")
	errLogo     = problem.InvalidField("body", "this is no PNG or JPEG that can be read")
	errLogoSize = problem.New(http.StatusRequestEntityTooLarge, problem.BodyTooLarge, "A logo has at most 256 KiB.")
	errPixels   = problem.InvalidField("body", "at most 4 million pixels")
)

// logoOf makes the picture that is kept of one that was sent: a PNG of at most
// 512 by 128 pixels, with nothing in it but them. The name is the SHA-256 of
// it in hex, whole: pages look for no other.
func logoOf(raw []byte) (data []byte, hash string, err error) {
	if len(raw) > MaxLogo {
		return nil, "", errLogoSize
	}
	config, decode := png.DecodeConfig, png.Decode
	switch {
	case bytes.HasPrefix(raw, []byte("\x89PNG\r\n\x1a\n")):
	case bytes.HasPrefix(raw, []byte("\xff\xd8\xff")):
		config, decode = jpeg.DecodeConfig, jpeg.Decode
	default:
		return nil, "", errLogo
	}
	head, err := config(bytes.NewReader(raw)) // before any pixel takes memory
	if err != nil || head.Width < minLogoSide || head.Height < minLogoSide {
		return nil, "", errLogo
	}
	if head.Width > maxPixels || head.Height > maxPixels || head.Width*head.Height > maxPixels {
		return nil, "", errPixels
	}
	picture, err := decode(bytes.NewReader(raw))
	if err != nil {
		return nil, "", errLogo
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, fitted(picture)); err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(b.Bytes())
	return b.Bytes(), hex.EncodeToString(sum[:]), nil
}

// fitted is the picture in its own proportions, scaled down to what is kept:
// each pixel is the mean of those that it stands for.
func fitted(from image.Image) *image.NRGBA {
	in := from.Bounds()
	width, height := in.Dx(), in.Dy()
	if width > logoWidth {
		width, height = logoWidth, max(height*logoWidth/width, 1)
	}
	if height > logoHeight {
		width, height = max(width*logoHeight/height, 1), logoHeight
	}
	out := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		y0, y1 := in.Min.Y+y*in.Dy()/height, in.Min.Y+(y+1)*in.Dy()/height
		for x := range width {
			x0, x1 := in.Min.X+x*in.Dx()/width, in.Min.X+(x+1)*in.Dx()/width
			out.Set(x, y, mean(from, image.Rect(x0, y0, max(x1, x0+1), max(y1, y0+1))))
		}
	}
	return out
}

func mean(from image.Image, of image.Rectangle) color.Color {
	var r, g, b, a, n uint64
	for y := of.Min.Y; y < of.Max.Y; y++ {
		for x := of.Min.X; x < of.Max.X; x++ {
			pr, pg, pb, pa := from.At(x, y).RGBA() // multiplied by alpha: what is clear has no colour
			r, g, b, a, n = r+uint64(pr), g+uint64(pg), b+uint64(pb), a+uint64(pa), n+1
		}
	}
	return color.RGBA64{R: uint16(r / n), G: uint16(g / n), B: uint16(b / n), A: uint16(a / n)}
}
