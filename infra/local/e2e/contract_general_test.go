package e2e

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const (
	unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV" // of the form of an id, and nobody's
	maxBody = 256 << 10
)

// operation is one of the API's, as its document names it, on things that do not exist.
type operation struct {
	do     string
	public bool
	body   bool // it takes one, of JSON
}

// operations are all of them, from the document that the API serves.
func (c *contract) operations(t *testing.T) map[string]operation {
	t.Helper()
	ids := strings.NewReplacer("{userId}", "usr_"+unknown, "{n}", "1")
	prefix := map[string]string{"runbooks": "rb", "executions": "ex", "incidents": "inc", "services": "svc", "users": "usr", "teams": "team", "api-keys": "key", "targets": "tgt", "secrets": "sec", "status-pages": "sp", "partners": "prt"}
	all := map[string]operation{}
	for path, item := range c.want(t, nobody, "GET /openapi.json", nil, http.StatusOK, "").Body["paths"].(object) {
		target := ids.Replace(path)
		if parts := strings.Split(path, "/"); len(parts) > 2 {
			target = strings.ReplaceAll(target, "{id}", prefix[parts[2]]+"_"+unknown)
		}
		for method, op := range item.(object) {
			op := op.(object)
			security, _ := op["security"].([]any)
			do := strings.ToUpper(method) + " "
			body, _ := op["requestBody"].(object)
			media, _ := body["content"].(object)
			all[do+path] = operation{do: do + target, public: len(security) == 0, body: media["application/json"] != nil}
		}
	}
	if len(all) < 50 {
		t.Fatalf("the document has %d operations", len(all))
	}
	return all
}

// badBodies are bodies that no operation takes; those of once are tried on a few.
var badBodies = map[string]struct {
	body, media string
	status      int
	code        string
	once        bool
}{
	"no JSON":            {`{"a":`, "", http.StatusBadRequest, "body_invalid", false},
	"no UTF-8":           {"{\"a\":\"\xff\"}", "", http.StatusBadRequest, "body_invalid", false},
	"a member twice":     {`{"nonsense":1,"nonsense":2}`, "", http.StatusBadRequest, "body_invalid", false},
	"an unknown member":  {`{"nonsense":true}`, "", http.StatusUnprocessableEntity, "validation_failed", false},
	"a list":             {`[]`, "", http.StatusUnprocessableEntity, "validation_failed", false},
	"one byte too many":  {`{"nonsense":"` + strings.Repeat("x", maxBody-14) + `"}`, "", http.StatusRequestEntityTooLarge, "body_too_large", false},
	"plain text":         {`{}`, "text/plain", http.StatusUnsupportedMediaType, "unsupported_media_type", false},
	"the largest body":   {`{"nonsense":"` + strings.Repeat("x", maxBody-15) + `"}`, "", http.StatusUnprocessableEntity, "validation_failed", true},
	"more than JSON":     {`{} {}`, "", http.StatusBadRequest, "body_invalid", true},
	"a byte order mark":  {"\xef\xbb\xbf{}", "", http.StatusBadRequest, "body_invalid", true},
	"UTF-16":             {"{\x00}\x00", "", http.StatusBadRequest, "body_invalid", true},
	"an abyss":           {strings.Repeat("[", 50_000), "", http.StatusBadRequest, "body_invalid", true},
	"a word":             {`"word"`, "", http.StatusUnprocessableEntity, "validation_failed", true},
	"a number beyond":    {`{"nonsense":1e999}`, "", http.StatusUnprocessableEntity, "validation_failed", true},
	"a form":             {`a=b`, "application/x-www-form-urlencoded", http.StatusUnsupportedMediaType, "unsupported_media_type", true},
	"a type of no sense": {`{}`, "/;;", http.StatusUnsupportedMediaType, "unsupported_media_type", true},
	"a charset":          {`{"nonsense":1}`, "application/json; charset=utf-8", http.StatusUnprocessableEntity, "validation_failed", true},
	"JSON in capitals":   {`{"nonsense":1}`, "APPLICATION/JSON", http.StatusUnprocessableEntity, "validation_failed", true},
	"megabytes":          {`{"nonsense":"` + strings.Repeat("x", 7<<20) + `"}`, "", http.StatusRequestEntityTooLarge, "body_too_large", true},
}

