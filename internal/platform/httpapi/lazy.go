package httpapi

import (
	"net/http"
	"sync"
)

// lazy tells huma of an operation when it is first called: that takes some
// tenth of a millisecond each, and a function that starts has one request to
// answer, not all.
type lazy struct {
	mux     *http.ServeMux // huma's own; ours, before it, knows every pattern from the start
	mu      sync.RWMutex   // huma may not learn an operation while it answers another
	waiting []func()       // what all still has to do
}

// handler answers by huma's mux, after register was called once.
func (l *lazy) handler(register func()) http.Handler {
	done := false // guarded by mu
	once := func() {
		if !done {
			done = true
			register()
		}
	}
	l.waiting = append(l.waiting, once)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.RLock()
		for !done {
			l.mu.RUnlock()
			l.mu.Lock()
			once()
			l.mu.Unlock()
			l.mu.RLock()
		}
		defer l.mu.RUnlock()
		l.mux.ServeHTTP(w, r)
	})
}

// all tells huma of every operation, in the order of their registration.
func (l *lazy) all() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, once := range l.waiting {
		once()
	}
	l.waiting = nil
}
