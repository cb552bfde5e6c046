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

// Reader shows the record. Its function holds rights to read the table, and
// the public key of what signs it.
type Reader struct {
	Table   dynamo.Table
	Cursors *httpapi.Cursors
	KeyID   string                                    // of the key that signs blocks
	Public  func(ctx context.Context) ([]byte, error) // its public half, a DER SubjectPublicKeyInfo
}

// Filter narrows the record; zero members let everything through. From and To
// are both included.
type Filter struct {
	Actor, Subject, Type string // ids, and a whole type
	From, To             time.Time
}

// reach is what a caller may see: the events of teams, or (nil) of every team, and of none.
type reach []string

// sees tells whether what belongs to a team ("" is none) may be shown.
func (r reach) sees(team string) bool { return r == nil || team != "" && slices.Contains(r, team) }

// authorize says how far the caller sees: a TEAM_ADMIN the own teams, a
// platform admin everything.
func authorize(ctx context.Context) (reach, error) {
	p, err := principal.Authenticated(ctx)
	if err != nil || p.PlatformAdmin {
		return nil, err
	}
	var teams reach
	for team, role := range p.Teams {
		if role == principal.TeamAdmin {
			teams = append(teams, team)
		}
	}
	if teams == nil {
		return nil, problem.Denied("This needs the role %s in a team.", principal.TeamAdmin)
	}
	slices.Sort(teams)
	return teams, nil
}

func (f Filter) check() error {
	if !f.From.IsZero() && !f.To.IsZero() && f.To.Before(f.From) {
		return problem.InvalidField("query.to", "is before from")
	}
	return nil
}

// List returns events, newest first: those of the teams that the caller is
// TEAM_ADMIN of, and for a platform admin all, also what belongs to no team.
func (r *Reader) List(ctx context.Context, f Filter, page httpapi.Page) ([]Event, string, error) {
	teams, err := authorize(ctx)
	if err != nil {
		return nil, "", err
	}
	if err := f.check(); err != nil {
		return nil, "", err
	}
	events, next, err := r.list(ctx, f, teams, page)
	if err != nil {
		return nil, "", err
	}
	sealed, err := blocksOf(ctx, r.Table, events)
	if err != nil {
		return nil, "", err
	}
	for i, e := range events {
		if n, ok := sealed[e.mark()]; ok {
			events[i].Block = &n
		}
	}
	return events, next, nil
}
