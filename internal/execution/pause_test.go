package execution

import (
	"net/http"
	"testing"
)

func TestPause(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Stopped", nil)
	before := w.trigger(rb)
	w.queued()
	pause := func(who, path string, body any) answer { return w.as(who, "POST", "/v1/automation/"+path, body) }
	team := map[string]any{"teamId": w.team, "reason": "a bad deploy"}
	for who, want := range map[string]int{"nobody": 401, "outsider": 404, "observer": 403, "responder": 403, "key": 403} {
		if a := pause(who, "pause", team); a.status != want {
			t.Errorf("pause by %s: got %d, want %d", who, a.status, want)
		}
	}
	if a := pause("lead", "pause", map[string]any{"reason": "all"}); a.status != http.StatusForbidden {
		t.Errorf("a team's admin pauses all: got %d", a.status)
	}
	if a := pause("lead", "pause", map[string]any{"teamId": w.team, "reason": " "}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("without a reason: got %d", a.status)
	}
	for range 2 { // the second changes nothing
		if a := pause("lead", "pause", team); a.status != http.StatusOK || a.text("reason") != "a bad deploy" || a.text("pausedById") != "usr_lead" {
			t.Fatalf("got %d %v", a.status, a.body)
		}
	}
	if a := w.as("responder", "POST", "/v1/executions", map[string]any{"runbookId": rb}); a.status != http.StatusConflict || a.text("code") != "automation_paused" {
		t.Errorf("a trigger while paused: got %d %v", a.status, a.body)
	}
	w.dispatch(before)
	w.clock.Advance(requeueAfter)
	for range 2 * maxTries { // however long it takes
		w.sweep()
		w.clock.Advance(requeueAfter)
	}
	if got := w.read(before).text("status"); got != "PENDING" || w.sandbox.runs() != 0 {
		t.Errorf("what waits: got %s, %d runs", got, w.sandbox.runs())
	}
	for who, want := range map[string]int{"observer": 1, "outsider": 0, "admin": 1} {
		if got := len(w.as(who, "GET", "/v1/automation/pause", nil).body["items"].([]any)); got != want {
			t.Errorf("%s sees %d pauses, want %d", who, got, want)
		}
	}
	w.queued()
	for range 2 {
		if a := pause("lead", "resume", map[string]any{"teamId": w.team}); a.status != http.StatusNoContent {
			t.Errorf("resume: got %d %v", a.status, a.body)
		}
	}
	if got := w.queued(); len(got) != 1 {
		t.Errorf("a resume sends what waits: got %v", got)
	}
	w.dispatch(before)
	if got := w.read(before).text("status"); got != "COMPLETED" {
		t.Errorf("got %s", got)
	}
	if got := w.trail(w.team); got != "automation.paused automation.resumed" {
		t.Errorf("the audit trail tells %q", got)
	}
}

func TestAPauseOfAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Stopped", nil)
	if a := w.as("admin", "POST", "/v1/automation/pause", map[string]any{"reason": "everything burns"}); a.status != http.StatusOK || a.body["teamId"] != nil {
		t.Fatalf("got %d %v", a.status, a.body)
	}
	if a := w.as("responder", "POST", "/v1/executions", map[string]any{"runbookId": rb}); a.text("code") != "automation_paused" {
		t.Errorf("got %d %v", a.status, a.body)
	}
	if a := w.as("lead", "POST", "/v1/automation/resume", map[string]any{}); a.status != http.StatusForbidden {
		t.Errorf("a team's admin resumes all: got %d", a.status)
	}
	if a := w.as("admin", "POST", "/v1/automation/resume", nil); a.status != http.StatusNoContent {
		t.Errorf("got %d %v", a.status, a.body)
	}
	ex := w.trigger(rb)
	w.dispatch(ex)
	if got := w.read(ex).text("status"); got != "COMPLETED" {
		t.Errorf("got %s", got)
	}
}
