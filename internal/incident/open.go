package incident

import (
	"context"
	"errors"
	"slices"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
)

// Create opens an incident, or folds the alert into the open incident that
// holds its dedup key; opened tells which. However many come at once, one opens.
func (d *Desk) Create(ctx context.Context, n NewIncident) (i Incident, opened bool, err error) {
	service, who, err := d.live(ctx, n.ServiceID, principal.Responder)
	if err != nil {
		return Incident{}, false, err
	}
	now := d.Now()
	i, err = n.open(id.New(id.Incident, now), service, who, now)
	if err != nil {
		return Incident{}, false, err
	}
	i.Depth = outbox.DepthOf(ctx)
	holder, err := d.open(ctx, i, nil, "")
	if err != nil || holder == i.ID {
		return i, err == nil, err
	}
	i, _, err = d.Store.Incident(ctx, holder)
	return i, false, err
}

// open opens i, or folds it into the open incident that holds its dedup key,
// and returns the id of whichever it is. delivery is that of an alert that an
// integration sent, "" for none; detail is what the entry of an opening tells besides.
func (d *Desk) open(ctx context.Context, i Incident, detail map[string]any, delivery string) (incidentID string, err error) {
	conflicts := 0
	for range 3 * rounds { // in a storm of alerts and resolves the key changes hands often
		if of, has := slotOf(i); has {
			holder, held, err := d.Store.holder(ctx, of)
			if err != nil {
				return "", err
			}
			if held {
				alert := i
				if delivery == "" { // who posts is answered the open incident as it is; a PATCH changes its severity
					alert.Severity = Low
				}
				lost, err := d.fold(ctx, holder, alert, d.mark(delivery, Taken{IncidentID: holder, Folded: true}))
				if lost { // it was resolved since: the key is free now
					continue
				}
				return holder, err
			}
		}
		err := d.commit(ctx, act{
			to: i, as: outbox.IncidentCreated, tells: outbox.IncidentCreated, once: d.mark(delivery, Taken{IncidentID: i.ID, Opened: true}),
			detail:  map[string]any{"serviceId": i.ServiceID, "severity": string(i.Severity), "source": i.Source.Kind},
			entries: []Entry{{Kind: EntryCreated, Status: string(i.Status), Text: i.Title, Detail: detail}}, ops: d.Store.open(i),
		})
		if errors.Is(err, dynamo.ErrContended) {
			if conflicts++; conflicts < rounds {
				continue
			}
			break
		}
		if _, lost := dynamo.Failed(err); lost { // another took the key since
			continue
		}
		return i.ID, err
	}
	return "", dynamo.ErrContended
}

// fold counts alert as one more of an open incident, which becomes as bad as
// it. Many alerts at once write to this one item, so it is patient; lost means
// that the incident is not open any more.
func (d *Desk) fold(ctx context.Context, incidentID string, alert Incident, once *mark) (lost bool, err error) {
	a := act{
		to: Incident{ID: incidentID, TeamID: alert.TeamID}, as: "incident.alerted", once: once,
		entries: []Entry{{Kind: EntryAlert}}, ops: []dynamo.Op{d.Store.fold(incidentID, alert.Severity, alert.FiredAt, timestamp.Of(d.Now()))},
	}
	counted := a
	conflicts := 0
	for range 3 * rounds { // it may become worse at every turn
		err = d.commit(ctx, a)
		if errors.Is(err, dynamo.ErrContended) {
			if conflicts++; conflicts < rounds {
				continue
			}
			return false, err
		}
		stood, failed := dynamo.Failed(err)
		if !failed {
			return false, err
		}
		var seen Incident
		if err := dynamo.Decode(stood.Item, &seen); err != nil {
			return false, err
		}
		if seen.ID == "" || seen.Status == Resolved {
			return true, nil
		}
		a = counted
		if worse := seen.worsened(alert); worse.Rev != seen.Rev {
			detail := map[string]any{"severity": map[string]any{"from": string(seen.Severity), "to": string(worse.Severity)}}
			a.to, a.tells, a.from = worse, outbox.IncidentUpdated, seen.Severity
			a.detail, a.ops = detail, []dynamo.Op{d.Store.worsen(worse)}
			a.entries = []Entry{{Kind: EntryAlert}, {Kind: EntryUpdated, Detail: detail}}
		}
	}
	return false, dynamo.ErrContended
}

// worseThan reports whether an incident is more severe than it was.
func (i Incident) worseThan(was Incident) bool {
	return i.Severity != was.Severity && slices.Contains(atLeast(was.Severity), i.Severity)
}

// worsened is an incident that becomes as bad as an alert, and that one's
// source has a part in it from then on: the lower ceiling binds. What was
// worse already is as it was.
func (i Incident) worsened(alert Incident) Incident {
	if slices.Contains(atLeast(alert.Severity), i.Severity) {
		return i
	}
	i.Severity, i.Unattended = alert.Severity, trust.Lower(i.Ceiling(), alert.Ceiling())
	i.UpdatedAt, i.Rev = alert.CreatedAt, i.Rev+1
	if alert.FiredAt != nil {
		i.FiredAt = alert.FiredAt
	}
	return i
}
