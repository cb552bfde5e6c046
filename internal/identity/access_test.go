package identity_test

import (
	"net/http"
	"strings"
	"testing"

	"pagefree/internal/identity"
	"pagefree/internal/platform/httpapi"
)

// who are the columns of the table below.
var who = []string{"nobody", "outsider", "observer", "responder", "api key", "team admin", "platform admin"}

// TestAccess walks every route as every role. Where a role may, the answer is
// what the request deserves; where it may not, the answer says no more than it should.
func TestAccess(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn(adminEmail)
	core, other := w.team(admin, "Core"), w.team(admin, "Other")
	_, outsider := w.hire(admin, "outsider", other, "TEAM_ADMIN")
	_, observer := w.hire(admin, "observer", core, "OBSERVER")
	_, responder := w.hire(admin, "responder", core, "RESPONDER")
	_, lead := w.hire(admin, "lead", core, "TEAM_ADMIN")
	member, _ := w.hire(admin, "member", core, "OBSERVER")
	keyID, _ := w.key(lead, core, "OBSERVER")
	_, key := w.key(lead, core, "TEAM_ADMIN") // the most that a key can be
	as := map[string]string{
		"nobody": "", "outsider": outsider, "observer": observer, "responder": responder, "team admin": lead, "api key": key, "platform admin": admin,
	}
	unknown := "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV" // so that a role that may change something changes nothing

	tests := []struct {
		route, body string
		want        [7]int // in the order of who
	}{
		{"GET /v1/me", "", [7]int{401, 200, 200, 200, 403, 200, 200}},
		{"GET /v1/users", "", [7]int{401, 403, 403, 403, 403, 403, 200}},
		{"POST /v1/users", `{"email":"admin@pagefree.test","name":"x"}`, [7]int{401, 403, 403, 403, 403, 403, 409}},
		{"GET /v1/users/" + member, "", [7]int{401, 403, 403, 403, 403, 403, 200}},
		{"PATCH /v1/users/" + member, `{"name":"member"}`, [7]int{401, 403, 403, 403, 403, 403, 200}},
		{"PATCH /v1/users/" + unknown, `{"name":"x"}`, [7]int{401, 403, 403, 403, 403, 403, 404}},
		{"GET /v1/teams", "", [7]int{401, 200, 200, 200, 200, 200, 200}},
		{"POST /v1/teams", `{"name":" "}`, [7]int{401, 403, 403, 403, 403, 403, 422}},
		{"GET /v1/teams/" + core, "", [7]int{401, 404, 200, 200, 200, 200, 200}},
		{"GET /v1/teams/" + core + "/members", "", [7]int{401, 404, 200, 200, 200, 200, 200}},
		{"PUT /v1/teams/" + core + "/members/" + member, `{"role":"OBSERVER"}`, [7]int{401, 404, 403, 403, 403, 200, 200}},
		{"DELETE /v1/teams/" + core + "/members/" + unknown, "", [7]int{401, 404, 403, 403, 403, 404, 404}},
		{"GET /v1/api-keys", "", [7]int{401, 200, 403, 403, 403, 200, 200}}, // an outsider sees their own team's
		{"POST /v1/api-keys", `{"name":" ","teamId":"` + core + `","role":"OBSERVER"}`, [7]int{401, 404, 403, 403, 403, 422, 422}},
		{"GET /v1/api-keys/" + keyID, "", [7]int{401, 404, 403, 403, 403, 200, 200}},
		{"DELETE /v1/api-keys/key_01ARZ3NDEKTSV4RRFFQ69G5FAV", "", [7]int{401, 404, 404, 404, 404, 404, 404}},
		{"DELETE /v1/api-keys/" + keyID, "", [7]int{401, 404, 403, 403, 403, 204, 404}}, // gone by the time the last one asks
		{"POST /v1/auth/sign-out", "", [7]int{401, 204, 204, 204, 403, 204, 204}},
	}
	walked := map[string]bool{}
	for _, tt := range tests {
		for i, role := range who {
			t.Run(tt.route+" as "+role, func(t *testing.T) {
				w := w.in(t)
				a := w.do(request{route: tt.route, as: as[role], body: tt.body})
				if a.status != tt.want[i] {
					t.Errorf("got %d, want %d: %s", a.status, tt.want[i], a.body)
				}
				if wants := map[int]string{401: "unauthenticated", 403: "forbidden", 404: "not_found"}[tt.want[i]]; wants != "" && a.code() != wants {
					t.Errorf("got code %q, want %q", a.code(), wants)
				}
			})
		}
		walked[pattern(tt.route)] = true
	}

	t.Run("no route is left out", func(t *testing.T) {
		api := httpapi.New()
		identity.Routes(api, nil, nil)
		identity.AuthRoutes(api, nil)
		public := map[string]bool{"POST /v1/auth/magic-link": true, "POST /v1/auth/verify": true}
		for path, item := range api.OpenAPI().Paths {
			for method, op := range map[string]bool{"GET": item.Get != nil, "POST": item.Post != nil, "PUT": item.Put != nil, "PATCH": item.Patch != nil, "DELETE": item.Delete != nil} {
				if route := method + " " + path; op && !public[route] && !walked[route] {
					t.Errorf("%s is not in the table", route)
				}
			}
		}
	})
	t.Run("a refusal is recorded", func(t *testing.T) {
		w := w.in(t)
		session := w.signIn("observer@pagefree.test")
		id := w.do(request{route: "GET /v1/me", as: session}).text("id")
		before := len(w.record(core))
		w.want(w.do(request{route: "PUT /v1/teams/" + core + "/members/" + id, as: session, body: `{"role":"TEAM_ADMIN"}`}), http.StatusForbidden, "forbidden")
		if got := append(w.record(core), w.record(id)...); !strings.Contains(strings.Join(got, " "), "access.denied") {
			t.Errorf("got %v (%d before), want access.denied", got, before)
		}
	})
	t.Run("what is not there", func(t *testing.T) {
		w := w.in(t)
		admin := w.signIn(adminEmail)
		w.want(w.do(request{route: "GET /v1/teams/" + core + "/secrets", as: admin}), http.StatusNotFound, "not_found")
		a := w.want(w.do(request{route: "DELETE /v1/users/" + member, as: admin}), http.StatusMethodNotAllowed, "method_not_allowed")
		if got := strings.Join(a.header["Allow"], ", "); !strings.Contains(got, "PATCH") || !strings.Contains(got, "GET") {
			t.Errorf("Allow: got %q", got)
		}
	})
}

// pattern is a route as it is registered: ids become names.
func pattern(route string) string {
	method, path, _ := strings.Cut(route, " ")
	parts := strings.Split(path, "/")
	for i, part := range parts {
		switch {
		case strings.HasPrefix(part, "usr_") && i == 5:
			parts[i] = "{userId}"
		case strings.HasPrefix(part, "usr_"), strings.HasPrefix(part, "team_"), strings.HasPrefix(part, "key_"):
			parts[i] = "{id}"
		}
	}
	return method + " " + strings.Join(parts, "/")
}
