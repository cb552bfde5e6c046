package people_test

import (
	"maps"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/consoletest"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/audit"
	"pagefree/internal/identity"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/people"
)

// world is the pages of people with the rights of their function: an admin, two teams, and people in them.
type world struct {
	*testing.T
	site    *consoletest.Site
	service *identity.Service
	clock   *roomtest.Clock

	team, other string
	id          map[string]string // of people, by name
	admin       principal.Principal
}

func newWorld(t *testing.T) *world {
	t.Helper()
	env := awstest.New(t)
	cfg := env.ConfigOf("IdentityFunction")
	db := dynamodb.NewFromConfig(cfg)
	clock := roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC))
	ledger := audit.Log{Table: dynamo.Table{Name: env.Table("AuditTable"), DB: db}}
	w := &world{T: t, clock: clock, id: map[string]string{}, service: &identity.Service{
		Store:      identity.Store{Identity: dynamo.Table{Name: env.Table("IdentityTable"), DB: db}},
		Automation: dynamo.Table{Name: env.Table("AutomationTable"), DB: db}, Audit: ledger, Now: clock.Now,
	}}
	cursors := httpapi.NewCursors(kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: kms.NewFromConfig(cfg)}.Derive)
	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, clock.Now))
	people.Routes(api, console.New(origin.Origin{}, clock.Now), w.service, cursors)
	w.site = consoletest.New(api)

	// The first admin is made by the sign-in; here by hand.
	links := &identity.Links{
		Store:      identity.Store{Identity: dynamo.Table{Name: env.Table("IdentityTable"), DB: dynamodb.NewFromConfig(env.Config)}, Ephemeral: dynamo.Table{Name: env.Table("EphemeralTable"), DB: dynamodb.NewFromConfig(env.Config)}},
		Audit:      audit.Log{Table: dynamo.Table{Name: env.Table("AuditTable"), DB: dynamodb.NewFromConfig(env.Config)}},
		FirstAdmin: "root@pagefree.test", Origin: origin.NewSource(at(t), nil), Now: clock.Now,
	}
	if _, err := links.ForOperator(t.Context(), identity.OperatorRequest{Email: "root@pagefree.test"}); err != nil {
		t.Fatal(err)
	}
	root := principal.Principal{Kind: principal.User, ID: "usr_unknown", PlatformAdmin: true}
	all, _, err := w.service.Users(roomtest.As(t.Context(), root), httpapi.Page{Limit: 10})
	if err != nil || len(all) != 1 {
		t.Fatalf("got %v %v, want the first admin", all, err)
	}
	w.admin = principal.Principal{Kind: principal.User, ID: all[0].ID, UserID: all[0].ID, Name: "Root", Email: all[0].Email, PlatformAdmin: true}
	w.id["admin"] = w.admin.ID
	w.team, w.other = w.makeTeam("Payments"), w.makeTeam("Search")
	w.hire("lead", w.team, principal.TeamAdmin)
	w.hire("responder", w.team, principal.Responder)
	w.hire("observer", w.team, principal.Observer)
	w.hire("outsider", w.other, principal.TeamAdmin)
	w.hire("loner", "", "")
	return w
}

func at(t *testing.T) origin.Origin {
	t.Helper()
	o, err := origin.Parse("https://api.pagefree.test")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (w *world) makeTeam(name string) string {
	w.Helper()
	t, err := w.service.CreateTeam(roomtest.As(w.Context(), w.admin), name)
	if err != nil {
		w.Fatal(err)
	}
	return t.ID
}

func (w *world) hire(name, team string, role principal.Role) {
	w.Helper()
	ctx := roomtest.As(w.Context(), w.admin)
	u, err := w.service.CreateUser(ctx, name+"@pagefree.test", name+" of us", false, true)
	if err != nil {
		w.Fatal(err)
	}
	w.id[name] = u.ID
	if team == "" {
		return
	}
	if _, err := w.service.PutMember(ctx, team, u.ID, "", role); err != nil {
		w.Fatal(err)
	}
}

// as is somebody's browser, with the roles that they have now.
func (w *world) as(name string) *consoletest.Browser {
	w.Helper()
	if name == "admin" {
		return w.site.As(w.admin)
	}
	k, err := w.service.Person(roomtest.As(w.Context(), w.admin), w.id[name])
	if err != nil {
		w.Fatal(err)
	}
	return w.site.As(principal.Principal{Kind: principal.User, ID: k.ID, UserID: k.ID, Name: k.Name, Email: k.Email, Teams: maps.Clone(k.User.Teams)})
}
