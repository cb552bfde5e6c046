// Package events is the default bus of EventBridge in the local stack: what services emit is handed to the functions whose
// rules in the template match it.
//
// Events are best effort, as the real ones of these services are: one that cannot be delivered is logged and gone, and
// what is under way when the stack ends is lost.
package events

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/template"
)

// Invoker calls a function by its logical id.
type Invoker interface {
	Invoke(context.Context, lambda.Request) (lambda.Result, error)
}

// Options of New. Template and Functions are required.
type Options struct {
	Template  *template.Template
	Functions Invoker
	Log       *slog.Logger // gets what went wrong; default none
}

// Bus hands events on until it is closed.
type Bus struct {
	opts   Options
	rules  []rule
	ctx    context.Context
	cancel context.CancelFunc
	mu     sync.Mutex // of calls, which nobody may join while Close waits
	calls  sync.WaitGroup
}

type rule struct {
	function string
	pattern  pattern
}

// New reads the rules of all functions. One that it cannot judge is an error.
func New(o Options) (*Bus, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b := &Bus{opts: o}
	for id, f := range o.Template.Functions {
		for _, r := range f.Rules {
			p, err := compile(r.Pattern)
			if err != nil {
				return nil, fmt.Errorf("%s.Events.%s.Pattern: %w", id, r.Name, err)
			}
			if r.Enabled {
				b.rules = append(b.rules, rule{id, p})
			}
		}
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b, nil
}

// Close waits for nothing: calls under way are given up.
func (b *Bus) Close() {
	b.mu.Lock()
	b.cancel()
	b.mu.Unlock()
	b.calls.Wait()
}

// event is what a function gets.
type event struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// Emit hands an event to every function with a rule for it, and does not wait.
func (b *Bus) Emit(source, detailType string, resources []string, detail any) {
	body, err := json.Marshal(detail)
	if err != nil {
		b.opts.Log.Error("event", "detail-type", detailType, "cause", err.Error())
		return
	}
	payload, err := json.Marshal(event{
		Version: "0", ID: uuid.NewString(), DetailType: detailType, Source: source, Account: b.opts.Template.AccountID,
		Time: time.Now().UTC().Format(time.RFC3339), Region: b.opts.Template.Region, Resources: resources, Detail: body,
	})
	if err != nil {
		b.opts.Log.Error("event", "detail-type", detailType, "cause", err.Error())
		return
	}
	var seen map[string]any
	if err := json.Unmarshal(payload, &seen); err != nil {
		b.opts.Log.Error("event", "detail-type", detailType, "cause", err.Error())
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.rules {
		if b.ctx.Err() == nil && r.pattern.matches(seen) {
			b.calls.Go(func() { b.call(r.function, payload) })
		}
	}
}

func (b *Bus) call(function string, payload []byte) {
	result, err := b.opts.Functions.Invoke(b.ctx, lambda.Request{Function: function, Payload: payload})
	switch {
	case b.ctx.Err() != nil:
	case err != nil:
		b.opts.Log.Error("event", "function", function, "cause", err.Error())
	case result.FunctionError != "":
		b.opts.Log.Error("event", "function", function, "cause", string(result.Payload))
	}
}
