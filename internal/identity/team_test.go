package identity_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	front "pagefree/infra/local/aws"
	"pagefree/internal/identity"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/teams"
)

func TestTeams(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn(adminEmail)
	root := w.do(request{route: "GET /v1/me", as: admin}).text("id")
	made := w.want(w.do(request{route: "POST /v1/teams", as: admin, body: `{"name":"Core"}`}), http.StatusCreated, "")
	core := made.text("id")
	if got := made.header.Get("Location"); got != "/v1/teams/"+core {
		t.Errorf("Location: got %q", got)
	}
	directory := dynamo.Table{Name: w.env.Table("AutomationTable"), DB: dynamodb.NewFromConfig(w.env.Config)}
	if name, found, err := teams.Name(t.Context(), directory, core); name != "Core" || !found || err != nil {
		t.Errorf("the directory of names: got %q, %v, %v", name, found, err)
	}
	var me identity.Me
	if err := json.Unmarshal(w.do(request{route: "GET /v1/me", as: admin}).body, &me); err != nil {
		t.Fatal(err)
	}
	if want := []identity.MyTeam{{ID: core, Name: "Core", Role: "TEAM_ADMIN"}}; !slices.Equal(me.Teams, want) {
		t.Errorf("the creator's teams: got %v, want %v", me.Teams, want)
	}

	lead, leadSession := w.hire(admin, "lead", core, "TEAM_ADMIN")
	ann, annSession := w.hire(admin, "ann", "", "")
	t.Run("joining and changing", func(t *testing.T) {
		w := w.in(t)
		m := w.join(leadSession, core, ann, "OBSERVER")
		for member, want := range map[string]string{"userId": ann, "email": "ann@pagefree.test", "name": "ann", "role": "OBSERVER", "active": "true"} {
			if got := m.text(member); got != want {
				t.Errorf("%s: got %q, want %q", member, got, want)
			}
		}
		w.join(leadSession, core, ann, "OBSERVER") // once more: no event
		w.join(leadSession, core, ann, "RESPONDER")
		if got := w.do(request{route: "GET /v1/me", as: annSession}).text("teams.0.role"); got != "RESPONDER" {
			t.Errorf("the role at the next request: got %q", got)
		}
		stale := request{route: "PUT /v1/teams/" + core + "/members/" + ann, as: leadSession, body: `{"role":"OBSERVER"}`, header: http.Header{"If-Match": {m.header.Get("Etag")}}}
		w.want(w.do(stale), http.StatusPreconditionFailed, "precondition_failed")
		w.want(w.do(request{route: "DELETE /v1/teams/" + core + "/members/" + ann, as: leadSession}), http.StatusNoContent, "")
		w.want(w.do(request{route: "DELETE /v1/teams/" + core + "/members/" + ann, as: leadSession}), http.StatusNotFound, "not_found")
		w.want(w.do(request{route: "GET /v1/teams/" + core, as: annSession}), http.StatusNotFound, "not_found")
		if got, want := w.record(ann)[3:], []string{"member.added", "member.updated", "member.removed"}; !slices.Equal(got, want) {
			t.Errorf("record: got %v, want %v", got, want)
		}
	})
	t.Run("what cannot be put", func(t *testing.T) {
		w := w.in(t)
		none := "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV"
		w.want(w.member(leadSession, core, none, "OBSERVER"), http.StatusNotFound, "not_found")
		w.want(w.member(leadSession, core, "usr_x", "OBSERVER"), http.StatusNotFound, "not_found")
		w.want(w.member(leadSession, core, ann, "OWNER"), http.StatusUnprocessableEntity, "validation_failed")
		w.want(w.member(admin, "team_01ARZ3NDEKTSV4RRFFQ69G5FAV", ann, "OBSERVER"), http.StatusNotFound, "not_found")
		w.want(w.member(admin, "nonsense", ann, "OBSERVER"), http.StatusNotFound, "not_found")
	})
	t.Run("the last admin stays", func(t *testing.T) {
		w := w.in(t)
		w.want(w.do(request{route: "DELETE /v1/teams/" + core + "/members/" + root, as: leadSession}), http.StatusNoContent, "")
		w.want(w.member(leadSession, core, lead, "RESPONDER"), http.StatusConflict, "last_team_admin")
		w.want(w.do(request{route: "DELETE /v1/teams/" + core + "/members/" + lead, as: leadSession}), http.StatusConflict, "last_team_admin")
		w.want(w.do(request{route: "DELETE /v1/teams/" + core + "/members/" + lead, as: admin}), http.StatusConflict, "last_team_admin")
		w.want(w.do(request{route: "PATCH /v1/users/" + lead, as: admin, body: `{"active":false}`}), http.StatusConflict, "last_team_admin")
	})
	t.Run("an admin who is not active does not count", func(t *testing.T) {
		w := w.in(t)
		second, _ := w.hire(admin, "second", core, "TEAM_ADMIN")
		w.want(w.do(request{route: "PATCH /v1/users/" + second, as: admin, body: `{"active":false}`}), http.StatusOK, "")
		w.want(w.member(leadSession, core, lead, "RESPONDER"), http.StatusConflict, "last_team_admin")
		w.join(leadSession, core, second, "OBSERVER")   // whom it does not count, it does not miss
		w.join(leadSession, core, second, "TEAM_ADMIN") // nor gain
		w.want(w.member(leadSession, core, lead, "RESPONDER"), http.StatusConflict, "last_team_admin")
		w.want(w.do(request{route: "PATCH /v1/users/" + second, as: admin, body: `{"active":true}`}), http.StatusOK, "")
		w.join(leadSession, core, lead, "RESPONDER")
	})
}

