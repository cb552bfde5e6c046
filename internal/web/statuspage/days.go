package statuspage

import (
	"slices"
	"time"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/text"
	"pagefree/internal/status"
)

// day is one remembered day of a page and what began on it.
type day struct {
	date         string // 2006-01-02
	at           int    // its place in the Days of each component
	incidents    []status.ViewIncident
	maintenances []status.ViewMaintenance // that are over
}

// daysOf are the days of a page, newest first, at most limit of them and those
// before a date, if one is given, and the date to go on from, "" at the end.
func daysOf(v status.View, from httpapi.Page) ([]day, string) {
	all := remembered(v)
	var out []day
	for _, d := range all {
		if from.Before != "" && d.date >= from.Before {
			continue
		}
		if len(out) == from.Limit {
			return out, out[len(out)-1].date
		}
		out = append(out, d)
	}
	return out, ""
}

// remembered are all days of a page, newest first. What began before them
// stands at the oldest.
func remembered(v status.View) []day {
	today := v.Now.In(v.Zone)
	y, m, d := today.Date()
	all := make([]day, status.Remembered)
	place := map[string]int{}
	for n := range all {
		date := time.Date(y, m, d-n, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		all[n] = day{date: date, at: status.Remembered - 1 - n}
		place[date] = n
	}
	put := func(t time.Time) *day {
		n, known := place[t.In(v.Zone).Format(time.DateOnly)]
		if !known {
			n = len(all) - 1
		}
		return &all[n]
	}
	for _, list := range [][]status.ViewIncident{v.Incidents, v.Past} {
		for _, i := range list {
			at := put(i.StartedAt.Time)
			at.incidents = append(at.incidents, i)
		}
	}
	for n := range all {
		slices.SortStableFunc(all[n].incidents, func(a, b status.ViewIncident) int { return b.StartedAt.Compare(a.StartedAt.Time) })
	}
	for _, i := range v.Done {
		at := put(i.StartsAt.Time)
		at.maintenances = append(at.maintenances, i)
	}
	return all
}

// maxTexts bounds the texts of an answer, in bytes: Lambda answers with 6 MB at
// most, and a body is escaped once more on its way.
const maxTexts = 1 << 20

// lengths of texts, in bytes, that are tried one after the other until they fit.
var lengths = []int{8 << 10, 2 << 10, 500, 120, 0}

// fit shortens the texts of a view where all of them together are too much for
// one answer. What was cut says so.
func fit(v status.View) status.View {
	if size(v) <= maxTexts {
		return v
	}
	for _, length := range lengths {
		v.Incidents, v.Past = cutIncidents(v.Incidents, length), cutIncidents(v.Past, length)
		v.Maintenances, v.Done = cutMaintenances(v.Maintenances, length), cutMaintenances(v.Done, length)
		if size(v) <= maxTexts {
			break
		}
	}
	return v
}

func fitIncident(i status.ViewIncident) status.ViewIncident {
	return fit(status.View{Past: []status.ViewIncident{i}}).Past[0]
}

func size(v status.View) int {
	sum := 0
	for _, list := range [][]status.ViewIncident{v.Incidents, v.Past} {
		for _, i := range list {
			for _, u := range i.Updates {
				sum += len(u.Body)
			}
		}
	}
	for _, list := range [][]status.ViewMaintenance{v.Maintenances, v.Done} {
		for _, m := range list {
			sum += len(m.Body)
			for _, u := range m.Updates {
				sum += len(u.Body)
			}
		}
	}
	return sum
}

func cutIncidents(list []status.ViewIncident, length int) []status.ViewIncident {
	out := make([]status.ViewIncident, len(list))
	for n, i := range list {
		i.Updates = append([]status.ViewUpdate(nil), i.Updates...)
		for k := range i.Updates {
			u := &i.Updates[k]
			u.Body, u.More = cut(u.Body, u.More, length)
		}
		out[n] = i
	}
	return out
}

func cutMaintenances(list []status.ViewMaintenance, length int) []status.ViewMaintenance {
	out := make([]status.ViewMaintenance, len(list))
	for n, m := range list {
		m.Body, m.More = cut(m.Body, m.More, length)
		m.Updates = append([]status.ViewMaintenanceUpdate(nil), m.Updates...)
		for k := range m.Updates {
			u := &m.Updates[k]
			u.Body, u.More = cut(u.Body, u.More, length)
		}
		out[n] = m
	}
	return out
}

func cut(body string, more bool, length int) (string, bool) {
	if len(body) <= length {
		return body, more
	}
	short, _ := text.Clip([]byte(body[:length]), true, length)
	return short, true
}
