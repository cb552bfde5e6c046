package workflow

import (
	"context"
	"net/http"
	"slices"

	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/template"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
)

// Start runs a workflow by hand, one that is not enabled too. The reactor lets
// it go. depth is how many workflows stand behind the caller, as X-PageFree-Depth says.
func (s *Service) Start(ctx context.Context, workflowID, incidentID string, depth int) (Run, error) {
	w, who, inc, err := s.both(ctx, workflowID, incidentID, principal.Responder)
	if err != nil {
		return Run{}, err
	}
	now := s.Now()
	run := newRun(w, inc.ID, now)
	run.ID = id.New(id.WorkflowRun, now)
	run.TriggeredBy, run.TriggeredByID, run.Unattended = ByPerson, who.ID, trust.Person.Unattended()
	if who.Kind != principal.User {
		run.TriggeredBy, run.Unattended = ByAPI, trust.Signed.Unattended()
	}
	run.Depth = depth + 1
	return s.start(ctx, run, w.Definition)
}

// both reads a workflow and an incident of its team, for somebody who has the role there.
func (s *Service) both(ctx context.Context, workflowID, incidentID string, min principal.Role) (Workflow, principal.Principal, incident.Incident, error) {
	w, who, err := s.open(ctx, workflowID, min)
	if err != nil {
		return w, who, incident.Incident{}, err
	}
	if !id.Valid(id.Incident, incidentID) {
		return w, who, incident.Incident{}, problem.Missing()
	}
	inc, found, err := s.Incidents.Incident(ctx, incidentID)
	if err != nil {
		return w, who, inc, err
	}
	if !found || who.RoleIn(inc.TeamID) == principal.None {
		return w, who, inc, problem.Missing()
	}
	if inc.TeamID != w.TeamID {
		return w, who, inc, problem.InvalidField("body.incidentId", "the incident belongs to another team than the workflow")
	}
	return w, who, inc, nil
}

// DryRun is what a run would be.
type DryRun struct {
	Matches bool      `json:"matches" doc:"whether the trigger, by any of its events, matches the incident as it is"`
	Reason  string    `json:"reason,omitempty" doc:"why it does not, or why no event starts it all the same"`
	Steps   []DryStep `json:"steps" nullable:"false"`
}

// DryStep is what a step would get, as far as that is known before the steps
// before it: what names what they give stands as it was written.
type DryStep struct {
	ID         string         `json:"id"`
	Type       string         `json:"type" enum:"runbook,webhook,notify,wait,resolve,note"`
	If         *bool          `json:"if" doc:"whether its condition holds; null where that is not known yet"`
	Condition  string         `json:"condition,omitempty" doc:"the condition itself"`
	Parameters map[string]any `json:"parameters" nullable:"false" doc:"what it gets; of a runbook step all that the script would, defaults and what the runbook fixes included, with secrets masked and long texts cut"`
	Note       string         `json:"note,omitempty" doc:"what else would come of it, such as that it waits for a person's confirmation"`
	Error      string         `json:"error,omitempty" doc:"why it would fail"`
}

// Try tells what a run of a workflow would do for an incident. Nothing is
// written and nothing runs.
func (s *Service) Try(ctx context.Context, workflowID, incidentID string) (DryRun, error) {
	w, _, inc, err := s.both(ctx, workflowID, incidentID, principal.Responder)
	if err != nil {
		return DryRun{}, err
	}
	out := DryRun{Matches: true, Steps: []DryStep{}}
	if why := w.Trigger.matches(w.Trigger.On[0], inc); why != "" {
		out.Matches, out.Reason = false, why
	} else if !w.Enabled {
		out.Reason = "It is not enabled: no event starts it."
	}
	seen, err := survey(ctx, s.Store.Table, s.Incidents, inc.ID, s.Now())
	if err != nil {
		return DryRun{}, err
	}
	for n := range w.Steps {
		step, err := s.try(ctx, w, n, seen)
		if err != nil {
			return DryRun{}, err
		}
		out.Steps = append(out.Steps, step)
	}
	return out, nil
}

// earlier begins the paths of what steps before a step give.
const earlier = "steps."

