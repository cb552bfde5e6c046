package statuspage

import "strings"

// Bounds of what one text may cost: the time that a parser takes grows with the
// square of how often some marks stand there, and one body could keep a page
// from everybody.
const (
	maxLinks   = 500  // "](", each of which may look for its end through all that follows
	maxOpened  = 2000 // "[", each of which may be looked at again by each "]"
	maxEscaped = 100  // "\`", after which the rest of the row of backticks looks for one like it
	maxGrowth  = 8    // how many times as long as the text its HTML may be
	someHTML   = 8 << 10
)

// costly reports whether a text was written to keep a parser busy. Like one
// that is deep, it is shown as it was typed.
func costly(s string) bool {
	return strings.Count(s, "](") > maxLinks || strings.Count(s, "[") > maxOpened || strings.Count(s, "\\`") > maxEscaped ||
		cells(s) > len(s)+someHTML
}

// cells is how many cells the tables of a text have at most: a row that is
// short is filled up to the width of its table.
func cells(s string) int {
	sum, wide, rows := 0, 0, 0
	for line := range strings.SplitSeq(s, "\n") {
		if strings.TrimSpace(line) == "" { // a table ends here
			sum, wide, rows = sum+wide*rows, 0, 0
			continue
		}
		wide, rows = max(wide, strings.Count(line, "|")), rows+1
	}
	return sum + wide*rows
}

// grown reports whether the HTML of a text is out of all proportion to it.
func grown(out []byte, body string) bool { return len(out) > maxGrowth*len(body)+someHTML }
