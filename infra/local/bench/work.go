package bench

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/stack"
)

// work drives the stack as its users do.
type work struct {
	stack     *stack.Stack
	api       client.Client
	people    demo.Result
	size      Size
	functions map[string]*row // by logical id
	team      string
	service   string
	pages     pages
	senders   map[string]*sender // by provider
	topic     *topic
	workflow  string // its id
	serial    int
	sent      atomic.Int64 // deliveries, and troubles that they tell of
	shares    []group      // where the time of an execution goes, by throughput
}

// prepare makes what all measurements need.
func (w *work) prepare(ctx context.Context) error {
	me, err := w.call(ctx, demo.Lead, "GET", "/v1/me", nil)
	if err != nil {
		return err
	}
	teams, _ := me["teams"].([]any)
	if len(teams) == 0 {
		return fmt.Errorf("%s is in no team", demo.Lead)
	}
	team, _ := teams[0].(map[string]any)
	w.team = text(team, "id")
	service, err := w.call(ctx, demo.Lead, "POST", "/v1/services", map[string]any{"name": "bench", "teamId": w.team})
	if w.service = text(service, "id"); err != nil {
		return err
	}
	if err := w.connect(ctx); err != nil {
		return err
	}
	if w.workflow, err = w.react(ctx); err != nil {
		return err
	}
	return w.publish(ctx)
}

// call sends a request as one of the demo's people and returns the body. When
// there are too many it waits for as long as it is told.
func (w *work) call(ctx context.Context, who, method, path string, body any) (map[string]any, error) {
	for {
		a, err := w.api.Do(ctx, method, path, w.people.Sessions[who], body)
		if err == nil && a.Status == http.StatusTooManyRequests {
			seconds, _ := strconv.Atoi(a.Header.Get("Retry-After"))
			if err = client.Pause(ctx, max(time.Duration(seconds)*time.Second, 100*time.Millisecond)); err == nil {
				continue
			}
		}
		if err == nil && a.Status >= 300 {
			err = fmt.Errorf("%s %s: %d %s", method, path, a.Status, a.Raw)
		}
		return a.Body, err
	}
}

func text(m map[string]any, name string) string { s, _ := m[name].(string); return s }

// content is a version's members: what runs, and where.
type content map[string]any

// scripted is a script in the sandbox.
func scripted(language, script string) content {
	return content{"language": language, "scriptContent": script, "target": map[string]any{"type": "sandbox"}}
}

// onNode is a script on a managed node.
func onNode(script string) content {
	return content{"language": "BASH", "scriptContent": script, "target": map[string]any{"type": "ssm", "instanceIds": []string{"mi-local"}}}
}

// write makes a runbook that still waits to be submitted, and returns its id.
func (w *work) write(ctx context.Context, c content) (string, error) {
	w.serial++
	body := map[string]any{"name": fmt.Sprint("Bench ", w.serial), "teamId": w.team, "language": "BASH", "concurrency": 100}
	maps.Copy(body, c)
	rb, err := w.call(ctx, demo.Lead, "POST", "/v1/runbooks", body)
	return text(rb, "id"), err
}

func (w *work) submit(ctx context.Context, runbook string) error {
	_, err := w.call(ctx, demo.Lead, "POST", "/v1/runbooks/"+runbook+"/versions/1/submit", nil)
	return err
}

func (w *work) approve(ctx context.Context, runbook string) error {
	_, err := w.call(ctx, demo.Reviewer, "POST", "/v1/runbooks/"+runbook+"/versions/1/approve", map[string]any{})
	return err
}

// approved makes a runbook that may run.
func (w *work) approved(ctx context.Context, c content) (string, error) {
	runbook, err := w.write(ctx, c)
	if err == nil {
		err = w.submit(ctx, runbook)
	}
	if err == nil {
		err = w.approve(ctx, runbook)
	}
	return runbook, err
}

// trigger starts an execution and returns its id. incident may be "".
func (w *work) trigger(ctx context.Context, runbook, incident string) (string, error) {
	body := map[string]any{"runbookId": runbook}
	if incident != "" {
		body["incidentId"] = incident
	}
	ex, err := w.call(ctx, demo.Responder, "POST", "/v1/executions", body)
	return text(ex, "id"), err
}

// ended waits until an execution is completed. Any other end is an error.
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
