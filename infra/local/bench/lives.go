package bench

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"pagefree/infra/local/aws"
	"pagefree/infra/local/demo"
)

// life is an execution from its trigger to its end, through every function
// that has to do with it but the authorizer.
type life struct {
	name     string
	runs     content
	incident bool
	calls    float64 // of DynamoDB, aimed at; 0 for no aim
	// delivered finds, after the end, when the target was reached.
	delivered func(execution string) (time.Time, bool)
	// meanwhile is what somebody else has to do before it ends; nil for nothing.
	meanwhile func(ctx context.Context, execution string) error
}

// throughLife are the functions that all calls count of, beside the trigger's.
var throughLife = []string{"DispatcherFunction", "CallbacksFunction", "CommandsFunction"}

// lives counts what a whole execution costs, and how long it takes until its target has it. A target is added by a line.
func (w *work) lives(ctx context.Context) (group, error) {
	script := scripted("BASH", "echo bench\n")
	signed, err := w.signed(ctx)
	if err != nil {
		return group{}, err
	}
	list := []life{
		{name: "a webhook execution", runs: w.webhook("200", false), calls: aimCalls, delivered: w.received},
		{name: "a webhook execution, signed, with a secret in a header", runs: signed, calls: aimCalls, delivered: w.received},
		{name: "a webhook execution, for an incident", runs: w.webhook("200", false), incident: true, delivered: w.received},
		{name: "a webhook execution, asynchronous, with its callback", runs: w.webhook("202", true), delivered: w.received, meanwhile: w.report},
		{name: "a sandbox execution", runs: script, delivered: w.called("lambda", "Invoke")},
		{name: "a sandbox execution, for an incident", runs: script, incident: true, delivered: w.called("lambda", "Invoke")},
		{name: "an ssm execution, until its end is announced", runs: onNode("echo bench\n"), delivered: w.called("ssm", "SendCommand")},
	}
	g := group{title: fmt.Sprintf("Executions: calls over their whole life behind the authorizer, ms from the trigger's first byte until the target has it, %d times each", w.size.Times)}
	for _, l := range list {
		r := row{name: l.name, cells: map[column][]float64{}, aims: map[column]float64{}}
		if l.calls > 0 {
			r.aims[databaseCalls] = l.calls
		}
		runbook, err := w.approved(ctx, l.runs)
		if err != nil {
			return g, fmt.Errorf("%s: %w", l.name, err)
		}
		incident := ""
		if l.incident {
			incident = w.people.IncidentID
		}
		for range w.size.Times {
			if err := w.live(ctx, l, runbook, incident, r.cells); err != nil {
				return g, fmt.Errorf("%s: %w", l.name, err)
			}
		}
		g.rows = append(g.rows, r)
	}
	return g, nil
}

// live runs one execution to its end. Looking whether it has ended costs calls
// too: of the function that both do, only those of the trigger count.
func (w *work) live(ctx context.Context, l life, runbook, incident string, cells map[column][]float64) error {
	if err := w.drained(ctx, "DispatcherFunction"); err != nil { // what went before is over
		return err
	}
	w.stack.Counts().Reset()
	body := map[string]any{"runbookId": runbook}
	if incident != "" {
		body["incidentId"] = incident
	}
	began := time.Now()
	a, err := w.api.Want(ctx, http.StatusAccepted, "POST", "/v1/executions", w.people.Sessions[demo.Responder], body)
	if err != nil {
		return err
	}
	id := a.Text("id")
	if l.meanwhile != nil {
		if err := l.meanwhile(ctx, id); err != nil {
			return err
		}
	}
	if err := w.ended(ctx, id); err != nil {
		return err
	}
	if err := w.drained(ctx, "DispatcherFunction"); err != nil {
		return err
	}
	at, ok := l.delivered(id)
	if !ok {
		return fmt.Errorf("%s never came to its target", id)
	}
	cells[took] = append(cells[took], milliseconds(at.Sub(began)))
	calls := w.stack.Counts().Calls(aws.Call{Function: "ExecutionsFunction", TraceID: a.Header.Get("X-Amzn-Trace-Id")})
	for _, id := range throughLife {
		calls = append(calls, w.stack.Counts().Calls(aws.Call{Function: id})...)
	}
	sum(cells, calls)
	return nil
}

// called is when the dispatcher called a service of AWS, since the last reset.
func (w *work) called(service, operation string) func(string) (time.Time, bool) {
	return func(string) (time.Time, bool) {
		calls := w.stack.Counts().Calls(aws.Call{Function: "DispatcherFunction", Service: service, Operation: operation})
		if len(calls) == 0 {
			return time.Time{}, false
		}
		return calls[0].At, true
	}
}
