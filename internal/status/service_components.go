package status

import (
	"context"
	"time"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// CreateComponent adds a component to a page.
func (s *Service) CreateComponent(ctx context.Context, pageID string, n NewComponent) (out PageComponent, err error) {
	err = s.change(ctx, pageID, principal.TeamAdmin, func(p Page, on Snapshot, _ string, now time.Time) (changed, error) {
		c, err := n.create(id.New(id.Component, now), on, now)
		if err != nil {
			return changed{}, err
		}
		if err := s.checkService(ctx, p, c.ServiceID); err != nil {
			return changed{}, err
		}
		next := on.withComponent(c)
		out = next.answer(c, now)
		return changed{snapshot: next, event: about("component.created", "component", c.ID, p.ID, map[string]any{"name": c.Name})}, next.checkRoom(now)
	})
	return out, err
}

// GetComponent reads one.
func (s *Service) GetComponent(ctx context.Context, pageID, componentID string) (PageComponent, error) {
	_, snapshot, err := s.snapshot(ctx, pageID)
	if err != nil {
		return PageComponent{}, err
	}
	c, found := snapshot.component(componentID)
	if !found {
		return PageComponent{}, problem.Missing()
	}
	return snapshot.answer(c, s.Now()), nil
}

// ListComponents returns those of a page, newest first.
func (s *Service) ListComponents(ctx context.Context, pageID string, page httpapi.Page) ([]PageComponent, string, error) {
	_, snapshot, err := s.snapshot(ctx, pageID)
	if err != nil {
		return nil, "", err
	}
	now := s.Now()
	var out []PageComponent
	for _, c := range byAge(snapshot.Components) {
		if page.Before != "" && c.ID >= page.Before {
			continue
		}
		if len(out) == page.Limit {
			return out, out[page.Limit-1].ID, nil
		}
		out = append(out, snapshot.answer(c, now))
	}
	return out, "", nil
}

// UpdateComponent changes a component; its status too. A stale ifMatch is a 412.
func (s *Service) UpdateComponent(ctx context.Context, pageID, componentID, ifMatch string, by ComponentPatch) (out PageComponent, err error) {
	err = s.change(ctx, pageID, principal.TeamAdmin, func(p Page, on Snapshot, _ string, now time.Time) (changed, error) {
		c, found := on.component(componentID)
		if !found {
			return changed{}, problem.Missing()
		}
		if err := httpapi.Match(ifMatch, c.Rev); err != nil {
			return changed{}, err
		}
		next, differs, err := c.patch(by, now)
		if err != nil {
			return changed{}, err
		}
		if next.ServiceID != c.ServiceID {
			if err := s.checkService(ctx, p, next.ServiceID); err != nil {
				return changed{}, err
			}
		}
		detail := map[string]any{"name": next.Name}
		if next.Status != c.Status {
			detail["status"] = map[string]any{"from": string(c.Status), "to": string(next.Status)}
		}
		with := on.withComponent(next)
		out = with.answer(next, now)
		if next.Description != c.Description || next.Name != c.Name || next.Group != c.Group {
			err = with.checkRoom(now)
		}
		return changed{snapshot: with, nothing: !differs, event: about("component.updated", "component", c.ID, p.ID, detail)}, err
	})
	return out, err
}

// DeleteComponent takes a component off a page, and its history with it.
func (s *Service) DeleteComponent(ctx context.Context, pageID, componentID string) error {
	return s.change(ctx, pageID, principal.TeamAdmin, func(p Page, on Snapshot, _ string, _ time.Time) (changed, error) {
		c, found := on.component(componentID)
		if !found {
			return changed{}, problem.Missing()
		}
		return changed{
			snapshot: on.withoutComponent(componentID),
			event:    about("component.deleted", "component", componentID, p.ID, map[string]any{"name": c.Name}),
		}, nil
	})
}

// checkService refuses a service of another team as one that does not exist.
func (s *Service) checkService(ctx context.Context, p Page, serviceID string) error {
	if serviceID == "" {
		return nil
	}
	if !id.Valid(id.Service, serviceID) {
		return problem.Missing()
	}
	teamID, found, err := s.Services.TeamOf(ctx, serviceID)
	if err != nil {
		return err
	}
	if !found || teamID != p.TeamID {
		return problem.Missing()
	}
	return nil
}
