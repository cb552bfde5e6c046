package execution

import (
	"context"
	"errors"

	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
)

// Asked is what a runbook asks of whoever wants to run it.
type Asked struct {
	Version runbook.Version   // that would run
	Filled  map[string]any    // values of the parameters that it fixes, as a trigger would fill them now
	Missing map[string]string // why one of them has no value here, in words
	Paused  string            // why nothing would be started now, "" if it would
}

// Ask shows what a runbook asks for, without any values. It refuses what
// Trigger would refuse before it looks at values, but for a pause, which passes.
func (s *Service) Ask(ctx context.Context, runbookID string, incidentID *string) (Asked, error) {
	p, err := s.admit(ctx, Request{RunbookID: runbookID, IncidentID: incidentID})
	if err != nil {
		return Asked{}, err
	}
	a := Asked{Version: p.version, Filled: map[string]any{}, Missing: map[string]string{}}
	if why, ok := errors.AsType[*problem.Error](p.brakes.paused()); ok {
		a.Paused = why.Detail
	}
	fill := s.resolver(ctx, p.runbook, p.incident)
	for _, param := range p.version.Parameters {
		if param.Template == "" {
			continue
		}
		values, err := runbook.Values([]runbook.Parameter{param}, nil, fill)
		switch why, ok := errors.AsType[*problem.Error](err); {
		case err == nil && param.Secret:
			a.Filled[param.Name] = masked
		case err == nil:
			a.Filled[param.Name] = values[param.Name]
		case ok && len(why.Fields) > 0:
			a.Missing[param.Name] = why.Fields[0].Message
		default:
			return Asked{}, err
		}
	}
	return a, nil
}
