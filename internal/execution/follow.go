package execution

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"pagefree/internal/execution/target"
)

// lookEvery is how long the watchdog leaves a job alone that its target still
// runs. It sweeps each minute, so that is each sweep.
const lookEvery = 15 * time.Second

// lookWithin is how long a target may take to say what became of a job.
const lookWithin = 20 * time.Second

// grace is what a job that goes on by itself may take above its time limit:
// until a node that was busy, or whose agent was away, has begun, and until
// its answer is there.
const grace = 10 * time.Second

// deadline is when an attempt's time is over.
func (e Execution) deadline() time.Time {
	return e.attempt().StartedAt.Add(time.Duration(e.Timeout)*time.Second + grace)
}

// Follower finds out what became of jobs that go on by themselves.
type Follower struct {
	Recorder
	Trackers map[string]target.Tracker // by the type of runbook.Target
	Delivery map[string]time.Duration  // by the same: how long a target may take to begin, beyond the time limit
}

// Follow asks the target what became of a running execution, and records it.
// One that still runs is asked after again; one whose time is over ends as
// TIMEOUT where its receiver took it, and as UNKNOWN where nobody can tell
// whether it ran. A target that cannot be asked is no answer.
func (f *Follower) Follow(ctx context.Context, e Execution) error {
	if e.Status != Running {
		return nil
	}
	overdue := !f.Now().Before(e.deadline().Add(f.Delivery[e.Target.Type]))
	t, tracked := f.Trackers[e.Target.Type]
	if !tracked {
		return f.untracked(ctx, e, overdue)
	}
	asking, enough := context.WithTimeout(ctx, lookWithin)
	defer enough()
	report, found, err := t.Look(asking, e.sent())
	if err != nil {
		return f.unreachable(ctx, e, err)
	}
	switch {
	case found && report.State != target.Running:
		_, err = f.settle(ctx, e, endedBy(e, report), outputOf(report))
		return err
	case overdue:
		if found {
			if err := t.Cancel(asking, e.sent()); err != nil {
				slog.WarnContext(ctx, "what is overdue was not cancelled", "execution", e.ID, "error", err)
			}
		}
		return f.lose(ctx, e)
	case e.CancelRequestedAt != nil && found:
		if err := t.Cancel(asking, e.sent()); err != nil {
			return errors.Join(err, f.later(ctx, e, report.Ref))
		}
	}
	return f.later(ctx, e, report.Ref)
}

// outage is how long beyond its time an execution waits for a target that
// cannot be asked: how it ended is known there, and UNKNOWN is final.
const outage = time.Hour

// unreachable leaves an execution as it is while its target cannot be asked.
// It is asked again later, behind what else is due.
func (f *Follower) unreachable(ctx context.Context, e Execution, cause error) error {
	if !f.Now().Before(e.deadline().Add(f.Delivery[e.Target.Type] + outage)) {
		return errors.Join(cause, f.lose(ctx, e))
	}
	return errors.Join(cause, f.later(ctx, e, ""))
}

// hearings is how often Hear asks: what readers of a target show may be some
// seconds behind what it announced.
const hearings = 7

// Hear is Follow for an execution whose target announced its end: it asks again
// for some seconds, until the target shows it. What it then still does not
// show, the watchdog finds.
func (f *Follower) Hear(ctx context.Context, executionID string) error {
	for try := 1; ; try++ {
		e, found, err := f.Store.Execution(ctx, executionID)
		if err != nil || !found || e.Status != Running {
			return err
		}
		t, tracked := f.Trackers[e.Target.Type]
		if !tracked {
			return nil
		}
		report, found, err := t.Look(ctx, e.sent())
		if err != nil {
			return err
		}
		if found && report.State != target.Running {
			_, err = f.settle(ctx, e, endedBy(e, report), outputOf(report))
			return err
		}
		if try == hearings || !pause(ctx, try) {
			return nil
		}
	}
}

// untracked is for targets that cannot be asked: the receiver of a webhook
// that was accepted, or a target whose dispatcher died.
func (f *Follower) untracked(ctx context.Context, e Execution, overdue bool) error {
	if e.attempt().Accepted && overdue {
		_, err := f.settle(ctx, e, endedBy(e, target.Report{State: target.TimedOut, Error: "timeout: no callback came in time"}), nil)
		return err
	}
	if e.attempt().Accepted {
		return f.later(ctx, e, "")
	}
	return f.lose(ctx, e)
}

// lose ends an attempt of which nobody knows how it ended.
func (f *Follower) lose(ctx context.Context, e Execution) error {
	_, err := f.settle(ctx, e, endedBy(e, target.Report{State: target.Unknown, Error: "unknown: nobody reported how the script ended; it may have run"}), nil)
	return err
}

// later looks at a running execution again, and keeps the reference by which its target was found to know it.
func (f *Follower) later(ctx context.Context, e Execution, ref string) error {
	look := f.Now().Add(lookEvery)
	if _, tracked := f.Trackers[e.Target.Type]; !tracked {
		look = e.deadline()
	}
	if ref == "" {
		ref = e.attempt().Ref
	}
	_, err := f.settle(ctx, e, accepted{ref: ref, look: look}, nil)
	return err
}
