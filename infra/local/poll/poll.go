// Package poll calls functions for what they subscribe to in the template: queues, streams of tables, and schedules.
//
// A queue's poller does what Lambda's event source mapping does: it takes a batch, calls the function, deletes what
// was handled, and leaves the rest alone, so that visibility runs out and the queue gives it again.
// A stream's poller does so in the order of the stream: it takes what passes the filters, repeats what fails, in halves
// where that is asked for, gives it up after so many tries, and only then goes on.
// A schedule calls its function with EventBridge's event.
//
// Not like AWS: the age of a stream's record is not looked at, a schedule whose function still runs skips its turn, and a failed call is not repeated before the next.
package poll

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/streams"
	"pagefree/infra/local/template"
)

// Queues is the part of SQS that a poller needs; sqs.Service is one, and the SDK's client nearly.
type Queues interface {
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput) (*sqs.DeleteMessageBatchOutput, error)
	SendMessage(context.Context, *sqs.SendMessageInput) (*sqs.SendMessageOutput, error) // of what a stream gives up
}

// Invoker calls a function by its logical id.
type Invoker interface {
	Invoke(context.Context, lambda.Request) (lambda.Result, error)
}

// Options of Start. Template, Queues and Functions are required, and Streams where a function reads one.
type Options struct {
	Template  *template.Template
	Queues    Queues
	Functions Invoker
	Streams   *streams.Reader
	Dir       string        // where the places in streams are kept; empty: they are not
	Every     time.Duration // instead of what each schedule says, for tests; 0 leaves it
	Log       *slog.Logger  // gets what went wrong; default none
}

// Poller runs until it is closed.
type Poller struct {
	opts   Options
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	asleep chan struct{} // closed by Wake; nil while it is awake
}

// Start begins to poll every queue and every stream, and to follow every schedule, that is enabled. An expression or a
// filter that it cannot follow is an error.
func Start(opts Options) (*Poller, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	urls := map[string]string{}
	for _, q := range opts.Template.Queues {
		urls[q.ARN] = q.URL
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Poller{opts: opts, cancel: cancel}
	var start []func()
	for id, f := range opts.Template.Functions {
		for _, source := range f.StreamSources {
			s, err := p.newStream(f, source)
			if err != nil {
				cancel()
				return nil, fmt.Errorf("%s.Events.%s: %w", id, source.Name, err)
			}
			if source.Enabled {
				start = append(start, func() { s.read(ctx) })
			}
		}
		for _, source := range f.QueueSources {
			if source.Enabled {
				start = append(start, func() { p.follow(ctx, newQueue(p, id, urls[source.QueueARN], source)) })
			}
		}
		for _, s := range f.Schedules {
			timing, err := parseSchedule(s.Expression)
			if err != nil {
				cancel()
				return nil, fmt.Errorf("%s.Events.%s: %w", id, s.Name, err)
			}
			if opts.Every > 0 {
				timing = rate(opts.Every)
			}
			if s.Enabled {
				start = append(start, func() { p.keep(ctx, id, s, timing) })
			}
		}
	}
	for _, run := range start {
		p.done.Go(run)
	}
	return p, nil
}

// Close stops everything and waits for it. Messages under way come again when their visibility runs out.
func (p *Poller) Close() {
	p.cancel()
	p.done.Wait()
}

// Rest lets no schedule fire and reads no stream until Wake. What they would have come to is done then.
func (p *Poller) Rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asleep == nil {
		p.asleep = make(chan struct{})
	}
}

// Wake ends a Rest.
func (p *Poller) Wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asleep != nil {
		close(p.asleep)
		p.asleep = nil
	}
}

// awake waits while the poller rests.
func (p *Poller) awake(ctx context.Context) {
	p.mu.Lock()
	asleep := p.asleep
	p.mu.Unlock()
	if asleep == nil {
		return
	}
	select {
	case <-asleep:
	case <-ctx.Done():
	}
}

// follow takes batches as long as there is room for a call.
func (p *Poller) follow(ctx context.Context, q *queue) {
	// Lambda begins with five calls at once, and a concurrency of two is the least that can be set.
	room := make(chan struct{}, cmp.Or(q.source.MaxConcurrency, 5))
	var calls sync.WaitGroup
	defer calls.Wait()
	for {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		batch, err := q.take(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.opts.Log.Error("poll", "queue", q.source.QueueARN, "cause", err.Error())
			pause(ctx, time.Second)
		}
		if len(batch) == 0 {
			<-room
			continue
		}
		calls.Go(func() {
			defer func() { <-room }()
			if err := q.handle(ctx, batch); err != nil && ctx.Err() == nil {
				p.opts.Log.Error("poll", "function", q.function, "queue", q.source.QueueARN, "messages", len(batch), "cause", err.Error())
			}
		})
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
