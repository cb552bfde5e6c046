package incident_test

import (
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/trust"
)

// escalating makes a service whose incidents escalate after minutes.
func (w *world) escalating(minutes int) string {
	w.t.Helper()
	return w.must(201, "lead", "POST", "/v1/services", map[string]any{"name": "Checkout", "teamId": w.team, "escalateAfterMinutes": minutes}).id()
}

func (w *world) escalate(incidentID string) {
	w.t.Helper()
	if err := w.taker.Escalate(w.t.Context(), incidentID); err != nil {
		w.t.Error(err)
	}
}

func TestAnEscalation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.escalating(10)
	i := w.incident(svc, "x")
	path := "/v1/incidents/" + i
	created, err := time.Parse(time.RFC3339, w.must(200, "observer", "GET", path, nil).Str("createdAt"))
	if err != nil {
		t.Fatal(err)
	}
	_, waits := w.react(i)
	if len(waits) != 1 || !waits[0].At.Equal(created.Add(10*time.Minute)) {
		t.Fatalf("got %+v, want one escalation ten minutes after %s", waits, created)
	}
	w.escalate(i) // too early
	if got := w.must(200, "observer", "GET", path, nil).Body["escalatedAt"]; got != nil {
		t.Errorf("it escalated too early, at %v", got)
	}
	w.clock.Advance(10 * time.Minute)
	before := w.clock.Now()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { w.escalate(i) })
	}
	wg.Wait()
	w.escalate(i)
	got := w.must(200, "observer", "GET", path, nil).Body
	if got["escalatedAt"] == nil || got["status"] != "TRIGGERED" {
		t.Errorf("got %v, want it escalated", got)
	}
	if told := w.told(i); !slices.Equal(told, []string{outbox.IncidentCreated, outbox.IncidentEscalated}) {
		t.Errorf("events: got %v", told)
	}
	events, waits := w.react(i)
	if last := events[len(events)-1]; last.ActorID != "" || last.Unattended != trust.High || last.Detail["severity"] != "HIGH" || len(waits) != 0 {
		t.Errorf("got %+v and %v, want it PageFree's own, with what the incident proves, and nothing that waits", last, waits)
	}
	entries := w.must(200, "observer", "GET", path+"/timeline", nil).Items()
	if len(entries) != 2 || entries[0]["kind"] != "escalated" || !reflect.DeepEqual(entries[0]["actor"], map[string]any{"kind": "system", "id": "pagefree"}) {
		t.Errorf("timeline: got %v", entries)
	}
	if recorded := w.recorded(before); len(recorded) != 1 || recorded[0].Type != "incident.escalated" || recorded[0].Actor.Kind != "system" || *recorded[0].TeamID != w.team {
		t.Errorf("audit: got %+v", recorded)
	}
	// What was acknowledged late, and reopened, may escalate again.
	w.must(200, "responder", "POST", path+"/acknowledge", nil)
	w.must(200, "responder", "POST", path+"/resolve", nil)
	again := w.must(200, "responder", "POST", path+"/reopen", nil).Body
	_, waits = w.react(i)
	if again["escalatedAt"] != nil || len(waits) != 1 || waits[0].At.Sub(w.clock.Now()) < 9*time.Minute {
		t.Errorf("reopened: got %v, and %+v waits", again, waits)
	}
}

func TestWhatEndsAnEscalation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.escalating(5)
	for _, action := range []string{"acknowledge", "resolve"} {
		i := w.incident(svc, "x")
		w.must(200, "responder", "POST", "/v1/incidents/"+i+"/"+action, nil)
		if _, waits := w.react(i); len(waits) != 0 {
			t.Errorf("after %s, %+v waits", action, waits)
		}
		w.clock.Advance(time.Hour)
		w.escalate(i)
		if told := w.told(i); slices.Contains(told, outbox.IncidentEscalated) {
			t.Errorf("after %s it escalated", action)
		}
	}
	w.escalate("inc_01ARZ3NDEKTSV4RRFFQ69G5FAV") // that there is none of is nothing to do
}

func TestAChangedTimeCountsForWhatOpensLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.escalating(60)
	before := w.incident(svc, "before")
	w.must(200, "lead", "PATCH", "/v1/services/"+svc, `{"escalateAfterMinutes":1}`)
	after := w.incident(svc, "after")
	w.must(200, "lead", "PATCH", "/v1/services/"+svc, `{"escalateAfterMinutes":null}`)
	never := w.incident(svc, "never")
	for i, want := range map[string]time.Duration{before: 60 * time.Minute, after: time.Minute} {
		_, waits := w.react(i)
		if len(waits) != 1 || w.clock.Now().Add(want).Sub(waits[0].At.Time).Abs() > time.Second {
			t.Errorf("got %+v, want one in %s", waits, want)
		}
	}
	if _, waits := w.react(never); len(waits) != 0 {
		t.Errorf("got %+v, want none", waits)
	}
}

