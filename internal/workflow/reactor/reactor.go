// Package reactor drives what follows from events: workflows that begin and go
// on, incidents that escalate, people who are told. It works off the lane
// due.React: as the table's stream tells of an item, as a delayed message brings
// one whose time has come, and by a sweep each minute whatever those missed. Both may come at once, and each more than once:
// everything that it calls does a thing once.
package reactor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"pagefree/internal/incident"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/stream"
	"pagefree/internal/workflow"
)

// Workflows are what events start and wake.
type Workflows interface {
	// Match begins the runs that an event of an incident triggers, and gives those that are to go on.
	Match(ctx context.Context, e outbox.Event) (runs []string, err error)
	// Go lets them go on, as long as there is time.
	Go(ctx context.Context, runs []string)
	// Ended goes on with the run that waited for an execution. told: it failed by it, and its own event tells of both.
	Ended(ctx context.Context, e outbox.Event) (told bool, err error)
	// Advance does what a run has to do now, and moves or removes its due item.
	Advance(ctx context.Context, runID string) error
}

// Escalator tells of incidents that nobody acknowledged in time.
type Escalator interface {
	Escalate(ctx context.Context, incidentID string) error
}

// Queue takes the events that people may have to be told of.
type Queue interface {
	Send(ctx context.Context, message any) error
}

// Within bounds the time that one item takes: that of two webhooks of a workflow.
const Within = 30 * time.Second

// Reactor acts on what is due.
type Reactor struct {
	Table     dynamo.Table
	Workflows Workflows
	Incidents Escalator
	Notices   Queue
	Later     workflow.Later
	Sweeper   due.Sweeper // its Handle is Act
	Now       func() time.Time
}

// Act does what a due item asks for.
func (r *Reactor) Act(ctx context.Context, i due.Item) (kept bool, err error) {
	switch i.Kind {
	case outbox.Kind:
		return false, r.event(ctx, i)
	case workflow.DueRun:
		return false, r.Workflows.Advance(ctx, i.Subject)
	case incident.DueEscalate:
		return false, r.Incidents.Escalate(ctx, i.Subject)
	}
	return false, fmt.Errorf("no due item of the kind %q is known", i.Kind)
}

// event hands an event on to all who act on it. One that is gone was handed on.
// People are told before workflows take their time: a step may wait for a slow
// receiver. But the runs stand before that, so that whoever dies in between
// leaves each with its reminder, and the event with its own. What fails keeps
// nothing else from being done.
func (r *Reactor) event(ctx context.Context, i due.Item) error {
	var e outbox.Event
	found, err := r.Table.Get(ctx, i.Key(), &e)
	if err != nil || !found {
		return err
	}
	var runs []string
	switch e.Type {
	case outbox.IncidentCreated, outbox.IncidentAcknowledged, outbox.IncidentResolved, outbox.IncidentEscalated:
		runs, err = r.Workflows.Match(ctx, e)
	case outbox.ExecutionEnded: // first, since it decides who tells
		var told bool
		if told, err = r.Workflows.Ended(ctx, e); told {
			e.Detail = maps.Clone(e.Detail)
			e.Detail[outbox.ToldByRun] = "true"
		}
	}
	err = errors.Join(err, r.Notices.Send(ctx, e)) // again, should the event come again: nobody is told of one twice
	r.Workflows.Go(ctx, runs)
	return err
}

// Stream acts on the items that were put just now and are due already. What
// fails is left to the sweep, and so is what may not end before the invocation:
// a record that comes again and again would keep all behind it waiting.
func (r *Reactor) Stream(ctx context.Context, in stream.Event) stream.Answer {
	for _, record := range in.Records {
		var i due.Item
		if err := dynamo.Decode(dynamo.Item(record.Change.NewImage), &i); err != nil || i.Kind == "" {
			slog.ErrorContext(ctx, "not a due item", "key", record.Key().PK, "error", err)
			continue
		}
		if record.EventName != stream.Insert {
			continue
		}
		if wait := i.At.Sub(r.Now()); wait > 0 {
			r.later(ctx, i, wait)
			continue
		}
		if err := r.Sweeper.Do(ctx, i); err != nil {
			slog.WarnContext(ctx, "left to the sweep", "kind", i.Kind, "subject", i.Subject, "error", err)
		}
	}
	return stream.Done()
}

// later has an incident that is to escalate come back in time. Runs see to that
// themselves: most of their reminders are for the case that somebody dies.
func (r *Reactor) later(ctx context.Context, i due.Item, wait time.Duration) {
	if i.Kind != incident.DueEscalate || wait > due.Longest {
		return
	}
	if err := r.Later.SendLater(ctx, i, wait); err != nil {
		slog.WarnContext(ctx, "left to the sweep", "kind", i.Kind, "subject", i.Subject, "error", err)
	}
}

// Batch acts on items that have become due since the queue was told of them.
// Like the stream it only hurries: what fails, or came too soon, is left to the sweep.
func (r *Reactor) Batch(ctx context.Context, batch events.SQSEvent) events.SQSEventResponse {
	return queue.Each(ctx, batch, func(ctx context.Context, told due.Item) error {
		i := due.React.New(told.Kind, told.Subject, told.At.Time)
		if i.At.After(r.Now()) {
			return nil
		}
		if err := r.Sweeper.Do(ctx, i); err != nil {
			slog.WarnContext(ctx, "left to the sweep", "kind", i.Kind, "subject", i.Subject, "error", err)
		}
		return nil
	})
}
