package workflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"pagefree/internal/audit"
	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/teams"
	"pagefree/internal/runbook"
)

// NameTaken is the code of a name that another workflow of the team has.
const NameTaken problem.Code = "name_taken"

// Service is the use cases of the API. Every method authorizes, decides and writes.
type Service struct {
	Runs
	Incidents incident.Store
	Runbooks  runbook.Store
	// Executions says what runbook steps would start.
	Executions Rehearser
	Cursors    *httpapi.Cursors
	People     People
	// CheckURL refuses addresses of webhooks that can be seen to be forbidden.
	CheckURL func(rawURL string) error
}

// Rehearser says what a step would start, as the run that the context names,
// and starts nothing; *execution.Service does.
type Rehearser interface {
	Rehearse(ctx context.Context, step execution.Step, later []string) (execution.Rehearsal, error)
}

// People reads those of the staff that exist; identity.Directory does.
type People interface {
	People(ctx context.Context, ids []string) ([]teams.Person, error)
}

// Create writes version 1 of a workflow.
func (s *Service) Create(ctx context.Context, draft Draft) (Workflow, error) {
	_, who, err := teams.Owner(ctx, s.Store.Table, &draft.TeamID, principal.Require)
	if err != nil {
		return Workflow{}, err
	}
	d := draft.definition()
	if err := maySend(ctx, d, Definition{}); err != nil {
		return Workflow{}, err
	}
	if err := s.check(ctx, d, nil); err != nil {
		return Workflow{}, err
	}
	now := s.Now()
	w := d.create(id.New(id.Workflow, now), author(who), now)
	return w, s.commit(ctx, w, "workflow.created", s.Store.create(w)...)
}

// Get reads a workflow.
func (s *Service) Get(ctx context.Context, workflowID string) (Workflow, error) {
	w, _, err := s.open(ctx, workflowID, principal.Observer)
	return w, err
}

// Filter narrows a list of workflows; zero members let everything through.
type Filter struct {
	TeamID  string
	Enabled *bool
	Q       string // part of the name, in any case
}

// List returns the workflows that the caller may see, newest first.
func (s *Service) List(ctx context.Context, f Filter, page httpapi.Page) ([]Workflow, string, error) {
	who, err := principal.Authenticated(ctx)
	if err != nil {
		return nil, "", err
	}
	var from []string
	switch {
	case f.TeamID != "":
		if _, err := principal.Require(ctx, f.TeamID, principal.Observer); err != nil {
			return nil, "", err
		}
		from = []string{f.TeamID}
	case !who.PlatformAdmin:
		from = []string{}
		for team, role := range who.Teams {
			if role.AtLeast(principal.Observer) {
				from = append(from, team)
			}
		}
		slices.Sort(from)
	}
	keep := func(w Workflow) bool {
		return (f.Enabled == nil || w.Enabled == *f.Enabled) && strings.Contains(strings.ToLower(w.Name), strings.ToLower(f.Q))
	}
	list, next, err := s.Store.workflows(ctx, from, keep, page)
	if err != nil {
		return nil, "", err
	}
	return httpapi.Fit(list, next, func(w Workflow) string { return w.ID })
}

// Replace writes the next version of a workflow. A stale ifMatch is a 412.
// Runs that have begun keep the version that they began with.
func (s *Service) Replace(ctx context.Context, workflowID, ifMatch string, edit Edit) (Workflow, error) {
	was, who, err := s.open(ctx, workflowID, principal.TeamAdmin)
	if err != nil {
		return Workflow{}, err
	}
	if err := httpapi.Match(ifMatch, was.Version); err != nil {
		return Workflow{}, err
	}
	if edit.ID != "" && edit.ID != was.ID {
		return Workflow{}, problem.InvalidField("body.id", "it is the workflow's own, or left out")
	}
	if edit.TeamID != was.TeamID {
		return Workflow{}, problem.InvalidField("body.teamId", "a workflow stays with its team")
	}
	d := edit.definition()
	if err := maySend(ctx, d, was.Definition); err != nil {
		return Workflow{}, err
	}
	if err := s.check(ctx, d, told(was.Steps)); err != nil {
		return Workflow{}, err
	}
	is := was.change(d, author(who), s.Now())
	return is, s.commit(ctx, is, "workflow.updated", s.Store.replace(was, is)...)
}

