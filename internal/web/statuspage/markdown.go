package statuspage

import (
	"bytes"
	"crypto/sha256"
	"html/template"
	"regexp"
	"strings"
	"sync"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// markdown renders what staff write. Its result is a pure function of the text,
// so that what was rendered once may be shown to anybody who may see the text.
var markdown = renderer{made: sync.OnceValues(newMarkdown), kept: map[[sha256.Size]byte]template.HTML{}}

type renderer struct {
	made func() (goldmark.Markdown, *bluemonday.Policy)

	mu   sync.Mutex
	kept map[[sha256.Size]byte]template.HTML
	size int // of kept, in bytes
}

// maxKept bounds what is remembered of rendered texts, in bytes.
const maxKept = 4 << 20

// HTML is a text as HTML that a page may hold: no scripts, styles, pictures or
// frames, nothing that a browser fetches, headings below those of the page, and
// links by http, https and mailto alone.
func (m *renderer) HTML(body string) template.HTML {
	key := sha256.Sum256([]byte(body))
	m.mu.Lock()
	out, known := m.kept[key]
	m.mu.Unlock()
	if known {
		return out
	}
	out = m.render(body)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.size += len(out) + len(key); m.size > maxKept {
		clear(m.kept)
		m.size = len(out) + len(key)
	}
	m.kept[key] = out
	return out
}

// maxDepth bounds how deep a text may nest by its marks: what is deeper was
// written against the parser, and is shown as it was typed.
const maxDepth = 24

func (m *renderer) render(body string) template.HTML {
	body = plain(body)
	if deep(body) || costly(body) {
		return typed(body)
	}
	md, policy := m.made()
	var b bytes.Buffer
	if err := md.Convert([]byte(body), &b); err != nil { // a buffer takes all
		return template.HTML("<p>" + template.HTMLEscapeString(body) + "</p>\n")
	}
	out := bytes.ReplaceAll(policy.SanitizeBytes(b.Bytes()), []byte(made), []byte(rel))
	if grown(out, body) {
		return typed(body)
	}
	return template.HTML(out)
}

// typed is a text as it was typed, line by line.
func typed(body string) template.HTML {
	return template.HTML("<p>" + strings.ReplaceAll(template.HTMLEscapeString(body), "\n", "<br>\n") + "</p>\n")
}

// plain leaves out the marks that change the order in which text is shown (see
// text.Reorders of the platform), and what no line holds.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069, r < ' ' && r != '\n' && r != '\t', r == 0x7F:
			return -1
		}
		return r
	}, strings.ReplaceAll(s, "\r\n", "\n"))
}

// deep reports whether a line opens more than maxDepth quotes and lists.
func deep(s string) bool {
	for line := range strings.SplitSeq(s, "\n") {
		marks := 0
		for _, field := range strings.Fields(strings.ReplaceAll(line, ">", " > ")) {
			if strings.Trim(field, ">-+*0123456789.)") != "" {
				break
			}
			marks++
		}
		across := strings.Trim(line, " \t-") == "" || strings.Trim(line, " \t*") == ""
		if marks > maxDepth && !across {
			return true
		}
	}
	return false
}

func newMarkdown() (goldmark.Markdown, *bluemonday.Policy) {
	md := goldmark.New(
		goldmark.WithExtensions(extension.Strikethrough, extension.Linkify, extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignNone))),
		goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(tame{}, 900))),
		goldmark.WithRendererOptions(html.WithHardWraps()),
	)
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li", "h4", "h5", "h6",
		"table", "thead", "tbody", "tr", "th", "td")
	p.AllowAttrs("start").Matching(regexp.MustCompile(`^[0-9]{1,9}$`)).OnElements("ol")
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("http", "https", "mailto")
	p.RequireParseableURLs(true)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	return md, p
}

// rel is that of each link: the page that it leads to learns nothing of ours.
// The policy makes made of it; that text cannot stand anywhere else, since
// quotes are escaped elsewhere.
const rel, made = `rel="noopener nofollow noreferrer"`, `rel="nofollow noreferrer"`

// tame changes what was parsed: headings go below those of the page, pictures
// become links to them, so that no reader's browser asks anybody for anything.
type tame struct{}

func (tame) Transform(doc *ast.Document, _ text.Reader, _ parser.Context) {
	var pictures []*ast.Image
	level := 3 // of the heading before: none is left out between two
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			n.Level = min(n.Level+3, level+1, 6)
			level = n.Level
		case *ast.Image:
			pictures = append(pictures, n)
		}
		return ast.WalkContinue, nil
	})
	for _, n := range pictures {
		link := ast.NewLink()
		link.Destination = n.Destination
		for c := n.FirstChild(); c != nil; c = n.FirstChild() {
			link.AppendChild(link, c)
		}
		if p := n.Parent(); p != nil {
			p.ReplaceChild(p, n, link)
		}
	}
}

// Markdown is a text of an incident or a maintenance as readers are shown it,
// for those who write it.
func Markdown(body string) template.HTML { return markdown.HTML(body) }
