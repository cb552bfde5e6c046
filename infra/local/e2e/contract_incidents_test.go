package e2e

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pagefree/infra/local/client"
)

// contractIncidents: their shape, their states, their timeline.
func contractIncidents(t *testing.T, c *contract) {
	body := object{"title": c.name("Incident"), "severity": "HIGH", "serviceId": c.service}
	a := c.want(t, responder, "POST /v1/incidents", with(body, "description", "d", "labels", object{"zone": "eu-1"}, "dedupKey", c.name("k")), 201, "")
	id := a.Text("id")
	want := "acknowledgedAt acknowledgedById alertCount createdAt createdById dedupKey description escalatedAt id labels resolvedAt resolvedById serviceId severity source status teamId title updatedAt"
	if got := members(a.Body); got != want {
		t.Errorf("an incident has\n%s, want\n%s", got, want)
	}
	if a.Text("status") != "TRIGGERED" || a.Body["alertCount"] != 1.0 || a.Text("teamId") != c.team || a.Body["source"].(object)["kind"] == nil || a.Header.Get("Location") != "/v1/incidents/"+id {
		t.Errorf("an incident: %s", a.Raw)
	}
	post := func(members ...any) scenario {
		return scenario{as: responder, do: "POST /v1/incidents", send: with(body, members...), want: 422, code: "validation_failed"}
	}
	fine := func(s scenario, has string) scenario { s.want, s.code, s.has = 201, "", has; return s }
	many := object{}
	for i := range 33 {
		many[fmt.Sprintf("label%d", i)] = "x"
	}
	c.play(t, map[string]scenario{
		"by an observer":            {as: observer, do: "POST /v1/incidents", send: body, want: 403, code: "forbidden"},
		"by another team":           {as: outsider, do: "POST /v1/incidents", send: body, want: 404, code: "not_found"},
		"no title":                  post("title", nil),
		"a blank title":             post("title", "  "),
		"an endless title":          post("title", strings.Repeat("x", 5000)),
		"a title of two lines":      post("title", "a\nb"),
		"NUL":                       post("title", "a\x00b"),
		"Arabic and emoji":          fine(post("title", "خادم 🔥"), "خادم 🔥"),
		"markup":                    fine(post("title", "<script>alert(1)</script> & more"), "<script>alert(1)</script> & more"),
		"no severity":               post("severity", nil),
		"a severity that is none":   post("severity", "P1"),
		"no service":                post("serviceId", nil),
		"a description too long":    post("description", strings.Repeat("x", 33<<10)),
		"a label that is a number":  post("labels", object{"a": 5}),
		"33 labels":                 post("labels", many),
		"a label without a name":    post("labels", object{"": "x"}),
		"a label too long":          post("labels", object{"a": strings.Repeat("x", 513)}),
		"an endless key":            post("dedupKey", strings.Repeat("x", 5000)),
		"an empty key":              post("dedupKey", ""),
		"a strange key":             fine(post("dedupKey", c.name("#/%\u0001 🔥")), `"alertCount":1`),
		"a team":                    post("teamId", c.team),
		"a status":                  post("status", "RESOLVED"),
		"a source":                  post("source", object{"kind": "webhook"}),
		"read by another team":      {as: outsider, do: "GET /v1/incidents/" + id, want: 404, code: "not_found"},
		"changed by an observer":    {as: observer, do: "PATCH /v1/incidents/" + id, send: object{"title": "x"}, want: 403, code: "forbidden"},
		"changed by another team":   {as: outsider, do: "PATCH /v1/incidents/" + id, send: object{"title": "x"}, want: 404, code: "not_found"},
		"changed to nothing":        {as: responder, do: "PATCH /v1/incidents/" + id, send: object{"title": ""}, want: 422, code: "validation_failed"},
		"changed to null":           {as: responder, do: "PATCH /v1/incidents/" + id, send: text(`{"title":null}`), want: 422, code: "validation_failed"},
		"resolved by a change":      {as: responder, do: "PATCH /v1/incidents/" + id, send: object{"status": "RESOLVED"}, want: 422, code: "validation_failed"},
		"moved to another service":  {as: responder, do: "PATCH /v1/incidents/" + id, send: object{"serviceId": c.other}, want: 422, code: "validation_failed"},
		"a change":                  {as: responder, do: "PATCH /v1/incidents/" + id, send: object{"severity": "CRITICAL", "labels": object{"zone": "eu-2"}}, want: 200, has: `"labels":{"zone":"eu-2"}`},
		"acknowledged by observers": {as: observer, do: "POST /v1/incidents/" + id + "/acknowledge", want: 403, code: "forbidden"},
		"resolved by another team":  {as: outsider, do: "POST /v1/incidents/" + id + "/resolve", want: 404, code: "not_found"},
		"a note":                    {as: responder, do: "POST /v1/incidents/" + id + "/notes", send: object{"text": "seen <b>twice</b> 🔥\nsecond line"}, want: 201, has: `"kind":"note"`},
		"an empty note":             {as: responder, do: "POST /v1/incidents/" + id + "/notes", send: object{"text": ""}, want: 422, code: "validation_failed"},
		"a blank note":              {as: responder, do: "POST /v1/incidents/" + id + "/notes", send: object{"text": " \n\t"}, want: 422, code: "validation_failed"},
		"a note without text":       {as: responder, do: "POST /v1/incidents/" + id + "/notes", send: object{}, want: 422, code: "validation_failed"},
		"an endless note":           {as: responder, do: "POST /v1/incidents/" + id + "/notes", send: object{"text": strings.Repeat("x", 10<<10)}, want: 422, code: "validation_failed"},
		"a note by an observer":     {as: observer, do: "POST /v1/incidents/" + id + "/notes", send: object{"text": "x"}, want: 403, code: "forbidden"},
		"its timeline, elsewhere":   {as: outsider, do: "GET /v1/incidents/" + id + "/timeline", want: 404, code: "not_found"},
	})
	step := func(verb, who string, body any, status int, says string) client.Answer {
		return c.want(t, who, "POST /v1/incidents/"+id+"/"+verb, body, status, says)
	}
	me := c.userID(t, responder)
	step("reopen", responder, nil, 409, "invalid_transition")
	if a := step("acknowledge", responder, nil, 200, ""); a.Text("status") != "ACKNOWLEDGED" || a.Text("acknowledgedById") != me || a.Text("acknowledgedAt") == "" {
		t.Errorf("acknowledged: %s", a.Raw)
	}
	step("acknowledge", lead, nil, 409, "invalid_transition")
	step("resolve", responder, object{"note": 5}, 422, "validation_failed")
	if a := step("resolve", responder, object{"note": "disk cleaned"}, 200, ""); a.Text("status") != "RESOLVED" || a.Text("resolvedById") != me || a.Text("acknowledgedById") != me {
		t.Errorf("resolved: %s", a.Raw)
	}
	step("resolve", responder, nil, 409, "invalid_transition")
	step("acknowledge", responder, nil, 409, "invalid_transition")
	if a := step("reopen", responder, nil, 200, ""); a.Text("status") != "TRIGGERED" || a.Body["resolvedAt"] != nil || a.Body["resolvedById"] != nil {
		t.Errorf("reopened: %s", a.Raw)
	}
	step("resolve", responder, nil, 200, "")
	var kinds []string
	for _, e := range c.want(t, observer, "GET /v1/incidents/"+id+"/timeline", nil, 200, "").Items() {
		kinds = append(kinds, e["kind"].(string))
	}
	slices.Reverse(kinds)
	if got, want := strings.Join(kinds, " "), "created updated note acknowledged resolved reopened resolved"; got != want && got != strings.Replace(want, "updated note", "note updated", 1) {
		t.Errorf("its timeline is %q", got)
	}
}

