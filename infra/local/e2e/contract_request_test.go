package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/client"
)

// contractRevisions: ETag, If-None-Match and If-Match.
func contractRevisions(t *testing.T, c *contract) {
	incident := c.want(t, responder, "POST /v1/incidents", object{"title": c.name("rev"), "severity": "LOW", "serviceId": c.service}, 201, "").Text("id")
	service := c.want(t, lead, "POST /v1/services", object{"name": c.name("rev"), "teamId": c.team}, 201, "").Text("id")
	user := c.want(t, admin, "POST /v1/users", object{"email": fmt.Sprintf("rev%d@pagefree.test", time.Now().UnixNano()), "name": "Rev"}, 201, "").Text("id")
	runbook := c.draft(t, nil)
	for path, change := range map[string]struct {
		who string
		set func(string) object
	}{
		"/v1/incidents/" + incident: {responder, func(s string) object { return object{"title": s} }},
		"/v1/services/" + service:   {lead, func(s string) object { return object{"description": s} }},
		"/v1/users/" + user:         {admin, func(s string) object { return object{"name": s} }},
		"/v1/runbooks/" + runbook:   {lead, func(s string) object { return object{"description": s} }},
	} {
		t.Run(path, func(t *testing.T) {
			tag := c.want(t, change.who, "GET "+path, nil, 200, "").Header.Get("ETag")
			for _, match := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
				a := c.ask(t, change.who, "GET "+path, nil, http.Header{"If-None-Match": {match}})
				if a.Status != http.StatusNotModified || a.Header.Get("ETag") != tag {
					t.Errorf("If-None-Match: %s: got %d, ETag %s", match, a.Status, a.Header.Get("ETag"))
				}
			}
			for _, other := range []string{`"other"`, "other", ""} {
				if a := c.ask(t, change.who, "GET "+path, nil, http.Header{"If-None-Match": {other}}); a.Status != http.StatusOK {
					t.Errorf("If-None-Match: %s: got %d", other, a.Status)
				}
			}
			patch := func(match, value string) client.Answer {
				h := http.Header{}
				if match != "" {
					h.Set("If-Match", match)
				}
				return c.ask(t, change.who, "PATCH "+path, change.set(value), h)
			}
			if a := patch(tag, "one"); a.Status != http.StatusOK {
				t.Errorf("its own revision: %d %s", a.Status, a.Raw)
			}
			for _, stale := range []string{tag, "W/" + tag, `"other"`, "other", `"1", "other"`} {
				if a := patch(stale, "two"); a.Status != http.StatusPreconditionFailed || a.Text("code") != "precondition_failed" {
					t.Errorf("If-Match: %s: got %d %s", stale, a.Status, a.Text("code"))
				}
			}
			fresh := c.want(t, change.who, "GET "+path, nil, 200, "").Header.Get("ETag")
			if fresh == tag {
				t.Errorf("a change keeps the ETag %s", tag)
			}
			for _, match := range []string{"", "*", `"other", ` + fresh} {
				if a := patch(match, "one"); a.Status != http.StatusOK {
					t.Errorf("If-Match: %s: got %d", match, a.Status)
				}
			}
			if a := c.ask(t, change.who, "GET "+path, nil, http.Header{"If-None-Match": {fresh}}); a.Status != http.StatusNotModified {
				t.Errorf("a PATCH that changes nothing changes the ETag: %d", a.Status)
			}
		})
	}
}

