package status

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pagefree/internal/platform/id"
	"pagefree/internal/platform/timestamp"
)

// minutes is a time after the noon that tests are about.
func minutes(n int) timestamp.Time { return timestamp.Of(noon.Add(time.Duration(n) * time.Minute)) }

func component(id string, s ComponentStatus) Component {
	return Component{ID: id, Name: "Component " + id, Status: s, CreatedAt: minutes(-9000), UpdatedAt: minutes(-9000), Log: []Change{{minutes(-9000), s}}}
}

func pageOf(components ...Component) Snapshot {
	return Snapshot{Name: "Acme", Slug: "acme", TimeZone: "UTC", SaidAt: minutes(-9999), Components: components}
}

func touch(ids ...string) []Touched {
	var out []Touched
	for _, id := range ids {
		out = append(out, Touched{id, PartialOutage})
	}
	return out
}

// TestAnIDTellsNoTime: who does not see how an incident began is not told by its id when that was.
func TestAnIDTellsNoTime(t *testing.T) {
	t.Parallel()
	made := id.New(id.PageIncident, minutes(1).Time)
	i := Incident{ID: made, Updates: []Update{
		{ID: "u1", At: minutes(1), Status: Investigating, Components: touch("b")}, {ID: "u2", At: minutes(7), Status: Investigating, Components: touch("a")}}}
	part, _ := i.For(Reader{Components: []string{"a"}}, nil)
	if at := id.Time(part.ID); !at.Equal(minutes(7).Time) {
		t.Errorf("its id is of %v, want %v", at, minutes(7))
	}
	if whole, _ := i.For(Reader{Components: []string{"a", "b"}}, nil); whole.ID != made {
		t.Errorf("who sees all of it has the id %s, want %s", whole.ID, made)
	}
}