// contractDedup: one open incident for a service and key.
func contractDedup(t *testing.T, c *contract) {
	key, title := c.name("dedup"), c.name("Dedup")
	body := object{"title": title, "severity": "LOW", "serviceId": c.service, "dedupKey": key}
	got := together(10, func() string {
		a := c.ask(t, responder, "POST /v1/incidents", body, nil)
		return fmt.Sprint(a.Status, a.Text("id"))
	})
	first := c.want(t, observer, "GET /v1/incidents?q="+url.QueryEscape(title), nil, 200, "").Items()
	if len(first) != 1 || first[0]["alertCount"] != 10.0 {
		t.Fatalf("ten alerts at once: %v", first)
	}
	id := first[0]["id"].(string)
	if got["201"+id] != 1 || got["200"+id] != 9 {
		t.Errorf("ten alerts at once: %v", got)
	}
	c.want(t, responder, "POST /v1/incidents/"+id+"/acknowledge", nil, 200, "")
	again := c.want(t, responder, "POST /v1/incidents", with(body, "title", "another", "severity", "CRITICAL"), 200, "")
	if again.Text("id") != id || again.Body["alertCount"] != 11.0 || again.Text("status") != "ACKNOWLEDGED" || again.Text("title") != title || again.Header.Get("Location") != "" {
		t.Errorf("one more: %s", again.Raw)
	}
	if a := c.want(t, responder, "POST /v1/incidents", with(body, "serviceId", c.other), 201, ""); a.Text("id") == id {
		t.Errorf("another service: %s", a.Raw)
	}
	if a := c.want(t, responder, "POST /v1/incidents", with(body, "dedupKey", strings.ToUpper(key)), 201, ""); a.Text("id") == id {
		t.Errorf("a key has a case: %s", a.Raw)
	}
	c.want(t, responder, "POST /v1/incidents/"+id+"/resolve", nil, 200, "")
	fresh := c.want(t, responder, "POST /v1/incidents", body, 201, "")
	if fresh.Text("id") == id || fresh.Body["alertCount"] != 1.0 {
		t.Errorf("after a resolve: %s", fresh.Raw)
	}
	if a := c.ask(t, responder, "POST /v1/incidents/"+id+"/reopen", nil, nil); a.Status != 409 {
		t.Errorf("two open ones of a key: %d %s", a.Status, a.Raw)
	}
	c.play(t, map[string]scenario{
		"by service":  {as: observer, do: "GET /v1/incidents?limit=200&serviceId=" + c.other, want: 200, lacks: id},
		"by team":     {as: observer, do: "GET /v1/incidents?limit=200&teamId=" + c.team, want: 200, has: id},
		"by status":   {as: observer, do: "GET /v1/incidents?limit=200&status=RESOLVED", want: 200, has: id, lacks: fresh.Text("id")},
		"by severity": {as: observer, do: "GET /v1/incidents?limit=200&severity=CRITICAL", want: 200, lacks: id},
		"by words":    {as: observer, do: "GET /v1/incidents?q=" + url.QueryEscape(strings.ToUpper(title)), want: 200, has: id},
		"by all":      {as: observer, do: "GET /v1/incidents?status=TRIGGERED&severity=LOW&serviceId=" + c.service + "&q=" + url.QueryEscape(title), want: 200, has: fresh.Text("id"), lacks: id},
		"elsewhere":   {as: outsider, do: "GET /v1/incidents?limit=200", want: 200, lacks: c.team},
	})
}

