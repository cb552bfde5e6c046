package bench

import (
	"fmt"
	"io"
	"maps"
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
)

var columns = []struct {
	title  string
	digits int
	least  bool // its aims are floors; all others are ceilings
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
}

// row is one function or operation: what was measured of it, and what is aimed at. A median is held against an aim.
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

// spread is what a series of measurements shows of itself.
type spread struct{ min, median, max float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{sorted[0], (sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[n-1]}
}

// text shows the median and, where the measurements differ, the least and the most.
func (s spread) text(digits int) string {
	if s.min == s.max {
		return number(s.median, digits)
	}
	return fmt.Sprintf("%s (%s..%s)", number(s.median, digits), number(s.min, digits), number(s.max, digits))
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
		median := spreadOf(r.cells[c]).median
		if columns[c].least && median < aim || !columns[c].least && median > aim {
			missed = append(missed, fmt.Sprintf("%s: %s, and it is %s", r.name, what, number(median, digits+1)))
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
					cell = spreadOf(values).text(columns[c].digits)
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
	fmt.Fprintln(out, "Aims that are missed, by the median:")
	for _, m := range missed {
		fmt.Fprintln(out, "  "+m)
	}
}
