package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// move makes one transaction of a run, or none. more tells that the run may
// have another to make right away.
func (e *Engine) move(ctx context.Context, was Run, d Definition) (more bool, err error) {
	now := e.Now()
	switch {
	case was.Status.Final():
		return false, e.tidy(ctx, was, now)
	case len(d.Steps) != len(was.Steps): // it outlived what it was to do
		is := was.next().end(Failed, "Its definition is not kept any more.", now)
		return true, e.commit(ctx, was, is, now)
	case was.Status == Pending:
		return e.begin(ctx, was, d, now)
	}
	n := was.current()
	if n < 0 { // a release that ended it in two transactions, or none
		return true, e.commit(ctx, was, was.next().end(Completed, "", now), now)
	}
	late := !now.Before(was.Deadline.Time)
	switch s := was.Steps[n]; {
	case s.Status == Running:
		if now.Before(was.DueAt.Time) { // whoever claimed it may be sending it right now
			return false, nil
		}
		is := was.next().leave(n, d.Steps[n].OnFailure, Failed, nil, "outcome unknown: whoever sent the request died, and it is not sent twice", now)
		return true, e.commit(ctx, was, is, now)
	case s.ExecutionID != nil:
		return e.follow(ctx, was, d, n, late, now)
	case s.Status == Waiting && s.Until != nil && !now.Before(s.Until.Time) && !s.Until.After(was.Deadline.Time):
		is := was.next().leave(n, d.Steps[n].OnFailure, Completed, map[string]any{}, "", now)
		return true, e.commit(ctx, was, is, now)
	case late:
		return true, e.commit(ctx, was, was.next().end(TimedOut, timeUp(d), now), now)
	case s.Status == Waiting:
		return false, e.wait(ctx, was, now)
	}
	return e.perform(ctx, was, d, n, now)
}

func timeUp(d Definition) string {
	return fmt.Sprintf("It took longer than its %d seconds.", d.TimeLimitSeconds)
}

// wait moves the reminder of a run that has nothing to do yet, if it is due.
func (e *Engine) wait(ctx context.Context, was Run, now time.Time) error {
	if now.Before(was.DueAt.Time) {
		return nil
	}
	is := was.next().remind(now)
	return dynamo.Commit(ctx, e.Store.Table.DB, e.Store.replaceRun(was, is)...)
}

// begin lets a run go whose turn it is. One that waits for another looks after
// it: what ended without telling, or is gone, is not waited for.
func (e *Engine) begin(ctx context.Context, was Run, d Definition, now time.Time) (bool, error) {
	l, err := e.Store.live(ctx, was.WorkflowID, was.IncidentID)
	if err != nil {
		return false, err
	}
	is := was.next()
	var more []dynamo.Op
	if l.RunID != was.ID {
		_, held, err := e.holder(ctx, l)
		if err != nil {
			return false, err
		}
		next := l
		switch {
		case !held && (len(l.Waiting) == 0 || l.Waiting[0] == was.ID):
			next.RunID, next.Waiting = was.ID, slices.DeleteFunc(slices.Clone(l.Waiting), func(other string) bool { return other == was.ID })
		case !held: // it is another's turn, which may be gone too
			next.RunID, next.Waiting = l.Waiting[0], l.Waiting[1:]
			return true, dynamo.Commit(ctx, e.Store.Table.DB, e.Store.putLive(was, l, next))
		case !slices.Contains(l.Waiting, was.ID):
			next.Waiting = append(slices.Clone(l.Waiting), was.ID)
			return true, dynamo.Commit(ctx, e.Store.Table.DB, e.Store.putLive(was, l, next))
		default:
			return false, e.wait(ctx, was, now)
		}
		more = append(more, e.Store.putLive(was, l, next))
	}
	is = is.begin(d.limit(), now)
	words := "began"
	if is.Round > 0 {
		words = "began again"
	}
	return true, e.commit(ctx, was, is, now, append(more, e.entry(ctx, is, nil, words, now))...)
}

