package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Request is a call of a function.
type Request struct {
	Function      string // logical id, name, or ARN
	Payload       []byte // JSON
	TraceID       string // made when empty
	ClientContext string // JSON, handed through
}

// Result is what came of a call.
type Result struct {
	RequestID string
	Payload   []byte
	// FunctionError is empty when all went well; else Unhandled, and the payload holds errorMessage and errorType.
	FunctionError string
}

// Limits of the payloads of a call, in bytes.
const (
	MaxPayload      = 6 * 1024 * 1024 // synchronous, each way
	maxAsyncPayload = 1024 * 1024
)

// Errors of a call that never reached the function.
var (
	ErrNotFound  = errors.New("function not found")
	ErrThrottled = errors.New("rate exceeded")
)

// call is a request on its way through a process.
type call struct {
	Request
	requestID, traceID string
	deadline           time.Time
	answer             *Result // what the function posted; guarded by instance.mu
	once               sync.Once
	done               chan struct{}
	result             Result
}

// finish ends the call with the function's answer, if it gave one, else with r.
func (c *call) finish(r Result) {
	c.once.Do(func() {
		if c.answer != nil {
			r = *c.answer
		}
		r.RequestID = c.requestID
		c.result = r
		close(c.done)
	})
}

// failure is a call that the function itself did not answer.
func failure(kind, requestID, message string) Result {
	body, _ := json.Marshal(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{kind, "RequestId: " + requestID + " " + message})
	return Result{RequestID: requestID, Payload: body, FunctionError: "Unhandled"}
}

// Invoke calls a function and waits for its answer. Errors are ErrNotFound, ErrThrottled, or the context's own: then
// the function goes on, as it would in the cloud. Whatever goes wrong inside the function is a Result.
func (s *Service) Invoke(ctx context.Context, r Request) (Result, error) {
	f := s.find(r.Function)
	if f == nil {
		return Result{}, fmt.Errorf("%w: %s", ErrNotFound, r.Function)
	}
	if len(r.Payload) == 0 {
		r.Payload = []byte("{}")
	}
	c := &call{Request: r, requestID: uuid.NewString(), traceID: r.TraceID, done: make(chan struct{})}
	if c.traceID == "" {
		c.traceID = NewTraceID()
	}
	i, err := f.acquire(ctx)
	for err == nil && !i.assign(c) {
		i, err = f.acquire(ctx)
	}
	if start := (*startError)(nil); errors.As(err, &start) {
		if start.reported != nil {
			return Result{RequestID: c.requestID, Payload: start.reported, FunctionError: "Unhandled"}, nil
		}
		return failure("Runtime.ExitError", c.requestID, start.message), nil
	}
	if err != nil {
		return Result{}, err
	}
	return f.run(ctx, i, c)
}

// run hands the call to the instance that it was assigned to, and watches its time.
func (f *function) run(ctx context.Context, i *instance, c *call) (Result, error) {
	c.deadline = time.Now().Add(f.timeout)
	i.work <- c
	expire := time.AfterFunc(f.timeout, func() {
		i.finish(c, failure("Sandbox.Timedout", c.requestID, fmt.Sprintf("Error: Task timed out after %.2f seconds", f.timeout.Seconds())))
		i.kill()
	})
	select {
	case <-c.done:
		expire.Stop()
		return c.result, nil
	case <-ctx.Done():
		go func() {
			<-c.done
			expire.Stop()
		}()
		return Result{}, ctx.Err()
	}
}

// InvokeAsync accepts a call and makes it in the background, and twice more when it fails. The result is nobody's.
// It returns the id of the request.
func (s *Service) InvokeAsync(r Request) (string, error) {
	if s.find(r.Function) == nil {
		return "", fmt.Errorf("%w: %s", ErrNotFound, r.Function)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", context.Canceled
	}
	s.background.Go(func() {
		for attempt := 0; ; attempt++ {
			result, err := s.Invoke(s.ctx, r)
			if err == nil && result.FunctionError == "" || attempt == len(s.opts.RetryAfter) {
				return
			}
			select {
			case <-time.After(s.opts.RetryAfter[attempt]):
			case <-s.ctx.Done():
				return
			}
		}
	})
	return uuid.NewString(), nil
}

// find takes every form of a function's name that Lambda takes: a name, an ARN with or without its head, a qualifier
// $LATEST; and the logical id.
func (s *Service) find(name string) *function {
	if at := strings.LastIndex(name, "function:"); at >= 0 {
		name = name[at+len("function:"):]
	}
	name = strings.TrimSuffix(name, ":$LATEST")
	if f, ok := s.byName[name]; ok {
		return f
	}
	return s.functions[name]
}

// NewTraceID makes a root trace id in X-Ray's form.
func NewTraceID() string {
	return fmt.Sprintf("Root=1-%08x-%s", time.Now().Unix(), randomHex(12))
}
