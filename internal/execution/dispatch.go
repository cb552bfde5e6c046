package execution

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"pagefree/internal/execution/target"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/token"
	"pagefree/internal/runbook"
)

// Dispatcher takes executions from the queue to their targets, at most once each.
type Dispatcher struct {
	Recorder
	Runbooks runbook.Store
	Seal     runbook.Verifier
	Targets  map[string]target.Sender // by the type of runbook.Target
	Trackers map[string]target.Tracker
	Secrets  secret.Resolver
	Hidden   Revealer                                                              // of secret parameters
	Callback func(ctx context.Context, executionID string) (url string, err error) // where receivers of webhooks report
	Metrics  io.Writer
}

// lateness is added to the dispatcher's own end, before the watchdog looks at
// what it claimed: the record of an outcome outlives the invocation by 10 s.
const lateness = 15 * time.Second

// patience is how long after its claim nobody else touches an execution: until
// the invocation that claimed it has certainly ended.
func (d *Dispatcher) patience(ctx context.Context, e Execution) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return time.Duration(e.Timeout)*time.Second + time.Minute
	}
	return time.Until(end) + lateness
}

// races is how often one message decides anew on what others wrote meanwhile.
const races = 8

// Dispatch runs the execution that a message names. A nil error means that the
// message is done with: the execution has an outcome, waits for a slot or the
// end of a pause, or belongs to another dispatcher. An error brings the message back.
func (d *Dispatcher) Dispatch(ctx context.Context, m Message) error {
	for try := 1; ; try++ {
		err := d.dispatch(ctx, m)
		if err == nil {
			return nil
		}
		_, lost := dynamo.Failed(err)
		if !lost && !errors.Is(err, dynamo.ErrContended) || try == races || !pause(ctx, try) {
			return fmt.Errorf("execution %q: %w", m.ExecutionID, err)
		}
	}
}

// dispatch decides once. A lost race is a *dynamo.ConditionError.
func (d *Dispatcher) dispatch(ctx context.Context, m Message) error {
	c, err := d.read(ctx, m)
	if err != nil {
		return err
	}
	if c.execution.Status != Pending {
		return d.leftOver(ctx, c.execution) // a duplicate, or it was cancelled
	}
	if c.brakes.paused() != nil {
		return nil // the watchdog comes back to it
	}
	p, err := d.prepare(ctx, c)
	if r := refusalOf(err); r != "" {
		return d.refuse(ctx, c.execution, r)
	}
	if err != nil {
		return err
	}
	var also []dynamo.Op
	if limit := c.version.MaxRunsPerHour; limit != nil && c.execution.Attempt == 1 && c.execution.Unsent == 0 {
		hour, admitted := c.hour.began(d.Now(), *limit)
		if !admitted {
			return d.refuse(ctx, c.execution, "rate_exceeded")
		}
		also = append(also, d.Store.count(c.execution.RunbookID, hour))
	}
	if c.slots.Live >= c.version.Concurrency { // as likely as not; the claim makes sure
		return d.wait(ctx, c)
	}
	if p.named != nil {
		also = append(also, d.Runbooks.StillServes(*p.named))
	}
	claimed, ours, err := d.claim(ctx, c, p.job, also...)
	if err != nil || !ours {
		return err
	}
	return d.run(ctx, claimed, p.job)
}

// leftOver removes the place in a queue of an execution that waits no more.
func (d *Dispatcher) leftOver(ctx context.Context, e Execution) error {
	if e.Status == AwaitingConfirmation || !e.Waiting {
		return nil
	}
	return d.Store.commit(ctx, d.Store.leaveQueue(e))
}

// refuse ends an execution that may not run. If it was woken for a slot, the
// next one that waits is.
func (d *Dispatcher) refuse(ctx context.Context, e Execution, why string) error {
	_, err := d.step(ctx, e, refused{why: why}, told{toldAs[StatusFailed], map[string]any{"attempt": e.Attempt, "error": why}})
	if err == nil && e.Waiting {
		e.Slot = e.slot()
		d.wake(ctx, e)
	}
	return err
}

// wait leaves an execution for when a slot is free: whoever gives one back
// sends its message. One that became free meanwhile is a lost race.
func (d *Dispatcher) wait(ctx context.Context, c candidate) error {
	e := c.execution
	if e.Waiting {
		return nil
	}
	_, err := d.step(ctx, e, postponed{until: d.Now().Add(requeueAfter), waiting: true}, told{}, d.Store.queueUp(e, c.version.Concurrency)...)
	return err
}

// Where the writes of a claim stand in its transaction, after the execution's own.
const (
	theRunbook = 1 + iota
	theSlots
)

