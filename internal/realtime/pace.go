package realtime

import (
	"sync"
	"time"
)

// What one connection may say to one instance: a page says what it wants to hear
// when it is loaded or its parts change, and a word every four minutes.
const (
	MaxSaid = 60 // at once, and in each minute after that
	apart   = time.Minute / MaxSaid
)

// pace counts in memory what connections say: a write for each word would cost
// more than the word. Of several instances each counts by itself, and the first
// that hears too much has the connection closed, which ends it for all. Its zero
// value is ready.
type pace struct {
	mu    sync.Mutex
	heard map[string]heard
}

type heard struct {
	due  time.Time // when all that was said would have been, one each
	told time.Time // when it was last asked to be closed
}

// most connections that are remembered.
const most = 10_000

// takes reports whether a connection may say one thing more, and if not, whether
// it is time to have it closed.
func (p *pace) takes(connectionID string, now time.Time) (ok, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.heard == nil || len(p.heard) >= most {
		kept := map[string]heard{}
		for one, h := range p.heard {
			if h.due.After(now) && len(kept) < most/2 {
				kept[one] = h
			}
		}
		p.heard = kept
	}
	h := p.heard[connectionID]
	if h.due.Before(now) || h.due.After(now.Add(2*time.Minute)) { // a clock jumped back
		h.due = now
	}
	if ok = h.due.Add(apart).Sub(now) <= time.Minute; ok {
		h.due = h.due.Add(apart)
	} else if end = now.Sub(h.told) >= Fresh || now.Before(h.told); end {
		h.told = now
	}
	p.heard[connectionID] = h
	return ok, end
}