// contractAnswers asks every operation without a credential, and with bodies that none takes.
func contractAnswers(t *testing.T, c *contract) {
	for name, op := range c.operations(t) {
		t.Run(name, func(t *testing.T) {
			if !op.public {
				a := c.want(t, nobody, op.do, nil, http.StatusUnauthorized, "unauthenticated")
				if got := a.Header.Get("WWW-Authenticate"); got != "Bearer" {
					t.Errorf("WWW-Authenticate is %q", got)
				}
			}
			if !op.body || strings.HasPrefix(name, "POST /v1/hooks/") { // contractHooks: of a hook that nobody has all is a 404
				return
			}
			for what, bad := range badBodies {
				if bad.once && name != "POST /v1/incidents" && name != "PATCH /v1/incidents/{id}" {
					continue
				}
				a := c.ask(t, admin, op.do, text(bad.body), http.Header{"Content-Type": {cmp.Or(bad.media, "application/json")}})
				if a.Status != bad.status || a.Text("code") != bad.code {
					t.Errorf("%s: got %d %s, want %d %s: %s", what, a.Status, a.Text("code"), bad.status, bad.code, a.Raw)
				}
			}
		})
	}
}

// contractMethods: what a path does not take is a 405 that says what it does take; HEAD is GET without the body.
func contractMethods(t *testing.T, c *contract) {
	takes := map[string][]string{}
	for name, op := range c.operations(t) {
		method, _, _ := strings.Cut(name, " ")
		_, target, _ := strings.Cut(op.do, " ")
		takes[target] = append(takes[target], method)
		if method == "GET" {
			takes[target] = append(takes[target], "HEAD")
		}
	}
	takes["/signin"] = []string{"GET", "HEAD", "POST"}
	for target, methods := range takes {
		slices.Sort(methods)
		if target == "/v1/executions/preview" {
			continue // GET /v1/executions/{id} takes it for an id
		}
		tried := []string{"GET", "POST", "PUT", "PATCH", "DELETE"}
		if target == "/v1/me" || target == "/v1/auth/verify" || target == "/signin" {
			tried = append(tried, "OPTIONS")
		}
		for _, method := range tried {
			if slices.Contains(methods, method) {
				continue
			}
			a := c.want(t, admin, method+" "+target, nil, http.StatusMethodNotAllowed, "method_not_allowed")
			allow := strings.Split(a.Header.Get("Allow"), ", ")
			slices.Sort(allow)
			if !slices.Equal(allow, methods) {
				t.Errorf("%s %s: Allow is %v, want %v", method, target, allow, methods)
			}
		}
	}
	for _, method := range []string{"TRACE", "NONSENSE", "get"} { // CloudFront knows none but those that it is told
		if a := c.wire(t, method+" /v1/me HTTP/1.1\r\nHost: x\r\n"); a.Status != http.StatusForbidden || a.Header.Get("Server") != "CloudFront" {
			t.Errorf("%s: got %d %s", method, a.Status, a.Raw)
		}
	}
	for _, target := range []string{"/v1/me", "/v1/incidents/" + c.incident, "/v1/runbooks?q=none+of+this+name", "/healthz", "/openapi.json", "/v1/incidents/inc_" + unknown} {
		get, head := c.ask(t, responder, "GET "+target, nil, nil), c.ask(t, responder, "HEAD "+target, nil, nil)
		if head.Status != get.Status || head.Header.Get("ETag") != strings.TrimPrefix(get.Header.Get("ETag"), "W/") || // a packed answer has a weak one
			head.Header.Get("Content-Type") != get.Header.Get("Content-Type") {
			t.Errorf("HEAD %s: %d %v, GET %d %v", target, head.Status, head.Header, get.Status, get.Header)
		}
	}
}

