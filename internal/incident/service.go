package incident

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
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
		if who, _ := principal.From(ctx); detail != nil && who.Kind != principal.User { // no member wrote its words any more
			next.Source.External = true
		}
		return changed{next: next.atMost(ctx), nothing: detail == nil, as: outbox.IncidentUpdated, entry: Entry{Kind: EntryUpdated, Detail: detail}}, err
	})
}

// Acknowledge says that the caller works on it.
func (d *Desk) Acknowledge(ctx context.Context, incidentID string) (Incident, error) {
	return d.change(ctx, incidentID, func(i Incident, by string, now time.Time) (changed, error) {
		next, err := i.acknowledge(by, now)
		return changed{
			next: next, as: outbox.IncidentAcknowledged, entry: Entry{Kind: EntryAcknowledged, Status: string(next.Status)},
			with: d.Store.forget(i),
		}, err
	})
}

// Resolve ends an incident and frees its dedup key; note may be empty.
func (d *Desk) Resolve(ctx context.Context, incidentID, note string) (Incident, error) {
	if err := checkNote("body.note", note); err != nil {
		return Incident{}, err
	}
	return d.resolve(ctx, incidentID, note, nil, nil)
}

// resolve ends an incident; once and at are of the alert that does it, nil for
// none. One that is older than the newest that fired is an errLate.
func (d *Desk) resolve(ctx context.Context, incidentID, note string, once *mark, at *timestamp.Time) (Incident, error) {
	return d.change(ctx, incidentID, func(i Incident, by string, now time.Time) (changed, error) {
		with := d.Store.release(i)
		if of, keyed := slotOf(i); at != nil && keyed {
			if i.FiredAt != nil && at.Before(i.FiredAt.Time) {
				return changed{}, errLate
			}
			with = append(with, d.Store.end(of, *at, keepEnds, now))
		}
		next, err := i.resolve(by, now)
		return changed{
			next: next, as: outbox.IncidentResolved, entry: Entry{Kind: EntryResolved, Status: string(next.Status), Text: note},
			with: with, once: once,
		}, err
	})
}

// Reopen makes a resolved incident TRIGGERED again. When another open incident
// holds its dedup key by now, that is a 409: alerts could not be told apart. So
// it is when its service was deleted, which nothing open may lose.
func (d *Desk) Reopen(ctx context.Context, incidentID string) (Incident, error) {
	return d.change(ctx, incidentID, func(i Incident, _ string, now time.Time) (changed, error) {
		next, err := i.reopen(now)
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
		if of, has := slotOf(i); has {
			holder, held, err := d.Store.holder(ctx, of)
			if err != nil {
				return changed{}, err
			}
			if held {
				return changed{}, problem.New(http.StatusConflict, "dedup_key_taken", "The incident %s is open with the same dedup key. Work on that one.", holder)
			}
		}
		next = next.escalating(on, now).atMost(ctx)
		return changed{
			next: next, as: outbox.IncidentReopened, entry: Entry{Kind: EntryReopened, Status: string(next.Status)},
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
	return e, d.commit(ctx, act{to: i, as: "incident.noted", detail: map[string]any{"entryId": e.ID}, entries: []Entry{e}})
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
