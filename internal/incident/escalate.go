package incident

import (
	"context"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/outbox"
)

// DueEscalate is the kind of the due item, in the lane React, of an incident
// that escalates unless somebody acknowledges it before; its subject is the incident.
const DueEscalate = "incident.escalate"

// Escalate escalates an incident that nobody acknowledged in time, once; its
// due item goes in the same transaction. For one that somebody did acknowledge,
// that escalated already, or whose time has not come, it does nothing. It is
// PageFree's own: nobody may call it.
func (d *Desk) Escalate(ctx context.Context, incidentID string) error {
	for range rounds {
		i, found, err := d.Store.Incident(ctx, incidentID)
		if err != nil || !found {
			return err
		}
		next, is := i.escalate(d.Now())
		if !is {
			return nil
		}
		_, err = d.write(ctx, i, changed{
			next: next, as: outbox.IncidentEscalated, entry: Entry{Kind: EntryEscalated, Status: string(next.Status)},
			with: d.Store.forget(i),
		})
		if again(err) {
			continue
		}
		return err
	}
	return dynamo.ErrContended
}
