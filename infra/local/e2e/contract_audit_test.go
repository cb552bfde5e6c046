package e2e

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// contractAudit: who did what, when and from where; for those who lead a team.
func contractAudit(t *testing.T, c *contract) {
	began := time.Now().Add(-time.Millisecond)
	id := c.ready(t, nil)
	ran := c.run(t, responder, object{"runbookId": id}).Text("id")
	refusal := c.ask(t, responder, "POST /v1/runbooks/"+id+"/archive", object{"reason": "x"}, nil)
	of := func(query string) []object {
		t.Helper()
		return c.want(t, lead, "GET /v1/audit?limit=200&"+query, nil, 200, "").Items()
	}
	types := func(events []object) string {
		var names []string
		for _, e := range events {
			names = append([]string{e["type"].(string)}, names...)
		}
		return strings.Join(names, " ")
	}
	events := of("subject=" + id)
	if got, want := types(events), "runbook.created runbook.submitted runbook.approved access.denied"; got != want {
		t.Errorf("of a runbook: %q, want %q", got, want)
	}
	if got, want := types(of("subject="+ran)), "execution.triggered execution.started execution.completed"; got != want {
		t.Errorf("of an execution: %q, want %q", got, want)
	}
	denied, approved := events[0], events[1]
	if got, want := members(with(approved, "block", nil)), "actor at detail id ip outcome requestId subject teamId type"; got != want {
		t.Errorf("an event that may be sealed already has %s, want %s", got, want)
	}
	if approved["teamId"] != c.team || approved["ip"] != "127.0.0.1" || approved["outcome"] != "success" || approved["actor"].(object)["id"] != c.userID(t, reviewer) || approved["actor"].(object)["kind"] != "user" ||
		approved["subject"].(object)["kind"] != "runbook" || !uuidForm.MatchString(approved["requestId"].(string)) {
		t.Errorf("an approval: %v", approved)
	}
	if denied["outcome"] == "success" || denied["requestId"] != refusal.Header.Get("X-Request-Id") {
		t.Errorf("a refusal: %v", denied)
	}
	since := "from=" + url.QueryEscape(began.UTC().Format(time.RFC3339Nano))
	for _, e := range of("type=runbook.approved&actor=" + c.userID(t, reviewer) + "&" + since) {
		if e["type"] != "runbook.approved" || e["actor"].(object)["id"] != c.userID(t, reviewer) || e["at"].(string) < began.UTC().Format("2006-01-02T15:04:05.000Z") {
			t.Errorf("not what was asked for: %v", e)
		}
	}
	noun := regexp.MustCompile(`^[a-z_]+\.[a-z_]+$`)
	for _, e := range of(since) {
		if !noun.MatchString(e["type"].(string)) || e["teamId"] != c.team {
			t.Errorf("an event of a lead's list: %v", e)
		}
	}
	c.play(t, map[string]scenario{
		"by a responder":            {as: responder, do: "GET /v1/audit", want: 403, code: "forbidden"},
		"by an observer":            {as: observer, do: "GET /v1/audit", want: 403, code: "forbidden"},
		"by another team":           {as: outsider, do: "GET /v1/audit?limit=200", want: 200, lacks: c.team},
		"of this team's runbook":    {as: outsider, do: "GET /v1/audit?subject=" + id, want: 200, has: `"items":[]`},
		"by this team's person":     {as: outsider, do: "GET /v1/audit?actor=" + c.userID(t, lead), want: 200, has: `"items":[]`},
		"by a platform admin":       {as: admin, do: "GET /v1/audit?subject=" + id, want: 200, has: id},
		"what belongs to no team":   {as: admin, do: "GET /v1/audit?type=session.created&limit=1", want: 200, has: `"teamId":null`},
		"an export, by a responder": {as: responder, do: "GET /v1/audit/export", want: 403, code: "forbidden"},
		"an export, by nobody":      {as: nobody, do: "GET /v1/audit/export", want: 401, code: "unauthenticated"},
		"an export of a team":       {as: lead, do: "GET /v1/audit/export?limit=1", want: 200, has: `"scope":"teams"`, lacks: c.elsewhere},
		"of another team":           {as: outsider, do: "GET /v1/audit/export?limit=200", want: 200, has: `"kind":"end"`, lacks: c.team},
		"an export of everything":   {as: admin, do: "GET /v1/audit/export?limit=1", want: 200, has: `"nextCursor":"`},
		"no script is exported":     {as: lead, do: "GET /v1/audit/export?limit=200", want: 200, lacks: "echo hi"},
		"a bad limit of an export":  {as: lead, do: "GET /v1/audit/export?limit=0", want: 422, code: "validation_failed"},
		"a cursor of the list":      {as: lead, do: "GET /v1/audit/export?cursor=abc", want: 400, code: "cursor_invalid"},
		"nobody imports":            {as: admin, do: "POST /v1/audit/export", send: object{}, want: 405, code: "method_not_allowed"},
		"nobody writes":             {as: admin, do: "POST /v1/audit", send: object{"type": "a.b"}, want: 405, code: "method_not_allowed"},
		"before all":                {as: lead, do: "GET /v1/audit?to=2020-01-01T00:00:00Z", want: 200, has: `"items":[]`},
		"after all":                 {as: lead, do: "GET /v1/audit?from=2999-01-01T00:00:00Z", want: 200, has: `"items":[]`},
		"no script stands in it":    {as: lead, do: "GET /v1/audit?limit=200&subject=" + id, want: 200, lacks: "echo hi"},
		"a type that is none yet":   {as: lead, do: "GET /v1/audit?type=moon.landed", want: 200, has: `"items":[]`},
	})
}

// contractDocument: what tells of the API itself.
func contractDocument(t *testing.T, c *contract) {
	a := c.want(t, nobody, "GET /openapi.json", nil, 200, "")
	if v := a.Text("openapi"); !strings.HasPrefix(v, "3.1.") {
		t.Errorf("OpenAPI %q", v)
	}
	if a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("it is sent as %q", a.Header.Get("Content-Type"))
	}
	packed := c.ask(t, nobody, "GET /openapi.json", nil, http.Header{"If-None-Match": {a.Header.Get("ETag")}, "Accept-Encoding": {"gzip"}})
	if packed.Status != http.StatusNotModified {
		t.Errorf("unchanged: %d", packed.Status)
	}
	if got := c.want(t, nobody, "GET /healthz", nil, 200, ""); got.Text("status") != "ok" {
		t.Errorf("healthz: %s", got.Raw)
	}
	for _, accept := range []string{"text/html", "application/xml", "*/*", "", "nonsense", "application/json;q=0", "application/problem+json"} {
		if a := c.ask(t, responder, "GET /v1/me", nil, http.Header{"Accept": {accept}}); a.Status != 200 || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("Accept: %s: got %d %s", accept, a.Status, a.Header.Get("Content-Type"))
		}
		if a := c.ask(t, responder, "GET /v1/runbooks/rb_"+unknown, nil, http.Header{"Accept": {accept}}); a.Status != 404 {
			t.Errorf("Accept: %s: got %d", accept, a.Status)
		}
	}
}
