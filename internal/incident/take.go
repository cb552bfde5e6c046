package incident

import (
	"context"

	"pagefree/internal/platform/principal"
)

// Taken is what became of an alert; nothing, where it is zero.
type Taken struct {
	IncidentID string
	Opened     bool // a new incident
	Folded     bool // counted into the open incident of its dedup key
	Resolved   bool // that incident was resolved
}

// Take makes of an alert what it asks for, as the integration that sent it.
func (d *Desk) Take(ctx context.Context, from From, a Alert) (Taken, error) {
	ctx = principal.With(ctx, principal.Principal{
		Kind: principal.Integration, ID: from.IntegrationID, Teams: map[string]principal.Role{from.TeamID: principal.Responder},
	})
	key := &a.DedupKey
	if a.DedupKey == "" {
		key = nil
	}
	switch {
	case a.Action == Fire:
		n := NewIncident{Title: a.Title, Description: a.Description, Severity: a.Severity, ServiceID: from.ServiceID, Labels: a.Labels, DedupKey: key}
		i, opened, err := d.Create(ctx, n)
		return Taken{IncidentID: i.ID, Opened: opened, Folded: !opened && err == nil}, err
	case a.Action == Resolve && key != nil:
		holder, held, err := d.Store.holder(ctx, from.ServiceID, *key)
		if err != nil || !held {
			return Taken{}, err
		}
		_, err = d.Resolve(ctx, holder, a.Note)
		return Taken{IncidentID: holder, Resolved: err == nil}, err
	}
	return Taken{}, nil
}
