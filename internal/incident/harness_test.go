package incident_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/audit"
	"pagefree/internal/incident"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/teams"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
)

// world is one test's PageFree: a team, another team, and the people in them.
type world struct {
	t     *testing.T
	env   *awstest.Env
	desk  *incident.Desk
	taker *incident.Desk // that takes alerts, and escalates
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
		t: t, env: env, clock: roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)), // to come, or an engine that deletes by TTL would
		audit: dynamo.Table{Name: env.Table("AuditTable"), DB: all},
	}
	db := dynamodb.NewFromConfig(own)
	table := dynamo.Table{Name: env.Table("AutomationTable"), DB: db}
	derive := kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: kms.NewFromConfig(own)}
	w.desk = &incident.Desk{
		Store: incident.Store{Table: table}, Audit: audit.Log{Table: dynamo.Table{Name: w.audit.Name, DB: db}},
		Cursors: httpapi.NewCursors(derive.Derive), Now: w.clock.Now,
	}
	w.taker = &incident.Desk{
		Store: incident.Store{Table: dynamo.Table{Name: table.Name, DB: all}}, Audit: audit.Log{Table: w.audit}, Now: w.clock.Now,
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

// waiting is an item of the lane React: an event, or an escalation to come.
type waiting struct {
	due.Item
	outbox.Event
}

// react lists what waits in the lane React for an incident, the oldest first.
func (w *world) react(incidentID string) (events []outbox.Event, escalations []due.Item) {
	w.t.Helper()
	for shard := range due.Shards {
		q := dynamo.Query{Values: []string{fmt.Sprintf("react#%d", shard)}, Sort: dynamo.SK, Limit: 1000, Oldest: true}
		items, _, err := dynamo.List(w.t.Context(), w.taker.Store.Table, q, func(i waiting) string { return i.SK }, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, i := range items {
			switch {
			case i.Kind == outbox.Kind && i.About == incidentID:
				events = append(events, i.Event)
			case i.Kind == incident.DueEscalate && i.Subject == incidentID:
				escalations = append(escalations, i.Item)
			}
		}
	}
	slices.SortFunc(events, func(a, b outbox.Event) int { return strings.Compare(a.ID, b.ID) })
	return events, escalations
}

// told are the types of the events of an incident, the oldest first.
func (w *world) told(incidentID string) []string {
	w.t.Helper()
	var types []string
	events, _ := w.react(incidentID)
	for _, e := range events {
		types = append(types, e.Type)
	}
	return types
}

// from is an integration of the team that sends a delivery.
func (w *world) from(serviceID, delivery string) incident.From {
	return incident.From{
		DeliveryID: delivery, IntegrationID: "int_1", Provider: "datadog", ServiceID: serviceID, TeamID: w.team,
		Trust: trust.Bearer, Unattended: trust.Low,
	}
}

// take takes an alert.
func (w *world) take(from incident.From, a incident.Alert) incident.Taken {
	w.t.Helper()
	got, err := w.taker.Take(w.t.Context(), from, a)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// append adds an entry to a timeline, as other rooms do.
func (w *world) append(incidentID string, e incident.Entry) {
	w.t.Helper()
	e.At, e.Actor = timestamp.Of(w.clock.Now()), audit.Ref{Kind: "workflow", ID: "wfr_1"}
	if err := dynamo.Commit(w.t.Context(), w.desk.Store.Table.DB, w.desk.Store.Append(incidentID, e)); err != nil {
		w.t.Fatal(err)
	}
}

// timeline is the kinds of an incident's entries, newest first.
func (w *world) timeline(incidentID string) []string {
	w.t.Helper()
	var kinds []string
	for _, e := range w.must(200, "observer", "GET", "/v1/incidents/"+incidentID+"/timeline?limit=200", nil).Items() {
		kinds = append(kinds, e["kind"].(string))
	}
	return kinds
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
