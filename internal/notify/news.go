package notify

import (
	"context"
	"maps"

	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/teams"
)

// item is an event of a heap with what is known of it now.
type item struct {
	outbox.Event
	execution Execution
	version   Version
}

// news is what a letter is made of: what of a heap is still worth a mail.
type news struct {
	items    []item
	incident Incident // that a heap is of, or that the only execution was for
}

// news reads how things are now: what was confirmed, reviewed or resolved since
// it was put onto the heap is not told as if it still waited, and who left the
// team is told nothing.
func (r *reading) news(ctx context.Context, h heap, to teams.Person) (news, error) {
	var out news
	for _, e := range h.Events {
		if !still(to, e) {
			continue
		}
		i := item{Event: e}
		var err error
		switch e.Type {
		case outbox.ExecutionEnded, outbox.ExecutionWaits, outbox.ExecutionExpired:
			var team TeamSettings
			if team, err = r.team(ctx, e.TeamID); err != nil {
				return news{}, err
			}
			output := team.IncludeOutput && e.TeamID != "" && e.Type == outbox.ExecutionEnded && len(h.Events) == 1
			var found bool
			i.execution, found, err = r.execution(ctx, e.About, output)
			if found && e.Type == outbox.ExecutionWaits && i.execution.Status != "AWAITING_CONFIRMATION" {
				continue
			}
		case outbox.WorkflowFailed:
			by := e.Detail["executionId"]
			if by == "" {
				break
			}
			var team TeamSettings
			if team, err = r.team(ctx, e.TeamID); err == nil {
				i.execution, _, err = r.execution(ctx, by, team.IncludeOutput && len(h.Events) == 1)
			}
		case outbox.WorkflowNotify:
			var team TeamSettings
			team, err = r.team(ctx, e.TeamID)
			if whole := e.Detail["messageWithOutput"]; team.IncludeOutput && whole != "" {
				i.Detail = maps.Clone(e.Detail)
				i.Detail["subject"], i.Detail["message"] = e.Detail["subjectWithOutput"], whole
			}
		case outbox.RunbookSubmitted:
			var found bool
			i.version, found, err = r.version(ctx, e)
			if err == nil && (!found || !i.version.Waits) {
				continue
			}
		}
		if err != nil {
			return news{}, err
		}
		out.items = append(out.items, i)
	}
	about := ""
	switch {
	case len(out.items) == 0:
	case id.Valid(id.Incident, h.Subject):
		about = h.Subject
	case len(out.items) == 1:
		if about = out.items[0].execution.IncidentID; about == "" {
			about = out.items[0].Detail["incidentId"]
		}
	}
	if about == "" {
		return out, nil
	}
	var err error
	out.incident, _, err = r.incident(ctx, about)
	return out, err
}
