package incident_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/audit"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/teams"
)

// world is one test's PageFree: a team, another team, and the people in them.
type world struct {
	t     *testing.T
	env   *awstest.Env
	desk  *incident.Desk
	audit dynamo.Table
	api   roomtest.API
	clock *roomtest.Clock

	team, other string
	who         map[string]principal.Principal
}

func newWorld(t *testing.T) *world {
	env := awstest.New(t)
	all := dynamodb.NewFromConfig(env.Config)
	own := env.ConfigOf("IncidentsFunction") // with its rights and no others
	w := &world{
		t: t, env: env, clock: roomtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)),
		audit: dynamo.Table{Name: env.Table("AuditTable"), DB: all},
	}
	db := dynamodb.NewFromConfig(own)
	table := dynamo.Table{Name: env.Table("AutomationTable"), DB: db}
	derive := kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: kms.NewFromConfig(own)}
	w.desk = &incident.Desk{
		Store: incident.Store{Table: table}, Audit: audit.Log{Table: dynamo.Table{Name: w.audit.Name, DB: db}},
		Cursors: httpapi.NewCursors(derive.Derive), Now: w.clock.Now,
	}
	api := httpapi.New()
	incident.Routes(api, w.desk)
	api.OnDenied(audit.Denials(w.desk.Audit, w.clock.Now))
	w.api = roomtest.New(t, api)

	w.team, w.other = id.New(id.Team, w.clock.Now()), id.New(id.Team, w.clock.Now())
	for _, team := range []string{w.team, w.other} {
		if err := dynamo.Commit(t.Context(), all, teams.Put(table, team, "Team "+team)); err != nil {
			t.Fatal(err)
		}
	}
	person := func(name string, in map[string]principal.Role) principal.Principal {
		return principal.Principal{Kind: principal.User, ID: "usr_" + name, UserID: "usr_" + name, Email: name + "@pagefree.test", Teams: in}
	}
	key := func(role principal.Role) principal.Principal {
		return principal.Principal{Kind: principal.APIKey, ID: "key_" + string(role), UserID: "usr_maker", Teams: map[string]principal.Role{w.team: role}}
	}
	admin := person("admin", nil)
	admin.PlatformAdmin = true
	w.who = map[string]principal.Principal{
		"nobody":         {},
		"outsider":       person("outsider", map[string]principal.Role{w.other: principal.TeamAdmin}),
		"observer":       person("observer", map[string]principal.Role{w.team: principal.Observer}),
		"responder":      person("responder", map[string]principal.Role{w.team: principal.Responder}),
		"lead":           person("lead", map[string]principal.Role{w.team: principal.TeamAdmin}),
		"observer's key": key(principal.Observer), "responder's key": key(principal.Responder), "lead's key": key(principal.TeamAdmin),
		"admin": admin,
	}
	return w
}

// answer is what came back.
type answer struct{ roomtest.Answer }

func (a answer) code() string { return a.Str("code") }
func (a answer) id() string   { return a.Str("id") }

// as calls the API as somebody. body is JSON text, or a value that is made into it, or nil.
func (w *world) as(who, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	p, ok := w.who[who]
	if !ok {
		w.t.Fatalf("nobody is called %q", who)
	}
	return answer{w.api.Call(roomtest.As(context.Background(), p), w.t, method, path, body, headers...)}
}

// must is as, for a call that has to answer status.
func (w *world) must(status int, who, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	a := w.as(who, method, path, body, headers...)
	if a.StatusCode != status {
		w.t.Fatalf("%s %s as %s: got %d %s, want %d", method, path, who, a.StatusCode, a.Text, status)
	}
	return a
}

// service makes a service of the team and returns its id.
func (w *world) service(name string) string {
	w.t.Helper()
	return w.must(201, "lead", "POST", "/v1/services", map[string]any{"name": name, "teamId": w.team}).id()
}

// incident opens an incident as the responder and returns its id.
func (w *world) incident(serviceID, title string) string {
	w.t.Helper()
	return w.must(201, "responder", "POST", "/v1/incidents", map[string]any{"title": title, "severity": "HIGH", "serviceId": serviceID}).id()
}

// recorded lists the audit events of the whole world since a time, oldest first.
func (w *world) recorded(since time.Time) []audit.Event {
	w.t.Helper()
	q := dynamo.Query{Index: "byKind", Values: []string{"audit"}, Sort: "id", From: id.Floor(id.Audit, since), Limit: 1000, Oldest: true}
	events, _, err := dynamo.List(w.t.Context(), w.audit, q, func(e audit.Event) string { return e.ID }, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return events
}
