package runbook

import (
	"context"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// Target reads one. Global ones show to whoever may write a runbook that names them.
func (s *Service) Target(ctx context.Context, targetID string) (TargetView, error) {
	t, p, err := s.openTarget(ctx, targetID, func(ctx context.Context, team string, min principal.Role) (principal.Principal, error) {
		if p, ok := principal.From(ctx); ok && team == "" && p.Best().AtLeast(min) {
			return p, nil
		}
		return principal.Require(ctx, team, min)
	})
	if err != nil {
		return TargetView{}, err
	}
	return t.view(p), nil
}

// NamedTargets lists those that the caller's runbooks may name, or those of one team, newest first.
func (s *Service) NamedTargets(ctx context.Context, teamID string, page httpapi.Page) ([]TargetView, string, error) {
	p, err := principal.Authenticated(ctx)
	if err != nil {
		return nil, "", err
	}
	if !p.Best().AtLeast(principal.TeamAdmin) && teamID == "" {
		return nil, "", problem.Denied("This needs the role %s in a team.", principal.TeamAdmin)
	}
	from := visible(p, principal.TeamAdmin)
	if !from.all {
		from.teams = append(from.teams, "")
	}
	if teamID != "" {
		if _, err := principal.Require(ctx, teamID, principal.TeamAdmin); err != nil {
			return nil, "", err
		}
		from = scope{teams: []string{teamID}}
	}
	list, next, err := s.Store.targets(ctx, from, page.Limit, page.Before, nil)
	if err != nil {
		return nil, "", err
	}
	views := make([]TargetView, len(list))
	for i, t := range list {
		views[i] = t.view(p)
	}
	return httpapi.Fit(views, next, func(v TargetView) string { return v.ID })
}

// openTarget reads a target for a TEAM_ADMIN of its team.
func (s *Service) openTarget(ctx context.Context, targetID string, require func(context.Context, string, principal.Role) (principal.Principal, error)) (NamedTarget, principal.Principal, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return NamedTarget{}, principal.Principal{}, err
	}
	t, found, err := s.Store.target(ctx, targetID)
	if err != nil || !found {
		return NamedTarget{}, principal.Principal{}, missing(err)
	}
	p, err := require(ctx, t.Team(), principal.TeamAdmin)
	return t, p, err
}