// try is what step n would get.
func (s *Service) try(ctx context.Context, w Workflow, n int, seen world) (DryStep, error) {
	of := w.Steps[n]
	runs, version, err := readRunbook(ctx, s.Runbooks, of)
	if err != nil {
		return DryStep{}, err
	}
	scope := seen.fill(w.Steps, n, nil, runs)
	scope.Later = []string{earlier}
	out := DryStep{ID: of.ID, Type: of.Type, If: new(true), Condition: of.If, Parameters: map[string]any{}}
	if of.If != "" {
		c, err := parseCondition(of.If)
		if err != nil {
			return DryStep{}, err
		}
		out.If = nil
		if !c.left.Waits(scope) {
			out.If = new(c.holds(scope))
		}
	}
	dry := step{Step: of, n: n, scope: scope, world: seen, known: version, now: seen.now,
		is: Run{WorkflowID: w.ID, WorkflowName: w.Name, WorkflowVersion: w.Version, TeamID: w.TeamID, IncidentID: seen.incident.ID}}
	if of.Type == Runbook {
		return s.rehearse(ctx, out, dry)
	}
	got, err := dry.input()
	if err != nil {
		out.Error = unresolved + err.Error()
		return out, nil
	}
	out.Parameters = got
	return out, nil
}

// maxDry bounds the texts of a runbook step in a dry run, in bytes: fifty steps
// have to fit into an answer of 6 MB.
const maxDry = 16 << 10

// rehearse is what a runbook step would start, as the run that does it: with
// the rights of the workflow's team, and what an event of the incident may start
// by itself.
func (s *Service) rehearse(ctx context.Context, out DryStep, dry step) (DryStep, error) {
	values, err := dry.values()
	if err != nil {
		out.Error = unresolved + err.Error()
		return out, nil
	}
	out.Parameters = shown(dry, values, maxDry)
	dry.is.ID, dry.is.Unattended = id.New(id.WorkflowRun, dry.now), dry.world.incident.Ceiling()
	r, err := s.Executions.Rehearse(as(ctx, dry.is), execution.Step{
		RunID: dry.is.ID, StepID: dry.ID, TeamID: dry.is.TeamID, RunbookID: dry.RunbookID, IncidentID: dry.is.IncidentID,
		Parameters: values, Unattended: dry.is.Unattended, External: dry.external(),
	}, dry.later())
	why, is := refused(err)
	if err != nil && !is {
		return DryStep{}, err
	}
	out.Error = why
	if r.Parameters != nil {
		out.Parameters = shown(dry, r.Parameters, maxDry)
	}
	switch {
	case r.Waits == "":
	case dry.known != nil && dry.known.RequiresConfirm:
		out.Note = "It would wait for a person's confirmation. " + r.Waits
	default: // a person's own run is not bound by what the incident's source proves
		out.Note = "Started by an event of this incident, it would wait for a person's confirmation. " + r.Waits
	}
	return out, nil
}

// later are the parameters of a runbook step whose values are not known yet.
func (s step) later() []string {
	var names []string
	for name, v := range s.Parameters {
		text, _ := v.(string)
		if t, err := template.Parse(text); err == nil && t.Waits(s.scope) {
			names = append(names, name)
		}
	}
	return names
}

// input is what a step that runs no runbook gets, for people to see before it does.
func (s step) input() (map[string]any, error) {
	switch s.Type {
	case Webhook:
		body, err := s.body()
		return map[string]any{"url": s.URL, "body": string(body)}, err
	case Wait:
		return map[string]any{"seconds": s.Seconds}, nil
	}
	texts := map[string]string{"note": s.Note}
	got := map[string]any{}
	switch s.Type {
	case Notify:
		texts, got["to"] = map[string]string{"subject": s.Subject, "message": s.Message}, s.To
	case Note:
		texts = map[string]string{"text": s.Text}
	}
	for name, t := range texts {
		filled, err := s.fill(t)
		if err != nil {
			return nil, err
		}
		got[name] = filled
	}
	return got, nil
}

// Run reads a run.
func (s *Service) Run(ctx context.Context, runID string) (Run, error) {
	r, _, _, err := s.openRun(ctx, runID, principal.Observer)
	return r, err
}

// openRun reads a run with its definition for somebody with the role in its team.
func (s *Service) openRun(ctx context.Context, runID string, min principal.Role) (Run, Definition, principal.Principal, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return Run{}, Definition{}, principal.Principal{}, err
	}
	if !id.Valid(id.WorkflowRun, runID) {
		return Run{}, Definition{}, principal.Principal{}, problem.Missing()
	}
	r, d, found, err := s.Store.load(ctx, runID)
	if err != nil {
		return Run{}, Definition{}, principal.Principal{}, err
	}
	if !found || s.Store.expired(r, s.Now()) {
		return Run{}, Definition{}, principal.Principal{}, problem.Missing()
	}
	who, err := principal.Require(ctx, r.TeamID, min)
	return r, d, who, err
}

// RunsOf lists the runs of a workflow, newest first.
func (s *Service) RunsOf(ctx context.Context, workflowID string, page httpapi.Page) ([]Run, string, error) {
	w, _, err := s.open(ctx, workflowID, principal.Observer)
	if err != nil {
		return nil, "", err
	}
	list, next, err := s.Store.runsOf(ctx, w.ID, page)
	return s.shown(list, next, err)
}

