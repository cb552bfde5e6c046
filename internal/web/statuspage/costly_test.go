package statuspage

import (
	"strings"
	"testing"
	"time"
)

// TestCostly: texts that keep a parser busy, or whose HTML fills an answer, are
// shown as they were typed; what people write is not.
func TestCostly(t *testing.T) {
	const most = 32 << 10
	fill := func(s string) string { return strings.Repeat(s, most/len(s)) }
	hostile := map[string]string{
		"a wide table whose rows are filled up": strings.Repeat("|a", 5000) + "\n" + strings.Repeat("|-", 5000) + "\n" + strings.Repeat("|\n", 5000),
		"links without an end":                  fill("[a](b"),
		"brackets":                              fill("[[a]["),
		"backticks after escaped ones":          fill("\\``\n\""),
		"quotes in quotes":                      fill(strings.Repeat(">", maxDepth) + "\n\n"),
		"addresses":                             fill("a@b.c \n\n"),
	}
	for name, body := range hostile {
		began := time.Now()
		out := string((&renderer{made: markdown.made}).render(body))
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s: %s", name, took)
		}
		if !strings.HasPrefix(out, "<p>") || len(out) > maxGrowth*len(body) || strings.Contains(out, "<table") {
			t.Errorf("%s: %d bytes became %d: %.60q", name, len(body), len(out), out)
		}
	}
	for name, test := range map[string]struct{ body, want string }{
		"a long table":  {"|a|b|c|d|\n|-|-|-|-|\n" + strings.Repeat("|1|2|3|4|\n", 1000), "<td>4</td>"},
		"many links":    {strings.Repeat("[the incident](https://example.com/i) was open.\n\n", 400), "<a href="},
		"much code":     {strings.Repeat("`code` and ``a ` b``\n", 800), "<code>code</code>"},
		"much emphasis": {strings.Repeat("**bold** and *not*\n", 800), "<strong>bold</strong>"},
	} {
		if out := string(markdown.HTML(test.body)); !strings.Contains(out, test.want) {
			t.Errorf("%s: %.80q", name, out)
		}
	}
}
