package runbook

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pagefree/internal/platform/problem"
)

var hook = body{"type": "webhook", "url": "https://awx.example/api", "preset": "awx", "headers": body{"Authorization": "Bearer {{secrets.awx-token}}"}}

// named makes a target of the team, by lead, and returns its path.
func (w *world) named(name string, to body) string {
	w.t.Helper()
	return "/v1/targets/" + w.must(201, "lead", "POST", "/v1/targets", body{"name": name, "teamId": w.team, "target": to}).id()
}

// served is a named target that reviewer has approved.
func (w *world) served(name string, to body) string {
	w.t.Helper()
	at := w.named(name, to)
	w.must(200, "reviewer", "POST", at+"/approve", nil)
	return at
}

func targetID(path string) string { return strings.TrimPrefix(path, "/v1/targets/") }

// at is the target of a runbook that runs at a named one.
func at(path string) body { return body{"type": "named", "targetId": targetID(path)} }

// leads checks where a named target leads, as the dispatcher would find it; "" nowhere.
func (w *world) leads(path, url string) {
	w.t.Helper()
	t, err := w.store.NamedTarget(w.t.Context(), targetID(path))
	if err != nil {
		w.t.Fatal(err)
	}
	to, err := CheckTarget(w.t.Context(), w.seal, t, w.team)
	if url == "" && problem.CodeOf(err) != NotApproved || url != "" && (err != nil || to.URL != url) {
		w.t.Errorf("%s leads to %q (%v), want %q", path, to.URL, err, url)
	}
}

func TestLifeOfATarget(t *testing.T) {
	w := newWorld(t)
	made := w.must(201, "lead", "POST", "/v1/targets", body{"name": "  AWX  ", "teamId": w.team, "target": hook})
	at := "/v1/targets/" + made.id()
	if got := made.Header.Get("Location"); got != at || !strings.HasPrefix(made.id(), "tgt_") || made.Header.Get("ETag") != `"1"` {
		t.Errorf("Location %q, ETag %q", got, made.Header.Get("ETag"))
	}
	pending, _ := made.body["pending"].(map[string]any)
	for member, want := range map[string]any{
		"name": "AWX", "teamId": w.team, "target": nil, "status": "PENDING_REVIEW", "version": 1.0, "approvedById": nil, "approvedAt": nil, "createdById": "usr_lead",
	} {
		if got, there := made.body[member]; !there || got != want {
			t.Errorf("%s: got %v, want %v", member, got, want)
		}
	}
	if pending["changedById"] != "usr_lead" || pending["changedAt"] == "" || pending["target"].(map[string]any)["url"] != "https://awx.example/api" {
		t.Errorf("pending: got %v", pending)
	}
	w.leads(at, "")

	live := w.must(200, "reviewer", "POST", at+"/approve", nil)
	if live.str("status") != "APPROVED" || live.str("approvedById") != "usr_reviewer" || live.str("approvedAt") == "" || live.body["pending"] != nil || live.body["target"] == nil {
		t.Errorf("approved: got %s", live.text)
	}
	w.leads(at, "https://awx.example/api")

	// A PUT waits, and what was approved serves on.
	moved := hook.with(body{"url": "https://new.example/api"})
	changed := w.must(200, "second", "PUT", at, body{"target": moved}, "If-Match", live.Header.Get("ETag"))
	if changed.str("status") != "APPROVED" || changed.body["version"] != 2.0 || changed.body["pending"] == nil || fmt.Sprint(changed.body["target"]) != fmt.Sprint(live.body["target"]) {
		t.Errorf("changed: got %s", changed.text)
	}
	w.leads(at, "https://awx.example/api")
	w.refused(412, "precondition_failed", "second", "PUT", at, body{"target": moved.with(body{"async": true})}, "If-Match", live.Header.Get("ETag"))
	w.refused(412, "precondition_failed", "reviewer", "POST", at+"/approve", nil, "If-Match", live.Header.Get("ETag")) // it was read before the change
	w.refused(412, "precondition_failed", "reviewer", "POST", at+"/reject", body{"reason": "x"}, "If-Match", live.Header.Get("ETag"))

	back := w.must(200, "reviewer", "POST", at+"/reject", body{"reason": "not yet"})
	if back.str("status") != "APPROVED" || back.body["pending"] != nil {
		t.Errorf("rejected: got %s", back.text)
	}
	w.refused(409, "invalid_transition", "reviewer", "POST", at+"/approve", nil)
	w.leads(at, "https://awx.example/api")
	w.must(200, "second", "PUT", at, body{"target": moved}) // the same again is another try
	w.must(200, "lead", "POST", at+"/approve", nil, "If-Match", w.must(200, "lead", "GET", at, nil).Header.Get("ETag"))
	w.leads(at, "https://new.example/api")

	// Words need no review, and the same definition is no change.
	named := w.must(200, "lead", "PUT", at, body{"name": "Tower", "teamId": w.team, "target": moved})
	if named.str("name") != "Tower" || named.body["pending"] != nil || named.body["version"] != 3.0 {
		t.Errorf("renamed: got %s", named.text)
	}
	if same := w.must(200, "lead", "PUT", at, body{"target": moved}); same.Header.Get("ETag") != named.Header.Get("ETag") || same.str("updatedAt") != named.str("updatedAt") {
		t.Errorf("nothing was changed: got %s", same.text)
	}
	w.leads(at, "https://new.example/api")
	w.named("AWX", hook) // the name is free

	if gone := w.must(204, "lead", "DELETE", at, nil); gone.text != "" {
		t.Errorf("deleted: got %s", gone.text)
	}
	w.refused(404, "not_found", "lead", "GET", at, nil)
	w.refused(404, "not_found", "lead", "DELETE", at, nil)
	w.leads(at, "")
	w.named("Tower", hook)

	var types []string
	for _, e := range w.recorded() {
		if e.Subject.ID == targetID(at) {
			types = append(types, e.Type)
			if e.TeamID == nil || *e.TeamID != w.team || e.Subject.Kind != "target" {
				t.Errorf("got %+v", e)
			}
			if strings.Contains(fmt.Sprint(e.Detail), "secrets.") || strings.Contains(fmt.Sprint(e.Detail), "https:") {
				t.Errorf("a definition is on record: %v", e.Detail)
			}
		}
	}
	want := []string{"target.created", "target.approved", "target.updated", "target.rejected", "target.updated", "target.approved", "target.updated", "target.deleted"}
	if !slices.Equal(types, want) {
		t.Errorf("audit: got %v, want %v", types, want)
	}
}

