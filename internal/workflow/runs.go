package workflow

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/timestamp"
)

// Runs begins and ends runs: what the API and the engine do alike.
type Runs struct {
	Store Store
	Audit audit.Log
	Now   func() time.Time
}

// rounds bounds how often a decision is made anew after a lost race.
const rounds = 12

// maxWaiting bounds how many runs wait for one to end.
const maxWaiting = 100

// runIDFor is the id of the run that an event starts of a workflow: always the
// same one, so that it is started once.
func runIDFor(eventID, workflowID string) string {
	var u ulid.ULID
	sum := sha256.Sum256([]byte(eventID + "#" + workflowID))
	copy(u[6:], sum[:10])
	if err := u.SetTime(uint64(max(id.Time(eventID).UnixMilli(), 0))); err != nil {
		return "" // no event has such a time
	}
	return id.WorkflowRun + "_" + u.String()
}

// start writes a new run, as its workflow's rule for concurrent runs wants it.
// Where the run is there already, that one is returned.
func (r Runs) start(ctx context.Context, run Run, d Definition) (Run, error) {
	for range rounds {
		now := r.Now()
		if run.Depth > outbox.MaxDepth {
			cut := run
			cut.Steps = slices.Clone(run.Steps)
			cut = cut.end(Cancelled, cutReason, now)
			cut.Untold = true
			is, again, err := r.create(ctx, cut.remind(now), d)
			if err == nil || !again {
				return is, err
			}
			continue
		}
		was, err := r.Store.live(ctx, run.WorkflowID, run.IncidentID)
		if err != nil {
			return Run{}, err
		}
		is, more, err := r.admit(ctx, run, d.Concurrency, was, now)
		if err != nil {
			return Run{}, err
		}
		is, again, err := r.create(ctx, is, d, more...)
		if err == nil || !again {
			return is, err
		}
	}
	return Run{}, dynamo.ErrContended
}

const cutReason = "It was set off by workflows that set off one another, five deep. Nothing was done."

// create writes a run. again tells that its place was taken meanwhile.
func (r Runs) create(ctx context.Context, run Run, d Definition, more ...dynamo.Op) (is Run, again bool, err error) {
	told := "workflow.run_started"
	if run.Status.Final() {
		told = toldAs[run.Status]
	}
	ops := append(r.Store.createRun(run, d), more...)
	ops = append(ops, r.record(ctx, run, told, r.Now()))
	err = dynamo.Commit(ctx, r.Store.Table.DB, ops...)
	lost, failed := dynamo.Failed(err)
	if !failed {
		return run, false, err
	}
	if lost.Index > 0 {
		return run, true, err
	}
	there, found, rerr := r.Store.run(ctx, run.ID)
	if rerr != nil || !found {
		return run, true, rerr
	}
	return there, false, nil
}

// admit decides what a run that is to begin has to wait for: it gives the run
// and the writes of that decision.
func (r Runs) admit(ctx context.Context, run Run, rule string, was live, now time.Time) (Run, []dynamo.Op, error) {
	run.Steps, run.DueAt = slices.Clone(run.Steps), timestamp.Of(now)
	is := was
	holder, held, err := r.holder(ctx, was)
	if err != nil {
		return run, nil, err
	}
	if !held && len(was.Waiting) > 0 { // who waited first is first, whatever became of the one before
		is.RunID, is.Waiting, held = was.Waiting[0], was.Waiting[1:], true
		if holder, _, err = r.Store.run(ctx, is.RunID); err != nil {
			return run, nil, err
		}
	}
	if !held {
		is.RunID = run.ID
		return run, []dynamo.Op{r.Store.putLive(run, was, is)}, nil
	}
	switch {
	case rule == Skip:
		run = run.end(Cancelled, "The run "+is.RunID+" was live.", now)
		run.Untold = true
		return run, []dynamo.Op{r.Store.stillLive(run, was)}, nil
	case rule == Replace && !holder.Status.Final() && holder.ID != "":
		older := holder.next().end(Cancelled, "The run "+run.ID+" replaced it.", now)
		older.Untold = true
		is.RunID = run.ID
		older = older.remind(now)
		ops := append(r.Store.replaceRun(holder, older), r.Store.putLive(run, was, is), r.record(ctx, older, toldAs[Cancelled], now))
		return run, ops, nil
	case len(is.Waiting) >= maxWaiting:
		run = run.end(Cancelled, fmt.Sprintf("%d runs waited already.", maxWaiting), now)
		run.Untold = true
		return run, []dynamo.Op{r.Store.stillLive(run, was)}, nil
	}
	is.Waiting = append(slices.Clone(is.Waiting), run.ID)
	why := "It waits for the run " + is.RunID + " to end."
	run.Reason, run.DueAt = &why, timestamp.Of(now.Add(look))
	return run, []dynamo.Op{r.Store.putLive(run, was, is)}, nil
}

