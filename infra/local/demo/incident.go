package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"pagefree/infra/local/client"
)

// remedy handles the incident. What takes its time is started first and looked at last.
func (d *demo) remedy(ctx context.Context) error {
	if err := d.open(ctx); err != nil {
		return err
	}
	if !d.whole {
		for _, name := range []string{freeDisk, budget, drain} {
			if _, err := d.runs(ctx, name); err != nil {
				return err
			}
		}
		return nil
	}
	slow, two, err := d.improve(ctx)
	if err != nil {
		return err
	}
	long, err := d.start(ctx, restart, map[string]any{"GRACE": 25})
	if err != nil {
		return err
	}
	d.say("responder runs %q with GRACE=25, on the node", restart)
	for _, name := range []string{freeDisk, budget, restart} {
		if _, err := d.runs(ctx, name); err != nil {
			return err
		}
	}
	if err := d.signed(ctx); err != nil {
		return err
	}
	if err := d.called(ctx); err != nil {
		return err
	}
	if err := d.cancel(ctx, long.Text("id")); err != nil {
		return err
	}
	return d.rollback(ctx, slow, two)
}

// open makes the incident, or finds the open one that has its key.
func (d *demo) open(ctx context.Context) error {
	a, err := d.Do(ctx, "POST", "/v1/incidents", d.sessions[Responder], map[string]any{
		"title": "Checkout answers slowly: disk of web-3 is full", "severity": "HIGH", "serviceId": d.services["checkout"],
		"description": "95th percentile above 4 s for ten minutes.", "labels": map[string]string{"zone": "eu-1", "host": "web-3"}, "dedupKey": "checkout-disk",
	})
	if err != nil {
		return err
	}
	if a.Status != http.StatusCreated && a.Status != http.StatusOK {
		return fmt.Errorf("make an incident: %d %s", a.Status, a.Raw)
	}
	d.incident = a.Text("id")
	d.say("%s, %s: %s", d.incident, a.Text("severity"), a.Text("title"))
	if !d.whole || a.Text("status") != "TRIGGERED" {
		return nil
	}
	if _, err := d.as(ctx, Responder, http.StatusOK, "POST", "/v1/incidents/"+d.incident+"/acknowledge", nil); err != nil {
		return err
	}
	d.say("responder works on it")
	return d.note(ctx, "web-3 writes 2 GiB of logs an hour since the release of this morning. Freeing the disk first.")
}

// note puts words of the responder on the incident's timeline.
func (d *demo) note(ctx context.Context, text string) error {
	_, err := d.as(ctx, Responder, http.StatusCreated, "POST", "/v1/incidents/"+d.incident+"/notes", map[string]any{"text": text})
	return err
}

// start triggers a runbook for the incident.
func (d *demo) start(ctx context.Context, name string, parameters map[string]any) (client.Answer, error) {
	body := map[string]any{"runbookId": d.runbooks[name], "incidentId": d.incident}
	if parameters != nil {
		body["parameters"] = parameters
	}
	return d.as(ctx, Responder, http.StatusAccepted, "POST", "/v1/executions", body)
}

// runs runs a sample, shows what came of it, and returns the execution's id.
func (d *demo) runs(ctx context.Context, name string) (string, error) {
	s := byName(name)
	started, err := d.start(ctx, name, nil)
	if err != nil {
		return "", err
	}
	warned := ""
	if s.deprecated != "" {
		if warned = ", with a warning"; !strings.Contains(fmt.Sprint(started.Body["warnings"]), s.deprecated) {
			return "", fmt.Errorf("%s is deprecated, and nobody was warned: %s", name, started.Raw)
		}
	}
	a, err := d.ended(ctx, started.Text("id"))
	if err != nil {
		return "", err
	}
	if got := a.Text("status"); got != "COMPLETED" || !strings.Contains(a.Text("stdout"), s.want) {
		return "", fmt.Errorf("%s ended %s, want COMPLETED with %q in its output: %s", name, got, s.want, a.Raw)
	}
	d.say("responder runs %q (%s): COMPLETED%s", name, s.how(), warned)
	if s.script != "" {
		d.output(a.Text("stdout"))
	}
	return a.Text("id"), nil
}

