package execution

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"pagefree/internal/execution/target"
	"pagefree/internal/runbook"
)

// remotely makes a runbook for an ssm node.
func remotely(c *runbook.Creation) {
	c.Target = runbook.Target{Type: runbook.SSM, InstanceIDs: []string{"mi-local"}}
}

func TestTheWatchdogFollowsWhatGoesOn(t *testing.T) {
	t.Parallel()
	running := target.Report{State: target.Running, Ref: "cmd-1"}
	setup := func(t *testing.T, change func(*runbook.Creation)) (*world, string) {
		w := newWorld(t)
		w.remote.report, w.remote.becomes = running, running
		ex := w.trigger(w.runbook("Far away", change))
		w.dispatch(ex)
		if got := w.read(ex).text("status"); got != "RUNNING" {
			t.Fatalf("got %s", got)
		}
		return w, ex
	}
	sweepAfter := func(w *world, d time.Duration) { w.clock.Advance(d); w.sweep() }
	t.Run("and records how it ended", func(t *testing.T) {
		t.Parallel()
		w, ex := setup(t, remotely)
		sweepAfter(w, time.Minute)
		if got := w.read(ex).text("status"); got != "RUNNING" {
			t.Errorf("while it runs: got %s", got)
		}
		w.remote.becomes = target.Report{State: target.Failed, Ref: "cmd-1", ExitCode: ptr(5), Error: "exit code 5", Output: target.Output{Stdout: "tried\n"},
			Invocations: []target.Invocation{{NodeID: "mi-local", Status: "Failed", ExitCode: ptr(5)}}}
		sweepAfter(w, time.Minute)
		got := w.read(ex)
		if got.text("status") != "FAILED" || got.body["exitCode"] != 5.0 || got.text("stdout") != "tried\n" || len(got.body["invocations"].([]any)) != 1 {
			t.Errorf("got %v", got.body)
		}
		if len(w.due()) != 0 {
			t.Errorf("still due: %v", w.due())
		}
	})
	t.Run("until its time is over, then nobody knows", func(t *testing.T) {
		t.Parallel()
		w, ex := setup(t, remotely)
		sweepAfter(w, 30*time.Second+grace+30*time.Second) // its delivery may take a minute
		if got := w.read(ex).text("status"); got != "RUNNING" {
			t.Errorf("got %s", got)
		}
		sweepAfter(w, time.Minute)
		if got := w.read(ex); got.text("status") != "UNKNOWN" || len(w.remote.cancelled) != 1 {
			t.Errorf("got %v, %d cancelled", got.body, len(w.remote.cancelled))
		}
	})
	t.Run("and waits for one that cannot be asked: what it knows is not lost", func(t *testing.T) {
		t.Parallel()
		w, ex := setup(t, func(c *runbook.Creation) { remotely(c); retried(1)(c) })
		w.remote.down = errors.New("no connection")
		for range 60 {
			w.clock.Advance(lookEvery)
			if err := w.watchdog.Sweep(t.Context()); err == nil {
				t.Fatal("nobody is told of it")
			}
		}
		if got := w.read(ex).text("status"); got != "RUNNING" || len(w.remote.jobs) != 1 {
			t.Errorf("after an hour: got %s, sent %d times", got, len(w.remote.jobs))
		}
		w.remote.down, w.remote.becomes = nil, target.Report{State: target.Completed, Ref: "cmd-1", ExitCode: ptr(0)}
		sweepAfter(w, lookEvery)
		if got := w.read(ex).text("status"); got != "COMPLETED" || len(w.due()) != 0 {
			t.Errorf("got %s, due %v", got, w.due())
		}
	})
	t.Run("but not for ever", func(t *testing.T) {
		t.Parallel()
		w, ex := setup(t, remotely)
		w.remote.down = errors.New("no connection")
		w.clock.Advance(30*time.Second + grace + time.Minute + outage)
		if err := w.watchdog.Sweep(t.Context()); err == nil {
			t.Error("nobody is told of it")
		}
		if got := w.read(ex).text("status"); got != "UNKNOWN" || len(w.due()) != 0 {
			t.Errorf("got %s, due %v", got, w.due())
		}
	})
	t.Run("a webhook without a callback is a timeout", func(t *testing.T) {
		t.Parallel()
		w, ex := setup(t, async(1))
		sweepAfter(w, 30*time.Second)
		if got := w.read(ex).text("status"); got != "RUNNING" {
			t.Errorf("got %s", got)
		}
		sweepAfter(w, grace)
		if got := w.read(ex); got.text("status") != "TIMEOUT" || got.body["exitCode"] != nil {
			t.Errorf("got %v", got.body)
		}
	})
}

