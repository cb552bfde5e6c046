package execution

import (
	"context"
	"slices"

	"pagefree/internal/execution/target"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
)

// Nodes says where a job for an ssm target would run.
type Nodes interface {
	Nodes(ctx context.Context, t runbook.Target) ([]target.Node, error)
}

// Service decides who may start, confirm, cancel and see executions.
type Service struct {
	Recorder
	Runbooks  runbook.Store
	Incidents incident.Store
	Nodes     Nodes
	Trackers  map[string]target.Tracker // of targets that can cancel
	Hidden    Hider                     // of secret parameters
	Cursors   *httpapi.Cursors
}

// Filter narrows a list; empty members admit everything.
type Filter struct {
	RunbookID, IncidentID string
	Status                []Status // any of them
}

// visible is the one rule for every read of an execution: observers of its
// team, and for one that belongs to no team who started it.
func visible(ctx context.Context, e Execution) error {
	if e.TeamID != "" {
		_, err := principal.Require(ctx, e.TeamID, principal.Observer)
		return err
	}
	who, err := principal.Authenticated(ctx)
	if err != nil {
		return err
	}
	if who.PlatformAdmin || who.ID == e.TriggeredByID {
		return nil
	}
	return problem.Missing()
}

// find reads an execution that the caller may see.
func (s *Service) find(ctx context.Context, executionID string) (Execution, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return Execution{}, err
	}
	if !id.Valid(id.Execution, executionID) {
		return Execution{}, problem.Missing()
	}
	e, found, err := s.Store.Execution(ctx, executionID)
	if err != nil {
		return Execution{}, err
	}
	if !found {
		return Execution{}, problem.Missing()
	}
	return e, visible(ctx, e)
}

// Execution returns one, with its output.
func (s *Service) Execution(ctx context.Context, id string) (View, error) {
	e, err := s.find(ctx, id)
	if err != nil {
		return View{}, err
	}
	out, err := s.Store.Output(ctx, e.ID, e.Attempt)
	if err != nil {
		return View{}, err
	}
	return e.view(&out), nil
}

// Output returns what an attempt of an execution wrote, of an earlier one too.
func (s *Service) Output(ctx context.Context, id string, attempt int) (Output, error) {
	e, err := s.find(ctx, id)
	if err != nil {
		return Output{}, err
	}
	if attempt < 1 || attempt > e.Attempt {
		return Output{}, problem.Missing()
	}
	return s.Store.Output(ctx, e.ID, attempt)
}

// List returns executions that the caller may see, newest first, without output.
func (s *Service) List(ctx context.Context, f Filter, page httpapi.Page) ([]View, string, error) {
	who, err := principal.Authenticated(ctx)
	if err != nil {
		return nil, "", err
	}
	q := dynamo.Query{Sort: "id", Before: page.Before, Limit: page.Limit}
	switch {
	case f.IncidentID != "":
		q.Index, q.Values = "byIncident", []string{"ex#" + f.IncidentID}
	case f.RunbookID != "":
		q.Index, q.Values = "byRunbook", []string{"ex#" + f.RunbookID}
	case who.PlatformAdmin:
		q.Index, q.Values = "byKind", []string{"ex"}
	default:
		q.Index, q.Values = "byTeam", []string{"ex#"}
		for team := range who.Teams {
			q.Values = append(q.Values, "ex#"+team)
		}
	}
	keep := func(it stored) bool {
		return (len(f.Status) == 0 || slices.Contains(f.Status, it.Status)) &&
			(f.RunbookID == "" || it.RunbookID == f.RunbookID) && visible(ctx, it.Execution) == nil
	}
	items, next, err := dynamo.List(ctx, s.Store.Table, q, func(it stored) string { return it.ID }, keep)
	if err != nil {
		return nil, "", err
	}
	views := make([]View, len(items))
	for i, it := range items {
		views[i] = it.view(nil)
	}
	return httpapi.Fit(views, next, func(v View) string { return v.ID })
}
