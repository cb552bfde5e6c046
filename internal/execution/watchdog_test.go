package execution

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"pagefree/internal/execution/target"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
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

// TestATargetThatHangsHoldsNothingUp: what is between us and our own table and queue goes on while a target is asked.
func TestATargetThatHangsHoldsNothingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	far, asks := w.runbook("Far away", remotely), w.runbook("Asks", func(c *runbook.Creation) { c.RequiresConfirm = true })
	w.remote.report = target.Report{State: target.Running, Ref: "cmd-1"}
	var far1 []string
	for range 20 { // in every shard, as likely as not
		ex := w.trigger(far)
		w.dispatch(ex)
		far1 = append(far1, ex)
	}
	var waiting []string
	for range 20 {
		waiting = append(waiting, w.trigger(asks))
	}
	w.clock.Advance(ConfirmWithin)
	ctx, cancel := context.WithCancel(t.Context())
	hangs := &hanging{remote: w.remote, left: func() bool { return len(w.due()) > len(far1) }, end: cancel}
	w.watchdog.Trackers = map[string]target.Tracker{runbook.SSM: hangs}
	_ = w.watchdog.Sweep(ctx)
	for _, ex := range waiting {
		if got := w.read(ex).text("status"); got != "CANCELLED" {
			t.Errorf("a confirmation that nobody gave: got %s", got)
		}
	}
}

// hanging is a target that says nothing for as long as anything else is left to do, or until its time is over.
type hanging struct {
	*remote
	left func() bool
	end  func()
}

func (h *hanging) Look(ctx context.Context, _ target.Sent) (target.Report, bool, error) {
	for tries := 0; h.left() && ctx.Err() == nil && tries < 1000; tries++ {
		runtime.Gosched()
	}
	h.end() // the function's time is over
	<-ctx.Done()
	return target.Report{}, false, ctx.Err()
}

// TestARunIsFoundByAnyReminder: one that points at another moment is no reason to forget the execution.
func TestARunIsFoundByAnyReminder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ex := w.trigger(w.runbook("Moved", nil))
	w.queued()
	table := w.table(w.env.Config, "AutomationTable")
	e, _, err := w.service.Store.Execution(t.Context(), ex)
	if err != nil {
		t.Fatal(err)
	}
	old := dueItem(e)
	moved := due.New(old.Kind, old.Subject, old.At.Add(-time.Second))
	if err := dynamo.Commit(t.Context(), table.DB, due.Done(table, old), due.Put(table, moved)); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(requeueAfter)
	w.sweep()
	w.sweep()
	if got := w.queued(); len(got) != 1 || got[0].ExecutionID != ex {
		t.Errorf("got %v, want its message", got)
	}
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
