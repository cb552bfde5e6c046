package bench

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// column is a kind of measurement. A row has values in those that mean something for it.
type column int

const (
	started column = iota
	aboveHello
	resident
	databaseCalls
	readUnits
	writeUnits
	kmsCalls
	took
	rate
	ofBare
	weight
	cold
	warm
	perRequest
	nanoseconds
)

var columns = []struct {
	title  string
	digits int
	least  bool    // its aims are floors; all others are ceilings
	rank   float64 // it shows this percentile; 0 for the median
}{
	started:       {title: "cold start, ms", digits: 1},
	aboveHello:    {title: "above hello, ms", digits: 1},
	resident:      {title: "resident, MB", digits: 1},
	databaseCalls: {title: "DynamoDB calls"},
	readUnits:     {title: "read units", digits: 1},
	writeUnits:    {title: "write units", digits: 1},
	kmsCalls:      {title: "KMS calls"},
	took:          {title: "ms", digits: 1},
	rate:          {title: "per s and core", digits: 1, least: true},
	ofBare:        {title: "% of the bare one", digits: 0},
	weight:        {title: "KB", digits: 1},
	cold:          {title: "99th of cold, ms", digits: 1, rank: 99},
	warm:          {title: "99th of warm, ms", digits: 1, rank: 99},
	perRequest:    {title: "DynamoDB calls a request", digits: 3},
	nanoseconds:   {title: "ns"},
}

// row is one function or operation: what was measured of it, and what is aimed at. What is shown is held against an aim:
// the median, or the percentile of its column.
type row struct {
	name  string
	cells map[column][]float64
	aims  map[column]float64
	note  string // why a cell is missing
}

// group is rows of one kind, under a line that says how they were measured.
type group struct {
	title string
	rows  []row
}

// spread is what a series of measurements shows of itself: value is the median, or a percentile.
type spread struct{ min, value, max float64 }

// spreadOf reckons a percentile by the nearest rank: it is one of the values. rank 0 is for the median.
func spreadOf(values []float64, rank float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	value := (sorted[(n-1)/2] + sorted[n/2]) / 2
	if rank > 0 {
		value = sorted[max(int(math.Ceil(rank/100*float64(n))), 1)-1]
	}
	return spread{sorted[0], value, sorted[n-1]}
}

// text shows the value and, where the measurements differ, the least and the most.
func (s spread) text(digits int) string {
	if s.min == s.max {
		return number(s.value, digits)
	}
	return fmt.Sprintf("%s (%s..%s)", number(s.value, digits), number(s.min, digits), number(s.max, digits))
}

// number shows digits after the point, and none where they are all 0.
func number(f float64, digits int) string {
	s := strconv.FormatFloat(f, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// judge says of each aim whether it is met. A cell that has an aim and no value misses it.
func (r row) judge() (verdicts, missed []string) {
	for _, c := range slices.Sorted(maps.Keys(r.aims)) {
		aim, word, digits := r.aims[c], "at most", columns[c].digits
		if columns[c].least {
			word = "at least"
		}
		what := fmt.Sprintf("%s %s %s", columns[c].title, word, number(aim, digits))
		if len(r.cells[c]) == 0 {
			missed = append(missed, fmt.Sprintf("%s: %s, and it was not measured", r.name, what))
			verdicts = append(verdicts, "MISSED, not measured")
			continue
		}
		value := spreadOf(r.cells[c], columns[c].rank).value
		if columns[c].least && value < aim || !columns[c].least && value > aim {
			missed = append(missed, fmt.Sprintf("%s: %s, and it is %s", r.name, what, number(value, digits+1)))
			verdicts = append(verdicts, fmt.Sprintf("MISSED %s %s", word, number(aim, digits)))
			continue
		}
		verdicts = append(verdicts, fmt.Sprintf("%s %s: ok", word, number(aim, digits)))
	}
	return verdicts, missed
}

// print prints all groups as one table: the columns that any row has a value in, and which aims are missed.
func print(out io.Writer, groups []group) {
	used := map[column]bool{}
	for _, g := range groups {
		for _, r := range g.rows {
			for c := range r.cells {
				used[c] = true
			}
		}
	}
	shown := slices.Sorted(maps.Keys(used))
	head := []string{"median (least..most)"}
	for _, c := range shown {
		head = append(head, columns[c].title)
	}
	lines := [][]string{append(head, "aims")}
	titles := map[int]string{}
	var missed []string
	for _, g := range groups {
		titles[len(lines)] = g.title
		for _, r := range g.rows {
			cells := []string{"  " + r.name}
			for _, c := range shown {
				cell := ""
				if values := r.cells[c]; len(values) > 0 {
					cell = spreadOf(values, columns[c].rank).text(columns[c].digits)
				}
				cells = append(cells, cell)
			}
			verdicts, not := r.judge()
			missed = append(missed, not...)
			if r.note != "" {
				verdicts = append(verdicts, r.note)
			}
			lines = append(lines, append(cells, strings.Join(verdicts, "; ")))
		}
	}
	widths := make([]int, len(shown)+2)
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i, line := range lines {
		if title := titles[i]; title != "" {
			fmt.Fprintf(out, "%s\n", title)
		}
		var b strings.Builder
		for j, cell := range line {
			fmt.Fprintf(&b, "%-*s  ", widths[j], cell)
		}
		fmt.Fprintln(out, strings.TrimRight(b.String(), " "))
	}
	fmt.Fprintln(out)
	if len(missed) == 0 {
		fmt.Fprintln(out, "All aims are met.")
		return
	}
	fmt.Fprintln(out, "Aims that are missed, by what is shown:")
	for _, m := range missed {
		fmt.Fprintln(out, "  "+m)
	}
}