// improve has a version 2 approved that is wrong, and runs it. It returns the execution and the version's number.
func (d *demo) improve(ctx context.Context) (execution string, n int, err error) {
	id := d.runbooks[drain]
	content := byName(drain).content(d)
	content["scriptContent"], content["timeoutSeconds"], content["changeNote"] = patient, 5, "waits for the connections to close"
	v, err := d.version(ctx, id, content, false)
	if err != nil {
		return "", 0, err
	}
	at := "/v1/runbooks/" + id
	if v.approved {
		_, err = d.as(ctx, Lead, http.StatusOK, "POST", at+"/rollback", map[string]any{"version": v.n, "reason": "the demo shows it again"})
		d.say("version %d of %q serves again, and is wrong", v.n, drain)
	} else {
		_, err = d.as(ctx, Reviewer, http.StatusOK, "POST", fmt.Sprintf("%s/versions/%d/approve", at, v.n), map[string]any{})
		d.say("version %d of %q: written by lead, approved by reviewer, and wrong", v.n, drain)
	}
	if err != nil {
		return "", 0, err
	}
	started, err := d.start(ctx, drain, nil)
	d.say("responder runs it; it is given 5 s")
	return started.Text("id"), v.n, err
}

// rollback sees the wrong version run out of time, goes back, and runs again.
func (d *demo) rollback(ctx context.Context, execution string, n int) error {
	a, err := d.ended(ctx, execution)
	if err != nil {
		return err
	}
	if a.Text("status") != "TIMEOUT" || a.Body["versionUsed"] != float64(n) || a.Body["exitCode"] != nil {
		return fmt.Errorf("version %d of %q: got %s", n, drain, a.Raw)
	}
	d.say("version %d of %q ran for its 5 s: TIMEOUT", n, drain)
	d.output(a.Text("stdout"))
	good := d.versions[drain]
	reason := "it waits for connections that nobody closes"
	back, err := d.as(ctx, Lead, http.StatusOK, "POST", "/v1/runbooks/"+d.runbooks[drain]+"/rollback", map[string]any{"version": good, "reason": reason})
	if err != nil {
		return err
	}
	if back.Body["approvedVersion"] != float64(good) {
		return fmt.Errorf("rolled back to version %d: got %s", good, back.Raw)
	}
	d.say("lead rolls back to version %d: %s", good, reason)
	_, err = d.runs(ctx, drain)
	return err
}

// cancel ends what runs on a node.
func (d *demo) cancel(ctx context.Context, execution string) error {
	if err := d.until(ctx, execution, "RUNNING"); err != nil {
		return err
	}
	if _, err := d.as(ctx, Responder, http.StatusOK, "POST", "/v1/executions/"+execution+"/cancel", nil); err != nil {
		return err
	}
	a, err := d.ended(ctx, execution)
	if err != nil {
		return err
	}
	if a.Text("status") != "CANCELLED" {
		return fmt.Errorf("what was cancelled: got %s", a.Raw)
	}
	d.say("responder cancels %q with GRACE=25 in its sleep: CANCELLED", restart)
	return nil
}

// delivery is what the stack's echo target received.
type delivery struct {
	Path, Body string
	Headers    map[string]string
}

// delivered waits for the webhook of an execution.
func (d *demo) delivered(ctx context.Context, execution string) (delivery, error) {
	for {
		var all []delivery
		a, err := d.Want(ctx, http.StatusOK, "GET", "/_local/webhooks", "", nil)
		if err != nil {
			return delivery{}, err
		}
		if err := json.Unmarshal([]byte(a.Raw), &all); err != nil {
			return delivery{}, fmt.Errorf("/_local/webhooks: %w", err)
		}
		for _, one := range all {
			if strings.Contains(one.Body, execution) {
				return one, nil
			}
		}
		if err := client.Pause(ctx, 50*time.Millisecond); err != nil {
			return delivery{}, fmt.Errorf("the webhook of %s did not arrive: %w", execution, err)
		}
	}
}

