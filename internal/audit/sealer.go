package audit

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/stream"
)

// Sealer seals events into the chain of blocks: those that the table's stream
// tells of, and by its sweep those that the stream missed. Any number of them
// may work at once, on the same events too: there is one chain, and each event
// is in it once.
type Sealer struct {
	Table dynamo.Table
	KeyID string // of the key that Sign signs by
	Sign  func(ctx context.Context, digest [32]byte) ([]byte, error)
	Now   func() time.Time
	Count func(metric string, n int) // writes a metric
}

// Metrics that the sealer counts.
const (
	Altered    = "AuditAltered"    // an item of the record was changed or removed
	Unreadable = "AuditUnreadable" // an item among the events is none, and cannot be sealed
	SealedLate = "AuditSealedLate" // the stream missed an event, and the sweep sealed it
)

// Stream seals the events of a batch. What it could not seal comes again, and
// all that follows it, so that blocks keep the order of the stream.
func (s *Sealer) Stream(ctx context.Context, batch stream.Event) stream.Answer {
	var waiting []Event
	var first stream.Record // of those that wait
	flush := func() bool {
		if _, err := s.seal(ctx, waiting); err != nil {
			slog.ErrorContext(ctx, "events were not sealed", "events", len(waiting), "error", err)
			return false
		}
		waiting = nil
		return true
	}
	for _, r := range batch.Records {
		if s.altered(ctx, r) || r.EventName != stream.Insert || !isEvent(r.Key()) {
			continue
		}
		e, err := eventOf(dynamo.Item(r.Change.NewImage), r.Key())
		if err != nil {
			s.unreadable(ctx, r.Key(), err)
			if !flush() {
				return stream.Failed(first)
			}
			return stream.Failed(r)
		}
		if len(waiting) == 0 {
			first = r
		}
		if waiting = append(waiting, e); len(waiting) == BlockSize && !flush() {
			return stream.Failed(first)
		}
	}
	if !flush() {
		return stream.Failed(first)
	}
	return stream.Done()
}

// altered tells of a change that the record does not have: only the head and
// the sweep's position are ever written twice, and nothing is removed.
func (s *Sealer) altered(ctx context.Context, r stream.Record) bool {
	key := r.Key()
	ours := key == headKey || key == sweepKey
	if r.EventName == stream.Insert || r.EventName == stream.Modify && ours {
		return false
	}
	slog.ErrorContext(ctx, "the audit trail was altered", "change", r.EventName, "pk", key.PK, "sk", key.SK, "sequence", r.Change.SequenceNumber)
	s.Count(Altered, 1)
	return true
}

func (s *Sealer) unreadable(ctx context.Context, key dynamo.Key, err error) {
	slog.ErrorContext(ctx, "an audit event cannot be read", "pk", key.PK, "sk", key.SK, "error", err)
	s.Count(Unreadable, 1)
}

// eventOf reads a stored event. One whose key is not its own is none: it would
// be sealed under a name that nobody finds it by.
func eventOf(item dynamo.Item, key dynamo.Key) (Event, error) {
	var e Event
	if err := attributevalue.UnmarshalMap(item, &e); err != nil {
		return Event{}, err
	}
	if e.ID != key.SK || partition(e.TeamID) != key.PK {
		return Event{}, fmt.Errorf("it says that it is %s of team %q", e.ID, e.team())
	}
	return e, nil
}

// seal puts those of the events that are not sealed yet into the next blocks,
// and returns how many they were. At most BlockSize events.
func (s *Sealer) seal(ctx context.Context, events []Event) (int, error) {
	events = once(events)
	for try := 0; len(events) > 0; try++ {
		if try > 0 { // somebody was first: at some of the events, or at the head
			var err error
			if events, err = s.unsealed(ctx, events); err != nil || len(events) == 0 {
				return 0, err
			}
			if try > 20 {
				return 0, dynamo.ErrContended
			}
			if err := pause(ctx, try); err != nil {
				return 0, err
			}
		}
		err := s.extend(ctx, events)
		if _, lost := dynamo.Failed(err); !lost {
			return len(events), err
		}
	}
	return 0, nil
}

// once leaves out what stands twice in a batch: a transaction takes an item once.
func once(events []Event) []Event {
	seen := map[dynamo.Key]bool{}
	return slices.DeleteFunc(slices.Clone(events), func(e Event) bool {
		again := seen[e.mark()]
		seen[e.mark()] = true
		return again
	})
}

// extend adds one block to the chain as it stands. A lost race is a *dynamo.ConditionError.
func (s *Sealer) extend(ctx context.Context, events []Event) error {
	var h head
	found, err := s.Table.Get(ctx, headKey, &h)
	if err != nil {
		return err
	}
	b, err := h.after(events, s.KeyID, s.Now())
	if err != nil {
		return err
	}
	digest, err := b.Digest()
	if err != nil {
		return err
	}
	if b.Signature, err = s.Sign(ctx, digest); err != nil {
		return err
	}
	follows := dynamo.Absent()
	if found {
		follows = dynamo.Is("number", h.Number).And(dynamo.Is("hash", h.Hash))
	}
	ops := []dynamo.Op{s.Table.Create(b), s.Table.Put(b.head(), follows)}
	for _, m := range b.marks() {
		ops = append(ops, s.Table.Create(m))
	}
	return dynamo.Commit(ctx, s.Table.DB, ops...)
}

// unsealed are those of the events that have no mark.
func (s *Sealer) unsealed(ctx context.Context, events []Event) ([]Event, error) {
	sealed, err := blocksOf(ctx, s.Table, events)
	if err != nil {
		return nil, err
	}
	var left []Event
	for _, e := range events {
		if _, ok := sealed[e.mark()]; !ok {
			left = append(left, e)
		}
	}
	return left, nil
}

// blocksOf says in which block each event is, by its mark; those that are in
// none are missing. An id alone does not name an event: whoever puts one of the
// same id among another team's would keep the true one from being sealed.
func blocksOf(ctx context.Context, t dynamo.Table, events []Event) (map[dynamo.Key]int64, error) {
	keys := make([]dynamo.Key, len(events))
	for i, e := range events {
		keys[i] = e.mark()
	}
	found, err := dynamo.GetAll[mark](ctx, t, keys)
	in := map[dynamo.Key]int64{}
	for _, m := range found {
		in[dynamo.Key{PK: m.PK, SK: m.SK}] = m.Block
	}
	return in, err
}

// pause waits a random time that grows to half a second, so that sealers who
// clashed do not clash again.
func pause(ctx context.Context, try int) error {
	t := time.NewTimer(rand.N(min(20*time.Millisecond<<try, 500*time.Millisecond)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
