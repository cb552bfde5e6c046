package identity_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/principal"
)

func TestAPIKeys(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn(adminEmail)
	core, other := w.team(admin, "Core"), w.team(admin, "Other")
	lead, leadSession := w.hire(admin, "lead", core, "TEAM_ADMIN")
	made := w.want(w.do(request{route: "POST /v1/api-keys", as: leadSession, body: map[string]any{
		"name": "deploy", "teamId": core, "role": "RESPONDER", "expiresAt": "2060-03-01T13:00:00Z"}}), http.StatusCreated, "")
	id, secret := made.text("id"), made.text("key")
	for member, want := range map[string]string{
		"name": "deploy", "teamId": core, "role": "RESPONDER", "createdById": lead, "active": "true",
		"expiresAt": "2060-03-01T13:00:00.000Z", "prefix": secret[:10],
	} {
		if got := made.text(member); got != want {
			t.Errorf("%s: got %q, want %q", member, got, want)
		}
	}
	if got := made.header.Get("Location"); got != "/v1/api-keys/"+id {
		t.Errorf("Location: got %q", got)
	}

	t.Run("it acts as its role in its team", func(t *testing.T) {
		w := w.in(t)
		w.want(w.do(request{route: "GET /v1/teams/" + core + "/members", as: secret}), http.StatusOK, "")
		w.want(w.do(request{route: "GET /v1/teams/" + other + "/members", as: secret}), http.StatusNotFound, "not_found")
		byHeader := request{route: "GET /v1/teams", header: http.Header{"X-Api-Key": {secret}}}
		if a := w.want(w.do(byHeader), http.StatusOK, ""); a.items() != 1 || a.text("items.0.id") != core {
			t.Errorf("its teams: got %s", a.body)
		}
	})
	t.Run("it is never shown again", func(t *testing.T) {
		w := w.in(t)
		for _, route := range []string{"GET /v1/api-keys", "GET /v1/api-keys/" + id} {
			a := w.want(w.do(request{route: route, as: leadSession}), http.StatusOK, "")
			if body := string(a.body); strings.Contains(body, secret) || strings.Contains(body, "hash") || !strings.Contains(body, secret[:10]) {
				t.Errorf("%s: got %s", route, body)
			}
		}
	})
	t.Run("input", func(t *testing.T) {
		w := w.in(t)
		for name, tt := range map[string]struct {
			body   string
			status int
			code   string
		}{
			"no role":            {`{"name":"x","teamId":"` + core + `"}`, 422, "validation_failed"},
			"an unknown role":    {`{"name":"x","teamId":"` + core + `","role":"PLATFORM_ADMIN"}`, 422, "validation_failed"},
			"an end in the past": {`{"name":"x","teamId":"` + core + `","role":"OBSERVER","expiresAt":"2060-03-01T12:00:00Z"}`, 422, "validation_failed"},
			"an end that is no time": {`{"name":"x","teamId":"` + core + `","role":"OBSERVER","expiresAt":"tomorrow"}`,
				422, "validation_failed"},
			"no end":               {`{"name":"x","teamId":"` + core + `","role":"OBSERVER","expiresAt":null}`, 201, ""},
			"another team":         {`{"name":"x","teamId":"` + other + `","role":"OBSERVER"}`, 404, "not_found"},
			"a team that is none":  {`{"name":"x","teamId":"team_x","role":"OBSERVER"}`, 404, "not_found"},
			"an unknown member":    {`{"name":"x","teamId":"` + core + `","role":"OBSERVER","key":"pfk_"}`, 422, "validation_failed"},
			"a name that is empty": {`{"name":" ","teamId":"` + core + `","role":"OBSERVER"}`, 422, "validation_failed"},
		} {
			t.Run(name, func(t *testing.T) {
				w.in(t).want(w.do(request{route: "POST /v1/api-keys", as: leadSession, body: tt.body}), tt.status, tt.code)
			})
		}
		w.want(w.do(request{route: "POST /v1/api-keys", as: admin, body: `{"name":"x","teamId":"team_01ARZ3NDEKTSV4RRFFQ69G5FAV","role":"OBSERVER"}`}), http.StatusNotFound, "not_found")
	})
	t.Run("it ends at its end", func(t *testing.T) {
		w := w.in(t)
		w.clock.pass(time.Hour - time.Millisecond)
		w.want(w.do(request{route: "GET /v1/teams", as: secret}), http.StatusOK, "")
		w.clock.pass(time.Millisecond)
		w.want(w.do(request{route: "GET /v1/teams", as: secret}), http.StatusUnauthorized, "unauthenticated")
		if got := w.do(request{route: "GET /v1/api-keys/" + id, as: leadSession}).text("active"); got != "false" {
			t.Errorf("active: got %q, want false", got)
		}
	})
	t.Run("revoked", func(t *testing.T) {
		w := w.in(t)
		id, secret := w.key(leadSession, core, "TEAM_ADMIN")
		w.want(w.do(request{route: "GET /v1/teams", as: secret}), http.StatusOK, "")
		w.want(w.do(request{route: "DELETE /v1/api-keys/" + id, as: leadSession}), http.StatusNoContent, "")
		w.want(w.do(request{route: "GET /v1/teams", as: secret}), http.StatusUnauthorized, "unauthenticated")
		for _, again := range []string{"DELETE /v1/api-keys/" + id, "GET /v1/api-keys/" + id, "DELETE /v1/api-keys/key_x"} {
			w.want(w.do(request{route: again, as: leadSession}), http.StatusNotFound, "not_found")
		}
		if got, want := w.record(id), []string{"apikey.created", "apikey.revoked"}; !slices.Equal(got, want) {
			t.Errorf("record: got %v, want %v", got, want)
		}
	})
	t.Run("its maker leaves for good", func(t *testing.T) {
		w := w.in(t)
		leadSession = w.signIn("lead@pagefree.test")
		id, secret := w.key(leadSession, core, "OBSERVER")
		patch := "PATCH /v1/users/" + lead
		w.want(w.do(request{route: patch, as: admin, body: `{"active":false}`}), http.StatusOK, "")
		w.want(w.do(request{route: "GET /v1/teams", as: secret}), http.StatusUnauthorized, "unauthenticated")
		w.want(w.do(request{route: "GET /v1/me", as: leadSession}), http.StatusUnauthorized, "unauthenticated")
		w.want(w.do(request{route: patch, as: admin, body: `{"active":true}`}), http.StatusOK, "")
		w.want(w.do(request{route: "GET /v1/teams", as: secret}), http.StatusUnauthorized, "unauthenticated")
		w.want(w.do(request{route: "GET /v1/me", as: leadSession}), http.StatusUnauthorized, "unauthenticated")
		if got := w.do(request{route: "GET /v1/api-keys/" + id, as: admin}).text("active"); got != "false" {
			t.Errorf("active: got %q, want false", got)
		}
		back := w.signIn("lead@pagefree.test")
		w.want(w.do(request{route: "GET /v1/me", as: back}), http.StatusOK, "")
		if got, want := w.record(lead)[len(w.record(lead))-4:], []string{"user.deactivated", "user.reactivated", "link.issued", "session.created"}; !slices.Equal(got, want) {
			t.Errorf("record: got %v, want %v", got, want)
		}
	})
}

