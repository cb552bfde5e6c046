package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"pagefree/infra/local/demo"
	"pagefree/infra/local/lambda"
	"pagefree/internal/execution/target/sandbox/protocol"
	"pagefree/internal/identity"
	"pagefree/internal/platform/timestamp"
)

// memory gives every function real work until one of its processes has
// answered as many requests as are asked for, and reads what that holds then.
func (w *work) memory(ctx context.Context) (group, error) {
	g := group{title: fmt.Sprintf("Functions: ms from exec to the first call of the Runtime API, %d rounds, all binaries in turn; memory after %d requests to one process", w.size.Rounds, w.size.Calls)}
	drivers, err := w.drivers(ctx)
	if err != nil {
		return g, err
	}
	for _, id := range slices.Sorted(maps.Keys(w.functions)) {
		r := w.functions[id]
		drive := drivers[id]
		if id == "AuthorizerFunction" { // everybody's requests pass it
			drive = drivers["IdentityFunction"]
		}
		if drive == nil {
			r.note = "nothing here calls it: add it to the drivers"
		} else if err := w.drive(ctx, id, drive); err != nil {
			return g, fmt.Errorf("%s: %w", r.name, err)
		}
	}
	// Read at the end: whoever was early has been used by others' requests since.
	for id, s := range w.busiest() {
		if s.Requests < w.size.Calls {
			continue
		}
		mb, err := residentOf(s.PID)
		if err != nil {
			return g, fmt.Errorf("memory of %s: %w", id, err)
		}
		w.functions[id].cells[resident] = []float64{mb}
	}
	for _, id := range slices.Sorted(maps.Keys(w.functions)) {
		g.rows = append(g.rows, *w.functions[id])
	}
	return g, nil
}

// busiest is the process of each function that has answered most.
func (w *work) busiest() map[string]lambda.InstanceStat {
	most := map[string]lambda.InstanceStat{}
	for _, s := range w.stack.Functions().Instances() {
		if s.Requests > most[s.Function].Requests {
			most[s.Function] = s
		}
	}
	return most
}

// drive calls a function one request at a time, which come to the process that was used last.
func (w *work) drive(ctx context.Context, id string, do func(context.Context, int) error) error {
	for n := 0; w.busiest()[id].Requests < w.size.Calls; n++ {
		if n > 20*w.size.Calls {
			return errors.New("no process of it gets that many requests")
		}
		if err := do(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// drivers are how each function gets one real request; n counts them.
func (w *work) drivers(ctx context.Context) (map[string]func(context.Context, int) error, error) {
	bash, err := w.approved(ctx, "BASH", "echo bench\n")
	if err != nil {
		return nil, err
	}
	paths := func(who string, paths ...string) func(context.Context, int) error {
		return func(ctx context.Context, n int) error {
			_, err := w.call(ctx, who, "GET", paths[n%len(paths)], nil)
			return err
		}
	}
	execute := func(ctx context.Context, n int) error {
		id, err := w.trigger(ctx, bash, w.people.IncidentID)
		if err == nil {
			err = w.ended(ctx, id)
		}
		return err
	}
	return map[string]func(context.Context, int) error{
		"IdentityFunction":          paths(demo.Lead, "/v1/me", "/v1/teams", "/v1/api-keys"),
		"IncidentsFunction":         paths(demo.Responder, "/v1/incidents", "/v1/incidents/"+w.people.IncidentID+"/timeline", "/v1/services"),
		"RunbooksFunction":          paths(demo.Lead, "/v1/runbooks", "/v1/runbooks/"+bash, "/v1/runbooks/"+bash+"/versions/1", "/v1/reviews"),
		"ExecutionsFunction":        paths(demo.Responder, "/v1/executions"),
		"AuditFunction":             paths(demo.Lead, "/v1/audit"),
		"MetaFunction":              paths("", "/healthz", "/openapi.json"),
		"SigninFunction":            paths("", "/signin", "/signin?token=pfl_unknown"),
		"DispatcherFunction":        execute,
		"SandboxBashFunction":       execute,
		"SandboxPythonFunction":     w.script("SandboxPythonFunction", protocol.Python, "print('bench')\n"),
		"SandboxJavascriptFunction": w.script("SandboxJavascriptFunction", protocol.JavaScript, "console.log('bench')\n"),
		"SigninLinkFunction": func(ctx context.Context, _ int) error {
			return w.invoke(ctx, "SigninLinkFunction", identity.OperatorRequest{Email: demo.Lead}, nil)
		},
		"SigninMailFunction": func(ctx context.Context, n int) error {
			return w.message(ctx, "SigninMailFunction", n, identity.MailRequest{Email: demo.Lead, At: timestamp.Of(time.Now()), IP: "127.0.0.1", RequestID: "bench"})
		},
		"WatchdogFunction": func(ctx context.Context, _ int) error {
			return w.invoke(ctx, "WatchdogFunction", map[string]any{"detail-type": "Scheduled Event", "source": "aws.events", "detail": map[string]any{}}, nil)
		},
	}, nil
}

// script runs one in a sandbox, as the dispatcher asks for it.
func (w *work) script(function string, language protocol.Language, script string) func(context.Context, int) error {
	return func(ctx context.Context, n int) error {
		var res protocol.Result
		err := w.invoke(ctx, function, protocol.Request{ExecutionID: fmt.Sprint("bench", n), Attempt: 1, Language: language, Script: script, TimeoutSeconds: 30}, &res)
		if err == nil && (res.ExitCode == nil || *res.ExitCode != 0 || res.Stdout != "bench\n") {
			err = fmt.Errorf("the script ended otherwise: %+v", res)
		}
		return err
	}
}

// message gives a function one message of its queue.
func (w *work) message(ctx context.Context, function string, n int, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var answer struct {
		BatchItemFailures []any `json:"batchItemFailures"`
	}
	err = w.invoke(ctx, function, map[string]any{"Records": []any{map[string]any{
		"messageId": fmt.Sprint("bench", n), "body": string(raw), "eventSource": "aws:sqs",
	}}}, &answer)
	if err == nil && len(answer.BatchItemFailures) > 0 {
		err = errors.New("it did not handle its message")
	}
	return err
}

// invoke calls a function and reads its answer into out, unless that is nil.
func (w *work) invoke(ctx context.Context, function string, event, out any) error {
	payload, err := json.Marshal(event)
	if err != nil {
		return err
	}
	res, err := w.stack.Functions().Invoke(ctx, lambda.Request{Function: function, Payload: payload})
	if err != nil {
		return err
	}
	if res.FunctionError != "" {
		return fmt.Errorf("it failed: %s", res.Payload)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(res.Payload, out)
}

// residentOf is what a process holds in memory now, in MB (proc(5), VmRSS).
func residentOf(pid int) (float64, error) {
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
	return 0, errors.New("no VmRSS")
}
