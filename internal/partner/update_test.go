package partner_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/token"
)

func TestUpdate(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	path := of(w.page, "partners", made.id())
	until := w.clock.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
	for _, step := range []struct{ body, member, want string }{
		{`{"partnerName":"Acme Inc"}`, "partnerName", "Acme Inc"},
		{`{"ipAllowlist":["10.0.0.1"]}`, "ipAllowlist", "[10.0.0.1]"},
		{`{"ipAllowlist":[]}`, "ipAllowlist", "[]"},
		{`{"expiresAt":"` + until + `"}`, "expiresAt", until},
		{`{"mail":true}`, "mail", "true"},
		{`{"componentIds":["` + w.db + `"]}`, "componentIds", "[" + w.db + "]"},
		{`{}`, "componentIds", "[" + w.db + "]"},
		{`{"componentIds":[]}`, "componentIds", "[]"},
		{`{"componentIds":null}`, "componentIds", "<nil>"},
		{`{"expiresAt":null}`, "expiresAt", "<nil>"},
	} {
		a := w.must(200, "lead", "PATCH", path, step.body)
		read := w.must(200, "lead", "GET", path, nil)
		if got := fmt.Sprint(a.Body[step.member]); got != step.want || a.Text != read.Text {
			t.Errorf("%s: got %s, then %s", step.body, a.Text, read.Text)
		}
	}
	if got := w.must(200, "lead", "GET", "/v1/partners/"+made.Str("partnerId"), nil).Str("name"); got != "Acme Inc" {
		t.Errorf("its account is called %q", got)
	}
	if _, found, err := seat.PassOf(t.Context(), w.table, token.Hash(made.token())); !found || err != nil {
		t.Errorf("its token is gone: %v", err)
	}

	t.Run("what changes nothing is no event", func(t *testing.T) {
		since := w.clock.Now()
		w.must(200, "lead", "PATCH", path, `{"partnerName":"Acme Inc","mail":true,"componentIds":null,"ipAllowlist":[]}`)
		if events := w.recorded(since); len(events) != 0 {
			t.Errorf("got %v", events)
		}
	})
	t.Run("what is said of a change", func(t *testing.T) {
		since := w.clock.Now()
		w.must(200, "lead", "PATCH", path, `{"mail":false,"ipAllowlist":["10.0.0.9"]}`)
		events := w.recorded(since)
		if len(events) != 1 || events[0].Type != "partner.updated" || fmt.Sprint(events[0].Detail["changed"]) != "[ipAllowlist mail]" {
			t.Errorf("got %+v", events)
		}
	})
	t.Run("a stale revision", func(t *testing.T) {
		etag := w.must(200, "lead", "GET", path, nil).Header.Get("ETag")
		w.must(200, "lead", "PATCH", path, `{"mail":true}`, "If-Match", etag)
		if a := w.as("lead", "PATCH", path, `{"mail":false}`, "If-Match", etag); a.StatusCode != 412 || a.code() != "precondition_failed" {
			t.Errorf("got %d %s", a.StatusCode, a.Text)
		}
	})
	t.Run("a component that the page lost may stay", func(t *testing.T) {
		w.must(200, "lead", "PATCH", path, map[string]any{"componentIds": []string{w.web, w.db}})
		page := w.snapshot("acme-cloud")
		page.Components = page.Components[:1]
		w.show(page)
		w.must(200, "lead", "PATCH", path, map[string]any{"componentIds": []string{w.db}})
		if a := w.as("lead", "PATCH", path, map[string]any{"componentIds": []string{w.far}}); a.StatusCode != 422 {
			t.Errorf("one that it never had: got %d %s", a.StatusCode, a.Text)
		}
	})
	t.Run("an end that has come stands", func(t *testing.T) {
		until := w.clock.Now().Add(time.Minute).UTC().Format(time.RFC3339Nano)
		w.must(200, "lead", "PATCH", path, map[string]any{"expiresAt": until})
		w.clock.Advance(time.Hour)
		read := w.must(200, "lead", "GET", path, nil)
		w.must(200, "lead", "PATCH", path, map[string]any{"expiresAt": read.Str("expiresAt"), "mail": false})
	})
	t.Run("a revoked one", func(t *testing.T) {
		w.must(200, "lead", "DELETE", path, nil)
		if a := w.as("lead", "PATCH", path, `{"mail":true}`); a.StatusCode != 409 || a.code() != "invalid_transition" {
			t.Errorf("got %d %s", a.StatusCode, a.Text)
		}
	})
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	acme := w.grant("Ácme", "ops@acme.test").id()
	globex := w.grant("Globex", "ops@globex.test").id()
	taken := func(a answer) bool { return a.StatusCode == 409 && a.code() == "name_taken" }
	if a := w.as("lead", "POST", of(w.page, "partners"), `{"partnerName":" áCME ","contactEmail":"x@acme.test"}`); !taken(a) {
		t.Errorf("in other capitals: got %d %s", a.StatusCode, a.Text)
	}
	if a := w.as("lead", "PATCH", of(w.page, "partners", globex), `{"partnerName":"ácme"}`); !taken(a) {
		t.Errorf("by a change: got %d %s", a.StatusCode, a.Text)
	}
	w.must(200, "lead", "PATCH", of(w.page, "partners", acme), `{"partnerName":"ÁCME"}`) // its own
	w.grantAt(w.second, "Ácme", "ops@acme.test")                                         // another page
	w.must(200, "lead", "PATCH", of(w.page, "partners", acme), `{"partnerName":"New"}`)
	w.must(200, "lead", "PATCH", of(w.page, "partners", globex), `{"partnerName":"Ácme"}`)
	w.must(200, "lead", "DELETE", of(w.page, "partners", globex), nil)
	w.grant("ÁCME", "y@acme.test")
}

