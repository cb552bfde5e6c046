package workflow_test

import (
	"slices"
	"testing"
)

func TestAnEventStartsARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wf := w.workflow("Say so", []m{{"id": "say", "type": "note", "text": "{{upper incident.title}} in {{incident.labels.zone}}"}})
	i := w.created("Disk full")
	run := w.only(wf)
	if run.Str("status") != "COMPLETED" || run.Str("incidentId") != i.ID || run.Body["workflowVersion"] != 1.0 || run.step("say")["status"] != "COMPLETED" {
		t.Errorf("got %s", run.Text)
	}
	var kinds []string
	for _, e := range w.timeline(i.ID) {
		kinds = append(kinds, e.Kind+" "+e.Text)
	}
	want := []string{"created Disk full", "step Say so began.", "note DISK FULL in eu", "step Say so: step say completed.", "step Say so completed."}
	if !slices.Equal(kinds, want) {
		t.Errorf("got  %q\nwant %q", kinds, want)
	}
	if got := w.recorded(run.id()); !slices.Equal(got, []string{"workflow.run_started", "workflow.run_completed"}) {
		t.Errorf("recorded %q", got)
	}
	if left := w.due(); len(left) != 0 {
		t.Errorf("reminders are left: %v", left)
	}
}
