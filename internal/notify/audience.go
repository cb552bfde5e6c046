package notify

import (
	"slices"
	"strings"

	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/teams"
)

// wanted is whom an event concerns, before anybody's settings.
type wanted struct {
	role   principal.Role // members of the event's team with at least this role; None for nobody
	admins bool           // platform admins, of what belongs to no team
	people []string       // by id
	except []string       // by id: who may not do what the event asks for
	member bool           // people only as members of the team
}

// Words of a workflow's notify step for many.
const (
	toTeam       = "team"
	toResponders = "responders"
)

// wants says whom an event concerns. by are who wrote and who submitted a
// version that waits for review: they may not approve it.
func wants(e outbox.Event, by ...string) wanted {
	w := wanted{}
	switch e.Type {
	case outbox.IncidentCreated, outbox.IncidentEscalated, outbox.IncidentReopened, outbox.IncidentAcknowledged, outbox.IncidentResolved, outbox.IncidentUpdated:
		w.role = principal.Responder
	case outbox.ExecutionWaits, outbox.ExecutionExpired:
		w.role = principal.Responder
		if e.TeamID == "" { // who runs a global runbook for no team confirms it, or nobody does
			w.people = starter(e)
		}
	case outbox.ExecutionEnded, outbox.WorkflowFailed:
		if e.Detail[outbox.ToldByRun] != "" {
			return wanted{role: principal.None}
		}
		w.role, w.people, w.admins = principal.TeamAdmin, starter(e), e.TeamID == ""
	case outbox.RunbookSubmitted:
		w.role, w.admins, w.except = principal.TeamAdmin, e.TeamID == "", by
	case outbox.WorkflowNotify:
		w.member, w.role, w.people = true, principal.None, nil
		for to := range strings.SplitSeq(e.Detail["to"], ",") {
			switch to = strings.TrimSpace(to); {
			case to == toTeam:
				w.role = principal.Observer
			case to == toResponders && w.role == principal.None:
				w.role = principal.Responder
			case id.Valid(id.User, to):
				w.people = append(w.people, to)
			}
		}
	}
	return w
}

// starter is the person who started what failed; a workflow or a key is none.
func starter(e outbox.Event) []string {
	if by := e.Detail["triggeredById"]; id.Valid(id.User, by) {
		return []string{by}
	}
	return nil
}

// concerns reports whether an event concerns a person who may be told of it.
func (w wanted) concerns(e outbox.Event, p teams.Person) bool {
	role := p.In(e.TeamID)
	concerned := w.role != principal.None && role.AtLeast(w.role) || w.admins && p.PlatformAdmin ||
		slices.Contains(w.people, p.ID) && (!w.member || role != principal.None)
	return concerned && p.Active && !slices.Contains(w.except, p.ID)
}

// way is what one way of telling people lets through: the kinds of a person,
// and of a team.
type way struct {
	own  func(Own) Kinds
	team func(TeamSettings) Kinds
}

var (
	byMail = way{func(o Own) Kinds { return o.Email }, func(t TeamSettings) Kinds { return t.Email }}
	// What a team's people are mailed of is the team's too; what lights up a phone is its owner's alone.
	byPush = way{Own.pushed, func(TeamSettings) Kinds { return allKinds }}
)

// audience are the ids of who is told of an event by one way: of the people
// that may be, those whom it concerns, who are active, and whose settings and
// the team's let it through. severity is that of the incident, "" for what is none.
func audience(by way, e outbox.Event, w wanted, people []teams.Person, team TeamSettings, own map[string]Own, severity string) []string {
	kind := kinds[e.Type]
	var ids []string
	for _, p := range people {
		if !w.concerns(e, p) || slices.Contains(ids, p.ID) {
			continue
		}
		o, set := own[p.ID]
		if !set {
			o = defaultOwn
		}
		if !by.own(o).has(kind) || e.TeamID != "" && !by.team(team).has(kind) {
			continue
		}
		if kind == Incidents && !reaches(least(team, o), e, severity) {
			continue
		}
		ids = append(ids, p.ID)
	}
	return ids
}

// still reports whether a person may be told of an event when its mail leaves,
// a minute after it was decided that they are.
func still(p teams.Person, e outbox.Event) bool {
	if e.TeamID == "" && e.Type == outbox.RunbookSubmitted { // nobody else may approve it
		return p.Active && p.PlatformAdmin
	}
	return p.Active && (e.TeamID == "" || p.In(e.TeamID) != principal.None || p.PlatformAdmin)
}
