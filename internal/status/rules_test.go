package status

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// TestWhatMayFollow is the table of mayBecome.
func TestWhatMayFollow(t *testing.T) {
	t.Parallel()
	want := map[IncidentStatus]string{
		Investigating: "investigating identified monitoring resolved",
		Identified:    "investigating identified monitoring resolved",
		Monitoring:    "investigating identified monitoring resolved",
		Resolved:      "investigating identified monitoring resolved postmortem",
		Postmortem:    "postmortem",
	}
	for from, may := range want {
		for _, to := range incidentStatuses {
			if got := from.mayBecome(to); got != slices.Contains(strings.Fields(may), string(to)) {
				t.Errorf("%s to %s: %v", from, to, got)
			}
		}
	}
}

// TestUpdatesNeverChange: whatever is said and edited, what was said before stays as it was, in its order.
func TestUpdatesNeverChange(t *testing.T) {
	t.Parallel()
	on := pageOf(component("a", Operational), component("b", Operational))
	rapid.Check(t, func(t *rapid.T) {
		first := NewIncident{Title: "Down", Impact: ImpactMinor, Status: rapid.SampledFrom(incidentStatuses[:4]).Draw(t, "first"), Body: "x"}
		i, err := first.publish("spi_1", "spu_0", "usr_a", on, noon)
		if err != nil {
			t.Fatal(err)
		}
		for n := range rapid.IntRange(1, 12).Draw(t, "steps") {
			now := noon.Add(time.Duration(rapid.IntRange(-5, 60).Draw(t, "at")) * time.Minute) // another machine's clock may be behind
			before, rev := slices.Clone(i.Updates), i.Rev
			var next whole
			changed := true
			if rapid.Bool().Draw(t, "edit") {
				p := IncidentPatch{Title: new(rapid.SampledFrom([]string{"Down", "Up"}).Draw(t, "title"))}
				if next, changed, err = i.patch(p, "usr_b", now); err != nil {
					t.Fatal(err)
				}
				if changed != (len(next.Edits) == len(i.Edits)+1) || !slices.EqualFunc(next.Edits[:len(i.Edits)], i.Edits, func(a, b Edit) bool { return a == b }) {
					t.Fatalf("edits %v, before %v", next.Edits, i.Edits)
				}
			} else {
				u := NewUpdate{Status: rapid.SampledFrom(incidentStatuses).Draw(t, "status"), Body: fmt.Sprint("Text ", n)}
				next, err = i.update(u, fmt.Sprint("spu_", n+1), "usr_c", on, now)
				if may := i.Status().mayBecome(u.Status); may != (err == nil) {
					t.Fatalf("%s to %s: %v", i.Status(), u.Status, err)
				}
				if err != nil {
					if problem.CodeOf(err) != problem.InvalidTransition {
						t.Fatalf("got %v", err)
					}
					continue
				}
				if len(next.Updates) != len(before)+1 || next.By[fmt.Sprint("spu_", n+1)] != "usr_c" {
					t.Fatalf("got %+v", next)
				}
			}
			if changed && next.Rev != rev+1 {
				t.Fatalf("revision %d after %d", next.Rev, rev)
			}
			for k, u := range before {
				if next.Updates[k].ID != u.ID || next.Updates[k].Body != u.Body || next.Updates[k].At != u.At || next.Updates[k].Status != u.Status {
					t.Fatalf("update %d became %+v", k, next.Updates[k])
				}
			}
			if !slices.IsSortedFunc(next.Updates, func(a, b Update) int { return a.At.Compare(b.At.Time) }) {
				t.Fatal("updates are not in order")
			}
			i = next
		}
	})
}

func TestAnIncidentIsFullAtSomePoint(t *testing.T) {
	t.Parallel()
	on := pageOf()
	for name, body := range map[string]string{"of long texts": strings.Repeat("x", MaxBody), "of many": "x"} {
		t.Run(name, func(t *testing.T) {
			i, err := NewIncident{Title: "x", Impact: ImpactNone, Status: Monitoring, Body: "x"}.publish("spi_1", "spu_0", "usr_a", on, noon)
			if err != nil {
				t.Fatal(err)
			}
			for n := range MaxUpdates + 1 {
				next, err := i.update(NewUpdate{Status: Monitoring, Body: body}, fmt.Sprint("spu_", n+1), "usr_a", on, noon)
				if err != nil {
					if problem.CodeOf(err) != "incident_full" || len(i.Updates) != MaxUpdates && i.length()+len(body) <= MaxTexts {
						t.Errorf("after %d: %v", n, err)
					}
					return
				}
				i = next
			}
			t.Error("it takes more and more")
		})
	}
}

