package consoletest

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// promised are the headers of every answer of the console.
var promised = map[string]string{
	"Cache-Control":                "private, no-store",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "same-origin",
	"X-Robots-Tag":                 "noindex",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
}

// check holds an answer against what all of them promise.
func (p *Page) check(t testing.TB) {
	t.Helper()
	if !strings.Contains(p.at, " /console") {
		return
	}
	for name, want := range promised {
		if got := p.Header.Get(name); got != want {
			t.Errorf("%s: %s is %q, want %q", p.at, name, got, want)
		}
	}
	policy := p.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("%s: the policy lacks %s: %s", p.at, part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "data:") {
		t.Errorf("%s: the policy allows too much: %s", p.at, policy)
	}
	if p.StatusCode == http.StatusSeeOther {
		if to := p.Header.Get("Location"); !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || p.Body != "" {
			t.Errorf("%s: leads to %q with a body %q", p.at, to, p.Body)
		}
	}
	if p.n == nil {
		return
	}
	for _, complaint := range Complaints(p.Node, p.whole()) {
		t.Errorf("%s: %s", p.at, complaint)
	}
	if nested(p.Body) {
		t.Errorf("%s: a form is inside another, which a browser takes away", p.at)
	}
	for _, sign := range []string{"ZgotmplZ", "<no value>", "&lt;no value&gt;", "%!", "&lt;nil&gt;"} {
		if strings.Contains(p.Body, sign) && !strings.Contains(Hostile, sign) {
			t.Errorf("%s: a template went wrong: %q", p.at, sign)
		}
	}
}

// nested reports whether a form begins within another.
func nested(body string) bool {
	z, depth := html.NewTokenizer(strings.NewReader(body)), 0
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			return false
		case html.StartTagToken, html.EndTagToken:
			if name, _ := z.TagName(); string(name) == "form" {
				if kind == html.EndTagToken {
					depth--
				} else if depth++; depth > 1 {
					return true
				}
			}
		}
	}
}

// Complaints are what is wrong with HTML by itself: what a strict policy would refuse, and what a screen reader would
// stumble over. whole is for a page with its frame.
func Complaints(root Node, whole bool) []string {
	var wrong []string
	add := func(e Node, what string) { wrong = append(wrong, what+": "+outline(e)) }
	ids := map[string]bool{}
	labelled := map[string]bool{}
	for _, e := range root.All("[id]") {
		if ids[e.Attr("id")] {
			add(e, "an id twice")
		}
		ids[e.Attr("id")] = true
	}
	for _, l := range root.All("label[for]") {
		labelled[l.Attr("for")] = true
		if !ids[l.Attr("for")] {
			add(l, "a label of nothing")
		}
		if l.Text() == "" {
			add(l, "a label without a word")
		}
	}
	for n := range root.n.Descendants() {
		if n.Type == html.ElementNode {
			for _, what := range inline(Node{n}) {
				add(Node{n}, what)
			}
			if what := unnamed(Node{n}, labelled); what != "" {
				add(Node{n}, what)
			}
			for _, a := range []string{"aria-describedby", "aria-labelledby", "aria-controls"} {
				for ref := range strings.FieldsSeq((Node{n}).Attr(a)) {
					if whole && !ids[ref] {
						add(Node{n}, a+" of nothing")
					}
				}
			}
		}
	}
	if !whole {
		return wrong
	}
	for _, once := range []string{"h1", "main", "title"} {
		if got := len(root.All(once)); got != 1 {
			wrong = append(wrong, "a page has one "+once+", this one has "+strings.Repeat("I", got))
		}
	}
	if root.First("html").Attr("lang") == "" {
		wrong = append(wrong, "the page has no language")
	}
	if root.First("h1").Text() == "" {
		wrong = append(wrong, "the heading is empty")
	}
	return append(wrong, outOfOrder(root)...)
}

// outOfOrder are headings of the content that skip a level.
func outOfOrder(root Node) []string {
	var wrong []string
	last := 1
	for n := range root.First("main").n.Descendants() {
		if n.Type == html.ElementNode && len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '6' {
			level := int(n.Data[1] - '0')
			if level > last+1 {
				wrong = append(wrong, "a heading skips a level: "+outline(Node{n}))
			}
			last = level
		}
	}
	return wrong
}

// inline is what the policy of the pages refuses in an element.
func inline(e Node) []string {
	var wrong []string
	switch e.Tag() {
	case "style", "base", "iframe", "object", "embed":
		wrong = append(wrong, "an element that no page has")
	case "script":
		if !strings.HasPrefix(e.Attr("src"), "/") || e.n.FirstChild != nil {
			wrong = append(wrong, "an inline script, or one from elsewhere")
		}
	}
	for _, a := range e.n.Attr {
		value := strings.ToLower(strings.TrimSpace(a.Val))
		switch {
		case a.Key == "style", strings.HasPrefix(a.Key, "on"), strings.HasPrefix(a.Key, "hx-on"), a.Key == "hx-vars":
			wrong = append(wrong, "an inline style or handler "+a.Key)
		case (a.Key == "hx-vals" || a.Key == "hx-headers") && (strings.HasPrefix(value, "js:") || strings.HasPrefix(value, "javascript:")):
			wrong = append(wrong, "a script in "+a.Key)
		case slices.Contains([]string{"href", "src", "action", "formaction"}, a.Key) && (strings.HasPrefix(value, "javascript:") || strings.HasPrefix(value, "data:")):
			wrong = append(wrong, "a script in "+a.Key)
		case a.Key == "hx-get" || a.Key == "hx-post" || a.Key == "action":
			if !strings.HasPrefix(a.Val, "/") {
				wrong = append(wrong, "an address that is not below the root in "+a.Key)
			}
		}
	}
	return wrong
}

// unnamed is why an element that people act on could not be told by its name.
func unnamed(e Node, labelled map[string]bool) string {
	named := e.Attr("aria-label") != "" || e.Attr("aria-labelledby") != ""
	switch e.Tag() {
	case "input", "select", "textarea":
		if kind := e.Attr("type"); kind == "hidden" || kind == "submit" || named || labelled[e.Attr("id")] || e.Parent("label").Is() {
			return ""
		}
		return "a field without a label"
	case "a", "button", "summary":
		if !named && e.Text() == "" {
			return "nothing to read in it"
		}
	case "img":
		if !e.Has("alt") {
			return "a picture without words"
		}
	case "form":
		if m := e.Attr("method"); m != "get" && m != "post" && m != "dialog" {
			return "a form without a method"
		}
		if e.Attr("method") == "post" && e.Attr("action") == "" {
			return "a form without an address"
		}
	case "th":
		if e.Text() == "" && !named {
			return "a column without a name"
		}
	}
	return ""
}

// outline is an element's own tag, for a message.
func outline(e Node) string {
	var b strings.Builder
	b.WriteString("<" + e.Tag())
	for _, a := range e.n.Attr {
		b.WriteString(" " + a.Key + "=" + a.Val)
	}
	return b.String() + ">"
}
