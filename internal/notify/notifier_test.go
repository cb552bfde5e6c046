package notify_test

import (
	"strings"
	"testing"

	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
)

// TestAFailureAndAConfirmation are the two that a demo needs most.
func TestAFailureAndAConfirmation(t *testing.T) {
	w := newWorld(t)
	w.handle(w.ended(id.New(id.Runbook, w.now.Now()), "FAILED", w.id["responder"]))
	mails := w.sent()
	if got := to(mails); got != "lead responder reviewer" {
		t.Fatalf("a failure: got %q", got)
	}
	if m := mails[0]; m.Subject != "[FAILED] Restart" || !strings.Contains(m.Text, "exit 1") || !strings.Contains(m.HTML, "exit 1") ||
		len(m.Links) == 0 || !strings.HasPrefix(m.Links[0], "https://pagefree.test/v1/executions/ex_") {
		t.Errorf("got %+v", m)
	}
	w.handle(w.run(outbox.ExecutionWaits, id.New(id.Runbook, w.now.Now()), "AWAITING_CONFIRMATION", "wfr_x"))
	if got := to(w.sent()); got != "lead responder reviewer" {
		t.Errorf("a confirmation: got %q", got)
	}
	if got := w.waiting(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}
