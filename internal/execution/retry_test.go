package execution

import (
	"fmt"
	"testing"
	"time"

	"pagefree/internal/execution/target"
	"pagefree/internal/execution/target/sandbox"
	"pagefree/internal/runbook"
)

// retried makes a runbook that may be run again.
func retried(times int) func(*runbook.Creation) {
	return func(c *runbook.Creation) { c.Idempotent, c.MaxRetries = true, times }
}

// attempts is what is on record of each try: its number, how it ended, and why.
func attempts(a answer) []string {
	var all []string
	list, _ := a.body["attempts"].([]any)
	for _, v := range list {
		m := v.(map[string]any)
		all = append(all, fmt.Sprintf("%v %v %v", m["attempt"], m["status"], m["error"]))
	}
	return all
}

func TestAnIdempotentRunbookIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ex := w.trigger(w.runbook("Again", retried(2)))
	w.queued()
	w.sandbox.result = sandbox.Result{ExitCode: ptr(7), Stderr: "first\n"}
	w.dispatch(ex)
	got := w.read(ex)
	if got.text("status") != "PENDING" || got.body["attempt"] != 2.0 || got.body["error"] != nil || got.text("stderr") != "" {
		t.Errorf("between two attempts: got %v", got.body)
	}
	if got := w.queued(); len(got) != 0 {
		t.Errorf("the message came before its time: %v", got)
	}
	w.dispatch(ex)
	w.sandbox.result = sandbox.Result{ExitCode: ptr(0), Stdout: "third\n"}
	w.dispatch(ex)
	got = w.read(ex)
	if got.text("status") != "COMPLETED" || got.body["attempt"] != 3.0 || got.body["maxAttempts"] != 3.0 || got.text("stdout") != "third\n" {
		t.Errorf("got %v", got.body)
	}
	if got, want := fmt.Sprint(attempts(got)), "[1 FAILED exit code 7 2 FAILED exit code 7 3 COMPLETED <nil>]"; got != want {
		t.Errorf("on record: got %s, want %s", got, want)
	}
	if got, want := w.trail(ex), "execution.triggered execution.started execution.retried execution.started execution.retried execution.started execution.completed"; got != want {
		t.Errorf("the audit trail tells %q", got)
	}
	if asked := w.sandbox.asked; len(asked) != 3 || asked[0].Nonce == asked[1].Nonce || asked[2].Attempt != 3 {
		t.Errorf("asked %+v", asked)
	}
}

func TestTheLastAttemptEndsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ex := w.trigger(w.runbook("Again", retried(1)))
	w.sandbox.err = fmt.Errorf("%w: cut", target.ErrUnknown)
	w.dispatch(ex)
	if got := w.read(ex).text("status"); got != "PENDING" {
		t.Errorf("an idempotent one of unknown outcome: got %s", got)
	}
	w.dispatch(ex)
	if got := w.read(ex); got.text("status") != "UNKNOWN" || got.body["attempt"] != 2.0 {
		t.Errorf("got %v", got.body)
	}
	w.dispatch(ex)
	if w.sandbox.runs() != 2 || len(w.due()) != 0 {
		t.Errorf("%d runs, due %v", w.sandbox.runs(), w.due())
	}
}

// TestWhatNeverLeftIsSentAgain: three times, whatever the runbook says of itself.
func TestWhatNeverLeftIsSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ex := w.trigger(w.runbook("Throttled", nil))
	w.sandbox.err = fmt.Errorf("%w: throttled", target.ErrNotSent)
	for range 3 {
		w.dispatch(ex)
		if got := w.read(ex); got.text("status") != "PENDING" || got.body["attempt"] != 1.0 {
			t.Fatalf("got %v", got.body)
		}
	}
	w.dispatch(ex)
	got := w.read(ex)
	if got.text("status") != "FAILED" || w.sandbox.runs() != 4 || len(attempts(got)) != 4 {
		t.Errorf("got %s after %d sendings: %v", got.text("status"), w.sandbox.runs(), attempts(got))
	}
}

// TestARetryWhoseMessageIsLost: the due item of the retry brings it back.
func TestARetryWhoseMessageIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ex := w.trigger(w.runbook("Again", retried(1)))
	w.queued()
	w.sandbox.result.ExitCode = ptr(1)
	w.dispatch(ex)
	w.clock.Advance(requeueAfter + 5*time.Second)
	w.sweep()
	if got := w.queued(); len(got) != 1 || got[0].ExecutionID != ex {
		t.Errorf("got %v", got)
	}
}
