package runbook

import (
	"slices"
	"strings"
	"testing"
)

func TestNobodyApprovesTheirOwn(t *testing.T) {
	w := newWorld(t)

	at := w.pending("written and submitted by lead")
	w.refused(403, "self_approval", "lead", "POST", at+"/versions/1/approve", nil)

	at = w.draft("written by lead, submitted by second")
	w.must(200, "second", "POST", at+"/versions/1/submit", nil)
	w.refused(403, "self_approval", "lead", "POST", at+"/versions/1/approve", nil)
	w.refused(403, "self_approval", "second", "POST", at+"/versions/1/approve", nil)
	w.must(200, "reviewer", "POST", at+"/versions/1/approve", body{})

	at = "/v1/runbooks/" + w.must(201, "key", "POST", "/v1/runbooks", w.creation("written by lead's key")).id()
	w.must(200, "second", "POST", at+"/versions/1/submit", nil)
	w.refused(403, "self_approval", "lead", "POST", at+"/versions/1/approve", nil)
	w.refused(403, "forbidden", "key", "POST", at+"/versions/1/approve", nil)
	w.refused(403, "forbidden", "key", "POST", at+"/versions/1/reject", body{"reason": "no"})
	w.must(200, "reviewer", "POST", at+"/versions/1/approve", nil)

	at = w.draft("submitted by lead's key")
	w.must(201, "second", "POST", at+"/versions", script)
	w.must(200, "key", "POST", at+"/versions/2/submit", nil)
	w.refused(403, "self_approval", "lead", "POST", at+"/versions/2/approve", nil)

	at = "/v1/runbooks/" + w.must(201, "admin", "POST", "/v1/runbooks", w.creation("global by admin").with(body{"teamId": nil})).id()
	w.must(200, "admin", "POST", at+"/versions/1/submit", nil)
	w.refused(403, "self_approval", "admin", "POST", at+"/versions/1/approve", nil)
	w.refused(403, "forbidden", "lead", "POST", at+"/versions/1/approve", nil)
	w.must(200, "root", "POST", at+"/versions/1/approve", nil)

	// Each refusal is on record, in the team's own record where it has one.
	refusals := 0
	for _, e := range w.recorded() {
		if e.Type == "access.denied" && e.Detail["code"] == "self_approval" {
			if refusals++; e.TeamID == nil && e.Actor.ID != "usr_admin" {
				t.Errorf("a refusal in no team's record: %+v", e)
			}
		}
	}
	if refusals != 6 {
		t.Errorf("got %d refusals on record, want 6", refusals)
	}
}

func TestReviewTransitions(t *testing.T) {
	w := newWorld(t)
	at := w.draft("one")
	names := func(a answer, state string) {
		t.Helper()
		if !strings.Contains(a.str("detail"), state) {
			t.Errorf("the error does not name %s: %s", state, a.text)
		}
	}
	names(w.refused(409, "invalid_transition", "reviewer", "POST", at+"/versions/1/approve", nil), "DRAFT")
	names(w.refused(409, "invalid_transition", "reviewer", "POST", at+"/versions/1/reject", body{"reason": "x"}), "DRAFT")
	w.must(200, "lead", "POST", at+"/versions/1/submit", nil)
	names(w.refused(409, "invalid_transition", "lead", "POST", at+"/versions/1/submit", nil), "PENDING_REVIEW")
	rejected := w.must(200, "reviewer", "POST", at+"/versions/1/reject", body{"reason": "too broad"})
	if rejected.str("status") != "REJECTED" || rejected.str("reviewedById") != "usr_reviewer" || rejected.str("reviewNote") != "too broad" || rejected.body["contentHash"] != nil {
		t.Errorf("rejected: got %s", rejected.text)
	}
	if got := w.must(200, "lead", "GET", at, nil).str("status"); got != "DRAFT" {
		t.Errorf("with nothing but a rejected version: got %s, want DRAFT", got)
	}
	names(w.refused(409, "invalid_transition", "lead", "POST", at+"/versions/1/submit", nil), "REJECTED")
	names(w.refused(409, "invalid_transition", "reviewer", "POST", at+"/versions/1/approve", nil), "REJECTED")

	// An edit during a review: what is no longer the newest cannot be approved, but cleared away.
	w.must(201, "lead", "POST", at+"/versions", script)
	w.must(200, "lead", "POST", at+"/versions/2/submit", nil)
	w.must(201, "second", "POST", at+"/versions", script)
	if got := w.must(200, "reviewer", "GET", "/v1/reviews", nil).items(); len(got) != 0 {
		t.Errorf("the queue after an edit: got %v", got)
	}
	if got := w.must(200, "lead", "GET", at, nil).str("status"); got != "DRAFT" {
		t.Errorf("after an edit: got %s, want DRAFT", got)
	}
	names(w.refused(409, "invalid_transition", "reviewer", "POST", at+"/versions/2/approve", nil), "version 3 is the newest")
	names(w.refused(409, "invalid_transition", "lead", "POST", at+"/versions/2/submit", nil), "PENDING_REVIEW")
	w.must(200, "lead", "POST", at+"/versions/3/submit", nil)
	w.must(200, "reviewer", "POST", at+"/versions/2/reject", body{"reason": "see 3"})
	if got := w.must(200, "reviewer", "GET", "/v1/reviews", nil).items(); len(got) != 1 || got[0]["version"] != 3.0 {
		t.Errorf("the queue after clearing version 2 away: got %v", got)
	}
	w.must(200, "reviewer", "POST", at+"/versions/3/approve", nil)
	names(w.refused(409, "invalid_transition", "reviewer", "POST", at+"/versions/3/approve", nil), "APPROVED")
	names(w.refused(409, "invalid_transition", "reviewer", "POST", at+"/versions/3/reject", body{"reason": "x"}), "APPROVED")
	names(w.refused(409, "invalid_transition", "lead", "POST", at+"/versions/3/submit", nil), "APPROVED")
}

