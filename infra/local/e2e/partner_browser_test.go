package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"pagefree/infra/local/chromium"
)

// reader is a partner's browser.
type reader struct{ *chromium.Tab }

// do takes steps, and returns what the page shows then.
func (r reader) do(steps ...chromedp.Action[chromedp.Void]) string {
	r.Helper()
	r.Do(steps...)
	shown, err := chromedp.Run(r.Ctx, showing("body"))
	if err != nil {
		r.Fatal(err)
	}
	return shown
}

// ask opens a page without being signed in, and asks for a link; the page then says to look into the mail.
func (r reader) ask(url, email string) string {
	r.Helper()
	return r.do(chromedp.Navigate(url), there("input[type=email]"),
		chromedp.SendKeys(chromedp.CSS("input[type=email]"), email), chromedp.Click(chromedp.CSS("button")),
		gone("input[type=email]"))
}

// TestPartnersInABrowser goes the whole way of a partner: asked to sign in, a mail, one button, the page; another browser
// gets a code and burns nothing; two partners see different pages; and an open page says so when its access is taken away.
func TestPartnersInABrowser(t *testing.T) {
	t.Parallel()
	p := newPages(t, hurried)
	api := p.component(lead, p.page, "Shared API", "", "")
	mine := p.component(lead, p.page, "Only of Acme", "Links", "")
	theirs := p.component(lead, p.page, "Only of Globex", "Links", "")
	acme, _ := p.grant(lead, p.page, "Acme", object{"componentIds": []string{api, mine}})
	p.grant(lead, p.page, "Globex", object{"componentIds": []string{api, theirs}})
	at := p.stack.URL + "/status/" + p.slug
	for name, script := range map[string]bool{"with JavaScript": true, "without JavaScript": false} {
		t.Run(name, func(t *testing.T) {
			first := reader{browser(t)}
			if _, err := chromedp.Call(first.Ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !script}); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if said := first.ask(at, "acme@partners.test"); !strings.Contains(strings.ToLower(said), "mail") {
				t.Errorf("after asking, the page says %q", said)
			}
			link, err := p.api.Link(first.Ctx, "acme@partners.test", began)
			if err != nil {
				t.Fatal(err)
			}
			second := reader{browser(t)}
			said := second.do(chromedp.Navigate(link))
			code := regexp.MustCompile(`\b[A-Z0-9]{4}[- ][A-Z0-9]{4}\b`).FindString(said)
			if code == "" {
				t.Fatalf("another browser is shown no code: %q", said)
			}
			if name == "without JavaScript" { // the code, typed into the first browser
				said = first.do(chromedp.SendKeys(chromedp.CSS("input[name=code]"), strings.ToLower(code)), chromedp.Click(chromedp.CSS("button")),
					gone("input[name=code]"))
			} else { // the link, which was not burned
				said = first.do(chromedp.Navigate(link), chromedp.Click(chromedp.CSS("button")), there("main[data-live]"))
			}
			if !strings.Contains(said, "Shared API") || !strings.Contains(said, "Only of Acme") || strings.Contains(said, "Globex") {
				t.Errorf("Acme sees %q", said)
			}
		})
	}

	other := reader{browser(t)}
	session := p.signIn("globex@partners.test", "127.0.5.1")
	other.cookie(p, session)
	if said := other.do(chromedp.Navigate(at)); strings.Contains(said, "Acme") && !strings.Contains(said, "Acme Cloud") || strings.Contains(said, "Only of Acme") || !strings.Contains(said, "Only of Globex") {
		t.Errorf("Globex sees %q", said)
	}

	open := reader{browser(t)}
	open.cookie(p, p.signIn("acme@partners.test", "127.0.5.2"))
	open.do(chromedp.Navigate(at))
	p.call(lead, http.StatusOK, "DELETE", p.under("/partners/"+acme), nil)
	p.until("the open page to say that its access is over", func() bool {
		if _, err := chromedp.Run(open.Ctx, chromedp.Evaluate[bool](`document.dispatchEvent(new Event("visibilitychange"))`)); err != nil { // as when somebody comes back to it
			t.Fatal(err)
		}
		said := open.do()
		return !strings.Contains(said, "Only of Acme")
	})
}

// cookie gives a browser a session. It is one for secure pages, and loopback counts as one.
func (r reader) cookie(p *pages, session string) {
	r.Helper()
	if _, err := chromedp.Call(r.Ctx, network.SetCookie, network.SetCookieParams{
		Name: "__Host-pf_session", Value: session, URL: p.stack.URL, Path: "/", Secure: new(true), HTTPOnly: new(true),
	}); err != nil {
		r.Fatal(err)
	}
}