// TestLastAdminsRace removes, demotes and deactivates two last admins at once:
// one of the two always stays.
func TestLastAdminsRace(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn(adminEmail)
	root := w.do(request{route: "GET /v1/me", as: admin}).text("id")
	a, aSession := w.hire(admin, "a", "", "")
	b, bSession := w.hire(admin, "b", "", "")
	ways := map[string]func(w *world, team, who, by string) answer{
		"removed": func(w *world, team, who, by string) answer {
			return w.do(request{route: "DELETE /v1/teams/" + team + "/members/" + who, as: by})
		},
		"demoted": func(w *world, team, who, by string) answer { return w.member(by, team, who, "OBSERVER") },
		"deactivated": func(w *world, _, who, _ string) answer {
			return w.do(request{route: "PATCH /v1/users/" + who, as: admin, body: `{"active":false}`})
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			for range 5 {
				team := w.team(admin, name)
				w.join(admin, team, a, "TEAM_ADMIN")
				w.join(admin, team, b, "TEAM_ADMIN")
				w.want(w.do(request{route: "DELETE /v1/teams/" + team + "/members/" + root, as: admin}), http.StatusNoContent, "")
				both := [2]answer{}
				var wg sync.WaitGroup
				wg.Go(func() { both[0] = way(w, team, a, bSession) })
				wg.Go(func() { both[1] = way(w, team, b, aSession) })
				wg.Wait()
				done := 0
				for _, got := range both {
					switch {
					case got.status == http.StatusOK || got.status == http.StatusNoContent:
						done++
					case got.code() != "last_team_admin" && got.code() != "forbidden" && got.code() != "not_found": // the other was first, and took the right away
						t.Errorf("got %d %s", got.status, got.body)
					}
				}
				if done != 1 {
					t.Errorf("got %d of two done, want one", done)
				}
				for _, who := range []string{a, b} {
					w.want(w.do(request{route: "PATCH /v1/users/" + who, as: admin, body: `{"active":true}`}), http.StatusOK, "")
					w.do(request{route: "PUT /v1/teams/" + team + "/members/" + who, as: admin, body: `{"role":"TEAM_ADMIN"}`})
				}
				if name == "deactivated" {
					aSession, bSession = w.signIn("a@pagefree.test"), w.signIn("b@pagefree.test")
				}
			}
		})
	}
}

// TestManyJoinAtOnce lets many people join one team, and one person many
// teams, at once: nothing is lost, the count of admins least of all.
func TestManyJoinAtOnce(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn(adminEmail)
	team := w.team(admin, "Core")
	var people []string
	for range 8 {
		id, _ := w.hire(admin, "p"+string(rune('a'+len(people))), "", "")
		people = append(people, id)
	}
	w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Conflict, Nth: 2, Times: 3})
	var wg sync.WaitGroup
	for _, id := range people {
		wg.Go(func() { w.member(admin, team, id, "TEAM_ADMIN") })
	}
	wg.Wait()
	w.env.Faults.Clear()
	for _, id := range people { // whoever lost five races in a row is put again
		w.join(admin, team, id, "TEAM_ADMIN")
	}
	removed := 0
	for _, id := range people {
		if a := w.do(request{route: "DELETE /v1/teams/" + team + "/members/" + id, as: admin}); a.status == http.StatusNoContent {
			removed++
		}
	}
	root := w.do(request{route: "GET /v1/me", as: admin}).text("id")
	if a := w.do(request{route: "DELETE /v1/teams/" + team + "/members/" + root, as: admin}); removed != 8 || a.code() != "last_team_admin" {
		t.Errorf("removed %d of 8, then the creator: got %d %q, want last_team_admin", removed, a.status, a.code())
	}
}

// TestTakenAtOnce makes one user of one address, however many ask.
func TestTakenAtOnce(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn(adminEmail)
	var made, taken atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			switch a := w.do(request{route: "POST /v1/users", as: admin, body: `{"email":"one@pagefree.test","name":"One"}`}); a.code() {
			case "":
				made.Add(1)
			case "email_taken":
				taken.Add(1)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 || taken.Load() != 19 {
		t.Errorf("got %d made and %d taken, want 1 and 19", made.Load(), taken.Load())
	}
}

// TestContended meets a conflict at every try: that is nobody's fault, and
// nothing is written.
func TestContended(t *testing.T) {
	w := newWorld(t)
	admin, link := w.signIn(adminEmail), w.link(adminEmail)
	w.env.Faults.Add(front.Fault{Operation: "TransactWriteItems", Do: front.Conflict, Times: -1})
	var team, verified answer
	var wg sync.WaitGroup
	wg.Go(func() { team = w.do(request{route: "POST /v1/teams", as: admin, body: `{"name":"Core"}`}) })
	wg.Go(func() { verified = w.verify(link) })
	wg.Wait()
	w.env.Faults.Clear()
	w.want(team, http.StatusConflict, "conflict")
	w.want(verified, http.StatusConflict, "conflict")
	if got := w.do(request{route: "GET /v1/teams", as: admin}).items(); got != 0 {
		t.Errorf("got %d teams, want none", got)
	}
	w.want(w.verify(link), http.StatusOK, "")
}
