package ratelimit

// Held is how many counters an instance remembers.
func (l *Leases) Held() int { return len(l.held) }
