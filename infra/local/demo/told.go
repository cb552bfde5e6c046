package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// told is what the reader sees: sections, a line a step with the time since the demo began, and what scripts say.
type told struct {
	out    io.Writer
	colour bool
	began  time.Time
}

func (t told) section(title string) { fmt.Fprintf(t.out, "\n%s\n", t.in("1", title)) }

// say prints one step.
func (t told) say(format string, args ...any) {
	at := fmt.Sprintf("%6.2f s", time.Since(t.began).Seconds())
	fmt.Fprintf(t.out, "%s  %s\n", t.in("2", at), fmt.Sprintf(format, args...))
}

// output prints what a script said.
func (t told) output(text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintf(t.out, "%12s %s\n", t.in("2", "|"), strings.TrimRight(line, "\n"))
	}
}

// in wraps a text in a terminal's attribute: 1 is bold, 2 is faint.
func (t told) in(attribute, text string) string {
	if !t.colour {
		return text
	}
	return "\x1b[" + attribute + "m" + text + "\x1b[0m"
}
