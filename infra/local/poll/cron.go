package poll

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// cron is an EventBridge expression of six fields, in UTC. L, W and # are not known here.
type cron struct {
	minute, hour, day, month, weekday, year field
}

// field holds the values that a field admits; nil is every value.
type field map[int]bool

func (f field) has(n int) bool { return f == nil || f[n] }

// bounds of the fields in their order, and the names that they take.
var bounds = []struct {
	name        string
	least, most int
	words       []string // of the values from least on
}{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day", 1, 31, nil},
	{"month", 1, 12, []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
	{"weekday", 1, 7, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
	{"year", 1970, 2199, nil},
}

func parseCron(text string) (cron, error) {
	parts := strings.Fields(text)
	if len(parts) != len(bounds) {
		return cron{}, fmt.Errorf("want 6 fields, got %d", len(parts))
	}
	if (parts[2] == "?") == (parts[4] == "?") {
		return cron{}, fmt.Errorf("one of day and weekday is ?, the other is not")
	}
	var c cron
	for i, f := range []*field{&c.minute, &c.hour, &c.day, &c.month, &c.weekday, &c.year} {
		parsed, err := parseField(i, parts[i])
		if err != nil {
			return cron{}, fmt.Errorf("%s %q: %w", bounds[i].name, parts[i], err)
		}
		*f = parsed
	}
	return c, nil
}

// parseField reads *, ?, numbers, names, ranges a-b, steps a/n and */n, and lists of those.
func parseField(i int, text string) (field, error) {
	if text == "*" || text == "?" && (i == 2 || i == 4) {
		return nil, nil
	}
	out := field{}
	for item := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(item, "/")
		from, to, ranged := strings.Cut(span, "-")
		step := 1
		least, err := value(i, from)
		if from == "*" && stepped {
			least, err = bounds[i].least, nil
		}
		if err != nil {
			return nil, err
		}
		most := least
		if stepped {
			most = bounds[i].most
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
				return nil, fmt.Errorf("%q is no step", stepText)
			}
		}
		if ranged {
			if most, err = value(i, to); err != nil {
				return nil, err
			}
		}
		if most < least {
			return nil, fmt.Errorf("the range %q is empty", span)
		}
		for n := least; n <= most; n += step {
			out[n] = true
		}
	}
	return out, nil
}

func value(i int, text string) (int, error) {
	b := bounds[i]
	for at, word := range b.words {
		if strings.EqualFold(word, text) {
			return b.least + at, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < b.least || n > b.most {
		return 0, fmt.Errorf("%q is not within %d and %d", text, b.least, b.most)
	}
	return n, nil
}

// next looks day by day, then minute by minute. It gives up after eight years: February 29 comes within them.
func (c cron) next(after time.Time) time.Time {
	t := after.UTC().Truncate(time.Minute).Add(time.Minute)
	for end := t.AddDate(8, 0, 1); t.Before(end); {
		if !c.year.has(t.Year()) || !c.month.has(int(t.Month())) || !c.day.has(t.Day()) || !c.weekday.has(int(t.Weekday())+1) {
			t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, time.UTC)
			continue
		}
		if c.hour.has(t.Hour()) && c.minute.has(t.Minute()) {
			return t
		}
		t = t.Add(time.Minute)
	}
	return time.Time{}
}
