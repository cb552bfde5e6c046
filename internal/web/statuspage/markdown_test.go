package statuspage

import (
	"crypto/sha256"
	"html/template"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"

	"pagefree/internal/platform/text"
)

// allowed are the elements that what staff write may become, and the attributes of each.
var allowed = map[string][]string{
	"p": nil, "br": nil, "hr": nil, "strong": nil, "em": nil, "del": nil, "code": nil, "pre": nil, "blockquote": nil, "ul": nil, "li": nil,
	"h4": nil, "h5": nil, "h6": nil, "table": nil, "thead": nil, "tbody": nil, "tr": nil, "th": nil, "td": nil,
	"ol": {"start"}, "a": {"href", "rel"},
}

// harmless fails the test for output that holds anything else, or that does not end what it began.
func harmless(t testing.TB, in string) string {
	t.Helper()
	out := string((&renderer{made: markdown.made}).render(in))
	var open []string
	z := html.NewTokenizer(strings.NewReader(out))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		token := z.Token()
		switch kind {
		case html.CommentToken, html.DoctypeToken:
			t.Errorf("%q became %q: a comment", in, out)
		case html.StartTagToken, html.SelfClosingTagToken:
			attributes, known := allowed[token.Data]
			if !known {
				t.Errorf("%q became %q: <%s>", in, out, token.Data)
			}
			for _, a := range token.Attr {
				if !slices.Contains(attributes, a.Key) {
					t.Errorf("%q became %q: %s of <%s>", in, out, a.Key, token.Data)
				}
				if u, err := url.Parse(a.Val); a.Key == "href" && (err != nil || !slices.Contains([]string{"http", "https", "mailto"}, u.Scheme)) {
					t.Errorf("%q became %q: a link to %q", in, out, a.Val)
				}
			}
			if token.Data == "a" && !slices.ContainsFunc(token.Attr, func(a html.Attribute) bool { return a.Key == "rel" && `rel="`+a.Val+`"` == rel }) {
				t.Errorf("%q became %q: a link that tells where it comes from", in, out)
			}
			if kind == html.StartTagToken && !slices.Contains([]string{"br", "hr"}, token.Data) {
				open = append(open, token.Data)
			}
		case html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != token.Data {
				t.Fatalf("%q became %q: </%s> ends nothing", in, out, token.Data)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 || !utf8.ValidString(out) || text.Reorders(out) {
		t.Errorf("%q became %q: left open %v", in, out, open)
	}
	return out
}

func TestHostileMarkdown(t *testing.T) {
	for _, in := range corpus(t) {
		harmless(t, in)
	}
}

func corpus(t testing.TB) []string {
	t.Helper()
	raw, err := os.ReadFile("testdata/hostile.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(raw), "\n---8<---\n")
}

// TestHugeMarkdown gives the parser what is written to keep it busy, 32 KiB of each: it must be done while somebody waits.
func TestHugeMarkdown(t *testing.T) {
	const size = 32 << 10
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	for name, in := range map[string]string{
		"quotes":             fill(">"),
		"quotes apart":       fill("> "),
		"lists":              fill("- "),
		"lists in lists":     fill("1. "),
		"brackets":           fill("["),
		"closing brackets":   fill("]"),
		"links":              fill("[a]("),
		"pictures":           fill("!["),
		"nested links":       fill("[") + fill("](x)"),
		"stars":              fill("*a "),
		"stars and scores":   fill("*a_ "),
		"strong":             fill("**a *b "),
		"many in one word":   fill("a**b"),
		"backticks":          fill("`a "),
		"rising backticks":   rising('`', size),
		"tildes":             fill("~~a"),
		"tags":               fill("<a "),
		"comments":           fill("<!-- "),
		"declarations":       fill("<!A "),
		"entities":           fill("&amp"),
		"addresses":          fill("http://a"),
		"mails":              fill("a@b."),
		"www":                fill("www.a."),
		"table":              fill("|a|b|\n|-|-|\n"),
		"wide table":         fill("|") + "\n" + fill("|-"),
		"references":         fill("[a]: b\n"),
		"uses":               "[a]: /b\n\n" + fill("[a] "),
		"headings":           fill("# a\n"),
		"indented":           indented(size),
		"nested quote lines": nested("> ", size),
		"nested list lines":  nested("  ", size),
		"backslashes":        fill(`\`),
		"empty lines":        fill("\n"),
		"hard breaks":        fill("a  \n"),
		"fences":             fill("```\n"),
		"titles":             fill(`[a](b "`),
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			out := harmless(t, in)
			if took := time.Since(began); took > 20*time.Second { // a quarter of a second, without the race detector and others' work
				t.Errorf("took %s", took)
			}
			if len(out) > 40*size {
				t.Errorf("%d bytes became %d", len(in), len(out))
			}
		})
	}
}

func rising(r rune, size int) string {
	var b strings.Builder
	for n := 1; b.Len() < size; n++ {
		b.WriteString(strings.Repeat(string(r), n) + "a")
	}
	return b.String()[:size]
}

func indented(size int) string {
	var b strings.Builder
	for n := 0; b.Len() < size; n++ {
		b.WriteString(strings.Repeat(" ", n) + "- a\n")
	}
	return b.String()[:size]
}

// nested is lines, each of which is one deeper than the one before.
func nested(mark string, size int) string {
	var b strings.Builder
	for n := 1; b.Len() < size; n++ {
		b.WriteString(strings.Repeat(mark, n) + "- a\n")
	}
	return b.String()[:size]
}

func TestMarkdown(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"a sentence":             {"All **good** now.", "<p>All <strong>good</strong> now.</p>\n"},
		"a line ends":            {"one\ntwo", "<p>one<br>\ntwo</p>\n"},
		"headings are demoted":   {"# A\n\n## B", "<h4>A</h4>\n<h5>B</h5>\n"},
		"none is left out":       {"### A\n\n# B\n\n###### C", "<h4>A</h4>\n<h4>B</h4>\n<h5>C</h5>\n"},
		"a link":                 {"[a](https://b.example/?c=d&e=f)", `<p><a href="https://b.example/?c=d&amp;e=f" ` + rel + `>a</a></p>` + "\n"},
		"an address":             {"see https://b.example/c.", `<p>see <a href="https://b.example/c" ` + rel + `>https://b.example/c</a>.</p>` + "\n"},
		"a picture is a link":    {"![our graph](https://b.example/g.png)", `<p><a href="https://b.example/g.png" ` + rel + `>our graph</a></p>` + "\n"},
		"a script is text":       {"a <b>c</b> <script>x</script>", "<p>a c x</p>\n"},
		"a list":                 {"- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"},
		"numbers":                {"3. a\n4. b", "<ol start=\"3\">\n<li>a</li>\n<li>b</li>\n</ol>\n"},
		"struck out":             {"~~a~~", "<p><del>a</del></p>\n"},
		"a line across":          {"a\n\n" + strings.Repeat("-", 80) + "\n\nb", "<p>a</p>\n<hr>\n<p>b</p>\n"},
		"from right to left":     {"שלום", "<p>שלום</p>\n"},
		"order is not reversed":  {"a\u202eb\u2066c", "<p>abc</p>\n"},
		"code is not a command":  {"`rm -rf <x>`", "<p><code>rm -rf &lt;x&gt;</code></p>\n"},
		"a link of ours is none": {"[a](/v1/me)", "<p>a</p>\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := harmless(t, tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestRenderedIsKeptWithinBounds: what is remembered of texts stays small, and is what rendering gives.
func TestRenderedIsKeptWithinBounds(t *testing.T) {
	m := renderer{made: markdown.made, kept: map[[sha256.Size]byte]template.HTML{}}
	for n := range 300 {
		body := strings.Repeat("word ", 6000) + string(rune('a'+n%26)) + strings.Repeat("!", n)
		if got, want := m.HTML(body), m.render(body); got != want || m.HTML(body) != want {
			t.Fatal("what was kept is not what is rendered")
		}
	}
	sum := 0
	for _, out := range m.kept {
		sum += len(out)
	}
	if sum > maxKept || len(m.kept) == 0 {
		t.Errorf("keeps %d bytes of %d texts", sum, len(m.kept))
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, in := range corpus(f) {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if len(in) > 32<<10 || !utf8.ValidString(in) {
			return
		}
		harmless(t, in)
	})
}
