// Package consoletest is what the tests of the console's pages share: a browser without scripts, signed in as whoever a
// test says, that reads pages as people do, by their headings, links, labels and buttons. Every answer that it gets is
// held against what all pages promise: their headers, nothing inline, and an order that a screen reader can follow.
package consoletest

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"pagefree/infra/local/roomtest"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
)

// Hostile is a text that people may write and no page may obey: shown as it is, it fails the check of every page.
const Hostile = `"'><script>alert(1)</script><img src=x onerror=alert(1)>{{.}}&amp;`

// origin is that of the pages, as httptest names their host.
const origin = "http://example.com"

// Site is the pages of the rooms that were registered with an API.
type Site struct {
	handler http.Handler
	routes  []string
}

// New serves an API that the pages are registered with.
func New(api *httpapi.API) *Site { return &Site{api.Handler(), api.Routes()} }

// Browser is somebody's browser. It keeps nothing between two requests.
type Browser struct {
	site *Site
	who  *principal.Principal
	htmx bool
}

// As is the browser of somebody who is signed in. What a session has, and p does not, is added.
func (s *Site) As(p principal.Principal) *Browser {
	if p.Kind == "" {
		p.Kind = principal.User
	}
	if p.Kind == principal.User && p.SessionHash == "" {
		p.SessionHash = strings.Repeat("5e", 32)
	}
	if p.Kind == principal.User {
		p.Name, p.Email = cmp.Or(p.Name, "Sam Reed"), cmp.Or(p.Email, "sam@pagefree.test")
	}
	return &Browser{site: s, who: &p}
}

// Anybody is the browser of somebody who is not signed in.
func (s *Site) Anybody() *Browser { return &Browser{site: s} }

// HTMX is the same browser with a script that asks for a part of a page.
func (b *Browser) HTMX() *Browser { return &Browser{b.site, b.who, true} }

// Get asks for a page. headers are names and values in turn.
func (b *Browser) Get(t testing.TB, path string, headers ...string) *Page {
	t.Helper()
	return b.call(t, http.MethodGet, path, "", headers)
}

// Post sends a form as a browser would from a page of ours; a header of headers replaces the browser's, "" takes it away.
func (b *Browser) Post(t testing.TB, path string, form url.Values, headers ...string) *Page {
	t.Helper()
	return b.call(t, http.MethodPost, path, form.Encode(), append([]string{
		"Content-Type", "application/x-www-form-urlencoded", "Origin", origin, "Sec-Fetch-Site", "same-origin",
	}, headers...))
}

// PostText is Post of a body as it is.
func (b *Browser) PostText(t testing.TB, path, body string, headers ...string) *Page {
	t.Helper()
	return b.call(t, http.MethodPost, path, body, append([]string{
		"Content-Type", "application/x-www-form-urlencoded", "Origin", origin, "Sec-Fetch-Site", "same-origin",
	}, headers...))
}

