package ratelimit_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	front "pagefree/infra/local/aws"
	"pagefree/infra/local/awstest"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/ratelimit"
)

// began is now: an engine that really deletes by TTL must not take the counters for expired.
var began = time.Now().Truncate(time.Second)

type clock struct{ now atomic.Int64 }

func (c *clock) Now() time.Time          { return time.UnixMicro(c.now.Load()) }
func (c *clock) set(to time.Time)        { c.now.Store(to.UnixMicro()) }
func (c *clock) advance(d time.Duration) { c.now.Add(d.Microseconds()) }

func newLimiter(t *testing.T) (ratelimit.Limiter, *clock, *awstest.Env) {
	env, c := awstest.New(t), &clock{}
	c.set(began)
	return ratelimit.Limiter{Table: dynamo.Table{Name: env.Table("EphemeralTable"), DB: dynamodb.NewFromConfig(env.Config)}, Now: c.Now}, c, env
}

func take(t *testing.T, l ratelimit.Limiter, key string, limit ratelimit.Limit) ratelimit.Result {
	t.Helper()
	r, err := l.Take(t.Context(), key, limit)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestABurstThenAnEvenRate(t *testing.T) {
	l, c, _ := newLimiter(t)
	limit := ratelimit.Limit{Burst: 3, Period: 30 * time.Second}
	for i := range 3 {
		want := ratelimit.Result{Allowed: true, Limit: 3, Remaining: 2 - i, Reset: time.Duration(i+1) * 10 * time.Second}
		if got := take(t, l, "k", limit); got != want {
			t.Errorf("number %d: got %+v, want %+v", i+1, got, want)
		}
	}
	want := ratelimit.Result{Limit: 3, Reset: 30 * time.Second, Retry: 10 * time.Second}
	if got := take(t, l, "k", limit); got != want {
		t.Errorf("the fourth: got %+v, want %+v", got, want)
	}
	if !take(t, l, "another", limit).Allowed {
		t.Error("another key was refused")
	}
	c.advance(10*time.Second - time.Millisecond)
	if take(t, l, "k", limit).Allowed {
		t.Error("admitted before its time")
	}
	c.advance(time.Millisecond)
	if !take(t, l, "k", limit).Allowed || take(t, l, "k", limit).Allowed {
		t.Error("after a third of the period: want one more, and no second")
	}
	c.advance(time.Hour)
	if got := take(t, l, "k", limit); !got.Allowed || got.Remaining != 2 {
		t.Errorf("after a long while: got %+v, want the whole burst again and no more", got)
	}
}

func TestAClockThatJumpsBack(t *testing.T) {
	l, c, _ := newLimiter(t)
	limit := ratelimit.Limit{Burst: 2, Period: 10 * time.Second}
	take(t, l, "k", limit)
	take(t, l, "k", limit)
	c.advance(-24 * time.Hour)
	if got := take(t, l, "k", limit); got.Allowed || got.Retry > limit.Period {
		t.Errorf("right after: got %+v, want a refusal for at most a period", got)
	}
	c.advance(limit.Period)
	if !take(t, l, "k", limit).Allowed {
		t.Error("a period later: somebody is locked out by a clock")
	}
}

func TestManyAtOnce(t *testing.T) {
	l, _, _ := newLimiter(t)
	limit := ratelimit.Limit{Burst: 5, Period: time.Minute}
	var admitted atomic.Int32
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			r, err := l.Take(t.Context(), "k", limit)
			if err != nil {
				t.Error(err)
			}
			if r.Allowed {
				admitted.Add(1)
			} else if r.Retry <= 0 {
				t.Errorf("a refusal without a time: %+v", r)
			}
		})
	}
	wg.Wait()
	if got := admitted.Load(); got != 5 {
		t.Errorf("got %d admitted, want 5", got)
	}
}

func TestWhenTheTableCannotBeReached(t *testing.T) {
	l, _, env := newLimiter(t)
	l.Table.DB = dynamodb.NewFromConfig(env.Config, func(o *dynamodb.Options) { o.RetryMaxAttempts = 1 })
	env.Faults.Add(front.Fault{Service: "dynamodb", Do: front.Fail, Times: -1})
	for name, take := range map[string]func(context.Context, string, ratelimit.Limit) (ratelimit.Result, error){"Take": l.Take, "TakeExact": l.TakeExact} {
		if r, err := take(t.Context(), "k", ratelimit.Limit{Burst: 1, Period: time.Second}); err == nil || r.Allowed {
			t.Errorf("%s: got %+v, %v, want an error: the caller decides", name, r, err)
		}
	}
}

func TestHeaders(t *testing.T) {
	tests := map[string]struct {
		result ratelimit.Result
		want   map[string]string
	}{
		"admitted": {ratelimit.Result{Allowed: true, Limit: 10, Remaining: 9, Reset: 1500 * time.Millisecond},
			map[string]string{"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "9", "X-RateLimit-Reset": "2", "Retry-After": ""}},
		"refused": {ratelimit.Result{Limit: 10, Reset: time.Minute, Retry: time.Millisecond},
			map[string]string{"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "60", "Retry-After": "1"}},
	}
	for name, test := range tests {
		h := http.Header{}
		test.result.Header(h)
		for k, want := range test.want {
			if got := h.Get(k); got != want {
				t.Errorf("%s: %s: got %q, want %q", name, k, got, want)
			}
		}
	}
	refusal := ratelimit.Result{Limit: 10, Retry: 2 * time.Second}.Refusal()
	if refusal.Status != 429 || refusal.Code != problem.RateLimited || refusal.Header.Get("Retry-After") != "2" || refusal.Header.Get("X-Ratelimit-Limit") != "10" {
		t.Errorf("got %+v", refusal)
	}
}