// holder is the run that is live, unless it is over or gone.
func (r Runs) holder(ctx context.Context, l live) (Run, bool, error) {
	if l.RunID == "" {
		return Run{}, false, nil
	}
	run, found, err := r.Store.run(ctx, l.RunID)
	return run, found && !run.Status.Final(), err
}

// release are the writes by which a run that ends lets the next one begin, or
// by which one that waited does so no more.
func (r Runs) release(ctx context.Context, run Run, now time.Time) ([]dynamo.Op, error) {
	was, err := r.Store.live(ctx, run.WorkflowID, run.IncidentID)
	if err != nil || was.RunID == "" {
		return nil, err
	}
	is := was
	is.Waiting = slices.DeleteFunc(slices.Clone(was.Waiting), func(other string) bool { return other == run.ID })
	if was.RunID != run.ID {
		if len(is.Waiting) == len(was.Waiting) {
			return nil, nil
		}
		return []dynamo.Op{r.Store.putLive(run, was, is)}, nil
	}
	is.RunID = ""
	for is.RunID == "" && len(is.Waiting) > 0 {
		next, found, err := r.Store.run(ctx, is.Waiting[0])
		if err != nil {
			return nil, err
		}
		if found && next.Status == Pending {
			is.RunID = next.ID
			woken := next.next()
			woken.Reason, woken.DueAt = nil, timestamp.Of(now)
			is.Waiting = is.Waiting[1:]
			return append(r.Store.replaceRun(next, woken), r.Store.putLive(run, was, is)), nil
		}
		is.Waiting = is.Waiting[1:]
	}
	return []dynamo.Op{r.Store.putLive(run, was, is)}, nil
}

// toldAs are the audit events of a run's end.
var toldAs = map[Status]string{
	Completed: "workflow.run_completed", Failed: "workflow.run_failed", TimedOut: "workflow.run_timed_out", Cancelled: "workflow.run_cancelled",
}

// record is the audit event of something that happens to a run, by whoever the context names, or else by the run itself.
func (r Runs) record(ctx context.Context, run Run, as string, now time.Time) dynamo.Op {
	detail := map[string]any{"workflowId": run.WorkflowID, "workflowVersion": run.WorkflowVersion, "incidentId": run.IncidentID, "triggeredBy": run.TriggeredBy}
	if run.Event != "" {
		detail["event"] = run.Event
	}
	if run.Reason != nil {
		detail["reason"] = *run.Reason
	}
	return r.Audit.Record(ctx, now, audit.Entry{Type: as, Subject: audit.Ref{Kind: "workflow_run", ID: run.ID}, TeamID: run.TeamID, Detail: detail})
}

// failure is the write of the event by which a run that did not work is told of.
func (r Runs) failure(run Run, now time.Time) dynamo.Op {
	ev := outbox.New(outbox.WorkflowFailed, run.ID, run.TeamID, now)
	ev.Depth, ev.Unattended = run.Depth, run.Unattended
	ev.Detail = map[string]string{"workflowId": run.WorkflowID, "workflowName": run.WorkflowName, "incidentId": run.IncidentID, "status": string(run.Status)}
	if run.TriggeredBy != ByEvent { // who did what an event tells of did not start the run
		ev.ActorID, ev.Detail["triggeredById"] = run.TriggeredByID, run.TriggeredByID
	}
	if run.Reason != nil {
		ev.Detail["reason"] = *run.Reason
	}
	if by := run.cause; by != nil {
		ev.Detail["executionId"], ev.Detail["executionStatus"] = by.ID, string(by.Status)
		ev.Detail["runbookId"], ev.Detail["runbookName"] = by.RunbookID, by.RunbookName
	}
	return outbox.Put(r.Store.Table, ev)
}