// contractPaths: whatever stands in a path where nothing is, is a 404.
func contractPaths(t *testing.T, c *contract) {
	strange := []string{
		"x", "null", "undefined", "-1", "0", "*", "@", "a:b", "a+b", "a;b", "{id}", "..", ".", "%2e%2e", "%2f", "a%2fb", "a%5cb", "a%3Fb", "a%23b",
		"%00", "a%00b", "%0a", "a%0d%0aX-Injected:%20b", "%ff", "%c3%28", "%ED%A0%80", "%F0%9F%94%A5", "%E2%80%AEx", "%25", "%252f", "a%20b", "\xff\xfe", "ü",
		strings.Repeat("x", 1000), strings.Repeat("%F0%9F%94%A5", 200), unknown, "rb_" + unknown, "rb_" + strings.ToLower(unknown), "rb_8" + unknown[1:], "inc_" + unknown,
		"ex_" + unknown, "svc_" + unknown, "usr_" + unknown, "team_" + unknown, "key_" + unknown, "rb_" + unknown + "%20", "rb_" + unknown + "%00", "inc_" + unknown + "/", "/inc_" + unknown,
	}
	for base, who := range map[string]string{
		"/v1/runbooks/": lead, "/v1/executions/": responder, "/v1/incidents/": responder, "/v1/users/": admin, "/v1/api-keys/": lead,
	} {
		for _, id := range strange {
			if base == "/v1/api-keys/" && !strings.HasPrefix(id, "key_") {
				continue // most of these exist for DELETE alone
			}
			do := "GET " + base + id
			if base == "/v1/api-keys/" {
				do = "DELETE " + base + id
			}
			a := c.want(t, who, do, nil, http.StatusNotFound, "not_found")
			if a.Header.Get("X-Injected") != "" {
				t.Errorf("%s: a header was injected", do)
			}
		}
	}
	for _, do := range []string{
		"GET /", "GET /v1", "GET /v1/", "GET /v1/nothing", "POST /v1/nothing", "GET /V1/me", "GET /v1/Me", "GET //v1/me", "GET /v1//me", "GET /v1/me/", "GET /v1/./me", "GET /v1/x/../me",
		"GET /v1/me/x", "GET /v1/runbooks/", "GET /v1/runbooks//", "GET /v1/runbooks/" + c.approved + "/", "GET /v1/runbooks/" + c.approved + "/nothing", "POST /v1/runbooks/" + c.approved + "/nothing",
		"GET /v1/runbooks/" + c.approved + "/versions/0", "GET /v1/runbooks/" + c.approved + "/versions/01", "GET /v1/runbooks/" + c.approved + "/versions/-1", "GET /v1/runbooks/" + c.approved + "/versions/x",
		"GET /v1/runbooks/" + c.approved + "/versions/1.0", "GET /v1/runbooks/" + c.approved + "/versions/99999999999999999999", "GET /v1/runbooks/" + c.approved + "/versions/9999", "GET /v1/runbooks/" + c.approved + "//versions",
		"GET /v1/incidents/" + c.incident + "/timeline/", "GET /v1/incidents/" + c.incident + "%2ftimeline", "GET /v1/auth", "GET /v1/auth/nothing", "GET /signin/x", "GET /healthz/", "GET /openapi.yaml", "GET /docs",
	} {
		c.want(t, responder, do, nil, http.StatusNotFound, "not_found")
	}
}

// contractQueries: filters that make no sense, and queries that outsiders send.
func contractQueries(t *testing.T, c *contract) {
	wrong := func(do, who string) scenario {
		return scenario{as: who, do: "GET " + do, want: 422, code: "validation_failed", has: `"location":"query.`}
	}
	c.play(t, map[string]scenario{
		"an incident's status":          wrong("/v1/incidents?status=OPEN", responder),
		"in lower case":                 wrong("/v1/incidents?status=triggered", responder),
		"a severity":                    wrong("/v1/incidents?severity=P1", responder),
		"one of two":                    wrong("/v1/incidents?status=TRIGGERED&status=OPEN", responder),
		"an endless q":                  wrong("/v1/incidents?q="+strings.Repeat("x", 1000), responder),
		"a runbook's status":            wrong("/v1/runbooks?status=REJECTED", lead),
		"an execution's status":         wrong("/v1/executions?status=DONE", responder),
		"an audit type":                 wrong("/v1/audit?type=Approved", lead),
		"a time":                        wrong("/v1/audit?from=yesterday", lead),
		"a day":                         wrong("/v1/audit?from=2026-01-01", lead),
		"a time with a bare plus":       wrong("/v1/audit?from=2026-01-01T00:00:00+02:00", lead),
		"a time beyond":                 wrong("/v1/audit?to=10000-01-01T00:00:00Z", lead),
		"an end before its beginning":   wrong("/v1/audit?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", lead),
		"from of a diff":                wrong("/v1/runbooks/"+c.approved+"/versions/1/diff?from=x", lead),
		"from 0":                        wrong("/v1/runbooks/"+c.approved+"/versions/1/diff?from=0", lead),
		"a time with an offset":         {as: lead, do: "GET /v1/audit?from=2026-01-01T00:00:00%2B02:00&limit=1", want: 200},
		"two statuses":                  {as: responder, do: "GET /v1/incidents?status=ACKNOWLEDGED&status=RESOLVED", want: 200, lacks: `"TRIGGERED"`},
		"another team's":                {as: responder, do: "GET /v1/incidents?teamId=" + c.elsewhere, want: 404, code: "not_found"},
		"another team's runbooks":       {as: responder, do: "GET /v1/runbooks?teamId=" + c.elsewhere, want: 404, code: "not_found"},
		"another team's services":       {as: responder, do: "GET /v1/services?teamId=" + c.elsewhere, want: 404, code: "not_found"},
		"executions of another team":    {as: outsider, do: "GET /v1/executions?runbookId=" + c.approved, want: 200, has: `"items":[]`},
		"executions of its incident":    {as: outsider, do: "GET /v1/executions?incidentId=" + c.incident, want: 200, has: `"items":[]`},
		"an unknown parameter":          {as: responder, do: "GET /v1/incidents?nonsense=1&limit=1", want: 200},
		"no escape":                     {as: responder, do: "GET /v1/incidents?q=%zz", want: 400, code: "bad_request"},
		"a lone percent":                {as: responder, do: "GET /v1/incidents?q=100%", want: 400, code: "bad_request"},
		"no UTF-8":                      {as: responder, do: "GET /v1/incidents?q=%ff%fe", want: 200, has: `"items":[]`},
		"bytes that are no UTF-8":       {as: responder, do: "GET /v1/incidents?q=\xff\xfe", want: 200, has: `"items":[]`},
		"NUL":                           {as: responder, do: "GET /v1/incidents?q=a%00b", want: 200, has: `"items":[]`},
		"only separators":               {as: responder, do: "GET /v1/incidents?&&=&;&limit=1", want: 200},
		"a credential in the query":     {as: nobody, do: "GET /v1/me?token=" + c.bearers[lead], want: 401, code: "unauthenticated"},
		"a method in the query":         {as: responder, do: "GET /v1/incidents?_method=DELETE&limit=1", want: 200},
		"q takes any case":              {as: lead, do: "GET /v1/runbooks?q=" + url.QueryEscape("fREE DISK"), want: 200, has: "Free disk space"},
		"q is no pattern":               {as: lead, do: "GET /v1/runbooks?q=" + url.QueryEscape("Free.*"), want: 200, has: `"items":[]`},
		"filters are taken together":    {as: lead, do: "GET /v1/runbooks?q=free&status=DRAFT", want: 200, lacks: "Free disk space"},
		"the newest comes first":        {as: lead, do: "GET /v1/audit?limit=1", want: 200, has: `"items":[{"id":"aud_`},
		"a filter that nothing matches": {as: lead, do: "GET /v1/audit?actor=usr_" + unknown, want: 200, has: `"items":[],"nextCursor":null`},
	})
}

