package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"pagefree/infra/local/stack"
	"pagefree/internal/identity"
)

// browser is a fresh headless Chromium. Whatever a page complains of in its
// console, a violated Content-Security-Policy among it, fails the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(time.Minute))
	allocated, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocated, chromedp.WithListener(func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError {
				t.Errorf("the console says: %s %s", e.Entry.Text, e.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			t.Errorf("a script failed: %s", e.ExceptionDetails.Text)
		}
	}))
	t.Cleanup(end)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestSigningInInABrowser asks for a link, follows it from the mail, presses
// the one button, and is in: with and without JavaScript.
func TestSigningInInABrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, stack.Options{})
	for name, script := range map[string]bool{"with JavaScript": true, "without JavaScript": false} {
		t.Run(name, func(t *testing.T) {
			ctx := browser(t)
			began := time.Now() // the other case's mail is older
			if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !script}); err != nil {
				t.Fatal(err)
			}
			do := func(steps ...chromedp.Action[chromedp.Void]) (shown string) {
				t.Helper()
				err := chromedp.Do(ctx, steps...)
				if err == nil {
					shown, err = chromedp.Run(ctx, chromedp.Text(chromedp.CSS("main")))
				}
				if err != nil {
					t.Fatal(err)
				}
				return shown
			}
			asked := do(
				chromedp.Navigate(w.stack.URL+"/signin"),
				chromedp.SendKeys(chromedp.CSS("input[type=email]"), "observer@pagefree.test"),
				chromedp.Click(chromedp.CSS("button")),
				chromedp.WaitNotPresent(chromedp.CSS("input[type=email]")),
			)
			link, err := w.api.Link(ctx, "observer@pagefree.test", began)
			if err != nil {
				t.Fatal(err)
			}
			inert := do(chromedp.Navigate(link), chromedp.Navigate(link)) // as when a mail scanner was here before: looking changes nothing
			done := do(chromedp.Click(chromedp.CSS("button")), chromedp.WaitNotPresent(chromedp.CSS("button")))
			got, err := chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{})
			if err != nil {
				t.Fatal(err)
			}
			cookies := got.Cookies
			for text, want := range map[string]string{asked: "mail", inert: "Sign in", done: "signed in"} {
				if !strings.Contains(strings.ToLower(text), strings.ToLower(want)) {
					t.Errorf("the page shows %q, want %q in it", text, want)
				}
			}
			if len(cookies) != 1 || cookies[0].Name != identity.Cookie || !cookies[0].HTTPOnly || !cookies[0].Secure || cookies[0].SameSite != network.CookieSameSiteLax {
				t.Fatalf("got cookies %v", cookies)
			}
			a, err := w.api.Do(ctx, "GET", "/v1/me", cookies[0].Value, nil)
			if err != nil || a.Text("email") != "observer@pagefree.test" {
				t.Errorf("the session is of %q, %v", a.Text("email"), err)
			}
		})
	}
}