// TestAMaintenanceFollowsTheClock: its status is never another than the clock says, and what ended stays as it is.
func TestAMaintenanceFollowsTheClock(t *testing.T) {
	t.Parallel()
	on := pageOf(component("a", Operational))
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		m, err := NewMaintenance{
			Title: "x", Body: "x", StartsAt: minutes(rapid.IntRange(-30, 60).Draw(t, "starts")), EndsAt: minutes(rapid.IntRange(61, 200).Draw(t, "ends")), Components: []string{"a"},
		}.schedule("mnt_1", "usr_a", on, now)
		if err != nil {
			t.Fatal(err)
		}
		for n := range rapid.IntRange(1, 15).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "later")) * time.Minute)
			was, before := m.Status(now), m
			var next planned
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				to := rapid.SampledFrom([]MaintenanceStatus{Scheduled, InProgress, Verifying, Completed}).Draw(t, "to")
				next, err = m.update(NewMaintenanceUpdate{Status: to, Body: "x"}, fmt.Sprint("spu_", n), "usr_b", now)
				if err == nil && next.Status(now) != to {
					t.Fatalf("said to be %s, it is %s", to, next.Status(now))
				}
			case 1:
				next, err = m.cancel(now)
				if err == nil && next.Status(now) != Cancelled {
					t.Fatalf("cancelled, it is %s", next.Status(now))
				}
			default:
				ends := timestamp.Of(now.Add(time.Duration(rapid.IntRange(-60, 200).Draw(t, "new end")) * time.Minute))
				next, _, err = m.patch(MaintenancePatch{EndsAt: &ends}, "usr_c", on, now)
				if err == nil && was != next.Status(now) {
					t.Fatalf("moved from %s to %s by another end", was, next.Status(now))
				}
			}
			if over := was == Completed || was == Cancelled; over && err == nil {
				t.Fatalf("%s, and it changed: %+v", was, next)
			}
			if err != nil {
				if code := problem.CodeOf(err); code != problem.InvalidTransition && code != problem.ValidationFailed {
					t.Fatal(err)
				}
				m = before
				continue
			}
			if m = next; !m.StartsAt.Before(m.EndsAt.Time) || m.StartsAt != before.StartsAt {
				t.Fatalf("from %v to %v", m.StartsAt, m.EndsAt)
			}
		}
		if s := m.Status(m.EndsAt.Time); s != Completed && s != Cancelled {
			t.Fatalf("at its end it is %s", s)
		}
	})
}

// TestAComponentLog: a log is in order, says what the component is, and never says the same twice.
func TestAComponentLog(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, err := NewComponent{Name: "x"}.create("cmp_1", pageOf(), noon)
		if err != nil {
			t.Fatal(err)
		}
		now := noon
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(-30, 90).Draw(t, "later")) * time.Second)
			to := rapid.SampledFrom(ComponentStatuses).Draw(t, "to")
			before := len(c.Log)
			next, changed, err := c.patch(ComponentPatch{Status: &to}, now)
			if err != nil || changed != (to != c.Status) || next.Status != to || (len(next.Log) == before+1) != changed || next.UpdatedAt != c.UpdatedAt {
				t.Fatalf("%v to %v: %+v, %v", c, to, next, err)
			}
			c = next
		}
		for n := range c.Log[1:] {
			if c.Log[n+1].At.Before(c.Log[n].At.Time) || c.Log[n+1].Status == c.Log[n].Status {
				t.Fatalf("log %v", c.Log)
			}
		}
		if c.Log[len(c.Log)-1].Status != c.Status {
			t.Fatalf("%s, and the log ends with %v", c.Status, c.Log)
		}
	})
}

func TestNobodyIsToldOfWhatTheyDoNotSee(t *testing.T) {
	t.Parallel()
	on := pageOf(component("a", Operational), component("b", Operational))
	m, err := NewMaintenance{Title: "x", Body: "x", StartsAt: minutes(10), EndsAt: minutes(20), Components: []string{"a"}}.schedule("mnt_1", "usr_a", on, noon)
	if err != nil {
		t.Fatal(err)
	}
	wider, changed, err := m.patch(MaintenancePatch{Components: []string{"a", "b"}, Audience: Addressed{httpapi.Nullable[Audience]{Sent: true, Value: &Audience{PartnerAccessIDs: []string{"acc_a"}}}}}, "usr_a", on, minutes(1).Time)
	if err != nil || !changed || wider.UpdatedAt != m.UpdatedAt || wider.ChangedAt != minutes(1) || len(wider.Edits) != 2 {
		t.Errorf("got %+v, %v", wider, err)
	}
	renamed, _, err := m.patch(MaintenancePatch{Title: new("y")}, "usr_a", on, minutes(1).Time)
	if err != nil || renamed.UpdatedAt != minutes(1) {
		t.Errorf("got %+v, %v", renamed, err)
	}
	c, _, err := component("a", Operational).patch(ComponentPatch{ServiceID: httpapi.Nullable[string]{Sent: true, Value: new("svc_1")}}, noon)
	if err != nil || c.UpdatedAt != minutes(-9000) || c.ServiceID != "svc_1" {
		t.Errorf("got %+v, %v", c, err)
	}
}

// TestNamesAreOneVisibleLine: whatever is taken as a name is one line that shows what it is.
func TestNamesAreOneVisibleLine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, err := NewPage{Name: rapid.String().Draw(t, "name"), Slug: rapid.StringMatching(`[a-z0-9-]{1,70}`).Draw(t, "slug")}.create("sp_1", "usr_a", noon)
		if err != nil {
			return
		}
		if p.Name != strings.TrimSpace(p.Name) || !line(p.Name, MaxName) || strings.ContainsAny(p.Name, "\n\r\x00\u202e\u2028") {
			t.Fatalf("name %q", p.Name)
		}
		if slices.Contains(reserved, p.Slug) || len(p.Slug) < 3 || len(p.Slug) > 63 || strings.HasPrefix(p.Slug, "-") || strings.HasSuffix(p.Slug, "-") || strings.Contains(p.Slug, "--") {
			t.Fatalf("slug %q", p.Slug)
		}
	})
}