func TestNobodyApprovesTheirOwnTarget(t *testing.T) {
	w := newWorld(t)
	one := w.named("by lead", hook)
	w.refused(403, "self_approval", "lead", "POST", one+"/approve", nil)
	w.refused(403, "forbidden", "key", "POST", one+"/approve", nil)
	w.refused(403, "forbidden", "key", "POST", one+"/reject", body{"reason": "x"})

	w.must(200, "second", "PUT", one, body{"target": hook.with(body{"async": true})})
	w.refused(403, "self_approval", "lead", "POST", one+"/approve", nil) // whose words it may still hold
	w.refused(403, "self_approval", "second", "POST", one+"/approve", nil)
	w.must(200, "reviewer", "POST", one+"/approve", nil)

	two := "/v1/targets/" + w.must(201, "key", "POST", "/v1/targets", body{"name": "by lead's key", "teamId": w.team, "target": hook}).id()
	w.refused(403, "self_approval", "lead", "POST", two+"/approve", nil)
	w.must(200, "lead", "POST", two+"/reject", body{"reason": "withdrawn"})

	global := "/v1/targets/" + w.must(201, "admin", "POST", "/v1/targets", body{"name": "global", "teamId": nil, "target": hook}).id()
	w.refused(403, "self_approval", "admin", "POST", global+"/approve", nil)
	w.refused(403, "forbidden", "lead", "POST", global+"/approve", nil)
	w.must(200, "root", "POST", global+"/approve", nil)
	w.leads(global, "https://awx.example/api")

	ghost := w.who["key"]
	ghost.UserID = ""
	w.who["ghost"] = ghost
	w.refused(403, "forbidden", "ghost", "POST", "/v1/targets", body{"name": "x", "teamId": w.team, "target": hook})
	w.refused(403, "forbidden", "ghost", "PUT", one, body{"target": hook})

	actions := map[string]string{"lead": "[reject]", "reviewer": "[approve reject]", "key": "[]", "admin": "[approve reject]"}
	three := w.named("waits", hook)
	for who, want := range actions {
		if got := fmt.Sprint(w.must(200, who, "GET", three, nil).body["allowedActions"]); got != want {
			t.Errorf("%s may %s, want %s", who, got, want)
		}
	}
}

