package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"pagefree/infra/local/client"
)

// contractWorkflows: their shape, what may stand in one, who may do what.
func contractWorkflows(t *testing.T, c *contract) {
	note := object{"id": "say", "type": "note", "text": "seen: {{incident.title}}"}
	body := func(members ...any) object {
		return with(object{"name": c.name("Workflow"), "teamId": c.team, "enabled": false, "trigger": object{"on": []string{"incident.created"}}, "steps": []any{note}}, members...)
	}
	post := func(members ...any) scenario {
		return scenario{as: lead, do: "POST /v1/workflows", send: body(members...), want: 422, code: "validation_failed"}
	}
	fine := func(members ...any) scenario {
		return scenario{as: lead, do: "POST /v1/workflows", send: body(members...), want: 201}
	}
	step := func(members ...any) []any { return []any{with(note, members...)} }
	run := func(members ...any) []any {
		return []any{with(object{"id": "fix", "type": "runbook", "runbookId": c.approved}, members...)}
	}
	many := []any{}
	for i := range 51 {
		many = append(many, with(note, "id", fmt.Sprint("s", i)))
	}
	taken := c.name("Taken")
	a := c.want(t, lead, "POST /v1/workflows", body("name", taken, "timeLimitSeconds", 60, "concurrency", "skip"), 201, "")
	one := "/v1/workflows/" + a.Text("id")
	if a.Body["version"] != 1.0 || a.Body["enabled"] != false || a.Body["concurrency"] != "skip" || a.Body["timeLimitSeconds"] != 60.0 {
		t.Errorf("a workflow: %s", a.Raw)
	}
	c.play(t, map[string]scenario{
		"by a responder":             {as: responder, do: "POST /v1/workflows", send: body(), want: 403, code: "forbidden"},
		"by an observer":             {as: observer, do: "POST /v1/workflows", send: body(), want: 403, code: "forbidden"},
		"by another team":            {as: outsider, do: "POST /v1/workflows", send: body(), want: 404, code: "not_found"},
		"a name that is taken":       {as: lead, do: "POST /v1/workflows", send: body("name", taken), want: 409, code: "name_taken"},
		"no steps":                   post("steps", []any{}),
		"51 steps":                   post("steps", many),
		"50 steps":                   fine("steps", many[:50]),
		"no trigger":                 post("trigger", nil),
		"triggered by nothing":       post("trigger", object{"on": []string{}}),
		"triggered by the moon":      post("trigger", object{"on": []string{"moon.risen"}}),
		"a severity that is none":    post("trigger", object{"on": []string{"incident.created"}, "severities": []string{"P1"}}),
		"another team's service":     {as: lead, do: "POST /v1/workflows", send: body("trigger", object{"on": []string{"incident.created"}, "serviceIds": []string{c.foreignService(t)}}), want: 404, code: "not_found"},
		"a step of no kind":          post("steps", step("type", "dance")),
		"a step without an id":       post("steps", step("id", nil)),
		"an id that is none":         post("steps", step("id", "Say")),
		"an id twice":                post("steps", []any{note, note}),
		"a note that says nothing":   post("steps", step("text", "")),
		"a path that is none":        post("steps", step("text", "{{incident.colour}}")),
		"a step that comes later":    post("steps", []any{with(note, "text", "{{steps.later.status}}"), with(note, "id", "later")}),
		"its own result":             post("steps", step("text", "{{steps.say.status}}")),
		"an open brace":              post("steps", step("text", "{{incident.title")),
		"a condition that is none":   post("steps", step("if", "perhaps")),
		"a condition of two":         post("steps", step("if", `{{incident.title}} == "a" && {{incident.title}} == "b"`)),
		"a condition":                fine("steps", step("if", `{{incident.severity}} == "HIGH"`)),
		"not empty":                  fine("steps", step("if", "{{incident.labels.zone}}")),
		"less":                       fine("steps", []any{note, with(note, "id", "then", "if", `{{steps.say.status}} < "5"`)}),
		"on failure, perhaps":        post("steps", step("onFailure", "perhaps")),
		"on failure, go on":          fine("steps", step("onFailure", "continue")),
		"a runbook":                  fine("steps", run()),
		"a runbook without an id":    post("steps", run("runbookId", nil)),
		"nobody's runbook":           {as: lead, do: "POST /v1/workflows", send: body("steps", run("runbookId", "rb_"+unknown)), want: 404, code: "not_found"},
		"a member of another kind":   post("steps", run("seconds", 5)),
		"a wait":                     fine("steps", []any{object{"id": "w", "type": "wait", "seconds": 5}}),
		"a wait for nothing":         post("steps", []any{object{"id": "w", "type": "wait", "seconds": 0}}),
		"a webhook":                  fine("steps", []any{object{"id": "h", "type": "webhook", "url": "https://example.com/x", "headers": object{"X-Zone": "eu", "Authorization": "Bearer {{secrets.token}}"}, "body": `{"t":{{json incident.title}}}`}}),
		"a webhook into the machine": {as: lead, do: "POST /v1/workflows", send: body("steps", []any{object{"id": "h", "type": "webhook", "url": "http://169.254.169.254/latest"}}), want: 422, code: "address_forbidden"},
		"a webhook to nowhere":       post("steps", []any{object{"id": "h", "type": "webhook"}}),
		"a header of ours":           post("steps", []any{object{"id": "h", "type": "webhook", "url": "https://example.com/x", "headers": object{"X-Idempotency-Key": "x"}}}),
		"a notification":             fine("steps", []any{object{"id": "n", "type": "notify", "to": []string{"responders", "team"}, "message": "{{incident.title}}"}}),
		"a notification to a person": fine("steps", []any{object{"id": "n", "type": "notify", "to": []string{c.userID(t, observer)}, "message": "x"}}),
		"a notification to nobody":   post("steps", []any{object{"id": "n", "type": "notify", "to": []string{}, "message": "x"}}),
		"to somebody elsewhere":      {as: lead, do: "POST /v1/workflows", send: body("steps", []any{object{"id": "n", "type": "notify", "to": []string{c.userID(t, outsider)}, "message": "x"}}), want: 404, code: "not_found"},
		"a resolve":                  fine("steps", []any{object{"id": "r", "type": "resolve", "note": "done"}}),
		"no limit":                   post("timeLimitSeconds", 0),
		"a concurrency that is none": post("concurrency", "parallel"),
		"a stranger in it":           post("colour", "red"),
		"read":                       {as: observer, do: "GET " + one, want: 200, has: taken},
		"read by another team":       {as: outsider, do: "GET " + one, want: 404, code: "not_found"},
		"listed":                     {as: observer, do: "GET /v1/workflows?limit=200", want: 200, has: taken},
		"listed elsewhere":           {as: outsider, do: "GET /v1/workflows?limit=200", want: 200, lacks: taken},
		"changed by a responder":     {as: responder, do: "PUT " + one, send: body(), want: 403, code: "forbidden"},
		"changed by another team":    {as: outsider, do: "PUT " + one, send: body(), want: 404, code: "not_found"},
		"deleted by a responder":     {as: responder, do: "DELETE " + one, want: 403, code: "forbidden"},
		"run by an observer":         {as: observer, do: "POST " + one + "/runs", send: object{"incidentId": c.incident}, want: 403, code: "forbidden"},
		"run for nobody's incident":  {as: responder, do: "POST " + one + "/runs", send: object{"incidentId": "inc_" + unknown}, want: 404, code: "not_found"},
		"run for nothing":            {as: responder, do: "POST " + one + "/runs", send: object{}, want: 422, code: "validation_failed"},
		"nobody's run":               {as: lead, do: "GET /v1/workflow-runs/wfr_" + unknown, want: 404, code: "not_found"},
	})

	t.Run("what GET shows can be PUT", func(t *testing.T) {
		shown := c.want(t, lead, "GET "+one, nil, 200, "")
		put := c.want(t, lead, "PUT "+one, shown.Body, 200, "")
		if put.Body["version"] != 2.0 && put.Body["version"] != 1.0 {
			t.Errorf("put: %s", put.Raw)
		}
		changed := with(shown.Body, "name", taken+" 2")
		if a := c.ask(t, lead, "PUT "+one, changed, http.Header{"If-Match": {shown.Header.Get("ETag") + "x"}}); a.Status != 412 || a.Text("code") != "precondition_failed" {
			t.Errorf("a stale If-Match: %d %s", a.Status, a.Raw)
		}
		if a := c.want(t, lead, "PUT "+one, changed, 200, ""); a.Text("name") != taken+" 2" || a.Body["version"].(float64) < 2 {
			t.Errorf("changed: %s", a.Raw)
		}
	})
	t.Run("deleted", func(t *testing.T) {
		id := c.want(t, lead, "POST /v1/workflows", body(), 201, "").Text("id")
		c.want(t, lead, "DELETE /v1/workflows/"+id, nil, 204, "")
		c.want(t, lead, "GET /v1/workflows/"+id, nil, 404, "not_found")
		c.want(t, lead, "DELETE /v1/workflows/"+id, nil, 404, "not_found")
	})
}

