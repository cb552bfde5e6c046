package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"pagefree/infra/local/chromium"
	"pagefree/internal/identity"
)

// camera is one Chromium that pictures are taken with.
type camera struct {
	ctx    context.Context
	folder string // where they go
	close  func()
}

// view is one picture.
type view struct {
	name          string // of its file
	at            string // address
	width, height int    // in CSS pixels
	dark          bool
	whom          string // session that the browser has from then on
	wait          string // a selector of what comes after the page itself
}

func newCamera(ctx context.Context, work, folder string) (*camera, error) {
	tab, stop, err := chromium.Start(ctx, filepath.Join(work, "profile"), nil)
	if err != nil {
		return nil, err
	}
	c := &camera{ctx: tab, folder: folder, close: stop}
	if _, err := chromedp.Call(tab, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Europe/Berlin"}); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *camera) photograph(views ...view) error {
	for _, v := range views {
		if err := c.take(v); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	return nil
}

func (c *camera) take(v view) error {
	if v.whom != "" {
		if _, err := chromedp.Call(c.ctx, network.SetCookie, network.SetCookieParams{
			Name: identity.Cookie, Value: v.whom, URL: v.at, Path: "/", Secure: new(true), HTTPOnly: new(true),
		}); err != nil {
			return err
		}
	}
	scheme := "light"
	if v.dark {
		scheme = "dark"
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(c.ctx, emulation.SetEmulatedMedia, media); err != nil {
		return err
	}
	size := emulation.SetDeviceMetricsOverrideParams{Width: int64(v.width), Height: int64(v.height), DeviceScaleFactor: 1, Mobile: v.width < 500}
	if _, err := chromedp.Call(c.ctx, emulation.SetDeviceMetricsOverride, size); err != nil {
		return err
	}
	if err := chromedp.Do(c.ctx, chromedp.Navigate(v.at), chromedp.WaitReady(chromedp.CSS("body"))); err != nil {
		return err
	}
	if v.wait != "" {
		if err := chromedp.Do(c.ctx, chromedp.WaitReady(chromedp.CSS(v.wait))); err != nil {
			return err
		}
	}
	if strings.Contains(v.at, "/console/") {
		if err := c.settle(); err != nil {
			return err
		}
	}
	raw, err := chromedp.Run(c.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	if raw, err = smaller(raw); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.folder, v.name), raw, 0o644)
}

// settled is whether a page of the console has all that it asks for: its parts,
// the names of its people where there would be ids, and its socket, if it has one.
const settled = `!document.querySelector(".htmx-request, .htmx-settling, .htmx-swapping") &&
	![...document.querySelectorAll("[data-person]")].some((e) => e.textContent.startsWith("usr")) &&
	(!document.querySelector("[data-live]") || document.querySelector("#live-state").dataset.state === "live")`

// settle waits until the page is settled. It is asked from here: the page's own
// policy admits no code that would wait in it.
func (c *camera) settle() error {
	within, stop := context.WithTimeout(c.ctx, 30*time.Second)
	defer stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := chromedp.Run(within, chromedp.Evaluate[bool](settled))
		if done || err != nil {
			return err
		}
		select {
		case <-within.Done():
			return fmt.Errorf("it goes on changing: %w", within.Err())
		case <-tick.C:
		}
	}
}

// smaller is a picture of few colours, which most of a page's are: those that
// are used most are kept, and others become the nearest of them.
func smaller(raw []byte) ([]byte, error) {
	from, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	to := image.NewPaletted(from.Bounds(), palette(from))
	nearest := map[color.Color]uint8{}
	for y := from.Bounds().Min.Y; y < from.Bounds().Max.Y; y++ {
		for x := from.Bounds().Min.X; x < from.Bounds().Max.X; x++ {
			c := from.At(x, y)
			n, known := nearest[c]
			if !known {
				n = uint8(to.Palette.Index(c))
				nearest[c] = n
			}
			to.SetColorIndex(x, y, n)
		}
	}
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, to)
	return out.Bytes(), err
}
