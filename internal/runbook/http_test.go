package runbook

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pagefree/internal/platform/httpapi"
)

func TestLifeOfARunbook(t *testing.T) {
	w := newWorld(t)
	made := w.must(201, "lead", "POST", "/v1/runbooks", w.creation("  Restart web  ").with(body{
		"description": "Restarts it.", "serviceId": w.svc, "changeNote": "first", "maxRunsPerHour": 5,
		"parameters": []body{{"name": "HOST", "type": "string", "required": true, "pattern": "[a-z]+"}},
	}))
	at := "/v1/runbooks/" + made.id()
	if got := made.Header.Get("Location"); got != at {
		t.Errorf("Location: got %q, want %q", got, at)
	}
	for member, want := range map[string]any{
		"name": "Restart web", "description": "Restarts it.", "teamId": w.team, "serviceId": w.svc, "language": "BASH", "status": "DRAFT",
		"currentVersion": 1.0, "approvedVersion": nil, "approvedById": nil, "approvedAt": nil, "requiresConfirm": false, "risk": "HIGH", "createdById": "usr_lead",
	} {
		if got, there := made.body[member]; !there || got != want {
			t.Errorf("%s: got %v, want %v", member, got, want)
		}
	}
	v1 := w.must(200, "observer", "GET", at+"/versions/1", nil)
	for member, want := range map[string]any{
		"runbookId": made.id(), "version": 1.0, "status": "DRAFT", "timeoutSeconds": 60.0, "maxRetries": 0.0, "idempotent": false, "concurrency": 10.0,
		"maxRunsPerHour": 5.0, "check": nil, "changeNote": "first", "submittedById": nil, "reviewedById": nil, "reviewedAt": nil, "reviewNote": "", "contentHash": nil,
	} {
		if got, there := v1.body[member]; !there || got != want {
			t.Errorf("version 1, %s: got %v, want %v", member, got, want)
		}
	}
	for _, hidden := range []string{"pk", "sk", "seal", "lastEditorId", "document"} {
		if _, there := v1.body[hidden]; there {
			t.Errorf("version 1 shows %s", hidden)
		}
	}

	submitted := w.must(200, "lead", "POST", at+"/versions/1/submit", nil)
	if submitted.str("status") != "PENDING_REVIEW" || submitted.str("submittedById") != "usr_lead" || submitted.body["check"].(map[string]any)["ok"] != true {
		t.Errorf("submitted: got %s", submitted.text)
	}
	if got := w.must(200, "observer", "GET", at, nil).str("status"); got != "PENDING_REVIEW" {
		t.Errorf("status in review: got %s", got)
	}
	approved := w.must(200, "reviewer", "POST", at+"/versions/1/approve", body{"note": "looks right"})
	if approved.str("status") != "APPROVED" || approved.str("reviewedById") != "usr_reviewer" || approved.str("reviewNote") != "looks right" || len(approved.str("contentHash")) != 64 {
		t.Errorf("approved: got %s", approved.text)
	}

	// The approved version goes on serving, and is what the runbook shows, while its successor is made and reviewed.
	w.must(201, "lead", "POST", at+"/versions", script.with(body{"language": "PYTHON", "scriptContent": "print(1)", "risk": "LOW", "requiresConfirm": true}))
	w.must(200, "lead", "POST", at+"/versions/2/submit", nil)
	is := w.must(200, "observer", "GET", at, nil)
	if is.str("status") != "APPROVED" || is.body["approvedVersion"] != 1.0 || is.body["currentVersion"] != 2.0 || is.str("language") != "BASH" || is.body["requiresConfirm"] != false {
		t.Errorf("with a version in review: got %s", is.text)
	}
	r, v, err := w.store.Runnable(t.Context(), made.id())
	if err != nil || v.Version != 1 {
		t.Fatalf("runnable: got version %d, %v", v.Version, err)
	}
	if err := CheckSeal(t.Context(), w.seal, r, v); err != nil {
		t.Errorf("the seal of version 1: %v", err)
	}
	w.must(200, "reviewer", "POST", at+"/versions/2/reject", body{"reason": "no"})
	if got := w.must(200, "observer", "GET", at, nil); got.str("status") != "APPROVED" {
		t.Errorf("after a rejection: got %s", got.text)
	}
	w.next(at, body{"language": "PYTHON", "scriptContent": "print(2)", "risk": "LOW"})
	is = w.must(200, "observer", "GET", at, nil)
	if is.body["approvedVersion"] != 3.0 || is.str("language") != "PYTHON" || is.str("risk") != "LOW" || is.body["serviceId"] != nil {
		t.Errorf("after the next approval: got %s", is.text)
	}

	var types []string
	for _, e := range w.recorded() {
		types = append(types, strings.TrimPrefix(e.Type, "runbook."))
		if e.Subject.ID != made.id() || e.TeamID == nil || *e.TeamID != w.team || e.IP != "192.0.2.7" {
			t.Errorf("event %s: got %+v", e.Type, e)
		}
	}
	want := []string{"created", "submitted", "approved", "versioned", "submitted", "rejected", "versioned", "submitted", "approved"}
	if !slices.Equal(types, want) {
		t.Errorf("audit: got %v, want %v", types, want)
	}
}

