package runbooks

import (
	"embed"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/chroma/v2"

	"pagefree/internal/runbook"
)

//go:embed lexers/*.xml
var lexerFiles embed.FS

// lexers are made when the first script is painted, not at the start.
var lexers = map[string]func() (*chroma.RegexLexer, error){
	runbook.Bash: lexer("bash"), runbook.Python: lexer("python"), runbook.JavaScript: lexer("javascript"),
}

func lexer(name string) func() (*chroma.RegexLexer, error) {
	return sync.OnceValues(func() (*chroma.RegexLexer, error) { return chroma.NewXMLLexer(lexerFiles, "lexers/"+name+".xml") })
}

// span is a piece of a line in one colour: a class of the style sheet, or "".
type span struct {
	Class string
	Text  string
}

// line is one line of a script, without its end.
type line struct {
	N     int // from 1
	Spans []span
	Wrong bool // the parser stopped here
}

// paintFor is how long a script may take to be coloured; what is left then stays
// plain. An ordinary script of 48 KiB takes a tenth of it on a laptop.
const paintFor = 400 * time.Millisecond

// paint splits a script into lines and colours them. Whatever the script is, all
// of it is there, in its order; a script that is too large, or that the lexer
// does not get through in time, is plain from there on.
func paint(language, script string, now func() time.Time) []line {
	spans := []span{{"", script}}
	if make, known := lexers[language]; known && len(script) <= runbook.MaxScript {
		if coloured, ok := colour(make, script, now); ok {
			spans = coloured
		}
	}
	return lines(spans)
}

// colour runs the lexer over a script. ok is false where it lost or changed
// anything of it, or failed: patterns of others run here over what anybody wrote.
func colour(make func() (*chroma.RegexLexer, error), script string, now func() time.Time) (spans []span, ok bool) {
	defer func() {
		if recover() != nil { // such as a rule that leaves the outermost state
			spans, ok = nil, false
		}
	}()
	l, err := make()
	if err != nil {
		return nil, false
	}
	next, err := l.Tokenise(&chroma.TokeniseOptions{State: "root"}, script)
	if err != nil {
		return nil, false
	}
	end, rest := now().Add(paintFor), script
	for token := next(); token != chroma.EOF; token = next() {
		if !strings.HasPrefix(rest, token.Value) {
			if token.Value == rest+"\n" { // the end that a lexer wants a line to have
				token.Value = rest
			} else {
				return nil, false
			}
		}
		rest = rest[len(token.Value):]
		class := classOf(token.Type)
		if n := len(spans); n > 0 && spans[n-1].Class == class {
			spans[n-1].Text += token.Value
		} else {
			spans = append(spans, span{class, token.Value})
		}
		if now().After(end) {
			break
		}
	}
	if rest != "" {
		spans = append(spans, span{"", rest})
	}
	return spans, true
}

// classOf is the colour of a token: few, so that what matters stands out.
func classOf(t chroma.TokenType) string {
	switch {
	case t.InCategory(chroma.Comment):
		return "c-note"
	case t.InCategory(chroma.Keyword):
		return "c-key"
	case t.InSubCategory(chroma.LiteralString):
		return "c-text"
	case t.InSubCategory(chroma.LiteralNumber):
		return "c-num"
	case t.InSubCategory(chroma.NameVariable):
		return "c-var"
	case t == chroma.NameBuiltin, t == chroma.NameFunction, t == chroma.NameClass, t == chroma.NameDecorator, t == chroma.NameException:
		return "c-name"
	}
	return ""
}

// lines cuts spans at the ends of lines. A script that ends with one has no
// empty line after it; no script has one line, which is empty.
func lines(spans []span) []line {
	all := []line{{N: 1}}
	for _, s := range spans {
		for i, text := range strings.Split(s.Text, "\n") {
			if i > 0 {
				all = append(all, line{N: len(all) + 1})
			}
			if text != "" {
				at := &all[len(all)-1]
				at.Spans = append(at.Spans, span{s.Class, text})
			}
		}
	}
	if n := len(all); n > 1 && len(all[n-1].Spans) == 0 {
		all = all[:n-1]
	}
	return all
}