// claim makes the execution ours, in one transaction with the checks that the
// version that was verified is still the one to run, and that a slot is free;
// also are the run in its hour, and that its named target still serves. ours is
// false when somebody else was first, or it has to wait.
func (d *Dispatcher) claim(ctx context.Context, c candidate, job target.Job, also ...dynamo.Op) (claimedAs Execution, ours bool, err error) {
	e, now := c.execution, d.Now()
	more := append([]dynamo.Op{theRunbook - 1: d.Runbooks.StillRuns(c.runbook), theSlots - 1: d.Store.take(e, c.version.Concurrency)}, also...)
	if e.Waiting {
		more = append(more, d.Store.leaveQueue(e))
	}
	ev := claimed{nonce: job.Nonce, document: job.Document, target: job.Target, until: now.Add(d.patience(ctx, e))}
	if job.Callback.Token != "" {
		ev.callback = token.Hash(job.Callback.Token)
	}
	is, err := d.step(ctx, e, ev, told{"execution.started", map[string]any{"attempt": e.Attempt}}, more...)
	if err == nil {
		return is, true, nil
	}
	// The answer may have been lost, not the write: our own nonce tells.
	seen, found, rerr := d.Store.Execution(ctx, e.ID)
	if rerr == nil && found && seen.Status == Running && seen.Nonce == job.Nonce {
		return seen, true, nil
	}
	lost, race := dynamo.Failed(err)
	if race && rerr == nil && found && seen.Status != Pending {
		return Execution{}, false, nil
	}
	if race && lost.Index == theSlots {
		return Execution{}, false, d.wait(ctx, c)
	}
	return Execution{}, false, err // still pending: everything is checked anew
}

// run sends the job, and records whatever happens. The record outlives the
// invocation's deadline by a little.
func (d *Dispatcher) run(ctx context.Context, e Execution, job target.Job) error {
	report, err := d.Targets[job.Target.Type].Send(ctx, job)
	report = target.NewMask(job.Confidential...).Report(report)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	goesOn := err == nil && report.State == target.Running
	if _, tracked := d.Trackers[e.Target.Type]; tracked && unknown(err) { // the target itself will tell
		slog.WarnContext(ctx, "the target's answer was lost", "execution", e.ID, "error", err)
		goesOn = true
	}
	if goesOn {
		is, err := d.settle(ctx, e, accepted{ref: report.Ref, look: d.firstLook(e)}, nil)
		if err == nil && is.Status == Running && is.CancelRequestedAt != nil {
			d.stop(ctx, is)
		}
		return err
	}
	event, output := d.outcome(ctx, e, report, err)
	_, err = d.settle(ctx, e, event, output)
	return err
}

// stop passes on that somebody does not want it to run any more. If it cannot,
// the watchdog will.
func (d *Dispatcher) stop(ctx context.Context, e Execution) {
	if t, can := d.Trackers[e.Target.Type]; can {
		if err := t.Cancel(ctx, e.sent()); err != nil {
			slog.WarnContext(ctx, "not cancelled yet", "execution", e.ID, "error", err)
		}
	}
}

// firstLook is when to ask what became of a job that goes on by itself: where
// somebody tracks it soon, else when its time is over.
func (d *Dispatcher) firstLook(e Execution) time.Time {
	if _, tracked := d.Trackers[e.Target.Type]; tracked {
		return d.Now().Add(lookEvery)
	}
	return e.deadline()
}

// outcome turns what a target reported, or why it did not, into what happened to the attempt.
func (d *Dispatcher) outcome(ctx context.Context, e Execution, r target.Report, err error) (ended, *Output) {
	if err == nil {
		return endedBy(e, r), outputOf(r)
	}
	refusal, refused := errors.AsType[*target.Refused](err)
	level := slog.LevelError
	if refused {
		level = slog.LevelWarn
	}
	slog.Log(ctx, level, "not sent, or lost", "execution", e.ID, "target", e.Target.Type, "error", err)
	switch {
	case refused:
		return ended{report: target.Report{State: target.Failed, Error: refusal.Error()}, unsent: true, fatal: true}, nil
	case errors.Is(err, target.ErrNotSent):
		r := target.Report{State: target.Failed, Error: "not_sent: the target did not take the script, and it did not run"}
		return ended{report: r, unsent: true, again: backoff(e.Unsent+1, rand.Float64())}, nil
	}
	return endedBy(e, target.Report{State: target.Unknown, Error: "unknown: the target did not say how the script ended; it may have run"}), nil
}

// unknown reports whether an error of a sender leaves open whether the job runs.
func unknown(err error) bool {
	_, refused := errors.AsType[*target.Refused](err)
	return err != nil && !refused && !errors.Is(err, target.ErrNotSent)
}

// endedBy is the end that a target reported.
func endedBy(e Execution, r target.Report) ended {
	return ended{report: r, again: backoff(e.Attempt, rand.Float64())}
}

func outputOf(r target.Report) *Output {
	if r.Output == (target.Output{}) {
		return nil
	}
	o := Output(r.Output)
	return &o
}
