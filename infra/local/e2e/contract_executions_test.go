package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/client"
)

// run triggers a runbook and waits for its end.
func (c *contract) run(t *testing.T, who string, request object) client.Answer {
	t.Helper()
	return c.ended(t, who, c.want(t, who, "POST /v1/executions", request, 202, "").Text("id"))
}

func (c *contract) ended(t *testing.T, who, id string) client.Answer {
	t.Helper()
	for end := time.Now().Add(40 * time.Second); ; {
		a := c.want(t, who, "GET /v1/executions/"+id, nil, 200, "")
		if s := a.Text("status"); s != "PENDING" && s != "RUNNING" {
			return a
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not end: %s", id, a.Raw)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// contractTriggers: who may run what.
func contractTriggers(t *testing.T, c *contract) {
	id, unapproved := c.ready(t, nil), c.draft(t, nil)
	bound := c.ready(t, object{"serviceId": c.service})
	elsewhere := c.want(t, responder, "POST /v1/incidents", object{"title": c.name("t"), "severity": "LOW", "serviceId": c.other}, 201, "").Text("id")
	foreign := c.want(t, outsider, "POST /v1/incidents", object{"title": c.name("t"), "severity": "LOW", "serviceId": c.foreignService(t)}, 201, "").Text("id")
	post := func(who string, status int, code string, members ...any) scenario {
		return scenario{as: who, do: "POST /v1/executions", send: with(object{"runbookId": id}, members...), want: status, code: code}
	}
	key := c.key(t, "RESPONDER").Text("key")
	c.play(t, map[string]scenario{
		"by a responder":                {as: responder, do: "POST /v1/executions", send: object{"runbookId": id}, want: 202, has: `"triggeredBy":"manual"`},
		"by a lead":                     post(lead, 202, ""),
		"by a platform admin":           post(admin, 202, ""),
		"by a key":                      {as: key, do: "POST /v1/executions", send: object{"runbookId": id}, want: 202, has: `"triggeredBy":"api","triggeredById":"key_`},
		"by an observer":                post(observer, 403, "forbidden"),
		"by another team":               post(outsider, 404, "not_found"),
		"by an observer's key":          post(c.key(t, "OBSERVER").Text("key"), 403, "forbidden"),
		"for an incident":               {as: responder, do: "POST /v1/executions", send: object{"runbookId": id, "incidentId": c.incident}, want: 202, has: `"incidentId":"` + c.incident + `"`},
		"for no incident, in so many":   {as: responder, do: "POST /v1/executions", send: text(`{"runbookId":"` + id + `","incidentId":null,"parameters":null}`), want: 202},
		"for nobody's incident":         post(responder, 404, "not_found", "incidentId", "inc_"+unknown),
		"for another team's incident":   post(responder, 404, "not_found", "incidentId", foreign),
		"for an empty incident":         post(responder, 404, "not_found", "incidentId", ""),
		"nobody's runbook":              post(responder, 404, "not_found", "runbookId", "rb_"+unknown),
		"an incident for a runbook":     post(responder, 404, "not_found", "runbookId", c.incident),
		"no runbook":                    post(responder, 422, "validation_failed", "runbookId", nil),
		"a number for a runbook":        post(responder, 422, "validation_failed", "runbookId", 5),
		"a version of one's choice":     post(responder, 422, "validation_failed", "version", 1),
		"a script of one's own":         post(responder, 422, "validation_failed", "script", "rm -rf /"),
		"what nobody approved":          post(responder, 409, "not_approved", "runbookId", unapproved),
		"a bound one for nothing":       post(responder, 409, "service_mismatch", "runbookId", bound),
		"a bound one for another":       post(responder, 409, "service_mismatch", "runbookId", bound, "incidentId", elsewhere),
		"a bound one for its service":   post(responder, 202, "", "runbookId", bound, "incidentId", c.incident),
		"a parameter that is not":       post(responder, 422, "parameter_unknown", "parameters", object{"A": 1}),
		"a preview":                     {as: responder, do: "POST /v1/executions/preview", send: object{"runbookId": id}, want: 200, has: `"script":"echo hi\n"`},
		"a preview by an observer":      {as: observer, do: "POST /v1/executions/preview", send: object{"runbookId": id}, want: 403, code: "forbidden"},
		"a preview by another team":     {as: outsider, do: "POST /v1/executions/preview", send: object{"runbookId": id}, want: 404, code: "not_found"},
		"a preview of what is not":      {as: responder, do: "POST /v1/executions/preview", send: object{"runbookId": unapproved}, want: 409, code: "not_approved"},
		"a preview of a bound one":      {as: responder, do: "POST /v1/executions/preview", send: object{"runbookId": bound}, want: 409, code: "service_mismatch"},
		"a preview with what is not in": {as: responder, do: "POST /v1/executions/preview", send: object{"runbookId": id, "parameters": object{"A": 1}}, want: 422, code: "parameter_unknown"},
	})
}

// contractGlobals: what belongs to no team is managed by platform admins, and run by a responder of any team.
func contractGlobals(t *testing.T, c *contract) {
	id := c.want(t, admin, "POST /v1/runbooks", text(strings.Replace(encoded(t, c.body(object{"teamId": "NULL"})), `"NULL"`, "null", 1)), 201, "").Text("id")
	v1 := "/v1/runbooks/" + id + "/versions/1"
	c.want(t, lead, "POST "+v1+"/submit", nil, 403, "forbidden")
	c.want(t, admin, "POST "+v1+"/submit", nil, 200, "")
	c.want(t, lead, "POST "+v1+"/approve", nil, 403, "forbidden")
	c.want(t, admin, "POST "+v1+"/approve", nil, 403, "self_approval")
	api := c.from(t)
	email, second := c.person(t)
	c.want(t, admin, "PATCH /v1/users/"+second, object{"platformAdmin": true}, 200, "")
	token, err := api.SignIn(t.Context(), email)
	if err != nil {
		t.Fatal(err)
	}
	c.want(t, token, "POST "+v1+"/approve", object{"note": "for all"}, 200, "")
	c.play(t, map[string]scenario{
		"seen by an observer":        {as: observer, do: "GET /v1/runbooks/" + id, want: 200, has: `"teamId":null`},
		"listed by another team":     {as: outsider, do: "GET /v1/runbooks?limit=200", want: 200, has: id},
		"not run by an observer":     {as: observer, do: "POST /v1/executions", send: object{"runbookId": id}, want: 403, code: "forbidden"},
		"not changed by a lead":      {as: lead, do: "PATCH /v1/runbooks/" + id, send: object{"name": "x"}, want: 403, code: "forbidden"},
		"nor archived":               {as: outsider, do: "POST /v1/runbooks/" + id + "/archive", send: object{"reason": "x"}, want: 403, code: "forbidden"},
		"what a responder may":       {as: responder, do: "GET /v1/runbooks/" + id, want: 200, has: `"allowedActions":["execute"]`},
		"run for one's incident":     {as: responder, do: "POST /v1/executions", send: object{"runbookId": id, "incidentId": c.incident}, want: 202},
		"not for another's":          {as: outsider, do: "POST /v1/executions", send: object{"runbookId": id, "incidentId": c.incident}, want: 404, code: "not_found"},
		"run by another team, too":   {as: outsider, do: "POST /v1/executions", send: object{"runbookId": id}, want: 202},
		"a key manages none":         {as: c.key(t, "TEAM_ADMIN").Text("key"), do: "POST /v1/runbooks/" + id + "/archive", send: object{"reason": "x"}, want: 403, code: "forbidden"},
		"and sees no other's runs":   {as: outsider, do: "GET /v1/executions?limit=200&runbookId=" + id, want: 200, lacks: c.incident},
		"reviews of globals, a lead": {as: lead, do: "GET /v1/reviews?limit=200", want: 200, lacks: id},
	})
	c.want(t, admin, "PATCH /v1/users/"+second, object{"active": false}, 200, "")
}

// contractIdempotency: a key makes a repetition safe, for one principal and one body.
func contractIdempotency(t *testing.T, c *contract) {
	id, key := c.ready(t, nil), c.name("idem")
	post := func(who, key string, body object) client.Answer {
		return c.ask(t, who, "POST /v1/executions", body, http.Header{"Idempotency-Key": {key}})
	}
	body := object{"runbookId": id}
	first := post(responder, key, body)
	for range 2 {
		again := post(responder, key, object{"runbookId": id})
		if again.Status != 202 || again.Text("id") != first.Text("id") || again.Header.Get("Idempotency-Replayed") != "true" || again.Header.Get("Location") != first.Header.Get("Location") {
			t.Errorf("again: %d %v %s", again.Status, again.Header, again.Raw)
		}
	}
	if first.Status != 202 || first.Header.Get("Idempotency-Replayed") != "" {
		t.Errorf("first: %d %v", first.Status, first.Header)
	}
	if a := post(responder, key, with(body, "incidentId", c.incident)); a.Status != 422 || a.Text("code") != "idempotency_mismatch" {
		t.Errorf("another body: %d %s", a.Status, a.Raw)
	}
	if a := post(lead, key, body); a.Status != 202 || a.Text("id") == first.Text("id") {
		t.Errorf("another person: %d %s", a.Status, a.Raw)
	}
	if a := post(responder, key+"refused", with(body, "parameters", object{"A": 1})); a.Status != 422 {
		t.Errorf("a refusal: %d", a.Status)
	}
	if a := post(responder, key+"refused", body); a.Status != 202 || a.Header.Get("Idempotency-Replayed") != "" {
		t.Errorf("a refusal takes no key: %d %s", a.Status, a.Raw)
	}
	if a := post(responder, strings.Repeat("k", 256), body); a.Status != 422 {
		t.Errorf("an endless key: %d", a.Status)
	}
	if a := post(responder, "\xff\xfe #/%", body); a.Status != 202 {
		t.Errorf("a key of strange bytes: %d %s", a.Status, a.Raw)
	}
	if a, b := post(responder, "", body), post(responder, "", body); a.Text("id") == b.Text("id") {
		t.Error("an empty key is none")
	}
	got := together(10, func() string { a := post(responder, key+"many", body); return fmt.Sprint(a.Status, a.Text("id")) })
	if len(got) != 1 {
		t.Errorf("at once: %v", got)
	}
}

// contractConfirmation: what asks for a confirmation waits for a person.
func contractConfirmation(t *testing.T, c *contract) {
	id := c.ready(t, object{"requiresConfirm": true})
	waiting := func(who string) string {
		a := c.want(t, who, "POST /v1/executions", object{"runbookId": id}, 202, "")
		if a.Text("status") != "AWAITING_CONFIRMATION" || a.Body["startedAt"] != nil {
			t.Errorf("it waits: %s", a.Raw)
		}
		return "/v1/executions/" + a.Text("id")
	}
	ex := waiting(responder)
	c.play(t, map[string]scenario{
		"confirmed by an observer":   {as: observer, do: "POST " + ex + "/confirm", want: 403, code: "forbidden"},
		"confirmed by another team":  {as: outsider, do: "POST " + ex + "/confirm", want: 404, code: "not_found"},
		"cancelled by an observer":   {as: observer, do: "POST " + ex + "/cancel", want: 403, code: "forbidden"},
		"cancelled by another team":  {as: outsider, do: "POST " + ex + "/cancel", want: 404, code: "not_found"},
		"confirming nothing":         {as: responder, do: "POST /v1/executions/ex_" + unknown + "/confirm", want: 404, code: "not_found"},
		"it waits in the list, too":  {as: observer, do: "GET /v1/executions?status=AWAITING_CONFIRMATION&runbookId=" + id, want: 200, has: ex[len("/v1/executions/"):]},
		"the runbook says so itself": {as: observer, do: "GET /v1/runbooks/" + id, want: 200, has: `"requiresConfirm":true`},
	})
	got := together(4, func() string {
		a := c.ask(t, responder, "POST "+ex+"/confirm", nil, nil)
		return fmt.Sprint(a.Status, " ", a.Text("code"))
	})
	if got["200 "] != 1 || got["200 "]+got["409 invalid_transition"]+got["409 conflict"] != 4 {
		t.Errorf("whoever triggered may confirm, once: %v", got)
	}
	if a := c.ended(t, responder, strings.TrimPrefix(ex, "/v1/executions/")); a.Text("status") != "COMPLETED" {
		t.Errorf("confirmed: %s", a.Raw)
	}
	c.want(t, responder, "POST "+ex+"/cancel", nil, 409, "invalid_transition")
	c.want(t, responder, "POST "+ex+"/confirm", nil, 409, "invalid_transition")

	ex = waiting(responder)
	if a := c.want(t, responder, "POST "+ex+"/cancel", nil, 200, ""); a.Text("status") != "CANCELLED" || a.Text("completedAt") == "" || a.Body["exitCode"] != nil {
		t.Errorf("cancelled: %s", a.Raw)
	}
	c.want(t, responder, "POST "+ex+"/cancel", nil, 409, "invalid_transition")
	c.want(t, responder, "POST "+ex+"/confirm", nil, 409, "invalid_transition")

	for name, change := range map[string]func(){
		"another version was approved": func() { c.approve(t, id, c.version(t, id, object{"requiresConfirm": true})) },
		"the runbook was archived":     func() { c.want(t, lead, "POST /v1/runbooks/"+id+"/archive", object{"reason": "x"}, 200, "") },
	} {
		c.ask(t, lead, "POST /v1/runbooks/"+id+"/restore", nil, nil)
		ex = waiting(responder)
		change()
		c.want(t, responder, "POST "+ex+"/confirm", nil, 409, "not_approved")
		if a := c.want(t, responder, "GET "+ex, nil, 200, ""); a.Text("status") != "CANCELLED" {
			t.Errorf("%s meanwhile: %s", name, a.Raw)
		}
	}
}

// contractExecutions: reading and listing them.
func contractExecutions(t *testing.T, c *contract) {
	id := c.ready(t, nil)
	first := c.run(t, responder, object{"runbookId": id, "incidentId": c.incident})
	second := c.run(t, lead, object{"runbookId": id})
	want := "attempt completedAt createdAt error exitCode id incidentId maxAttempts parameters runbookId runbookName startedAt status stderr stderrTruncated stdout stdoutTruncated target triggeredBy triggeredById versionUsed"
	if got := members(first.Body); got != want {
		t.Errorf("an execution has\n%s, want\n%s", got, want)
	}
	if first.Body["attempt"] != 1.0 || first.Body["maxAttempts"] != 1.0 || first.Body["error"] != nil || first.Text("createdAt") > first.Text("startedAt") || first.Text("startedAt") > first.Text("completedAt") {
		t.Errorf("an execution: %s", first.Raw)
	}
	listed := c.want(t, observer, "GET /v1/executions?runbookId="+id, nil, 200, "")
	if items := listed.Items(); len(items) != 2 || items[0]["id"] != second.Text("id") || items[1]["id"] != first.Text("id") {
		t.Errorf("of its runbook, newest first: %s", listed.Raw)
	} else if slices.Contains(strings.Fields(members(items[0])), "stdout") || slices.Contains(strings.Fields(members(items[0])), "stderr") {
		t.Errorf("lists leave the output out: %s", listed.Raw)
	}
	c.play(t, map[string]scenario{
		"of an incident":        {as: observer, do: "GET /v1/executions?limit=200&incidentId=" + c.incident, want: 200, has: first.Text("id"), lacks: second.Text("id")},
		"of both":               {as: observer, do: "GET /v1/executions?runbookId=" + id + "&incidentId=" + c.incident, want: 200, has: first.Text("id"), lacks: second.Text("id")},
		"by status":             {as: observer, do: "GET /v1/executions?runbookId=" + id + "&status=FAILED", want: 200, has: `"items":[]`},
		"by two statuses":       {as: observer, do: "GET /v1/executions?runbookId=" + id + "&status=FAILED&status=COMPLETED", want: 200, has: first.Text("id")},
		"of all":                {as: observer, do: "GET /v1/executions?limit=200", want: 200, has: second.Text("id")},
		"of another team":       {as: outsider, do: "GET /v1/executions?limit=200", want: 200, lacks: c.team},
		"read by another team":  {as: outsider, do: "GET /v1/executions/" + first.Text("id"), want: 404, code: "not_found"},
		"read by an observer":   {as: observer, do: "GET /v1/executions/" + first.Text("id"), want: 200, has: `"stdout":"hi\n"`},
		"it is in the timeline": {as: observer, do: "GET /v1/incidents/" + c.incident + "/timeline?limit=200", want: 200, has: first.Text("id")},
	})
	t.Run("a slow one runs, and is not confirmed", func(t *testing.T) {
		slow := c.ready(t, object{"scriptContent": "sleep 3\n"})
		ex := c.want(t, responder, "POST /v1/executions", object{"runbookId": slow}, 202, "").Text("id")
		for c.want(t, responder, "GET /v1/executions/"+ex, nil, 200, "").Text("status") == "PENDING" {
			time.Sleep(50 * time.Millisecond)
		}
		a := c.want(t, responder, "GET /v1/executions/"+ex, nil, 200, "")
		if a.Text("status") != "RUNNING" || a.Text("startedAt") == "" || a.Body["completedAt"] != nil {
			t.Errorf("it runs: %s", a.Raw)
		}
		c.want(t, responder, "POST /v1/executions/"+ex+"/confirm", nil, 409, "invalid_transition")
		if a := c.ended(t, responder, ex); a.Text("status") != "COMPLETED" {
			t.Errorf("it ends: %s", a.Raw)
		}
	})
}
