package status_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pagefree/internal/platform/due"
	"pagefree/internal/status"
)

func TestAComponentAndItsHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	a := w.must(201, "lead", "POST", page+"/components", object{"name": "API", "group": "Core", "description": "Ours."})
	path := page + "/components/" + a.id()
	if a.Body["position"] != 0.0 || a.Str("group") != "Core" || a.Str("status") != "operational" || a.Str("shownStatus") != "operational" || a.Body["serviceId"] != nil || a.Header.Get("Location") != path {
		t.Errorf("made %s", a.Text)
	}
	if b := w.must(201, "lead", "POST", page+"/components", object{"name": "Second"}); b.Body["position"] != 1.0 {
		t.Errorf("the next one is at %v", b.Body["position"])
	}
	w.clock.Advance(time.Hour)
	before := w.clock.Now()
	etag := w.must(200, "observer", "GET", path, nil).Header.Get("ETag")
	w.must(200, "lead", "PATCH", path, object{"status": "major_outage"}, "If-Match", etag)
	w.must(412, "lead", "PATCH", path, object{"status": "operational"}, "If-Match", etag)
	w.must(200, "lead", "PATCH", path, object{"status": "major_outage"}) // it is that already
	w.clock.Advance(time.Hour)
	w.must(200, "lead", "PATCH", path, object{"status": "operational", "group": nil})
	s, _ := w.published("acme")
	log := s.Components[0].Log
	if len(log) != 3 || log[1].Status != status.MajorOutage || log[2].At.Sub(log[1].At.Time).Round(time.Minute) != time.Hour || s.Components[0].Group != "" {
		t.Errorf("published %+v", s.Components[0])
	}
	if got := types(w.recorded(before)); !slices.Equal(got, []string{"component.updated", "component.updated"}) {
		t.Errorf("recorded %v", got)
	}
	w.must(204, "lead", "DELETE", path, nil)
	w.must(404, "observer", "GET", path, nil)
	if v := w.view("acme", status.Reader{}); len(v.Components) != 1 {
		t.Errorf("readers see %+v", v.Components)
	}
}

func TestAnIncidentFromBeginningToPostmortem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	web, db := w.component(page, "Website"), w.component(page, "Database")
	before := w.clock.Now()
	i := w.incident(page, "Down", web)
	say := func(want int, to string, touched ...object) answer {
		w.clock.Advance(time.Minute)
		return w.must(want, "responder", "POST", i+"/updates", object{"status": to, "body": "Now " + to, "components": touched})
	}
	if a := say(409, "postmortem"); a.code() != "invalid_transition" {
		t.Errorf("got %s", a.Text)
	}
	a := say(201, "identified", object{"id": db, "status": "degraded_performance"})
	if a.Header.Get("Location") != i || a.Str("status") != "identified" || a.Body["resolvedAt"] != nil || fmt.Sprint(a.Body["components"]) != fmt.Sprintf("[map[id:%s status:partial_outage] map[id:%s status:degraded_performance]]", web, db) {
		t.Errorf("got %s", a.Text)
	}
	v := w.view("acme", status.Reader{})
	if v.Components[0].Status != status.PartialOutage || v.Components[1].Status != status.DegradedPerformance {
		t.Errorf("components are %v and %v", v.Components[0].Status, v.Components[1].Status)
	}
	say(201, "monitoring")
	say(201, "investigating") // it came back
	resolved := say(201, "resolved", object{"id": web, "status": "operational"}, object{"id": db, "status": "operational"})
	at := resolved.Str("resolvedAt")
	if at == "" || resolved.Body["updates"].([]any)[0].(object)["byId"] != "usr_responder" {
		t.Errorf("got %s", resolved.Text)
	}
	if a := say(201, "postmortem"); a.Str("resolvedAt") != at || a.Str("status") != "postmortem" {
		t.Errorf("got %s", a.Text)
	}
	say(201, "postmortem")
	say(409, "investigating")
	say(409, "resolved")
	v = w.view("acme", status.Reader{})
	if len(v.Incidents) != 0 || len(v.Past) != 1 || len(v.Past[0].Updates) != 7 || v.Indicator != status.ImpactNone {
		t.Errorf("readers see %+v", v.Past)
	}
	if got := types(w.recorded(before)); got[0] != "page_incident.published" || got[1] != "page_incident.updated" || len(got) != 7 {
		t.Errorf("recorded %v", got)
	}
}

func TestAnEditKeepsWhatStoodThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	i, access := w.incident(page, "Dwon"), w.grants(page)
	internal := w.breaks(w.runs(w.team), "disk full on db-7", status.ImpactMajor)
	etag := w.must(200, "observer", "GET", i, nil).Header.Get("ETag")
	a := w.must(200, "lead", "PATCH", i, object{"title": "Down", "impact": "critical", "internalIncidentId": internal, "audience": object{"partnerAccessIds": list{access}}}, "If-Match", etag)
	w.must(412, "lead", "PATCH", i, object{"title": "x"}, "If-Match", etag)
	a = w.must(200, "responder", "PATCH", i, object{"audience": nil, "internalIncidentId": nil})
	want := [][3]string{
		{"title", "Dwon", "Down"}, {"impact", "major", "critical"}, {"audience", "<nil>", "map[partnerAccessIds:[" + access + "]]"},
		{"internalIncidentId", "<nil>", internal}, {"audience", "map[partnerAccessIds:[" + access + "]]", "<nil>"}, {"internalIncidentId", internal, "<nil>"},
	}
	edits := a.Body["edits"].([]any)
	for n, e := range edits {
		e := e.(object)
		if got := [3]string{e["field"].(string), fmt.Sprint(e["from"]), fmt.Sprint(e["to"])}; n >= len(want) || got != want[n] {
			t.Errorf("edit %d: %v", n, e)
		}
	}
	if len(edits) != len(want) || edits[0].(object)["byId"] != "usr_lead" || edits[5].(object)["byId"] != "usr_responder" {
		t.Errorf("got %v", edits)
	}
	before := w.clock.Now()
	w.must(200, "lead", "PATCH", i, object{"title": "Down"})
	if events := w.recorded(before); len(events) != 0 {
		t.Errorf("nothing changed, and %v was recorded", types(events))
	}
}

// TestNothingInternalIsPublished: what staff link is in no reader's reach.
func TestNothingInternalIsPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	service := w.runs(w.team)
	web := w.must(201, "lead", "POST", page+"/components", object{"name": "Website", "serviceId": service}).id()
	internal := w.breaks(service, "disk full on db-7", status.ImpactMajor)
	w.must(201, "responder", "POST", page+"/incidents", object{
		"title": "Slow", "impact": "minor", "status": "investigating", "body": "We look.", "internalIncidentId": internal, "components": list{object{"id": web, "status": "partial_outage"}},
	})
	v := w.view("acme", status.Reader{Staff: true})
	shown := fmt.Sprintf("%+v", v)
	for _, word := range []string{internal, service, "db-7", "usr_responder", w.team} {
		if strings.Contains(shown, word) {
			t.Errorf("a view holds %s", word)
		}
	}
}

func TestProposals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	if a := w.must(200, "observer", "GET", page+"/proposals", nil); len(a.Items()) != 0 {
		t.Errorf("got %s", a.Text)
	}
	checkout, mail, foreign := w.runs(w.team), w.runs(w.team), w.runs(w.team)
	web := w.must(201, "lead", "POST", page+"/components", object{"name": "Website", "serviceId": checkout}).id()
	app := w.must(201, "lead", "POST", page+"/components", object{"name": "App", "serviceId": checkout}).id()
	w.must(201, "lead", "POST", page+"/components", object{"name": "Mail", "serviceId": mail})
	w.breaks(foreign, "Of no component", status.ImpactCritical)
	first := w.breaks(checkout, "Checkout is down", status.ImpactCritical)
	second := w.breaks(mail, "Mail waits", status.ImpactMinor)
	items := w.must(200, "observer", "GET", page+"/proposals", nil).Items()
	if len(items) != 2 || items[1]["internalIncidentId"] != first || items[0]["internalIncidentId"] != second {
		t.Fatalf("got %v", items)
	}
	p := items[1]
	want := fmt.Sprintf("[map[id:%s status:major_outage] map[id:%s status:major_outage]]", web, app)
	if p["impact"] != "critical" || p["status"] != "investigating" || fmt.Sprint(p["components"]) != want || p["title"] != "Checkout is down" || p["body"] == "" {
		t.Errorf("got %v", p)
	}
	if _, is := w.published("acme"); !is || len(w.view("acme", status.Reader{}).Incidents) != 0 {
		t.Error("something was published by itself")
	}
	made := w.must(201, "responder", "POST", page+"/incidents", p) // a proposal can be sent as it is
	if made.Str("internalIncidentId") != first {
		t.Errorf("got %s", made.Text)
	}
	left := w.must(200, "observer", "GET", page+"/proposals", nil).Items()
	if len(left) != 1 || left[0]["internalIncidentId"] != second {
		t.Errorf("left %v", left)
	}
	w.must(200, "responder", "PATCH", page+"/incidents/"+made.id(), object{"internalIncidentId": nil})
	if left := w.must(200, "observer", "GET", page+"/proposals", nil).Items(); len(left) != 2 {
		t.Errorf("after the link was taken away: %v", left)
	}
}

