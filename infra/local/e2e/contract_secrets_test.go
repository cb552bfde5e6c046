package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// contractSecrets: a secret is written and never read back, by people alone.
func contractSecrets(t *testing.T, c *contract) {
	const hush = "hush-77e0c1"
	name := func() string { return fmt.Sprintf("s-%d", c.names.Add(1)) }
	body := func(members ...any) object {
		return with(object{"name": name(), "teamId": c.team, "value": hush}, members...)
	}
	post := func(members ...any) scenario {
		return scenario{as: lead, do: "POST /v1/secrets", send: body(members...), want: 422, code: "validation_failed", lacks: hush}
	}
	fine := func(s scenario) scenario { s.want, s.code = 201, ""; return s }
	taken := name()
	a := c.want(t, lead, "POST /v1/secrets", body("name", taken), http.StatusCreated, "")
	one := "/v1/secrets/" + a.Text("id")
	if got, want := members(a.Body), "createdAt createdById id name teamId updatedAt updatedById version"; got != want || strings.Contains(a.Raw, hush) {
		t.Errorf("a secret has\n%s, want\n%s", got, want)
	}
	key := c.want(t, lead, "POST /v1/api-keys", object{"name": c.name("key"), "teamId": c.team, "role": "TEAM_ADMIN"}, http.StatusCreated, "").Text("key")
	global := func(who string, status int, code string) scenario {
		raw := strings.Replace(encoded(t, body("teamId", "NULL")), `"NULL"`, "null", 1)
		return scenario{as: who, do: "POST /v1/secrets", send: text(raw), want: status, code: code, lacks: hush}
	}
	c.play(t, map[string]scenario{
		"by an admin":              {as: admin, do: "POST /v1/secrets", send: body(), want: 201, lacks: hush},
		"by a responder":           {as: responder, do: "POST /v1/secrets", send: body(), want: 403, code: "forbidden"},
		"by an observer":           {as: observer, do: "POST /v1/secrets", send: body(), want: 403, code: "forbidden"},
		"by another team":          {as: outsider, do: "POST /v1/secrets", send: body(), want: 404, code: "not_found"},
		"by a key":                 {as: key, do: "POST /v1/secrets", send: body(), want: 403, code: "forbidden"},
		"listed by a key":          {as: key, do: "GET /v1/secrets", want: 403, code: "forbidden"},
		"read by a key":            {as: key, do: "GET " + one, want: 403, code: "forbidden"},
		"replaced by a key":        {as: key, do: "PUT " + one, send: object{"value": hush}, want: 403, code: "forbidden"},
		"deleted by a key":         {as: key, do: "DELETE " + one, want: 403, code: "forbidden"},
		"a global one":             global(admin, 201, ""),
		"a global one by a lead":   global(lead, 403, "forbidden"),
		"a name that is taken":     {as: reviewer, do: "POST /v1/secrets", send: body("name", taken), want: 409, code: "name_taken", lacks: hush},
		"elsewhere it is not":      {as: outsider, do: "POST /v1/secrets", send: body("name", taken, "teamId", c.elsewhere), want: 201},
		"no name":                  post("name", nil),
		"a capital":                post("name", "Token"),
		"a digit first":            post("name", "1token"),
		"40 characters":            fine(post("name", fmt.Sprintf("a%039d", c.names.Add(1)))),
		"41 characters":            post("name", fmt.Sprintf("a%040d", c.names.Add(1))),
		"no value":                 post("value", nil),
		"an empty value":           post("value", ""),
		"a number":                 post("value", 7),
		"4 KiB":                    fine(post("value", strings.Repeat("é", 2048))),
		"4 KiB and a byte":         post("value", strings.Repeat("é", 2048)+"a"),
		"an id":                    post("id", "sec_"+unknown),
		"a team that is none":      {as: lead, do: "POST /v1/secrets", send: body("teamId", "x"), want: 404, code: "not_found"},
		"read":                     {as: reviewer, do: "GET " + one, want: 200, has: taken, lacks: hush},
		"read by a responder":      {as: responder, do: "GET " + one, want: 403, code: "forbidden"},
		"read by another team":     {as: outsider, do: "GET " + one, want: 404, code: "not_found"},
		"replaced by another team": {as: outsider, do: "PUT " + one, send: object{"value": "x"}, want: 404, code: "not_found"},
		"deleted by a responder":   {as: responder, do: "DELETE " + one, want: 403, code: "forbidden"},
		"deleted by another team":  {as: outsider, do: "DELETE " + one, want: 404, code: "not_found"},
		"listed":                   {as: lead, do: "GET /v1/secrets?limit=200&teamId=" + c.team, want: 200, has: taken, lacks: hush},
		"listed by a responder":    {as: responder, do: "GET /v1/secrets", want: 403, code: "forbidden"},
		"another team's":           {as: outsider, do: "GET /v1/secrets?limit=200", want: 200, lacks: c.team},
		"of another team":          {as: outsider, do: "GET /v1/secrets?teamId=" + c.team, want: 404, code: "not_found"},
		"another name":             {as: lead, do: "PUT " + one, send: object{"name": "other", "value": hush}, want: 422, code: "validation_failed", has: "body.name"},
	})
	t.Run("it is replaced from the version that was read", func(t *testing.T) {
		read := c.want(t, lead, "GET "+one, nil, 200, "")
		from := http.Header{"If-Match": {read.Header.Get("ETag")}}
		if a := c.ask(t, reviewer, "PUT "+one, object{"value": hush + "2"}, from); a.Status != 200 || a.Body["version"] != 2.0 || a.Text("updatedById") != c.userID(t, reviewer) || strings.Contains(a.Raw, hush) {
			t.Errorf("replaced: %s", a.Raw)
		}
		if a := c.ask(t, lead, "PUT "+one, object{"value": "x"}, from); a.Status != 412 || a.Text("code") != "precondition_failed" {
			t.Errorf("from an older version: %d %s", a.Status, a.Raw)
		}
	})
	t.Run("it is on record", func(t *testing.T) {
		gone := "/v1/secrets/" + c.want(t, lead, "POST /v1/secrets", body(), 201, "").Text("id")
		c.want(t, lead, "PUT "+gone, object{"value": hush}, 200, "")
		c.want(t, lead, "DELETE "+gone, nil, 204, "")
		c.want(t, lead, "GET "+gone, nil, 404, "not_found")
		events := c.want(t, lead, "GET /v1/audit?subject="+strings.TrimPrefix(gone, "/v1/secrets/"), nil, 200, "")
		for _, what := range []string{"secret.created", "secret.updated", "secret.deleted"} {
			if !strings.Contains(events.Raw, what) || strings.Contains(events.Raw, hush) {
				t.Errorf("%s: %s", what, events.Raw)
			}
		}
	})
}