func TestRoutesByRole(t *testing.T) {
	w := newWorld(t)
	draft, pending, live := w.draft("draft"), w.pending("pending"), w.approved("live")
	global := "/v1/runbooks/" + w.must(201, "admin", "POST", "/v1/runbooks", w.creation("global").with(body{"teamId": nil})).id()
	everyone := []string{"nobody", "stranger", "outsider", "observer", "responder", "small key", "key", "lead", "admin"}
	tests := []struct {
		route string
		in    any
		want  string // a status for each of everyone
	}{
		{"GET " + draft, nil, "401 404 404 200 200 200 200 200 200"},
		{"GET " + draft + "/versions", nil, "401 404 404 200 200 200 200 200 200"},
		{"GET " + draft + "/versions/1", nil, "401 404 404 200 200 200 200 200 200"},
		{"GET " + draft + "/versions/1/diff", nil, "401 404 404 200 200 200 200 200 200"},
		{"GET /v1/runbooks", nil, "401 200 200 200 200 200 200 200 200"},
		{"GET /v1/runbooks?teamId=" + w.team, nil, "401 404 404 200 200 200 200 200 200"},
		{"GET /v1/reviews", nil, "401 403 200 403 403 403 200 200 200"},
		{"POST /v1/runbooks", w.creation("by %s"), "401 404 404 403 403 403 201 201 201"},
		{"PATCH " + draft, body{"description": "by %s"}, "401 404 404 403 403 403 200 200 200"},
		{"POST " + draft + "/versions", script, "401 404 404 403 403 403 201 201 201"},
		{"POST " + draft + "/versions/99/submit", nil, "401 404 404 403 403 403 404 404 404"},
		{"POST " + pending + "/versions/1/approve", nil, "401 404 404 403 403 403 403 403 200"},
		{"POST " + pending + "/versions/1/reject", body{"reason": "no"}, "401 404 404 403 403 403 403 409 409"},
		{"POST " + live + "/rollback", body{"version": 9, "reason": "no"}, "401 404 404 403 403 403 404 404 404"},
		{"POST " + live + "/deprecate", body{"reason": "old"}, "401 404 404 403 403 403 200 409 409"},
		{"POST " + live + "/archive", body{"reason": "old"}, "401 404 404 403 403 403 200 409 409"},
		{"POST " + live + "/restore", nil, "401 404 404 403 403 403 200 409 409"},

		{"GET " + global, nil, "401 404 200 200 200 200 200 200 200"},
		{"GET " + global + "/versions/1/diff", nil, "401 404 200 200 200 200 200 200 200"},
		{"PATCH " + global, body{"description": "by %s"}, "401 404 403 403 403 403 403 403 200"},
		{"POST " + global + "/versions", script, "401 404 403 403 403 403 403 403 201"},
		{"POST " + global + "/versions/1/submit", nil, "401 404 403 403 403 403 403 403 409"},
		{"POST " + global + "/versions/1/approve", nil, "401 404 403 403 403 403 403 403 403"},
		{"POST " + global + "/archive", body{"reason": "old"}, "401 404 403 403 403 403 403 403 200"},
		{"POST /v1/runbooks", w.creation("global by %s").with(body{"teamId": nil}), "401 404 403 403 403 403 403 403 201"},
	}
	for _, test := range tests {
		method, path, _ := strings.Cut(test.route, " ")
		var got []string
		for _, who := range everyone {
			in := test.in
			if b, ok := in.(body); ok && b["name"] != nil {
				in = b.with(body{"name": fmt.Sprintf(b["name"].(string), who)})
			}
			got = append(got, fmt.Sprint(w.do(who, method, path, in).StatusCode))
		}
		if want := strings.Fields(test.want); !slices.Equal(got, want) {
			t.Errorf("%s as %v:\n got %v\nwant %v", test.route, everyone, got, want)
		}
	}
}

