// Package ratelimit limits how often something may happen, shared by all
// instances of all functions: GCRA (the generic cell rate algorithm) with its
// one number, the theoretical arrival time, in DynamoDB. That number is changed
// by one conditional write, whose condition is the rule, without a read before.
//
// A Limiter asks the table each time; Leases take several at once where there
// is much to do; a Tier is the limits of one kind of caller, and stays open
// when DynamoDB does not answer. Decision 0027 says why it is so.
package ratelimit

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"pagefree/internal/platform/problem"
)

// Limit admits Burst at once and Burst in each Period after that, evenly.
type Limit struct {
	Burst  int
	Period time.Duration
}

// each is how long one takes to come in, in microseconds.
func (l Limit) each() int64 { return max(l.Period.Microseconds()/int64(l.Burst), 1) }

// free is how many are there at a time, by a theoretical arrival time; 0 too
// where that is further ahead than it can get (a clock was wrong).
func (l Limit) free(tat, now int64) int {
	return int(max(now+l.Period.Microseconds()-max(tat, now), 0) / l.each())
}

// result is what is left for who was allowed, or not, beside held that were
// taken before and not used yet.
func (l Limit) result(allowed bool, tat, now int64, held int) Result {
	tat = min(max(tat, now), now+l.Period.Microseconds())
	r := Result{Allowed: allowed, Limit: l.Burst, Reset: micro(max(tat-now-int64(held)*l.each(), 0))}
	if allowed {
		r.Remaining = min(max(l.free(tat, now)+held, 0), l.Burst)
	} else {
		r.Retry = micro(max(tat+l.each()-l.Period.Microseconds()-now, 1))
	}
	return r
}

// Result is what a check found, in the terms of the X-RateLimit headers.
type Result struct {
	Allowed   bool
	Limit     int
	Remaining int
	Reset     time.Duration // until the full burst is there again
	Retry     time.Duration // until the next one is admitted; 0 when allowed
}

// spend is GCRA: who wants so many at a time, by a theoretical arrival time,
// gets n, after which that time is next. Where a clock was wrong it gives
// nothing, and brings the time back to where nobody waits longer than a period.
func (l Limit) spend(tat, now int64, want int) (n int, next int64) {
	if most := now + l.Period.Microseconds(); tat > most {
		return 0, most
	}
	n = min(want, l.free(tat, now))
	return n, max(tat, now) + int64(n)*l.each()
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

// Label is Header for an answer that may have headers of a closer count.
func (r Result) Label(h http.Header) {
	if h.Get("X-RateLimit-Limit") == "" && r.Limit > 0 {
		r.Allowed = r.Allowed || h.Get("Retry-After") != ""
		r.Header(h)
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
