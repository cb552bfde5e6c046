package audit

import (
	"context"
	"slices"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
)

// list reads the narrowest index that f allows; what it does not narrow, keep does.
func (r *Reader) list(ctx context.Context, f Filter, teams []string, page httpapi.Page) ([]Event, string, error) {
	q := dynamo.Query{Sort: "id", Before: page.Before, Limit: page.Limit}
	switch {
	case f.Subject != "":
		q.Index, q.Values = "bySubject", []string{subjectKey(f.Subject)}
	case f.Actor != "":
		q.Index, q.Values = "byActor", []string{actorKey(f.Actor)}
	case teams == nil:
		q.Index, q.Values = "byKind", []string{everything}
	default:
		q.Sort = dynamo.SK
		for _, team := range teams {
			q.Values = append(q.Values, partition(&team))
		}
	}
	if !f.From.IsZero() {
		q.From = id.Floor(id.Audit, f.From)
	}
	if !f.To.IsZero() {
		q.To = id.Floor(id.Audit, f.To.Truncate(time.Millisecond).Add(time.Millisecond))
	}
	return dynamo.List(ctx, r.Table, q, func(e Event) string { return e.ID }, func(e Event) bool {
		return (teams == nil || e.TeamID != nil && slices.Contains(teams, *e.TeamID)) &&
			(f.Actor == "" || e.Actor.ID == f.Actor) &&
			(f.Subject == "" || e.Subject.ID == f.Subject) &&
			(f.Type == "" || e.Type == f.Type)
	})
}
