package aws

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"pagefree/infra/local/awsjson"
)

// Action is what a fault does to a call.
type Action int

// The actions. A kill takes the caller's process; where the caller has none that the stack knows, its connection is cut.
const (
	None       Action = iota // nothing, beyond its delay
	Throttle                 // refuse it as AWS does when there are too many
	Fail                     // refuse it with a 500
	Conflict                 // DynamoDB: another transaction is at the same item
	Swallow                  // do it, and cut the connection without an answer
	KillBefore               // kill the caller, and do not do it
	KillAfter                // do it, and kill the caller before it learns so
)

// Fault strikes calls that have all that it names.
type Fault struct {
	Function  string // logical id of the caller
	Service   string // dynamodb, sqs, kms, ses, ssm, s3, lambda
	Operation string // PutItem
	When      func(Call) bool

	Nth   int           // the first call that it strikes, from 1; 0 is 1
	Times int           // how many it strikes, one after another; 0 is 1, less than 0 is all
	Delay time.Duration // before anything else is done
	Do    Action
}

// Faults are the faults that are in force.
type Faults struct {
	mu   sync.Mutex
	list []*Injected
}

// Injected is a fault that is in force, or was.
type Injected struct {
	fault  Fault
	faults *Faults
	seen   int // calls that matched
	struck int
}

// Add puts a fault in force. Where more than one would strike a call, the one that was added first does.
func (f *Faults) Add(fault Fault) *Injected {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := &Injected{fault: fault, faults: f}
	f.list = append(f.list, i)
	return i
}

// Clear ends all faults.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

// Struck counts the calls that the fault struck.
func (i *Injected) Struck() int {
	i.faults.mu.Lock()
	defer i.faults.mu.Unlock()
	return i.struck
}

// Remove ends the fault.
func (i *Injected) Remove() {
	i.faults.mu.Lock()
	defer i.faults.mu.Unlock()
	i.faults.list = slices.DeleteFunc(i.faults.list, func(other *Injected) bool { return other == i })
}

// outcome is what befalls one call.
type outcome struct {
	action Action
	delay  time.Duration
}

func (f *Faults) strike(c Call) outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := outcome{}
	hit := false
	for _, i := range f.list {
		filter := Call{Function: i.fault.Function, Service: i.fault.Service, Operation: i.fault.Operation}
		if !c.like(filter) || i.fault.When != nil && !i.fault.When(c) {
			continue
		}
		i.seen++
		first, times := max(i.fault.Nth, 1), i.fault.Times
		if times == 0 {
			times = 1
		}
		if hit || i.seen < first || times > 0 && i.seen >= first+times {
			continue
		}
		hit = true
		i.struck++
		o = outcome{action: i.fault.Do, delay: i.fault.Delay}
	}
	return o
}

// throttled is how each service says that there are too many calls.
var throttled = map[string]awsjson.Error{
	"dynamodb": {Code: "ProvisionedThroughputExceededException", Message: "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API."},
	"kms":      {Code: "ThrottlingException", Message: "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."},
	"ssm":      {Code: "ThrottlingException", Message: "Rate exceeded"},
	"sqs":      {Code: "com.amazonaws.sqs#RequestThrottled", Query: "RequestThrottled", Message: "The request was denied due to request throttling.", Status: http.StatusForbidden},
	"ses":      {Code: "TooManyRequestsException", Message: "Maximum sending rate exceeded.", Status: http.StatusTooManyRequests},
	"s3":       {Code: "SlowDown", Message: "Please reduce your request rate.", Status: http.StatusServiceUnavailable},
	"lambda":   {Code: "TooManyRequestsException", Message: "Rate Exceeded.", Status: http.StatusTooManyRequests},
}

// broken is how each service says that the fault is its own.
var broken = map[string]string{
	"dynamodb": "InternalServerError", "kms": "KMSInternalException", "ssm": "InternalServerError",
	"sqs": "InternalFailure", "ses": "InternalServiceErrorException", "lambda": "ServiceException", "s3": "InternalError",
}

// error is the answer that the fault gives in the service's place, or nil.
func (o outcome) error(c *Call, r request) *awsjson.Error {
	switch o.action {
	case Throttle:
		e := throttled[c.Service]
		return &e
	case Fail:
		return &awsjson.Error{Code: broken[c.Service], Message: "Internal failure, injected by a test.", Status: http.StatusInternalServerError}
	case Conflict:
		return conflict(c.Operation, r.items)
	}
	return nil
}

// conflict is the error that parallel transactions on one item get. The engines never make it by themselves.
func conflict(operation string, items int) *awsjson.Error {
	const why = "Transaction is ongoing for the item"
	if operation != "TransactWriteItems" && operation != "TransactGetItems" {
		return &awsjson.Error{Code: "com.amazonaws.dynamodb.v20120810#TransactionConflictException", Message: why}
	}
	type reason struct {
		Code    string
		Message string `json:",omitempty"`
	}
	reasons := []reason{{Code: "TransactionConflict", Message: why}}
	text := "TransactionConflict"
	for range items - 1 {
		reasons = append(reasons, reason{Code: "None"})
		text += ", None"
	}
	return &awsjson.Error{
		Code:    "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
		Message: "Transaction cancelled, please refer cancellation reasons for specific reasons [" + text + "]",
		Fields:  map[string]any{"CancellationReasons": reasons},
	}
}
