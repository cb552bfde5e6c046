package runbooks

import (
	"strings"
	"testing"
	"time"

	"pagefree/internal/runbook"
)

var languages = []string{runbook.Bash, runbook.Python, runbook.JavaScript}

// still is a clock on which nothing takes any time.
func still() time.Time { return time.Time{} }

// whole is the text of painted lines, with the ends between them.
func whole(all []line) string {
	var texts []string
	for _, l := range all {
		var b strings.Builder
		for _, s := range l.Spans {
			b.WriteString(s.Text)
		}
		texts = append(texts, b.String())
	}
	return strings.Join(texts, "\n")
}

// classesOf are the colours of the pieces that say something.
func classesOf(all []line) map[string]string {
	of := map[string]string{}
	for _, l := range all {
		for _, s := range l.Spans {
			of[strings.TrimSpace(s.Text)] = s.Class
		}
	}
	return of
}

func TestPaint(t *testing.T) {
	tests := map[string]struct {
		language, script string
		want             map[string]string
	}{
		"bash": {runbook.Bash, "# free it\nif true; then\n  echo \"of $PF_HOST\" 3\nfi\n",
			map[string]string{"# free it": "c-note", "if": "c-key", "echo": "c-name", "$PF_HOST": "c-var"}},
		"python":         {runbook.Python, "import os\ndef f():\n  return 'x'  # why\n", map[string]string{"import": "c-key", "f": "c-name", "'x'": "c-text", "# why": "c-note"}},
		"javascript":     {runbook.JavaScript, "const n = 12; // why\nprint(`a`)\n", map[string]string{"const": "c-key", "12": "c-num", "// why": "c-note", "`a`": "c-text"}},
		"another":        {"COBOL", "if true\n", map[string]string{"if true": ""}},
		"no script":      {runbook.Bash, "", map[string]string{}},
		"over 48 KiB":    {runbook.Bash, "if " + strings.Repeat("x", runbook.MaxScript), map[string]string{"if " + strings.Repeat("x", runbook.MaxScript): ""}},
		"just 48 KiB":    {runbook.Bash, "if true " + strings.Repeat("x", runbook.MaxScript-8), map[string]string{"if": "c-key"}},
		"without an end": {runbook.JavaScript, "const a", map[string]string{"const": "c-key", "a": ""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := paint(tt.language, tt.script, still)
			if got := whole(all); got != strings.TrimSuffix(tt.script, "\n") {
				t.Errorf("got %q, want the script as it was", got)
			}
			classes := classesOf(all)
			for text, class := range tt.want {
				if got, there := classes[text]; !there || got != class {
					t.Errorf("%q is %q (there: %v), want %q", text, got, there, class)
				}
			}
		})
	}
}

// TestPaintIsBounded: when the time is over, what is left is there, and plain.
func TestPaintIsBounded(t *testing.T) {
	script := strings.Repeat("if true; then echo 'x'; fi\n", 1000)
	var at time.Time
	all := paint(runbook.Bash, script, func() time.Time { at = at.Add(paintFor / 100); return at })
	if got := whole(all); got+"\n" != script {
		t.Errorf("got %d bytes, want all %d", len(got), len(script))
	}
	if first := all[0].Spans[0]; first.Class != "c-key" {
		t.Errorf("the first line begins with %v, want it in colour", first)
	}
	if last := all[len(all)-1].Spans; len(last) != 1 || last[0].Class != "" {
		t.Errorf("the last line is %v, want it plain", last)
	}
}

// hostile are scripts on which patterns with overlapping alternatives took time
// without bound, or that have the lexers try each pattern at each character.
var hostile = map[string]string{
	"a string of escapes without its end": `"` + strings.Repeat(`\0`, runbook.MaxScript/2-1),
	"a string of slashes without its end": `"` + strings.Repeat(`\\`, runbook.MaxScript/2-1),
	"the same in single quotes":           `$'` + strings.Repeat(`\0`, runbook.MaxScript/2-1),
	"a here document without its end":     "<<" + strings.Repeat("a", runbook.MaxScript/2) + " " + strings.Repeat("a", runbook.MaxScript/2-3),
	"many of them":                        strings.Repeat("<<'a\n", runbook.MaxScript/5),
	"a string of dollars":                 strings.Repeat(`$"`, runbook.MaxScript/2),
	"many lines":                          strings.Repeat("\n", runbook.MaxScript),
	"many regular expressions":            strings.Repeat("=/[", runbook.MaxScript/3),
	"many brackets":                       strings.Repeat("${", runbook.MaxScript/2),
	"closing brackets":                    strings.Repeat("})`", runbook.MaxScript/3),
	"formats":                             `f"` + strings.Repeat("{a[", runbook.MaxScript/3-1),
	"no letters":                          strings.Repeat("\x01\ufffd", runbook.MaxScript/4),
}

// TestPaintHostile: each of them ends, and nothing of it is lost. Before the patterns were changed some did not in a day.
func TestPaintHostile(t *testing.T) {
	for name, script := range hostile {
		for _, language := range languages {
			t.Run(name+" "+language, func(t *testing.T) {
				if got := whole(paint(language, script, time.Now)); got != strings.TrimSuffix(script, "\n") {
					t.Errorf("got %d bytes, want all %d", len(got), len(script))
				}
			})
		}
	}
}

func FuzzPaint(f *testing.F) {
	for _, script := range []string{"if true; then echo \"$X\"; fi\n", "def f(a): return f'{a!r}'", "const r = /[a-z]+/g; `x${r}`", "\r\n\x00", "<<'E'\nE\n"} {
		for i := range languages {
			f.Add(i, script)
		}
	}
	f.Fuzz(func(t *testing.T, i int, script string) {
		if got := whole(paint(languages[uint(i)%uint(len(languages))], script, time.Now)); got != strings.TrimSuffix(script, "\n") {
			t.Errorf("got %q, want %q", got, script)
		}
	})
}

func BenchmarkPaint(b *testing.B) {
	script := strings.Repeat("if [ \"$PF_HOST\" = db ]; then echo 'low on disk' >&2; fi # why\n", runbook.MaxScript/64)
	for b.Loop() {
		paint(runbook.Bash, script, time.Now)
	}
}
