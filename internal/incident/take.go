package incident

import (
	"context"
	"errors"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
)

// Taken is what became of an alert; nothing, where it is zero.
type Taken struct {
	IncidentID string `dynamodbav:"incidentId"`
	Opened     bool   `dynamodbav:"opened"`   // a new incident
	Folded     bool   `dynamodbav:"folded"`   // counted into the open incident of its dedup key
	Resolved   bool   `dynamodbav:"resolved"` // that incident was resolved
	Late       bool   `dynamodbav:"late"`     // nothing came of it: what its sender said later was heard before
}

// Take makes of an alert what it asks for, as the integration that sent it.
// However often it is called for a delivery, at once or days later, the alert
// counts once, and each call answers what became of it. Texts that are too long
// are cut: an alert is never lost for them, nor because its service was deleted.
func (d *Desk) Take(ctx context.Context, from From, a Alert) (Taken, error) {
	if from.DeliveryID == "" || from.TeamID == "" {
		return Taken{}, errors.New("an alert of no delivery, or no team")
	}
	if a.Action != Fire && a.Action != Resolve {
		return Taken{}, nil
	}
	ctx = from.acting(ctx)
	on, found, err := d.Store.Service(ctx, from.ServiceID)
	if err != nil {
		return Taken{}, err
	}
	if !found { // there always was one; an incident needs no more of it than its id
		on = Service{ID: from.ServiceID, TeamID: from.TeamID}
	}
	if _, err := principal.Require(ctx, on.TeamID, principal.Responder); err != nil {
		return Taken{}, err
	}
	a = a.Clipped()
	if now := d.Now(); a.At != nil && (a.At.After(now.Add(ahead)) || a.At.Before(now.Add(-keepEnds))) {
		a.At = nil // a clock that is wrong must not silence what comes after
	}
	var t Taken
	if a.Action == Fire {
		t, err = d.takeFire(ctx, from, a, on)
	} else {
		t, err = d.takeResolve(ctx, from, a)
	}
	if before, is := errors.AsType[*alreadyTaken](err); is {
		return before.as, nil
	}
	if err != nil {
		return Taken{}, err
	}
	return t, nil
}

// acting is the context in which a delivery acts.
func (f From) acting(ctx context.Context) context.Context {
	ctx = principal.With(ctx, principal.Principal{
		Kind: principal.Integration, ID: f.IntegrationID, Teams: map[string]principal.Role{f.TeamID: principal.Responder},
	})
	return outbox.WithDepth(outbox.WithUnattended(ctx, f.ceiling()), f.Depth)
}

// ceiling is the integration's, or that of what was proved where it has none.
func (f From) ceiling() trust.Risk {
	if f.Unattended.Valid() {
		return f.Unattended
	}
	return f.Trust.Unattended()
}

func (d *Desk) takeFire(ctx context.Context, from From, a Alert, on Service) (Taken, error) {
	now := d.Now()
	if a.At != nil && a.DedupKey != "" {
		ended, known, err := d.Store.ended(ctx, slot{on.ID, from.IntegrationID, a.DedupKey}, now)
		if err != nil {
			return Taken{}, err
		}
		if known && a.At.Before(ended.Time) {
			return Taken{Late: true}, d.takeNothing(ctx, from, Taken{Late: true})
		}
	}
	i, err := a.open(id.New(id.Incident, now), from, on, now)
	if err != nil {
		return Taken{}, err
	}
	var detail map[string]any
	if on.DeletedAt != nil { // who reads it should not have to look for what it is of
		detail = map[string]any{"serviceDeleted": true}
	}
	holder, err := d.open(ctx, i, detail, from.DeliveryID)
	return Taken{IncidentID: holder, Opened: holder == i.ID, Folded: holder != i.ID}, err
}

