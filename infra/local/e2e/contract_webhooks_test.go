package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// delivery is what the echo target received.
type delivery struct {
	Method, Path, Body string
	Headers            map[string]string
}

func (d delivery) json(t *testing.T) object {
	t.Helper()
	var o object
	if err := json.Unmarshal([]byte(d.Body), &o); err != nil {
		t.Fatalf("%v: %s", err, d.Body)
	}
	return o
}

// deliveries are those that name an execution, oldest first.
func (c *contract) deliveries(t *testing.T, execution string) []delivery {
	t.Helper()
	res, err := http.Get(c.api.URL + "/_local/webhooks")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var all, mine []delivery
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if strings.Contains(d.Body, execution) {
			mine = append([]delivery{d}, mine...)
		}
	}
	return mine
}

// webhook is the content of a runbook whose receiver is the echo target.
func (c *contract) webhook(path string, target object, members ...any) object {
	return with(object{"target": with(target, "type", "webhook", "url", c.api.URL+"/_local/echo/"+path), "scriptContent": nil, "timeoutSeconds": 20}, members...)
}

// reaches waits until an execution is in a state.
func (c *contract) reaches(t *testing.T, id string, is func(object) bool) object {
	t.Helper()
	for end := time.Now().Add(40 * time.Second); ; {
		a := c.want(t, responder, "GET /v1/executions/"+id, nil, 200, "")
		if is(a.Body) {
			return a.Body
		}
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", a.Raw)
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// contractWebhooks: what goes out to a receiver, and what becomes of its answer.
func contractWebhooks(t *testing.T, c *contract) {
	const value = "s3cr3t-value-of-awx"
	name := fmt.Sprintf("hook-%d", c.names.Add(1))
	c.want(t, lead, "POST /v1/secrets", object{"name": name, "teamId": c.team, "value": value}, 201, "")
	c.want(t, lead, "POST /v1/secrets", object{"name": name + "-sign", "teamId": c.team, "value": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, 201, "")

	t.Run("a delivery is whole, signed and on record without its secrets", func(t *testing.T) {
		id := c.ready(t, c.webhook("200?a=b", object{"headers": object{"X-Token": "Bearer {{secrets." + name + "}}"}, "signWith": name + "-sign"},
			"scriptContent", "echo hi\n", "parameters", []any{object{"name": "COUNT", "type": "integer", "default": 3}}))
		a := c.run(t, responder, object{"runbookId": id, "incidentId": c.incident})
		if a.Text("status") != "COMPLETED" || strings.TrimSpace(a.Text("stdout")) != "{}" || a.Body["exitCode"] != nil || strings.Contains(a.Raw, value) {
			t.Errorf("got %s", a.Raw)
		}
		sent := c.deliveries(t, a.Text("id"))
		if len(sent) != 1 {
			t.Fatalf("sent %d times", len(sent))
		}
		d, body := sent[0], sent[0].json(t)
		if d.Method != "POST" || d.Path != "/_local/echo/200?a=b" || d.Headers["x-token"] != "Bearer "+value || d.Headers["idempotency-key"] != "" {
			t.Errorf("got %+v", d)
		}
		runbook, callback := body["runbook"].(object), body["callback"].(object)
		if body["executionId"] != a.Text("id") || runbook["id"] != id || runbook["version"] != 1.0 || body["attempt"] != 1.0 || body["language"] != "BASH" ||
			body["script"] != "echo hi\n" || body["parameters"].(object)["COUNT"] != 3.0 || body["incident"].(object)["id"] != c.incident ||
			callback["url"] != c.api.URL+"/v1/callbacks/"+a.Text("id") || !strings.HasPrefix(callback["token"].(string), "pfc_") {
			t.Errorf("got %s", d.Body)
		}
		verifier, err := standardwebhooks.NewWebhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		for _, n := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
			h.Set(n, d.Headers[n])
		}
		if err := verifier.Verify([]byte(d.Body), h); err != nil {
			t.Errorf("the signature: %v", err)
		}
		if trail := c.want(t, lead, "GET /v1/audit?subject="+a.Text("id"), nil, 200, ""); strings.Contains(trail.Raw, value) || len(trail.Items()) != 3 {
			t.Errorf("got %s", trail.Raw)
		}
	})
	t.Run("a failure is tried again where that may be", func(t *testing.T) {
		t.Parallel()
		id := c.ready(t, c.webhook("503", object{}, "idempotent", true, "maxRetries", 1))
		a := c.run(t, responder, object{"runbookId": id})
		if a.Text("status") != "FAILED" || a.Body["attempt"] != 2.0 || a.Body["maxAttempts"] != 2.0 || !strings.Contains(a.Text("error"), "503") || len(c.deliveries(t, a.Text("id"))) != 2 {
			t.Errorf("got %s", a.Raw)
		}
	})
	t.Run("a redirect is a failure, and not followed", func(t *testing.T) {
		t.Parallel()
		a := c.run(t, responder, object{"runbookId": c.ready(t, c.webhook("302", object{}))})
		if sent := c.deliveries(t, a.Text("id")); a.Text("status") != "FAILED" || a.Body["attempt"] != 1.0 || len(sent) != 1 {
			t.Errorf("got %s, sent %d times", a.Raw, len(sent))
		}
	})
	t.Run("a secret that is missing is named", func(t *testing.T) {
		t.Parallel()
		a := c.run(t, responder, object{"runbookId": c.ready(t, c.webhook("200", object{"headers": object{"X-A": "{{secrets.nobodys}}"}}))})
		if a.Text("status") != "FAILED" || !strings.HasPrefix(a.Text("error"), "secret_missing") || !strings.Contains(a.Text("error"), "nobodys") || len(c.deliveries(t, a.Text("id"))) != 0 {
			t.Errorf("got %s", a.Raw)
		}
	})
	forbidden := func(url string) scenario {
		return scenario{as: lead, do: "POST /v1/runbooks", send: c.body(object{"target": object{"type": "webhook", "url": url}, "scriptContent": nil}), want: 422, code: "address_forbidden"}
	}
	c.play(t, map[string]scenario{
		"loopback": forbidden("https://127.0.0.1/x"), "metadata": forbidden("https://169.254.169.254/latest"), "a decimal": forbidden("https://2130706433/"),
		"v4-mapped": forbidden("https://[::ffff:10.0.0.1]/"), "localhost": forbidden("https://localhost/"), "plain http": forbidden("http://example.com/"),
		"the stack's own other ports": forbidden("http://127.0.0.1:1/_local/echo/200"), "the stack's own other paths": forbidden(c.api.URL + "/v1/me"),
	})
}

// contractCallbacks: receivers that accept a job, and report.
func contractCallbacks(t *testing.T, c *contract) {
	accepted := func(t *testing.T, target object, members ...any) (string, delivery) {
		t.Helper()
		id := c.ready(t, c.webhook("202", with(target, "async", true), members...))
		ex := c.want(t, responder, "POST /v1/executions", object{"runbookId": id, "incidentId": c.incident}, 202, "").Text("id")
		c.reaches(t, ex, func(o object) bool { return o["status"] == "RUNNING" && len(c.deliveries(t, ex)) == 1 })
		return ex, c.deliveries(t, ex)[0]
	}
	bearer := func(token any) http.Header { return http.Header{"Authorization": {"Bearer " + token.(string)}} }
	t.Run("generic", func(t *testing.T) {
		t.Parallel()
		ex, d := accepted(t, object{})
		token := d.json(t)["callback"].(object)["token"]
		at := "POST /v1/callbacks/" + ex
		if a := c.ask(t, nobody, at, object{"status": "RUNNING", "stdout": "half\n"}, bearer(token)); a.Status != 200 || a.Body["ignored"] != false {
			t.Errorf("got %d %s", a.Status, a.Raw)
		}
		if got := c.want(t, observer, "GET /v1/executions/"+ex, nil, 200, ""); got.Text("stdout") != "half\n" || got.Text("status") != "RUNNING" {
			t.Errorf("got %s", got.Raw)
		}
		for what, status := range map[any]int{token.(string)[:20]: 401, c.bearers[lead]: 401, "": 401} {
			if a := c.ask(t, nobody, at, object{"status": "FAILED"}, bearer(what)); a.Status != status {
				t.Errorf("with %q: got %d %s", what, a.Status, a.Raw)
			}
		}
		if a := c.ask(t, nobody, at, object{"status": "COMPLETED", "exitCode": 0, "stdout": "whole\n"}, bearer(token)); a.Status != 200 {
			t.Errorf("got %d %s", a.Status, a.Raw)
		}
		if a := c.ask(t, nobody, at, object{"status": "FAILED"}, bearer(token)); a.Status != 200 || a.Body["ignored"] != true {
			t.Errorf("late: got %d %s", a.Status, a.Raw)
		}
		if got := c.want(t, observer, "GET /v1/executions/"+ex, nil, 200, ""); got.Text("status") != "COMPLETED" || got.Text("stdout") != "whole\n" || got.Body["exitCode"] != 0.0 {
			t.Errorf("got %s", got.Raw)
		}
	})
	t.Run("AWX", func(t *testing.T) {
		t.Parallel()
		ex, d := accepted(t, object{"preset": "awx"}, "parameters", []any{object{"name": "HOST", "type": "string", "template": "{{incident.labels.host}}"}})
		vars := d.json(t)["extra_vars"].(object)
		if vars["PF_HOST"] != "web-3" || vars["pagefree_callback_url"] != c.api.URL+"/v1/callbacks/"+ex {
			t.Errorf("got %v", vars)
		}
		notice := object{"id": 42, "name": "Restart web", "url": "https://awx.example.com/#/jobs/playbook/42", "status": "failed", "traceback": "", "extra_vars": encoded(t, vars)}
		c.want(t, nobody, "POST /v1/callbacks/awx", with(notice, "extra_vars", `{"nothing":1}`), 422, "validation_failed")
		c.want(t, nobody, "POST /v1/callbacks/awx", with(notice, "extra_vars", encoded(t, with(vars, "pagefree_callback_token", "pfc_"+strings.Repeat("A", 43)))), 401, "unauthenticated")
		c.want(t, nobody, "POST /v1/callbacks/awx", notice, 200, "")
		if got := c.want(t, observer, "GET /v1/executions/"+ex, nil, 200, ""); got.Text("status") != "FAILED" || got.Body["exitCode"] != nil {
			t.Errorf("got %s", got.Raw)
		}
	})
	t.Run("Rundeck", func(t *testing.T) {
		t.Parallel()
		ex, d := accepted(t, object{"preset": "rundeck"}, "parameters", []any{object{"name": "N", "type": "integer", "default": 7}})
		options := d.json(t)["options"].(object)
		if options["PF_N"] != "7" {
			t.Errorf("got %v", options)
		}
		xml := "<notification trigger='success' status='succeeded' executionId='7'><executions count='1'><execution id='7' status='succeeded'><job id='j'><options>"
		for n, v := range options {
			xml += fmt.Sprintf("<option name='%s' value='%s' />", n, v)
		}
		xml += "</options></job></execution></executions></notification>"
		if a := c.ask(t, nobody, "POST /v1/callbacks/rundeck", text(xml), http.Header{"Content-Type": {"text/xml"}}); a.Status != 200 {
			t.Errorf("got %d %s", a.Status, a.Raw)
		}
		if got := c.want(t, observer, "GET /v1/executions/"+ex, nil, 200, ""); got.Text("status") != "COMPLETED" {
			t.Errorf("got %s", got.Raw)
		}
	})
	t.Run("one that never comes is a timeout", func(t *testing.T) {
		t.Parallel()
		ex, _ := accepted(t, object{}, "timeoutSeconds", 5)
		if a := c.ended(t, responder, ex); a.Text("status") != "TIMEOUT" || a.Body["exitCode"] != nil {
			t.Errorf("got %s", a.Raw)
		}
	})
	t.Run("a cancel that the target cannot do", func(t *testing.T) {
		t.Parallel()
		ex, d := accepted(t, object{}, "idempotent", true, "maxRetries", 3)
		c.want(t, observer, "POST /v1/executions/"+ex+"/cancel", nil, 403, "forbidden")
		if a := c.want(t, responder, "POST /v1/executions/"+ex+"/cancel", nil, 202, ""); a.Text("cancelRequestedAt") == "" || a.Text("status") != "RUNNING" {
			t.Errorf("got %s", a.Raw)
		}
		c.ask(t, nobody, "POST /v1/callbacks/"+ex, object{"status": "FAILED", "error": "stopped by hand"}, bearer(d.json(t)["callback"].(object)["token"]))
		if a := c.ended(t, responder, ex); a.Text("status") != "FAILED" || a.Body["attempt"] != 1.0 {
			t.Errorf("got %s", a.Raw)
		}
		c.want(t, responder, "POST /v1/executions/"+ex+"/cancel", nil, 409, "invalid_transition")
	})
	t.Run("what is over the concurrency waits", func(t *testing.T) {
		t.Parallel()
		first, d := accepted(t, object{}, "concurrency", 1)
		runbook := d.json(t)["runbook"].(object)["id"]
		second := c.want(t, responder, "POST /v1/executions", object{"runbookId": runbook, "incidentId": c.incident}, 202, "").Text("id")
		c.ask(t, nobody, "POST /v1/callbacks/"+first, object{"status": "COMPLETED"}, bearer(d.json(t)["callback"].(object)["token"]))
		c.reaches(t, second, func(o object) bool { return o["status"] == "RUNNING" })
	})
	t.Run("over its hour a runbook fails", func(t *testing.T) {
		t.Parallel()
		id := c.ready(t, object{"maxRunsPerHour": 1})
		c.run(t, responder, object{"runbookId": id})
		if a := c.run(t, responder, object{"runbookId": id}); a.Text("status") != "FAILED" || a.Text("error") != "rate_exceeded" {
			t.Errorf("got %s", a.Raw)
		}
	})
}

// contractPause: nothing more is sent, and then it is.
func contractPause(t *testing.T, c *contract) {
	id := c.want(t, outsider, "POST /v1/runbooks", c.body(object{"teamId": c.elsewhere}), 201, "").Text("id")
	c.want(t, outsider, "POST /v1/runbooks/"+id+"/versions/1/submit", nil, 200, "")
	c.want(t, admin, "POST /v1/runbooks/"+id+"/versions/1/approve", nil, 200, "")
	team := object{"teamId": c.elsewhere}
	c.play(t, map[string]scenario{
		"by nobody":           {as: nobody, do: "POST /v1/automation/pause", send: with(team, "reason", "x"), want: 401, code: "unauthenticated"},
		"by another team":     {as: lead, do: "POST /v1/automation/pause", send: with(team, "reason", "x"), want: 404, code: "not_found"},
		"by a responder":      {as: responder, do: "POST /v1/automation/pause", send: object{"teamId": c.team, "reason": "x"}, want: 403, code: "forbidden"},
		"all, by a team":      {as: lead, do: "POST /v1/automation/pause", send: object{"reason": "x"}, want: 403, code: "forbidden"},
		"resume all, by team": {as: lead, do: "POST /v1/automation/resume", send: object{}, want: 403, code: "forbidden"},
		"without a reason":    {as: outsider, do: "POST /v1/automation/pause", send: team, want: 422, code: "validation_failed"},
	})
	if a := c.want(t, outsider, "POST /v1/automation/pause", with(team, "reason", "a bad deploy"), 200, ""); a.Text("reason") != "a bad deploy" || a.Text("teamId") != c.elsewhere {
		t.Errorf("got %s", a.Raw)
	}
	c.want(t, outsider, "POST /v1/executions", object{"runbookId": id}, 409, "automation_paused")
	if a := c.want(t, outsider, "GET /v1/automation/pause", nil, 200, ""); len(a.Items()) != 1 {
		t.Errorf("got %s", a.Raw)
	}
	if a := c.want(t, observer, "GET /v1/automation/pause", nil, 200, ""); len(a.Items()) != 0 {
		t.Errorf("another team sees %s", a.Raw)
	}
	c.want(t, outsider, "POST /v1/automation/resume", team, 204, "")
	c.want(t, outsider, "POST /v1/executions", object{"runbookId": id}, 202, "")
	if a := c.want(t, outsider, "GET /v1/audit?subject="+c.elsewhere+"&type=automation.paused", nil, 200, ""); len(a.Items()) != 1 {
		t.Errorf("got %s", a.Raw)
	}
}
