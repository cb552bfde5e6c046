package gateway

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"pagefree/infra/local/template"
)

// wall holds the counters of method throttling and usage plans. They start afresh with the process.
type wall struct {
	api *template.API

	mu      sync.Mutex
	buckets map[string]*bucket
	used    map[string]int // requests of a key in a quota's period
}

func newWall(api *template.API) *wall {
	return &wall{api: api, buckets: map[string]*bucket{}, used: map[string]int{}}
}

// bucket is a token bucket: it holds at most burst, and gains rate a second.
type bucket struct {
	tokens float64
	at     time.Time
}

// take is called with the lock held.
func (w *wall) take(name string, limit template.Throttle, now time.Time) bool {
	b := w.buckets[name]
	if b == nil {
		b = &bucket{tokens: float64(limit.Burst), at: now}
		w.buckets[name] = b
	}
	b.tokens = min(float64(limit.Burst), b.tokens+now.Sub(b.at).Seconds()*limit.Rate)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// admitMethod applies the most specific method setting that throttles. Each method of each resource has a bucket of
// its own, whichever setting its limit comes from.
func (w *wall) admitMethod(path, method string, now time.Time) bool {
	var limit *template.Throttle
	best := -1
	for _, s := range w.api.MethodSettings {
		rank := 0
		if s.Path == path {
			rank += 2
		} else if s.Path != "*" {
			continue
		}
		if s.Method == method {
			rank++
		} else if s.Method != "*" {
			continue
		}
		if s.Throttle != nil && rank > best {
			limit, best = s.Throttle, rank
		}
	}
	if limit == nil {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.take("method "+method+" "+path, *limit, now)
}

// admitKey checks a usage key by its value, and the limits of its plan, and returns its id.
func (w *wall) admitKey(value, path, method string, now time.Time) (id string, err error) {
	at := slices.IndexFunc(w.api.Keys, func(k template.APIKey) bool { return value != "" && k.Value == value && k.Enabled })
	if at < 0 {
		return "", invalidKey
	}
	key := w.api.Keys[at]
	at = slices.IndexFunc(w.api.UsagePlans, func(p template.UsagePlan) bool { return slices.Contains(p.KeyIDs, key.ID) })
	if at < 0 {
		return "", invalidKey
	}
	plan := w.api.UsagePlans[at]
	w.mu.Lock()
	defer w.mu.Unlock()
	if plan.QuotaLimit > 0 {
		period := "quota " + key.ID + " " + quotaPeriod(plan, now)
		if w.used[period] >= plan.QuotaLimit {
			return "", quotaExceeded
		}
		w.used[period]++
	}
	for name, limit := range plan.MethodThrottle {
		if resource, verb, ok := cutLast(name, "/"); ok && resource == path && (verb == method || verb == "*") && !w.take("key "+key.ID+" "+name, limit, now) {
			return "", throttled
		}
	}
	if (plan.Rate > 0 || plan.Burst > 0) && !w.take("key "+key.ID, template.Throttle{Rate: plan.Rate, Burst: plan.Burst}, now) {
		return "", throttled
	}
	return key.ID, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	at := strings.LastIndex(s, sep)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+len(sep):], true
}

// quotaPeriod names the day, week or month that a moment lies in, moved by the plan's offset in days.
func quotaPeriod(p template.UsagePlan, now time.Time) string {
	now = now.UTC().AddDate(0, 0, -p.QuotaOffset)
	switch p.QuotaPeriod {
	case "WEEK":
		year, week := now.AddDate(0, 0, 1).ISOWeek() // its weeks begin on Sunday
		return fmt.Sprintf("%d-W%d", year, week)
	case "MONTH":
		return now.Format("2006-01")
	}
	return now.Format(time.DateOnly)
}
