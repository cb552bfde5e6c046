package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pagefree/infra/local/client"
)

// body is a runbook that can be created, with other members.
func (c *contract) body(members object) object {
	b := object{"name": c.name("Runbook"), "teamId": c.team, "language": "BASH", "scriptContent": "echo hi\n", "target": object{"type": "sandbox"}, "timeoutSeconds": 30}
	for k, v := range members {
		b[k] = v
	}
	return b
}

// draft makes a runbook, and returns its id.
func (c *contract) draft(t *testing.T, members object) string {
	t.Helper()
	return c.want(t, lead, "POST /v1/runbooks", c.body(members), 201, "").Text("id")
}

// ready makes a runbook that runs.
func (c *contract) ready(t *testing.T, members object) string {
	t.Helper()
	id := c.draft(t, members)
	c.approve(t, id, 1)
	return id
}

// approve puts a version through review.
func (c *contract) approve(t *testing.T, id string, n int) client.Answer {
	t.Helper()
	version := fmt.Sprintf("/v1/runbooks/%s/versions/%d", id, n)
	c.want(t, lead, "POST "+version+"/submit", nil, 200, "")
	return c.want(t, reviewer, "POST "+version+"/approve", object{"note": "read"}, 200, "")
}

// version writes the next version, and returns its number.
func (c *contract) version(t *testing.T, id string, members object) int {
	t.Helper()
	body := c.body(members)
	delete(body, "name")
	delete(body, "teamId")
	return int(c.want(t, lead, "POST /v1/runbooks/"+id+"/versions", body, 201, "").Body["version"].(float64))
}

