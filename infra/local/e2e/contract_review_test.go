package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// actions are what somebody may do to a runbook now.
func (c *contract) actions(t *testing.T, who, id string) string {
	t.Helper()
	var verbs []string
	for _, v := range c.want(t, who, "GET /v1/runbooks/"+id, nil, 200, "").Body["allowedActions"].([]any) {
		verbs = append(verbs, v.(string))
	}
	slices.Sort(verbs)
	return strings.Join(verbs, " ")
}

// allowed compares what several people may do.
func (c *contract) allowed(t *testing.T, id string, want map[string]string) {
	t.Helper()
	for who, verbs := range want {
		if got := c.actions(t, who, id); got != verbs {
			t.Errorf("%s may %q, want %q", who, got, verbs)
		}
	}
}

// contractReview: nobody approves what they wrote or submitted, and each version goes one way.
func contractReview(t *testing.T, c *contract) {
	id := c.draft(t, nil)
	v1 := "/v1/runbooks/" + id + "/versions/1"
	c.allowed(t, id, map[string]string{lead: "archive deprecate submit", reviewer: "archive deprecate submit", responder: "", observer: ""})
	c.play(t, map[string]scenario{
		"a draft is not approved":   {as: reviewer, do: "POST " + v1 + "/approve", want: 409, code: "invalid_transition", has: "DRAFT"},
		"a draft is not rejected":   {as: reviewer, do: "POST " + v1 + "/reject", send: object{"reason": "x"}, want: 409, code: "invalid_transition", has: "DRAFT"},
		"submitted by a responder":  {as: responder, do: "POST " + v1 + "/submit", want: 403, code: "forbidden"},
		"submitted by another team": {as: outsider, do: "POST " + v1 + "/submit", want: 404, code: "not_found"},
		"a version that is none":    {as: lead, do: "POST /v1/runbooks/" + id + "/versions/2/submit", want: 404, code: "not_found"},
	})
	a := c.want(t, lead, "POST "+v1+"/submit", nil, 200, "")
	if a.Text("status") != "PENDING_REVIEW" || a.Body["check"].(object)["ok"] != true || a.Text("submittedById") != c.userID(t, lead) {
		t.Errorf("submitted: %s", a.Raw)
	}
	c.allowed(t, id, map[string]string{lead: "archive deprecate reject", reviewer: "approve archive deprecate reject", responder: ""})
	review := func(who string) bool {
		return strings.Contains(c.want(t, who, "GET /v1/reviews?limit=200", nil, 200, "").Raw, id)
	}
	if review(lead) || !review(reviewer) || !review(admin) || review(outsider) {
		t.Error("a review waits for those who may decide it, and for nobody else")
	}
	c.play(t, map[string]scenario{
		"reviews, by a responder":  {as: responder, do: "GET /v1/reviews", want: 403, code: "forbidden"},
		"submitted again":          {as: lead, do: "POST " + v1 + "/submit", want: 409, code: "invalid_transition", has: "PENDING_REVIEW"},
		"approved by its author":   {as: lead, do: "POST " + v1 + "/approve", send: object{}, want: 403, code: "self_approval"},
		"approved by a responder":  {as: responder, do: "POST " + v1 + "/approve", send: object{}, want: 403, code: "forbidden"},
		"approved by another team": {as: outsider, do: "POST " + v1 + "/approve", send: object{}, want: 404, code: "not_found"},
		"a note that is none":      {as: reviewer, do: "POST " + v1 + "/approve", send: object{"note": 5}, want: 422, code: "validation_failed"},
		"an endless note":          {as: reviewer, do: "POST " + v1 + "/approve", send: object{"note": strings.Repeat("x", 2001)}, want: 422, code: "validation_failed"},
		"a reason instead":         {as: reviewer, do: "POST " + v1 + "/approve", send: object{"reason": "x"}, want: 422, code: "validation_failed"},
		"rejected for no reason":   {as: reviewer, do: "POST " + v1 + "/reject", send: object{}, want: 422, code: "validation_failed"},
		"an empty reason":          {as: reviewer, do: "POST " + v1 + "/reject", send: object{"reason": ""}, want: 422, code: "validation_failed"},
		"a blank reason":           {as: reviewer, do: "POST " + v1 + "/reject", send: object{"reason": " \n"}, want: 422, code: "validation_failed"},
	})
	got := together(4, func() string {
		a := c.ask(t, reviewer, "POST "+v1+"/approve", object{"note": "ok"}, nil)
		return fmt.Sprint(a.Status, " ", a.Text("code"))
	})
	if got["200 "] != 1 || got["409 invalid_transition"]+got["409 conflict"] != 3 {
		t.Errorf("approved by many at once: %v", got)
	}
	a = c.want(t, observer, "GET "+v1, nil, 200, "")
	if a.Text("status") != "APPROVED" || a.Text("reviewedById") != c.userID(t, reviewer) || a.Text("reviewNote") != "ok" || len(a.Text("contentHash")) != 64 || a.Text("reviewedAt") == "" {
		t.Errorf("approved: %s", a.Raw)
	}
	a = c.want(t, observer, "GET /v1/runbooks/"+id, nil, 200, "")
	if a.Text("status") != "APPROVED" || a.Body["approvedVersion"] != 1.0 || a.Text("approvedById") != c.userID(t, reviewer) || a.Text("approvedAt") == "" {
		t.Errorf("its runbook: %s", a.Raw)
	}
	c.allowed(t, id, map[string]string{lead: "archive deprecate execute", responder: "execute", observer: ""})
	c.want(t, reviewer, "POST "+v1+"/reject", object{"reason": "late"}, 409, "invalid_transition")

	t.Run("only the newest goes on", func(t *testing.T) {
		second, third := c.version(t, id, nil), c.version(t, id, nil)
		old, newest := fmt.Sprintf("/v1/runbooks/%s/versions/%d", id, second), fmt.Sprintf("/v1/runbooks/%s/versions/%d", id, third)
		c.want(t, lead, "POST "+old+"/submit", nil, 409, "invalid_transition")
		c.want(t, reviewer, "POST "+newest+"/submit", nil, 200, "")
		c.want(t, reviewer, "POST "+newest+"/approve", object{}, 403, "self_approval") // its submitter
		c.want(t, lead, "POST "+newest+"/approve", object{}, 403, "self_approval")     // its author
		fourth := c.version(t, id, nil)
		c.want(t, admin, "POST "+newest+"/approve", object{}, 409, "invalid_transition")
		if a := c.want(t, lead, "GET /v1/runbooks/"+id, nil, 200, ""); a.Text("status") != "APPROVED" || a.Body["currentVersion"] != float64(fourth) || a.Body["approvedVersion"] != 1.0 {
			t.Errorf("a newer draft: %s", a.Raw)
		}
	})
	t.Run("a rejected one stays so", func(t *testing.T) {
		id := c.draft(t, nil)
		v1 := "/v1/runbooks/" + id + "/versions/1"
		c.want(t, lead, "POST "+v1+"/submit", nil, 200, "")
		if a := c.want(t, reviewer, "POST "+v1+"/reject", object{"reason": "too bold"}, 200, ""); a.Text("status") != "REJECTED" || a.Text("reviewNote") != "too bold" {
			t.Errorf("rejected: %s", a.Raw)
		}
		c.want(t, lead, "POST "+v1+"/submit", nil, 409, "invalid_transition")
		c.want(t, admin, "POST "+v1+"/approve", nil, 409, "invalid_transition")
		if a := c.want(t, lead, "GET /v1/runbooks/"+id, nil, 200, ""); a.Text("status") != "DRAFT" {
			t.Errorf("nothing but a rejected version is a draft: %s", a.Raw)
		}
	})
	t.Run("a script that does not parse", func(t *testing.T) {
		for language, script := range map[string]string{"BASH": "echo a\nif true; then\n", "PYTHON": "x = 1\nprint(\n", "JAVASCRIPT": "let a\nlet b = ;\n"} {
			v1 := "/v1/runbooks/" + c.draft(t, object{"language": language, "scriptContent": script}) + "/versions/1"
			a := c.want(t, lead, "POST "+v1+"/submit", nil, 422, "script_invalid")
			check := c.want(t, lead, "GET "+v1, nil, 200, "").Body
			found, _ := check["check"].(object)
			if check["status"] != "DRAFT" || found["ok"] != false || found["message"] == "" || !strings.Contains(a.Text("detail"), fmt.Sprintf("line %v", found["line"])) {
				t.Errorf("%s: %s %v", language, a.Raw, found)
			}
		}
	})
}

