package audit

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
)

const (
	// sweepAfter leaves young events to the stream.
	sweepAfter = 10 * time.Second
	// settled is how old an event is when it is certainly in the index. Its id
	// is made just before it is written, by a function that lives 15 minutes
	// at most; the rest is for clocks, and for an index that lags behind.
	settled = time.Hour
	// sweepPage is how many events are looked at at once.
	sweepPage = 200
	// spare is what a sweep keeps of its time: the next one goes on.
	spare = 10 * time.Second
)

// Sweep seals what the stream missed, oldest first. It looks at the events
// from where it once was sure that all before are sealed, and moves that
// place on, up to an hour ago. It may run beside any other sealer.
func (s *Sealer) Sweep(ctx context.Context) error {
	now := s.Now()
	var from sweepItem
	found, err := s.Table.Get(ctx, sweepKey, &from)
	if err != nil {
		return err
	}
	q := dynamo.Query{
		Index: "byKind", Values: []string{everything}, Sort: "id", Oldest: true, Limit: sweepPage,
		From: from.Through, To: id.Floor(id.Audit, now.Add(-sweepAfter)),
	}
	late := 0
	defer func() { s.Count(SealedLate, late) }() // a zero too: silence means that nobody sweeps
	for {
		page, next, err := dynamo.List(ctx, s.Table, q, byID, nil)
		if err != nil {
			return err
		}
		n, err := s.sealPage(ctx, page)
		late += n
		if err != nil {
			return err
		}
		through := min(next, id.Floor(id.Audit, now.Add(-settled)))
		if next == "" {
			through = id.Floor(id.Audit, now.Add(-settled))
		}
		if through > from.Through {
			if from, found, err = s.moveOn(ctx, from, found, through); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < spare {
			slog.InfoContext(ctx, "the sweep goes on next time", "through", next)
			return nil
		}
		q.Before = next
	}
}

// sealPage seals what is not sealed of a page, and returns how many events that were.
func (s *Sealer) sealPage(ctx context.Context, page []stored) (int, error) {
	var events []Event
	for _, e := range page {
		if e.err != nil {
			s.unreadable(ctx, e.key, e.err)
			continue
		}
		events = append(events, e.event)
	}
	events, err := s.unsealed(ctx, events)
	if err != nil {
		return 0, err
	}
	late := 0
	for len(events) > 0 {
		now := events[:min(BlockSize, len(events))]
		n, err := s.seal(ctx, now)
		if err != nil {
			return late, err
		}
		late += n
		events = events[len(now):]
	}
	return late, nil
}

// moveOn remembers that all before through is sealed. Where another sweep was
// faster its place stands: it is as good, and the next one begins there.
func (s *Sealer) moveOn(ctx context.Context, from sweepItem, found bool, through string) (sweepItem, bool, error) {
	was := dynamo.Absent()
	if found {
		was = dynamo.Is("through", from.Through)
	}
	next := sweepItem{PK: sweepKey.PK, SK: sweepKey.SK, Through: through}
	err := dynamo.Commit(ctx, s.Table.DB, s.Table.Put(next, was))
	if lost, ok := dynamo.Failed(err); ok {
		var other sweepItem
		err := dynamo.Decode(lost.Item, &other)
		return other, true, err
	}
	return next, true, err
}

// isEvent tells the keys of events from those of blocks, marks and positions.
func isEvent(k dynamo.Key) bool { return strings.HasPrefix(k.PK, "team#") }
