// Package ratelimit limits how often something may happen, shared by all
// instances of all functions: GCRA (the generic cell rate algorithm) with its
// one number, the theoretical arrival time, in DynamoDB.
package ratelimit

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/problem"
)

// Limit admits Burst at once and Burst in each Period after that, evenly.
type Limit struct {
	Burst  int
	Period time.Duration
}

// Limiter keeps its counters in the ephemeral table.
type Limiter struct {
	Table dynamo.Table
	Now   func() time.Time
}

// Result is what a check found, in the terms of the X-RateLimit headers.
type Result struct {
	Allowed   bool
	Limit     int
	Remaining int
	Reset     time.Duration // until the full burst is there again
	Retry     time.Duration // until the next one is admitted; 0 when allowed
}

type counter struct {
	PK  string `dynamodbav:"pk"`
	SK  string `dynamodbav:"sk"`
	TAT int64  `dynamodbav:"tat"` // theoretical arrival time, Unix microseconds
	TTL int64  `dynamodbav:"ttl"`
}

// Take admits one of what key stands for, or not. Two who take at the same
// moment are told apart by the condition of the write; after five lost races
// it refuses, which is what a flood looks like.
func (l Limiter) Take(ctx context.Context, key string, limit Limit) (Result, error) {
	k := dynamo.Key{PK: "rate#" + key, SK: "rate"}
	for range 5 {
		var c counter
		found, err := l.Table.Get(ctx, k, &c)
		if err != nil {
			return Result{}, err
		}
		next, result := decide(l.Now(), c.TAT, limit)
		if next == c.TAT { // refused, and nothing to write
			return result, nil
		}
		cond := dynamo.Absent()
		if found {
			cond = dynamo.Is("tat", c.TAT)
		}
		update := expression.Set(expression.Name("tat"), expression.Value(next)).
			Set(expression.Name("ttl"), expression.Value(time.UnixMicro(next).Add(limit.Period).Unix()))
		err = l.Table.Nudge(ctx, k, update, cond)
		if _, lost := dynamo.Failed(err); lost {
			continue
		}
		if err != nil {
			return Result{}, err
		}
		return result, nil
	}
	return Result{Limit: limit.Burst, Retry: time.Second, Reset: limit.Period}, nil
}

// decide is GCRA: now and tat in, the next tat and the verdict out. A refusal
// changes tat only where a clock jumped back: it must not lock anyone out for
// longer than a period.
func decide(now time.Time, tat int64, limit Limit) (int64, Result) {
	at := now.UnixMicro()
	period := limit.Period.Microseconds()
	each := period / int64(limit.Burst)
	tat = min(tat, at+period)
	start := max(tat, at)
	next := start + each
	if wait := next - period - at; wait > 0 {
		return tat, Result{Limit: limit.Burst, Retry: micro(wait), Reset: micro(start - at)}
	}
	return next, Result{Allowed: true, Limit: limit.Burst, Remaining: int((period - (next - at)) / each), Reset: micro(next - at)}
}

func micro(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// Header writes the X-RateLimit headers, seconds rounded up.
func (r Result) Header(h http.Header) {
	h.Set("X-RateLimit-Limit", strconv.Itoa(r.Limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(r.Remaining))
	h.Set("X-RateLimit-Reset", seconds(r.Reset))
	if !r.Allowed {
		h.Set("Retry-After", seconds(r.Retry))
	}
}

// Refusal is the 429 for a result that is not allowed.
func (r Result) Refusal() *problem.Error {
	e := problem.New(http.StatusTooManyRequests, problem.RateLimited, "Too many requests. Try again in %s s.", seconds(r.Retry))
	e.Header = http.Header{}
	r.Header(e.Header)
	return e
}

func seconds(d time.Duration) string { return fmt.Sprint(int64(math.Ceil(d.Seconds()))) }