// contractRuns: dry, by hand, cancelled, tried again.
func contractRuns(t *testing.T, c *contract) {
	make := func(t *testing.T, steps []any, members ...any) string {
		t.Helper()
		return "/v1/workflows/" + c.want(t, lead, "POST /v1/workflows", with(object{"name": c.name("Runs"), "teamId": c.team, "enabled": true,
			"trigger": object{"on": []string{"incident.created"}, "labels": object{"never": c.name("x")}}, "steps": steps}, members...), 201, "").Text("id")
	}
	begin := func(t *testing.T, workflow string) string {
		t.Helper()
		a := c.want(t, responder, "POST "+workflow+"/runs", object{"incidentId": c.incident}, 202, "")
		if at := a.Header.Get("Location"); at != "/v1/workflow-runs/"+a.Text("id") {
			t.Errorf("a run is at %q", at)
		}
		return "/v1/workflow-runs/" + a.Text("id")
	}
	ends := func(t *testing.T, run string) (a client.Answer) {
		t.Helper()
		eventually(t, "the end of "+run, func() bool {
			a = c.want(t, observer, "GET "+run, nil, 200, "")
			return a.Text("status") != "PENDING" && a.Text("status") != "RUNNING"
		})
		return a
	}
	note := object{"id": "say", "type": "note", "text": "{{incident.title}}"}
	broken := object{"id": "fix", "type": "runbook", "runbookId": c.draft(t, object{})}

	t.Run("dry", func(t *testing.T) {
		w := make(t, []any{note, object{"id": "then", "type": "note", "text": "{{steps.say.status}}", "if": `{{steps.say.status}} == "COMPLETED"`}})
		a := c.want(t, responder, "POST "+w+"/runs", object{"incidentId": c.incident, "dryRun": true}, 200, "")
		list, _ := a.Body["steps"].([]any)
		if a.Body["matches"] != false || a.Text("reason") == "" || len(list) != 2 {
			t.Errorf("dry: %s", a.Raw)
		}
		if runs := c.want(t, lead, "GET "+w+"/runs", nil, 200, "").Items(); len(runs) != 0 {
			t.Errorf("a dry run is on record: %v", runs)
		}
	})
	t.Run("a failure stops, or does not", func(t *testing.T) {
		stopped := ends(t, begin(t, make(t, []any{broken, note})))
		if stopped.Text("status") != "FAILED" || !strings.HasPrefix(steps(stopped), "fix FAILED") || strings.Contains(steps(stopped), "say COMPLETED") || !strings.Contains(stopped.Raw, "not_approved") {
			t.Errorf("stops: %s", stopped.Raw)
		}
		went := ends(t, begin(t, make(t, []any{with(broken, "onFailure", "continue"), note})))
		if went.Text("status") != "COMPLETED" || steps(went) != "fix FAILED, say COMPLETED" {
			t.Errorf("goes on: %s", went.Raw)
		}
	})
	t.Run("cancelled, and tried again", func(t *testing.T) {
		w := make(t, []any{note, object{"id": "wait", "type": "wait", "seconds": 3600}})
		run := begin(t, w)
		eventually(t, "its wait", func() bool { return steps(c.want(t, lead, "GET "+run, nil, 200, "")) == "say COMPLETED, wait WAITING" })
		c.want(t, responder, "POST "+run+"/retry", nil, 409, "invalid_transition")
		c.want(t, observer, "POST "+run+"/cancel", nil, 403, "forbidden")
		c.want(t, outsider, "POST "+run+"/cancel", nil, 404, "not_found")
		if a := c.want(t, responder, "POST "+run+"/cancel", nil, 200, ""); a.Text("status") != "CANCELLED" || a.Text("completedAt") == "" {
			t.Errorf("cancelled: %s", a.Raw)
		}
		c.want(t, responder, "POST "+run+"/cancel", nil, 409, "invalid_transition")
		c.want(t, observer, "POST "+run+"/retry", nil, 403, "forbidden")
	})
	t.Run("tried again from the failed step", func(t *testing.T) {
		rb := c.draft(t, object{})
		run := begin(t, make(t, []any{note, object{"id": "fix", "type": "runbook", "runbookId": rb}}))
		if a := ends(t, run); steps(a) != "say COMPLETED, fix FAILED" {
			t.Fatalf("%s", a.Raw)
		}
		c.approve(t, rb, 1)
		c.want(t, responder, "POST "+run+"/retry", nil, 200, "")
		if a := ends(t, run); a.Text("status") != "COMPLETED" || steps(a) != "say COMPLETED, fix COMPLETED" {
			t.Errorf("again: %s", a.Raw)
		}
	})
	t.Run("a time limit", func(t *testing.T) {
		a := ends(t, begin(t, make(t, []any{object{"id": "wait", "type": "wait", "seconds": 3600}}, "timeLimitSeconds", 1)))
		if a.Text("status") != "TIMEOUT" {
			t.Errorf("got %s", a.Raw)
		}
	})
}