// signed runs the announcement, and checks it as its receiver would.
func (d *demo) signed(ctx context.Context) error {
	id, err := d.runs(ctx, announce)
	if err != nil {
		return err
	}
	got, err := d.delivered(ctx, id)
	if err != nil {
		return err
	}
	headers := http.Header{}
	for name, value := range got.Headers {
		headers.Set(name, value)
	}
	verifier, err := standardwebhooks.NewWebhook(d.signing)
	if err != nil {
		return err
	}
	if err := verifier.Verify([]byte(got.Body), headers); err != nil {
		return fmt.Errorf("the signature of %s: %w", got.Path, err)
	}
	d.say("the receiver verifies its signature with a Standard Webhooks library")
	return nil
}

// called runs the webhook whose receiver accepts a job, and then reports by a callback: here the demo is the receiver.
func (d *demo) called(ctx context.Context) error {
	started, err := d.start(ctx, scale, nil)
	if err != nil {
		return err
	}
	id := started.Text("id")
	got, err := d.delivered(ctx, id)
	if err != nil {
		return err
	}
	var job struct{ Callback struct{ URL, Token string } }
	if err := json.Unmarshal([]byte(got.Body), &job); err != nil {
		return fmt.Errorf("the webhook of %s: %w", id, err)
	}
	if err := d.until(ctx, id, "RUNNING"); err != nil {
		return err
	}
	d.say("responder runs %q (webhook, async): 202 from the receiver, RUNNING", scale)
	path, ours := strings.CutPrefix(job.Callback.URL, d.URL)
	if !ours {
		return fmt.Errorf("the callback goes to %s, want it below %s", job.Callback.URL, d.URL)
	}
	report := map[string]any{"status": "COMPLETED", "exitCode": 0, "stdout": "added 2 servers to checkout\n"}
	if _, err := d.Want(ctx, http.StatusOK, "POST", path, job.Callback.Token, report); err != nil {
		return err
	}
	a, err := d.ended(ctx, id)
	if err != nil {
		return err
	}
	if a.Text("status") != "COMPLETED" || a.Text("stdout") != report["stdout"] {
		return fmt.Errorf("%s after its callback: got %s", scale, a.Raw)
	}
	d.say("the receiver calls back with the token that it was sent: COMPLETED")
	d.output(a.Text("stdout"))
	return nil
}

// ended waits for the end of an execution.
func (d *demo) ended(ctx context.Context, id string) (client.Answer, error) {
	return d.awaits(ctx, id, func(status string) bool { return status != "PENDING" && status != "RUNNING" })
}

// until waits until an execution is in a state, and fails when it ends in another.
func (d *demo) until(ctx context.Context, id, want string) error {
	a, err := d.awaits(ctx, id, func(status string) bool { return status != "PENDING" })
	if err == nil && a.Text("status") != want {
		err = fmt.Errorf("waited for %s: got %s", want, a.Raw)
	}
	return err
}

func (d *demo) awaits(ctx context.Context, id string, is func(status string) bool) (client.Answer, error) {
	for {
		a, err := d.as(ctx, Responder, http.StatusOK, "GET", "/v1/executions/"+id, nil)
		if err != nil || is(a.Text("status")) {
			return a, err
		}
		if err := client.Pause(ctx, 50*time.Millisecond); err != nil {
			return a, fmt.Errorf("%s is still %s: %w", id, a.Text("status"), err)
		}
	}
}

func byName(name string) sample {
	for _, s := range samples {
		if s.name == name {
			return s
		}
	}
	panic("no sample is called " + name)
}
