package ratelimit

import (
	"io"
	"sync"
	"time"

	"pagefree/internal/platform/log"
)

// Metrics, by tier.
const (
	admitted   = "RateAdmitted"
	refused    = "RateRefused"
	failedOpen = "RateFailedOpen" // admitted, since DynamoDB did not answer
)

// How seldom an instance writes what it counted. What an instance counted last
// is lost when it ends: metrics show what is much, and money is another count.
const (
	calm  = 10 * time.Second
	alarm = time.Second // of what an alarm waits for
)

// Meter counts by tier, and writes it as metrics at the next request after a
// while: a line for each request would cost more than the request. A nil Meter
// counts nothing.
type Meter struct {
	Out io.Writer // a function's stdout
	Now func() time.Time

	mu    sync.Mutex
	tiers map[string]*tally
}

type tally struct {
	counts map[string]int
	wrote  time.Time
}

func (m *Meter) count(tier, metric string) {
	if m == nil {
		return
	}
	now := m.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tiers[tier]
	if t == nil {
		if m.tiers == nil {
			m.tiers = map[string]*tally{}
		}
		t = &tally{counts: map[string]int{}}
		m.tiers[tier] = t
	}
	t.counts[metric]++
	after := calm
	if t.counts[refused]+t.counts[failedOpen] > 0 {
		after = alarm
	}
	if since := now.Sub(t.wrote); since < after && since >= 0 {
		return
	}
	log.Counts(m.Out, now, map[string]string{"Tier": tier}, t.counts)
	t.counts, t.wrote = map[string]int{}, now
}
