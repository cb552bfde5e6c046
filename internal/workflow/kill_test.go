package workflow_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	front "pagefree/infra/local/aws"
	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/outbox"
)

// mortal is the engine with a client that gives up at the first error, as a
// process does that dies.
func (w *world) mortal() {
	db := dynamodb.NewFromConfig(w.env.Config, func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
	table := dynamo.Table{Name: w.table.Name, DB: db}
	w.engine.Store.Table, w.engine.Incidents, w.engine.Outcomes.Table, w.engine.Runbooks.Table = table, incident.Store{Table: table}, table, table
	w.desk.Store.Table = table
	w.desk.Audit.Table.DB, w.engine.Audit.Table.DB = db, db
	executions := w.engine.Executions.(*execution.Service)
	executions.Store.Table, executions.Runbooks.Table, executions.Journal.Audit.Table.DB = table, table, db
	executions.Incidents.Table = table
}

// TestDyingAtAnyCall lets whoever drives a run die after each of its calls,
// which is before the next one, without having learned what came of it, and then
// somebody else go on. No step is done twice or left out; but of a request
// nobody may know whether it was sent.
func TestDyingAtAnyCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mortal()
	wf := w.workflow("All of it", []m{
		{"id": "said", "type": "note", "text": "{{incident.title}}"},
		{"id": "clean", "type": "runbook", "runbookId": w.runbook()},
		{"id": "hook", "type": "webhook", "url": w.receiver.base + "200", "onFailure": "continue"},
		{"id": "sleep", "type": "wait", "seconds": 90},
		{"id": "never", "type": "note", "if": `{{steps.clean.exitCode}} != "0"`, "text": "x"},
		{"id": "tell", "type": "notify", "to": []string{person}, "message": "done"},
		{"id": "done", "type": "resolve"},
	})
	ctx := context.Background()
	for n := 1; ; n++ {
		sent, told := w.receiver.requests(), len(w.events(outbox.WorkflowNotify))
		ev := w.event(outbox.IncidentCreated, w.incident(fmt.Sprintf("Disk %d", n)).ID)
		var driving atomic.Bool // the test's own calls reach the table
		when := func(front.Call) bool { return driving.Load() }
		struck := w.env.Faults.Add(front.Fault{Service: "dynamodb", When: when, Nth: n, Do: front.KillAfter})
		w.env.Faults.Add(front.Fault{Service: "dynamodb", When: when, Nth: n + 1, Times: -1, Do: front.KillBefore})
		drive := func(do func() error) {
			driving.Store(true)
			if do() != nil {
				w.env.Faults.Clear() // another process takes over
			}
			driving.Store(false)
		}
		drive(func() error { return w.react(ctx, ev) })
		if struck.Struck() > 0 {
			w.env.Faults.Clear()
		}
		drive(func() error { return w.react(ctx, ev) }) // its item is still there
		w.later(2 * time.Minute)
		runs := w.executions(ev.About)
		if len(runs) != 1 {
			t.Fatalf("call %d: %d executions", n, len(runs))
		}
		run := w.runs(wf)[0]["id"].(string)
		w.ends(runs[0].ID, execution.Completed, 0, "", false)
		for range 4 {
			drive(func() error { return w.engine.Advance(ctx, run) })
			w.clock.Advance(time.Minute)
		}
		done := struck.Struck() == 0
		w.env.Faults.Clear()
		w.later(3 * time.Minute)

		got := w.run(run)
		hook := got.step("hook")
		arrived := w.receiver.requests() - sent
		if got.Str("status") != "COMPLETED" || got.step("done")["status"] != "COMPLETED" || arrived > 1 || arrived == 0 && hook["status"] == "COMPLETED" {
			t.Fatalf("call %d: %d requests arrived; %s", n, arrived, got.Text)
		}
		notes, resolved := 0, 0
		for _, e := range w.timeline(ev.About) {
			switch e.Kind {
			case "note":
				notes++
			case "resolved":
				resolved++
			}
		}
		if notes != 1 || resolved != 1 || len(w.executions(ev.About)) != 1 || len(w.events(outbox.WorkflowNotify))-told != 1 {
			t.Fatalf("call %d: %d notes, %d resolutions, %d executions, %d messages", n, notes, resolved, len(w.executions(ev.About)), len(w.events(outbox.WorkflowNotify))-told)
		}
		if left := w.due(); len(left) != 0 {
			t.Fatalf("call %d: reminders are left: %v", n, left)
		}
		if done {
			t.Logf("died at each of %d calls", n-1)
			if n < 30 {
				t.Error("it made too few calls for that to be all")
			}
			return
		}
	}
}
