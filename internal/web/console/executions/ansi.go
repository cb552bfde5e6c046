package executions

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// span is a run of output in one look. The text is plain: a template escapes it.
type span struct {
	Class string // of the style sheet, "" for plain text
	Text  string
	Hit   bool // it is what was searched for
}

// look is what a terminal's SGR sequences (ECMA-48, 8.3.117) can ask for, as far as it is shown.
type look struct {
	fore, back                                  int // 1 to 16 are the colours of a terminal; 0 is none
	bold, dim, italic, underlined, inverse, cut bool
}

// class names a look by classes of the style sheet, of which the words are ours.
func (l look) class() string {
	if l == (look{}) {
		return ""
	}
	if l.inverse {
		l.fore, l.back = l.back, l.fore
	}
	var names []string
	add := func(on bool, name string) {
		if on {
			names = append(names, name)
		}
	}
	add(l.fore > 0, "c-"+colours[max(l.fore-1, 0)%8])
	add(l.fore > 8, "c-bright")
	add(l.back > 0, "b-"+colours[max(l.back-1, 0)%8])
	add(l.inverse && l.fore == 0 && l.back == 0, "c-inverse")
	add(l.bold, "c-bold")
	add(l.dim, "c-dim")
	add(l.italic, "c-italic")
	add(l.underlined, "c-under")
	add(l.cut, "c-cut")
	return strings.Join(names, " ")
}

var colours = []string{"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"}

// maxNumbers bounds the numbers of one sequence that are read.
const maxNumbers = 32

// colour makes output that scripts wrote for a terminal into spans. SGR
// sequences become looks; every other sequence, and every control character
// but line feeds and tabs, is left out. A carriage return begins a line, so
// that nothing hides behind what was written over it, and marks that change
// the order in which text is shown are seen as U+FFFD. A sequence without an
// end hides no more than the rest of its line.
func colour(text string) []span {
	var spans []span
	var now look
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			spans = append(spans, span{Class: now.class(), Text: b.String()})
			b.Reset()
		}
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		rest := text[i+n:]
		switch {
		case r == '\x1b' && strings.HasPrefix(rest, "["):
			rest, n = rest[1:], n+1
			fallthrough
		case r == '\u009b':
			body, final, used := sequence(rest)
			if final == 'm' {
				if next := now.apply(body); next != now {
					flush()
					now = next
				}
			}
			n += used
		case r == '\x1b' && rest != "" && strings.IndexByte("]PX^_", rest[0]) >= 0:
			n += 1 + stringEnd(rest[1:])
		case r == '\u0090' || r == '\u0098' || r == '\u009d' || r == '\u009e' || r == '\u009f':
			n += stringEnd(rest)
		case r == '\x1b':
			n += escape(rest)
		case r == '\r' && strings.HasPrefix(rest, "\n"):
		case r == '\r' || r == '\n':
			b.WriteByte('\n')
		case r == '\t':
			b.WriteByte('\t')
		case unicode.IsControl(r):
		case unicode.Is(unicode.Bidi_Control, r):
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
		i += n
	}
	flush()
	return spans
}

// sequence reads a control sequence behind its introducer: parameters, and the
// byte that ends it. One that is broken ends before what does not belong to it,
// with no final byte. used is how many bytes of s it has.
func sequence(s string) (body string, final byte, used int) {
	i := 0
	for i < len(s) && s[i] >= 0x30 && s[i] <= 0x3f {
		i++
	}
	body = s[:i]
	middle := i
	for i < len(s) && s[i] >= 0x20 && s[i] <= 0x2f {
		i++
	}
	if i < len(s) && s[i] >= 0x40 && s[i] <= 0x7e {
		if i > middle { // with intermediate bytes it is another function
			return body, 0, i + 1
		}
		return body, s[i], i + 1
	}
	return body, 0, i
}