func TestTargetRoutesByRole(t *testing.T) {
	w := newWorld(t)
	one := w.named("one", hook)
	global := "/v1/targets/" + w.must(201, "admin", "POST", "/v1/targets", body{"name": "global", "teamId": nil, "target": hook}).id()
	everyone := []string{"nobody", "stranger", "outsider", "observer", "responder", "small key", "key", "lead", "admin"}
	tests := []struct {
		route string
		in    any
		want  string
	}{
		{"GET /v1/targets", nil, "401 403 200 403 403 403 200 200 200"},
		{"GET /v1/targets?teamId=" + w.team, nil, "401 404 404 403 403 403 200 200 200"},
		{"GET " + one, nil, "401 404 404 403 403 403 200 200 200"},
		{"POST /v1/targets", body{"name": "by %s", "teamId": w.team, "target": hook}, "401 404 404 403 403 403 201 201 201"},
		{"PUT " + one, body{"name": "now %s", "target": hook}, "401 404 404 403 403 403 200 200 200"},
		{"POST " + one + "/approve", nil, "401 404 404 403 403 403 403 403 200"},
		{"POST " + one + "/reject", body{"reason": "x"}, "401 404 404 403 403 403 403 409 409"},
		{"DELETE " + one, nil, "401 404 404 403 403 403 204 404 404"},

		{"GET " + global, nil, "401 404 200 403 403 403 200 200 200"},
		{"POST /v1/targets", body{"name": "global %s", "teamId": nil, "target": hook}, "401 404 403 403 403 403 403 403 201"},
		{"PUT " + global, body{"name": "now %s", "target": hook}, "401 404 403 403 403 403 403 403 200"},
		{"POST " + global + "/approve", nil, "401 404 403 403 403 403 403 403 403"},
		{"POST " + global + "/reject", body{"reason": "x"}, "401 404 403 403 403 403 403 403 200"},
		{"DELETE " + global, nil, "401 404 403 403 403 403 403 403 204"},
	}
	for _, tt := range tests {
		method, path, _ := strings.Cut(tt.route, " ")
		var got []string
		for _, who := range everyone {
			in := tt.in
			if b, ok := in.(body); ok && b["name"] != nil {
				in = body{"name": fmt.Sprintf(b["name"].(string), who), "target": b["target"]}
				if team, there := b["teamId"]; there {
					in.(body)["teamId"] = team
				}
			}
			got = append(got, fmt.Sprint(w.do(who, method, path, in).StatusCode))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s as %v:\ngot  %s\nwant %s", tt.route, everyone, strings.Join(got, " "), tt.want)
		}
	}
}

