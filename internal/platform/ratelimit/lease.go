package ratelimit

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"pagefree/internal/platform/dynamo"
)

// Counter is one count that a request falls under.
type Counter struct {
	Key   string // beginning with its tier: "api#usr_..."
	Limit Limit

	// Loose counts late: each instance admits a few unseen before it tells the
	// table, which it then does of all. It is for the wide limit beside a narrow
	// one, so that most requests write to one counter alone.
	Loose bool
}

// What instances may admit beyond a limit, as parts of it. A lease is charged
// before it is used, and lives so long that what came in meanwhile is no more;
// a loose counter spends half of that on leases, and the other half on what
// eight instances have not told yet.
const (
	slack     = 20 // 5 %
	instances = 8
)

func (c Counter) part() int {
	if c.Loose {
		return 2 * slack
	}
	return slack
}

// life is how long a lease is good for, in microseconds.
func (c Counter) life() int64 { return c.Limit.Period.Microseconds() / int64(c.part()) }

// most is how many a lease has at most.
func (c Counter) most() int { return max(c.Limit.Burst/c.part(), 1) }

// unseen is how many an instance admits of a loose counter before it tells.
func (c Counter) unseen() int {
	if !c.Loose {
		return 0
	}
	return c.Limit.Burst / (c.part() * instances)
}

// share is what an instance knows and has of a counter. Times are in
// microseconds.
type share struct {
	tat   int64 // the last that was heard of it
	at    int64 // when
	left  int   // leased, and not used
	until int64 // when the lease ends
	used  int   // of the lease
	size  int   // of the lease, as it was asked for
	owed  int   // of a loose counter: admitted, and not told
	since int64 // when the first of those was
	deaf  int64 // until when the table is not asked, since it refused
}

// settle forgets what does not count any more. Where a clock jumped back that is all.
func (s *share) settle(now int64, c Counter) {
	if now < s.at || now < s.since {
		*s = share{}
	}
	if now >= s.until {
		s.left = 0
	}
	if now-s.since > c.Limit.Period.Microseconds() {
		s.owed = 0
	}
}

// use takes one without asking, if it can.
func (s *share) use(now int64, c Counter) bool {
	switch {
	case s.left > 0:
		s.left--
		s.used++
	case s.owed < c.unseen():
		if s.owed == 0 {
			s.since = now
		}
		s.owed++
	default:
		return false
	}
	return true
}

// giveBack undoes use.
func (s *share) giveBack() {
	if s.used > 0 && s.owed == 0 {
		s.left++
		s.used--
	} else if s.owed > 0 {
		s.owed--
	}
}

// spent reports whether there is nothing to ask for: by what was heard last,
// since others only add to it, and right after a refusal, since a flood at many
// instances would ask for each one that comes in. tat is as good as that.
func (s *share) spent(now int64, c Counter) (tat int64, spent bool) {
	if s.left > 0 || s.tat == 0 {
		return 0, false
	}
	tat = s.tat
	if now < s.deaf {
		tat = max(tat, s.deaf+c.Limit.Period.Microseconds()-c.Limit.each())
	}
	return tat, c.Limit.free(tat, now) == 0
}

// pause is for how long a refusal holds without asking again, in microseconds.
func (c Counter) pause() int64 { return min(c.life()/2, 50_000) }

// next is how many to ask for: one, twice as many as last time where those went
// fast, as many as were used where they did not.
func (s *share) next(now int64, c Counter) int {
	switch life := c.life(); {
	case now < s.until-life/2:
		s.size *= 2
	case now < s.until+life:
		s.size = s.used
	default:
		s.size = 1
	}
	s.size = min(max(s.size, 1), c.most())
	return s.size
}

// Leases admit by counters in the ephemeral table, a narrow one and a loose one
// at most, with one write at most. Where an instance has much to do it takes several at once,
// and who has used up a limit is refused from memory. A clock that jumps locks
// nobody out for longer than a period. Its zero value is not useful; an error
// is for the caller to decide on.
type Leases struct {
	Table  dynamo.Table
	Now    func() time.Time
	Within time.Duration // how long a request may wait for the table
	Spare  time.Duration // how long the table is not asked after it did not answer

	mu   sync.Mutex
	held map[string]*share
	down int64 // when the table did not answer last; 0 once it may be asked again
}

// ErrDown is that the table did not answer, now or a moment ago.
var ErrDown = errors.New("the rates' table does not answer")