// TestWhatAPartnerSeesOfAnIncident is the contract's paragraph of that name.
func TestWhatAPartnerSeesOfAnIncident(t *testing.T) {
	t.Parallel()
	up := func(n int, s IncidentStatus, ids ...string) Update {
		return Update{ID: fmt.Sprint("u", n), At: minutes(n), Status: s, Body: fmt.Sprint("Text ", n), Components: touch(ids...)}
	}
	a := Reader{AccessID: "acc_a", Components: []string{"a"}}
	tests := map[string]struct {
		reader   Reader
		audience []string
		updates  []Update
		want     string // updates, newest first: id status components
		status   IncidentStatus
		started  int
		resolved int // 0 is not
	}{
		"all of what is theirs":               {a, nil, []Update{up(1, Investigating, "a"), up(2, Resolved, "a")}, "u2 [a] u1 [a]", Resolved, 1, 2},
		"nothing of what is hidden":           {a, nil, []Update{up(1, Investigating, "b"), up(2, Resolved)}, "", "", 0, 0},
		"their part of both":                  {a, nil, []Update{up(1, Investigating, "a", "b"), up(2, Identified, "b"), up(3, Monitoring)}, "u3 [] u1 [a]", Monitoring, 1, 0},
		"hidden first, then theirs":           {a, nil, []Update{up(1, Investigating, "b"), up(5, Identified, "a")}, "u5 [a]", Identified, 5, 0},
		"resolved where they do not see it":   {a, nil, []Update{up(1, Investigating, "a"), up(2, Resolved, "b")}, "u1 [a]", Investigating, 1, 0},
		"what touches nothing":                {a, nil, []Update{up(1, Investigating), up(2, Identified)}, "u2 [] u1 []", Identified, 1, 0},
		"nothing shown, and nothing touched":  {Reader{Components: []string{}}, nil, []Update{up(1, Investigating)}, "u1 []", Investigating, 1, 0},
		"nothing shown, and something":        {Reader{Components: []string{}}, nil, []Update{up(1, Investigating, "a"), up(2, Monitoring)}, "", "", 0, 0},
		"opened again":                        {a, nil, []Update{up(1, Resolved, "a"), up(2, Investigating, "a"), up(3, Resolved)}, "u3 [] u2 [a] u1 [a]", Resolved, 1, 3},
		"a postmortem is no later resolution": {a, nil, []Update{up(1, Investigating, "a"), up(2, Resolved), up(9, Postmortem)}, "u9 [] u2 [] u1 [a]", Postmortem, 1, 2},
		"of a component that was removed":     {Reader{}, nil, []Update{up(1, Investigating, "gone")}, "u1 []", Investigating, 1, 0},
		"in its audience":                     {a, []string{"acc_x", "acc_a"}, []Update{up(1, Investigating, "a")}, "u1 [a]", Investigating, 1, 0},
		"not in its audience":                 {a, []string{"acc_x"}, []Update{up(1, Investigating, "a")}, "", "", 0, 0},
		"in its audience, and hidden":         {a, []string{"acc_a"}, []Update{up(1, Investigating, "b")}, "", "", 0, 0},
		"for nobody":                          {a, []string{}, []Update{up(1, Investigating, "a")}, "", "", 0, 0},
		"for some, by the shared token":       {Reader{}, []string{"acc_a"}, []Update{up(1, Investigating, "a")}, "", "", 0, 0},
		"for the access without an id":        {Reader{}, []string{""}, []Update{up(1, Investigating, "a")}, "", "", 0, 0},
		"staff see what is for nobody":        {Reader{Staff: true}, []string{}, []Update{up(1, Investigating, "b")}, "u1 [b]", Investigating, 1, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := pageOf(component("a", Operational), component("b", Operational))
			s.Incidents = []Incident{{ID: "spi_1", Title: "x", Impact: ImpactMinor, Audience: test.audience, CreatedAt: minutes(0), Updates: test.updates}}
			v := s.For(test.reader, minutes(60).Time)
			all := append(v.Incidents, v.Past...)
			if test.want == "" {
				if len(all) != 0 || v.Indicator != ImpactNone || v.UpdatedAt != minutes(-9000) && len(v.Components) > 0 {
					t.Fatalf("it shows: %+v, %s, updated %v", all, v.Indicator, v.UpdatedAt)
				}
				return
			}
			if len(all) != 1 {
				t.Fatalf("%d incidents", len(all))
			}
			i, got := all[0], []string{}
			for _, u := range i.Updates {
				ids := []string{}
				for _, c := range u.Components {
					ids = append(ids, c.ID)
				}
				got = append(got, u.ID, fmt.Sprint(ids))
			}
			if strings.Join(got, " ") != test.want || i.Status != test.status || i.StartedAt != minutes(test.started) {
				t.Errorf("got %v, %s, from %v", got, i.Status, i.StartedAt)
			}
			if i.UpdatedAt != i.Updates[0].At || v.UpdatedAt != i.UpdatedAt {
				t.Errorf("updated %v, the page %v", i.UpdatedAt, v.UpdatedAt)
			}
			if (test.resolved == 0) != (i.ResolvedAt == nil) || i.ResolvedAt != nil && *i.ResolvedAt != minutes(test.resolved) {
				t.Errorf("resolved %v", i.ResolvedAt)
			}
			if open := !i.Status.Over(); open != (len(v.Incidents) == 1) || open != (v.Indicator == ImpactMinor) {
				t.Errorf("open %v, indicator %s", open, v.Indicator)
			}
		})
	}
}