// open makes the incident that a clipped alert tells of.
func (a Alert) open(incidentID string, from From, on Service, now time.Time) (Incident, error) {
	at := timestamp.Of(now)
	i := Incident{
		ID: incidentID, Status: Triggered, ServiceID: on.ID, TeamID: on.TeamID, AlertCount: 1, FiredAt: a.At,
		Source:      Source{Kind: from.Provider, IntegrationID: &from.IntegrationID, Trust: from.Trust, External: true},
		CreatedByID: from.IntegrationID, CreatedAt: at, UpdatedAt: at, Rev: 1, Raw: a.Raw, Depth: from.Depth, Unattended: from.ceiling(),
	}
	if a.DedupKey != "" {
		i.DedupKey = &a.DedupKey
	}
	return i.escalating(on, now).say(a.Title, a.Description, a.Severity, a.Labels)
}

// takeResolve resolves the open incident of a dedup key. Where there is none,
// that is on record too: taken again, the alert must not end what opened since.
func (d *Desk) takeResolve(ctx context.Context, from From, a Alert) (Taken, error) {
	for range rounds {
		holder, held := "", false
		if a.DedupKey != "" {
			var err error
			if holder, held, err = d.Store.holder(ctx, slot{from.ServiceID, from.IntegrationID, a.DedupKey}); err != nil {
				return Taken{}, err
			}
		}
		if !held {
			var more []dynamo.Op
			if a.At != nil && a.DedupKey != "" { // what fired before may be on its way still
				more = append(more, d.Store.end(slot{from.ServiceID, from.IntegrationID, a.DedupKey}, *a.At, keepEnds, d.Now()))
			}
			return Taken{}, d.takeNothing(ctx, from, Taken{}, more...)
		}
		t := Taken{IncidentID: holder, Resolved: true}
		_, err := d.resolve(ctx, holder, a.Note, d.mark(from.DeliveryID, t), a.At)
		if errors.Is(err, errLate) {
			return Taken{Late: true}, d.takeNothing(ctx, from, Taken{Late: true})
		}
		if problem.CodeOf(err) == problem.InvalidTransition { // somebody else resolved it since
			continue
		}
		return t, err
	}
	return Taken{}, dynamo.ErrContended
}

func (d *Desk) takeNothing(ctx context.Context, from From, t Taken, more ...dynamo.Op) error {
	ops := append([]dynamo.Op{d.Store.Table.Create(*d.mark(from.DeliveryID, t))}, more...)
	err := dynamo.Commit(ctx, d.Store.Table.DB, ops...)
	if lost, is := dynamo.Failed(err); is {
		return takenBefore(lost)
	}
	return err
}

const (
	// keepEnds is how long it is known when a key last ended: no sender tries for
	// longer to deliver what fired before (PagerDuty for a day, SNS for an hour).
	keepEnds = 24 * time.Hour
	// ahead is how far a sender's clock may be before ours.
	ahead = 5 * time.Minute
)

// errLate is an alert that is older than what is known of its dedup key.
var errLate = errors.New("the alert is older than what was heard before")

// keepMarks is how long a delivery may come again: SQS keeps a message for 14
// days, and once more in its dead-letter queue.
const keepMarks = 30 * 24 * time.Hour

// mark remembers what became of a delivery.
type mark struct {
	PK  string `dynamodbav:"pk"`
	SK  string `dynamodbav:"sk"`
	TTL int64  `dynamodbav:"ttl"`
	Taken
}

// mark is nil where there is no delivery.
func (d *Desk) mark(delivery string, t Taken) *mark {
	if delivery == "" {
		return nil
	}
	return &mark{PK: "taken#" + delivery, SK: "taken", TTL: d.Now().Add(keepMarks).Unix(), Taken: t}
}

// alreadyTaken is a delivery that was taken before.
type alreadyTaken struct{ as Taken }

func (*alreadyTaken) Error() string { return "the delivery was taken before" }

func takenBefore(lost *dynamo.ConditionError) error {
	var m mark
	if err := dynamo.Decode(lost.Item, &m); err != nil {
		return err
	}
	return &alreadyTaken{as: m.Taken}
}