// contractStates: deprecate, archive, restore, roll back.
func contractStates(t *testing.T, c *contract) {
	id := c.ready(t, nil)
	path := "/v1/runbooks/" + id
	c.approve(t, id, c.version(t, id, object{"scriptContent": "echo two\n", "language": "BASH"}))
	rejected := c.version(t, id, nil)
	c.want(t, lead, fmt.Sprintf("POST %s/versions/%d/submit", path, rejected), nil, 200, "")
	c.want(t, reviewer, fmt.Sprintf("POST %s/versions/%d/reject", path, rejected), object{"reason": "no"}, 200, "")
	c.play(t, map[string]scenario{
		"back to nothing":           {as: lead, do: "POST " + path + "/rollback", send: object{"version": 99, "reason": "x"}, want: 404, code: "not_found"},
		"back to where it is":       {as: lead, do: "POST " + path + "/rollback", send: object{"version": 2, "reason": "x"}, want: 409, code: "invalid_transition"},
		"back to a rejected one":    {as: lead, do: "POST " + path + "/rollback", send: object{"version": rejected, "reason": "x"}, want: 409, code: "invalid_transition", has: "REJECTED"},
		"back for no reason":        {as: lead, do: "POST " + path + "/rollback", send: object{"version": 1}, want: 422, code: "validation_failed"},
		"back to a word":            {as: lead, do: "POST " + path + "/rollback", send: object{"version": "1", "reason": "x"}, want: 422, code: "validation_failed"},
		"back, by a responder":      {as: responder, do: "POST " + path + "/rollback", send: object{"version": 1, "reason": "x"}, want: 403, code: "forbidden"},
		"back, by another team":     {as: outsider, do: "POST " + path + "/rollback", send: object{"version": 1, "reason": "x"}, want: 404, code: "not_found"},
		"restored from nothing":     {as: lead, do: "POST " + path + "/restore", want: 409, code: "invalid_transition"},
		"deprecated for no reason":  {as: lead, do: "POST " + path + "/deprecate", send: object{}, want: 422, code: "validation_failed"},
		"deprecated by a responder": {as: responder, do: "POST " + path + "/deprecate", send: object{"reason": "x"}, want: 403, code: "forbidden"},
		"archived for a blank":      {as: lead, do: "POST " + path + "/archive", send: object{"reason": "  "}, want: 422, code: "validation_failed"},
		"archived by another team":  {as: outsider, do: "POST " + path + "/archive", send: object{"reason": "x"}, want: 404, code: "not_found"},
	})
	if a := c.want(t, lead, "POST "+path+"/rollback", object{"version": 1, "reason": "two fails"}, 200, ""); a.Body["approvedVersion"] != 1.0 || a.Body["currentVersion"] != 3.0 {
		t.Errorf("rolled back: %s", a.Raw)
	}
	if got := c.run(t, responder, object{"runbookId": id}); got.Body["versionUsed"] != 1.0 || got.Text("stdout") != "hi\n" {
		t.Errorf("it runs %s", got.Raw)
	}
	t.Run("deprecated", func(t *testing.T) {
		c.want(t, lead, "POST "+path+"/deprecate", object{"reason": "use the other"}, 200, "")
		c.want(t, lead, "POST "+path+"/deprecate", object{"reason": "again"}, 409, "invalid_transition")
		c.allowed(t, id, map[string]string{lead: "archive execute restore rollback", responder: "execute"})
		for _, do := range []struct {
			do   string
			send any
			want int
		}{
			{"GET " + path, nil, 200}, {"GET " + path + "/versions/1", nil, 200}, {"GET " + path + "/versions/2/diff", nil, 200},
			{"PATCH " + path, object{"description": "old"}, 200}, {"POST /v1/executions", object{"runbookId": id}, 202}, {"POST /v1/executions/preview", object{"runbookId": id}, 200},
		} {
			a := c.want(t, lead, do.do, do.send, do.want, "")
			warnings, _ := a.Body["warnings"].([]any)
			if !strings.HasPrefix(a.Header.Get("Deprecation"), "@") || len(warnings) != 1 || !strings.Contains(warnings[0].(string), "use the other") {
				t.Errorf("%s: Deprecation %q, warnings %v", do.do, a.Header.Get("Deprecation"), warnings)
			}
		}
		if a := c.want(t, lead, "GET "+path+"/versions", nil, 200, ""); a.Header.Get("Deprecation") == "" || !strings.Contains(a.Raw, "use the other") {
			t.Errorf("its versions: %v %s", a.Header, a.Raw)
		}
	})
	t.Run("archived", func(t *testing.T) {
		a := c.want(t, lead, "POST "+path+"/archive", object{"reason": "gone"}, 200, "")
		if a.Text("status") != "ARCHIVED" || a.Header.Get("Deprecation") != "" {
			t.Errorf("archived: %s", a.Raw)
		}
		c.allowed(t, id, map[string]string{lead: "deprecate restore", responder: ""})
		c.play(t, map[string]scenario{
			"again":            {as: lead, do: "POST " + path + "/archive", send: object{"reason": "x"}, want: 409, code: "invalid_transition", has: "ARCHIVED"},
			"no new version":   {as: lead, do: "POST " + path + "/versions", send: with(c.body(nil), "name", nil, "teamId", nil), want: 409, code: "invalid_transition", has: "ARCHIVED"},
			"it does not run":  {as: responder, do: "POST /v1/executions", send: object{"runbookId": id}, want: 409, code: "runbook_archived"},
			"nor in a preview": {as: responder, do: "POST /v1/executions/preview", send: object{"runbookId": id}, want: 409, code: "runbook_archived"},
			"nor goes back":    {as: lead, do: "POST " + path + "/rollback", send: object{"version": 2, "reason": "x"}, want: 409, code: "invalid_transition"},
			"its name is kept": {as: lead, do: "POST /v1/runbooks", send: c.body(object{"name": a.Text("name")}), want: 409, code: "name_taken"},
			"it is listed":     {as: observer, do: "GET /v1/runbooks?status=ARCHIVED&limit=200", want: 200, has: id},
			"it is read":       {as: observer, do: "GET " + path, want: 200, has: `"ARCHIVED"`},
		})
	})
	t.Run("restored", func(t *testing.T) {
		if a := c.want(t, lead, "POST "+path+"/restore", nil, 200, ""); a.Text("status") != "APPROVED" || a.Body["warnings"] != nil {
			t.Errorf("restored: %s", a.Raw)
		}
		c.want(t, lead, "POST "+path+"/restore", nil, 409, "invalid_transition")
	})
}

