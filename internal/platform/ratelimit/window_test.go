package ratelimit

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSlide(t *testing.T) {
	limit := Limit{Burst: 2, Period: time.Minute}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	steps := []struct {
		name      string
		after     time.Duration
		allowed   bool
		remaining int
		retry     time.Duration
	}{
		{"the first", 0, true, 1, 0},
		{"the second", 10 * time.Second, true, 0, 0},
		{"one too many", 20 * time.Second, false, 0, 40 * time.Second},
		{"just before the first is forgotten", time.Minute - time.Microsecond, false, 0, time.Microsecond},
		{"when it is", time.Minute, true, 0, 0},
		{"the second is still known", time.Minute, false, 0, 10 * time.Second},
		{"long after", time.Hour, true, 1, 0},
	}
	var at []int64
	for _, step := range steps {
		var got Result
		at, got = slide(start.Add(step.after), at, limit)
		if got.Allowed != step.allowed || got.Remaining != step.remaining || got.Retry != step.retry || got.Limit != 2 {
			t.Errorf("%s: got %+v", step.name, got)
		}
	}
}

// TestNeverMore holds the promise against any sequence of requests.
func TestNeverMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := Limit{Burst: rapid.IntRange(1, 5).Draw(t, "burst"), Period: time.Duration(rapid.IntRange(1, 100).Draw(t, "period")) * time.Millisecond}
		now, at, admitted := time.Unix(1_800_000_000, 0), []int64(nil), []time.Time(nil)
		for _, step := range rapid.SliceOfN(rapid.IntRange(0, 40), 1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(step) * time.Millisecond)
			var got Result
			if at, got = slide(now, at, limit); !got.Allowed {
				if got.Retry <= 0 || got.Retry > limit.Period {
					t.Fatalf("refused for %v of %v", got.Retry, limit.Period)
				}
				if _, later := slide(now.Add(got.Retry), at, limit); !later.Allowed {
					t.Fatalf("refused again after the %v that it said", got.Retry)
				}
				continue
			}
			admitted = append(admitted, now)
			within := 0
			for _, a := range admitted {
				if now.Sub(a) < limit.Period {
					within++
				}
			}
			if within > limit.Burst {
				t.Fatalf("%d within %v, want at most %d", within, limit.Period, limit.Burst)
			}
		}
	})
}
