// Package chromium starts headless Chromiums: for tests, and to take pictures with.
package chromium

import (
	"context"
	"fmt"
	"time"

	"github.com/chromedp/chromedp"
)

// Start starts a Chromium with one tab, in whose context chromedp's steps are taken. It keeps its profile in a folder, which
// has to be another's than any other's, and tells of what happens in it to who hears, unless that is nil. It ends with ctx or
// by stop, which is to be called in any case, and which waits for the end.
func Start(ctx context.Context, profile string, hears func(event any)) (tab context.Context, stop func(), err error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WSURLReadTimeout(time.Minute))
	allocated, away := chromedp.NewExecAllocator(ctx, options...)
	var listeners []chromedp.ContextOption
	if hears != nil {
		listeners = append(listeners, chromedp.WithListener(hears))
	}
	tab, end := chromedp.NewContext(allocated, listeners...)
	stop = func() {
		end()
		away()
	}
	if err := chromedp.Do(tab); err != nil { // the first steps, none of them too, start it
		stop()
		return nil, nil, fmt.Errorf("no Chromium (Debian: apt-get install chromium): %w", err)
	}
	return tab, stop, nil
}
