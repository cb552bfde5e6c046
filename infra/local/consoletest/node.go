package consoletest

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// Node is an element of a page; the zero Node is none.
type Node struct{ n *html.Node }

// Of is the whole of a document.
func Of(n *html.Node) Node { return Node{n} }

// Is reports whether there is such an element.
func (e Node) Is() bool { return e.n != nil }

// Tag is the element's name.
func (e Node) Tag() string {
	if e.n == nil {
		return ""
	}
	return e.n.Data
}

// Attr is an attribute, "" where it is absent or empty.
func (e Node) Attr(name string) string {
	v, _ := e.attr(name)
	return v
}

// Has reports whether the element has an attribute, whatever it holds.
func (e Node) Has(name string) bool {
	_, has := e.attr(name)
	return has
}

func (e Node) attr(name string) (string, bool) {
	if e.n == nil {
		return "", false
	}
	for _, a := range e.n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// Text is what is read in the element, words parted by one space. Scripts, styles and pictures have none; a field has its value.
func (e Node) Text() string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		switch {
		case n.Type == html.TextNode:
			b.WriteString(n.Data)
		case n.Type == html.ElementNode && slices.Contains([]string{"script", "style", "svg", "head"}, n.Data):
		default:
			if n.Type == html.ElementNode && n.Data == "input" && (Node{n}).Attr("type") != "hidden" {
				b.WriteString(" " + (Node{n}).Attr("value") + " ")
			}
			for c := n.FirstChild; c != nil; c = c.NextSibling {
				walk(c)
			}
			if n.Type == html.ElementNode && !slices.Contains([]string{"a", "b", "i", "em", "strong", "span", "code", "kbd", "time", "mark"}, n.Data) {
				b.WriteByte(' ')
			}
		}
	}
	if e.n != nil {
		walk(e.n)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// Parent is the nearest element around e that fits a selector.
func (e Node) Parent(selector string) Node {
	if e.n == nil {
		return Node{}
	}
	s := parseStep(selector)
	for n := e.n.Parent; n != nil; n = n.Parent {
		if s.fits(n) {
			return Node{n}
		}
	}
	return Node{}
}

// First is the first element of All, or none.
func (e Node) First(selector string) Node {
	if all := e.All(selector); len(all) > 0 {
		return all[0]
	}
	return Node{}
}

// All are the elements in e that fit a selector, in their order: steps of a tag, #id, .class, [attribute] and
// [attribute=value], as in "form button[type=submit]", where each step is somewhere within the one before.
func (e Node) All(selector string) []Node {
	if e.n == nil {
		return nil
	}
	at := []*html.Node{e.n}
	for step := range strings.FieldsSeq(selector) {
		s := parseStep(step)
		var next []*html.Node
		for _, root := range at {
			for n := range root.Descendants() {
				if s.fits(n) && !slices.Contains(next, n) {
					next = append(next, n)
				}
			}
		}
		at = next
	}
	all := make([]Node, len(at))
	for i, n := range at {
		all[i] = Node{n}
	}
	return all
}

// step is one part of a selector.
type step struct {
	tag, id string
	classes []string
	attrs   [][2]string // a name and a value, "" for any
}

func parseStep(text string) step {
	var s step
	for text != "" {
		end := len(text)
		if text[0] == '[' {
			if end = strings.IndexByte(text, ']'); end < 0 {
				panic("a selector without its end: " + text)
			}
			name, value, _ := strings.Cut(text[1:end], "=")
			s.attrs = append(s.attrs, [2]string{name, value})
			text = text[end+1:]
			continue
		}
		if i := strings.IndexAny(text[1:], "#.["); i >= 0 {
			end = i + 1
		}
		switch part := text[:end]; part[0] {
		case '#':
			s.id = part[1:]
		case '.':
			s.classes = append(s.classes, part[1:])
		default:
			s.tag = part
		}
		text = text[end:]
	}
	return s
}

func (s step) fits(n *html.Node) bool {
	if n.Type != html.ElementNode || s.tag != "" && n.Data != s.tag {
		return false
	}
	e := Node{n}
	if s.id != "" && e.Attr("id") != s.id {
		return false
	}
	classes := strings.Fields(e.Attr("class"))
	for _, class := range s.classes {
		if !slices.Contains(classes, class) {
			return false
		}
	}
	for _, a := range s.attrs {
		if v, has := e.attr(a[0]); !has || a[1] != "" && v != a[1] {
			return false
		}
	}
	return true
}
