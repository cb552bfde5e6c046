package status

import (
	"context"
	"time"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// Publish puts an incident on a page, with its first update, and gives its
// components their statuses.
func (s *Service) Publish(ctx context.Context, pageID string, n NewIncident) (out PageIncident, err error) {
	err = s.change(ctx, pageID, principal.Responder, func(p Page, on Snapshot, by string, now time.Time) (changed, error) {
		i, err := n.publish(id.New(id.PageIncident, now), id.New(id.PageUpdate, now), by, on, now)
		if err != nil {
			return changed{}, err
		}
		if err := s.checkReach(ctx, p, n.Audience.Value, i.InternalIncidentID); err != nil {
			return changed{}, err
		}
		record, err := s.Store.record(p.ID, i.ID, i, true)
		out = i.answer(p.ID)
		return changed{
			snapshot: on.withIncident(i.Incident).touch(n.Components, now),
			with:     append(s.Store.relink(p.ID, i.ID, nil, i.InternalIncidentID), record),
			notice:   notice(p.ID, i.ID, i.Updates[0].ID, now),
			event: about("page_incident.published", "page_incident", i.ID, p.ID, map[string]any{
				"impact": string(i.Impact), "status": string(n.Status), "internalIncidentId": i.InternalIncidentID,
			}),
		}, err
	})
	return out, err
}

// Say adds an update to an incident, however old it is, and gives its
// components their statuses.
func (s *Service) Say(ctx context.Context, pageID, incidentID string, n NewUpdate) (out PageIncident, err error) {
	err = s.changeIncident(ctx, pageID, incidentID, func(i whole, p Page, on Snapshot, by string, now time.Time) (whole, changed, error) {
		updateID := id.New(id.PageUpdate, now)
		next, err := i.update(n, updateID, by, on, now)
		out = next.answer(p.ID)
		return next, changed{
			snapshot: on.touch(n.Components, now),
			notice:   notice(p.ID, i.ID, updateID, now),
			event:    about("page_incident.updated", "page_incident", i.ID, p.ID, map[string]any{"updateId": updateID, "status": string(n.Status)}),
		}, err
	})
	return out, err
}

// Edit changes what stands over an incident's updates, and keeps what stood
// there before. A stale ifMatch is a 412.
func (s *Service) Edit(ctx context.Context, pageID, incidentID, ifMatch string, by IncidentPatch) (out PageIncident, err error) {
	err = s.changeIncident(ctx, pageID, incidentID, func(i whole, p Page, on Snapshot, who string, now time.Time) (whole, changed, error) {
		if err := httpapi.Match(ifMatch, i.Rev); err != nil {
			return whole{}, changed{}, err
		}
		next, differs, err := i.patch(by, who, now)
		if err != nil {
			return whole{}, changed{}, err
		}
		var link *string
		if !same(next.InternalIncidentID, i.InternalIncidentID) {
			link = next.InternalIncidentID
		}
		out = next.answer(p.ID)
		fields := []string{}
		for _, e := range next.Edits[len(i.Edits):] {
			fields = append(fields, e.Field)
		}
		return next, changed{
			snapshot: on, nothing: !differs, with: s.Store.relink(p.ID, i.ID, i.InternalIncidentID, next.InternalIncidentID),
			event: about("page_incident.edited", "page_incident", i.ID, p.ID, map[string]any{"fields": fields}),
		}, s.checkReach(ctx, p, by.Audience.Value, link)
	})
	return out, err
}

// changeIncident lets decide make the next state of an incident.
func (s *Service) changeIncident(ctx context.Context, pageID, incidentID string, decide func(i whole, p Page, on Snapshot, by string, now time.Time) (whole, changed, error)) error {
	return s.change(ctx, pageID, principal.Responder, func(p Page, on Snapshot, by string, now time.Time) (changed, error) {
		i, err := s.incident(ctx, p.ID, incidentID)
		if err != nil {
			return changed{}, err
		}
		next, c, err := decide(i, p, on, by, now)
		if err != nil || c.nothing {
			return c, err
		}
		record, err := s.Store.record(p.ID, i.ID, next, false)
		c.snapshot = c.snapshot.withIncident(next.Incident)
		c.with = append(c.with, record)
		return c, err
	})
}

func (s *Service) incident(ctx context.Context, pageID, incidentID string) (whole, error) {
	var i whole
	if !id.Valid(id.PageIncident, incidentID) {
		return whole{}, problem.Missing()
	}
	found, err := s.Store.read(ctx, pageID, incidentID, &i)
	if err == nil && !found {
		err = problem.Missing()
	}
	return i, err
}

// GetIncident reads an incident, with every word of it.
func (s *Service) GetIncident(ctx context.Context, pageID, incidentID string) (PageIncident, error) {
	p, _, err := s.may(ctx, pageID, principal.Observer)
	if err != nil {
		return PageIncident{}, err
	}
	i, err := s.incident(ctx, p.ID, incidentID)
	return i.answer(p.ID), err
}

// ListIncidents returns those of a page, newest first.
func (s *Service) ListIncidents(ctx context.Context, pageID string, page httpapi.Page) ([]PageIncident, string, error) {
	p, _, err := s.may(ctx, pageID, principal.Observer)
	if err != nil {
		return nil, "", err
	}
	list, next, err := records(ctx, s.Store, p.ID, id.PageIncident+"_", page, whole.length)
	if err != nil {
		return nil, "", err
	}
	out := make([]PageIncident, len(list))
	for n, i := range list {
		out[n] = i.answer(p.ID)
	}
	return httpapi.Fit(out, next, func(i PageIncident) string { return i.ID })
}

// checkReach refuses an audience that names what is no access of the page, and
// an internal incident of another team.
func (s *Service) checkReach(ctx context.Context, p Page, audience *Audience, internalID *string) error {
	if err := s.checkAudience(ctx, p, audience); err != nil || internalID == nil {
		return err
	}
	if !id.Valid(id.Incident, *internalID) {
		return problem.Missing()
	}
	i, found, err := s.Incidents.Incident(ctx, *internalID)
	if err != nil {
		return err
	}
	if !found || i.TeamID != p.TeamID {
		return problem.Missing()
	}
	return nil
}

func (s *Service) checkAudience(ctx context.Context, p Page, audience *Audience) error {
	if audience == nil || len(audience.PartnerAccessIDs) == 0 {
		return nil
	}
	var well []string // foreign text stays out of keys
	for _, accessID := range audience.PartnerAccessIDs {
		if id.Valid(id.PartnerAccess, accessID) {
			well = append(well, accessID)
		}
	}
	there := map[string]bool{}
	if len(well) > 0 {
		var err error
		if there, err = s.Store.accesses(ctx, p.ID, well); err != nil {
			return err
		}
	}
	var wrong wrongs
	for n, accessID := range audience.PartnerAccessIDs {
		if !there[accessID] {
			wrong.add(audienceAt(n), "no partner's access to this page")
		}
	}
	return wrong.err()
}

// Proposal is an incident that might be published. Nothing publishes by itself.
type Proposal struct {
	InternalIncidentID string         `json:"internalIncidentId"`
	Title              string         `json:"title" doc:"as responders wrote it: read it before it is published"`
	Impact             Impact         `json:"impact" enum:"none,minor,major,critical"`
	Status             IncidentStatus `json:"status" enum:"investigating"`
	Body               string         `json:"body"`
	Components         []Touched      `json:"components" nullable:"false"`
}

// Proposals are made of the open internal incidents whose services have
// components on the page, but for those that a page incident tells of already.
func (s *Service) Proposals(ctx context.Context, pageID string) ([]Proposal, error) {
	p, snapshot, err := s.snapshot(ctx, pageID)
	if err != nil {
		return nil, err
	}
	services := snapshot.services()
	if len(services) == 0 {
		return []Proposal{}, nil
	}
	open, err := s.Incidents.Open(ctx, services)
	if err != nil {
		return nil, err
	}
	out := []Proposal{}
	for _, i := range open {
		if i.TeamID != p.TeamID { // a service may have moved
			continue
		}
		linked, err := s.Store.linked(ctx, p.ID, i.ID)
		if err != nil {
			return nil, err
		}
		if !linked {
			out = append(out, snapshot.propose(i))
		}
	}
	return out, nil
}
