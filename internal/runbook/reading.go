package runbook

import (
	"context"
	"slices"
	"strings"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
)

// Runbook reads one.
func (s *Service) Runbook(ctx context.Context, runbookID string) (RunbookView, error) {
	r, p, err := s.open(ctx, runbookID, principal.Observer)
	if err != nil {
		return RunbookView{}, err
	}
	return r.view(p), nil
}

// Filter narrows a list of runbooks; empty members do not.
type Filter struct {
	TeamID, ServiceID, Query, Language string
	Status                             Status
}

// Runbooks lists those that the caller may know of, newest first.
func (s *Service) Runbooks(ctx context.Context, f Filter, page httpapi.Page) ([]RunbookView, string, error) {
	p, err := principal.Authenticated(ctx)
	if err != nil {
		return nil, "", err
	}
	from := visible(p, principal.Observer)
	if f.TeamID != "" {
		if _, err := principal.Require(ctx, f.TeamID, principal.Observer); err != nil {
			return nil, "", err
		}
		from = scope{teams: []string{f.TeamID}}
	}
	query := strings.ToLower(f.Query)
	keep := func(r Runbook) bool {
		return (f.ServiceID == "" || (r.ServiceID != nil && *r.ServiceID == f.ServiceID)) &&
			(f.Status == "" || r.Status() == f.Status) &&
			(f.Language == "" || r.Language == f.Language) &&
			strings.Contains(strings.ToLower(r.Name), query)
	}
	if f == (Filter{TeamID: f.TeamID}) {
		keep = nil
	}
	heads, next, err := s.Store.runbooks(ctx, from, page.Limit, page.Before, keep)
	if err != nil {
		return nil, "", err
	}
	views := make([]RunbookView, len(heads))
	for i, r := range heads {
		views[i] = r.view(p)
	}
	return httpapi.Fit(views, next, func(v RunbookView) string { return v.ID })
}

// visible is the scope of a list for a role: the caller's teams with it, and
// what is global. Only platform admins see to what is global at TeamAdmin.
func visible(p principal.Principal, min principal.Role) scope {
	if p.PlatformAdmin {
		return scope{all: true}
	}
	var c scope
	for team, role := range p.Teams {
		if role.AtLeast(min) {
			c.teams = append(c.teams, team)
		}
	}
	slices.Sort(c.teams)
	if len(c.teams) > 0 && min != principal.TeamAdmin {
		c.teams = append(c.teams, "")
	}
	return c
}

// Versions lists the versions of a runbook, newest first.
func (s *Service) Versions(ctx context.Context, runbookID string, page httpapi.Page) ([]VersionView, string, error) {
	r, _, err := s.open(ctx, runbookID, principal.Observer)
	if err != nil {
		return nil, "", err
	}
	versions, next, err := s.Store.Versions(ctx, r.ID, page.Limit, page.Before)
	if err != nil {
		return nil, "", err
	}
	views := make([]VersionView, len(versions))
	for i, v := range versions {
		views[i] = v.view(r)
	}
	return httpapi.Fit(views, next, func(v VersionView) string { return v.SK })
}

// Version reads one version.
func (s *Service) Version(ctx context.Context, runbookID string, n int) (VersionView, error) {
	r, _, err := s.open(ctx, runbookID, principal.Observer)
	if err != nil {
		return VersionView{}, err
	}
	v, err := s.Store.Version(ctx, r.ID, n)
	if err != nil {
		return VersionView{}, err
	}
	return v.view(r), nil
}

// Diff compares version n with an earlier or later one; from 0 is nothing.
func (s *Service) Diff(ctx context.Context, runbookID string, n, from int) (Diff, error) {
	r, _, err := s.open(ctx, runbookID, principal.Observer)
	if err != nil {
		return Diff{}, err
	}
	to, err := s.Store.Version(ctx, r.ID, n)
	if err != nil {
		return Diff{}, err
	}
	var before Version
	if from > 0 {
		if before, err = s.Store.Version(ctx, r.ID, from); err != nil {
			return Diff{}, err
		}
	}
	d, err := compare(before, to)
	d.Warnings, d.deprecation = r.Warnings(), r.Deprecation()
	return d, err
}
