package incident

import (
	"context"
	"errors"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
)

// rounds bounds how often a change is decided anew after a lost race, and how
// often a transaction that met conflicts to its end is tried again: some five
// seconds in all, within a function's timeout.
const rounds = 5

// act is what is done to an incident, all of it in one transaction.
type act struct {
	to      Incident // as it is from now on; of an alert that is only counted, id and team
	as      string   // the type of its audit event
	detail  map[string]any
	tells   string   // the type of the event that others act on; "" for none
	from    Severity // of an event that tells that the incident became worse
	entries []Entry  // of the timeline
	once    *mark    // of the delivery that does it
	ops     []dynamo.Op
}

// commit writes an act. One whose delivery was taken before is an *alreadyTaken.
func (d *Desk) commit(ctx context.Context, a act) error {
	now := d.Now()
	var ops []dynamo.Op
	if a.once != nil {
		ops = append(ops, d.Store.Table.Create(*a.once)) // the first, so that its failure is the one that is told
	}
	ops = append(ops, a.ops...)
	for _, e := range a.entries {
		if e.ID == "" {
			e.At, e.Actor = timestamp.Of(now), audit.ActorOf(ctx)
		}
		ops = append(ops, d.Store.Append(a.to.ID, e))
	}
	ops = append(ops, d.Audit.Record(ctx, now, audit.Entry{Type: a.as, Subject: audit.Ref{Kind: "incident", ID: a.to.ID}, TeamID: a.to.TeamID, Detail: a.detail}))
	if a.tells != "" {
		e := event(ctx, a.tells, a.to, now)
		if a.from != "" {
			e.Detail["from"] = string(a.from)
		}
		ops = append(ops, outbox.Put(d.Store.Table, e))
	}
	err := dynamo.Commit(ctx, d.Store.Table.DB, ops...)
	if lost, is := dynamo.Failed(err); is && a.once != nil && lost.Index == 0 {
		return takenBefore(lost)
	}
	return err
}

// event is what workflows and notifications learn of an incident. No text of
// it is among that: what they need they read.
func event(ctx context.Context, kind string, i Incident, now time.Time) outbox.Event {
	e := outbox.New(kind, i.ID, i.TeamID, now)
	if who, is := principal.From(ctx); is {
		e.ActorID = who.ID
	}
	e.Unattended = trust.Lower(i.Ceiling(), proved(ctx))
	e.Depth = max(i.Depth, outbox.DepthOf(ctx))
	e.Detail = map[string]string{"serviceId": i.ServiceID, "severity": string(i.Severity)}
	return e
}

// proved is the highest risk that whoever acts in a context may start unattended.
func proved(ctx context.Context) trust.Risk {
	if ceiling, set := outbox.UnattendedOf(ctx); set {
		return ceiling
	}
	who, is := principal.From(ctx)
	switch {
	case !is: // PageFree itself, which adds nothing to what the incident proves
		return trust.High
	case who.Kind == principal.User:
		return trust.Person.Unattended()
	case who.Kind == principal.APIKey:
		return trust.Signed.Unattended()
	}
	return trust.Low
}

// atMost is an incident that whoever acts in a context has a part in from then
// on: what escalates later starts no more than they may.
func (i Incident) atMost(ctx context.Context) Incident {
	i.Unattended = trust.Lower(i.Ceiling(), proved(ctx))
	return i
}

// changed is what a decision made of an incident.
type changed struct {
	next    Incident
	nothing bool   // there is nothing to write
	as      string // as in act
	entry   Entry
	once    *mark
	with    []dynamo.Op
}

// change reads an incident, lets decide make the next state of it, and writes
// that under the condition that nobody wrote since; else it starts over.
func (d *Desk) change(ctx context.Context, incidentID string, decide func(i Incident, by string, now time.Time) (changed, error)) (Incident, error) {
	for range rounds {
		i, who, err := d.may(ctx, incidentID, principal.Responder)
		if err != nil {
			return Incident{}, err
		}
		c, err := decide(i, author(who), d.Now())
		if err != nil {
			return Incident{}, err
		}
		if c.nothing {
			return i, nil
		}
		next, err := d.write(ctx, i, c)
		if again(err) {
			continue
		}
		return next, err
	}
	return Incident{}, dynamo.ErrContended
}

// write is what a decision on an incident that was read comes to. Everything
// that changes its status is an event, and so is that it became worse.
func (d *Desk) write(ctx context.Context, was Incident, c changed) (Incident, error) {
	c.next.Rev = was.Rev + 1
	a := act{
		to: c.next, as: c.as, detail: c.entry.Detail, entries: []Entry{c.entry}, once: c.once,
		ops: append([]dynamo.Op{d.Store.replace(c.next)}, c.with...),
	}
	switch {
	case c.next.Status != was.Status || c.as == outbox.IncidentEscalated:
		a.tells = c.as
	case c.next.Status != Resolved && c.next.worseThan(was):
		a.tells, a.from = outbox.IncidentUpdated, was.Severity
	}
	return c.next, d.commit(ctx, a)
}

// again reports whether a write may succeed when it is decided anew.
func again(err error) bool {
	_, lost := dynamo.Failed(err)
	return lost || errors.Is(err, dynamo.ErrContended)
}