// contractBodies: what is wrong with a body that is JSON is said by member.
func contractBodies(t *testing.T, c *contract) {
	good := object{"title": c.name("bodies"), "severity": "LOW", "serviceId": c.service}
	c.play(t, map[string]scenario{
		"nothing at all":           {as: responder, do: "POST /v1/incidents", want: 400, code: "body_invalid"},
		"an empty body":            {as: responder, do: "POST /v1/incidents", send: text(""), want: 400, code: "body_invalid"},
		"no media type":            {as: responder, do: "POST /v1/incidents", send: object{"nonsense": 1}, with: http.Header{"Content-Type": {""}}, want: 422, code: "validation_failed"},
		"null":                     {as: responder, do: "POST /v1/incidents", send: text("null"), want: 422, code: "validation_failed"},
		"no member":                {as: responder, do: "POST /v1/incidents", send: object{}, want: 422, code: "validation_failed", has: "title"},
		"null for what must be":    {as: responder, do: "POST /v1/incidents", send: text(`{"title":null,"severity":"LOW","serviceId":"` + c.service + `"}`), want: 422, code: "validation_failed", has: "body.title"},
		"null for what may be":     {as: responder, do: "POST /v1/incidents", send: text(`{"title":"x","severity":"LOW","description":null,"labels":null,"dedupKey":null,"serviceId":"` + c.service + `"}`), want: 201},
		"a number for a text":      {as: responder, do: "POST /v1/incidents", send: with(good, "title", 7), want: 422, code: "validation_failed", has: "body.title"},
		"a text for an object":     {as: responder, do: "POST /v1/incidents", send: with(good, "labels", "x"), want: 422, code: "validation_failed", has: "body.labels"},
		"a word that is not one":   {as: responder, do: "POST /v1/incidents", send: with(good, "severity", "low"), want: 422, code: "validation_failed", has: "body.severity"},
		"a member in another case": {as: responder, do: "POST /v1/incidents", send: with(good, "Title", "x"), want: 422, code: "validation_failed", has: "body.Title"},
		"what the server says":     {as: responder, do: "POST /v1/incidents", send: with(good, "status", "RESOLVED", "createdById", "x"), want: 422, code: "validation_failed", has: "body.status"},
		"a fraction of an integer": {as: lead, do: "POST /v1/services", send: object{"name": c.name("s"), "teamId": c.team, "escalateAfterMinutes": 1.5}, want: 422, code: "validation_failed"},
		"an integer as a fraction": {as: lead, do: "POST /v1/services", send: text(`{"name":"` + c.name("s") + `","teamId":"` + c.team + `","escalateAfterMinutes":5.0}`), want: 422, code: "validation_failed"},
		"an integer beyond":        {as: lead, do: "POST /v1/services", send: text(`{"name":"` + c.name("s") + `","teamId":"` + c.team + `","escalateAfterMinutes":99999999999999999999}`), want: 422, code: "validation_failed"},
		"another team's service":   {as: outsider, do: "POST /v1/incidents", send: good, want: 404, code: "not_found"},
		"nobody's service":         {as: responder, do: "POST /v1/incidents", send: with(good, "serviceId", "svc_"+unknown), want: 404, code: "not_found"},
		"no id for a service":      {as: responder, do: "POST /v1/incidents", send: with(good, "serviceId", "\x00#"), want: 404, code: "not_found"},
		"a secret is not echoed":   {as: nobody, do: "POST /v1/auth/verify", send: object{"token": []string{"pfl_hush"}}, want: 422, code: "validation_failed", lacks: "hush"},
	})
}

