package execution

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/timestamp"
)

// sweepLimit is how many due items of a shard one sweep handles; the rest waits a minute.
const sweepLimit = 100

// Watchdog makes sure of what queues only hurry: each minute it handles what is due.
type Watchdog struct {
	Store   Store
	Journal Journal
	Queue   queue.Queue
	Now     func() time.Time
}

// Sweep handles every due item of this room. One that fails stays due.
func (w *Watchdog) Sweep(ctx context.Context) error {
	var errs []error
	for shard := range due.Shards {
		items, err := due.Before(ctx, w.Store.Table, shard, w.Now(), sweepLimit)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, item := range items {
			if err := w.handle(ctx, item); err != nil {
				slog.ErrorContext(ctx, "due item not handled", "kind", item.Kind, "subject", item.Subject, "error", err)
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

func (w *Watchdog) handle(ctx context.Context, item due.Item) error {
	e, found, err := w.Store.Execution(ctx, item.Subject)
	if err != nil {
		return err
	}
	if !found || e.Status.Final() || dueItem(e).Key() != item.Key() { // left over from a state that has passed
		return w.Store.commit(ctx, due.Done(w.Store.Table, item))
	}
	switch item.Kind {
	case duePending:
		return w.requeue(ctx, e)
	case dueRunning:
		return w.end(ctx, e, outcome{Status: Unknown, Error: "unknown: the dispatcher did not report how the script ended; it may have run"}, "")
	case dueConfirm:
		return w.end(ctx, e, outcome{Status: Cancelled}, "The confirmation did not come in time.")
	}
	return nil // another room's
}

// requeue sends the message of a pending execution again and looks at it later.
func (w *Watchdog) requeue(ctx context.Context, e Execution) error {
	if err := w.Queue.Send(ctx, Message{ExecutionID: e.ID}); err != nil {
		return err
	}
	is := e
	is.Rev++
	is.DueAt = timestamp.Of(w.Now().Add(requeueAfter))
	return w.write(ctx, append(w.Store.moveDue(e, is), w.Store.replace(e, is)))
}

// end gives an execution its final status.
func (w *Watchdog) end(ctx context.Context, e Execution, o outcome, reason string) error {
	is, err := e.finish(o, w.Now())
	if err != nil {
		return err
	}
	if reason != "" {
		is.Reason = &reason
	}
	ops := append(w.Journal.tell(ctx, is, w.Now(), toldAs[o.Status], map[string]any{"attempt": is.Attempt}), w.Store.replace(e, is))
	return w.write(ctx, append(ops, w.Store.moveDue(e, is)...))
}

// write commits; losing the race means that the execution moved on by itself.
func (w *Watchdog) write(ctx context.Context, ops []dynamo.Op) error {
	err := w.Store.commit(ctx, ops...)
	if _, lost := dynamo.Failed(err); lost {
		return nil
	}
	return err
}
