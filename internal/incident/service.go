package incident

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// Desk is where incidents and services are handled: every method authorizes,
// decides, and writes the change with its timeline entry and audit event as one.
type Desk struct {
	Store   Store
	Audit   audit.Log
	Cursors *httpapi.Cursors
	Now     func() time.Time
}

// rounds bounds how often a change is decided anew after a lost race, and how
// often a transaction that met conflicts to its end is tried again: some five
// seconds in all, within a function's timeout.
const rounds = 5

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
	conflicts := 0
	for range 3 * rounds { // in a storm of alerts and resolves the key changes hands often
		if i.DedupKey != nil {
			holder, held, err := d.Store.holder(ctx, i.ServiceID, *i.DedupKey)
			if err != nil {
				return Incident{}, false, err
			}
			if held {
				folded, lost, err := d.fold(ctx, holder, i.TeamID)
				if lost { // it was resolved since: the key is free now
					continue
				}
				return folded, false, err
			}
		}
		err := d.commit(ctx, i, Entry{Kind: EntryCreated, Status: string(i.Status), Text: i.Title},
			"incident.created", map[string]any{"serviceId": i.ServiceID, "severity": string(i.Severity), "source": i.Source.Kind},
			d.Store.open(i)...)
		if errors.Is(err, dynamo.ErrContended) {
			if conflicts++; conflicts < rounds {
				continue
			}
			break
		}
		if _, lost := dynamo.Failed(err); lost { // another took the key since
			continue
		}
		return i, true, err
	}
	return Incident{}, false, dynamo.ErrContended
}

// fold counts one more alert of an open incident. Many alerts at once write to
// this one item, so it is patient; lost means that the incident is not open any more.
func (d *Desk) fold(ctx context.Context, incidentID, teamID string) (i Incident, lost bool, err error) {
	at := timestamp.Of(d.Now())
	for range rounds {
		err = d.commit(ctx, Incident{ID: incidentID, TeamID: teamID}, Entry{Kind: EntryAlert}, "incident.alerted", nil, d.Store.fold(incidentID, at))
		if _, lost := dynamo.Failed(err); lost {
			return Incident{}, true, nil
		}
		if !errors.Is(err, dynamo.ErrContended) {
			break
		}
	}
	if err != nil {
		return Incident{}, false, err
	}
	i, _, err = d.Store.Incident(ctx, incidentID)
	return i, false, err
}

// Get reads an incident.
func (d *Desk) Get(ctx context.Context, incidentID string) (Incident, error) {
	i, _, err := d.may(ctx, incidentID, principal.Observer)
	return i, err
}

// List returns the incidents that the caller may see and f lets through, newest first.
func (d *Desk) List(ctx context.Context, f Filter, page httpapi.Page) ([]Incident, string, error) {
	p, err := principal.Authenticated(ctx)
	if err != nil {
		return nil, "", err
	}
	if f.ServiceID != "" {
		service, found, err := d.service(ctx, f.ServiceID)
		if err != nil {
			return nil, "", err
		}
		if !found || p.RoleIn(service.TeamID) == principal.None {
			return nil, "", problem.Missing()
		}
		if f.TeamID == "" {
			f.TeamID = service.TeamID
		}
	}
	teams, err := visible(p, f.TeamID)
	if err != nil {
		return nil, "", err
	}
	list, next, err := d.Store.incidents(ctx, teams, f.keep, page)
	if err != nil {
		return nil, "", err
	}
	return httpapi.Fit(list, next, func(i Incident) string { return i.ID })
}

// visible are the teams whose things p may see: all of p's, or the one asked
// for; nil means every team.
func visible(p principal.Principal, teamID string) ([]string, error) {
	if teamID != "" {
		if p.RoleIn(teamID) == principal.None {
			return nil, problem.Missing()
		}
		return []string{teamID}, nil
	}
	if p.PlatformAdmin {
		return nil, nil
	}
	teams := []string{}
	for team, role := range p.Teams {
		if role.AtLeast(principal.Observer) {
			teams = append(teams, team)
		}
	}
	slices.Sort(teams)
	return teams, nil
}

// Update changes the words of an incident. A stale ifMatch is a 412.
func (d *Desk) Update(ctx context.Context, incidentID, ifMatch string, p IncidentPatch) (Incident, error) {
	return d.change(ctx, incidentID, func(i Incident, _ string, now time.Time) (changed, error) {
		if err := httpapi.Match(ifMatch, i.Rev); err != nil {
			return changed{}, err
		}
		next, detail, err := i.patch(p, now)
		return changed{next: next, nothing: detail == nil, event: "incident.updated", entry: Entry{Kind: EntryUpdated, Detail: detail}}, err
	})
}

// Acknowledge says that the caller works on it.
func (d *Desk) Acknowledge(ctx context.Context, incidentID string) (Incident, error) {
	return d.change(ctx, incidentID, func(i Incident, by string, now time.Time) (changed, error) {
		next, err := i.acknowledge(by, now)
		return changed{next: next, event: "incident.acknowledged", entry: Entry{Kind: EntryAcknowledged, Status: string(next.Status)}}, err
	})
}