// due lists what is due at any time, but for notices.
func (w *world) due() []due.Item {
	w.t.Helper()
	var out []due.Item
	for shard := range due.Shards {
		items, err := due.Before(w.t.Context(), w.table, shard, time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC), 100)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, slices.DeleteFunc(items, func(i due.Item) bool { return i.Kind == "page.mail" })...)
	}
	return out
}

// sweep lets the clock's function run, and tells what it recorded.
func (w *world) sweep() []string {
	w.t.Helper()
	before := w.clock.Now()
	var wg sync.WaitGroup
	for range 3 { // at once, as a schedule may
		wg.Go(func() {
			if err := w.sweeper.Sweep(w.t.Context()); err != nil {
				w.t.Error(err)
			}
		})
	}
	wg.Wait()
	return types(w.recorded(before))
}

func TestAMaintenanceByTheClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	web := w.component(page, "Website")
	m := w.maintenance(page, time.Hour, 2*time.Hour, web)
	state := func() string { return w.must(200, "observer", "GET", m, nil).Str("status") }
	shown := func() status.ComponentStatus { return w.view("acme", status.Reader{}).Components[0].Status }
	over := func() string {
		return w.must(200, "observer", "GET", page+"/components/"+web, nil).Str("shownStatus")
	}
	if state() != "scheduled" || shown() != status.Operational || len(w.sweep()) != 0 {
		t.Error("it began before its time")
	}
	w.must(409, "responder", "POST", m+"/updates", object{"status": "in_progress", "body": "x"})
	w.must(409, "responder", "POST", m+"/updates", object{"status": "completed", "body": "x"})
	w.must(201, "responder", "POST", m+"/updates", object{"status": "scheduled", "body": "Still on."})

	w.clock.Advance(61 * time.Minute)
	if state() != "in_progress" || shown() != status.UnderMaintenance || over() != "under_maintenance" {
		t.Error("readers wait for the sweep")
	}
	if got := w.sweep(); !slices.Equal(got, []string{"maintenance.started"}) {
		t.Errorf("recorded %v", got)
	}
	w.must(201, "responder", "POST", m+"/updates", object{"status": "verifying", "body": "Looks well."})
	if state() != "verifying" {
		t.Errorf("it is %s", state())
	}
	w.must(409, "responder", "PATCH", m, object{"startsAt": w.clock.Now().Format(time.RFC3339)})
	if a := w.must(422, "responder", "PATCH", m, object{"endsAt": w.clock.Now().Add(-time.Minute).Format(time.RFC3339)}); !slices.Contains(a.wrong(), "body.endsAt") {
		t.Errorf("got %s", a.Text)
	}
	w.must(200, "responder", "PATCH", m, object{"endsAt": w.clock.Now().Add(2 * time.Hour).Format(time.RFC3339)})
	w.clock.Advance(time.Hour)
	if got := w.sweep(); len(got) != 0 || shown() != status.UnderMaintenance {
		t.Errorf("it was extended, and recorded %v", got)
	}
	w.clock.Advance(61 * time.Minute)
	if state() != "completed" || shown() != status.Operational {
		t.Error("it does not end by itself")
	}
	if got := w.sweep(); !slices.Equal(got, []string{"maintenance.ended"}) {
		t.Errorf("recorded %v", got)
	}
	if got := w.sweep(); len(got) != 0 || len(w.due()) != 0 {
		t.Errorf("recorded again %v, due %v", got, w.due())
	}
	for _, call := range [][2]any{{"/cancel", nil}, {"/updates", object{"status": "completed", "body": "x"}}} {
		if a := w.must(409, "responder", "POST", m+call[0].(string), call[1]); a.code() != "invalid_transition" {
			t.Errorf("got %s", a.Text)
		}
	}
	w.must(409, "responder", "PATCH", m, object{"title": "x"})
}

func TestAMaintenanceThatEndsEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	web := w.component(page, "Website")
	m := w.maintenance(page, -time.Minute, 2*time.Hour, web)
	overlapping := w.maintenance(page, -time.Hour, 3*time.Hour, web)
	before := w.clock.Now()
	a := w.must(201, "responder", "POST", m+"/updates", object{"status": "completed", "body": "Done."})
	if a.Str("status") != "completed" || a.Str("completedAt") == "" {
		t.Errorf("got %s", a.Text)
	}
	if got := w.sweep(); !slices.Equal(sorted(got), []string{"maintenance.ended", "maintenance.started", "maintenance.started"}) {
		t.Errorf("recorded %v", got)
	}
	if w.view("acme", status.Reader{}).Components[0].Status != status.UnderMaintenance {
		t.Error("the other one lies over it still")
	}
	w.must(200, "responder", "POST", overlapping+"/cancel", nil)
	if w.view("acme", status.Reader{}).Components[0].Status != status.Operational {
		t.Error("it was cancelled")
	}
	w.clock.Advance(24 * time.Hour)
	if got := w.sweep(); len(got) != 0 || len(w.due()) != 0 {
		t.Errorf("recorded %v, due %v", got, w.due())
	}
	if got := types(w.recorded(before)); !slices.Contains(got, "maintenance.updated") || !slices.Contains(got, "maintenance.cancelled") {
		t.Errorf("recorded %v", got)
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

func TestAMaintenanceThatIsCancelledOrMoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	web, db := w.component(page, "Website"), w.component(page, "Database")
	cancelled, moved := w.maintenance(page, time.Hour, 2*time.Hour, web), w.maintenance(page, time.Hour, 2*time.Hour, web)
	if a := w.must(200, "responder", "POST", cancelled+"/cancel", nil); a.Str("status") != "cancelled" || a.Str("cancelledAt") == "" {
		t.Errorf("got %s", a.Text)
	}
	w.must(409, "responder", "POST", cancelled+"/cancel", nil)
	w.must(409, "responder", "PATCH", cancelled, object{"title": "x"})
	w.must(422, "responder", "PATCH", moved, object{"endsAt": w.clock.Now().Format(time.RFC3339)})
	w.must(200, "responder", "PATCH", moved, object{
		"startsAt": w.clock.Now().Add(24 * time.Hour).Format(time.RFC3339), "endsAt": w.clock.Now().Add(25 * time.Hour).Format(time.RFC3339), "components": list{db}, "title": "Later",
	})
	if got := len(w.due()); got != 2 {
		t.Errorf("%d items are due, want the beginning and the end of one", got)
	}
	w.clock.Advance(3 * time.Hour)
	if got := w.sweep(); len(got) != 0 {
		t.Errorf("recorded %v", got)
	}
	v := w.view("acme", status.Reader{})
	if len(v.Maintenances) != 1 || v.Maintenances[0].Title != "Later" || v.Maintenances[0].Components[0].Name != "Database" {
		t.Errorf("readers see %+v", v.Maintenances)
	}
	if got := w.must(200, "observer", "GET", page+"/maintenances", nil).Items(); len(got) != 2 || got[1]["status"] != "cancelled" {
		t.Errorf("staff see %v", got)
	}
	w.clock.Advance(21*time.Hour + 2*time.Minute)
	if got := w.sweep(); !slices.Equal(got, []string{"maintenance.started"}) {
		t.Errorf("recorded %v", got)
	}
}

func TestWhatIsOlderThanTheSnapshotIsListedStill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	web := w.component(page, "Website")
	old := w.incident(page, "Old", web)
	w.must(201, "responder", "POST", old+"/updates", object{"status": "resolved", "body": "Over.", "components": list{object{"id": web, "status": "operational"}}})
	m := w.maintenance(page, time.Hour, 2*time.Hour, web)
	w.clock.Advance(120 * 24 * time.Hour)
	w.incident(page, "New", web)
	s, _ := w.published("acme")
	if len(s.Incidents) != 1 || len(s.Maintenances) != 0 {
		t.Errorf("published %+v", s.Incidents)
	}
	if got := w.must(200, "observer", "GET", page+"/incidents", nil).Items(); len(got) != 2 || got[1]["title"] != "Old" {
		t.Errorf("listed %v", got)
	}
	if a := w.must(200, "observer", "GET", m, nil); a.Str("status") != "completed" {
		t.Errorf("got %s", a.Text)
	}
	w.must(201, "responder", "POST", old+"/updates", object{"status": "postmortem", "body": "What we learned."})
	if v := w.view("acme", status.Reader{}); len(v.Past) != 0 { // it was over before the days that are remembered
		t.Errorf("readers see %+v", v.Past)
	}
}

func TestLongIncidentsAreListedInParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	long := strings.Repeat("x", 32<<10)
	for n := range 3 {
		i := w.incident(page, fmt.Sprint("Long ", n))
		for range 12 {
			w.must(201, "responder", "POST", i+"/updates", object{"status": "monitoring", "body": long})
		}
	}
	seen, parts := 0, 0
	for cursor := ""; ; {
		a := w.must(200, "observer", "GET", page+"/incidents?limit=200"+cursor, nil)
		seen += len(a.Items())
		parts++
		if len(a.Text) > 4<<20 {
			t.Errorf("an answer of %d bytes", len(a.Text))
		}
		if a.Str("nextCursor") == "" {
			break
		}
		cursor = "&cursor=" + a.Str("nextCursor")
	}
	if seen != 3 || parts != 2 {
		t.Errorf("listed %d in %d parts", seen, parts)
	}
}