// TestAPIKeyWithoutItsMaker: a key is worth no more than who made it. Otherwise
// whoever is put out of a team, or set back, goes on by a key made before.
func TestAPIKeyWithoutItsMaker(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn(adminEmail)
	core := w.team(admin, "Core")
	second, _ := w.hire(admin, "second", "", "")
	lead, leadSession := w.hire(admin, "lead", core, "TEAM_ADMIN")
	id, secret := w.key(leadSession, core, "TEAM_ADMIN")
	_, founders := w.key(admin, core, "TEAM_ADMIN")
	members := "GET /v1/teams/" + core + "/members"

	role := func(w *world, secret string) principal.Role {
		w.Helper()
		v := w.authorize("GET", http.Header{"Authorization": {"Bearer " + secret}})
		var p principal.Principal
		if raw, ok := v.Context["principal"].(string); ok && json.Unmarshal([]byte(raw), &p) != nil {
			t.Fatal(raw)
		}
		return p.RoleIn(core)
	}
	steps := []struct {
		name string
		do   request
		want principal.Role
	}{
		{"nothing happened", request{route: "GET /v1/me", as: leadSession}, principal.TeamAdmin},
		{"its maker is set back", request{route: "PUT /v1/teams/" + core + "/members/" + lead, as: admin, body: `{"role":"RESPONDER"}`}, principal.Responder},
		{"its maker is out of the team", request{route: "DELETE /v1/teams/" + core + "/members/" + lead, as: admin}, principal.None},
		{"its maker is back", request{route: "PUT /v1/teams/" + core + "/members/" + lead, as: admin, body: `{"role":"OBSERVER"}`}, principal.Observer},
		{"its maker has the platform", request{route: "PATCH /v1/users/" + lead, as: admin, body: `{"platformAdmin":true}`}, principal.TeamAdmin},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			w := w.in(t)
			if a := w.do(step.do); a.status >= 300 {
				t.Fatalf("got %d: %s", a.status, a.body)
			}
			if got := role(w, secret); got != step.want {
				t.Errorf("it acts as %q, want %q", got, step.want)
			}
			status := http.StatusOK
			if step.want == principal.None {
				status = http.StatusUnauthorized
			}
			if a := w.do(request{route: members, as: secret}); a.status != status {
				t.Errorf("got %d, want %d", a.status, status)
			}
			if got, want := w.do(request{route: "GET /v1/api-keys/" + id, as: admin}).text("active"), fmt.Sprint(step.want != principal.None); got != want {
				t.Errorf("active: got %q, want %q", got, want)
			}
		})
	}
	t.Run("a key of who lost the platform", func(t *testing.T) {
		w := w.in(t)
		w.join(admin, core, second, "TEAM_ADMIN") // so that the founder may leave
		me := w.do(request{route: "GET /v1/me", as: admin}).text("id")
		w.want(w.do(request{route: "DELETE /v1/teams/" + core + "/members/" + me, as: admin}), http.StatusNoContent, "")
		if got := role(w, founders); got != principal.TeamAdmin {
			t.Errorf("with the platform it acts as %q", got)
		}
		w.want(w.do(request{route: "PATCH /v1/users/" + me, as: leadSession, body: `{"platformAdmin":false}`}), http.StatusOK, "")
		if got := role(w, founders); got != principal.None {
			t.Errorf("it acts as %q", got)
		}
	})
}
