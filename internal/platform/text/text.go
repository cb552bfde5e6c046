// Package text judges what people are shown.
package text

import "strings"

// Reorders reports whether s holds one of the marks that change the order in
// which text is shown (Unicode's bidirectional embeddings, overrides and
// isolates): by them a name looks like another, and a script like one that
// does something else ("Trojan Source", CVE-2021-42574). Text that is written
// from right to left needs none of them.
//
// See HidesLines for another way to the same end.
func Reorders(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 })
}

// HidesLines reports whether s ends a line in a way that few who read it see,
// and interpreters do: by a carriage return alone, which Python and JavaScript
// take for the end of a line, and a terminal for a way back to its beginning,
// or by Unicode's line and paragraph separators, as JavaScript does
// (ECMA-262, 12.3). What follows a comment on one line would run.
func HidesLines(s string) bool {
	return strings.ContainsAny(s, "\u2028\u2029") || strings.ContainsRune(strings.ReplaceAll(s, "\r\n", "\n"), '\r')
}
