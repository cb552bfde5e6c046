package execution_test

import (
	"testing"

	"pagefree/internal/execution"
	"pagefree/internal/runbook"
)

// TestTold: what may be mailed of a failure holds no word of a webhook's receiver.
func TestTold(t *testing.T) {
	t.Parallel()
	one := 1
	for name, test := range map[string]struct {
		target, err string
		exit        *int
		want        string
	}{
		"a script's":                     {runbook.Sandbox, "ended by signal 9", nil, "ended by signal 9"},
		"of a node":                      {runbook.SSM, "mi-1: exit code 1; mi-2: exit code 1", nil, "mi-1: exit code 1; mi-2: exit code 1"},
		"a receiver's words":             {runbook.Webhook, "hunter2", nil, "the receiver reported a failure"},
		"and its exit code":              {runbook.Webhook, "hunter2", &one, "exit code 1"},
		"a code with words":              {runbook.Webhook, "timeout: hunter2", nil, "timeout"},
		"a status":                       {runbook.Webhook, "http 500: hunter2", nil, "http 500"},
		"what looks like a status":       {runbook.Webhook, "https://hunter2", nil, "the receiver reported a failure"},
		"a code of ours, of our sending": {runbook.Webhook, "secret_missing: there is no secret api", nil, "secret_missing"},
		"nothing":                        {runbook.Webhook, "", nil, ""},
	} {
		e := execution.Execution{Target: runbook.Target{Type: test.target}, ExitCode: test.exit}
		if test.err != "" {
			e.Error = &test.err
		}
		if got := e.Told(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