// TestIndicator is the table of the doc comment of summaries.
func TestIndicator(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		components []ComponentStatus
		impacts    []Impact
		want       Impact
		words      string
	}{
		"nothing at all":              {nil, nil, ImpactNone, "All Systems Operational"},
		"all is well":                 {[]ComponentStatus{Operational, Operational}, nil, ImpactNone, "All Systems Operational"},
		"maintenance":                 {[]ComponentStatus{Operational, UnderMaintenance}, nil, ImpactNone, "Service Under Maintenance"},
		"degraded":                    {[]ComponentStatus{Operational, DegradedPerformance}, nil, ImpactMinor, "Partially Degraded Service"},
		"partial":                     {[]ComponentStatus{PartialOutage, DegradedPerformance}, nil, ImpactMajor, "Partial System Outage"},
		"major":                       {[]ComponentStatus{UnderMaintenance, MajorOutage}, nil, ImpactCritical, "Major Service Outage"},
		"an incident without impact":  {[]ComponentStatus{Operational}, []Impact{ImpactNone}, ImpactNone, "All Systems Operational"},
		"a minor incident":            {[]ComponentStatus{Operational}, []Impact{ImpactMinor}, ImpactMinor, "Partially Degraded Service"},
		"the worst of both":           {[]ComponentStatus{PartialOutage}, []Impact{ImpactMinor, ImpactCritical}, ImpactCritical, "Major Service Outage"},
		"components beside incidents": {[]ComponentStatus{MajorOutage}, []Impact{ImpactMinor}, ImpactCritical, "Major Service Outage"},
		"a major incident":            {[]ComponentStatus{UnderMaintenance}, []Impact{ImpactMajor}, ImpactMajor, "Partial System Outage"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := pageOf()
			for n, status := range test.components {
				s.Components = append(s.Components, component(fmt.Sprint("c", n), status))
			}
			for n, impact := range test.impacts {
				s.Incidents = append(s.Incidents, Incident{ID: fmt.Sprint("i", n), Impact: impact, Updates: []Update{{At: minutes(0), Status: Monitoring}}})
			}
			s.Incidents = append(s.Incidents, Incident{ID: "over", Impact: ImpactCritical, Updates: []Update{{At: minutes(0), Status: Resolved}}})
			if v := s.For(Reader{}, minutes(1).Time); v.Indicator != test.want || v.Summary != test.words {
				t.Errorf("got %s, %q", v.Indicator, v.Summary)
			}
		})
	}
}

func TestMaintenancesInAView(t *testing.T) {
	t.Parallel()
	s := pageOf(component("a", MajorOutage), component("b", Operational))
	at := func(n int) *timestamp.Time { v := minutes(n); return &v }
	s.Maintenances = []Maintenance{
		{ID: "coming-2", StartsAt: minutes(500), EndsAt: minutes(600), Components: []string{"a"}, UpdatedAt: minutes(-10)},
		{ID: "coming-1", StartsAt: minutes(400), EndsAt: minutes(600), UpdatedAt: minutes(-10)},
		{ID: "runs", StartsAt: minutes(-60), EndsAt: minutes(60), Components: []string{"a", "b"}, UpdatedAt: minutes(-70)},
		{ID: "hidden", StartsAt: minutes(-60), EndsAt: minutes(60), Components: []string{"b"}, UpdatedAt: minutes(-5)},
		{ID: "theirs", StartsAt: minutes(-60), EndsAt: minutes(60), Audience: []string{"acc_x"}, UpdatedAt: minutes(-4)},
		{ID: "cancelled", StartsAt: minutes(-60), EndsAt: minutes(60), Components: []string{"a"}, CancelledAt: at(-3), UpdatedAt: minutes(-3)},
		{ID: "ended early", StartsAt: minutes(-60), EndsAt: minutes(60), Components: []string{"a"}, CompletedAt: at(-30), UpdatedAt: minutes(-70)},
		{ID: "ended", StartsAt: minutes(-60), EndsAt: minutes(-45), Components: []string{"a"}, UpdatedAt: minutes(-70)},
		{ID: "long ago", StartsAt: minutes(-60 * 24 * 100), EndsAt: minutes(-60 * 24 * 99), Components: []string{"a"}, UpdatedAt: minutes(-60 * 24 * 100)},
	}
	ids := func(list []ViewMaintenance) (out []string) {
		for _, m := range list {
			out = append(out, m.ID)
		}
		return out
	}
	v := s.For(Reader{AccessID: "acc_a", Components: []string{"a"}}, noon)
	if got := ids(v.Maintenances); !slices.Equal(got, []string{"runs", "coming-1", "coming-2"}) {
		t.Errorf("shown %v", got)
	}
	if got := ids(v.Done); !slices.Equal(got, []string{"ended early", "ended"}) {
		t.Errorf("done %v", got)
	}
	if v.Components[0].Status != UnderMaintenance || v.Indicator != ImpactNone || v.Summary != "Service Under Maintenance" || len(v.Maintenances[0].Components) != 1 {
		t.Errorf("got %+v", v)
	}
	if v.UpdatedAt != minutes(-10) {
		t.Errorf("updated %v: by what is not seen", v.UpdatedAt)
	}
	today := v.Components[0].Days[Remembered-1]
	if today.Maintenance != 3600 || today.Major != 11*3600 {
		t.Errorf("windows that overlap: %+v", today)
	}
	if v := s.For(Reader{AccessID: "acc_a", Components: []string{"a"}}, minutes(61).Time); v.Components[0].Status != MajorOutage || v.UpdatedAt != minutes(60) {
		t.Errorf("after its end: %s, updated %v", v.Components[0].Status, v.UpdatedAt)
	}
	if got := ids(s.For(Reader{Staff: true}, noon).Maintenances); len(got) != 5 {
		t.Errorf("staff see %v", got)
	}
}

