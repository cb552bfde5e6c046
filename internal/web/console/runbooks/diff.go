package runbooks

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"
)

// A side is one line as it was, or as it is: its pieces, of which those with the
// class "word" are not in the line beside it. N is 0 where there is no line.
type side struct {
	N     int
	Spans []span
}

// pair is one row of a diff side by side. Its kind is "same", "change" (both
// sides, or one), "fold" (lines left out, which are the same: Count of them), or
// "note" (about the end of a script).
type pair struct {
	Kind     string
	Old, New side
	Count    int
}

// compare lays two texts side by side, with three lines around each change. An
// empty result is no difference.
func compare(before, after string) []pair {
	unified := string(diff.Diff("before", []byte(before), "after", []byte(after)))
	if unified == "" {
		return nil
	}
	var rows []pair
	var gone, come []side
	endless := false
	flush := func() {
		rows = append(rows, beside(gone, come)...)
		if endless {
			rows = append(rows, pair{Kind: "note"})
		}
		gone, come, endless = nil, nil, false
	}
	old, new := 1, 1
	for _, l := range strings.Split(strings.TrimSuffix(unified, "\n"), "\n")[3:] { // after its three lines of names
		kind, text := byte(' '), ""
		if l != "" {
			kind, text = l[0], l[1:]
		}
		switch kind {
		case '@':
			flush()
			from, to := starts(l)
			if from > old { // what begins the file, or stands between two changes
				rows = append(rows, pair{Kind: "fold", Count: from - old})
			}
			old, new = from, to
		case '-':
			gone = append(gone, side{old, plain(text)})
			old++
		case '+':
			come = append(come, side{new, plain(text)})
			new++
		case '\\': // about the line before
			endless = true
		default:
			flush()
			rows = append(rows, pair{Kind: "same", Old: side{old, plain(text)}, New: side{new, plain(text)}})
			old, new = old+1, new+1
		}
	}
	flush()
	if rest := count(before) + 1 - old; rest > 0 {
		rows = append(rows, pair{Kind: "fold", Count: rest})
	}
	return rows
}

// count is how many lines a text has; the last may lack its end.
func count(text string) int {
	n := strings.Count(text, "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		n++
	}
	return n
}

// starts are the first lines of a hunk, "@@ -3,7 +3,8 @@". One that is empty
// names the line before it.
func starts(hunk string) (from, to int) {
	at := func(s string) int {
		start, count, has := strings.Cut(s[1:], ",")
		n, _ := strconv.Atoi(start) // diff.Diff wrote it
		if has && count == "0" {
			n++
		}
		return n
	}
	fields := strings.Fields(hunk)
	return at(fields[1]), at(fields[2])
}

func plain(text string) []span {
	if text == "" {
		return nil
	}
	return []span{{"", text}}
}

// beside lays lines that went beside those that came in their place.
func beside(gone, come []side) []pair {
	var rows []pair
	for i := range max(len(gone), len(come)) {
		row := pair{Kind: "change"}
		if i < len(gone) {
			row.Old = gone[i]
		}
		if i < len(come) {
			row.New = come[i]
		}
		if i < len(gone) && i < len(come) && len(row.Old.Spans) == 1 && len(row.New.Spans) == 1 {
			row.Old.Spans, row.New.Spans = changed(row.Old.Spans[0].Text, row.New.Spans[0].Text)
		}
		rows = append(rows, row)
	}
	return rows
}

// maxWords is up to how many words of two lines are compared with each other;
// of longer lines only their common beginning and end are found.
const maxWords = 120

// changed marks the words of two lines that are not in the other. Lines with
// little in common stay unmarked: all of them changed.
func changed(before, after string) (old, new []span) {
	a, b := split(before), split(after)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	keepA, keepB := make([]bool, len(a)), make([]bool, len(b))
	for i := range head {
		keepA[i], keepB[i] = true, true
	}
	for i := range tail {
		keepA[len(a)-1-i], keepB[len(b)-1-i] = true, true
	}
	if ma, mb := a[head:len(a)-tail], b[head:len(b)-tail]; len(ma) <= maxWords && len(mb) <= maxWords {
		common(ma, mb, keepA[head:], keepB[head:])
	}
	if !alike(a, keepA) && !alike(b, keepB) {
		return plain(before), plain(after)
	}
	return marked(a, keepA), marked(b, keepB)
}

// split cuts a line into words, runs of spaces and single signs.
func split(line string) []string {
	var words []string
	kind := func(r rune) int {
		switch {
		case isWord(r):
			return 1
		case unicode.IsSpace(r):
			return 2
		}
		return 0
	}
	for start := 0; start < len(line); {
		first, end := utf8.DecodeRuneInString(line[start:])
		k, at := kind(first), start+end
		for k > 0 && at < len(line) {
			r, size := utf8.DecodeRuneInString(line[at:])
			if kind(r) != k {
				break
			}
			at += size
		}
		words = append(words, line[start:at])
		start = at
	}
	return words
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }

// common marks a longest sequence of words that is in both.
func common(a, b []string, keepA, keepB []bool) {
	width := len(b) + 1
	long := make([]int16, (len(a)+1)*width) // of a[i:] and b[j:]
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				long[i*width+j] = long[(i+1)*width+j+1] + 1
			} else {
				long[i*width+j] = max(long[(i+1)*width+j], long[i*width+j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			keepA[i], keepB[j] = true, true
			i, j = i+1, j+1
		case long[(i+1)*width+j] >= long[i*width+j+1]:
			i++
		default:
			j++
		}
	}
}

// alike reports whether a third of a line's words was kept; signs alone make no
// two lines alike.
func alike(words []string, keep []bool) bool {
	kept, all := 0, 0
	for i, w := range words {
		if strings.ContainsFunc(w, isWord) {
			all++
			if keep[i] {
				kept++
			}
		}
	}
	return kept*3 >= all
}

func marked(words []string, keep []bool) []span {
	var spans []span
	for i, w := range words {
		class := "word"
		if keep[i] {
			class = ""
		}
		if n := len(spans); n > 0 && spans[n-1].Class == class {
			spans[n-1].Text += w
		} else {
			spans = append(spans, span{class, w})
		}
	}
	return spans
}
