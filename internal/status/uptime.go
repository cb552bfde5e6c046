package status

import (
	"math"
	"time"
)

// Formula is how uptime is computed, in words for the page.
const Formula = "Uptime is the share of time without an outage: a major outage counts in full, a partial outage by half. " +
	"Degraded performance counts as up. Planned maintenance and days before a component existed are left out."

// Day is one day of a component, in the page's time zone. Seconds are of the
// part of the day that the component existed in and that is past.
type Day struct {
	Date        string          `json:"date"` // 2006-01-02
	Worst       ComponentStatus `json:"worst,omitempty"`
	Uptime      *float64        `json:"uptime"` // percent, two decimals; nil where nothing counts
	Degraded    int             `json:"degraded,omitempty"`
	Partial     int             `json:"partial,omitempty"`
	Major       int             `json:"major,omitempty"`
	Maintenance int             `json:"maintenance,omitempty"`

	counted int // seconds that are not maintenance
}

// window is a time in which a maintenance lies over a component.
type window struct{ from, to time.Time }

// days are the last n days of a component up to now, oldest first, by the days
// of zone: where clocks change, a day has 23 or 25 hours, and a midnight that
// does not exist is the first moment after it.
func (c Component) days(n int, windows []window, zone *time.Location, now time.Time) []Day {
	today := now.In(zone)
	out := make([]Day, 0, n)
	for back := n - 1; back >= 0; back-- {
		from := midnight(today, -back, zone)
		to := midnight(today, -back+1, zone)
		if to.After(now) {
			to = now
		}
		out = append(out, c.day(from, to, windows))
		out[len(out)-1].Date = dateOf(today, -back)
	}
	return out
}

// midnight is the first moment of a day, some days from that of t. Some zones
// change their clocks at midnight: it then does not exist, or comes twice.
func midnight(t time.Time, days int, zone *time.Location) time.Time {
	y, m, d := t.Date()
	at := time.Date(y, m, d+days, 0, 0, 0, 0, zone)
	start, end := at.ZoneBounds()
	day := time.Date(y, m, d+days, 0, 0, 0, 0, time.UTC).Day()
	switch {
	case at.Day() != day: // it does not exist, and Go took the offset before it
		return end
	case at.Hour() != 0 || at.Minute() != 0: // the offset after it
		return start
	}
	if earlier := at.Add(-time.Hour); earlier.Day() == day { // it came before, too
		return earlier
	}
	return at
}

func dateOf(t time.Time, days int) string {
	y, m, d := t.Date()
	return time.Date(y, m, d+days, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

// day sums up the time between from and to.
func (c Component) day(from, to time.Time, windows []window) Day {
	var d Day
	if born := c.CreatedAt.Time; from.Before(born) {
		from = born
	}
	for i, change := range c.Log {
		a, b := change.At.Time, to
		if i+1 < len(c.Log) && c.Log[i+1].At.Before(to) {
			b = c.Log[i+1].At.Time
		}
		if a.Before(from) {
			a = from
		}
		if !a.Before(b) {
			continue
		}
		planned := covered(windows, a, b)
		d.add(UnderMaintenance, planned)
		d.add(change.Status, b.Sub(a)-planned)
	}
	if d.counted > 0 {
		up := 100 * (1 - (float64(d.Major)+float64(d.Partial)/2)/float64(d.counted))
		d.Uptime = percent(up)
	}
	return d
}

func (d *Day) add(s ComponentStatus, t time.Duration) {
	seconds := int(t.Round(time.Second) / time.Second)
	if t <= 0 || s == "" { // nobody knows any more what it was
		return
	}
	d.Worst = worse(d.Worst, s)
	switch s {
	case UnderMaintenance:
		d.Maintenance += seconds
		return
	case DegradedPerformance:
		d.Degraded += seconds
	case PartialOutage:
		d.Partial += seconds
	case MajorOutage:
		d.Major += seconds
	}
	d.counted += seconds
}

// covered is how much of the time from a to b lies in windows, which may overlap.
func covered(windows []window, a, b time.Time) time.Duration {
	var sum time.Duration
	at := a // windows are sorted by their beginning
	for _, w := range windows {
		from, to := w.from, w.to
		if from.Before(at) {
			from = at
		}
		if to.After(b) {
			to = b
		}
		if from.Before(to) {
			sum += to.Sub(from)
			at = to
		}
	}
	return sum
}

// uptime is that of several days together; nil where nothing counts.
func uptime(days []Day) *float64 {
	var down float64
	counted := 0
	for _, d := range days {
		down += float64(d.Major) + float64(d.Partial)/2
		counted += d.counted
	}
	if counted == 0 {
		return nil
	}
	return percent(100 * (1 - down/float64(counted)))
}

// percent has two decimals, rounded down: what was not up all the time never reads 100.
func percent(p float64) *float64 {
	p = math.Floor(math.Round(p*1e6)/1e4) / 100
	return &p
}
