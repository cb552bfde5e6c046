package execution

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/queue"
)

// requeueAfter is how long a pending execution may wait before the watchdog
// takes its message for lost.
const requeueAfter = 2 * time.Minute

// Recorder writes what happens to executions: everything that a step changes
// goes in one transaction, whoever takes the step.
type Recorder struct {
	Store   Store
	Journal Journal
	Queue   queue.Queue
	Now     func() time.Time
}

// told is how a step is told of: the type of its audit event, and its detail.
type told struct {
	as     string
	detail map[string]any
}

// write is one step: the execution before it and after, what is told of it,
// and what else belongs to it.
type write struct {
	was, is Execution
	told    told    // no type: nothing is told
	output  *Output // of the attempt that was
	more    []dynamo.Op
	awaited bool // somebody waits for the slot that is given back
	expired bool // nobody confirmed it in time
}

// ops are the writes of a step. The execution's own is the first; what else
// the caller brought comes next, so that it knows what failed.
func (r Recorder) ops(ctx context.Context, w write) (ops []dynamo.Op, giveBack int) {
	giveBack = -1
	ops = append([]dynamo.Op{r.Store.replace(w.was, w.is)}, w.more...)
	if w.was.Slot != "" && w.is.Slot == "" {
		giveBack = len(ops)
		ops = append(ops, r.Store.giveBack(w.was, w.awaited))
	}
	if w.was.Waiting && !w.is.Waiting && w.is.Status != Running { // a claim takes its own place
		ops = append(ops, r.Store.giveUp(w.was)...)
	}
	if w.output != nil {
		ops = append(ops, r.Store.putOutput(w.was, *w.output))
	}
	if w.told.as != "" {
		ops = append(ops, r.Journal.tell(ctx, w.is, r.Now(), w.told.as, w.told.detail)...)
	}
	for _, e := range w.events(ctx, r.Now()) {
		ops = append(ops, outbox.Put(r.Store.Table, e))
	}
	return append(ops, r.Store.moveDue(w.was, w.is)...), giveBack
}

// commit writes a step. Then it hurries whoever waited for the slot that it
// gave back. The error of a lost race is a *dynamo.ConditionError.
func (r Recorder) commit(ctx context.Context, w write) error {
	ops, giveBack := r.ops(ctx, w)
	err := r.Store.commit(ctx, ops...)
	if lost, is := dynamo.Failed(err); is && giveBack > 0 && lost.Index == giveBack && !w.awaited {
		w.awaited = true
		ops, _ = r.ops(ctx, w)
		err = r.Store.commit(ctx, ops...)
	}
	if err == nil && w.awaited {
		r.wake(ctx, w.was)
	}
	return err
}

// wake sends the message of the execution that has waited longest for a slot
// of e. If it cannot, the watchdog will.
func (r Recorder) wake(ctx context.Context, e Execution) {
	next, found, err := r.Store.longestWaiting(ctx, e.RunbookID, e.Slot)
	if err == nil && found {
		err = r.Queue.Send(ctx, next)
	}
	if err != nil {
		slog.WarnContext(ctx, "whoever waits for a slot was not woken", "runbook", e.RunbookID, "error", err)
	}
}

// enqueue hurries the dispatcher. A message that cannot be sent is no error:
// the execution's due item makes the watchdog send it again.
func (r Recorder) enqueue(ctx context.Context, e Execution, wait time.Duration) {
	if err := r.Queue.SendLater(ctx, e.message(), wait); err != nil {
		slog.WarnContext(ctx, "execution not queued yet", "execution", e.ID, "error", err)
	}
}

var toldAs = map[Status]string{
	Completed: "execution.completed", StatusFailed: "execution.failed", Timeout: "execution.timed_out",
	Unknown: "execution.lost", Cancelled: "execution.cancelled", Pending: "execution.retried",
}

