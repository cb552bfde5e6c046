package execution

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pagefree/internal/execution/target"
	"pagefree/internal/execution/target/sandbox"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/runbook"
)

// async makes a runbook whose receiver goes on by itself.
func async(concurrency int) func(*runbook.Creation) {
	return func(c *runbook.Creation) {
		c.Target = runbook.Target{Type: runbook.Webhook, URL: "https://awx.example.com/launch", Async: true}
		c.Concurrency, c.ScriptContent = concurrency, ""
	}
}

// slotsOf reads the counts of a runbook's brake for the world's service.
func (w *world) slotsOf(runbookID string) slots {
	w.t.Helper()
	var s slots
	if _, err := w.table(w.env.Config, "AutomationTable").Get(w.t.Context(), slotsKey(runbookID, w.svc), &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

func TestWhatIsOverTheConcurrencyWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("One at a time", async(1))
	w.remote.report = target.Report{State: target.Running, Ref: "job-1"}
	first, second, third := w.trigger(rb), w.trigger(rb), w.trigger(rb)
	w.queued()
	w.dispatch(first)
	w.dispatch(second)
	w.dispatch(third)
	w.dispatch(third) // its message comes twice
	for ex, want := range map[string]string{first: "RUNNING", second: "PENDING", third: "PENDING"} {
		if got := w.read(ex).text("status"); got != want {
			t.Errorf("%s: got %s, want %s", ex, got, want)
		}
	}
	if got := w.slotsOf(rb); got.Live != 1 || got.Waiting != 2 {
		t.Errorf("got %+v", got)
	}
	t.Log("the end of the first wakes whoever waited longest, and only that one")
	w.report(first, w.remote.jobs[0].Callback.Token, map[string]any{"status": "COMPLETED"})
	if got := w.queued(); len(got) != 1 || got[0].ExecutionID != second {
		t.Errorf("got messages %v, want one for %s", got, second)
	}
	if a := w.as("responder", "POST", "/v1/executions/"+third+"/cancel", nil); a.status != http.StatusOK {
		t.Errorf("cancel of one that waits: %d %v", a.status, a.body)
	}
	w.dispatch(second)
	if got := w.slotsOf(rb); got.Live != 1 || got.Waiting != 0 || w.read(second).text("status") != "RUNNING" {
		t.Errorf("got %+v, %s", got, w.read(second).text("status"))
	}
	w.report(second, w.remote.jobs[1].Callback.Token, map[string]any{"status": "FAILED"})
	if got := w.slotsOf(rb); got.Live != 0 || len(w.queued()) != 0 {
		t.Errorf("got %+v", got)
	}
}

// TestASlotThatBecomesFreeAtThatMoment: whoever ended saw nobody wait, so whoever is about to wait must see the slot.
func TestASlotThatBecomesFreeAtThatMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("One at a time", async(1))
	first, bearer := w.accepted(rb)
	second := w.trigger(rb)
	seen, err := w.dispatcher.read(t.Context(), Message{ExecutionID: second})
	if err != nil || seen.slots.Live != 1 {
		t.Fatalf("%+v, %v", seen.slots, err)
	}
	w.report(first, bearer, map[string]any{"status": "COMPLETED"})
	if _, lost := dynamo.Failed(w.dispatcher.wait(t.Context(), seen)); !lost {
		t.Error("it waits for a slot that nobody holds, and nobody wakes it")
	}
	if got := w.slotsOf(rb); got.Live != 0 || got.Waiting != 0 {
		t.Errorf("got %+v", got)
	}
	w.dispatch(second)
	if got := w.read(second).text("status"); got != "RUNNING" {
		t.Errorf("got %s", got)
	}
}

