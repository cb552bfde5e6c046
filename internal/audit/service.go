package audit

import (
	"context"
	"slices"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// Reader shows the record. Its function holds the right to query the table and no other.
type Reader struct {
	Table   dynamo.Table
	Cursors *httpapi.Cursors
}

// Filter narrows the record; zero members let everything through. From and To
// are both included.
type Filter struct {
	Actor, Subject, Type string // ids, and a whole type
	From, To             time.Time
}

// List returns events, newest first: those of the teams that the caller is
// TEAM_ADMIN of, and for a platform admin all, also what belongs to no team.
func (r *Reader) List(ctx context.Context, f Filter, page httpapi.Page) ([]Event, string, error) {
	p, err := principal.Authenticated(ctx)
	if err != nil {
		return nil, "", err
	}
	var teams []string // nil: every team, and none
	if !p.PlatformAdmin {
		for team, role := range p.Teams {
			if role == principal.TeamAdmin {
				teams = append(teams, team)
			}
		}
		if teams == nil {
			return nil, "", problem.Denied("This needs the role %s in a team.", principal.TeamAdmin)
		}
		slices.Sort(teams)
	}
	if !f.From.IsZero() && !f.To.IsZero() && f.To.Before(f.From) {
		return nil, "", problem.InvalidField("query.to", "is before from")
	}
	return r.list(ctx, f, teams, page)
}
