package execution

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

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

	counting sync.Mutex
}

// handleWithin bounds what one due item may take of a sweep: a target that
// does not answer must not keep everything else waiting.
const handleWithin = 30 * time.Second

// Sweep handles every due item of this room. One that fails stays due.
func (w *Watchdog) Sweep(ctx context.Context) error {
	var errs [due.Shards]error
	var wg sync.WaitGroup
	for shard := range due.Shards {
		wg.Go(func() { errs[shard] = w.sweepShard(ctx, shard) })
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

// sweepShard asks targets last: all else is between us and our own table and queue.
func (w *Watchdog) sweepShard(ctx context.Context, shard int) error {
	items, err := due.Before(ctx, w.Store.Table, shard, w.Now(), sweepLimit)
	if err != nil {
		return err
	}
	asks := func(i due.Item) bool { return i.Kind == dueRunning }
	sorted := slices.DeleteFunc(slices.Clone(items), asks)
	for _, item := range items {
		if asks(item) {
			sorted = append(sorted, item)
		}
	}
	var errs []error
	for _, item := range sorted {
		within, cancel := context.WithTimeout(ctx, handleWithin)
		if err := w.handle(within, item); err != nil {
			slog.ErrorContext(ctx, "due item not handled", "kind", item.Kind, "subject", item.Subject, "error", err)
			errs = append(errs, err)
		}
		cancel()
	}
	return errors.Join(errs...)
}

func (w *Watchdog) handle(ctx context.Context, item due.Item) error {
	e, found, err := w.Store.Execution(ctx, item.Subject)
	if err != nil {
		return err
	}
	if !found || e.Status.Final() {
		return w.Store.commit(ctx, due.Done(w.Store.Table, item))
	}
	if now := dueItem(e); now.Key() != item.Key() { // left over from a state that has passed, or the only one that there is
		return w.Store.commit(ctx, due.Done(w.Store.Table, item), due.Put(w.Store.Table, now))
	}
	switch item.Kind {
	case duePending:
		err = w.requeue(ctx, e)
	case dueRunning:
		err = w.Follow(ctx, e)
	case dueConfirm:
		_, err = w.step(ctx, e, tooLate, told{toldAs[Cancelled], map[string]any{"attempt": e.Attempt}})
	}
	if _, lost := dynamo.Failed(err); lost { // it moved on by itself
		return nil
	}
	return err
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
		w.count("ExecutionsGivenUp")
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

func (w *Watchdog) count(metric string) {
	w.counting.Lock()
	defer w.counting.Unlock()
	out := w.Metrics
	if out == nil {
		out = os.Stdout
	}
	log.Count(out, w.Now(), metric, 1)
}