// members are the names of an object's members, sorted.
func members(o object) string {
	var names []string
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// contractRunbooks: what a runbook may be made of, and who makes it.
func contractRunbooks(t *testing.T, c *contract) {
	post := func(members ...any) scenario {
		return scenario{as: lead, do: "POST /v1/runbooks", send: with(c.body(nil), members...), want: 422, code: "validation_failed"}
	}
	fine := func(s scenario, has string) scenario { s.want, s.code, s.has = 201, "", has; return s }
	missing := func(s scenario) scenario { s.want, s.code = 404, "not_found"; return s }
	by := func(who string, status int, code string) scenario {
		return scenario{as: who, do: "POST /v1/runbooks", send: c.body(nil), want: status, code: code}
	}
	global := func(who string, status int, code string) scenario {
		return scenario{as: who, do: "POST /v1/runbooks", send: text(strings.Replace(encoded(t, c.body(object{"teamId": "NULL"})), `"NULL"`, "null", 1)), want: status, code: code}
	}
	taken := c.name("Taken")
	c.want(t, lead, "POST /v1/runbooks", c.body(object{"name": taken}), 201, "")
	c.want(t, outsider, "POST /v1/runbooks", c.body(object{"name": taken, "teamId": c.elsewhere}), 201, "")
	c.play(t, map[string]scenario{
		"by a responder":              by(responder, 403, "forbidden"),
		"by an observer":              by(observer, 403, "forbidden"),
		"by another team":             by(outsider, 404, "not_found"),
		"by a platform admin":         by(admin, 201, ""),
		"a global one":                global(admin, 201, ""),
		"a global one by a lead":      global(lead, 403, "forbidden"),
		"a name that is taken":        {as: lead, do: "POST /v1/runbooks", send: c.body(object{"name": taken}), want: 409, code: "name_taken"},
		"no name":                     post("name", nil),
		"a blank name":                post("name", "  "),
		"121 characters":              post("name", strings.Repeat("é", 121)),
		"120 characters":              fine(post("name", fmt.Sprintf("%-20d", c.names.Add(1))[:20]+strings.Repeat("é", 100)), "éé"),
		"NUL in a name":               post("name", "a\x00b"),
		"a name of two lines":         post("name", "a\nb"),
		"Hebrew, Arabic and emoji":    fine(post("name", c.name("שלום عمر 🔥")), "שלום عمر 🔥"),
		"another language":            post("language", "RUBY"),
		"a language in lower case":    post("language", "bash"),
		"no language":                 post("language", nil),
		"no script":                   post("scriptContent", nil),
		"an empty script":             post("scriptContent", ""),
		"NUL in a script":             post("scriptContent", "echo a\x00b"),
		"48 KiB":                      fine(post("scriptContent", "#"+strings.Repeat("é", 24*1024-1)+"\n"), `"DRAFT"`),
		"48 KiB and a byte":           post("scriptContent", "#"+strings.Repeat("é", 24*1024-1)+"\n\n"),
		"no target":                   post("target", nil),
		"a target that is none":       post("target", object{"type": "moon"}),
		"a target as a word":          post("target", "sandbox"),
		"a target with more":          post("target", object{"type": "sandbox", "nonsense": 1}),
		"a sandbox with instances":    post("target", object{"type": "sandbox", "instanceIds": []string{"mi-1"}}),
		"4 seconds":                   post("timeoutSeconds", 4),
		"5 seconds":                   fine(post("timeoutSeconds", 5), `"id"`),
		"300 seconds":                 fine(post("timeoutSeconds", 300), `"id"`),
		"301 seconds":                 post("timeoutSeconds", 301),
		"five and a half":             post("timeoutSeconds", 5.5),
		"a googol of seconds":         post("timeoutSeconds", 1e100),
		"seconds as a word":           post("timeoutSeconds", "60"),
		"a retry":                     post("maxRetries", 1),
		"of what is idempotent":       fine(post("maxRetries", 3, "idempotent", true), `"id"`),
		"four retries":                post("maxRetries", 4, "idempotent", true),
		"no run at once":              post("concurrency", 0),
		"101 runs at once":            post("concurrency", 101),
		"no run an hour":              post("maxRunsPerHour", 0),
		"1001 runs an hour":           post("maxRunsPerHour", 1001),
		"a risk in lower case":        post("risk", "low"),
		"a risk":                      fine(post("risk", "LOW"), `"risk":"LOW"`),
		"a confirmation as a word":    post("requiresConfirm", "yes"),
		"a service":                   fine(post("serviceId", c.service), `"serviceId":"`+c.service+`"`),
		"another team's service":      missing(post("serviceId", c.foreignService(t))),
		"nobody's service":            missing(post("serviceId", "svc_"+unknown)),
		"another team":                missing(post("teamId", c.elsewhere)),
		"a team that is none":         missing(post("teamId", "x")),
		"an empty team is not global": missing(post("teamId", "")),
		"what the server says":        post("status", "APPROVED"),
		"an id":                       post("id", "rb_"+unknown),
	})
	t.Run("its shape", func(t *testing.T) {
		a := c.want(t, lead, "POST /v1/runbooks", with(c.body(nil), "timeoutSeconds", nil), 201, "")
		if got, want := members(a.Body), "allowedActions approvedAt approvedById approvedVersion createdAt createdById currentVersion description id language name requiresConfirm risk serviceId status teamId updatedAt"; got != want {
			t.Errorf("a runbook has\n%s, want\n%s", got, want)
		}
		if a.Body["risk"] != "HIGH" || a.Body["status"] != "DRAFT" || a.Body["currentVersion"] != 1.0 || a.Body["approvedVersion"] != nil || a.Body["requiresConfirm"] != false {
			t.Errorf("its defaults: %s", a.Raw)
		}
		v := c.want(t, observer, "GET /v1/runbooks/"+a.Text("id")+"/versions/1", nil, 200, "")
		if got, want := members(v.Body), "changeNote check concurrency contentHash createdAt createdById idempotent language maxRetries maxRunsPerHour parameters requiresConfirm reviewNote reviewedAt reviewedById risk runbookId scriptContent serviceId status submittedById target timeoutSeconds version"; got != want {
			t.Errorf("a version has\n%s, want\n%s", got, want)
		}
		if v.Body["timeoutSeconds"] != 60.0 || v.Body["maxRetries"] != 0.0 || v.Body["concurrency"] != 10.0 || v.Body["maxRunsPerHour"] != nil || v.Body["idempotent"] != false || v.Body["risk"] != "HIGH" {
			t.Errorf("its defaults: %s", v.Raw)
		}
	})
	t.Run("words change, and nothing else", func(t *testing.T) {
		id := c.draft(t, nil)
		c.play(t, map[string]scenario{
			"a description":        {as: lead, do: "PATCH /v1/runbooks/" + id, send: object{"description": "what it is for"}, want: 200, has: "what it is for"},
			"a script":             {as: lead, do: "PATCH /v1/runbooks/" + id, send: object{"scriptContent": "echo"}, want: 422, code: "validation_failed"},
			"a risk":               {as: lead, do: "PATCH /v1/runbooks/" + id, send: object{"risk": "LOW"}, want: 422, code: "validation_failed"},
			"a name that is taken": {as: lead, do: "PATCH /v1/runbooks/" + id, send: object{"name": taken}, want: 409, code: "name_taken"},
			"an empty name":        {as: lead, do: "PATCH /v1/runbooks/" + id, send: object{"name": ""}, want: 422, code: "validation_failed"},
			"a name of null":       {as: lead, do: "PATCH /v1/runbooks/" + id, send: text(`{"name":null}`), want: 422, code: "validation_failed"},
			"by a responder":       {as: responder, do: "PATCH /v1/runbooks/" + id, send: object{"name": "x"}, want: 403, code: "forbidden"},
			"by another team":      {as: outsider, do: "PATCH /v1/runbooks/" + id, send: object{"name": "x"}, want: 404, code: "not_found"},
			"by PUT":               {as: lead, do: "PUT /v1/runbooks/" + id, send: object{"name": "x"}, want: 405, code: "method_not_allowed"},
			"read by an observer":  {as: observer, do: "GET /v1/runbooks/" + id, want: 200, has: `"allowedActions":[]`},
			"read by another team": {as: outsider, do: "GET /v1/runbooks/" + id, want: 404, code: "not_found"},
		})
		freed := c.name("Freed")
		old := c.draft(t, object{"name": freed})
		c.want(t, lead, "PATCH /v1/runbooks/"+old, object{"name": c.name("Moved")}, 200, "")
		c.want(t, lead, "POST /v1/runbooks", c.body(object{"name": freed}), 201, "")
	})
}

// foreignService is one of the outsider's team.
func (c *contract) foreignService(t *testing.T) string {
	t.Helper()
	return c.want(t, outsider, "POST /v1/services", object{"name": c.name("Foreign"), "teamId": c.elsewhere}, 201, "").Text("id")
}

// contractParameters: what a runbook may declare.
func contractParameters(t *testing.T, c *contract) {
	one := func(members ...any) scenario {
		p := with(object{"name": "A", "type": "string"}, members...)
		return scenario{as: lead, do: "POST /v1/runbooks", send: c.body(object{"parameters": []any{p}}), want: 422, code: "validation_failed", has: "body.parameters"}
	}
	many := func(list ...any) scenario {
		return scenario{as: lead, do: "POST /v1/runbooks", send: c.body(object{"parameters": list}), want: 422, code: "validation_failed", has: "body.parameters"}
	}
	fine := func(s scenario) scenario { s.want, s.code, s.has = 201, "", `"id"`; return s }
	var list []any
	for i := range 33 {
		list = append(list, object{"name": fmt.Sprintf("P%d", i), "type": "string"})
	}
	raw := func(member string) scenario {
		s := one()
		s.send = text(strings.Replace(encoded(t, s.send), `"type":"string"`, `"type":"integer",`+member, 1))
		return s
	}
	c.play(t, map[string]scenario{
		"a string":                   fine(one()),
		"a name in lower case":       one("name", "a"),
		"a name that is a number":    one("name", "1A"),
		"40 characters":              fine(one("name", strings.Repeat("A", 40))),
		"41 characters":              one("name", strings.Repeat("A", 41)),
		"no name":                    one("name", nil),
		"a name twice":               many(object{"name": "A", "type": "string"}, object{"name": "A", "type": "integer"}),
		"32 of them":                 fine(many(list[:32]...)),
		"33 of them":                 many(list...),
		"another type":               one("type", "object"),
		"no type":                    one("type", nil),
		"an unknown member":          one("nonsense", 1),
		"a default":                  fine(one("default", "x")),
		"a default of another type":  one("type", "integer", "default", "5"),
		"a fraction for an integer":  one("type", "integer", "default", 5.5),
		"a word for a boolean":       one("type", "boolean", "default", "true"),
		"a default not in the enum":  one("enum", []string{"a", "b"}, "default", "c"),
		"a default in the enum":      fine(one("enum", []string{"a", "b"}, "default", "b")),
		"an enum of another type":    one("type", "integer", "enum", []string{"a"}),
		"a pattern":                  fine(one("pattern", "[a-z]+", "default", "abc")),
		"a default off the pattern":  one("pattern", "[a-z]+", "default", "abc1"),
		"a pattern that is none":     one("pattern", "("),
		"a pattern beyond RE2":       one("pattern", `(a)\1`),
		"a default that is too long": one("maxLength", 2, "default", "abc"),
		"no length":                  one("maxLength", 0),
		"braces in a default":        one("default", "{{incident.title}}"),
		"NUL in a default":           one("default", "a\x00b"),
		"a huge default":             raw(`"default":99999999999999999999`),
		"a number beyond":            {as: lead, do: "POST /v1/runbooks", send: raw(`"default":1e999`).send, want: 422, code: "validation_failed"},
		"a template":                 fine(one("template", `{{incident.title}} {{default incident.labels.zone "eu"}}`)),
		"a template of no path":      one("template", "{{incident.nonsense}}"),
		"a template of no helper":    one("template", "{{nonsense incident.title}}"),
		"a template of a step":       one("template", "{{steps.a.stdout}}"),
		"a template without end":     one("template", "{{incident.title"),
		"templates in templates":     one("template", "{{upper {{incident.title}}}}"),
		"parameters as an object":    {as: lead, do: "POST /v1/runbooks", send: c.body(object{"parameters": object{}}), want: 422, code: "validation_failed"},
		"parameters as words":        many("A"),
	})
}
