package identity_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/internal/identity"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/token"
)

// TestLook: who looks sessions up for open sockets sees what the authorizer would, with the rights of either function,
// and uses none of them.
func TestLook(t *testing.T) {
	for _, function := range []string{"RealtimeFunction", "PublisherFunction"} {
		t.Run(function, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			db := dynamodb.NewFromConfig(w.env.ConfigOf(function))
			sessions := identity.Sessions{Idle: idle, Now: w.clock.now, Store: identity.Store{
				Identity: dynamo.Table{Name: w.env.Table("IdentityTable"), DB: db}, Ephemeral: dynamo.Table{Name: w.env.Table("EphemeralTable"), DB: db},
			}}
			look := func(secrets ...string) map[string]principal.Live {
				t.Helper()
				var hashes []string
				for _, s := range secrets {
					hashes = append(hashes, token.Hash(s))
				}
				live, err := sessions.Look(t.Context(), hashes)
				if err != nil {
					t.Fatal(err)
				}
				return live
			}
			admin := w.signIn(adminEmail)
			team := w.want(w.do(request{route: "POST /v1/teams", as: admin, body: map[string]any{"name": "Payments"}}), http.StatusCreated, "").text("id")
			ann := w.want(w.do(request{route: "POST /v1/users", as: admin, body: map[string]any{"email": "ann@pagefree.test", "name": "Ann"}}), http.StatusCreated, "").text("id")
			w.want(w.do(request{route: "PUT /v1/teams/" + team + "/members/" + ann, as: admin, body: map[string]any{"role": "OBSERVER"}}), http.StatusOK, "")
			one, two := w.signIn("ann@pagefree.test"), w.signIn("ann@pagefree.test")
			live := look(admin, one, two, token.New(token.Session))
			if len(live) != 3 || !live[token.Hash(admin)].PlatformAdmin {
				t.Fatalf("got %+v", live)
			}
			if l := live[token.Hash(one)]; l.ID != ann || l.RoleIn(team) != principal.Observer || !l.Until.Equal(w.clock.now().Add(idle)) || l.SessionHash != token.Hash(one) {
				t.Errorf("got %+v", l)
			}
			w.want(w.do(request{route: "DELETE /v1/teams/" + team + "/members/" + ann, as: admin}), http.StatusNoContent, "")
			if got := look(one)[token.Hash(one)].RoleIn(team); got != principal.None {
				t.Errorf("out of the team: %q", got)
			}
			w.want(w.do(request{route: "POST /v1/auth/sign-out", as: one}), http.StatusNoContent, "")
			if live := look(one, two); len(live) != 1 {
				t.Errorf("signed out: got %+v", live)
			}
			w.clock.pass(idle - time.Second)
			if len(look(two)) != 1 {
				t.Error("a session has ended a second too soon")
			}
			w.clock.pass(time.Second) // looking was no use
			if len(look(two, admin)) != 0 {
				t.Error("an idle session holds")
			}
			three, boss := w.signIn("ann@pagefree.test"), w.signIn(adminEmail)
			w.want(w.do(request{route: "PATCH /v1/users/" + ann, as: boss, body: map[string]any{"active": false}}), http.StatusOK, "")
			w.want(w.do(request{route: "PATCH /v1/users/" + ann, as: boss, body: map[string]any{"active": true}}), http.StatusOK, "")
			if len(look(three)) != 0 {
				t.Error("a session outlives a deactivation")
			}
			for range lifetime / time.Hour { // used all the time, and ended all the same
				w.clock.pass(time.Hour)
				w.do(request{route: "GET /v1/me", as: boss})
			}
			if len(look(boss)) != 0 {
				t.Error("a session outlives its absolute end")
			}
			if len(look()) != 0 {
				t.Error("nobody is somebody")
			}
		})
	}
}
