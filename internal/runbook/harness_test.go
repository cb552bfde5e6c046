package runbook

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/teams"
)

// world is one test's PageFree: a team, another team, the people in them, and
// a service of each team.
type world struct {
	t       *testing.T
	service *Service
	store   Store
	seal    kmsmac.Key
	audit   dynamo.Table
	api     roomtest.API
	clock   *roomtest.Clock

	team, other   string
	svc, otherSvc string
	who           map[string]principal.Principal
}

// services stands for the incident room.
type services map[string]string

func (s services) TeamOf(_ context.Context, serviceID string) (string, bool, error) {
	team, found := s[serviceID]
	return team, found, nil
}

// checker stands for the sandbox: a line that holds SYNTAX is wrong.
type checker struct{}

func (checker) Check(_ context.Context, language, script string) (Check, error) {
	if strings.Contains(script, "UNREACHABLE") {
		return Check{}, errors.New("the sandbox does not answer")
	}
	for i, line := range strings.Split(script, "\n") {
		if strings.Contains(line, "SYNTAX") {
			return Check{Line: i + 1, Message: "unexpected SYNTAX in " + language}, nil
		}
	}
	return Check{OK: true}, nil
}

func newWorld(t *testing.T) *world {
	env := awstest.New(t)
	db, keys := dynamodb.NewFromConfig(env.Config), kms.NewFromConfig(env.Config)
	w := &world{
		t: t, clock: roomtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)),
		store: Store{Table: dynamo.Table{Name: env.Table("AutomationTable"), DB: db}},
		audit: dynamo.Table{Name: env.Table("AuditTable"), DB: db},
		seal:  kmsmac.Key{ID: env.KeyID("SealKey"), Client: keys},
	}
	now := w.clock.Now()
	w.team, w.other = id.New(id.Team, now), id.New(id.Team, now)
	w.svc, w.otherSvc = id.New(id.Service, now), id.New(id.Service, now)
	own := env.ConfigOf("RunbooksFunction") // with its rights and no others
	ownDB, ownKeys := dynamodb.NewFromConfig(own), kms.NewFromConfig(own)
	w.service = &Service{
		Store:    Store{Table: dynamo.Table{Name: w.store.Table.Name, DB: ownDB}},
		Services: services{w.svc: w.team, w.otherSvc: w.other}, Checker: checker{}, Seal: kmsmac.Key{ID: w.seal.ID, Client: ownKeys},
		Audit:   audit.Log{Table: dynamo.Table{Name: w.audit.Name, DB: ownDB}},
		Cursors: httpapi.NewCursors(kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: ownKeys}.Derive),
		Now:     w.clock.Now, Targets: everyTarget,
	}
	api := httpapi.New()
	Routes(api, w.service)
	api.OnDenied(audit.Denials(w.service.Audit, w.clock.Now))
	w.api = roomtest.New(t, api)
	for _, team := range []string{w.team, w.other} {
		if err := dynamo.Commit(t.Context(), db, teams.Put(w.store.Table, team, "Team "+team)); err != nil {
			t.Fatal(err)
		}
	}
	person := func(name string, in map[string]principal.Role) principal.Principal {
		return principal.Principal{Kind: principal.User, ID: "usr_" + name, UserID: "usr_" + name, Teams: in}
	}
	key := func(name, creator string, role principal.Role) principal.Principal {
		return principal.Principal{Kind: principal.APIKey, ID: "key_" + name, UserID: creator, Teams: map[string]principal.Role{w.team: role}}
	}
	in := func(role principal.Role) map[string]principal.Role { return map[string]principal.Role{w.team: role} }
	admin, root := person("admin", nil), person("root", nil)
	admin.PlatformAdmin, root.PlatformAdmin = true, true
	w.who = map[string]principal.Principal{
		"nobody": {}, "stranger": person("stranger", nil),
		"outsider": person("outsider", map[string]principal.Role{w.other: principal.TeamAdmin}),
		"observer": person("observer", in(principal.Observer)), "responder": person("responder", in(principal.Responder)),
		"lead": person("lead", in(principal.TeamAdmin)), "reviewer": person("reviewer", in(principal.TeamAdmin)),
		"second": person("second", in(principal.TeamAdmin)),
		"key":    key("lead", "usr_lead", principal.TeamAdmin), "small key": key("small", "usr_lead", principal.Responder),
		"admin": admin, "root": root,
	}
	return w
}