// TestAlertsEscalateToo, and keep their ceiling.
func TestAlertsEscalateToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.take(w.from(w.escalating(1), "dlv_1"), fire("k")).IncidentID
	w.clock.Advance(time.Minute)
	w.escalate(i)
	events, _ := w.react(i)
	if len(events) != 2 || events[1].Type != outbox.IncidentEscalated || events[1].Unattended != trust.Low {
		t.Errorf("got %+v", events)
	}
}

// TestEscalatingWhatIsAcknowledgedAtThatMoment: either is first, and both leave
// one order of things.
// TestWhatAKeyHadAHandIn: what a key changed or reopened escalates with what a key may start, though a person opened it.
func TestWhatAKeyHadAHandIn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do       func(w *world, path string)
		external bool
		want     trust.Risk
	}{
		"a key's change": {func(w *world, path string) {
			w.must(200, "responder's key", "PATCH", path, map[string]any{"severity": "CRITICAL", "labels": map[string]any{"run": "this"}})
		}, true, trust.Medium},
		"a change that is none": {func(w *world, path string) {
			w.must(200, "responder's key", "PATCH", path, map[string]any{"severity": "HIGH"})
		}, false, trust.High},
		"a person's change": {func(w *world, path string) {
			w.must(200, "responder", "PATCH", path, map[string]any{"severity": "CRITICAL"})
		}, false, trust.High},
		"reopened by a key": {func(w *world, path string) {
			w.must(200, "responder", "POST", path+"/resolve", nil)
			w.must(200, "responder's key", "POST", path+"/reopen", nil)
		}, false, trust.Medium},
		"reopened by a person": {func(w *world, path string) {
			w.must(200, "responder's key", "POST", path+"/resolve", nil)
			w.must(200, "responder", "POST", path+"/reopen", nil)
		}, false, trust.High},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			i := w.incident(w.escalating(1), "x")
			test.do(w, "/v1/incidents/"+i)
			w.clock.Advance(2 * time.Minute)
			w.escalate(i)
			events, _ := w.react(i)
			if last := events[len(events)-1]; last.Type != outbox.IncidentEscalated || last.Unattended != test.want {
				t.Errorf("got %+v, want it escalated with %s", last, test.want)
			}
			if got := w.must(200, "observer", "GET", "/v1/incidents/"+i, nil).Body["source"].(map[string]any); got["external"] != test.external || got["kind"] != "manual" {
				t.Errorf("its source: got %v, want external %v", got, test.external)
			}
		})
	}
}

func TestEscalatingWhatIsAcknowledgedAtThatMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.escalating(1)
	ids := make([]string, 20)
	for n := range ids {
		ids[n] = w.incident(svc, "x")
	}
	w.clock.Advance(2 * time.Minute)
	var wg sync.WaitGroup
	for n, i := range ids {
		how := []string{"acknowledge", "resolve"}[n%2]
		wg.Go(func() { w.must(200, "responder", "POST", "/v1/incidents/"+i+"/"+how, nil) })
		wg.Go(func() { w.escalate(i) })
	}
	wg.Wait()
	for _, i := range ids {
		told := w.told(i)
		escalated := w.must(200, "observer", "GET", "/v1/incidents/"+i, nil).Body["escalatedAt"] != nil
		if _, waits := w.react(i); len(waits) != 0 {
			t.Errorf("%+v waits", waits)
		}
		switch {
		case len(told) == 2 && !escalated:
		case len(told) == 3 && escalated && slices.Contains(told, outbox.IncidentEscalated) && told[1] == outbox.IncidentEscalated:
		default:
			t.Errorf("escalated %v, and told of %v", escalated, told)
		}
	}
}

func TestWhichChangesAreEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.service("Checkout")
	body := map[string]any{"title": "x", "severity": "LOW", "serviceId": svc, "dedupKey": "k"}
	i := w.must(201, "responder", "POST", "/v1/incidents", body).id()
	path := "/v1/incidents/" + i
	for _, step := range []struct {
		do   func()
		want string // "" for nothing
	}{
		{func() { w.must(200, "responder", "POST", "/v1/incidents", body) }, ""},
		{func() { w.must(200, "responder", "PATCH", path, `{"severity":"MEDIUM"}`) }, outbox.IncidentUpdated},
		{func() { w.must(200, "responder", "PATCH", path, `{"severity":"LOW","title":"y"}`) }, ""},
		{func() {
			w.must(200, "responder", "POST", "/v1/incidents", map[string]any{"title": "x", "severity": "HIGH", "serviceId": svc, "dedupKey": "k"})
		}, ""}, // it is answered as it is
		{func() { w.must(200, "responder", "POST", "/v1/incidents", body) }, ""},
		{func() { w.must(201, "responder", "POST", path+"/notes", `{"text":"x"}`) }, ""},
		{func() { w.must(200, "responder", "POST", path+"/acknowledge", nil) }, outbox.IncidentAcknowledged},
		{func() { w.must(409, "responder", "POST", path+"/acknowledge", nil) }, ""},
		{func() { w.must(200, "responder", "POST", path+"/resolve", `{"note":"secret words"}`) }, outbox.IncidentResolved},
		{func() { w.must(200, "responder", "PATCH", path, `{"severity":"CRITICAL"}`) }, ""},
		{func() { w.must(200, "responder", "POST", path+"/reopen", nil) }, outbox.IncidentReopened},
		{func() { w.must(403, "observer", "POST", path+"/resolve", nil) }, ""},
	} {
		before := w.told(i)
		step.do()
		want := before
		if step.want != "" {
			want = append(want, step.want)
		}
		if got := w.told(i); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	var worse []string
	events, _ := w.react(i)
	for _, e := range events {
		if e.Type == outbox.IncidentUpdated {
			worse = append(worse, e.Detail["from"]+" "+e.Detail["severity"])
		}
	}
	if !slices.Equal(worse, []string{"LOW MEDIUM"}) {
		t.Errorf("became worse: got %v", worse)
	}
}

func TestDepths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.service("Checkout")
	body := map[string]any{"title": "x", "severity": "LOW", "serviceId": svc}
	for _, depth := range []string{"-1", "100", "x", "1.5", "99999999999999999999", "1,2"} {
		if a := w.as("responder", "POST", "/v1/incidents", body, "X-PageFree-Depth", depth); a.StatusCode != 422 || a.code() != "validation_failed" {
			t.Errorf("%q: got %d %s, want a 422", depth, a.StatusCode, a.Text)
		}
	}
	for depth, want := range map[string]int{"0": 0, "4": 4, "99": 99} {
		i := w.must(201, "responder", "POST", "/v1/incidents", body, "X-PageFree-Depth", depth).id()
		w.must(200, "responder", "POST", "/v1/incidents/"+i+"/acknowledge", nil)
		events, _ := w.react(i)
		if len(events) != 2 || events[0].Depth != want || events[1].Depth != want {
			t.Errorf("%s: got %+v", depth, events)
		}
	}
	// A workflow that ends an incident: its depth counts, and its run's ceiling binds.
	i := w.incident(svc, "x")
	ctx := principal.With(t.Context(), principal.Principal{Kind: principal.Workflow, ID: "wfr_1", Teams: map[string]principal.Role{w.team: principal.Responder}})
	ctx = outbox.WithDepth(outbox.WithUnattended(ctx, trust.Medium), 3)
	if _, err := w.desk.Resolve(ctx, i, "it worked"); err != nil {
		t.Fatal(err)
	}
	events, _ := w.react(i)
	if last := events[1]; last.Depth != 3 || last.Unattended != trust.Medium || last.ActorID != "wfr_1" {
		t.Errorf("got %+v", last)
	}
	if got := w.must(200, "observer", "GET", "/v1/incidents/"+i, nil).Body; got["resolvedById"] != "wfr_1" {
		t.Errorf("got %v", got)
	}
	if _, err := w.desk.Resolve(ctx, i, "again"); err == nil {
		t.Error("it was resolved twice")
	}
	// One that does not say what it can prove proves nothing.
	i = w.incident(svc, "y")
	if _, err := w.desk.Acknowledge(principal.With(t.Context(), principal.Principal{Kind: principal.Workflow, ID: "wfr_2", Teams: map[string]principal.Role{w.team: principal.Responder}}), i); err != nil {
		t.Fatal(err)
	}
	if events, _ := w.react(i); events[1].Unattended != trust.Low {
		t.Errorf("got %+v", events[1])
	}
}

func TestEntriesOfWorkflows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.incident(w.service("Checkout"), "x")
	run, step := "wfr_01ARZ3NDEKTSV4RRFFQ69G5FAV", "restart"
	entry := incident.Entry{Kind: incident.EntryStep, RunID: &run, StepID: &step, Text: "restart: COMPLETED"}
	w.append(i, entry)
	got := w.must(200, "observer", "GET", "/v1/incidents/"+i+"/timeline", nil).Items()
	if got[0]["workflowRunId"] != run || got[0]["stepId"] != step {
		t.Errorf("got %v", got[0])
	}
	if _, shown := got[1]["stepId"]; shown {
		t.Errorf("an entry that no workflow wrote: got %v", got[1])
	}
}