func TestBadRequests(t *testing.T) {
	w := newWorld(t)
	at := w.draft("one")
	good := w.creation("two")
	missing := "/v1/runbooks/rb_01ARZ3NDEKTSV4RRFFQ69G5FAV"
	tests := map[string]struct {
		route   string
		in      any
		headers []string
		status  int
		code    string
	}{
		"an unknown member":              {"POST /v1/runbooks", good.with(body{"owner": "me"}), nil, 422, "validation_failed"},
		"a member in another case":       {"POST /v1/runbooks", good.with(body{"Name": "x"}), nil, 422, "validation_failed"},
		"an unknown member of a target":  {"POST /v1/runbooks", good.with(body{"target": body{"type": "sandbox", "image": "x"}}), nil, 422, "validation_failed"},
		"no name":                        {"POST /v1/runbooks", good.with(body{"name": nil}), nil, 422, "validation_failed"},
		"an empty name":                  {"POST /v1/runbooks", good.with(body{"name": "  "}), nil, 422, "validation_failed"},
		"a name of 121":                  {"POST /v1/runbooks", good.with(body{"name": strings.Repeat("ä", 121)}), nil, 422, "validation_failed"},
		"a name of two lines":            {"POST /v1/runbooks", good.with(body{"name": "a\nb"}), nil, 422, "validation_failed"},
		"a name with NUL":                {"POST /v1/runbooks", good.with(body{"name": "a\x00b"}), nil, 422, "validation_failed"},
		"no language":                    {"POST /v1/runbooks", good.with(body{"language": nil}), nil, 422, "validation_failed"},
		"a language in lower case":       {"POST /v1/runbooks", good.with(body{"language": "bash"}), nil, 422, "validation_failed"},
		"no target":                      {"POST /v1/runbooks", good.with(body{"target": nil}), nil, 422, "validation_failed"},
		"no script":                      {"POST /v1/runbooks", good.with(body{"scriptContent": nil}), nil, 422, "validation_failed"},
		"a script with NUL":              {"POST /v1/runbooks", good.with(body{"scriptContent": "echo \x00"}), nil, 422, "validation_failed"},
		"a script over 48 KiB":           {"POST /v1/runbooks", good.with(body{"scriptContent": strings.Repeat("x", MaxScript+1)}), nil, 422, "validation_failed"},
		"a timeout of 4":                 {"POST /v1/runbooks", good.with(body{"timeoutSeconds": 4}), nil, 422, "validation_failed"},
		"a timeout of 0":                 {"POST /v1/runbooks", good.with(body{"timeoutSeconds": 0}), nil, 422, "validation_failed"},
		"a timeout of 5.5":               {"POST /v1/runbooks", good.with(body{"timeoutSeconds": 5.5}), nil, 422, "validation_failed"},
		"a timeout as text":              {"POST /v1/runbooks", good.with(body{"timeoutSeconds": "60"}), nil, 422, "validation_failed"},
		"a concurrency of 0":             {"POST /v1/runbooks", good.with(body{"concurrency": 0}), nil, 422, "validation_failed"},
		"retries of what is no repeat":   {"POST /v1/runbooks", good.with(body{"maxRetries": 1}), nil, 422, "validation_failed"},
		"an ssm target of no node":       {"POST /v1/runbooks", good.with(body{"target": body{"type": "ssm", "instanceIds": []string{"web-1"}}}), nil, 422, "validation_failed"},
		"a named target of no id":        {"POST /v1/runbooks", good.with(body{"target": body{"type": "named", "targetId": "x"}}), nil, 404, "not_found"},
		"another team":                   {"POST /v1/runbooks", good.with(body{"teamId": w.other}), nil, 404, "not_found"},
		"a team that is no id":           {"POST /v1/runbooks", good.with(body{"teamId": "x"}), nil, 404, "not_found"},
		"a team that is empty":           {"POST /v1/runbooks", good.with(body{"teamId": ""}), nil, 404, "not_found"},
		"another team's service":         {"POST /v1/runbooks", good.with(body{"serviceId": w.otherSvc}), nil, 404, "not_found"},
		"no such service":                {"POST /v1/runbooks", good.with(body{"serviceId": "svc_01ARZ3NDEKTSV4RRFFQ69G5FAV"}), nil, 404, "not_found"},
		"a service that is no id":        {"POST " + at + "/versions", script.with(body{"serviceId": "x"}), nil, 404, "not_found"},
		"another team's in a version":    {"POST " + at + "/versions", script.with(body{"serviceId": w.otherSvc}), nil, 404, "not_found"},
		"no JSON":                        {"POST /v1/runbooks", `{"name":`, nil, 400, "body_invalid"},
		"no body":                        {"POST /v1/runbooks", nil, nil, 400, "body_invalid"},
		"an array":                       {"POST /v1/runbooks", `[]`, nil, 422, "validation_failed"},
		"no UTF-8":                       {"POST /v1/runbooks", "{\"name\":\"\xff\"}", nil, 400, "body_invalid"},
		"a body over 256 KiB":            {"POST /v1/runbooks", `{"name":"` + strings.Repeat("x", 257<<10) + `"}`, nil, 413, "body_too_large"},
		"another media type":             {"POST /v1/runbooks", "name=x", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"},
		"another method":                 {"DELETE " + at, nil, nil, 405, "method_not_allowed"},
		"a method of no version route":   {"PUT " + at + "/versions/1", script, nil, 405, "method_not_allowed"},
		"an unknown path":                {"GET " + at + "/history", nil, nil, 404, "not_found"},
		"an unknown runbook":             {"GET " + missing, nil, nil, 404, "not_found"},
		"an id of another kind":          {"GET /v1/runbooks/svc_01ARZ3NDEKTSV4RRFFQ69G5FAV", nil, nil, 404, "not_found"},
		"an id in lower case":            {"GET " + strings.ToLower(missing), nil, nil, 404, "not_found"},
		"version 0":                      {"GET " + at + "/versions/0", nil, nil, 404, "not_found"},
		"version 01":                     {"GET " + at + "/versions/01", nil, nil, 404, "not_found"},
		"version -1":                     {"GET " + at + "/versions/-1", nil, nil, 404, "not_found"},
		"version x":                      {"POST " + at + "/versions/x/submit", nil, nil, 404, "not_found"},
		"version 2 of 1":                 {"GET " + at + "/versions/2", nil, nil, 404, "not_found"},
		"a huge version":                 {"GET " + at + "/versions/99999999999999999999", nil, nil, 404, "not_found"},
		"a diff from an unknown version": {"GET " + at + "/versions/1/diff?from=7", nil, nil, 404, "not_found"},
		"a diff from x":                  {"GET " + at + "/versions/1/diff?from=x", nil, nil, 422, "validation_failed"},
		"a limit of 0":                   {"GET /v1/runbooks?limit=0", nil, nil, 422, "validation_failed"},
		"a limit of 201":                 {"GET " + at + "/versions?limit=201", nil, nil, 422, "validation_failed"},
		"an unknown status":              {"GET /v1/runbooks?status=LIVE", nil, nil, 422, "validation_failed"},
		"a cursor of ours, altered":      {"GET /v1/runbooks?cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAA", nil, nil, 400, "cursor_invalid"},
		"a rejection without a reason":   {"POST " + at + "/versions/1/reject", body{}, nil, 422, "validation_failed"},
		"a rollback without a version":   {"POST " + at + "/rollback", body{"reason": "x"}, nil, 422, "validation_failed"},
		"an archiving without a reason":  {"POST " + at + "/archive", body{"reason": ""}, nil, 422, "validation_failed"},
		"a PATCH of what decides":        {"PATCH " + at, body{"risk": "LOW"}, nil, 422, "validation_failed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			method, path, _ := strings.Cut(test.route, " ")
			a := w.refused(test.status, test.code, "lead", method, path, test.in, test.headers...)
			if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type: got %q", got)
			}
			if test.status == 405 && a.Header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
}

func TestNamesAreUnique(t *testing.T) {
	w := newWorld(t)
	at, other := w.draft("Restart"), w.draft("Drain")
	w.refused(409, "name_taken", "lead", "POST", "/v1/runbooks", w.creation(" Restart "))
	w.refused(409, "name_taken", "lead", "PATCH", other, body{"name": "Restart"})
	w.must(201, "lead", "POST", "/v1/runbooks", w.creation("restart")) // another name
	w.must(201, "outsider", "POST", "/v1/runbooks", w.creation("Restart").with(body{"teamId": w.other}))
	w.must(201, "admin", "POST", "/v1/runbooks", w.creation("Restart").with(body{"teamId": nil}))
	w.refused(409, "name_taken", "admin", "POST", "/v1/runbooks", w.creation("Restart").with(body{"teamId": nil}))

	w.must(200, "lead", "POST", at+"/archive", body{"reason": "old"})
	w.refused(409, "name_taken", "lead", "POST", "/v1/runbooks", w.creation("Restart"))
	w.must(200, "lead", "PATCH", at, body{"name": "Restart (old)"})
	w.must(200, "lead", "PATCH", other, body{"name": "Restart"})
	w.must(201, "lead", "POST", "/v1/runbooks", w.creation("Drain"))
}

func TestPatchAndETags(t *testing.T) {
	w := newWorld(t)
	at := w.pending("one")
	read := w.must(200, "lead", "GET", at, nil)
	etag := read.Header.Get("ETag")
	w.must(304, "lead", "GET", at, nil, "If-None-Match", etag)
	if got := w.must(200, "observer", "GET", at, nil).Header.Get("ETag"); got == etag {
		t.Error("an observer, who may do less, gets the ETag of a team admin")
	}
	changed := w.must(200, "lead", "PATCH", at, body{"name": "uno", "description": "a"}, "If-Match", etag)
	if changed.str("name") != "uno" || changed.str("description") != "a" {
		t.Errorf("got %s", changed.text)
	}
	w.refused(412, "precondition_failed", "lead", "PATCH", at, body{"name": "due"}, "If-Match", etag)
	w.must(200, "lead", "PATCH", at, body{"description": "b"}, "If-Match", changed.Header.Get("ETag"))
	w.must(200, "lead", "PATCH", at, body{"description": "c"}, "If-Match", "*")
	same := w.must(200, "lead", "GET", at, nil)
	w.must(200, "lead", "PATCH", at, body{"description": "c", "name": "uno"})
	if got := w.must(200, "lead", "GET", at, nil).Header.Get("ETag"); got != same.Header.Get("ETag") {
		t.Error("a PATCH that changes nothing raised the revision")
	}
	if got := w.must(200, "reviewer", "GET", "/v1/reviews", nil).items(); len(got) != 1 || got[0]["runbookName"] != "uno" {
		t.Errorf("the queue after a new name: got %v", got)
	}
	v := w.must(200, "lead", "GET", at+"/versions/1", nil)
	w.must(304, "lead", "GET", at+"/versions/1", nil, "If-None-Match", v.Header.Get("ETag"))
}

func TestRoutesAreKnownWithoutAService(t *testing.T) {
	api := httpapi.New()
	Routes(api, nil)
	if got := len(api.OpenAPI().Paths); got < 10 {
		t.Errorf("got %d paths", got)
	}
	if raw, err := api.OpenAPI().MarshalJSON(); err != nil || strings.Contains(string(raw), "pointerMac") {
		t.Errorf("the document: %v, or it shows what is stored", err)
	}
}
