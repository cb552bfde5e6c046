package lambda

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"pagefree/infra/local/template"
)

// function is the pool of one function's processes.
type function struct {
	service *Service
	spec    *template.Function
	timeout time.Duration
	binary  string
	max     int
	logs    *logs

	mu      sync.Mutex
	live    int              // processes that run or are being started
	idle    []*instance      // the one used last is at the end, and used first
	waiting []chan *instance // in order; nil says: try again
}

// acquire gives an instance that waits for work: an idle one, a new one, or, at the cap, the next to be free.
// An error of the start itself comes as a *startError.
func (f *function) acquire(ctx context.Context) (*instance, error) {
	for {
		f.mu.Lock()
		if n := len(f.idle); n > 0 {
			i := f.idle[n-1]
			f.idle = f.idle[:n-1]
			f.mu.Unlock()
			return i, nil
		}
		if f.live < f.max {
			f.live++
			f.mu.Unlock()
			return f.start(ctx)
		}
		if f.spec.MaxConcurrency > 0 {
			f.mu.Unlock()
			return nil, fmt.Errorf("%w: %s", ErrThrottled, f.spec.Name)
		}
		turn := make(chan *instance, 1)
		f.waiting = append(f.waiting, turn)
		f.mu.Unlock()
		select {
		case i := <-turn:
			if i != nil {
				return i, nil
			}
		case <-ctx.Done():
			f.abandon(turn)
			return nil, ctx.Err()
		}
	}
}

// abandon takes back a place in the queue; what was handed to it in the meantime goes to the next.
func (f *function) abandon(turn chan *instance) {
	f.mu.Lock()
	if at := slices.Index(f.waiting, turn); at >= 0 {
		f.waiting = slices.Delete(f.waiting, at, at+1)
		f.mu.Unlock()
		return
	}
	f.mu.Unlock()
	if i := <-turn; i != nil {
		f.release(i)
	} else {
		f.wake()
	}
}

// release puts an instance that asked for work where the next request finds it: with whoever has waited longest, else
// among the idle ones.
func (f *function) release(i *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.handOver(i) || i.isDead() {
		return
	}
	i.idleSince = time.Now()
	f.idle = append(f.idle, i)
}

// wake tells whoever has waited longest that there is room.
func (f *function) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handOver(nil)
}

// handOver is called with the lock held.
func (f *function) handOver(i *instance) bool {
	if len(f.waiting) == 0 {
		return false
	}
	turn := f.waiting[0]
	f.waiting = f.waiting[1:]
	turn <- i
	return true
}

// gone forgets a process that has ended.
func (f *function) gone(i *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live--
	f.idle = slices.DeleteFunc(f.idle, func(other *instance) bool { return other == i })
	f.handOver(nil)
}

// expired takes out of the pool what has been idle since before a time.
func (f *function) expired(before time.Time) []*instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []*instance
	f.idle = slices.DeleteFunc(f.idle, func(i *instance) bool {
		if i.idleSince.After(before) {
			return false
		}
		out = append(out, i)
		return true
	})
	return out
}