// as is the context of somebody's call.
func (w *world) as(who string) context.Context {
	w.t.Helper()
	p, ok := w.who[who]
	if !ok {
		w.t.Fatalf("nobody is called %q", who)
	}
	return roomtest.As(w.t.Context(), p)
}

// body is a JSON object of a request.
type body map[string]any

// with is b with some members changed; nil removes one.
func (b body) with(changes body) body {
	out := maps.Clone(b)
	for k, v := range changes {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	return out
}

var script = body{"language": "BASH", "scriptContent": "echo \"$PF_HOST\"\n", "target": body{"type": "sandbox"}}

// creation is a good body for POST /v1/runbooks of the team.
func (w *world) creation(name string) body {
	return script.with(body{"name": name, "teamId": w.team})
}

// answer is what came back.
type answer struct {
	*http.Response
	text string
	body map[string]any
}

func (a answer) str(member string) string { s, _ := a.body[member].(string); return s }
func (a answer) id() string               { return a.str("id") }
func (a answer) items() []map[string]any  { return roomtest.Answer{Body: a.body}.Items() }

// do calls the API. in is raw text, or a value that is made into JSON, or nil.
func (w *world) do(who, method, path string, in any, headers ...string) answer {
	w.t.Helper()
	a := w.api.Call(w.as(who), w.t, method, path, in, headers...)
	return answer{Response: a.Response, text: a.Text, body: a.Body}
}

// must is do, for a call that has to answer status.
func (w *world) must(status int, who, method, path string, in any, headers ...string) answer {
	w.t.Helper()
	a := w.do(who, method, path, in, headers...)
	if a.StatusCode != status {
		w.t.Fatalf("%s %s as %s: got %d %s, want %d", method, path, who, a.StatusCode, a.text, status)
	}
	return a
}

// refused is do, for a call that has to be refused with a code.
func (w *world) refused(status int, code, who, method, path string, in any, headers ...string) answer {
	w.t.Helper()
	a := w.do(who, method, path, in, headers...)
	if a.StatusCode != status || a.str("code") != code {
		w.t.Errorf("%s %s as %s: got %d %s, want %d %s", method, path, who, a.StatusCode, a.text, status, code)
	}
	return a
}

// draft makes a runbook of the team, by lead, and returns its path.
func (w *world) draft(name string) string {
	w.t.Helper()
	return "/v1/runbooks/" + w.must(201, "lead", "POST", "/v1/runbooks", w.creation(name)).id()
}

// pending is a draft that lead has submitted.
func (w *world) pending(name string) string {
	w.t.Helper()
	at := w.draft(name)
	w.must(200, "lead", "POST", at+"/versions/1/submit", nil)
	return at
}

// approved is a runbook whose version 1 reviewer has approved.
func (w *world) approved(name string) string {
	w.t.Helper()
	at := w.pending(name)
	w.must(200, "reviewer", "POST", at+"/versions/1/approve", body{"note": "fine"})
	return at
}

// next writes, submits and approves the next version.
func (w *world) next(at string, change body) {
	w.t.Helper()
	v := at + "/versions/" + EnvValue(w.must(201, "lead", "POST", at+"/versions", script.with(change)).body["version"])
	w.must(200, "lead", "POST", v+"/submit", nil)
	w.must(200, "reviewer", "POST", v+"/approve", nil)
}

func idOf(path string) string { return strings.TrimPrefix(path, "/v1/runbooks/") }

// recorded lists the audit events of the whole world, oldest first.
func (w *world) recorded() []audit.Event {
	w.t.Helper()
	events, _, err := dynamo.List(w.t.Context(), w.audit,
		dynamo.Query{Index: "byKind", Values: []string{"audit"}, Sort: "id", Limit: 1000, Oldest: true}, func(e audit.Event) string { return e.ID }, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return events
}