// TestARefusedOnePassesItsSlotOn: who was woken and may not run leaves nobody asleep beside a free slot.
func TestARefusedOnePassesItsSlotOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("One an hour", func(c *runbook.Creation) { async(1)(c); c.MaxRunsPerHour = ptr(2) })
	w.remote.report = target.Report{State: target.Running}
	first, second, third, last := w.trigger(rb), w.trigger(rb), w.trigger(rb), w.trigger(rb)
	w.queued()
	for _, ex := range []string{first, second, third, last} {
		w.dispatch(ex)
	}
	for _, ex := range []string{first, second} {
		w.report(ex, w.remote.jobs[len(w.remote.jobs)-1].Callback.Token, map[string]any{"status": "COMPLETED"})
		for _, m := range w.queued() {
			w.dispatch(m.ExecutionID)
		}
	}
	for _, m := range w.queued() {
		w.dispatch(m.ExecutionID)
	}
	for _, ex := range []string{third, last} {
		if got := w.read(ex); got.text("error") != "rate_exceeded" {
			t.Errorf("got %v", got.body)
		}
	}
	if got := w.slotsOf(rb); got.Live != 0 || got.Waiting != 0 || len(w.queued()) != 0 {
		t.Errorf("left %+v", got)
	}
}

// TestConcurrencyHoldsUnderARush: fifty at once for three slots of one service;
// those of another service have slots of their own.
func TestConcurrencyHoldsUnderARush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Three at a time", async(3))
	w.remote.report = target.Report{State: target.Running}
	var ids []string
	for range 20 {
		ids = append(ids, w.trigger(rb))
	}
	var wg sync.WaitGroup
	for _, ex := range ids {
		wg.Go(func() {
			// Whoever met too many others is told so: its message comes back.
			_ = w.dispatcher.Dispatch(context.WithoutCancel(t.Context()), Message{ExecutionID: ex})
		})
	}
	wg.Wait()
	for _, ex := range ids { // the messages that came back
		w.dispatch(ex)
	}
	if got := w.slotsOf(rb); got.Live != 3 || len(w.remote.jobs) != 3 || got.Waiting != 17 {
		t.Errorf("got %+v, %d sent; want 3 live, 17 waiting", got, len(w.remote.jobs))
	}
	svc, err := w.desk.CreateService(w.ctx("lead"), service(w.team, "search"))
	if err != nil {
		t.Fatal(err)
	}
	a := w.as("responder", "POST", "/v1/executions", map[string]any{"runbookId": rb, "incidentId": w.incident(svc.ID, nil)})
	w.dispatch(a.text("id"))
	if got := w.read(a.text("id")).text("status"); got != "RUNNING" {
		t.Errorf("another service: got %s", got)
	}
	t.Log("all of them run in the end, never more than three at once")
	for done := 0; done < len(w.remote.jobs); done++ {
		job := w.remote.jobs[done]
		w.report(job.ExecutionID, job.Callback.Token, map[string]any{"status": "COMPLETED"})
		for _, m := range w.queued() {
			w.dispatch(m.ExecutionID)
		}
		if got := w.slotsOf(rb); got.Live > 3 {
			t.Fatalf("%d at once", got.Live)
		}
	}
	if got := w.slotsOf(rb); len(w.remote.jobs) != 21 || got.Live != 0 || got.Waiting != 0 {
		t.Errorf("%d ran, left %+v", len(w.remote.jobs), got)
	}
}

func TestMaxRunsPerHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Flaps", func(c *runbook.Creation) { c.MaxRunsPerHour = ptr(3) })
	run := func() answer {
		ex := w.trigger(rb)
		w.dispatch(ex)
		return w.read(ex)
	}
	for range 3 {
		if got := run(); got.text("status") != "COMPLETED" {
			t.Fatalf("got %v", got.body)
		}
	}
	if got := run(); got.text("status") != "FAILED" || got.text("error") != "rate_exceeded" || w.sandbox.runs() != 3 {
		t.Errorf("got %s, %q, %d runs", got.text("status"), got.text("error"), w.sandbox.runs())
	}
	w.clock.Advance(59 * time.Minute)
	if got := run(); got.text("error") != "rate_exceeded" {
		t.Errorf("after 59 minutes: got %v", got.body)
	}
	w.clock.Advance(2 * time.Minute)
	if got := run(); got.text("status") != "COMPLETED" {
		t.Errorf("after an hour: got %v", got.body)
	}
}

