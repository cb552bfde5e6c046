// Package text judges what people are shown.
package text

import "strings"

// Reorders reports whether s holds one of the marks that change the order in
// which text is shown (Unicode's bidirectional embeddings, overrides and
// isolates): by them a name looks like another, and a script like one that
// does something else ("Trojan Source", CVE-2021-42574). Text that is written
// from right to left needs none of them.
func Reorders(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 })
}