func TestSubmitParsesTheScript(t *testing.T) {
	w := newWorld(t)
	at := "/v1/runbooks/" + w.must(201, "lead", "POST", "/v1/runbooks", w.creation("broken").with(body{"scriptContent": "echo\nif SYNTAX\n"})).id()
	a := w.refused(422, "script_invalid", "lead", "POST", at+"/versions/1/submit", nil)
	if !strings.Contains(a.str("detail"), "line 2") || !strings.Contains(a.text, `"location":"scriptContent"`) {
		t.Errorf("got %s", a.text)
	}
	v := w.must(200, "lead", "GET", at+"/versions/1", nil)
	check, _ := v.body["check"].(map[string]any)
	if v.str("status") != "DRAFT" || check["ok"] != false || check["line"] != 2.0 || check["message"] != "unexpected SYNTAX in BASH" {
		t.Errorf("got %s", v.text)
	}
	w.must(201, "lead", "POST", at+"/versions", script.with(body{"scriptContent": "UNREACHABLE"}))
	w.refused(503, "unavailable", "lead", "POST", at+"/versions/2/submit", nil)
	if got := w.must(200, "lead", "GET", at+"/versions/2", nil); got.str("status") != "DRAFT" || got.body["check"] != nil {
		t.Errorf("after no verdict: got %s", got.text)
	}
	var types []string
	for _, e := range w.recorded() {
		types = append(types, e.Type)
	}
	if want := []string{"runbook.created", "runbook.checked", "runbook.versioned"}; !slices.Equal(types, want) {
		t.Errorf("audit: got %v, want %v", types, want)
	}
}

func TestReviewsAreWhatWaitsForMe(t *testing.T) {
	w := newWorld(t)
	first, second := w.pending("first"), w.draft("second")
	w.must(200, "second", "POST", second+"/versions/1/submit", nil)
	global := "/v1/runbooks/" + w.must(201, "admin", "POST", "/v1/runbooks", w.creation("global").with(body{"teamId": nil})).id()
	w.must(200, "admin", "POST", global+"/versions/1/submit", nil)
	foreign := "/v1/runbooks/" + w.must(201, "outsider", "POST", "/v1/runbooks", w.creation("foreign").with(body{"teamId": w.other})).id()
	w.must(200, "outsider", "POST", foreign+"/versions/1/submit", nil)

	tests := map[string][]string{
		"reviewer": {second, first}, "second": {first}, "lead": {}, "outsider": {}, "key": {},
		"admin": {foreign, second, first}, "root": {foreign, global, second, first},
	}
	for who, want := range tests {
		got := []string{}
		for _, item := range w.must(200, who, "GET", "/v1/reviews", nil).items() {
			got = append(got, "/v1/runbooks/"+item["runbookId"].(string))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", who, got, want)
		}
	}
	page := w.must(200, "root", "GET", "/v1/reviews?limit=3", nil)
	rest := w.must(200, "root", "GET", "/v1/reviews?cursor="+page.str("nextCursor"), nil)
	if len(page.items()) != 3 || len(rest.items()) != 1 || rest.body["nextCursor"] != nil {
		t.Errorf("pages: got %d and %d", len(page.items()), len(rest.items()))
	}
	item := page.items()[2]
	if item["runbookName"] != "second" || item["teamId"] != w.team || item["version"] != 1.0 || item["createdById"] != "usr_lead" || item["submittedById"] != "usr_second" || item["check"].(map[string]any)["ok"] != true {
		t.Errorf("got %v", item)
	}
}

