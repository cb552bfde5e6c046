package workflow_test

import (
	"context"
	"testing"
	"time"

	"pagefree/internal/platform/outbox"
)

// TestSlowReceivers: workflows whose receivers take their time keep no other from beginning, and no request is begun that
// there is no time for.
func TestSlowReceivers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	step := func(id string) m { return m{"id": id, "type": "webhook", "url": w.receiver.base + "200"} }
	var workflows []string
	for _, name := range []string{"One", "Two", "Three"} {
		workflows = append(workflows, w.workflow(name, []m{step("a"), step("b")}))
	}
	ev := w.event(outbox.IncidentCreated, w.incident("Disk full").ID)
	little, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := w.react(little, ev); err != nil {
		t.Fatal(err)
	}
	for _, wf := range workflows {
		run := w.only(wf)
		if err := w.engine.Advance(little, run.id()); err != nil {
			t.Error(err)
		}
		if run = w.only(wf); run.Str("status") != "RUNNING" {
			t.Errorf("got %s", run.Text)
		}
	}
	if n := w.receiver.requests(); n != 0 {
		t.Errorf("%d requests were begun, want none", n)
	}
	w.clock.Advance(time.Minute)
	w.sweep()
	for _, wf := range workflows {
		if run := w.only(wf); run.Str("status") != "COMPLETED" {
			t.Errorf("got %s", run.Text)
		}
	}
	if n := w.receiver.requests(); n != 6 {
		t.Errorf("%d requests arrived, want 6", n)
	}
}
