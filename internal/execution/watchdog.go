package execution

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"

	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
)

// sweepLimit is how many due items of a shard one sweep handles; the rest waits a minute.
const sweepLimit = 100

// maxTries is how often the message of an execution is sent again before it is
// given up.
const maxTries = 10

// Watchdog makes sure of what queues only hurry: each minute it handles what is due.
type Watchdog struct {
	Follower
	Metrics io.Writer
}

// Sweep handles every due item of this room, the shards side by side. One that
// fails is looked at again later, behind those that wait.
func (w *Watchdog) Sweep(ctx context.Context) error {
	errs := make([]error, due.Shards)
	var wg sync.WaitGroup
	for shard := range due.Shards {
		wg.Go(func() { errs[shard] = w.sweep(ctx, shard) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (w *Watchdog) sweep(ctx context.Context, shard int) error {
	items, err := due.Before(ctx, w.Store.Table, shard, w.Now(), sweepLimit)
	if err != nil {
		return err
	}
	var errs []error
	for _, item := range items {
		if err := w.handle(ctx, item); err != nil {
			slog.ErrorContext(ctx, "due item not handled", "kind", item.Kind, "subject", item.Subject, "error", err)
			errs = append(errs, err)
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
		err = w.requeue(ctx, e)
	case dueRunning:
		err = w.Follow(ctx, e)
	case dueConfirm:
		_, err = w.step(ctx, e, stopped{reason: "The confirmation did not come in time."}, told{toldAs[Cancelled], map[string]any{"attempt": e.Attempt}})
	}
	if _, lost := dynamo.Failed(err); err == nil || lost { // lost: it moved on by itself
		return nil
	}
	_, later := w.step(ctx, e, postponed{until: w.Now().Add(lookEvery)}, told{})
	if _, lost := dynamo.Failed(later); lost {
		later = nil
	}
	return errors.Join(err, later)
}

// requeue sends the message of a pending execution again and looks at it
// later. What waits for a slot or the end of a pause may wait for as long as
// that takes; where dispatchers do nothing about it time and again, it fails.
func (w *Watchdog) requeue(ctx context.Context, e Execution) error {
	var b brakes
	if err := w.Store.Table.ReadAll(ctx, b.reads(e.TeamID)...); err != nil {
		return err
	}
	paused := b.paused() != nil
	if !paused && !e.Waiting && e.Requeued >= maxTries {
		slog.ErrorContext(ctx, "given up: no dispatcher could handle it", "execution", e.ID)
		log.Count(w.metrics(), w.Now(), "ExecutionsGivenUp", 1)
		why := "not_dispatched: no dispatcher could handle it, and it did not run"
		_, err := w.step(ctx, e, refused{why: why}, told{toldAs[StatusFailed], map[string]any{"attempt": e.Attempt, "error": why}})
		return err
	}
	if !paused {
		if err := w.Queue.Send(ctx, e.message()); err != nil {
			return err
		}
	}
	_, err := w.step(ctx, e, postponed{until: w.Now().Add(requeueAfter), counts: !paused && !e.Waiting}, told{})
	return err
}

func (w *Watchdog) metrics() io.Writer {
	if w.Metrics == nil {
		return os.Stdout
	}
	return w.Metrics
}
