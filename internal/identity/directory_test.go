package identity_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/internal/identity"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/teams"
)

// directory is what a function sees of people, with its own rights.
func (w *world) directory(function string) identity.Directory {
	return identity.Directory{Store: identity.Store{Identity: dynamo.Table{Name: w.env.Table("IdentityTable"), DB: dynamodb.NewFromConfig(w.env.ConfigOf(function))}}}
}

func addresses(people []teams.Person) []string {
	out := []string{}
	for _, p := range people {
		out = append(out, p.Email)
	}
	slices.Sort(out)
	return out
}

// TestDirectory: who is told something is found as they are, by each function that asks, and by no other.
func TestDirectory(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn(adminEmail)
	root := w.do(request{route: "GET /v1/me", as: admin}).text("id")
	core := w.team(admin, "Core")
	ann, _ := w.hire(admin, "ann", core, "RESPONDER")
	bob, _ := w.hire(admin, "bob", core, "OBSERVER")
	cat, _ := w.hire(admin, "cat", "", "")
	w.want(w.do(request{route: "PATCH /v1/users/" + bob, as: admin, body: `{"active":false}`}), http.StatusOK, "")

	for _, function := range []string{"NotifierFunction", "NotificationsFunction"} {
		members, err := w.directory(function).Members(t.Context(), core)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := addresses(members), []string{adminEmail, "ann@pagefree.test", "bob@pagefree.test"}; !slices.Equal(got, want) {
			t.Errorf("%s: members %v, want %v", function, got, want)
		}
		for _, p := range members {
			want := map[string]string{
				root: fmt.Sprint(principal.TeamAdmin, true, true), ann: fmt.Sprint(principal.Responder, true, false), bob: fmt.Sprint(principal.Observer, false, false),
			}[p.ID]
			if got := fmt.Sprint(p.In(core), p.Active, p.PlatformAdmin); got != want {
				t.Errorf("%s: %s is %s, want %s", function, p.Email, got, want)
			}
		}
	}
	d := w.directory("NotifierFunction")
	if admins, err := d.Admins(t.Context()); err != nil || !slices.Equal(addresses(admins), []string{adminEmail}) {
		t.Errorf("admins: got %v, %v", admins, err)
	}
	people, err := d.People(t.Context(), []string{cat, "usr_nobody", ann})
	if err != nil || len(people) != 2 || people[0].ID != cat || people[1].ID != ann || people[0].In(core) != principal.None {
		t.Errorf("people: got %v, %v", people, err)
	}
	if got, err := d.Members(t.Context(), "team_nobodys"); err != nil || len(got) != 0 {
		t.Errorf("a team that is none: got %v, %v", got, err)
	}
	p, found, err := w.directory("BouncesFunction").At(t.Context(), "ann@pagefree.test")
	if err != nil || !found || p.ID != ann {
		t.Errorf("by address: got %v, %v, %v", p, found, err)
	}
	if _, found, err := w.directory("BouncesFunction").At(t.Context(), "nobody@pagefree.test"); found || err != nil {
		t.Errorf("nobody's address: got %v, %v", found, err)
	}
	if _, err := w.directory("BouncesFunction").Members(t.Context(), core); err == nil {
		t.Error("the function of bounces lists members")
	}
	if _, err := w.directory("NotificationsFunction").Admins(t.Context()); err == nil {
		t.Error("the function of settings lists platform admins")
	}
}
