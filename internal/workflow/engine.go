package workflow

import (
	"context"

	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/outbox"
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
}

// Match starts runs of the enabled workflows of the event's team that its
// trigger matches, each of them once for an event however often that is told.
// Events that are no trigger of workflows do nothing.
func (e *Engine) Match(ctx context.Context, ev outbox.Event) error { return nil }

// Ended makes the run go on that waited for an execution: ev is an
// execution.ended whose detail has runId. Other events do nothing.
func (e *Engine) Ended(ctx context.Context, ev outbox.Event) error { return nil }

// Advance does what a run has to do now. Where that is nothing, or the run is
// over or gone, it does nothing. When it returns nil, a reminder of the run that
// was due is moved or removed already.
func (e *Engine) Advance(ctx context.Context, runID string) error { return nil }