// contractWire sends what no HTTP library would.
func contractWire(t *testing.T, c *contract) {
	bearer := "Authorization: Bearer " + c.bearers[responder] + "\r\n"
	post := "POST /v1/incidents HTTP/1.1\r\nHost: x\r\n" + bearer + "Content-Type: application/json\r\n"
	for name, tt := range map[string]struct {
		raw  string
		want int
	}{
		"an absolute target":               {"GET http://elsewhere.test/v1/me HTTP/1.1\r\nHost: elsewhere.test\r\n" + bearer, 200},
		"HTTP/1.0":                         {"GET /healthz HTTP/1.0\r\n", 200},
		"the same credential twice":        {"GET /v1/me HTTP/1.1\r\nHost: x\r\n" + bearer + bearer, 200},
		"an empty one besides":             {"GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization:\r\n" + bearer, 200},
		"two":                              {"GET /v1/me HTTP/1.1\r\nHost: x\r\n" + bearer + "Authorization: Bearer " + c.bearers[lead] + "\r\n", 400},
		"no UTF-8 for a credential":        {"GET /v1/me HTTP/1.1\r\nHost: x\r\nX-API-Key: \xff\xfe\r\n", 401},
		"chunks":                           {post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", 422},
		"a media type twice":               {post + "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 422},
		"a method override":                {"POST /v1/runbooks HTTP/1.1\r\nHost: x\r\n" + bearer + "X-HTTP-Method-Override: GET\r\nContent-Length: 0\r\n", 400},
		"a principal of one's own":         {"GET /v1/me HTTP/1.1\r\nHost: x\r\nX-Principal: admin\r\nX-Pagefree-Viewer: 1\r\nX-Amzn-Trace-Id: x\r\n", 401},
		"a request id of one's own":        {"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n", 200},
		"a long target":                    {"GET /v1/" + strings.Repeat("a", 8000) + " HTTP/1.1\r\nHost: x\r\n", 404},
		"bytes that are no UTF-8 for path": {"GET /v1/runbooks/\xff\xfe HTTP/1.1\r\nHost: x\r\n" + bearer, 404},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.wire(t, tt.raw)
			hold(t, tt.raw, a)
			if a.Status != tt.want {
				t.Errorf("got %d, want %d: %s", a.Status, tt.want, a.Raw)
			}
		})
	}
}

// wire sends bytes, and reads one answer.
func (c *contract) wire(t *testing.T, raw string) client.Answer {
	t.Helper()
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(c.api.URL, "http://"), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, raw+"\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return read(t, res)
}