// TestMove: another contact address is another account and another first person; the token stays.
func TestMove(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	path := of(w.page, "partners", made.id())
	w.must(201, "lead", "POST", path+"/feed-token", nil)
	w.must(201, "lead", "POST", path+"/people", `{"email":"ann@acme.test","name":"Ann"}`)
	w.must(201, "lead", "POST", path+"/people", `{"email":"ben@acme.test"}`)
	accounts := func() string {
		var out []string
		for _, a := range w.must(200, "lead", "GET", "/v1/partners", nil).Items() {
			out = append(out, fmt.Sprintf("%s %d", a["email"], len(a["pages"].([]any))))
		}
		return strings.Join(out, ", ")
	}
	people := func() string {
		var out []string
		for _, p := range w.must(200, "lead", "GET", path+"/people", nil).Items() {
			out = append(out, fmt.Sprintf("%s %v %v", p["email"], p["contact"], p["revokedAt"] == nil))
		}
		return strings.Join(out, ", ")
	}
	moved := w.must(200, "lead", "PATCH", path, `{"contactEmail":"New@globex.test"}`)
	if moved.Str("contactEmail") != "new@globex.test" || moved.Str("partnerId") == made.Str("partnerId") || moved.Str("tokenPrefix") != made.Str("tokenPrefix") {
		t.Errorf("got %s", moved.Text)
	}
	if got := accounts(); got != "new@globex.test 1, ops@acme.test 0" {
		t.Errorf("accounts: %s", got)
	}
	if got := people(); got != "new@globex.test true true, ben@acme.test false true, ann@acme.test false true, ops@acme.test false false" {
		t.Errorf("people: %s", got)
	}
	pass, found, _ := seat.PassOf(t.Context(), w.table, token.Hash(made.token()))
	if !found || pass.PartnerID != moved.Str("partnerId") || pass.Via != seat.ByToken {
		t.Errorf("the token leads to %+v", pass)
	}
	for _, email := range []string{"new@globex.test", "ann@acme.test", "ben@acme.test"} {
		if v := w.viewer(email, made.id()); v["partnerId"] != moved.Str("partnerId") {
			t.Errorf("sign-in of %s leads to %v", email, v)
		}
	}
	if v := w.viewer("ops@acme.test", made.id()); v != nil {
		t.Errorf("sign-in of who was first leads to %v", v)
	}

	// To somebody who may sign in already, and back to the account that was.
	w.must(200, "lead", "PATCH", path, `{"contactEmail":"ann@acme.test"}`)
	if got := people(); got != "new@globex.test false false, ben@acme.test false true, ann@acme.test true true, ops@acme.test false false" {
		t.Errorf("people: %s", got)
	}
	back := w.must(200, "lead", "PATCH", path, `{"contactEmail":"ops@acme.test"}`)
	if back.Str("partnerId") != made.Str("partnerId") {
		t.Errorf("got %s, want the account of before", back.Text)
	}
	if got := accounts(); got != "ann@acme.test 0, new@globex.test 0, ops@acme.test 1" {
		t.Errorf("accounts: %s", got)
	}

	w.must(200, "lead", "PATCH", "/v1/partners/"+moved.Str("partnerId"), `{"active":false}`)
	if a := w.as("lead", "PATCH", path, `{"contactEmail":"new@globex.test"}`); a.StatusCode != 409 || a.code() != "partner_deactivated" {
		t.Errorf("to a deactivated account: got %d %s", a.StatusCode, a.Text)
	}
}

// TestAMoveTakesEverybodyAlong: a hundred people do not fit into one transaction.
func TestAMoveTakesEverybodyAlong(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	path := of(w.page, "partners", made.id())
	for i := range 99 {
		w.must(201, "lead", "POST", path+"/people", fmt.Sprintf(`{"email":"p%d@acme.test"}`, i))
	}
	if a := w.as("lead", "POST", path+"/people", `{"email":"one@toomany.test"}`); a.StatusCode != 409 || a.code() != "too_many" {
		t.Errorf("the 101st: got %d %s", a.StatusCode, a.Text)
	}
	moved := w.must(200, "lead", "PATCH", path, `{"contactEmail":"new@acme.test","partnerName":"Other"}`)
	for i := range 99 {
		if v := w.viewer(fmt.Sprintf("p%d@acme.test", i), made.id()); v["partnerId"] != moved.Str("partnerId") {
			t.Fatalf("person %d was left behind: %v", i, v)
		}
	}
	if a := w.as("lead", "POST", path+"/people", `{"email":"one@toomany.test"}`); a.StatusCode != 409 {
		t.Errorf("the 101st after it: got %d %s", a.StatusCode, a.Text)
	}
	w.must(200, "lead", "DELETE", path, nil)
	for _, email := range []string{"new@acme.test", "p0@acme.test", "p98@acme.test"} {
		if v := w.viewer(email, made.id()); v != nil {
			t.Errorf("sign-in finds a revoked access: %v", v)
		}
	}
}