func (b *Browser) call(t testing.TB, method, path, body string, headers []string) *Page {
	t.Helper()
	ctx := t.Context()
	if b.who != nil {
		ctx = roomtest.As(ctx, *b.who)
	} else {
		ctx = principal.WithOrigin(ctx, principal.Origin{IP: "192.0.2.7", RequestID: roomtest.RequestID})
	}
	req := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	req.Header.Set("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
	req.Header.Set("User-Agent", "Mozilla/5.0")
	if b.htmx {
		req.Header.Set("HX-Request", "true")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
		} else {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	rec := httptest.NewRecorder()
	b.site.handler.ServeHTTP(rec, req)
	p := &Page{Response: rec.Result(), Body: rec.Body.String(), browser: b, at: method + " " + path}
	if strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
		p.parse(t)
	}
	p.check(t)
	return p
}

// Page is an answer: a whole page, a part of one, a way to another, or what is no HTML.
type Page struct {
	*http.Response
	Node           // of the whole
	Body    string // as it was sent
	browser *Browser
	at      string // "GET /console/x"
}

func (p *Page) parse(t testing.TB) {
	t.Helper()
	var err error
	if p.whole() {
		p.Node.n, err = html.Parse(strings.NewReader(p.Body))
	} else {
		var parts []*html.Node
		root := &html.Node{Type: html.ElementNode, Data: "body"}
		parts, err = html.ParseFragment(strings.NewReader(p.Body), &html.Node{Type: html.ElementNode, Data: "template", DataAtom: atom.Template})
		for _, part := range parts {
			root.AppendChild(part)
		}
		p.Node.n = root
	}
	if err != nil {
		t.Fatalf("%s: %v", p.at, err)
	}
}

func (p *Page) whole() bool { return strings.HasPrefix(p.Body, "<!doctype html>") }

// Want fails the test where the answer has another status.
func (p *Page) Want(t testing.TB, status int) *Page {
	t.Helper()
	if p.StatusCode != status {
		said := p.Body
		if p.n != nil {
			said = p.main().Text()
		}
		t.Fatalf("%s: got %d (%s) %s, want %d", p.at, p.StatusCode, p.Header.Get("Location"), said, status)
	}
	return p
}

// Follow goes where a 303 leads.
func (p *Page) Follow(t testing.TB) *Page {
	t.Helper()
	p.Want(t, http.StatusSeeOther)
	path, _, _ := strings.Cut(p.Header.Get("Location"), "#")
	return p.browser.Get(t, path)
}

// LeadsTo fails the test where the answer is no 303 to path; what it says was done is left out of account.
func (p *Page) LeadsTo(t testing.TB, path string) *Page {
	t.Helper()
	p.Want(t, http.StatusSeeOther)
	u, err := url.Parse(p.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Del("did")
	u.RawQuery = q.Encode()
	if got := u.String(); got != path {
		t.Fatalf("%s leads to %s, want %s", p.at, got, path)
	}
	return p
}

// H1 is the page's heading.
func (p *Page) H1() string { return p.First("h1").Text() }

func (p *Page) main() Node {
	if main := p.First("main"); main.Is() {
		return main
	}
	return p.Node
}

// Shows fails the test where the content (not the frame) lacks one of the texts.
func (p *Page) Shows(t testing.TB, texts ...string) *Page {
	t.Helper()
	shown := p.main().Text()
	for _, text := range texts {
		if !strings.Contains(shown, text) {
			t.Errorf("%s does not show %q: %s", p.at, text, shown)
		}
	}
	return p
}

// Hides fails the test where the answer has one of the texts anywhere, attributes included.
func (p *Page) Hides(t testing.TB, texts ...string) *Page {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(p.Body, html.EscapeString(text)) || strings.Contains(p.Body, text) {
			t.Errorf("%s has %q: %s", p.at, text, p.main().Text())
		}
	}
	return p
}

// Link is the address of the link of a name; without one the test ends.
func (p *Page) Link(t testing.TB, name string) string {
	t.Helper()
	var names []string
	for _, a := range p.main().All("a[href]") {
		if a.Text() == name {
			return a.Attr("href")
		}
		names = append(names, a.Text())
	}
	t.Fatalf("%s has no link %q, but %q", p.at, name, names)
	return ""
}

// HasLink reports whether the content has a link to an address.
func (p *Page) HasLink(href string) bool {
	for _, a := range p.main().All("a[href]") {
		if a.Attr("href") == href {
			return true
		}
	}
	return false
}

// Click follows the link of a name.
func (p *Page) Click(t testing.TB, name string) *Page {
	t.Helper()
	return p.browser.Get(t, p.Link(t, name))
}

// Buttons are the names of the content's buttons that send a form.
func (p *Page) Buttons() []string {
	var names []string
	for _, b := range p.main().All("form button") {
		if sends(b) {
			names = append(names, b.Text())
		}
	}
	return names
}

// Error is what is said at the field of a name, "" where nothing is.
func (p *Page) Error(name string) string { return p.First("#e-" + name).Text() }

// Alert is what is said above a form or a page, "" where nothing is.
func (p *Page) Alert() string { return p.First(`[role=alert]`).Text() }

// Did is what the page says was just done.
func (p *Page) Did() string { return p.First(".did").Text() }
