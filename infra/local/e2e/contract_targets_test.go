package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// contractTargets: a named target serves once a second person approved it.
func contractTargets(t *testing.T, c *contract) {
	hook := object{"type": "webhook", "url": "https://awx.example.com/api", "preset": "awx", "headers": object{"Authorization": "Bearer {{secrets.awx-token}}"}}
	nodes := object{"type": "ssm", "instanceIds": []string{"mi-local"}}
	body := func(members ...any) object {
		return with(object{"name": c.name("Target"), "teamId": c.team, "target": hook}, members...)
	}
	named := func(t *testing.T, members ...any) string {
		t.Helper()
		return "/v1/targets/" + c.want(t, lead, "POST /v1/targets", body(members...), http.StatusCreated, "").Text("id")
	}
	post := func(members ...any) scenario {
		return scenario{as: lead, do: "POST /v1/targets", send: body(members...), want: 422, code: "validation_failed"}
	}
	global := func(who string, status int, code string) scenario {
		raw := strings.Replace(encoded(t, body("teamId", "NULL")), `"NULL"`, "null", 1)
		return scenario{as: who, do: "POST /v1/targets", send: text(raw), want: status, code: code}
	}
	taken := c.name("Taken")
	one := named(t, "name", taken)
	key := c.want(t, lead, "POST /v1/api-keys", object{"name": c.name("key"), "teamId": c.team, "role": "TEAM_ADMIN"}, http.StatusCreated, "").Text("key")
	c.play(t, map[string]scenario{
		"by a responder":                  {as: responder, do: "POST /v1/targets", send: body(), want: 403, code: "forbidden"},
		"by another team":                 {as: outsider, do: "POST /v1/targets", send: body(), want: 404, code: "not_found"},
		"by a key":                        {as: key, do: "POST /v1/targets", send: body(), want: 201},
		"a global one":                    global(admin, 201, ""),
		"a global one by a lead":          global(lead, 403, "forbidden"),
		"nodes":                           {as: lead, do: "POST /v1/targets", send: body("target", nodes), want: 201, has: `"maxNodes":1`},
		"a sandbox":                       {as: lead, do: "POST /v1/targets", send: body("target", object{"type": "sandbox"}), want: 201},
		"a named one":                     post("target", object{"type": "named", "targetId": strings.TrimPrefix(one, "/v1/targets/")}),
		"nodes by nothing":                post("target", object{"type": "ssm"}),
		"a webhook to nowhere":            post("target", object{"type": "webhook"}),
		"an idempotency key":              post("target", with(hook, "headers", object{"X-Idempotency-Key": "x"})),
		"no target":                       post("target", nil),
		"no name":                         post("name", nil),
		"a blank name":                    post("name", "  "),
		"121 characters":                  post("name", strings.Repeat("é", 121)),
		"what the server says":            post("status", "APPROVED"),
		"a name that is taken":            {as: reviewer, do: "POST /v1/targets", send: body("name", taken), want: 409, code: "name_taken"},
		"elsewhere it is not":             {as: outsider, do: "POST /v1/targets", send: body("name", taken, "teamId", c.elsewhere), want: 201},
		"read":                            {as: reviewer, do: "GET " + one, want: 200, has: `"target":null`},
		"read by a key":                   {as: key, do: "GET " + one, want: 200, has: `"allowedActions":[]`},
		"read by a responder":             {as: responder, do: "GET " + one, want: 403, code: "forbidden"},
		"read by another team":            {as: outsider, do: "GET " + one, want: 404, code: "not_found"},
		"listed":                          {as: lead, do: "GET /v1/targets?limit=200&teamId=" + c.team, want: 200, has: taken},
		"listed by a responder":           {as: responder, do: "GET /v1/targets", want: 403, code: "forbidden"},
		"another team's":                  {as: outsider, do: "GET /v1/targets?limit=200", want: 200, lacks: c.team},
		"of another team":                 {as: outsider, do: "GET /v1/targets?teamId=" + c.team, want: 404, code: "not_found"},
		"approved by its author":          {as: lead, do: "POST " + one + "/approve", want: 403, code: "self_approval"},
		"approved by a key":               {as: key, do: "POST " + one + "/approve", want: 403, code: "forbidden"},
		"approved by a responder":         {as: responder, do: "POST " + one + "/approve", want: 403, code: "forbidden"},
		"approved by another team":        {as: outsider, do: "POST " + one + "/approve", want: 404, code: "not_found"},
		"rejected by a key":               {as: key, do: "POST " + one + "/reject", send: object{"reason": "x"}, want: 403, code: "forbidden"},
		"rejected for nothing":            {as: reviewer, do: "POST " + one + "/reject", send: object{"reason": " "}, want: 422, code: "validation_failed"},
		"a change of its type":            {as: lead, do: "PUT " + one, send: object{"target": nodes}, want: 422, code: "validation_failed", has: "body.target.type"},
		"a change of its team":            {as: lead, do: "PUT " + one, send: object{"target": hook, "teamId": c.elsewhere}, want: 422, code: "validation_failed", has: "body.teamId"},
		"changed by a responder":          {as: responder, do: "PUT " + one, send: object{"target": hook}, want: 403, code: "forbidden"},
		"deleted by a responder":          {as: responder, do: "DELETE " + one, want: 403, code: "forbidden"},
		"deleted by another team":         {as: outsider, do: "DELETE " + one, want: 404, code: "not_found"},
		"a runbook at nothing":            {as: lead, do: "POST /v1/runbooks", send: c.body(object{"target": object{"type": "named", "targetId": "tgt_" + unknown}}), want: 404, code: "not_found"},
		"a path below that is none":       {as: lead, do: "GET " + one + "/history", want: 404, code: "not_found"},
		"a verb that takes no GET":        {as: lead, do: "GET " + one + "/approve", want: 405, code: "method_not_allowed"},
		"a runbook at nodes, no script":   {as: lead, do: "POST /v1/runbooks", send: with(c.body(object{"target": c.at(named(t, "target", nodes))}), "scriptContent", nil), want: 422, code: "validation_failed", has: "body.scriptContent"},
		"a runbook at nodes, a secret":    {as: lead, do: "POST /v1/runbooks", send: c.body(object{"target": c.at(named(t, "target", nodes)), "parameters": []any{object{"name": "A", "type": "string", "secret": true}}}), want: 422, code: "validation_failed", has: "body.parameters[0].secret"},
		"another team's runbook there":    {as: outsider, do: "POST /v1/runbooks", send: c.body(object{"teamId": c.elsewhere, "target": c.at(one)}), want: 404, code: "not_found"},
		"a runbook where nothing serves":  {as: lead, do: "POST /v1/runbooks", send: c.body(object{"target": c.at(one)}), want: 201},
		"it waits for those who may":      {as: reviewer, do: "GET /v1/reviews?limit=200", want: 200, has: taken},
		"it does not wait for its author": {as: lead, do: "GET /v1/reviews?limit=200", want: 200, lacks: taken},
	})
	t.Run("its shape", func(t *testing.T) {
		a := c.want(t, reviewer, "GET "+one, nil, 200, "")
		if got, want := members(a.Body), "allowedActions approvedAt approvedById createdAt createdById id name pending status target teamId updatedAt version"; got != want {
			t.Errorf("a target has\n%s, want\n%s", got, want)
		}
		pending := a.Body["pending"].(object)
		if got, want := members(pending), "changedAt changedById target"; got != want || pending["changedById"] != c.userID(t, lead) {
			t.Errorf("what waits has\n%s, want\n%s", got, want)
		}
		if a.Text("status") != "PENDING_REVIEW" || a.Body["version"] != 1.0 || encoded(t, a.Body["allowedActions"]) != `["approve","reject"]` {
			t.Errorf("got %s", a.Raw)
		}
	})
	t.Run("what is approved serves while a change waits", func(t *testing.T) {
		at := named(t)
		live := c.want(t, reviewer, "POST "+at+"/approve", nil, 200, "")
		if live.Text("status") != "APPROVED" || live.Body["pending"] != nil || live.Body["target"].(object)["url"] != hook["url"] || live.Text("approvedById") != c.userID(t, reviewer) {
			t.Errorf("approved: %s", live.Raw)
		}
		c.want(t, reviewer, "POST "+at+"/approve", nil, 409, "invalid_transition")
		c.want(t, reviewer, "POST "+at+"/reject", object{"reason": "x"}, 409, "invalid_transition")
		from := http.Header{"If-Match": {live.Header.Get("ETag")}}
		if live.Header.Get("ETag") == "" {
			from.Set("If-Match", c.want(t, reviewer, "GET "+at, nil, 200, "").Header.Get("ETag"))
		}
		moved := with(hook, "url", "https://new.example.com/api")
		a := c.ask(t, reviewer, "PUT "+at, object{"target": moved}, from)
		if a.Status != 200 || a.Text("status") != "APPROVED" || a.Body["target"].(object)["url"] != hook["url"] || a.Body["pending"].(object)["target"].(object)["url"] != moved["url"] {
			t.Errorf("changed: %s", a.Raw)
		}
		if a := c.ask(t, lead, "PUT "+at, object{"target": moved}, from); a.Status != 412 || a.Text("code") != "precondition_failed" {
			t.Errorf("from an older one: %d %s", a.Status, a.Raw)
		}
		if a := c.ask(t, lead, "POST "+at+"/approve", nil, from); a.Status != 412 {
			t.Errorf("what was not seen was approved: %d %s", a.Status, a.Raw)
		}
		c.want(t, reviewer, "POST "+at+"/approve", nil, 403, "self_approval") // its last editor
		if a := c.want(t, lead, "POST "+at+"/reject", object{"reason": "no"}, 200, ""); a.Text("status") != "APPROVED" || a.Body["pending"] != nil {
			t.Errorf("rejected: %s", a.Raw)
		}
		c.want(t, reviewer, "PUT "+at, object{"target": moved}, 200, "")
		if a := c.want(t, lead, "POST "+at+"/approve", nil, 200, ""); a.Body["target"].(object)["url"] != moved["url"] || a.Body["version"] != 3.0 {
			t.Errorf("approved: %s", a.Raw)
		}
	})
	t.Run("a rejected one is nothing", func(t *testing.T) {
		at := named(t)
		if a := c.want(t, reviewer, "POST "+at+"/reject", object{"reason": "no"}, 200, ""); a.Text("status") != "REJECTED" || a.Body["target"] != nil || a.Body["pending"] != nil {
			t.Errorf("rejected: %s", a.Raw)
		}
		c.want(t, reviewer, "POST "+at+"/approve", nil, 409, "invalid_transition")
	})
	t.Run("nobody approves what they wrote, whoever else did", func(t *testing.T) {
		at := named(t)
		c.want(t, reviewer, "PUT "+at, object{"target": with(hook, "async", true)}, 200, "")
		c.want(t, lead, "POST "+at+"/approve", nil, 403, "self_approval")
		c.want(t, reviewer, "POST "+at+"/approve", nil, 403, "self_approval")
		c.want(t, admin, "POST "+at+"/approve", nil, 200, "")
	})
	t.Run("one that a runbook runs at stays", func(t *testing.T) {
		at := named(t)
		c.want(t, reviewer, "POST "+at+"/approve", nil, 200, "")
		id := c.ready(t, object{"target": c.at(at)})
		c.want(t, lead, "DELETE "+at, nil, 409, "in_use")
		c.want(t, lead, "POST /v1/runbooks/"+id+"/archive", object{"reason": "x"}, 200, "")
		c.want(t, lead, "DELETE "+at, nil, 204, "")
		c.want(t, lead, "GET "+at, nil, 404, "not_found")
		if a := c.want(t, lead, "GET /v1/audit?subject="+strings.TrimPrefix(at, "/v1/targets/"), nil, 200, ""); !strings.Contains(a.Raw, "target.created") || !strings.Contains(a.Raw, "target.approved") || !strings.Contains(a.Raw, "target.deleted") || strings.Contains(a.Raw, "awx-token") {
			t.Errorf("on record: %s", a.Raw)
		}
	})
}

// at is the target of a runbook that runs at a named one.
func (c *contract) at(path string) object {
	return object{"type": "named", "targetId": strings.TrimPrefix(path, "/v1/targets/")}
}