// RunsFor lists the runs for an incident, newest first.
func (s *Service) RunsFor(ctx context.Context, incidentID string, page httpapi.Page) ([]Run, string, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return nil, "", err
	}
	if !id.Valid(id.Incident, incidentID) {
		return nil, "", problem.Missing()
	}
	inc, found, err := s.Incidents.Incident(ctx, incidentID)
	if err != nil {
		return nil, "", err
	}
	if !found {
		return nil, "", problem.Missing()
	}
	if _, err := principal.Require(ctx, inc.TeamID, principal.Observer); err != nil {
		return nil, "", err
	}
	list, next, err := s.Store.runsFor(ctx, inc.ID, page)
	return s.shown(list, next, err)
}

// shown is a list as it may be seen: without what expired.
func (s *Service) shown(list []Run, next string, err error) ([]Run, string, error) {
	if err != nil {
		return nil, "", err
	}
	now := s.Now()
	list = slices.DeleteFunc(list, func(r Run) bool { return s.Store.expired(r, now) })
	return httpapi.Fit(list, next, func(r Run) string { return r.ID })
}

// Cancel ends a run. A script that runs for it is asked to stop as well as its
// target can do that; a request that is on its way arrives or not.
func (s *Service) Cancel(ctx context.Context, runID string) (Run, error) {
	return again(func() (Run, error) {
		was, _, who, err := s.openRun(ctx, runID, principal.Responder)
		if err != nil {
			return Run{}, err
		}
		if was.Status.Final() {
			return Run{}, problem.Transition("cancel", string(was.Status))
		}
		now := s.Now()
		is := was.next().end(Cancelled, "Cancelled by "+who.ID+".", now)
		is.Untold = true
		is = is.remind(now)
		next, err := s.release(ctx, is, now)
		if err != nil {
			return Run{}, err
		}
		ops := append(s.Store.replaceRun(was, is), next...)
		return is, dynamo.Commit(ctx, s.Store.Table.DB, append(ops, s.record(ctx, is, toldAs[Cancelled], now))...)
	})
}

// Retry lets a run that did not complete begin again at the step that it
// failed at, with the definition that it kept and a time limit of its own.
func (s *Service) Retry(ctx context.Context, runID string) (Run, error) {
	return again(func() (Run, error) {
		was, d, who, err := s.openRun(ctx, runID, principal.Responder)
		if err != nil {
			return Run{}, err
		}
		switch {
		case was.Status != Failed && was.Status != TimedOut && was.Status != Cancelled:
			return Run{}, problem.Transition("retry", string(was.Status))
		case len(d.Steps) != len(was.Steps):
			return Run{}, problem.New(http.StatusConflict, problem.InvalidTransition, "The definition of this run is not kept any more.")
		case was.Depth > outbox.MaxDepth:
			return Run{}, problem.New(http.StatusConflict, problem.InvalidTransition, "It was cut, since workflows set off one another.")
		case was.Abandoned != "":
			return Run{}, problem.New(http.StatusConflict, problem.Conflict, "The script that it ran is still being stopped. Try again.")
		}
		now := s.Now()
		is := was.next().retried(d)
		is.Unattended = trust.Person.Unattended()
		if who.Kind != principal.User { // a key proves no more than it does, even of what a person began
			is.Unattended = trust.Lower(was.Unattended, trust.Signed.Unattended())
		}
		held, err := s.Store.live(ctx, is.WorkflowID, is.IncidentID)
		if err != nil {
			return Run{}, err
		}
		is, more, err := s.admit(ctx, is, d.Concurrency, held, now)
		if err != nil {
			return Run{}, err
		}
		if is.Status.Final() {
			return Run{}, problem.New(http.StatusConflict, problem.InvalidTransition, "It cannot begin again now. %s", *is.Reason)
		}
		if is.DueAt.IsZero() {
			is.DueAt = timestamp.Of(now)
		}
		ops := append(s.Store.replaceRun(was, is), more...)
		return is, dynamo.Commit(ctx, s.Store.Table.DB, append(ops, s.record(ctx, is, "workflow.run_retried", now))...)
	})
}

// again repeats a read, a decision and its conditional write until no race is lost.
func again(do func() (Run, error)) (Run, error) {
	for range rounds {
		r, err := do()
		if _, lost := dynamo.Failed(err); lost {
			continue
		}
		if err != nil {
			return Run{}, err
		}
		return r, nil
	}
	return Run{}, dynamo.ErrContended
}
