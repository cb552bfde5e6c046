package execution

import (
	"context"

	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/trust"
	"pagefree/internal/runbook"
)

// Step is a step of a workflow's run that starts a runbook.
type Step struct {
	RunID, StepID string
	TeamID        string // of the workflow
	RunbookID     string
	IncidentID    string
	Parameters    map[string]string // texts, converted to the types that the runbook declares
	Unattended    trust.Risk        // the highest risk that what set the run off may start by itself
	Depth         int               // how many workflows stand behind it, this one included
	External      bool              // its parameters hold values that came from outside
}

// Start makes the execution of a step, as the run in whose name the context
// is: its principal has the kind Workflow, the run's id, and the role RESPONDER
// in the workflow's team. It gives the execution and its writes, for the
// transaction that parks the step; Hurry sends what was committed on its way.
// What may not run is a *problem.Error, as it is for Trigger.
func (s *Service) Start(ctx context.Context, step Step) (Execution, []dynamo.Op, error) {
	who, err := principal.Require(ctx, step.TeamID, principal.Responder)
	if err != nil {
		return Execution{}, nil, err
	}
	if who.Kind != principal.Workflow || who.ID != step.RunID {
		return Execution{}, nil, problem.Denied("Only a workflow's run starts a step.")
	}
	req := Request{RunbookID: step.RunbookID, Parameters: map[string]any{}}
	if step.IncidentID != "" {
		req.IncidentID = &step.IncidentID
	}
	for name, value := range step.Parameters {
		req.Parameters[name] = runbook.Text(value)
	}
	p, err := s.prepare(ctx, req)
	if err != nil {
		return Execution{}, nil, err
	}
	if err := p.brakes.paused(); err != nil {
		return Execution{}, nil, err
	}
	now := s.Now()
	e, err := p.execution(now).hide(ctx, s.Hidden, p.values)
	if err != nil {
		return Execution{}, nil, err
	}
	ops := append(s.Journal.tell(ctx, e, now, "execution.triggered", map[string]any{"runbookId": e.RunbookID, "version": e.VersionUsed}),
		s.Store.create(e), due.Put(s.Store.Table, dueItem(e)))
	return e, ops, nil
}

// Hurry sends an execution that Start made, and that was committed, to the
// dispatcher. One that waits for its confirmation, or whose message is lost, needs nothing.
func (s *Service) Hurry(ctx context.Context, e Execution) {
	if e.Status == Pending {
		s.enqueue(ctx, e, 0)
	}
}
