package integration

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"pagefree/internal/incident"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
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
	Store Store
	Desk  Desk
	Now   func() time.Time
}

// Desk makes of an alert what it asks for, once for a delivery.
type Desk interface {
	Take(ctx context.Context, from incident.From, a incident.Alert) (incident.Taken, error)
}

// Within bounds the time that one delivery takes: with what came before it.
const Within = 20 * time.Second

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
	err = dynamo.Commit(ctx, t.Store.Table.DB, t.Store.handled(d, taken, t.Now())...)
	if _, lost := dynamo.Failed(err); lost { // somebody else wrote the same
		return nil
	}
	return err
}

// Due takes a delivery that is due, which the queue should have done. One that
// waits for another is kept.
func (t *Taker) Due(ctx context.Context, i due.Item) (kept bool, err error) {
	integrationID, deliveryID := subject(i.Subject)
	err = t.handle(ctx, integrationID, deliveryID)
	if _, waits := errors.AsType[*behindError](err); waits {
		return true, nil
	}
	return false, err
}

// GivenUp are the writes that put on record that a delivery could not be taken:
// what came later of its dedup key waits no more.
func (t *Taker) GivenUp(ctx context.Context, i due.Item) ([]dynamo.Op, error) {
	integrationID, deliveryID := subject(i.Subject)
	d, _, found, err := t.Store.delivery(ctx, integrationID, deliveryID)
	if err != nil || !found {
		return nil, err
	}
	return t.Store.givenUp(d, "It could not be handled; the log says why.", t.Now()), nil
}