// follow reads what became of the execution that a step waits for.
func (e *Engine) follow(ctx context.Context, was Run, d Definition, n int, late bool, now time.Time) (bool, error) {
	s := was.Steps[n]
	ex, found, err := e.Outcomes.Execution(ctx, *s.ExecutionID)
	if err != nil {
		return false, err
	}
	is := was.next()
	switch {
	case !found:
		is = is.leave(n, d.Steps[n].OnFailure, Failed, nil, "The execution is not kept any more.", now)
		return true, e.commit(ctx, was, is, now)
	case !ex.Status.Final() || ex.CompletedAt != nil && ex.CompletedAt.After(was.Deadline.Time):
		if late {
			return true, e.commit(ctx, was, is.end(TimedOut, timeUp(d), now), now)
		}
		return false, e.wait(ctx, was, now)
	}
	out, err := e.Outcomes.Output(ctx, ex.ID, ex.Attempt)
	if err != nil {
		return false, err
	}
	status, why := Completed, ""
	if ex.Status != execution.Completed {
		status, why = Failed, "The execution is "+string(ex.Status)
		if more := ex.Told(); more != "" { // it is mailed
			why += ": " + more
		} else if ex.Reason != nil && *ex.Reason != "" {
			why += ": " + *ex.Reason
		}
		if ex.ExitCode != nil && !strings.Contains(why, "exit code") {
			why += fmt.Sprintf(" (exit code %d)", *ex.ExitCode)
		}
	}
	is = is.leave(n, d.Steps[n].OnFailure, status, outcome(ex, out), why, now)
	if is.failedBy(d, ex.ID) {
		is.cause = &ex
	}
	return true, e.commit(ctx, was, is, now)
}

// outcome is the output of a runbook step.
func outcome(ex execution.Execution, out execution.Output) map[string]any {
	stdout, cut := clip(out.Stdout, maxStdout)
	output := map[string]any{"status": string(ex.Status), "exitCode": nil, "stdout": stdout, "stdoutTruncated": cut || out.StdoutTruncated}
	if ex.ExitCode != nil {
		output["exitCode"] = *ex.ExitCode
	}
	return output
}

// tidy does what a run that is over leaves to be done: an execution to cancel,
// as well as that can be done, and its end to be told.
func (e *Engine) tidy(ctx context.Context, was Run, now time.Time) error {
	if was.DueAt.IsZero() {
		return nil
	}
	if was.Abandoned != "" {
		_, _, err := e.Executions.Cancel(ctx, was.Abandoned)
		if p, is := errors.AsType[*problem.Error](err); err != nil && (!is || p.Status >= 500 || p.Code == problem.Conflict) {
			return err
		}
	}
	is := was.next()
	is.Abandoned, is.Untold, is.DueAt = "", false, timestamp.Time{}
	ops := e.Store.replaceRun(was, is)
	if was.Untold {
		ops = append(ops, e.entry(ctx, is, nil, words[is.Status], now))
	}
	return dynamo.Commit(ctx, e.Store.Table.DB, ops...)
}

// commit writes what a move made of a run: with what ended on the timeline, and
// where the run ended, with its audit event, the event of a failure, and whoever
// waited for it let go.
func (e *Engine) commit(ctx context.Context, was, is Run, now time.Time, more ...dynamo.Op) error {
	is = is.remind(now)
	ops := append(e.Store.replaceRun(was, is), more...)
	for n := range is.Steps {
		if s := is.Steps[n]; s.Status.Final() && !was.Steps[n].Status.Final() && s.Status != Skipped {
			ops = append(ops, e.entry(ctx, is, &s, words[s.Status], now))
		}
	}
	if is.Status.Final() {
		next, err := e.release(ctx, is, now)
		if err != nil {
			return err
		}
		ops = append(ops, next...)
		ops = append(ops, e.record(ctx, is, toldAs[is.Status], now), e.entry(ctx, is, nil, words[is.Status], now))
		if is.Status == Failed || is.Status == TimedOut {
			ops = append(ops, e.failure(is, now))
		}
	}
	return dynamo.Commit(ctx, e.Store.Table.DB, ops...)
}

var words = map[Status]string{Completed: "completed", Failed: "failed", TimedOut: "ran out of time", Cancelled: "was cancelled"}

// entry is the timeline's line of what a run, or a step of it, came to.
func (e *Engine) entry(ctx context.Context, r Run, s *StepRun, became string, now time.Time) dynamo.Op {
	entry := incident.Entry{
		At: timestamp.Of(now), Kind: incident.EntryStep, Actor: audit.ActorOf(ctx), Status: string(r.Status),
		Text:   fmt.Sprintf("%s %s.", r.WorkflowName, became),
		Detail: map[string]any{"workflowId": r.WorkflowID, "runId": r.ID},
	}
	if s == nil && r.Reason != nil {
		entry.Text += " " + *r.Reason
	}
	if s != nil {
		entry.Status, entry.ExecutionID = string(s.Status), s.ExecutionID
		entry.Detail["stepId"], entry.Detail["type"] = s.ID, s.Type
		entry.Text = fmt.Sprintf("%s: step %s %s.", r.WorkflowName, s.ID, became)
		if s.Error != nil {
			entry.Text = strings.TrimSuffix(entry.Text, ".") + ": " + *s.Error
		}
	}
	return e.Incidents.Append(r.IncidentID, entry)
}
