package audit

import (
	"context"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
)

// list reads the narrowest index that f allows; what it does not narrow, keep does.
func (r *Reader) list(ctx context.Context, f Filter, teams reach, page httpapi.Page) ([]Event, string, error) {
	q := dynamo.Query{Sort: "id", Before: page.Before, Limit: page.Limit}
	q.From, q.To = f.ids()
	switch {
	case f.Subject != "":
		q.Index, q.Values = "bySubject", []string{subjectKey(f.Subject)}
	case f.Actor != "":
		q.Index, q.Values = "byActor", []string{actorKey(f.Actor)}
	default:
		q = teams.partitions(q, everything, func(team string) string { return partition(&team) })
	}
	items, next, err := dynamo.List(ctx, r.Table, q, place(q), func(s stored) bool {
		e := s.event
		return s.err != nil || teams.sees(e.team()) &&
			(f.Actor == "" || e.Actor.ID == f.Actor) &&
			(f.Subject == "" || e.Subject.ID == f.Subject) &&
			(f.Type == "" || e.Type == f.Type)
	})
	return readable(ctx, items), next, err
}

// ids are the filter's bounds as ids: the first that may be, and the first that may not.
func (f Filter) ids() (from, to string) {
	if !f.From.IsZero() {
		from = id.Floor(id.Audit, f.From)
	}
	if !f.To.IsZero() {
		to = id.Floor(id.Audit, f.To.Truncate(time.Millisecond).Add(time.Millisecond))
	}
	return from, to
}

// partitions lets q read the partition of each team, or of everything by the index byKind.
func (r reach) partitions(q dynamo.Query, kind string, of func(team string) string) dynamo.Query {
	if r == nil {
		q.Index, q.Sort, q.Values = "byKind", "id", []string{kind}
		return q
	}
	q.Index, q.Sort = "", dynamo.SK
	for _, team := range r {
		q.Values = append(q.Values, of(team))
	}
	return q
}