func TestWhatATargetMayBe(t *testing.T) {
	w := newWorld(t)
	w.service.CheckURL = func(rawURL string) error {
		if strings.HasPrefix(rawURL, "http://") {
			return problem.New(422, "address_forbidden", "It is not https.")
		}
		return nil
	}
	one := w.named("one", hook)
	w.named("taken", hook)
	nodes := body{"type": "ssm", "tags": body{"env": []string{"prod"}}}
	post := func(change body) body { return body{"name": "x", "teamId": w.team, "target": hook}.with(change) }
	tests := map[string]struct {
		do     string
		in     any
		status int
		code   string
		at     string // the location of what is wrong
	}{
		"a name that is taken":             {"POST /v1/targets", post(body{"name": "taken"}), 409, "name_taken", ""},
		"another's name":                   {"PUT " + one, body{"name": "taken", "target": hook}, 409, "name_taken", ""},
		"no name":                          {"POST /v1/targets", post(body{"name": nil}), 422, "validation_failed", "body"},
		"a blank name":                     {"POST /v1/targets", post(body{"name": " "}), 422, "validation_failed", "body.name"},
		"121 characters":                   {"POST /v1/targets", post(body{"name": strings.Repeat("é", 121)}), 422, "validation_failed", "body.name"},
		"a name of two lines":              {"PUT " + one, body{"name": "a\nb", "target": hook}, 422, "validation_failed", "body.name"},
		"no target":                        {"POST /v1/targets", post(body{"target": nil}), 422, "validation_failed", "body"},
		"no target in a change":            {"PUT " + one, body{"name": "y"}, 422, "validation_failed", "body"},
		"a named one":                      {"POST /v1/targets", post(body{"target": at(one)}), 422, "validation_failed", "body.target.type"},
		"an unknown type":                  {"POST /v1/targets", post(body{"target": body{"type": "moon"}}), 422, "validation_failed", "body.target.type"},
		"ssm by nothing":                   {"POST /v1/targets", post(body{"target": body{"type": "ssm"}}), 422, "validation_failed", "body.target"},
		"a sandbox with a url":             {"POST /v1/targets", post(body{"target": body{"type": "sandbox", "url": "https://a.example"}}), 422, "validation_failed", "body.target"},
		"an idempotency key":               {"PUT " + one, body{"target": hook.with(body{"headers": body{"Idempotency-Key": "x"}})}, 422, "validation_failed", "body.target.headers"},
		"another type":                     {"PUT " + one, body{"target": nodes}, 422, "validation_failed", "body.target.type"},
		"another team, in a change":        {"PUT " + one, body{"teamId": w.other, "target": hook}, 422, "validation_failed", "body.teamId"},
		"global, in a change":              {"PUT " + one, `{"teamId":null,"target":{"type":"webhook","url":"https://a.example"}}`, 422, "validation_failed", "body.teamId"},
		"an unknown member":                {"PUT " + one, body{"target": hook, "status": "APPROVED"}, 422, "validation_failed", "body.status"},
		"another team":                     {"POST /v1/targets", post(body{"teamId": w.other}), 404, "not_found", ""},
		"an empty team":                    {"POST /v1/targets", post(body{"teamId": ""}), 404, "not_found", ""},
		"a forbidden address":              {"POST /v1/targets", post(body{"target": hook.with(body{"url": "http://a.example"})}), 422, "address_forbidden", ""},
		"a forbidden address, in a change": {"PUT " + one, body{"target": hook.with(body{"url": "http://a.example"})}, 422, "address_forbidden", ""},
		"a forbidden address of a runbook": {"POST /v1/runbooks", w.creation("rb").with(body{"target": hook.with(body{"url": "http://a.example"})}), 422, "address_forbidden", ""},
		"a rejection without a reason":     {"POST " + one + "/reject", body{}, 422, "validation_failed", "body"},
		"a rejection for a blank":          {"POST " + one + "/reject", body{"reason": " "}, 422, "validation_failed", "body.reason"},
		"an unknown target":                {"GET /v1/targets/tgt_01ARZ3NDEKTSV4RRFFQ69G5FAV", nil, 404, "not_found", ""},
		"an id of another kind":            {"GET /v1/targets/rb_01ARZ3NDEKTSV4RRFFQ69G5FAV", nil, 404, "not_found", ""},
		"another method":                   {"PATCH " + one, body{}, 405, "method_not_allowed", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			method, path, _ := strings.Cut(tt.do, " ")
			a := w.refused(tt.status, tt.code, "lead", method, path, tt.in)
			if tt.at != "" && !strings.Contains(a.text, `"location":"`+tt.at+`"`) {
				t.Errorf("got %s, want the location %s", a.text, tt.at)
			}
		})
	}
	if a := w.must(200, "lead", "GET", one, nil); a.Header.Get("ETag")[:3] != `"1-` {
		t.Errorf("what was refused was written: %s", a.text)
	}
	w.must(201, "outsider", "POST", "/v1/targets", body{"name": "taken", "teamId": w.other, "target": hook})
	for name, to := range map[string]body{"nodes": nodes, "sandbox": {"type": "sandbox"}} {
		w.served(name, to)
	}
}

func TestTargetsAreListed(t *testing.T) {
	w := newWorld(t)
	w.named("a", hook)
	w.named("b", hook)
	w.must(201, "outsider", "POST", "/v1/targets", body{"name": "foreign", "teamId": w.other, "target": hook})
	w.must(201, "admin", "POST", "/v1/targets", body{"name": "global", "teamId": nil, "target": hook})
	tests := []struct{ who, query, want string }{
		{"lead", "", "global,b,a"}, {"key", "", "global,b,a"}, {"outsider", "", "global,foreign"}, {"admin", "", "global,foreign,b,a"},
		{"lead", "teamId=" + w.team, "b,a"}, {"admin", "teamId=" + w.other, "foreign"},
	}
	for _, tt := range tests {
		if got := strings.Join(names(w.must(200, tt.who, "GET", "/v1/targets?"+tt.query, nil).items()), ","); got != tt.want {
			t.Errorf("%s, %q: got %s, want %s", tt.who, tt.query, got, tt.want)
		}
	}
	var got []string
	next := ""
	for range 5 {
		a := w.must(200, "lead", "GET", "/v1/targets?limit=1&cursor="+next, nil)
		got = append(got, names(a.items())...)
		if next = a.str("nextCursor"); next == "" {
			break
		}
	}
	if strings.Join(got, ",") != "global,b,a" {
		t.Errorf("one by one: got %v", got)
	}
	cursor := w.must(200, "lead", "GET", "/v1/targets?limit=1", nil).str("nextCursor")
	w.refused(400, "cursor_invalid", "lead", "GET", "/v1/targets?teamId="+w.team+"&cursor="+cursor, nil)
}