// contractVersions: a version is whole, is never edited, and can be compared.
func contractVersions(t *testing.T, c *contract) {
	id := c.ready(t, object{"risk": "LOW", "serviceId": c.service})
	path := "/v1/runbooks/" + id
	body := with(c.body(object{"language": "PYTHON", "scriptContent": "print(2)\n", "requiresConfirm": true, "changeNote": "in Python"}), "name", nil, "teamId", nil, "timeoutSeconds", nil)
	a := c.want(t, lead, "POST "+path+"/versions", body, 201, "")
	if a.Body["version"] != 2.0 || a.Header.Get("Location") != path+"/versions/2" || a.Text("language") != "PYTHON" || a.Text("changeNote") != "in Python" || a.Body["serviceId"] != nil || a.Body["risk"] != "HIGH" {
		t.Errorf("a version is whole, and takes nothing from the one before: %s", a.Raw)
	}
	if rb := c.want(t, observer, "GET "+path, nil, 200, ""); rb.Text("language") != "BASH" || rb.Text("risk") != "LOW" || rb.Body["requiresConfirm"] != false || rb.Text("serviceId") != c.service {
		t.Errorf("a runbook shows its approved version: %s", rb.Raw)
	}
	c.play(t, map[string]scenario{
		"a name with it":        {as: lead, do: "POST " + path + "/versions", send: with(body, "name", "x"), want: 422, code: "validation_failed"},
		"no language":           {as: lead, do: "POST " + path + "/versions", send: with(body, "language", nil), want: 422, code: "validation_failed"},
		"by a responder":        {as: responder, do: "POST " + path + "/versions", send: body, want: 403, code: "forbidden"},
		"by another team":       {as: outsider, do: "POST " + path + "/versions", send: body, want: 404, code: "not_found"},
		"read by another team":  {as: outsider, do: "GET " + path + "/versions/1", want: 404, code: "not_found"},
		"a list":                {as: observer, do: "GET " + path + "/versions?limit=1", want: 200, has: `"version":2`, lacks: `"version":1,`},
		"nothing edits one":     {as: lead, do: "PATCH " + path + "/versions/2", send: body, want: 405, code: "method_not_allowed"},
		"nothing deletes one":   {as: lead, do: "DELETE " + path + "/versions/2", want: 405, code: "method_not_allowed"},
		"a diff":                {as: observer, do: "GET " + path + "/versions/2/diff?from=1", want: 200, has: `"changed":["language","scriptContent","timeoutSeconds","serviceId","requiresConfirm","risk"]`},
		"its lines":             {as: observer, do: "GET " + path + "/versions/2/diff?from=1", want: 200, has: `-echo hi\n+print(2)`},
		"from the one before":   {as: observer, do: "GET " + path + "/versions/2/diff", want: 200, has: `"from":1,"to":2`},
		"backwards":             {as: observer, do: "GET " + path + "/versions/1/diff?from=2", want: 200, has: `"from":2,"to":1`},
		"with itself":           {as: observer, do: "GET " + path + "/versions/2/diff?from=2", want: 200, has: `"changed":[]`},
		"from nowhere":          {as: observer, do: "GET " + path + "/versions/2/diff?from=9", want: 404, code: "not_found"},
		"a diff of nothing":     {as: observer, do: "GET " + path + "/versions/9/diff?from=1", want: 404, code: "not_found"},
		"a diff, by a stranger": {as: outsider, do: "GET " + path + "/versions/2/diff?from=1", want: 404, code: "not_found"},
	})
	got := together(5, func() string {
		return fmt.Sprint(c.ask(t, lead, "POST "+path+"/versions", body, http.Header{}).Body["version"])
	})
	if len(got) != 5 || got["3"] != 1 || got["7"] != 1 {
		t.Errorf("versions made at once are numbered one by one: %v", got)
	}
}
