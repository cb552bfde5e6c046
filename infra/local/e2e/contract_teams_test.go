package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func contractUsers(t *testing.T, c *contract) {
	email, id := c.person(t)
	if got := c.want(t, admin, "GET /v1/users/"+id, nil, 200, ""); got.Text("email") != email || got.Body["active"] != true || got.Body["platformAdmin"] != false {
		t.Errorf("a new user: %s", got.Raw)
	}
	post := func(members ...any) scenario {
		body := with(object{"email": fmt.Sprintf("u%d@pagefree.test", c.names.Add(1)+time.Now().UnixNano()), "name": "Uma"}, members...)
		return scenario{as: admin, do: "POST /v1/users", send: body, want: 422, code: "validation_failed"}
	}
	fine := func(s scenario, has string) scenario { s.want, s.code, s.has = 201, "", has; return s }
	me := c.want(t, admin, "GET /v1/me", nil, 200, "").Text("id")
	c.play(t, map[string]scenario{
		"a list":                   {as: admin, do: "GET /v1/users?limit=2", want: 200, has: `"platformAdmin"`},
		"a list by a team admin":   {as: lead, do: "GET /v1/users", want: 403, code: "forbidden"},
		"one by a team admin":      {as: lead, do: "POST /v1/users", send: object{"email": "x@y.zz", "name": "X"}, want: 403, code: "forbidden"},
		"a change by a team admin": {as: lead, do: "PATCH /v1/users/" + id, send: object{"name": "X"}, want: 403, code: "forbidden"},
		"a change of nobody":       {as: admin, do: "PATCH /v1/users/usr_" + unknown, send: object{"name": "X"}, want: 404, code: "not_found"},
		"an address that is taken": {as: admin, do: "POST /v1/users", send: object{"email": strings.ToUpper(email), "name": "X"}, want: 409, code: "email_taken"},
		"taking another's address": {as: admin, do: "PATCH /v1/users/" + id, send: object{"email": lead}, want: 409, code: "email_taken"},
		"a name of null":           {as: admin, do: "PATCH /v1/users/" + id, send: text(`{"name":null}`), want: 422, code: "validation_failed"},
		"deactivating oneself":     {as: admin, do: "PATCH /v1/users/" + me, send: object{"active": false}, want: 409, code: "invalid_transition"},
		"no name":                  post("name", nil),
		"an empty name":            post("name", ""),
		"a blank name":             post("name", " \u3000 "),
		"121 characters":           post("name", strings.Repeat("é", 121)),
		"120 characters":           fine(post("name", strings.Repeat("é", 120)), "é"),
		"a name of two lines":      post("name", "a\nb"),
		"NUL":                      post("name", "a\x00b"),
		"a name that turns round":  post("name", "\u202eevil"),
		"Arabic and emoji":         fine(post("name", "عمر 🚒"), "عمر 🚒"),
		"a name of markup":         fine(post("name", "<b>Uma</b>"), "<b>Uma</b>"),
		"no address":               post("email", nil),
		"an address with a quote":  post("email", `"a b"@c.de`),
		"an address of an IP":      post("email", "a@[127.0.0.1]"),
		"an address not of ASCII":  post("email", "ü@pagefree.test"),
		"two addresses":            post("email", "a@b.cd,e@f.gh"),
		"a role":                   post("role", "TEAM_ADMIN"),
		"active as a word":         post("active", "yes"),
		"born inactive":            fine(post("active", false), `"active":false`),
		"a platform admin":         fine(post("platformAdmin", true), `"platformAdmin":true`),
	})
}