func TestStates(t *testing.T) {
	w := newWorld(t)
	at := w.approved("one")
	w.refused(409, "invalid_transition", "lead", "POST", at+"/rollback", body{"version": 1, "reason": "x"}) // it is the one
	w.next(at, body{"scriptContent": "echo 2", "risk": "LOW"})
	w.must(201, "lead", "POST", at+"/versions", script)
	w.refused(409, "invalid_transition", "lead", "POST", at+"/rollback", body{"version": 3, "reason": "x"}) // a draft
	w.refused(404, "not_found", "lead", "POST", at+"/rollback", body{"version": 4, "reason": "x"})
	back := w.must(200, "lead", "POST", at+"/rollback", body{"version": 1, "reason": "2 is slow"})
	if back.body["approvedVersion"] != 1.0 || back.str("risk") != "HIGH" || back.body["currentVersion"] != 3.0 || back.str("approvedById") != "usr_reviewer" {
		t.Errorf("rolled back: got %s", back.text)
	}
	w.runs(at, 1)
	w.must(200, "lead", "POST", at+"/rollback", body{"version": 2, "reason": "and forth"})
	w.runs(at, 2)

	w.refused(409, "invalid_transition", "lead", "POST", at+"/restore", nil)
	old := w.must(200, "lead", "POST", at+"/deprecate", body{"reason": "use the new one"})
	if old.str("status") != "DEPRECATED" {
		t.Errorf("deprecated: got %s", old.text)
	}
	for _, path := range []string{at, at + "/versions/2", at + "/versions/2/diff"} {
		a := w.must(200, "observer", "GET", path, nil)
		warnings, _ := a.body["warnings"].([]any)
		if got := a.Header.Get("Deprecation"); !strings.HasPrefix(got, "@17") || len(warnings) != 1 || !strings.Contains(warnings[0].(string), "use the new one") {
			t.Errorf("GET %s: got header %q, warnings %v", path, got, warnings)
		}
	}
	if a := w.must(200, "observer", "GET", at+"/versions", nil); a.Header.Get("Deprecation") != old.Header.Get("Deprecation") || !strings.Contains(a.text, "use the new one") {
		t.Errorf("its versions: got %v %s", a.Header, a.text)
	}
	w.runs(at, 2)
	w.refused(409, "invalid_transition", "lead", "POST", at+"/deprecate", body{"reason": "x"})
	w.refused(422, "validation_failed", "lead", "POST", at+"/archive", body{"reason": " \n"})

	if got := w.must(200, "lead", "POST", at+"/archive", body{"reason": "gone"}); got.str("status") != "ARCHIVED" || got.Header.Get("Deprecation") != "" {
		t.Errorf("archived: got %s", got.text)
	}
	if r, _, err := w.store.Runnable(t.Context(), idOf(at)); err != nil || r.MayRun() == nil {
		t.Errorf("an archived runbook may run: %v", err)
	}
	for _, call := range []string{"/archive", "/rollback", "/versions", "/versions/3/submit", "/versions/3/approve", "/versions/3/reject"} {
		in := map[string]any{"/archive": body{"reason": "x"}, "/rollback": body{"version": 1, "reason": "x"}, "/versions": script, "/versions/3/reject": body{"reason": "x"}}[call]
		if a := w.refused(409, "invalid_transition", "reviewer", "POST", at+call, in); !strings.Contains(a.str("detail"), "ARCHIVED") && !strings.Contains(a.str("detail"), "DRAFT") {
			t.Errorf("%s: the error names no state: %s", call, a.text)
		}
	}
	w.must(200, "lead", "PATCH", at, body{"description": "words may still change"})
	w.must(200, "lead", "POST", at+"/deprecate", body{"reason": "back, but old"})
	if got := w.must(200, "lead", "POST", at+"/restore", nil); got.str("status") != "APPROVED" || got.Header.Get("Deprecation") != "" || got.body["warnings"] != nil {
		t.Errorf("restored: got %s", got.text)
	}
	w.runs(at, 2)

	draft := w.draft("never approved")
	w.must(200, "lead", "POST", draft+"/archive", body{"reason": "x"})
	if got := w.must(200, "lead", "POST", draft+"/restore", nil).str("status"); got != "DRAFT" {
		t.Errorf("restored: got %s, want DRAFT", got)
	}
	w.must(200, "lead", "POST", draft+"/versions/1/submit", nil)
	w.must(200, "reviewer", "POST", draft+"/versions/1/approve", nil)
	w.runs(draft, 1)
}

// runs checks that version n of a runbook would run now, its seal included.
func (w *world) runs(at string, n int) {
	w.t.Helper()
	r, v, err := w.store.Runnable(w.t.Context(), idOf(at))
	if err == nil {
		err = r.MayRun()
	}
	if err == nil {
		err = CheckSeal(w.t.Context(), w.seal, r, v)
	}
	if err != nil || v.Version != n {
		w.t.Errorf("%s would run version %d (%v), want %d", r.Name, v.Version, err, n)
	}
}

func TestKeysOfNobodyWriteNothing(t *testing.T) {
	w := newWorld(t)
	at := w.draft("one")
	ghost := w.who["key"]
	ghost.UserID = ""
	w.who["ghost"] = ghost
	w.refused(403, "forbidden", "ghost", "POST", "/v1/runbooks", w.creation("two"))
	w.refused(403, "forbidden", "ghost", "POST", at+"/versions", script)
	w.refused(403, "forbidden", "ghost", "POST", at+"/versions/1/submit", nil)
}
