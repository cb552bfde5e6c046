package status

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// trims leave out more and more of a snapshot that is too large, one after the
// other, until it fits. What is now, and what of it is said, comes last:
//
//	the ends of texts of what is over, then of all texts
//	all but the newest of what is over (the rest has records of its own)
//	the order of changes within a past day
//	the older days of components, which then show as no data
var trims = []func(Snapshot, time.Time) Snapshot{
	cutting(1<<10, true), cutting(300, true), cutting(80, true),
	cutting(1<<10, false), cutting(300, false),
	newest(50), summing, newest(20), cutting(80, false), forgetting(45), newest(10), forgetting(20), forgetting(7), forgetting(2), newest(0),
}

func cutting(length int, over bool) func(Snapshot, time.Time) Snapshot {
	return func(s Snapshot, _ time.Time) Snapshot { return s.cut(length, over) }
}

// newest keeps some of what is over, and all else.
func newest(n int) func(Snapshot, time.Time) Snapshot {
	return func(s Snapshot, now time.Time) Snapshot {
		incidents, maintenances := 0, 0
		s.Incidents = slices.DeleteFunc(slices.Clone(s.Incidents), func(i Incident) bool {
			if i.Status().Over() {
				incidents++
			}
			return i.Status().Over() && incidents > n
		})
		s.Maintenances = slices.DeleteFunc(slices.Clone(s.Maintenances), func(m Maintenance) bool {
			over := m.Status(now) == Completed || m.Status(now) == Cancelled
			if over {
				maintenances++
			}
			return over && maintenances > n
		})
		return s
	}
}

// summing keeps of each past day no more than its sums.
func summing(s Snapshot, now time.Time) Snapshot {
	since := now.AddDate(0, 0, -Remembered-1)
	zone := s.zone()
	s.Components = slices.Clone(s.Components)
	for i, c := range s.Components {
		s.Components[i].Log = c.recentLog(since, zone, now, 1)
	}
	return s
}

// forgetting leaves out what components were more than some days ago: a status
// that is empty is one that nobody knows.
func forgetting(days int) func(Snapshot, time.Time) Snapshot {
	return func(s Snapshot, now time.Time) Snapshot {
		since := now.AddDate(0, 0, -days)
		s.Components = slices.Clone(s.Components)
		for i, c := range s.Components {
			first := 0
			for first+1 < len(c.Log) && !c.Log[first+1].At.After(since) {
				first++
			}
			if first > 1 || first == 1 && c.Log[0].Status != "" {
				log := append([]Change{{At: c.Log[0].At}}, c.Log[first:]...)
				s.Components[i].Log = log
			}
		}
		return s
	}
}

// texts is how long all that was said is, in bytes.
func (s Snapshot) texts() int {
	sum := 0
	for _, i := range s.Incidents {
		sum += i.length()
	}
	for _, m := range s.Maintenances {
		sum += len(m.Body)
		for _, u := range m.Updates {
			sum += len(u.Body)
		}
	}
	return sum
}

// zone is where the page's days begin. It was checked when it was written; a
// zone that is gone is no reason to show nothing.
func (s Snapshot) zone() *time.Location {
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// indexed is the snapshot with its components' ids written once: where else
// they stand is the number of the component. Twenty-six random characters hardly
// pack, and an incident may name two hundred of them.
func (s Snapshot) indexed() Snapshot {
	number := map[string]string{}
	for n, c := range s.Components {
		number[c.ID] = strconv.Itoa(n)
	}
	return s.renamed(func(id string) string {
		if n, there := number[id]; there {
			return n
		}
		return id // it was removed from the page
	})
}

// unindex undoes indexed.
func (s *Snapshot) unindex() {
	*s = s.renamed(func(id string) string {
		if n, err := strconv.Atoi(id); err == nil && n >= 0 && n < len(s.Components) && !strings.Contains(id, "_") {
			return s.Components[n].ID
		}
		return id
	})
}

// renamed is the snapshot with other ids where components are named.
func (s Snapshot) renamed(name func(string) string) Snapshot {
	s.Incidents = slices.Clone(s.Incidents)
	for n := range s.Incidents {
		updates := slices.Clone(s.Incidents[n].Updates)
		for k := range updates {
			updates[k].Components = slices.Clone(updates[k].Components)
			for j := range updates[k].Components {
				updates[k].Components[j].ID = name(updates[k].Components[j].ID)
			}
		}
		s.Incidents[n].Updates = updates
	}
	s.Maintenances = slices.Clone(s.Maintenances)
	for n := range s.Maintenances {
		s.Maintenances[n].Components = slices.Clone(s.Maintenances[n].Components)
		for k := range s.Maintenances[n].Components {
			s.Maintenances[n].Components[k] = name(s.Maintenances[n].Components[k])
		}
	}
	return s
}
