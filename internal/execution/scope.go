package execution

import (
	"context"
	"sync"

	"pagefree/internal/incident"
	"pagefree/internal/platform/teams"
	"pagefree/internal/platform/template"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/runbook"
)

// scope is what a parameter's template may name, with the values of this run.
// Without an incident its paths exist and have no value.
func (s *Service) scope(ctx context.Context, rb runbook.Runbook, inc *incident.Incident) (template.Scope, error) {
	sc := runbook.TemplateScope()
	set := func(path, value string) { sc.Fields[path] = &value }
	set("runbook.id", rb.ID)
	set("runbook.name", rb.Name)
	set("now", timestamp.Of(s.Now()).String())
	if inc == nil {
		return sc, nil
	}
	set("incident.id", inc.ID)
	set("incident.title", inc.Title)
	set("incident.description", inc.Description)
	set("incident.severity", string(inc.Severity))
	set("incident.status", string(inc.Status))
	set("incident.createdAt", inc.CreatedAt.String())
	for name, value := range inc.Labels {
		set("incident.labels."+name, value)
	}
	svc, found, err := s.Incidents.Service(ctx, inc.ServiceID)
	if err != nil {
		return sc, err
	}
	if found {
		set("incident.service.id", svc.ID)
		set("incident.service.name", svc.Name)
	}
	name, found, err := teams.Name(ctx, s.Store.Table, inc.TeamID)
	if err != nil {
		return sc, err
	}
	set("incident.team.id", inc.TeamID)
	if found {
		set("incident.team.name", name)
	}
	return sc, nil
}

// resolver fills parameter templates. What they may name is read when the first one asks.
func (s *Service) resolver(ctx context.Context, rb runbook.Runbook, inc *incident.Incident) func(string) (string, error) {
	scope := sync.OnceValues(func() (template.Scope, error) { return s.scope(ctx, rb, inc) })
	return func(text string) (string, error) {
		sc, err := scope()
		if err != nil {
			return "", err
		}
		t, err := template.Parse(text)
		if err != nil {
			return "", err
		}
		return t.Resolve(sc)
	}
}
