package main

import (
	"html/template"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"
)

// marks are what is worth an eye in the demo's lines.
var marks = []struct {
	what  *regexp.Regexp
	class string
}{
	{regexp.MustCompile(`COMPLETED|approved and sealed|\d+ of \d+ events are sealed`), "good"},
	{regexp.MustCompile(`403 self_approval|waits for review|TIMEOUT|CANCELLED|rolls back|with a warning|access_revoked`), "warn"},
	{regexp.MustCompile(`(?m)^ +\d+\.\d\d s|^ +\|`), "dim"},
	{regexp.MustCompile(`(?m)^[A-Z].*$`), "title"},
}

var frame = template.Must(template.New("").Parse(`<!doctype html><meta charset="utf-8"><style>
body{margin:0;background:#11151c;color:#d8dee9;font:14px/1.5 ui-monospace,"DejaVu Sans Mono",monospace}
pre{margin:0;padding:22px 26px} .good{color:#8fd694} .warn{color:#f0c674} .dim{color:#6b7689} b,.title{color:#fff;font-weight:bold}
</style><pre><b>$ make run</b>
{{.}}</pre>`))

// columns are how many characters a line of the picture holds.
const columns = 112

// fold breaks lines that are longer between words, as the picture is no wider.
func fold(lines string) string {
	var out strings.Builder
	for line := range strings.Lines(lines) {
		width := 0
		for n, word := range strings.SplitAfter(line, " ") {
			if long := utf8.RuneCountInString(strings.TrimSpace(word)); n > 0 && long > 0 && width+long > columns {
				out.WriteString("\n" + strings.Repeat(" ", 10))
				width = 10
			}
			out.WriteString(word)
			width += utf8.RuneCountInString(word)
		}
	}
	return out.String()
}

// terminal writes a page that shows lines as a terminal does.
func terminal(path, lines string) error {
	text := template.HTMLEscapeString(lines)
	for _, m := range marks {
		text = m.what.ReplaceAllString(text, `<span class="`+m.class+`">$0</span>`)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return frame.Execute(f, template.HTML(text)) // escaped above
}