// TestADispatcherThatDiedAfterItSent: the target itself is asked what became of it.
func TestADispatcherThatDiedAfterItSent(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		becomes target.Report
		unknown bool
		want    string
	}{
		"it ended":              {becomes: target.Report{State: target.Completed, Ref: "cmd-1"}, want: "COMPLETED"},
		"nobody knows of it":    {unknown: true, want: "UNKNOWN"},
		"it still ran too long": {becomes: target.Report{State: target.Running, Ref: "cmd-1"}, want: "UNKNOWN"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ex := w.trigger(w.runbook("Far away", remotely))
			w.claimOnly(ex)
			w.remote.becomes, w.remote.unknown = tt.becomes, tt.unknown
			for range 8 {
				w.clock.Advance(time.Minute)
				w.sweep()
			}
			if got := w.read(ex); got.text("status") != tt.want || len(w.remote.jobs) != 0 {
				t.Errorf("got %s, %q", got.text("status"), got.text("error"))
			}
			if len(w.due()) != 0 {
				t.Errorf("still due: %v", w.due())
			}
		})
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	cancel := func(w *world, ex string) answer {
		return w.as("responder", "POST", "/v1/executions/"+ex+"/cancel", nil)
	}
	t.Run("before it starts, at once", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		ex := w.trigger(w.runbook("Stop", nil))
		if a := cancel(w, ex); a.status != http.StatusOK || a.text("status") != "CANCELLED" {
			t.Fatalf("got %d %v", a.status, a.body)
		}
		w.dispatch(ex)
		if w.sandbox.runs() != 0 {
			t.Error("a cancelled execution ran")
		}
		if a := cancel(w, ex); a.status != http.StatusConflict || a.text("code") != "invalid_transition" {
			t.Errorf("twice: got %d %v", a.status, a.body)
		}
	})
	t.Run("where the target can, CANCELLED when it says so", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.remote.report = target.Report{State: target.Running, Ref: "cmd-1"}
		w.remote.becomes = w.remote.report
		ex := w.trigger(w.runbook("Stop", func(c *runbook.Creation) { remotely(c); retried(2)(c) }))
		w.dispatch(ex)
		if a := cancel(w, ex); a.status != http.StatusOK || a.text("status") != "RUNNING" || a.text("cancelRequestedAt") == "" {
			t.Errorf("got %d %v", a.status, a.body)
		}
		if len(w.remote.cancelled) != 1 || w.remote.cancelled[0].Ref != "cmd-1" {
			t.Errorf("the target was asked %v", w.remote.cancelled)
		}
		w.remote.becomes = target.Report{State: target.Cancelled, Ref: "cmd-1", Error: "cancelled"}
		w.clock.Advance(time.Minute)
		w.sweep()
		if got := w.read(ex).text("status"); got != "CANCELLED" {
			t.Errorf("got %s", got)
		}
		if got := w.trail(ex); !strings.HasSuffix(got, "execution.cancel_requested execution.cancelled") {
			t.Errorf("the audit trail tells %q", got)
		}
	})
	t.Run("where it cannot be reached, it is asked again", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.remote.report = target.Report{State: target.Running, Ref: "cmd-1"}
		w.remote.becomes = w.remote.report
		ex := w.trigger(w.runbook("Stop", remotely))
		w.dispatch(ex)
		w.remote.down = errors.New("no connection")
		if a := cancel(w, ex); a.status != http.StatusAccepted || a.text("cancelRequestedAt") == "" {
			t.Errorf("got %d %v", a.status, a.body)
		}
		w.remote.down, w.remote.cancelled = nil, nil
		w.clock.Advance(lookEvery)
		w.sweep()
		if len(w.remote.cancelled) != 1 || w.remote.cancelled[0].Ref != "cmd-1" {
			t.Errorf("the target was asked %v", w.remote.cancelled)
		}
	})
	t.Run("where it cannot, it says so, and the truth is recorded", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		ex, bearer := w.accepted(w.runbook("Stop", func(c *runbook.Creation) { async(10)(c); retried(2)(c) }))
		for range 2 {
			if a := cancel(w, ex); a.status != http.StatusAccepted || a.text("cancelRequestedAt") == "" || a.text("status") != "RUNNING" {
				t.Errorf("got %d %v", a.status, a.body)
			}
		}
		w.report(ex, bearer, map[string]any{"status": "FAILED", "error": "it broke"})
		if got := w.read(ex); got.text("status") != "FAILED" || got.text("error") != "it broke" || got.body["attempt"] != 1.0 {
			t.Errorf("what somebody stopped is not tried again: got %v", got.body)
		}
	})
	t.Run("between the claim and the answer, it is passed on", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.remote.report = target.Report{State: target.Running, Ref: "cmd-1"}
		ex := w.trigger(w.runbook("Stop", remotely))
		w.remote.meanwhile = func(target.Job) {
			if a := cancel(w, ex); a.status != http.StatusOK {
				t.Errorf("got %d %v", a.status, a.body)
			}
		}
		w.dispatch(ex)
		if got := w.read(ex); got.text("status") != "RUNNING" || len(w.remote.cancelled) != 1 || w.remote.cancelled[0].Ref != "cmd-1" {
			t.Errorf("got %s, the target was asked %v", got.text("status"), w.remote.cancelled)
		}
	})
}