// Resolve ends an incident and frees its dedup key; note may be empty.
func (d *Desk) Resolve(ctx context.Context, incidentID, note string) (Incident, error) {
	if err := checkNote("body.note", note); err != nil {
		return Incident{}, err
	}
	return d.change(ctx, incidentID, func(i Incident, by string, now time.Time) (changed, error) {
		next, err := i.resolve(by, now)
		return changed{
			next: next, event: "incident.resolved", entry: Entry{Kind: EntryResolved, Status: string(next.Status), Text: note},
			with: d.Store.release(i),
		}, err
	})
}

// Reopen makes a resolved incident TRIGGERED again. When another open incident
// holds its dedup key by now, that is a 409: alerts could not be told apart. So
// it is when its service was deleted, which nothing open may lose.
func (d *Desk) Reopen(ctx context.Context, incidentID string) (Incident, error) {
	return d.change(ctx, incidentID, func(i Incident, by string, now time.Time) (changed, error) {
		next, err := i.reopen(by, now)
		if err != nil {
			return changed{}, err
		}
		on, found, err := d.Store.Service(ctx, i.ServiceID)
		if err != nil {
			return changed{}, err
		}
		if !found || on.DeletedAt != nil {
			return changed{}, problem.New(http.StatusConflict, "service_deleted", "Its service was deleted. Open an incident of another one.")
		}
		if i.DedupKey != nil {
			holder, held, err := d.Store.holder(ctx, i.ServiceID, *i.DedupKey)
			if err != nil {
				return changed{}, err
			}
			if held {
				return changed{}, problem.New(http.StatusConflict, "dedup_key_taken", "The incident %s is open with the same dedup key. Work on that one.", holder)
			}
		}
		return changed{
			next: next, event: "incident.reopened", entry: Entry{Kind: EntryReopened, Status: string(next.Status)},
			with: d.Store.claim(next),
		}, nil
	})
}

// Note adds a text to the timeline, whatever the incident's status.
func (d *Desk) Note(ctx context.Context, incidentID, text string) (Entry, error) {
	i, _, err := d.may(ctx, incidentID, principal.Responder)
	if err != nil {
		return Entry{}, err
	}
	if strings.TrimSpace(text) == "" {
		return Entry{}, problem.InvalidField("body.text", "it says nothing")
	}
	if err := checkNote("body.text", text); err != nil {
		return Entry{}, err
	}
	now := d.Now()
	e := Entry{ID: id.New(id.Timeline, now), At: timestamp.Of(now), Kind: EntryNote, Actor: audit.ActorOf(ctx), Text: text, Detail: map[string]any{}}
	err = d.commit(ctx, i, e, "incident.noted", map[string]any{"entryId": e.ID})
	return e, err
}

func checkNote(location, text string) error {
	if len(text) > MaxNote {
		return problem.InvalidField(location, "at most 8 KiB")
	}
	return nil
}

// Timeline lists what happened to an incident, newest first.
func (d *Desk) Timeline(ctx context.Context, incidentID string, page httpapi.Page) ([]Entry, string, error) {
	if _, _, err := d.may(ctx, incidentID, principal.Observer); err != nil {
		return nil, "", err
	}
	list, next, err := d.Store.timeline(ctx, incidentID, page)
	if err != nil {
		return nil, "", err
	}
	return httpapi.Fit(list, next, func(e Entry) string { return entrySK(e.ID) })
}

// changed is what a decision made of an incident.
type changed struct {
	next    Incident
	nothing bool // there is nothing to write
	event   string
	entry   Entry
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
		c.next.Rev = i.Rev + 1
		err = d.commit(ctx, c.next, c.entry, c.event, c.entry.Detail, append([]dynamo.Op{d.Store.replace(c.next)}, c.with...)...)
		if _, lost := dynamo.Failed(err); lost || errors.Is(err, dynamo.ErrContended) {
			continue
		}
		return c.next, err
	}
	return Incident{}, dynamo.ErrContended
}

// commit writes ops with the timeline entry and audit event of what they do to i.
func (d *Desk) commit(ctx context.Context, i Incident, e Entry, event string, detail map[string]any, ops ...dynamo.Op) error {
	now := d.Now()
	if e.ID == "" {
		e.At, e.Actor = timestamp.Of(now), audit.ActorOf(ctx)
	}
	ops = append(ops, d.Store.Append(i.ID, e),
		d.Audit.Record(ctx, now, audit.Entry{Type: event, Subject: audit.Ref{Kind: "incident", ID: i.ID}, TeamID: i.TeamID, Detail: detail}))
	return dynamo.Commit(ctx, d.Store.Table.DB, ops...)
}

// may reads an incident for somebody with the role in its team.
func (d *Desk) may(ctx context.Context, incidentID string, min principal.Role) (Incident, principal.Principal, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return Incident{}, principal.Principal{}, err
	}
	if !id.Valid(id.Incident, incidentID) {
		return Incident{}, principal.Principal{}, problem.Missing()
	}
	i, found, err := d.Store.Incident(ctx, incidentID)
	if err != nil {
		return Incident{}, principal.Principal{}, err
	}
	if !found {
		return Incident{}, principal.Principal{}, problem.Missing()
	}
	who, err := principal.Require(ctx, i.TeamID, min)
	return i, who, err
}
