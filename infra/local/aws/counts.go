package aws

import (
	"sync"
	"time"
)

// Call is one call of AWS, as it was seen on the wire.
type Call struct {
	Function  string // logical id of the caller; empty when it is no function
	Instance  string // the caller's process
	RequestID string // of the Lambda request that it was made in
	TraceID   string // of the API request, message or schedule that it all began with
	Service   string // as in IAM actions: dynamodb, sqs, kms, ses, ssm, s3, lambda
	Operation string // PutItem
	Tables    []string
	Read      float64 // capacity units, as the engine reckons them
	Written   float64
	Status    int // of the answer; 0 when the caller was killed before
	At        time.Time
	Took      time.Duration
}

// like tells whether a call has all that a filter names.
func (c Call) like(filter Call) bool {
	same := func(have, want string) bool { return want == "" || have == want }
	return same(c.Function, filter.Function) && same(c.Instance, filter.Instance) && same(c.RequestID, filter.RequestID) &&
		same(c.TraceID, filter.TraceID) && same(c.Service, filter.Service) && same(c.Operation, filter.Operation)
}

// remembered is how many calls Counts holds; older ones are forgotten.
const remembered = 50_000

// Counts remembers the calls that were made.
type Counts struct {
	mu    sync.Mutex
	calls []Call
}

func (c *Counts) add(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.calls) >= remembered {
		c.calls = append(c.calls[:0], c.calls[remembered/10:]...)
	}
	c.calls = append(c.calls, call)
}

// Calls lists the calls that have all that the filter names, oldest first: Calls(Call{RequestID: id, Service: "dynamodb"}).
func (c *Counts) Calls(filter Call) []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []Call
	for _, call := range c.calls {
		if call.like(filter) {
			list = append(list, call)
		}
	}
	return list
}

// Number counts them.
func (c *Counts) Number(filter Call) int { return len(c.Calls(filter)) }

// Reset forgets all calls.
func (c *Counts) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = nil
}
