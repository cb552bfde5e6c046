package ssm

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// command is one command with what became of it, as it is kept in <dir>/commands/<id>.json.
type command struct {
	ID              string
	Document        string
	DocumentVersion int
	Comment         string
	Given           map[string][]string
	Values          map[string]string // by the document's parameters, defaults included
	InstanceIDs     []string
	Targets         []types.Target
	Delivery        int // seconds
	Execution       int
	Requested       time.Time
	Bucket, Prefix  string
	MaxConcurrency  string
	MaxErrors       string
	Cancelled       bool // somebody asked for it
	RateExceeded    bool // the quota of pending invocations was used up, and no node gets it
	Invocations     []*invocation

	told string        // the status that was last told of by an event
	stop chan struct{} // closed by a cancel
}

// invocation is a command on one node.
type invocation struct {
	Node            string
	Status, Details string
	Code            int // of the script; -1 before its end
	Started, Ended  time.Time
	Stdout, Stderr  []byte // what the service keeps of them
	Uploaded        bool   // to the bucket
	Cancelled       bool

	stop chan struct{}
}

// Statuses and details of them. Source: Systems Manager user guide, command statuses.
const (
	pending     = "Pending"
	inProgress  = "InProgress"
	cancelling  = "Cancelling"
	success     = "Success"
	cancelled   = "Cancelled"
	failed      = "Failed"
	timedOut    = "TimedOut"
	delivery    = "DeliveryTimedOut"
	execution   = "ExecutionTimedOut"
	unreachable = "Undeliverable"
	terminated  = "Terminated"
	noMatch     = "NoInstancesInTag"

	rateExceeded = "RateExceeded"
)

func final(status string) bool {
	return slices.Contains([]string{success, cancelled, failed, timedOut}, status)
}

// status folds those of the nodes into the command's.
func (c *command) status() (status, details string) {
	if c.RateExceeded {
		return failed, rateExceeded
	}
	counts := map[string]int{}
	for _, i := range c.Invocations {
		switch {
		case i.Status == pending:
			counts[pending]++
		case !final(i.Status):
			counts[inProgress]++
		default:
			counts[i.Details]++
		}
	}
	switch n := len(c.Invocations); {
	case n == 0:
		return success, noMatch
	case counts[pending] == n:
		return pending, pending
	case counts[pending]+counts[inProgress] > 0 && c.Cancelled:
		return cancelling, cancelling
	case counts[pending]+counts[inProgress] > 0:
		return inProgress, inProgress
	case counts[failed] > 0:
		return failed, failed
	case counts[execution] > 0:
		return timedOut, execution
	case counts[delivery] > 0:
		return timedOut, delivery
	case counts[unreachable] > 0:
		return failed, failed
	case counts[cancelled]+counts[terminated] > 0:
		return cancelled, cancelled
	}
	return success, success
}

// expires is when an invocation that did not begin will not begin any more.
func (s *Service) expires(c *command) time.Time { return c.Requested.Add(s.seconds(c.Delivery)) }

// start runs a command in the background. The caller holds mu.
func (s *Service) start(c *command) {
	c.stop = make(chan struct{})
	for _, i := range c.Invocations {
		i.stop = make(chan struct{})
	}
	if c.Cancelled {
		close(c.stop)
	}
	s.tell(c, nil)
	s.live.Go(func() { s.run(c) })
}

// run sends a command to its nodes: so many at once, and to no more after so many errors.
func (s *Service) run(c *command) {
	room := make(chan struct{}, share(c.MaxConcurrency, len(c.Invocations), 1))
	allowed := share(c.MaxErrors, len(c.Invocations), 0)
	var at sync.WaitGroup
	defer at.Wait()
	for _, i := range c.Invocations {
		select {
		case room <- struct{}{}:
		case <-s.ctx.Done():
			return
		}
		s.mu.Lock()
		over := s.errors(c) > allowed
		done := final(i.Status)
		s.mu.Unlock()
		if done || over {
			<-room
			if !done {
				s.end(c, i, cancelled, terminated, nil)
			}
			continue
		}
		at.Go(func() {
			defer func() { <-room }()
			s.deliver(c, i)
		})
	}
}

// errors counts what counts against MaxErrors: not what was never delivered for want of a node. The caller holds mu.
func (s *Service) errors(c *command) (n int) {
	for _, i := range c.Invocations {
		if slices.Contains([]string{failed, execution, delivery}, i.Details) {
			n++
		}
	}
	return n
}

// deliver brings a command to one node and waits for its answer.
func (s *Service) deliver(c *command, i *invocation) {
	node, known := s.node(i.Node)
	wait := time.Until(s.expires(c))
	s.mu.Lock()
	resumed := i.Status != pending // the agent that ran it went with an earlier stack, and never answers
	s.mu.Unlock()
	if resumed {
		wait += s.seconds(c.Execution)
	}
	if resumed || !known || node.Offline || node.Undeliverable || wait <= 0 {
		select {
		case <-time.After(wait):
			if node.Undeliverable || !known {
				s.end(c, i, failed, unreachable, nil)
			} else {
				s.end(c, i, timedOut, delivery, nil)
			}
		case <-i.stop:
			s.end(c, i, cancelled, cancelled, nil)
		case <-c.stop:
			s.end(c, i, cancelled, cancelled, nil)
		case <-s.ctx.Done():
		}
		return
	}
	s.change(c, i, func() { i.Status, i.Details, i.Started = inProgress, inProgress, time.Now() })
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	go func() {
		select {
		case <-c.stop:
		case <-i.stop:
		case <-ctx.Done():
		}
		cancel()
	}()
	s.onNode(ctx, c, i, node)
}

// end makes the last change of an invocation; more tells of the run, where there was one.
func (s *Service) end(c *command, i *invocation, status, details string, more func()) {
	s.change(c, i, func() {
		if final(i.Status) {
			return
		}
		i.Status, i.Details, i.Ended = status, details, time.Now()
		if more != nil {
			more()
		}
	})
}

// change makes a change, keeps it and tells of it.
func (s *Service) change(c *command, i *invocation, do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
	if err := s.keepCommand(c); err != nil {
		s.opts.Log.Error("ssm", "command", c.ID, "cause", err.Error())
	}
	s.tell(c, i)
}