// stringEnd is the length of a control string (a title, a link) with its end:
// BEL or ST. It ends before the line does, at the latest.
func stringEnd(s string) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\n' || r == '\r':
			return i
		case r == '\a' || r == '\u009c':
			return i + n
		case r == '\x1b' && strings.HasPrefix(s[i+1:], `\`):
			return i + 2
		case r == '\x1b':
			return i
		}
		i += n
	}
	return len(s)
}

// escape is the length of what follows an ESC that begins no sequence: intermediate bytes and one more.
func escape(s string) int {
	i := 0
	for i < len(s) && s[i] >= 0x20 && s[i] <= 0x2f {
		i++
	}
	if i < len(s) && s[i] >= 0x30 && s[i] <= 0x7e {
		return i + 1
	}
	return i
}

// apply is a look after an SGR sequence. Numbers that are not known change nothing.
func (l look) apply(body string) look {
	if strings.ContainsAny(body, "<=>?") { // private ones are no SGR
		return l
	}
	fields := strings.SplitN(body, ";", maxNumbers+1)
	fields = fields[:min(len(fields), maxNumbers)]
	for i := 0; i < len(fields); i++ {
		first, parts, parted := strings.Cut(fields[i], ":") // ISO 8613-6 keeps what belongs together in one field
		switch n := number(first); {
		case parted && n == 4:
			l.underlined = parts != "0"
		case parted && (n == 38 || n == 48):
			of := numbers(strings.SplitN(parts, ":", maxNumbers))
			if len(of) > 4 && of[0] == 2 { // with the id of a colour space
				of = append(of[:1], of[2:]...)
			}
			l, _ = l.extend(n, of)
		case parted:
		case n == 0:
			l = look{}
		case n == 1:
			l.bold = true
		case n == 2:
			l.dim = true
		case n == 3:
			l.italic = true
		case n == 4 || n == 21:
			l.underlined = true
		case n == 7:
			l.inverse = true
		case n == 9:
			l.cut = true
		case n == 22:
			l.bold, l.dim = false, false
		case n == 23:
			l.italic = false
		case n == 24:
			l.underlined = false
		case n == 27:
			l.inverse = false
		case n == 29:
			l.cut = false
		case n >= 30 && n <= 37:
			l.fore = n - 30 + 1
		case n >= 90 && n <= 97:
			l.fore = n - 90 + 9
		case n >= 40 && n <= 47:
			l.back = n - 40 + 1
		case n >= 100 && n <= 107:
			l.back = n - 100 + 9
		case n == 39:
			l.fore = 0
		case n == 49:
			l.back = 0
		case n == 38 || n == 48:
			var used int
			l, used = l.extend(n, numbers(fields[i+1:]))
			i += used
		}
	}
	return l
}

func numbers(fields []string) []int {
	out := make([]int, len(fields))
	for i, f := range fields {
		out[i] = number(f)
	}
	return out
}

// number is that of digits, 0 without any; what is over 1000 is as good as 1000.
func number(digits string) int {
	n := 0
	for i := 0; i < len(digits) && n < 1000; i++ {
		if digits[i] < '0' || digits[i] > '9' {
			return 0
		}
		n = n*10 + int(digits[i]-'0')
	}
	return n
}

// extend sets the colour that follows 38 (of the text) or 48 (behind it).
func (l look) extend(n int, numbers []int) (look, int) {
	c, used := extended(numbers)
	if n == 38 {
		l.fore = c
	} else {
		l.back = c
	}
	return l, used
}

// extended is the colour of 38 or 48: of 256 by 5;n, or of all by 2;r;g;b, as
// the nearest of the eight that the page has, whose contrast is known.
func extended(n []int) (colour, used int) {
	switch {
	case len(n) >= 2 && n[0] == 5:
		switch c := n[1]; {
		case c < 16:
			return c + 1, 2
		case c < 232:
			c -= 16
			return nearest(c/36*51, c/6%6*51, c%6*51), 2
		case c < 256:
			grey := 8 + (c-232)*10
			return nearest(grey, grey, grey), 2
		}
		return 0, 2
	case len(n) >= 4 && n[0] == 2:
		return nearest(n[1], n[2], n[3]), 4
	}
	return 0, len(n)
}

// nearest is one of the eight colours for red, green and blue of 0 to 255: those that are more than half of the strongest.
func nearest(r, g, b int) int {
	most := max(r, g, b)
	if most < 48 {
		return 1
	}
	c := 0
	for bit, v := range []int{r, g, b} {
		if v*2 > most {
			c |= 1 << bit
		}
	}
	return c + 1
}

// plain is what colour shows, without its looks.
func plain(spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		b.WriteString(s.Text)
	}
	return b.String()
}

// find marks what is searched for, in any case, also across looks, and counts it.
func find(spans []span, what string) ([]span, int) {
	needle := fold(what)
	if len(needle) == 0 {
		return spans, 0
	}
	whole := fold(plain(spans))
	var marked []span
	var from, n int // where the rest begins, in runes; how many hits
	hits := positions(whole, needle)
	at, until := 0, 0 // of the next hit, or of the one that goes on
	next := func() {
		if n < len(hits) {
			at, until = hits[n], hits[n]+len(needle)
			n++
			return
		}
		at, until = len(whole), len(whole)
	}
	next()
	for _, s := range spans {
		text := []rune(s.Text)
		for len(text) > 0 {
			if from >= until {
				next()
			}
			hit, end := from >= at, at
			if hit {
				end = until
			}
			part := text[:min(len(text), max(end-from, 1))]
			marked = append(marked, span{Class: s.Class, Text: string(part), Hit: hit})
			text, from = text[len(part):], from+len(part)
		}
	}
	return marked, len(hits)
}

// fold is a text's runes in one case, one for one.
func fold(s string) []rune {
	runes := []rune(s)
	for i, r := range runes {
		runes[i] = unicode.ToLower(r)
	}
	return runes
}

// positions are where needle stands in text, without overlaps.
func positions(text, needle []rune) []int {
	var at []int
	for i := 0; i+len(needle) <= len(text); i++ {
		if slices.Equal(text[i:i+len(needle)], needle) {
			at = append(at, i)
			i += len(needle) - 1
		}
	}
	return at
}