// contractLists: limit and cursor of every list.
func contractLists(t *testing.T, c *contract) {
	for range 3 {
		c.want(t, responder, "POST /v1/incidents", object{"title": c.name("lists"), "severity": "LOW", "serviceId": c.service}, http.StatusCreated, "")
	}
	lists := map[string]string{
		"/v1/users": admin, "/v1/teams": admin, "/v1/teams/" + c.team + "/members": lead, "/v1/api-keys": lead, "/v1/runbooks": lead, "/v1/reviews": reviewer,
		"/v1/runbooks/" + c.approved + "/versions": lead, "/v1/executions": responder, "/v1/incidents": observer, "/v1/incidents/" + c.incident + "/timeline": observer,
		"/v1/services": observer, "/v1/audit": lead, "/v1/targets": lead, "/v1/secrets": lead,
		"/v1/integrations": lead, "/v1/workflows": observer,
	}
	for path, who := range lists {
		t.Run(path, func(t *testing.T) {
			for _, bad := range []string{"0", "201", "-1", "1.5", "abc", "", "1e1", "0x10", "99999999999999999999", "%00", "1&limit=2"} {
				c.want(t, who, "GET "+path+"?limit="+bad, nil, http.StatusUnprocessableEntity, "validation_failed")
			}
			c.want(t, who, "GET "+path+"?limit=200", nil, http.StatusOK, "")
			for _, bad := range []string{"x", "%00", "%ff", strings.Repeat("A", 400), strings.Repeat("A", 3000), "%F0%9F%94%A5"} {
				c.want(t, who, "GET "+path+"?cursor="+bad, nil, http.StatusBadRequest, "cursor_invalid")
			}
			c.pages(t, who, path)
		})
	}
	t.Run("a cursor is of one list", func(t *testing.T) {
		cursor := c.want(t, responder, "GET /v1/incidents?limit=1", nil, http.StatusOK, "").Text("nextCursor")
		for _, altered := range []string{cursor[1:], cursor + "A", cursor + "=", cursor + "%0A", "%20" + cursor, strings.ToLower(cursor), flip(cursor, 0), flip(cursor, 25), flip(cursor, len(cursor)-2)} {
			c.want(t, responder, "GET /v1/incidents?limit=1&cursor="+altered, nil, http.StatusBadRequest, "cursor_invalid")
		}
		for _, another := range []string{"/v1/services?", "/v1/executions?", "/v1/incidents?status=TRIGGERED&", "/v1/incidents?q=a&"} {
			c.want(t, responder, "GET "+another+"cursor="+cursor, nil, http.StatusBadRequest, "cursor_invalid")
		}
		if a := c.want(t, outsider, "GET /v1/incidents?cursor="+cursor, nil, http.StatusOK, ""); strings.Contains(a.Raw, c.team) {
			t.Errorf("somebody else's cursor shows their list: %s", a.Raw)
		}
	})
}

func flip(s string, at int) string {
	other := byte('A')
	if s[at] == other {
		other = 'B'
	}
	return s[:at] + string(other) + s[at+1:]
}

// pages reads the first items of a list one by one: newest first, none twice.
func (c *contract) pages(t *testing.T, who, path string) {
	t.Helper()
	cursor, last := "", "~"
	for range 3 {
		do := "GET " + path + "?limit=1"
		if cursor != "" {
			do += "&cursor=" + cursor
		}
		a := c.want(t, who, do, nil, http.StatusOK, "")
		for _, item := range a.Items() {
			at := position(item)
			if at >= last {
				t.Errorf("%s comes after %s", at, last)
			}
			last = at
		}
		if cursor = a.Text("nextCursor"); cursor == "" {
			return
		}
	}
}

// position is where an item stands in its list, as text that sorts.
func position(item object) string {
	for _, name := range []string{"submittedAt", "id", "userId"} {
		if s, ok := item[name].(string); ok {
			return s
		}
	}
	return fmt.Sprintf("%09.0f", item["version"])
}
