package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"pagefree/infra/local/chromium"
	"pagefree/internal/identity"
)

// browser is a fresh headless Chromium. Whatever a page complains of in its
// console, a violated Content-Security-Policy among it, fails the test, but for
// refusals where a test is about them.
func browser(t *testing.T, forgives ...func(event any) bool) *chromium.Tab {
	t.Helper()
	return chromium.New(t, chromium.Options{Forgives: forgives})
}

// tab is a browser in which a person does one thing after another.
type tab struct{ *chromium.Tab }

// do takes steps, and returns what the page shows after them.
func (b tab) do(steps ...chromedp.Action[chromedp.Void]) (shown string) {
	b.Helper()
	b.Do(steps...)
	shown, err := chromedp.Run(b.Ctx, showing("main"))
	if err != nil {
		b.Fatal(err)
	}
	return shown
}

// showing is what an element shows. It asks the page rather than for a node,
// which a page that is loading, or refreshes itself, may have replaced meanwhile.
func showing(selector string) chromedp.Action[string] {
	return func(ctx context.Context, target *chromedp.Target) (shown string, err error) {
		err = settled(ctx, func() (done bool, err error) {
			shown, err = chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q).innerText", selector))(ctx, target)
			return true, err
		})
		return shown, err
	}
}

// gone waits until no element of the page matches, there until one does: over
// the loading of another page too.
func gone(selector string) chromedp.Action[chromedp.Void]  { return count(selector, "===") }
func there(selector string) chromedp.Action[chromedp.Void] { return count(selector, "!==") }

func count(selector, compared string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		return chromedp.Void{}, settled(ctx, func() (bool, error) {
			return chromedp.Evaluate[bool](fmt.Sprintf(`document.readyState === "complete" && document.querySelector(%q) %s null`, selector, compared))(ctx, target)
		})
	}
}

// settled asks until the answer is yes. Between two pages there is nobody to answer.
func settled(ctx context.Context, ask func() (bool, error)) error {
	for {
		done, err := ask()
		if done && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// asks fills in the sign-in form.
func (b tab) asks(url, email string) (shown string) {
	b.Helper()
	return b.do(
		chromedp.Navigate(url+"/signin"),
		chromedp.SendKeys(chromedp.CSS("input[type=email]"), email),
		chromedp.Click(chromedp.CSS("button")),
		gone("input[type=email]"),
	)
}

// shows fails the test unless the page shows a text, in any case.
func (b tab) shows(shown, want string) {
	b.Helper()
	if !strings.Contains(strings.ToLower(shown), strings.ToLower(want)) {
		b.Errorf("the page shows %q, want %q in it", shown, want)
	}
}

// session is the secret in the session's cookie. All cookies are such as no
// page's script, and no other site, gets.
func (b tab) session() (secret string) {
	b.Helper()
	got, err := chromedp.Call(b.Ctx, network.GetCookies, network.GetCookiesParams{})
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range got.Cookies {
		if !c.HTTPOnly || !c.Secure || c.SameSite != network.CookieSameSiteLax || c.Name != identity.Cookie && c.Name != identity.BrowserCookie {
			b.Errorf("got cookie %+v", c)
		}
		if c.Name == identity.Cookie {
			secret = c.Value
		}
	}
	return secret
}

// TestSigningInInABrowser asks for a link, follows it from the mail, presses
// the one button, and is in: with and without JavaScript.
func TestSigningInInABrowser(t *testing.T) {
	t.Parallel()
	w := plainStacks.world(t)
	for name, script := range map[string]bool{"with JavaScript": true, "without JavaScript": false} {
		t.Run(name, func(t *testing.T) {
			b := tab{browser(t)}
			began := time.Now() // the other case's mail is older
			if _, err := chromedp.Call(b.Ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !script}); err != nil {
				t.Fatal(err)
			}
			b.shows(b.asks(w.stack.URL, "observer@pagefree.test"), "mail")
			link, err := w.api.Link(b.Ctx, "observer@pagefree.test", began)
			if err != nil {
				t.Fatal(err)
			}
			b.shows(b.do(chromedp.Navigate(link), chromedp.Navigate(link)), "Sign in as observer@pagefree.test on this device?") // as when a mail scanner was here before: looking changes nothing
			b.shows(b.do(chromedp.Click(chromedp.CSS("button")), there("nav a[aria-current]")), "Incidents")                     // nowhere else was asked for, so that staff come to the console
			a, err := w.api.Do(b.Ctx, "GET", "/v1/me", b.session(), nil)
			if err != nil || a.Text("email") != "observer@pagefree.test" {
				t.Errorf("the session is of %q, %v", a.Text("email"), err)
			}
		})
	}
}

// TestSigningInOnASecondDevice opens the link in another browser than the one
// that asked: it shows a code, which the first takes, once.
func TestSigningInOnASecondDevice(t *testing.T) {
	t.Parallel()
	w := plainStacks.world(t)
	first, second := tab{browser(t)}, tab{browser(t)}
	began := time.Now()
	first.shows(first.asks(w.stack.URL, "observer@pagefree.test"), "another browser")
	link, err := w.api.Link(first.Ctx, "observer@pagefree.test", began)
	if err != nil {
		t.Fatal(err)
	}
	second.shows(second.do(chromedp.Navigate(link)), "type this code")
	code, err := chromedp.Run(second.Ctx, showing("code"))
	if err != nil {
		t.Fatal(err)
	}
	first.shows(first.do(
		chromedp.SendKeys(chromedp.CSS("input[name=code]"), strings.ToLower(strings.ReplaceAll(code, "-", ""))),
		chromedp.Click(chromedp.CSS("button")),
		there("nav a[aria-current]"),
	), "Incidents")
	a, err := w.api.Do(first.Ctx, "GET", "/v1/me", first.session(), nil)
	if err != nil || a.Text("email") != "observer@pagefree.test" {
		t.Errorf("the session is of %q, %v", a.Text("email"), err)
	}
	second.shows(second.do(chromedp.Navigate(link)), "used already")
	if second.session() != "" {
		t.Error("the second browser is signed in")
	}
}