// Take admits one under each of the counters, or none. The result is that of
// the counter with least left, or of the one that refuses.
func (l *Leases) Take(ctx context.Context, counters ...Counter) (Result, error) {
	now := l.Now().UnixMicro()
	due, refused, err := l.local(now, counters)
	if err != nil || !refused.Allowed {
		return refused, err
	}
	if len(due) > 0 {
		if due, err = l.ask(ctx, now, counters, due); err != nil {
			return Result{}, err
		}
	}
	return l.tell(now, counters, due), nil
}

// want is a charge of a counter, and what is owed of it already.
type want struct {
	charge
	of   int // index of the counter
	owed int
}

// local takes what is there. What has to be asked for is due.
func (l *Leases) local(now int64, counters []Counter) (due []*want, refused Result, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range counters {
		s := l.share(c.Key, now)
		s.settle(now, c)
		if tat, spent := s.spent(now, c); spent {
			return nil, c.Limit.result(false, tat, now, 0), nil
		}
	}
	if now < l.down || now >= l.down+l.Spare.Microseconds() {
		l.down = 0
	}
	for i, c := range counters {
		s := l.share(c.Key, now)
		if s.use(now, c) {
			continue
		}
		if l.down != 0 {
			return nil, Result{}, ErrDown
		}
		due = append(due, &want{charge: charge{key: c.Key, limit: c.Limit, want: s.owed + s.next(now, c), tat: s.tat}, of: i, owed: s.owed})
		s.owed = 0
	}
	return due, Result{Allowed: true}, nil
}

// ask charges what is due, and returns what of it was asked for.
func (l *Leases) ask(ctx context.Context, now int64, counters []Counter, due []*want) ([]*want, error) {
	within, cancel := context.WithTimeout(ctx, l.Within)
	defer cancel()
	var err error
	if len(due) == 2 {
		err = takeBoth(within, l.Table, &due[0].charge, &due[1].charge, now)
		if errors.Is(err, dynamo.ErrContended) { // many are at one of them at once: the loose one can wait
			due = slices.DeleteFunc(due, func(w *want) bool { return counters[w.of].Loose && l.owe(w.key, w.owed+1, now) })
		}
	}
	if len(due) == 1 {
		err = take(within, l.Table, &due[0].charge, now)
	}
	if err == nil {
		return due, nil
	}
	for _, w := range due {
		l.owe(w.key, w.owed, now)
	}
	if ctx.Err() != nil || errors.Is(err, errContended) { // it is the caller who had no time, or too many who were faster
		return nil, err
	}
	l.mu.Lock()
	l.down = now
	l.mu.Unlock()
	return nil, errors.Join(ErrDown, err)
}

// owe notes that a loose counter has not been told of some.
func (l *Leases) owe(key string, owed int, now int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.share(key, now)
	s.owed, s.since = s.owed+owed, now
	return true
}

// tell takes in what was charged, and is the verdict.
func (l *Leases) tell(now int64, counters []Counter, due []*want) Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	var refused *want
	asked := map[int]bool{}
	for _, w := range due {
		asked[w.of] = true
		s, c := l.share(w.key, now), counters[w.of]
		if w.tat > 0 {
			s.tat, s.at = w.tat, now
		}
		switch {
		case w.got > 0:
			s.left, s.used, s.until = s.left+max(w.got-w.owed-1, 0), 1, now+c.life()
		case w.limit.free(w.tat, now) == 0:
			refused, s.deaf = w, now+c.pause()
		default: // another one refused
			s.owed, s.since = s.owed+w.owed, now
		}
	}
	if refused != nil {
		for i, c := range counters {
			if !asked[i] {
				l.share(c.Key, now).giveBack()
			}
		}
		return refused.limit.result(false, refused.tat, now, 0)
	}
	var r Result
	for i, c := range counters {
		s := l.share(c.Key, now)
		if is := c.Limit.result(true, s.tat, now, s.left-s.owed); i == 0 || is.Remaining < r.Remaining {
			r = is
		}
	}
	return r
}

// most that an instance remembers. Who has many addresses must not fill it up.
const mostHeld = 10_000

// share is that of a key; the lock is held.
func (l *Leases) share(key string, now int64) *share {
	if s := l.held[key]; s != nil {
		return s
	}
	if l.held == nil || len(l.held) >= mostHeld {
		kept := map[string]*share{}
		for k, s := range l.held {
			if now < s.until && len(kept) < mostHeld/2 {
				kept[k] = s
			}
		}
		l.held = kept
	}
	s := &share{}
	l.held[key] = s
	return s
}
