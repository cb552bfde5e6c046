package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"pagefree/infra/local/aws"
	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/lambda"
	"pagefree/infra/local/stack"
)

// work drives the stack as its users do.
type work struct {
	stack  *stack.Stack
	api    client.Client
	people demo.Result
	out    io.Writer
}

// call sends a request as one of the demo's people and returns the body.
func (w *work) call(ctx context.Context, who, method, path string, body any) (map[string]any, error) {
	a, err := w.api.Do(ctx, method, path, w.people.Sessions[who], body)
	if err == nil && a.Status >= 300 {
		err = fmt.Errorf("%s %s: %d %s", method, path, a.Status, a.Raw)
	}
	return a.Body, err
}

func text(m map[string]any, name string) string { s, _ := m[name].(string); return s }

// ended waits for the end of an execution.
func (w *work) ended(ctx context.Context, id string) error {
	for {
		ex, err := w.call(ctx, demo.Responder, "GET", "/v1/executions/"+id, nil)
		if err != nil {
			return err
		}
		switch status := text(ex, "status"); status {
		case "PENDING", "RUNNING":
		case "COMPLETED":
			return nil
		default:
			return fmt.Errorf("%s ended %s: %s", id, status, text(ex, "error"))
		}
		if err := client.Pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// operation is one thing that users do; only what do causes is counted.
type operation struct {
	name string
	do   func(context.Context) error
	of   []string // functions whose calls count; the others work in the background
}

// operations prints the calls of DynamoDB by operation: the median of five, with the least and the most.
func (w *work) operations(ctx context.Context) error {
	me, err := w.call(ctx, demo.Lead, "GET", "/v1/me", nil)
	if err != nil {
		return err
	}
	team := text(me["teams"].([]any)[0].(map[string]any), "id")
	service, err := w.call(ctx, demo.Lead, "POST", "/v1/services", map[string]any{"name": "bench", "teamId": team})
	if err != nil {
		return err
	}
	get := func(who, path string) func(context.Context) error {
		return func(ctx context.Context) error { _, err := w.call(ctx, who, "GET", path, nil); return err }
	}
	var runbook, execution string
	serial := 0
	steps := []operation{
		{"GET /v1/me", get(demo.Responder, "/v1/me"), []string{"IdentityFunction"}},
		{"POST /v1/auth/magic-link", func(ctx context.Context) error {
			_, err := w.call(ctx, "", "POST", "/v1/auth/magic-link", map[string]any{"email": fmt.Sprintf("bench%d@pagefree.test", serial)})
			return err
		}, []string{"SigninFunction"}},
		{"POST /v1/incidents", func(ctx context.Context) error {
			_, err := w.call(ctx, demo.Responder, "POST", "/v1/incidents", map[string]any{"title": "Slow", "severity": "LOW", "serviceId": text(service, "id")})
			return err
		}, []string{"IncidentsFunction"}},
		{"GET /v1/incidents?limit=50", get(demo.Responder, "/v1/incidents"), []string{"IncidentsFunction"}},
		{"GET /v1/incidents/{id}/timeline", get(demo.Responder, "/v1/incidents/"+w.people.IncidentID+"/timeline"), []string{"IncidentsFunction"}},
		{"POST /v1/runbooks", func(ctx context.Context) error {
			serial++
			rb, err := w.call(ctx, demo.Lead, "POST", "/v1/runbooks", map[string]any{
				"name": fmt.Sprint("Bench ", serial), "teamId": team, "language": "BASH", "scriptContent": "echo bench\n", "target": map[string]any{"type": "sandbox"}})
			runbook = text(rb, "id")
			return err
		}, []string{"RunbooksFunction"}},
		{"POST .../submit", func(ctx context.Context) error {
			_, err := w.call(ctx, demo.Lead, "POST", "/v1/runbooks/"+runbook+"/versions/1/submit", nil)
			return err
		}, []string{"RunbooksFunction"}},
		{"POST .../approve", func(ctx context.Context) error {
			_, err := w.call(ctx, demo.Reviewer, "POST", "/v1/runbooks/"+runbook+"/versions/1/approve", map[string]any{})
			return err
		}, []string{"RunbooksFunction"}},
		{"GET /v1/runbooks?limit=50", get(demo.Responder, "/v1/runbooks"), []string{"RunbooksFunction"}},
		{"POST /v1/executions", func(ctx context.Context) error {
			ex, err := w.call(ctx, demo.Responder, "POST", "/v1/executions", map[string]any{"runbookId": runbook})
			execution = text(ex, "id")
			return err
		}, []string{"ExecutionsFunction"}},
		{"  its dispatch, to the end", func(ctx context.Context) error { return w.ended(ctx, execution) }, []string{"DispatcherFunction"}},
		{"POST /v1/executions, an incident's", func(ctx context.Context) error {
			ex, err := w.call(ctx, demo.Responder, "POST", "/v1/executions", map[string]any{"runbookId": runbook, "incidentId": w.people.IncidentID})
			execution = text(ex, "id")
			return err
		}, []string{"ExecutionsFunction"}},
		{"  its dispatch, to the end", func(ctx context.Context) error { return w.ended(ctx, execution) }, []string{"DispatcherFunction"}},
		{"GET /v1/executions/{id}", func(ctx context.Context) error { return get(demo.Responder, "/v1/executions/"+execution)(ctx) }, []string{"ExecutionsFunction"}},
		{"GET /v1/audit?limit=50", get(demo.Lead, "/v1/audit"), []string{"AuditFunction"}},
	}
	return w.count(ctx, steps)
}

func (w *work) count(ctx context.Context, steps []operation) error {
	const times = 5
	found := make([]map[string][]float64, len(steps))
	for i := range found {
		found[i] = map[string][]float64{}
	}
	for range times {
		for i, step := range steps {
			if !strings.HasPrefix(step.name, "  ") { // a dispatch begins while its trigger is still answered
				w.stack.Counts().Reset()
			}
			if err := step.do(ctx); err != nil {
				return fmt.Errorf("%s: %w", strings.TrimSpace(step.name), err)
			}
			for name, value := range w.counted(append([]string{"AuthorizerFunction"}, step.of...), step.of[0] == "DispatcherFunction") {
				found[i][name] = append(found[i][name], value)
			}
		}
	}
	fmt.Fprintf(w.out, "Calls of DynamoDB on the wire, median (least-most) of %d; units as the engine reckons them\n", times)
	fmt.Fprintf(w.out, "%-36s %-12s %-12s %9s %9s %5s\n", "", "authorizer", "function", "read u.", "write u.", "KMS")
	for i, step := range steps {
		f := found[i]
		fmt.Fprintf(w.out, "%-36s %-12s %-12s %9.1f %9.1f %5.0f\n", step.name, around(f["authorizer"]), around(f["function"]),
			spreadOf(f["read"]).median, spreadOf(f["written"]).median, spreadOf(f["kms"]).median)
	}
	fmt.Fprintln(w.out)
	return nil
}

// counted sums up the calls since the last reset. The authorizer is left out where the step is no request of its own.
func (w *work) counted(functions []string, background bool) map[string]float64 {
	sum := map[string]float64{"authorizer": 0, "function": 0, "read": 0, "written": 0, "kms": 0}
	for _, id := range functions {
		if background && id == "AuthorizerFunction" {
			continue
		}
		for _, c := range w.stack.Counts().Calls(aws.Call{Function: id}) {
			switch c.Service {
			case "dynamodb":
				if id == "AuthorizerFunction" {
					sum["authorizer"]++
				} else {
					sum["function"]++
				}
				sum["read"] += c.Read
				sum["written"] += c.Written
			case "kms":
				sum["kms"]++
			}
		}
	}
	return sum
}

func around(values []float64) string {
	s := spreadOf(values)
	if s.min == s.max {
		return fmt.Sprintf("%.0f", s.median)
	}
	return fmt.Sprintf("%.0f (%.0f-%.0f)", s.median, s.min, s.max)
}

// memory calls every function often and prints what it holds then.
func (w *work) memory(ctx context.Context) error {
	paths := []string{"/v1/me", "/v1/incidents", "/v1/runbooks", "/v1/executions", "/v1/audit", "/healthz", "/signin"}
	for range calls {
		for _, path := range paths {
			who := demo.Lead
			if path == "/healthz" || path == "/signin" {
				who = ""
			}
			if _, err := w.call(ctx, who, "GET", path, nil); err != nil {
				return err
			}
		}
	}
	for name, id := range w.people.RunbookIDs { // one of each language, and one that waits for review
		for range calls / 10 {
			var started []string
			for range 10 {
				ex, err := w.call(ctx, demo.Responder, "POST", "/v1/executions", map[string]any{"runbookId": id, "incidentId": w.people.IncidentID})
				if err != nil {
					if strings.Contains(err.Error(), "not_approved") {
						break
					}
					return fmt.Errorf("%s: %w", name, err)
				}
				started = append(started, text(ex, "id"))
			}
			for _, id := range started {
				if err := w.ended(ctx, id); err != nil {
					return err
				}
			}
		}
	}
	fmt.Fprintf(w.out, "Resident memory, MB, of each process (every API path was called %d times, every sandbox ran %d scripts)\n", calls, calls)
	fmt.Fprintf(w.out, "%-30s %9s %9s\n", "", "requests", "resident")
	stats := w.stack.Functions().Instances()
	slices.SortFunc(stats, func(a, b lambda.InstanceStat) int { return strings.Compare(a.Function+a.ID, b.Function+b.ID) })
	for _, s := range stats {
		mb, err := resident(s.PID)
		if err != nil {
			continue // it ended meanwhile
		}
		fmt.Fprintf(w.out, "%-30s %9d %9.1f\n", s.Function, s.Requests, mb)
	}
	fmt.Fprintln(w.out)
	return nil
}

// resident is what a process holds in memory now, in MB (proc(5), VmRSS).
func resident(pid int) (float64, error) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS")
}
