package integration

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/incident"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/queue"
)

// Taker makes incidents of deliveries. A delivery may come to it many times, at
// once and from both sides, queue and sweep: it takes each once.
//
// Deliveries of one dedup key are taken in the order of their arrival, by no
// lock: whoever handles one takes first what came before it and is not handled
// yet. Two who do so at once do the same, and the desk counts it once.
type Taker struct {
	Store   Store
	Desk    Desk
	Now     func() time.Time
	Metrics io.Writer // os.Stdout when nil

	counting sync.Mutex
}

// Desk makes of an alert what it asks for, once for a delivery.
type Desk interface {
	Take(ctx context.Context, from incident.From, a incident.Alert) (incident.Taken, error)
}

const (
	// maxTries is how often a delivery is tried by the sweep before it is given up.
	maxTries = 10
	// sweepLimit is how many of a shard one sweep handles; the rest waits a minute.
	sweepLimit = 100
	// givenUp is the metric of what was.
	givenUp = "DeliveriesGivenUp"
)

// Batch handles messages of the queue: those of one dedup key one after the
// other, all else side by side.
func (t *Taker) Batch(ctx context.Context, batch events.SQSEvent) events.SQSEventResponse {
	return queue.Grouped(ctx, batch, func(m Message) string {
		if m.Group == "" {
			return m.DeliveryID
		}
		return m.IntegrationID + m.Group
	}, t.Handle)
}

// Handle takes the delivery that a message names, unless that was done. One
// that waits for another is left to the sweep.
func (t *Taker) Handle(ctx context.Context, m Message) error {
	if m.IntegrationID == "" || m.DeliveryID == "" {
		return errors.New("a message that names no delivery")
	}
	err := t.handle(ctx, m.IntegrationID, m.DeliveryID)
	if behind, waits := errors.AsType[*behindError](err); waits {
		slog.WarnContext(ctx, "delivery waits", "integration", m.IntegrationID, "delivery", m.DeliveryID, "error", behind)
		return nil
	}
	return err
}

func (t *Taker) handle(ctx context.Context, integrationID, deliveryID string) error {
	d, c, found, err := t.Store.delivery(ctx, integrationID, deliveryID)
	if err != nil || !found || d.HandledAt != nil {
		return err
	}
	if err := t.before(ctx, d); err != nil {
		return err
	}
	return t.take(ctx, d, c)
}

// behindError says that a delivery waits for one before it, which failed.
type behindError struct {
	deliveryID string
	cause      error
}

func (e *behindError) Error() string { return "it waits for " + e.deliveryID + ": " + e.cause.Error() }
func (e *behindError) Unwrap() error { return e.cause }

// before takes what came before a delivery and decides what it means. Equal
// ones may change places: of a hundred that fire, none waits for the others.
func (t *Taker) before(ctx context.Context, d deliveryItem) error {
	if d.Group == "" {
		return nil
	}
	ahead, err := t.Store.ahead(ctx, d)
	if err != nil {
		return err
	}
	alike := true
	for _, q := range ahead {
		alike = alike && q.Action == d.Action
	}
	if alike {
		return nil
	}
	for _, q := range ahead {
		earlier, c, found, err := t.Store.delivery(ctx, d.IntegrationID, q.SK)
		if err != nil {
			return err
		}
		if !found || earlier.HandledAt != nil {
			continue
		}
		if err := t.take(ctx, earlier, c); err != nil {
			return &behindError{earlier.ID, err}
		}
	}
	return nil
}

// take hands a delivery to the desk and writes down what became of it.
func (t *Taker) take(ctx context.Context, d deliveryItem, c content) error {
	alert, err := c.alert()
	if err != nil {
		return err
	}
	taken, err := t.Desk.Take(principal.WithOrigin(ctx, principal.Origin{IP: d.IP, RequestID: d.RequestID}), d.from(d.ID), alert)
	if err != nil {
		return err
	}
	err = dynamo.Commit(ctx, t.Store.Table.DB, t.Store.handled(d, resultOf(taken), taken.IncidentID, "", t.Now())...)
	if _, lost := dynamo.Failed(err); lost { // somebody else wrote the same
		return nil
	}
	return err
}

// Sweep handles every delivery that is due, which the queue should have done.
func (t *Taker) Sweep(ctx context.Context) error {
	var errs [due.Shards]error
	var wg sync.WaitGroup
	for shard := range due.Shards {
		wg.Go(func() { errs[shard] = t.sweepShard(ctx, shard) })
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

func (t *Taker) sweepShard(ctx context.Context, shard int) error {
	items, err := due.Alerts.Before(ctx, t.Store.Table, shard, t.Now(), sweepLimit)
	if err != nil {
		return err
	}
	var errs []error
	for _, item := range items {
		err := t.due(ctx, item)
		if _, waits := errors.AsType[*behindError](err); waits { // that is no try of its own
			continue
		}
		if err != nil {
			slog.ErrorContext(ctx, "delivery not handled", "subject", item.Subject, "tries", item.Tries, "error", err)
			errs = append(errs, t.countTry(ctx, item, err))
		}
	}
	return errors.Join(errs...)
}

// due handles one item of the sweep.
func (t *Taker) due(ctx context.Context, item due.Item) error {
	integrationID, deliveryID := subject(item.Subject)
	if err := t.handle(ctx, integrationID, deliveryID); err != nil {
		return err
	}
	// It is gone already, but where the delivery is past its retention, or an answer was lost.
	return dynamo.Commit(ctx, t.Store.Table.DB, due.Done(t.Store.Table, item))
}

// countTry counts a try, and gives a delivery up after the last: what came later
// of its dedup key waits no more.
func (t *Taker) countTry(ctx context.Context, item due.Item, cause error) error {
	if item.Tries+1 < maxTries {
		err := t.Store.Table.Nudge(ctx, item.Key(), expression.Add(expression.Name("tries"), expression.Value(1)), dynamo.Present())
		if _, gone := dynamo.Failed(err); gone {
			return nil
		}
		return errors.Join(cause, err)
	}
	integrationID, deliveryID := subject(item.Subject)
	d, _, found, err := t.Store.delivery(ctx, integrationID, deliveryID)
	if err != nil {
		return err
	}
	last := due.Failed.New(item.Kind, item.Subject, t.Now())
	last.Tries = item.Tries + 1
	ops := []dynamo.Op{due.Done(t.Store.Table, item), due.Put(t.Store.Table, last)}
	if found {
		ops = append(t.Store.handled(d, failed, "", "It could not be handled; the log says why.", t.Now()), due.Put(t.Store.Table, last))
	}
	if err := dynamo.Commit(ctx, t.Store.Table.DB, ops...); err != nil {
		if _, handled := dynamo.Failed(err); handled {
			return nil
		}
		return err
	}
	slog.ErrorContext(ctx, "delivery given up", "integration", integrationID, "delivery", deliveryID)
	t.counting.Lock()
	defer t.counting.Unlock()
	out := t.Metrics
	if out == nil {
		out = os.Stdout
	}
	log.Count(out, t.Now(), givenUp, 1)
	return nil
}
