package workflow

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
	"pagefree/internal/runbook"
)

// DueRun is the kind of the due item, in the lane React, of a run that is to go
// on; its subject is the run. A run has one, at Run.DueAt, until it is over.
const DueRun = "workflow.run"

// Executions starts and stops what runbook steps run; *execution.Service does.
type Executions interface {
	Start(ctx context.Context, s execution.Step) (execution.Execution, []dynamo.Op, error)
	Hurry(ctx context.Context, e execution.Execution)
	Cancel(ctx context.Context, executionID string) (v execution.View, cannot bool, err error)
}

// Incidents resolves them; *incident.Desk does.
type Incidents interface {
	Resolve(ctx context.Context, incidentID, note string) (incident.Incident, error)
}

// Engine makes runs go on. It acts as the run itself, with the rights of a
// responder of the workflow's team. All its methods may be called again, by
// several at once, and for what is over already.
type Engine struct {
	Runs
	Desk       Incidents
	Incidents  incident.Store
	Executions Executions
	Outcomes   execution.Store
	Runbooks   runbook.Store
	Secrets    secret.Resolver
	Client     *safehttp.Client
	Later      Later
}

// Later takes messages that come back once wait is over, 15 minutes at most; queue.Queue does.
type Later interface {
	SendLater(ctx context.Context, message any, wait time.Duration) error
}

// punctual sees to it that a parked run goes on when it is due, rather than at
// the sweep after that. Where it fails, or the message is lost, its reminder stands.
func (e *Engine) punctual(ctx context.Context, parked Run, now time.Time) {
	at := parked.remind(now).DueAt
	wait := at.Sub(now)
	if wait > due.Longest {
		return
	}
	if err := e.Later.SendLater(ctx, due.React.New(DueRun, parked.ID, at.Time), max(wait, 0)); err != nil {
		slog.WarnContext(ctx, "a run goes on at the sweep after it is due", "run", parked.ID, "error", err)
	}
}

// as is the context in which a run does something.
func as(ctx context.Context, r Run) context.Context {
	ctx = principal.With(ctx, principal.Principal{
		Kind: principal.Workflow, ID: r.ID, Teams: map[string]principal.Role{r.TeamID: principal.Responder},
	})
	return outbox.WithUnattended(outbox.WithDepth(ctx, r.Depth), r.Unattended)
}

// Match begins runs of the enabled workflows of the event's team that its
// trigger matches, each of them once for an event however often that is told.
// It gives those that have something to do still, of whoever began them, for Go.
// Events that are no trigger of workflows do nothing. Where it fails, what it
// gives was begun all the same.
func (e *Engine) Match(ctx context.Context, ev outbox.Event) (runs []string, err error) {
	switch ev.Type {
	case outbox.IncidentCreated, outbox.IncidentAcknowledged, outbox.IncidentResolved, outbox.IncidentEscalated:
	default:
		return nil, nil
	}
	inc, found, err := e.Incidents.Incident(ctx, ev.About)
	if err != nil || !found {
		return nil, err
	}
	workflows, err := e.Store.enabled(ctx, inc.TeamID, ev.Type)
	if err != nil {
		return nil, err
	}
	var failed []error
	for _, w := range workflows {
		if w.Trigger.matches(ev.Type, inc) != "" {
			continue
		}
		run := newRun(w, inc.ID, e.Now())
		run.ID = runIDFor(ev.ID, w.ID)
		run.TriggeredBy, run.TriggeredByID, run.Event = ByEvent, ev.ActorID, ev.Type
		run.Depth, run.Unattended = ev.Depth+1, ev.Unattended
		if run, err = e.start(as(ctx, run), run, w.Definition); err != nil {
			failed = append(failed, err)
		} else if !run.DueAt.IsZero() {
			runs = append(runs, run.ID)
		}
	}
	return runs, errors.Join(failed...)
}

// Go lets runs go on as long as there is time. Each has its reminder, so that
// one that did not is only late.
func (e *Engine) Go(ctx context.Context, runs []string) {
	for _, runID := range runs {
		if !due.Fits(ctx, sendIn) {
			return
		}
		if err := e.Advance(ctx, runID); err != nil {
			slog.WarnContext(ctx, "a run did not go on yet", "run", runID, "error", err)
		}
	}
}

// Ended makes the run go on that waited for an execution: ev is an
// execution.ended whose detail has runId. Other events do nothing. told reports
// that the run failed by this execution, so that its failure tells of both.
func (e *Engine) Ended(ctx context.Context, ev outbox.Event) (told bool, err error) {
	runID := ev.Detail["runId"]
	if ev.Type != outbox.ExecutionEnded || runID == "" {
		return false, nil
	}
	if err := e.Advance(ctx, runID); err != nil || ev.Detail["status"] == string(execution.Completed) || !id.Valid(id.WorkflowRun, runID) {
		return false, err
	}
	run, d, found, err := e.Store.load(ctx, runID)
	return found && run.failedBy(d, ev.About), err
}

// maxMoves bounds how many transactions one Advance makes: four for a step are
// more than any needs.
const maxMoves = 4*MaxSteps + 20

// Advance does what a run has to do now. Where that is nothing, or the run is
// over or gone, it does nothing. When it returns nil, a reminder of the run that
// was due is moved or removed already.
func (e *Engine) Advance(ctx context.Context, runID string) error {
	if !id.Valid(id.WorkflowRun, runID) {
		return nil
	}
	lost := 0
	for range maxMoves {
		run, d, found, err := e.Store.load(ctx, runID)
		if err != nil || !found {
			return err
		}
		more, err := e.move(as(ctx, run), run, d)
		if _, raced := dynamo.Failed(err); raced { // somebody else moved it, or what the decision stood on
			if lost++; lost > rounds {
				return dynamo.ErrContended
			}
			continue
		}
		if err != nil || !more {
			return err
		}
	}
	return nil
}
