package incident_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/infra/local/awstest"
	"pagefree/infra/openapi/contract"
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
	api   http.Handler
	says  *contract.Contract
	clock *clock

	team, other string
	who         map[string]principal.Principal
}

// clock gives each reader a later millisecond, so that order in time is certain.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

func newWorld(t *testing.T) *world {
	env := awstest.New(t)
	all := dynamodb.NewFromConfig(env.Config)
	own := env.ConfigOf("IncidentsFunction") // with its rights and no others
	w := &world{
		t: t, env: env, clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)},
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
	w.api, w.says = api.Handler(), contract.Of(t, api)

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
type answer struct {
	*http.Response
	text string
	body map[string]any
}

func (a answer) code() string { code, _ := a.body["code"].(string); return code }
func (a answer) id() string   { id, _ := a.body["id"].(string); return id }

func (a answer) items() []map[string]any {
	var out []map[string]any
	items, _ := a.body["items"].([]any)
	for _, i := range items {
		out = append(out, i.(map[string]any))
	}
	return out
}

// as calls the API as somebody. body is JSON text, or a value that is made into it, or nil.
func (w *world) as(who, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	var in io.Reader
	switch v := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(v)
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			w.t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	p, ok := w.who[who]
	if !ok {
		w.t.Fatalf("nobody is called %q", who)
	}
	ctx := principal.WithOrigin(context.Background(), principal.Origin{IP: "192.0.2.7", RequestID: "5b2c1a52-0000-4000-8000-000000000000"})
	req := httptest.NewRequestWithContext(principal.With(ctx, p), method, path, in)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, req)
	w.says.Check(w.t, req, rec)
	a := answer{Response: rec.Result(), text: rec.Body.String()}
	if a.text != "" {
		if err := json.Unmarshal([]byte(a.text), &a.body); err != nil {
			w.t.Fatalf("%s %s answered what is no JSON: %s", method, path, a.text)
		}
	}
	return a
}

// must is as, for a call that has to answer status.
func (w *world) must(status int, who, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	a := w.as(who, method, path, body, headers...)
	if a.StatusCode != status {
		w.t.Fatalf("%s %s as %s: got %d %s, want %d", method, path, who, a.StatusCode, a.text, status)
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