func contractServices(t *testing.T, c *contract) {
	name := c.name("Service")
	a := c.want(t, lead, "POST /v1/services", object{"name": name, "teamId": c.team, "description": "d", "escalateAfterMinutes": 5}, 201, "")
	id := a.Text("id")
	if a.Text("name") != name || a.Text("teamId") != c.team || a.Body["escalateAfterMinutes"] != 5.0 {
		t.Errorf("a service: %s", a.Raw)
	}
	post := func(members ...any) scenario {
		return scenario{as: lead, do: "POST /v1/services", send: with(object{"name": c.name("S"), "teamId": c.team}, members...), want: 422, code: "validation_failed"}
	}
	c.play(t, map[string]scenario{
		"by a responder":           {as: responder, do: "POST /v1/services", send: object{"name": "x", "teamId": c.team}, want: 403, code: "forbidden"},
		"for another team":         {as: lead, do: "POST /v1/services", send: object{"name": "x", "teamId": c.elsewhere}, want: 404, code: "not_found"},
		"for a team that is none":  {as: lead, do: "POST /v1/services", send: object{"name": "x", "teamId": "x"}, want: 404, code: "not_found"},
		"a name that is taken":     {as: lead, do: "POST /v1/services", send: object{"name": name, "teamId": c.team}, want: 409, code: "name_taken"},
		"no name":                  post("name", nil),
		"a blank name":             post("name", " "),
		"an endless name":          post("name", strings.Repeat("x", 121)),
		"no team":                  post("teamId", nil),
		"no minute":                post("escalateAfterMinutes", 0),
		"a minute less":            post("escalateAfterMinutes", -1),
		"an unknown member":        post("nonsense", 1),
		"read by an observer":      {as: observer, do: "GET /v1/services/" + id, want: 200, has: name},
		"read by another team":     {as: outsider, do: "GET /v1/services/" + id, want: 404, code: "not_found"},
		"changed by a responder":   {as: responder, do: "PATCH /v1/services/" + id, send: object{"name": "x"}, want: 403, code: "forbidden"},
		"given to another team":    {as: lead, do: "PATCH /v1/services/" + id, send: object{"teamId": c.elsewhere}, want: 422, code: "validation_failed"},
		"never to escalate":        {as: lead, do: "PATCH /v1/services/" + id, send: text(`{"escalateAfterMinutes":null}`), want: 200, has: `"escalateAfterMinutes":null`},
		"deleted by a responder":   {as: responder, do: "DELETE /v1/services/" + id, want: 403, code: "forbidden"},
		"deleted by another team":  {as: outsider, do: "DELETE /v1/services/" + id, want: 404, code: "not_found"},
		"deleted, which is nobody": {as: lead, do: "DELETE /v1/services/svc_" + unknown, want: 404, code: "not_found"},
	})
	open := c.want(t, responder, "POST /v1/incidents", object{"title": "x", "severity": "LOW", "serviceId": id}, 201, "").Text("id")
	c.ask(t, lead, "DELETE /v1/services/"+id, nil, nil)
	c.want(t, lead, "GET /v1/services/"+id, nil, 200, "")
	c.want(t, responder, "POST /v1/incidents/"+open+"/resolve", nil, 200, "")
	c.want(t, lead, "DELETE /v1/services/"+id, nil, 204, "")
	c.want(t, lead, "DELETE /v1/services/"+id, nil, 404, "not_found")
	c.want(t, lead, "GET /v1/services/"+id, nil, 404, "not_found")
	c.want(t, responder, "POST /v1/incidents", object{"title": "x", "severity": "LOW", "serviceId": id}, 404, "not_found")
	c.want(t, observer, "GET /v1/incidents/"+open, nil, 200, "")
	c.want(t, lead, "POST /v1/services", object{"name": name, "teamId": c.team}, 201, "")
}

// contractRaces: of ten that take one name, one has it.
func contractRaces(t *testing.T, c *contract) {
	name := c.name("Race")
	for do, race := range map[string]struct {
		who, code string
		body      object
	}{
		"POST /v1/runbooks": {lead, "name_taken", c.body(object{"name": name})},
		"POST /v1/services": {lead, "name_taken", object{"name": name, "teamId": c.team}},
		"POST /v1/users":    {admin, "email_taken", object{"name": "Race", "email": strings.ReplaceAll(name, " ", ".") + "@pagefree.test"}},
	} {
		got := together(10, func() string {
			a := c.ask(t, race.who, do, race.body, nil)
			return fmt.Sprint(a.Status, " ", a.Text("code"))
		})
		if got["201 "] != 1 || got["409 "+race.code] != 9 {
			t.Errorf("%s: %v", do, got)
		}
	}
}
