package statuspage

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"pagefree/internal/status"
)

// strip is the history of one component: bars, and the same in words.
type strip struct {
	Length int
	Paths  []bars // the bars, one path for each status
	Label  string // the bars in a sentence
	From   string // date of the first bar
	Runs   []run  // the same day by day; days alike are one run
}

// bars draws all bars of one status: each of its moves draws a row of bars that
// stand side by side, which the style sheet's dashes cut apart.
type bars struct {
	Class string
	D     string
}

// run is some days in a row of which the same is to be told.
type run struct {
	state
	Days   int
	From   string // date
	To     string // date
	Dates  string // for people: 3 May, 3 – 9 May
	Detail string // 42 min, 97.08 % up
}

func stripOf(days []status.Day) strip {
	s := strip{Length: len(days)}
	if len(days) == 0 {
		return s
	}
	s.From = days[0].Date
	drawn := map[string]*strings.Builder{}
	trouble := 0
	for n, d := range days {
		st := componentStates[d.Worst]
		if st.Class != "ok" && st.Class != "gap" && st.Class != "work" {
			trouble++
		}
		if n == 0 || days[n-1].Worst != d.Worst {
			if drawn[st.Class] == nil {
				drawn[st.Class] = &strings.Builder{}
			}
			length := 1
			for n+length < len(days) && days[n+length].Worst == d.Worst {
				length++
			}
			fmt.Fprintf(drawn[st.Class], "M%d 5h%d", n, length)
		}
		last := len(s.Runs) - 1
		one := run{state: st, Days: 1, From: d.Date, To: d.Date, Detail: detail(d, n == len(days)-1)}
		if last >= 0 && s.Runs[last].state == one.state && s.Runs[last].Detail == one.Detail {
			s.Runs[last].Days++
			s.Runs[last].To = d.Date
			continue
		}
		s.Runs = append(s.Runs, one)
	}
	for n := range s.Runs {
		s.Runs[n].Dates = dates(s.Runs[n].From, s.Runs[n].To)
	}
	for _, class := range []string{"gap", "ok", "work", "slow", "part", "down"} {
		if b := drawn[class]; b != nil {
			s.Paths = append(s.Paths, bars{class, b.String()})
		}
	}
	s.Label = "Last " + strconv.Itoa(len(days)) + " days: " + count(trouble) + " with trouble"
	return s
}

func count(days int) string {
	switch days {
	case 0:
		return "no day"
	case 1:
		return "1 day"
	}
	return strconv.Itoa(days) + " days"
}

// detail is what a day has to tell beside its worst status. Of a day that is not
// over it is nothing: it would change by the minute.
func detail(d status.Day, today bool) string {
	if today {
		return ""
	}
	var parts []string
	for _, part := range []struct {
		worst   status.ComponentStatus
		seconds int
		word    string
	}{
		{status.MajorOutage, d.Major, "major outage"}, {status.PartialOutage, d.Partial, "partial outage"},
		{status.DegradedPerformance, d.Degraded, "degraded"}, {status.UnderMaintenance, d.Maintenance, "maintenance"},
	} {
		if part.seconds == 0 {
			continue
		}
		if part.worst == d.Worst {
			parts = append(parts, "for "+spell(part.seconds))
		} else {
			parts = append(parts, part.word+" for "+spell(part.seconds))
		}
	}
	if d.Uptime != nil && *d.Uptime < 100 {
		parts = append(parts, percent(*d.Uptime)+" up")
	}
	return strings.Join(parts, ", ")
}

// dates writes a span of days for people.
func dates(from, to string) string {
	a, err := time.Parse(time.DateOnly, from)
	if err != nil {
		return from
	}
	b, err := time.Parse(time.DateOnly, to)
	switch {
	case err != nil || from == to:
		return a.Format("2 Jan 2006")
	case a.Year() != b.Year():
		return a.Format("2 Jan 2006") + " – " + b.Format("2 Jan 2006")
	case a.Month() != b.Month():
		return a.Format("2 Jan") + " – " + b.Format("2 Jan 2006")
	}
	return a.Format("2") + " – " + b.Format("2 Jan 2006")
}
