package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"pagefree/internal/platform/id"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/trust"
	"pagefree/internal/runbook"
)

// withinSeal holds what decides how often an execution runs, for how long, and
// among whose live runs it counts against what was approved: all of it lay in
// the table since the trigger, and is what retries and followers go by.
func (c candidate) withinSeal() error {
	e, ver := c.execution, c.version
	switch {
	case e.MaxAttempts > 1+ver.MaxRetries || e.Attempt < 1 || e.Attempt > e.MaxAttempts:
		return fmt.Errorf("%w: attempt %d of %d, and %d retries were approved", runbook.ErrSealBroken, e.Attempt, e.MaxAttempts, ver.MaxRetries)
	case e.Timeout != ver.TimeoutSeconds:
		return fmt.Errorf("%w: its time limit is %d s, and %d s were approved", runbook.ErrSealBroken, e.Timeout, ver.TimeoutSeconds)
	case c.incident != nil && e.ServiceID != c.incident.ServiceID || e.IncidentID == nil && e.ServiceID != "":
		return fmt.Errorf("%w: it counts among the runs of another service", runbook.ErrSealBroken)
	}
	return nil
}

// withinCeiling holds what set an execution off against the risk that was
// sealed: one that a workflow started runs only if its trigger proved enough, or
// a person confirmed it. What names a run in one place must name it in each:
// else an altered row would pass as somebody's own.
func (e Execution) withinCeiling(ver runbook.Version) error {
	byRun := e.TriggeredBy == ByWorkflow
	if byRun != (e.RunID != "") || byRun != strings.HasPrefix(e.TriggeredByID, id.WorkflowRun+"_") || byRun && e.RunID != e.TriggeredByID {
		return fmt.Errorf("%w: it is not clear whether a workflow started it", runbook.ErrSealBroken)
	}
	person := e.ConfirmedByID != nil && strings.HasPrefix(*e.ConfirmedByID, id.User+"_")
	if byRun && !person && !e.Unattended.Covers(trust.Risk(ver.Risk)) {
		return fmt.Errorf("%w: its trigger may start %q by itself, its risk is %s, and nobody confirmed it", runbook.ErrSealBroken, e.Unattended, ver.Risk)
	}
	return nil
}

// Hider encrypts the values of an execution's secret parameters, for the one
// who sends it alone. *secret.Key does.
type Hider interface {
	Hide(ctx context.Context, subject string, text []byte) ([]byte, error)
}

// Revealer opens what a Hider hid for the same subject: secret.ErrHidden is
// anything else.
type Revealer interface {
	Reveal(ctx context.Context, subject string, hidden []byte) ([]byte, error)
}

// hide takes the values of secret parameters out of an execution before it is
// stored. Who reads the table, its stream or a backup does not read them.
func (e Execution) hide(ctx context.Context, h Hider, values map[string]any) (Execution, error) {
	if len(e.Secret) == 0 {
		return e, nil
	}
	hidden := map[string]any{}
	for _, name := range e.Secret {
		hidden[name] = values[name]
	}
	raw, err := encode(hidden)
	if err != nil {
		return e, err
	}
	if e.Hidden, err = h.Hide(ctx, e.ID, []byte(raw)); err != nil {
		p := problem.New(http.StatusServiceUnavailable, problem.Unavailable, "The secret parameters cannot be encrypted now, and nothing was started. Try again.")
		p.Cause = err
		return e, p
	}
	e.Parameters = e.withoutSecrets()
	return e, nil
}

// reveal puts the values of secret parameters back in their places.
func (e Execution) reveal(ctx context.Context, r Revealer, values map[string]any) error {
	if len(e.Hidden) == 0 { // there are none, or a release before kept them among the others
		if slices.ContainsFunc(e.Secret, func(name string) bool { return values[name] == masked }) {
			return fmt.Errorf("%w: its secret parameters are gone", runbook.ErrSealBroken)
		}
		return nil
	}
	raw, err := r.Reveal(ctx, e.ID, e.Hidden)
	if errors.Is(err, secret.ErrHidden) {
		return fmt.Errorf("%w: its secret parameters: %w", runbook.ErrSealBroken, err)
	}
	if err != nil {
		return err
	}
	hidden := map[string]any{}
	if err := json.Unmarshal(raw, &hidden); err != nil {
		return fmt.Errorf("%w: its secret parameters are no JSON", runbook.ErrSealBroken)
	}
	maps.Copy(values, hidden)
	return nil
}

// confidential are the values of secret parameters, as a script gets them.
func confidential(params []runbook.Parameter, env map[string]string) []string {
	var values []string
	for _, p := range params {
		if v, set := env["PF_"+p.Name]; set && p.Secret {
			values = append(values, v)
		}
	}
	return values
}
