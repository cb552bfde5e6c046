package status

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/text"
)

// Limits of what callers may write.
const (
	MaxName        = 120      // characters, of pages, components and groups
	MaxTitle       = 200      // characters
	MaxDescription = 2000     // characters, of a page
	MaxShort       = 500      // characters, of a component's description
	MaxBody        = 32 << 10 // bytes of Markdown
)

// wrongs collects what is wrong with a request.
type wrongs []problem.Field

func (w *wrongs) add(location, message string) {
	*w = append(*w, problem.Field{Location: location, Message: message})
}

// err is a 422 of all that was collected, or nil.
func (w wrongs) err() error {
	if w == nil {
		return nil
	}
	return problem.Invalid(w...)
}

// line reports whether s is one line of text of 1 to limit characters, and
// looks like what it is.
func line(s string, limit int) bool {
	return s != "" && utf8.RuneCountInString(s) <= limit && utf8.ValidString(s) && !text.Reorders(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' })
}

// lines reports whether s is text of several lines without control characters.
func lines(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' })
}

// name checks a text of one line; it is trimmed first.
func (w *wrongs) name(location, s string, limit int, how string) string {
	s = strings.TrimSpace(s)
	if !line(s, limit) {
		w.add(location, "one line of "+how+", without control characters or marks that reorder text")
	}
	return s
}

// short checks a text that may be empty and have several lines.
func (w *wrongs) short(location, s string, limit int, how string) string {
	s = strings.TrimSpace(s)
	if utf8.RuneCountInString(s) > limit {
		w.add(location, "at most "+how)
	} else if !lines(s) || text.Reorders(s) {
		w.add(location, "it has control characters, or marks that reorder text")
	}
	return s
}

// body checks Markdown that has to say something.
func (w *wrongs) body(location, s string) {
	switch {
	case len(s) > MaxBody:
		w.add(location, "at most 32 KiB")
	case strings.TrimSpace(s) == "":
		w.add(location, "it says nothing")
	case !lines(s):
		w.add(location, "it has control characters")
	}
}