// settle records how an attempt ended, or that it goes on by itself. The
// attempt is the one that was claimed under nonce: if that is over already,
// what is on record stands. It tries until ctx ends: an outcome that is known
// must not become UNKNOWN for want of a second.
func (r Recorder) settle(ctx context.Context, was Execution, event any, output *Output) (Execution, error) {
	nonce := was.Nonce
	for try := 1; ; try++ {
		is, err := advance(was, event, r.Now())
		if err != nil {
			return was, err
		}
		w := write{was: was, is: is, output: output}
		if is.Status != Running {
			w.told = told{as: toldAs[is.Status], detail: endDetail(is)}
		}
		if err = r.commit(ctx, w); err == nil {
			r.say(ctx, is, event)
			return is, nil
		}
		if _, lost := dynamo.Failed(err); !lost && !pause(ctx, try) {
			return was, err
		}
		seen, found, rerr := r.Store.Execution(ctx, was.ID)
		if rerr != nil || !found {
			if !pause(ctx, try) {
				return was, errors.Join(err, rerr)
			}
			continue
		}
		if seen.Status != Running || seen.Nonce != nonce {
			if seen.Rev != is.Rev || seen.Status != is.Status { // else the answer was lost, not the write
				slog.WarnContext(ctx, "outcome came late", "execution", was.ID, "status", is.Status, "stands", seen.Status)
			}
			return seen, nil
		}
		was = seen // somebody asked it to stop meanwhile
	}
}

// pause waits a little longer with each try, up to a second, and reports whether there is time for another.
func pause(ctx context.Context, try int) bool {
	longest := min(50*time.Millisecond<<min(try, 5), time.Second) // an outage has many tries
	t := time.NewTimer(time.Duration(rand.Int64N(int64(longest))))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// say does what follows a recorded step, outside of its transaction.
func (r Recorder) say(ctx context.Context, is Execution, event any) {
	if is.Status == Pending {
		r.enqueue(ctx, is, event.(ended).again)
		return
	}
	if is.Status.Final() {
		slog.InfoContext(ctx, "execution ended", "execution", is.ID, "status", is.Status)
	}
}

// endDetail is what the audit trail tells of the end of an attempt.
func endDetail(is Execution) map[string]any {
	detail := map[string]any{"attempt": is.Attempt}
	if len(is.Attempts) == 0 {
		if is.Error != nil {
			detail["error"] = *is.Error
		}
		return detail
	}
	a := is.attempt()
	detail["attempt"] = a.Attempt
	if a.ExitCode != nil {
		detail["exitCode"] = *a.ExitCode
	}
	if a.Error != nil {
		detail["error"] = *a.Error
	}
	return detail
}

// step records something that happens to an execution while no attempt of it
// ends. A lost race is the caller's to decide on.
func (r Recorder) step(ctx context.Context, was Execution, event any, t told, more ...dynamo.Op) (Execution, error) {
	is, err := advance(was, event, r.Now())
	if err != nil {
		return was, err
	}
	stop, _ := event.(stopped)
	return is, r.commit(ctx, write{was: was, is: is, told: t, more: more, expired: stop.expired})
}

// dueItem is the reminder of an execution in the state that it is in.
func dueItem(e Execution) due.Item {
	kind := map[Status]string{AwaitingConfirmation: dueConfirm, Pending: duePending, Running: dueRunning}[e.Status]
	return due.New(kind, e.ID, e.DueAt.Time)
}

// moveDue replaces the reminder of one state by that of the next; a final state has none.
func (s Store) moveDue(was, is Execution) []dynamo.Op {
	old, now := dueItem(was), dueItem(is)
	if !is.Status.Final() && old.Key() == now.Key() {
		return nil
	}
	ops := []dynamo.Op{due.Done(s.Table, old)}
	if !is.Status.Final() {
		ops = append(ops, due.Put(s.Table, now))
	}
	return ops
}

// replace is the write of an execution that was at the given state: the
// status, the holder of the claim and the revision must be as they were read.
func (s Store) replace(was, is Execution) dynamo.Op {
	return s.Table.Put(s.item(is), expression.And(
		dynamo.Is("status", was.Status), dynamo.Is("rev", was.Rev), expression.Or(dynamo.Is("nonce", was.Nonce), expression.Name("nonce").AttributeNotExists())))
}
