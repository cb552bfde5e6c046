package execution

import (
	"fmt"

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