// TestAFlappingTrigger: five hundred triggers in a minute stay inside of both limits.
func TestAFlappingTrigger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Flaps", func(c *runbook.Creation) { c.MaxRunsPerHour, c.Concurrency = ptr(10), 2 })
	w.sandbox.result = sandbox.Result{ExitCode: ptr(0)}
	ids := make(chan string, 500)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 125 {
				ids <- w.trigger(rb)
			}
		})
	}
	wg.Wait()
	close(ids)
	var all []string
	for ex := range ids {
		all = append(all, ex)
	}
	for part := range slices.Chunk(all, 63) { // eight dispatchers
		wg.Go(func() {
			for _, m := range part {
				_ = w.dispatcher.Dispatch(context.WithoutCancel(t.Context()), Message{ExecutionID: m})
			}
		})
	}
	wg.Wait()
	for i := 0; len(w.due()) > 0; i++ { // what waited, or met too many others
		w.clock.Advance(requeueAfter)
		w.sweep()
		for _, m := range w.queued() {
			w.dispatch(m.ExecutionID)
		}
		if i == 20 {
			t.Fatalf("still due: %d", len(w.due()))
		}
	}
	ends := map[string]int{}
	for _, ex := range all {
		e, _, err := w.service.Store.Execution(t.Context(), ex)
		if err != nil {
			t.Fatal(err)
		}
		ends[string(e.Status)]++
	}
	if w.sandbox.runs() != 10 || ends["COMPLETED"] != 10 || ends["FAILED"] != 490 {
		t.Errorf("%d runs, ended %v; want 10 runs, 490 refused", w.sandbox.runs(), ends)
	}
}

// TestNoHourHasMoreThanItsLimit: whatever the times of runs, no window of sixty minutes holds more than the limit.
func TestNoHourHasMoreThanItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		now, h := noon, hour{}
		var runs []time.Time
		for _, wait := range rapid.SliceOfN(rapid.IntRange(0, 2400), 1, 80).Draw(t, "waits") {
			now = now.Add(time.Duration(wait) * time.Second)
			is, admitted := h.began(now, limit)
			recent := 0
			for _, r := range runs {
				if r.After(now.Add(-time.Hour)) {
					recent++
				}
			}
			if admitted {
				h = is
				runs = append(runs, now)
				recent++
			}
			if recent > limit {
				t.Fatalf("%d runs in an hour, limit %d", recent, limit)
			}
			if len(h.Minutes) > window+1 {
				t.Fatalf("%d minutes are kept", len(h.Minutes))
			}
		}
	})
}

// TestADamagedBrakeHoldsNothingUp: a count that somebody removed does not keep a run from ending.
func TestADamagedBrakeHoldsNothingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Damaged", async(1))
	w.remote.report = target.Report{State: target.Running}
	ex := w.trigger(rb)
	w.dispatch(ex)
	table := w.table(w.env.Config, "AutomationTable")
	if err := dynamo.Commit(t.Context(), table.DB, table.Delete(slotsKey(rb, w.svc), dynamo.Present())); err != nil {
		t.Fatal(err)
	}
	waits := w.trigger(rb)
	w.claimOnly(waits)
	stopped := w.trigger(rb)
	w.dispatch(stopped)
	if err := dynamo.Commit(t.Context(), table.DB, table.Delete(slotsKey(rb, w.svc), dynamo.Present())); err != nil {
		t.Fatal(err)
	}
	w.report(ex, w.remote.jobs[0].Callback.Token, map[string]any{"status": "COMPLETED"})
	if got := w.read(ex).text("status"); got != "COMPLETED" {
		t.Errorf("got %s", got)
	}
	if err := dynamo.Commit(t.Context(), table.DB, table.Delete(slotsKey(rb, w.svc), dynamo.Present())); err != nil {
		t.Fatal(err)
	}
	if a := w.as("responder", "POST", "/v1/executions/"+stopped+"/cancel", nil); a.status != http.StatusOK || a.text("status") != "CANCELLED" {
		t.Errorf("one that waits is not to be stopped: got %d %v", a.status, a.body)
	}
}

// report calls back as a receiver does, and wants it taken.
func (w *world) report(ex, token string, body map[string]any) answer {
	w.t.Helper()
	a := w.callback(ex, token, body)
	if a.status != http.StatusOK {
		w.t.Fatalf("callback for %s: %d %v", ex, a.status, a.body)
	}
	return a
}