// TestAMessageThatNoDispatcherHandles: it is never stuck; after ten tries it has failed, and nothing ran.
func TestAMessageThatNoDispatcherHandles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ex := w.trigger(w.runbook("Poison", nil))
	for range maxTries {
		w.queued()
		w.clock.Advance(requeueAfter)
		w.sweep()
	}
	if got := w.read(ex).text("status"); got != "PENDING" || len(w.queued()) != 1 {
		t.Errorf("after ten tries: got %s", got)
	}
	w.clock.Advance(requeueAfter)
	w.sweep()
	if got := w.read(ex); got.text("status") != "FAILED" || !strings.HasPrefix(got.text("error"), "not_dispatched") {
		t.Errorf("got %v", got.body)
	}
	if !strings.Contains(w.metrics.String(), `"ExecutionsGivenUp":1`) || len(w.due()) != 0 {
		t.Errorf("metrics %s, due %v", w.metrics, w.due())
	}
}

// TestAnItemThatFailsHoldsUpNobody: a target that cannot be asked is asked again later, and others get their turn.
func TestAnItemThatFailsHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.remote.report = target.Report{State: target.Running, Ref: "cmd-1"}
	ex := w.trigger(w.runbook("Far away", remotely))
	w.dispatch(ex)
	w.remote.down = errors.New("throttled")
	w.clock.Advance(time.Minute)
	before := w.due()
	if err := w.watchdog.Sweep(t.Context()); err == nil {
		t.Error("a failure is not told, so no alarm sounds")
	}
	if after := w.due(); len(after) != 1 || after[0] <= before[0] {
		t.Errorf("due before %v, after %v: it would be first in line for ever", before, after)
	}
	if got := w.read(ex).text("status"); got != "RUNNING" {
		t.Errorf("got %s", got)
	}
}