func contractTeams(t *testing.T, c *contract) {
	_, first := c.person(t)
	_, second := c.person(t)
	team := c.want(t, admin, "POST /v1/teams", object{"name": c.name("Team")}, 201, "").Text("id")
	me := c.want(t, admin, "GET /v1/me", nil, 200, "").Text("id")
	members := "/v1/teams/" + team + "/members"
	if a := c.want(t, admin, "GET "+members, nil, 200, ""); len(a.Items()) != 1 || a.Items()[0]["userId"] != me || a.Items()[0]["role"] != "TEAM_ADMIN" {
		t.Errorf("whoever makes a team is its admin: %s", a.Raw)
	}
	c.want(t, admin, "PUT "+members+"/"+first, object{"role": "OBSERVER"}, 200, "")
	if a := c.want(t, admin, "PUT "+members+"/"+first, object{"role": "TEAM_ADMIN"}, 200, ""); a.Text("role") != "TEAM_ADMIN" || a.Text("userId") != first {
		t.Errorf("a member: %s", a.Raw)
	}
	c.want(t, admin, "DELETE "+members+"/"+me, nil, 204, "")
	c.want(t, admin, "DELETE "+members+"/"+me, nil, 404, "not_found")
	t.Run("a team keeps its last admin", func(t *testing.T) {
		c.want(t, admin, "PUT "+members+"/"+first, object{"role": "RESPONDER"}, 409, "last_team_admin")
		c.want(t, admin, "DELETE "+members+"/"+first, nil, 409, "last_team_admin")
		c.want(t, admin, "PATCH /v1/users/"+first, object{"active": false}, 409, "last_team_admin")
		c.want(t, admin, "PUT "+members+"/"+second, object{"role": "TEAM_ADMIN"}, 200, "")
		got := together(2, func() string { return fmt.Sprint(c.ask(t, admin, "DELETE "+members+"/"+first, nil, nil).Status) })
		if got["204"] != 1 {
			t.Errorf("leaving twice at once: %v", got)
		}
		c.want(t, admin, "PATCH /v1/users/"+second, object{"active": false}, 409, "last_team_admin")
	})
	ours := "/v1/teams/" + c.team + "/members"
	_, known := c.person(t)
	c.play(t, map[string]scenario{
		"by a team admin":           {as: lead, do: "POST /v1/teams", send: object{"name": "X"}, want: 403, code: "forbidden"},
		"no name":                   {as: admin, do: "POST /v1/teams", send: object{"name": " "}, want: 422, code: "validation_failed"},
		"an endless name":           {as: admin, do: "POST /v1/teams", send: object{"name": strings.Repeat("x", 121)}, want: 422, code: "validation_failed"},
		"my teams":                  {as: observer, do: "GET /v1/teams", want: 200, has: c.team, lacks: c.elsewhere},
		"members, by a member":      {as: observer, do: "GET " + ours, want: 200, has: responder},
		"members, by an outsider":   {as: outsider, do: "GET " + ours, want: 404, code: "not_found"},
		"a role that is none":       {as: lead, do: "PUT " + ours + "/" + known, send: object{"role": "PLATFORM_ADMIN"}, want: 422, code: "validation_failed"},
		"a role in lower case":      {as: lead, do: "PUT " + ours + "/" + known, send: object{"role": "observer"}, want: 422, code: "validation_failed"},
		"nobody as a member":        {as: lead, do: "PUT " + ours + "/usr_" + unknown, send: object{"role": "OBSERVER"}, want: 404, code: "not_found"},
		"by a responder":            {as: responder, do: "PUT " + ours + "/" + known, send: object{"role": "OBSERVER"}, want: 403, code: "forbidden"},
		"removal by a responder":    {as: responder, do: "DELETE " + ours + "/" + known, want: 403, code: "forbidden"},
		"by another team's admin":   {as: outsider, do: "PUT " + ours + "/" + known, send: object{"role": "OBSERVER"}, want: 404, code: "not_found"},
		"a team that is none":       {as: lead, do: "PUT /v1/teams/team_" + unknown + "/members/" + known, send: object{"role": "OBSERVER"}, want: 404, code: "not_found"},
		"a removal of no member":    {as: lead, do: "DELETE " + ours + "/" + known, want: 404, code: "not_found"},
		"a stale If-Match of a PUT": {as: lead, do: "PUT " + ours + "/" + c.userID(t, observer), send: object{"role": "OBSERVER"}, with: map[string][]string{"If-Match": {`"999"`}}, want: 412, code: "precondition_failed"},
	})
}

func (c *contract) userID(t *testing.T, who string) string {
	t.Helper()
	return c.want(t, who, "GET /v1/me", nil, 200, "").Text("id")
}

