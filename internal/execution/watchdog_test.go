package execution

import (
	"context"
	"strings"
	"testing"
	"time"

	"pagefree/internal/runbook"
)

func TestWatchdog(t *testing.T) {
	t.Parallel()
	t.Run("a lost message is sent again, and once", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		ex := w.trigger(w.runbook("Lost", nil))
		w.queued() // nobody handles them
		w.sweep()
		if got := w.queued(); len(got) != 0 {
			t.Errorf("requeued too early: %v", got)
		}
		w.clock.Advance(requeueAfter)
		w.sweep()
		w.sweep()
		if got := w.queued(); len(got) != 1 || got[0].ExecutionID != ex {
			t.Errorf("got %v, want one message", got)
		}
		w.dispatch(ex)
		if got := w.read(ex).text("status"); got != "COMPLETED" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a dispatcher that died leaves UNKNOWN, not before its own timeout", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		ex := w.trigger(w.runbook("Died", nil))
		w.claimOnly(ex)
		w.clock.Advance(6 * time.Minute)
		w.sweep()
		if got := w.read(ex).text("status"); got != "RUNNING" {
			t.Errorf("got %s before the time", got)
		}
		w.clock.Advance(lateness + time.Second)
		w.sweep()
		if got := w.read(ex); got.text("status") != "UNKNOWN" || !strings.HasPrefix(got.text("error"), "unknown") {
			t.Errorf("got %v", got.body)
		}
		w.dispatch(ex)
		if w.sandbox.runs() != 0 || len(w.due()) != 0 {
			t.Errorf("got %d runs, due %v", w.sandbox.runs(), w.due())
		}
	})
	t.Run("a confirmation that does not come cancels", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		ex := w.trigger(w.runbook("Asks", func(c *runbook.Creation) { c.RequiresConfirm = true }))
		w.clock.Advance(ConfirmWithin)
		w.sweep()
		if got := w.read(ex).text("status"); got != "CANCELLED" {
			t.Errorf("got %s", got)
		}
	})
}

// claimOnly is a dispatcher with six minutes of time that dies after its claim.
func (w *world) claimOnly(ex string) {
	w.t.Helper()
	invocation, cancel := context.WithTimeout(w.t.Context(), 6*time.Minute)
	defer cancel()
	c, err := w.dispatcher.read(invocation, Message{ExecutionID: ex})
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := w.dispatcher.prepare(invocation, c)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, ours, err := w.dispatcher.claim(invocation, c, p.job); err != nil || !ours {
		w.t.Fatalf("claim: %v, %v", ours, err)
	}
}

func (w *world) sweep() {
	w.t.Helper()
	if err := w.watchdog.Sweep(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}
