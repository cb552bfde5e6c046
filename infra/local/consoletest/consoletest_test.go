package consoletest_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"pagefree/infra/local/consoletest"
	"pagefree/internal/incident"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/incidents"
)

// TestComplaints: what a page may not have is found, each by its own complaint, and a good page has none.
func TestComplaints(t *testing.T) {
	page := func(inside string) string {
		return `<!doctype html><html lang="en"><head><title>T</title></head><body><main><h1>T</h1>` + inside + `</main></body></html>`
	}
	for name, test := range map[string]struct{ html, want string }{
		"a good page": {page(`<h2 id="a">A</h2><form method="post" action="/x"><label for="n">Name</label><input id="n" name="n" aria-describedby="a"><label>Age <input name="age"></label><button>Send</button></form>` +
			`<a href="/x">Go</a><script src="/x.js"></script><svg><use href="#a"/></svg>`), ""},
		"an inline script":         {page(`<script>alert(1)</script>`), "an inline script"},
		"a script from elsewhere":  {page(`<script src="https://x.test/a.js"></script>`), "an inline script"},
		"a style":                  {page(`<p style="color:red">`), "inline style or handler style"},
		"a style element":          {page(`<style>p{}</style>`), "an element that no page has"},
		"a handler":                {page(`<img alt="" src="x" onerror="alert(1)">`), "inline style or handler onerror"},
		"a handler of htmx":        {page(`<p hx-on:click="alert(1)">`), "hx-on:click"},
		"values of htmx by script": {page(`<p hx-vals="js:{a: 1}">`), "a script in hx-vals"},
		"a script behind a link":   {page(`<a href="javascript:alert(1)">x</a>`), "a script in href"},
		"a form to elsewhere":      {page(`<form method="post" action="https://x.test"><button>Go</button></form>`), "an address that is not below the root"},
		"a form of no method":      {page(`<form action="/x"><button>Go</button></form>`), "a form without a method"},
		"a field without a label":  {page(`<input name="a">`), "a field without a label"},
		"a label of nothing":       {page(`<label for="x">X</label>`), "a label of nothing"},
		"an id twice":              {page(`<p id="a"></p><p id="a"></p>`), "an id twice"},
		"a link without a word":    {page(`<a href="/x"><svg></svg></a>`), "nothing to read in it"},
		"a description of nothing": {page(`<p aria-describedby="no">x</p>`), "aria-describedby of nothing"},
		"two headings":             {page(`<h1>U</h1>`), "one h1"},
		"a skipped level":          {page(`<h3>U</h3>`), "skips a level"},
		"no language":              {strings.Replace(page(""), ` lang="en"`, "", 1), "no language"},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := html.Parse(strings.NewReader(test.html))
			if err != nil {
				t.Fatal(err)
			}
			got := consoletest.Complaints(consoletest.Of(doc), true)
			if test.want == "" && len(got) > 0 {
				t.Errorf("got %q, want none", got)
			}
			if test.want != "" && !strings.Contains(strings.Join(got, "\n"), test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestSelect: each part of a selector tells apart.
func TestSelect(t *testing.T) {
	doc, err := html.Parse(strings.NewReader(`<div id="d" class="a b"><p class="a">one</p><p data-x="1">two <b>words</b></p></div><p>three</p>`))
	if err != nil {
		t.Fatal(err)
	}
	for selector, want := range map[string]string{
		"p": "one|two words|three", "div p": "one|two words", "p.a": "one", ".a": "one two words|one", "[data-x]": "two words", "p[data-x=1]": "two words",
		"p[data-x=2]": "", "#d": "one two words", "div.a.b": "one two words", "div.c": "", "div b": "words",
	} {
		var got []string
		for _, e := range consoletest.Of(doc).All(selector) {
			got = append(got, e.Text())
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s: got %q, want %s", selector, got, want)
		}
	}
}

// TestTheIncidentsGates: the harness finds the routes of a room and knocks at each.
func TestTheIncidentsGates(t *testing.T) {
	api := httpapi.New()
	incidents.Routes(api, console.New(origin.Origin{}, time.Now), &incident.Desk{})
	consoletest.Gates(t, consoletest.New(api), nil)
}
