package due

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
)

const (
	// MaxTries is how often an item is handled before it is given up.
	MaxTries = 10
	// failing is the try that tells somebody, if it fails too: some ten minutes after the first, before anything is given up.
	failing = 4
	// sweepLimit is how many items of a shard one sweep handles; the rest waits for the next.
	sweepLimit = 100
	// longest bounds the wait between two tries, which doubles from a minute: ten take some three hours.
	longest = 30 * time.Minute
	// spare is left of an invocation beyond the time of an item: for its removal, and the answer.
	spare = 2 * time.Second
)

// ErrNoTime says that an item was not begun, since it might not end before the
// invocation does. It is as due as it was.
var ErrNoTime = errors.New("the invocation ends too soon")

// Fits reports whether there is so much time before a context's deadline, which
// Lambda sets to the end of the invocation.
func Fits(ctx context.Context, d time.Duration) bool {
	end, ends := ctx.Deadline()
	return !ends || time.Until(end) >= d
}

// Sweeper handles what is due in a lane.
type Sweeper struct {
	Table dynamo.Table
	Lane  Lane
	// Handle does what an item asks for, once, however often it is called. The
	// item is removed then, unless it was kept: put elsewhere, or not done yet,
	// as one that waits for another. That is no try.
	Handle func(ctx context.Context, i Item) (kept bool, err error)
	// GivenUp are further writes of the transaction that gives an item up; nil: none.
	GivenUp func(ctx context.Context, i Item) ([]dynamo.Op, error)
	// Within bounds the time of one item, so that one that hangs does not keep all others waiting.
	// None is begun when there is less before the invocation's end: a function that is
	// killed cannot tell what became of what it was at.
	Within  time.Duration
	Now     func() time.Time
	Metrics io.Writer

	counting sync.Mutex
}

// Sweep handles every item of the lane that is due. One that fails is logged
// and tried again later; the fourth time it is counted as DueItemsFailing, and
// after ten tries it goes to the lane Failed and is counted as DueItemsFailed. Its own errors are those of the table alone: that
// one item fails is no failure of the sweep.
func (s *Sweeper) Sweep(ctx context.Context) error {
	var errs [Shards]error
	var wg sync.WaitGroup
	for shard := range Shards {
		wg.Go(func() { errs[shard] = s.shard(ctx, shard) })
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

func (s *Sweeper) shard(ctx context.Context, shard int) error {
	now := s.Now()
	items, err := s.Lane.read(ctx, s.Table, shard, now, sweepLimit, func(i Item) bool { return i.Later <= now.Unix() })
	if err != nil {
		return err
	}
	var errs []error
	for n, i := range items {
		err := s.Do(ctx, i)
		if errors.Is(err, ErrNoTime) {
			slog.WarnContext(ctx, "left to the next sweep", "lane", s.Lane, "items", len(items)-n)
			break
		}
		if err != nil {
			slog.ErrorContext(ctx, "due item not handled", "kind", i.Kind, "subject", i.Subject, "tries", i.Tries+1, "error", err)
			errs = append(errs, s.putOff(ctx, i))
		}
	}
	return errors.Join(errs...)
}

// Do handles one item and removes it, or is ErrNoTime. It counts no tries, so
// that a stream may call it too: what fails there is left to the sweep.
func (s *Sweeper) Do(ctx context.Context, i Item) error {
	if ctx.Err() != nil || !Fits(ctx, s.Within+spare) {
		return ErrNoTime
	}
	within, cancel := context.WithTimeout(ctx, s.Within)
	defer cancel()
	kept, err := s.Handle(within, i)
	if err != nil || kept {
		return err
	}
	return dynamo.Commit(ctx, s.Table.DB, Done(s.Table, i))
}

// putOff counts a try that failed, or gives the item up. An item that is gone
// meanwhile, or counted by another sweep, is left alone.
func (s *Sweeper) putOff(ctx context.Context, i Item) error {
	var err error
	if tries := i.Tries + 1; tries < MaxTries {
		wait := min(time.Minute<<i.Tries, longest)
		err = dynamo.Commit(ctx, s.Table.DB, s.Table.Update(i.Key(),
			expression.Set(expression.Name("tries"), expression.Value(tries)).Set(expression.Name("later"), expression.Value(s.Now().Add(wait).Unix())),
			dynamo.Is("tries", i.Tries)))
		if err == nil && tries == failing {
			s.count("DueItemsFailing")
		}
	} else {
		err = s.giveUp(ctx, i)
	}
	if _, lost := dynamo.Failed(err); lost {
		return nil
	}
	return err
}

// giveUp moves an item, with all that stands in it, to the lane Failed.
func (s *Sweeper) giveUp(ctx context.Context, i Item) error {
	var whole dynamo.Item
	if found, err := s.Table.Get(ctx, i.Key(), &whole); err != nil || !found {
		return err
	}
	var more []dynamo.Op
	if s.GivenUp != nil {
		var err error
		if more, err = s.GivenUp(ctx, i); err != nil {
			return err
		}
	}
	whole[dynamo.PK] = &types.AttributeValueMemberS{Value: Failed.New(i.Kind, i.Subject, i.At.Time).PK}
	err := dynamo.Commit(ctx, s.Table.DB, append(more, s.Table.Create(whole), s.Table.Delete(i.Key(), dynamo.Is("tries", i.Tries)))...)
	if err == nil {
		slog.ErrorContext(ctx, "due item given up", "lane", s.Lane, "kind", i.Kind, "subject", i.Subject)
		s.count("DueItemsFailed")
	}
	return err
}

func (s *Sweeper) count(metric string) {
	s.counting.Lock() // the shards are swept at once
	defer s.counting.Unlock()
	log.Count(s.Metrics, s.Now(), metric, 1)
}