func contractKeys(t *testing.T, c *contract) {
	made := c.key(t, "TEAM_ADMIN")
	id, key := made.Text("id"), made.Text("key")
	if !strings.HasPrefix(key, "pfk_") || !strings.HasPrefix(key, made.Text("prefix")) || made.Body["expiresAt"] != nil || made.Text("createdById") != c.userID(t, lead) {
		t.Errorf("a key: %s", made.Raw)
	}
	shown := c.want(t, lead, "GET /v1/api-keys?limit=200", nil, 200, "")
	if !strings.Contains(shown.Raw, id) || strings.Contains(shown.Raw, key) || strings.Contains(shown.Raw, `"key"`) {
		t.Errorf("the list: %s", shown.Raw)
	}
	runbook := c.draft(t, nil)
	version := "/v1/runbooks/" + runbook + "/versions/1"
	c.want(t, lead, "POST "+version+"/submit", nil, 200, "")
	waiting := c.want(t, responder, "POST /v1/executions", object{"runbookId": c.ready(t, object{"requiresConfirm": true})}, 202, "").Text("id")
	missing := func(s scenario) scenario { s.want, s.code = 404, "not_found"; return s }
	post := func(members ...any) scenario {
		body := with(object{"name": "K", "teamId": c.team, "role": "OBSERVER"}, members...)
		return scenario{as: lead, do: "POST /v1/api-keys", send: body, want: 422, code: "validation_failed"}
	}
	c.play(t, map[string]scenario{
		"it acts as its role":            {as: key, do: "GET /v1/audit?limit=1", want: 200},
		"it never approves":              {as: key, do: "POST " + version + "/approve", want: 403, code: "forbidden"},
		"nor rejects":                    {as: key, do: "POST " + version + "/reject", send: object{"reason": "no"}, want: 403, code: "forbidden"},
		"nor confirms":                   {as: key, do: "POST /v1/executions/" + waiting + "/confirm", want: 403, code: "forbidden"},
		"nor manages members":            {as: key, do: "PUT /v1/teams/" + c.team + "/members/" + c.userID(t, observer), send: object{"role": "TEAM_ADMIN"}, want: 403, code: "forbidden"},
		"nor removes them":               {as: key, do: "DELETE /v1/teams/" + c.team + "/members/" + c.userID(t, observer), want: 403, code: "forbidden"},
		"nor makes keys":                 {as: key, do: "POST /v1/api-keys", send: object{"name": "K", "teamId": c.team, "role": "OBSERVER"}, want: 403, code: "forbidden"},
		"nor lists them":                 {as: key, do: "GET /v1/api-keys", want: 403, code: "forbidden"},
		"nor ends them":                  {as: key, do: "DELETE /v1/api-keys/" + id, want: 403, code: "forbidden"},
		"nor sees users":                 {as: key, do: "GET /v1/users", want: 403, code: "forbidden"},
		"nor another team":               {as: key, do: "GET /v1/incidents?teamId=" + c.elsewhere, want: 404, code: "not_found"},
		"a list by a responder":          {as: responder, do: "GET /v1/api-keys", want: 403, code: "forbidden"},
		"one by a responder":             {as: responder, do: "POST /v1/api-keys", send: object{"name": "K", "teamId": c.team, "role": "OBSERVER"}, want: 403, code: "forbidden"},
		"one for another team":           missing(post("teamId", c.elsewhere)),
		"one for no team":                post("teamId", nil),
		"one for a team that is none":    missing(post("teamId", "x")),
		"no name":                        post("name", ""),
		"a role that is none":            post("role", "ADMIN"),
		"an end in the past":             post("expiresAt", "2020-01-01T00:00:00Z"),
		"an end that is no time":         post("expiresAt", "tomorrow"),
		"an end with an offset":          {as: lead, do: "POST /v1/api-keys", send: object{"name": "K", "teamId": c.team, "role": "OBSERVER", "expiresAt": "2999-01-01T02:00:00+02:00"}, want: 201, has: `"2999-01-01T00:00:00.000Z"`},
		"ended by another team's admin":  {as: outsider, do: "DELETE /v1/api-keys/" + id, want: 404, code: "not_found"},
		"ended by a responder":           {as: responder, do: "DELETE /v1/api-keys/" + id, want: 403, code: "forbidden"},
		"what it writes is its maker's":  {as: key, do: "POST /v1/incidents", send: object{"title": c.name("key"), "severity": "LOW", "serviceId": c.service}, want: 201, has: `"createdById":"` + c.userID(t, lead) + `"`},
		"an end of a key that is nobody": {as: lead, do: "DELETE /v1/api-keys/key_" + unknown, want: 404, code: "not_found"},
	})
	written := c.want(t, key, "POST /v1/runbooks", c.body(nil), 201, "").Text("id")
	c.want(t, reviewer, "POST /v1/runbooks/"+written+"/versions/1/submit", nil, 200, "")
	c.want(t, lead, "POST /v1/runbooks/"+written+"/versions/1/approve", nil, 403, "self_approval")
	c.want(t, lead, "DELETE /v1/api-keys/"+id, nil, 204, "")
	c.want(t, lead, "DELETE /v1/api-keys/"+id, nil, 404, "not_found")
	c.want(t, key, "GET /v1/incidents", nil, 401, "unauthenticated")
	soon := c.want(t, lead, "POST /v1/api-keys", object{"name": "K", "teamId": c.team, "role": "OBSERVER", "expiresAt": time.Now().Add(3 * time.Second).UTC().Format(time.RFC3339Nano)}, 201, "")
	c.want(t, soon.Text("key"), "GET /v1/incidents?limit=1", nil, 200, "")
	time.Sleep(3100 * time.Millisecond)
	c.want(t, soon.Text("key"), "GET /v1/incidents?limit=1", nil, 401, "unauthenticated")
}
