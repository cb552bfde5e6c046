package ratelimit

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
)

type window struct {
	PK  string  `dynamodbav:"pk"`
	SK  string  `dynamodbav:"sk"`
	At  []int64 `dynamodbav:"at"` // when each was admitted, Unix microseconds, oldest first
	Rev int64   `dynamodbav:"rev"`
	TTL int64   `dynamodbav:"ttl"`
}

// TakeExact is Take for a limit that is a promise: never more than Burst in any
// Period, where GCRA lets a second burst trickle in behind the first. It
// remembers the time of each, so it is for small limits.
func (l Limiter) TakeExact(ctx context.Context, key string, limit Limit) (Result, error) {
	k := dynamo.Key{PK: prefix + key, SK: "window"}
	for try := range 10 {
		if try > 0 {
			if err := pause(ctx, try); err != nil {
				return Result{}, err
			}
		}
		var w window
		found, err := l.Table.Get(ctx, k, &w)
		if err != nil {
			return Result{}, err
		}
		now := l.Now()
		at, result := slide(now, w.At, limit)
		if !result.Allowed {
			return result, nil
		}
		cond := dynamo.Absent()
		if found {
			cond = dynamo.Is("rev", w.Rev)
		}
		update := expression.Set(expression.Name("at"), expression.Value(at)).
			Set(expression.Name("rev"), expression.Value(w.Rev+1)).
			Set(expression.Name("ttl"), expression.Value(now.Add(2*limit.Period).Unix()))
		err = dynamo.Commit(ctx, l.Table.DB, l.Table.Update(k, update, cond))
		if _, lost := dynamo.Failed(err); lost {
			continue
		}
		return result, err
	}
	return Result{Limit: limit.Burst, Retry: time.Second, Reset: limit.Period}, nil
}

// pause waits a random time, so that many who come at once are told apart by
// the limit and not by who loses races.
func pause(ctx context.Context, try int) error {
	t := time.NewTimer(time.Duration(rand.Int64N(int64(10*time.Millisecond) << min(try, 4))))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// slide is the sliding window: now and the times before in, the times after
// and the verdict out.
func slide(now time.Time, before []int64, limit Limit) ([]int64, Result) {
	end := now.UnixMicro()
	begin := end - limit.Period.Microseconds()
	var at []int64
	for _, t := range before {
		if t > begin {
			at = append(at, min(t, end)) // a clock that jumped back must not lock anyone out for longer than a period
		}
	}
	if len(at) >= limit.Burst {
		return at, Result{Limit: limit.Burst, Retry: micro(at[len(at)-limit.Burst] - begin), Reset: micro(at[len(at)-1] - begin)}
	}
	at = append(at, end)
	return at, Result{Allowed: true, Limit: limit.Burst, Remaining: limit.Burst - len(at), Reset: limit.Period}
}
