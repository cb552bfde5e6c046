package ratelimit

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// decide is one request after another, as the table sees them.
func decide(now time.Time, tat int64, limit Limit) (int64, Result) {
	n, next := limit.spend(tat, now.UnixMicro(), 1)
	return next, limit.result(n == 1, next, now.UnixMicro(), 0)
}

// TestNeverMoreThanTheLimitInAnyWindow: in every window no more than the burst
// and what comes in evenly meanwhile, and a refusal never for longer than one
// takes to come in.
func TestNeverMoreThanTheLimitInAnyWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := Limit{Burst: rapid.IntRange(1, 20).Draw(t, "burst"), Period: time.Duration(rapid.IntRange(1, 900).Draw(t, "period")) * time.Second}
		each := limit.Period / time.Duration(limit.Burst)
		now, tat := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), int64(0)
		var admitted []time.Time
		for _, step := range rapid.SliceOfN(rapid.Int64Range(0, int64(2*each)), 1, 80).Draw(t, "steps") {
			now = now.Add(time.Duration(step))
			var r Result
			tat, r = decide(now, tat, limit)
			if r.Limit != limit.Burst || r.Remaining < 0 || r.Remaining >= limit.Burst || r.Reset < 0 || r.Reset > limit.Period || r.Allowed == (r.Retry > 0) {
				t.Fatalf("%+v makes no sense", r)
			}
			if r.Allowed {
				admitted = append(admitted, now)
				continue
			}
			if r.Retry > each {
				t.Fatalf("wait %v: longer than one takes to come in", r.Retry)
			}
			if _, later := decide(now.Add(r.Retry), tat, limit); !later.Allowed {
				t.Fatalf("refused again after the time that was told, %v", r.Retry)
			}
		}
		for from := range admitted {
			for to := from; to < len(admitted); to++ {
				window := admitted[to].Sub(admitted[from])
				most := limit.Burst + int((window+time.Duration(to-from+1)*time.Microsecond)/each.Truncate(time.Microsecond))
				if n := to - from + 1; n > most {
					t.Fatalf("%d admitted in %v, want at most %d", n, window, most)
				}
			}
		}
	})
}

// TestAnyClock: whatever was stored, nobody waits longer than a period.
func TestAnyClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := Limit{Burst: rapid.IntRange(1, 20).Draw(t, "burst"), Period: time.Duration(rapid.IntRange(1, 900).Draw(t, "period")) * time.Second}
		now := time.UnixMicro(rapid.Int64Range(0, 1<<52).Draw(t, "now"))
		tat, r := decide(now, rapid.Int64Range(0, 1<<52).Draw(t, "tat"), limit)
		if r.Retry > limit.Period {
			t.Fatalf("wait %v", r.Retry)
		}
		if _, later := decide(now.Add(limit.Period), tat, limit); !later.Allowed {
			t.Fatal("still refused after a period")
		}
	})
}

// BenchmarkDecide is the rule by itself.
func BenchmarkDecide(b *testing.B) {
	limit, now := Limit{Burst: 100, Period: time.Second}, time.Now()
	var tat int64
	for b.Loop() {
		tat, _ = decide(now, tat, limit)
		now = now.Add(9 * time.Millisecond)
	}
}