func TestTheOrderOfComponents(t *testing.T) {
	t.Parallel()
	place := func(id, group string, position int) Component {
		c := component(id, Operational)
		c.Group, c.Position = group, position
		return c
	}
	s := pageOf(place("z", "", 9), place("b2", "B", 7), place("a1", "A", 3), place("b1", "B", 2), place("x", "", 4), place("a2", "A", 8), place("hidden", "A", 1))
	for name, test := range map[string]struct {
		reader Reader
		want   []string
	}{
		"a group stands where its first one does": {Reader{}, []string{"hidden", "a1", "a2", "b1", "b2", "x", "z"}},
		"that they see": {Reader{Components: []string{"a1", "a2", "b1", "b2", "x", "z"}}, []string{"b1", "b2", "a1", "a2", "x", "z"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for n, c := range s.For(test.reader, noon).Components {
				got = append(got, c.ID)
				if c.Position != n+1 {
					t.Errorf("%s is at %d", c.ID, c.Position)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// without is the snapshot as if what is hidden from a reader had never been there.
func (s Snapshot) without(r Reader) Snapshot {
	out := s
	out.Components, out.Incidents, out.Maintenances = nil, nil, nil
	for _, c := range s.Components {
		if r.sees(c.ID) {
			out.Components = append(out.Components, c)
		}
	}
	for _, i := range s.Incidents {
		var updates []Update
		hidden, shown := false, false
		for _, u := range i.Updates {
			var own []Touched
			for _, touched := range u.Components {
				if r.sees(touched.ID) {
					own = append(own, touched)
				}
			}
			hidden, shown = hidden || len(own) < len(u.Components), shown || len(own) > 0
			if len(own) > 0 || len(u.Components) == 0 {
				u.Components = own
				updates = append(updates, u)
			}
		}
		if i.Updates = updates; r.addressed(i.Audience) && len(updates) > 0 && (shown || !hidden) {
			out.Incidents = append(out.Incidents, i)
		}
	}
	for _, m := range s.Maintenances {
		own := slices.DeleteFunc(slices.Clone(m.Components), func(id string) bool { return !r.sees(id) })
		if !r.addressed(m.Audience) || m.CancelledAt != nil || len(own) == 0 && len(m.Components) > 0 {
			continue
		}
		m.Components = own
		out.Maintenances = append(out.Maintenances, m)
	}
	return out
}

// TestNothingLeaks: what a reader sees is what they would see were there nothing else; to the last time and place.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	ids := []string{"a", "b", "c", "d", "e"}
	some := rapid.SliceOfNDistinct(rapid.SampledFrom(append(ids, "removed")), 0, 4, rapid.ID[string])
	when := rapid.Custom(func(t *rapid.T) timestamp.Time { return minutes(rapid.IntRange(-150_000, 500).Draw(t, "minute")) })
	audience := rapid.Custom(func(t *rapid.T) []string {
		if rapid.Bool().Draw(t, "everybody") {
			return nil
		}
		return rapid.SliceOfN(rapid.SampledFrom([]string{"acc_a", "acc_b"}), 0, 2).Draw(t, "audience")
	})
	status := rapid.SampledFrom(ComponentStatuses)
	rapid.Check(t, func(t *rapid.T) {
		s := Snapshot{Name: "Acme", TimeZone: rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/Sao_Paulo"}).Draw(t, "zone"), SaidAt: when.Draw(t, "said")}
		for _, id := range rapid.Permutation(ids).Draw(t, "components") {
			c := Component{ID: id, Name: "Component " + id, Group: rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "group"), Position: rapid.IntRange(0, 5).Draw(t, "position"), CreatedAt: when.Draw(t, "created"), UpdatedAt: when.Draw(t, "updated")}
			times := rapid.SliceOfN(when, 1, 5).Draw(t, "log")
			slices.SortFunc(times, func(a, b timestamp.Time) int { return a.Compare(b.Time) })
			for _, at := range times {
				c.Status = status.Draw(t, "status")
				c.Log = append(c.Log, Change{at, c.Status})
			}
			s.Components = append(s.Components, c)
		}
		for n := range rapid.IntRange(0, 5).Draw(t, "incidents") {
			i := Incident{ID: fmt.Sprint("spi_", 9-n), Title: "x", Impact: rapid.SampledFrom([]Impact{ImpactNone, ImpactMinor, ImpactMajor, ImpactCritical}).Draw(t, "impact"), Audience: audience.Draw(t, "audience")}
			times := rapid.SliceOfN(when, 1, 4).Draw(t, "updates")
			slices.SortFunc(times, func(a, b timestamp.Time) int { return a.Compare(b.Time) })
			for k, at := range times {
				i.Updates = append(i.Updates, Update{ID: fmt.Sprint("spu_", n, k), At: at, Status: rapid.SampledFrom(incidentStatuses).Draw(t, "status"), Body: fmt.Sprint("Text ", n, k)})
				for _, id := range some.Draw(t, "touched") {
					i.Updates[k].Components = append(i.Updates[k].Components, Touched{id, status.Draw(t, "status")})
				}
			}
			i.CreatedAt = times[0]
			s.Incidents = append(s.Incidents, i)
		}
		for n := range rapid.IntRange(0, 4).Draw(t, "maintenances") {
			m := Maintenance{ID: fmt.Sprint("mnt_", 9-n), Title: "x", StartsAt: when.Draw(t, "starts"), Components: some.Draw(t, "over"), Audience: audience.Draw(t, "audience"), CreatedAt: when.Draw(t, "created"), UpdatedAt: when.Draw(t, "updated")}
			m.EndsAt = timestamp.Of(m.StartsAt.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "length")) * time.Minute))
			if rapid.IntRange(0, 4).Draw(t, "cancelled") == 0 {
				m.CancelledAt = &m.UpdatedAt
			}
			s.Maintenances = append(s.Maintenances, m)
		}
		r := Reader{AccessID: rapid.SampledFrom([]string{"", "acc_a"}).Draw(t, "access"), Components: rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 0, 4, rapid.ID[string]).Draw(t, "shown")}
		if rapid.IntRange(0, 5).Draw(t, "all") == 0 {
			r.Components = nil
		}
		if !rapid.Bool().Draw(t, "whole") && len(r.Components) == 0 {
			r.Components = []string{}
		}
		got, want := s.For(r, noon), s.without(r).For(r, noon)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("reader %+v\nsees     %+v\nand with nothing else there\nwould see %+v", r, got, want)
		}
		for _, c := range got.Components {
			if r.Components != nil && !slices.Contains(r.Components, c.ID) {
				t.Fatalf("%s is shown", c.ID)
			}
		}
	})
}
