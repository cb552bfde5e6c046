package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"runtime"
	"sync"
	"testing"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/stack"
)

// pool keeps stacks with the demo's data for tests that leave them as good as they were. One test at a time has a stack:
// faults, counts and queues are its own meanwhile. What tests made before is still there, so a test here finds its things
// by names of its own, and counts from where it began. To start a stack and make the demo takes longer than most tests.
type pool struct {
	options stack.Options

	mu   sync.Mutex
	idle []pooled
}

type pooled struct {
	stack  *stack.Stack
	people demo.Result
}

var (
	hurriedStacks = &pool{options: hurried}
	plainStacks   = &pool{}
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", fmt.Sprint(2*runtime.GOMAXPROCS(0))); err != nil { // most of a test here is waiting
		panic(err)
	}
	code := m.Run()
	for _, p := range []*pool{hurriedStacks, plainStacks} {
		if err := p.close(); err != nil {
			fmt.Fprintln(os.Stderr, "closing the shared stacks:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func (p *pool) close() error {
	var errs []error
	for _, one := range p.idle {
		errs = append(errs, one.stack.Close())
	}
	return errors.Join(errs...)
}

// world is a stack until the test's end. One whose test failed is given to nobody else.
func (p *pool) world(t *testing.T) *world {
	t.Helper()
	one, err := p.take()
	if err != nil {
		t.Fatal(err)
	}
	people := one.people
	people.Sessions = maps.Clone(people.Sessions)
	w := &world{t: t, stack: one.stack, api: client.Client{URL: one.stack.URL}, people: people}
	t.Cleanup(func() {
		one.stack.Faults().Clear()
		if t.Failed() {
			if err := one.stack.Close(); err != nil {
				t.Error(err)
			}
			return
		}
		one.stack.Counts().Reset()
		one.stack.Rest()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.idle = append(p.idle, one)
	})
	for who, session := range people.Sessions { // a test before may have signed somebody out
		a, err := w.api.Do(t.Context(), http.MethodGet, "/v1/me", session, nil)
		if err == nil && a.Status != http.StatusOK {
			people.Sessions[who], err = w.api.SignIn(t.Context(), who)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.quiet()
	return w
}

// take is a stack that nobody has, or a new one. It outlives the test that it is started for.
func (p *pool) take() (pooled, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		one := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		one.stack.Wake()
		return one, nil
	}
	p.mu.Unlock()
	o := p.options
	o.Parameters = unlimited
	s, err := stack.Start(context.Background(), o)
	if err != nil {
		return pooled{}, err
	}
	people, err := demo.Run(context.Background(), demo.Options{URL: s.URL, Out: io.Discard})
	if err != nil {
		return pooled{}, errors.Join(err, s.Close())
	}
	return pooled{s, people}, nil
}
