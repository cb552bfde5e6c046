package execution

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
)

// Preview is what a trigger would run.
type Preview struct {
	Parameters map[string]any `json:"parameters"`
	Script     string         `json:"script"`
	Target     runbook.Target `json:"target"`
	Version    int            `json:"version"`
	Warnings   []string       `json:"warnings,omitempty" doc:"such as that the runbook is deprecated"`

	deprecation string
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

// Confirm lets a waiting execution run. Only a person confirms; whether the
// version may still run is checked again, and repeated in the write.
func (s *Service) Confirm(ctx context.Context, id string) (View, error) {
	e, err := s.find(ctx, id)
	if err != nil {
		return View{}, err
	}
	who, err := principal.RequirePerson(ctx, e.TeamID, principal.Responder)
	if err != nil {
		return View{}, err
	}
	now := s.Now()
	is, err := e.confirm(who.ID, now, now.Add(requeueAfter))
	if err != nil {
		return View{}, err
	}
	if !now.Before(e.CreatedAt.Add(ConfirmWithin)) {
		return s.cancelled(ctx, e, "The confirmation did not come in time.", problem.Transition("confirm", "too old"))
	}
	rb, ver, err := s.Runbooks.Runnable(ctx, e.RunbookID)
	if err != nil {
		return View{}, err
	}
	if why, ok := errors.AsType[*problem.Error](mayStillRun(rb, ver, e)); ok {
		return s.cancelled(ctx, e, why.Detail, problem.New(http.StatusConflict, runbook.NotApproved, "%s", why.Detail))
	}
	ops := append(s.Journal.tell(ctx, is, now, "execution.confirmed", map[string]any{}), s.Store.replace(e, is), s.Runbooks.StillRuns(rb))
	if err := s.write(ctx, append(ops, s.Store.moveDue(e, is)...)); err != nil {
		return View{}, err
	}
	s.enqueue(ctx, e.ID)
	return is.view(&Output{}), nil
}

// Cancel ends an execution that has not started.
func (s *Service) Cancel(ctx context.Context, id string) (View, error) {
	e, err := s.find(ctx, id)
	if err != nil {
		return View{}, err
	}
	if _, err := principal.Require(ctx, e.TeamID, principal.Responder); err != nil {
		return View{}, err
	}
	if err := allow(e.Status, Cancelled); err != nil {
		return View{}, err
	}
	return s.cancelled(ctx, e, "Cancelled by a responder.", nil)
}

// cancelled ends e for a reason, then returns it, or why it had to end.
func (s *Service) cancelled(ctx context.Context, e Execution, reason string, why error) (View, error) {
	is, err := e.finish(outcome{Status: Cancelled}, s.Now())
	if err != nil {
		return View{}, err
	}
	is.Reason = &reason
	ops := append(s.Journal.tell(ctx, is, s.Now(), "execution.cancelled", map[string]any{"reason": reason}), s.Store.replace(e, is))
	if err := s.write(ctx, append(ops, s.Store.moveDue(e, is)...)); err != nil {
		return View{}, err
	}
	return is.view(&Output{}), why
}

// write commits a step; whoever loses the race is told so.
func (s *Service) write(ctx context.Context, ops []dynamo.Op) error {
	err := s.Store.commit(ctx, ops...)
	if _, lost := dynamo.Failed(err); lost {
		return problem.Lost(err)
	}
	return err
}

// mayStillRun reports why the version of an execution may no longer run, or nil.
func mayStillRun(rb runbook.Runbook, ver runbook.Version, e Execution) error {
	if err := rb.MayRun(); err != nil {
		return err
	}
	if ver.Version != e.VersionUsed {
		return problem.New(409, "not_approved", "Version %d is no longer the approved one.", e.VersionUsed)
	}
	return nil
}
