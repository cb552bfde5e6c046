package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/echo"
)

// webhook is a job for the stack's own echo target, which answers with a status.
func (w *work) webhook(status string, async bool) content {
	return content{"scriptContent": nil, "target": map[string]any{"type": "webhook", "url": w.stack.URL + "/_local/echo/" + status, "async": async}}
}

// signed is a webhook that signs by one secret and carries another in a header.
func (w *work) signed(ctx context.Context) (content, error) {
	for _, name := range []string{"bench-sign", "bench-token"} {
		if _, err := w.call(ctx, demo.Lead, "POST", "/v1/secrets", map[string]any{"name": name, "teamId": w.team, "value": "value of " + name}); err != nil {
			return nil, err
		}
	}
	c := w.webhook("200", false)
	target, _ := c["target"].(map[string]any)
	target["signWith"], target["headers"] = "bench-sign", map[string]string{"X-Token": "{{secrets.bench-token}}"}
	return c, nil
}

// delivery is what the echo target received for an execution.
func (w *work) delivery(execution string) (echo.Request, bool) {
	for _, r := range w.stack.Webhooks() {
		if strings.Contains(r.Body, execution) {
			return r, true
		}
	}
	return echo.Request{}, false
}

// received is when the echo target had the delivery of an execution, to the millisecond.
func (w *work) received(execution string) (time.Time, bool) {
	d, found := w.delivery(execution)
	at, err := time.Parse(time.RFC3339, d.At)
	return at, found && err == nil
}

// report does what the receiver of an asynchronous webhook does: it takes a
// job, and tells by its callback that it is done.
func (w *work) report(ctx context.Context, execution string) error {
	for giveUp := time.Now().Add(stalled); ; {
		if d, found := w.delivery(execution); found {
			var job struct {
				Callback struct{ Token string }
			}
			if err := json.Unmarshal([]byte(d.Body), &job); err != nil {
				return err
			}
			_, err := w.api.Want(ctx, http.StatusOK, "POST", "/v1/callbacks/"+execution, job.Callback.Token, map[string]any{"status": "COMPLETED"})
			return err
		}
		if time.Now().After(giveUp) {
			return fmt.Errorf("%s was not delivered within %v", execution, stalled)
		}
		if err := client.Pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}