// maySend refuses an API key that would send a secret of the team anywhere, or
// sign by one, but as was does already: no key reads a secret, and a request to
// an address of its choice would be a way to. A runbook that does so is reviewed.
func maySend(ctx context.Context, is, was Definition) error {
	for _, step := range is.Steps {
		names := runbook.Target{Headers: step.Headers, SignWith: step.SignWith}.SecretNames()
		if step.Type != Webhook || len(names) == 0 || slices.ContainsFunc(was.Steps, func(old Step) bool {
			return old.Type == Webhook && old.URL == step.URL && maps.Equal(old.Headers, step.Headers) && old.SignWith == step.SignWith
		}) {
			continue
		}
		if _, err := principal.RequirePerson(ctx, is.TeamID, principal.TeamAdmin); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes a workflow. Its runs stay, and those that have begun go on.
func (s *Service) Delete(ctx context.Context, workflowID string) error {
	w, _, err := s.open(ctx, workflowID, principal.TeamAdmin)
	if err != nil {
		return err
	}
	return s.commit(ctx, w, "workflow.deleted", s.Store.remove(w)...)
}

// commit writes ops with the audit event of what they do to w. A name that is
// taken and a workflow that changed since are told apart by the item that stood
// in the way.
func (s *Service) commit(ctx context.Context, w Workflow, event string, ops ...dynamo.Op) error {
	detail := map[string]any{"name": w.Name, "version": w.Version, "enabled": w.Enabled}
	ops = append(ops, s.Audit.Record(ctx, s.Now(), audit.Entry{Type: event, Subject: audit.Ref{Kind: "workflow", ID: w.ID}, TeamID: w.TeamID, Detail: detail}))
	err := dynamo.Commit(ctx, s.Store.Table.DB, ops...)
	lost, failed := dynamo.Failed(err)
	if !failed {
		return err
	}
	var held nameItem
	if err := dynamo.Decode(lost.Item, &held); err == nil && held.PK == nameKey(w).PK && held.WorkflowID != w.ID {
		return problem.New(http.StatusConflict, NameTaken, "Another workflow of the team has this name.")
	}
	return problem.Lost(err)
}

// told are the people whom steps notify by name, each once.
func told(steps []Step) []string {
	var ids []string
	for _, step := range steps {
		for _, to := range step.To {
			if id.Valid(id.User, to) && !slices.Contains(ids, to) {
				ids = append(ids, to)
			}
		}
	}
	return ids
}

// checkPeople refuses whoever is not in the team. Those in before were in it
// when the workflow was written: what was read can be written again.
func (s *Service) checkPeople(ctx context.Context, d Definition, before []string) error {
	ids := slices.DeleteFunc(told(d.Steps), func(userID string) bool { return slices.Contains(before, userID) })
	if len(ids) == 0 {
		return nil
	}
	people, err := s.People.People(ctx, ids)
	if err != nil {
		return err
	}
	people = slices.DeleteFunc(people, func(p teams.Person) bool { return p.In(d.TeamID) == principal.None })
	if len(people) < len(ids) {
		return problem.Missing()
	}
	return nil
}

// check reports what is wrong with a definition: by itself, in what it names,
// and in whom it calls. before are people that it may name in any case.
func (s *Service) check(ctx context.Context, d Definition, before []string) error {
	if err := d.check(); err != nil {
		return err
	}
	if err := s.checkPeople(ctx, d, before); err != nil {
		return err
	}
	for _, serviceID := range d.Trigger.ServiceIDs {
		if !id.Valid(id.Service, serviceID) {
			return problem.Missing()
		}
		on, found, err := s.Incidents.Service(ctx, serviceID) // a deleted one too, so that what was read can be written again
		if err != nil {
			return err
		}
		if !found || on.TeamID != d.TeamID {
			return problem.Missing()
		}
	}
	seen := map[string]bool{}
	for n, step := range d.Steps {
		if step.Type == Webhook && s.CheckURL != nil {
			if err := s.CheckURL(step.URL); err != nil {
				return located(err, fmt.Sprintf("body.steps[%d].url", n))
			}
		}
		if step.Type != Runbook || seen[step.RunbookID] {
			continue
		}
		seen[step.RunbookID] = true
		rb, err := s.Runbooks.Runbook(ctx, step.RunbookID)
		if err != nil {
			return err
		}
		if rb.TeamID != nil && rb.Team() != d.TeamID {
			return problem.Missing()
		}
	}
	return nil
}

// located says where in the body the address stands that is refused.
func located(err error, at string) error {
	p, is := errors.AsType[*problem.Error](err)
	if !is {
		return err
	}
	where := *p
	where.Fields = []problem.Field{{Location: at, Message: strings.TrimSuffix(p.Detail, ".")}}
	return &where
}

// open reads a workflow for somebody with the role in its team.
func (s *Service) open(ctx context.Context, workflowID string, min principal.Role) (Workflow, principal.Principal, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return Workflow{}, principal.Principal{}, err
	}
	if !id.Valid(id.Workflow, workflowID) {
		return Workflow{}, principal.Principal{}, problem.Missing()
	}
	w, found, err := s.Store.Workflow(ctx, workflowID)
	if err != nil {
		return Workflow{}, principal.Principal{}, err
	}
	if !found {
		return Workflow{}, principal.Principal{}, problem.Missing()
	}
	who, err := principal.Require(ctx, w.TeamID, min)
	return w, who, err
}
