package executions

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/consoletest"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/audit"
	"pagefree/internal/execution"
	"pagefree/internal/execution/target"
	"pagefree/internal/execution/target/sandbox"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/teams"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
)

// world is one test's PageFree: two teams and their people, a service with an
// incident, and a sandbox that says what the test wants.
type world struct {
	t          *testing.T
	clock      *roomtest.Clock
	pages      *consoletest.Site
	rooms      Desk
	service    *execution.Service
	dispatcher *execution.Dispatcher
	runbooks   *runbook.Service
	desk       *incident.Desk
	sandbox    *scripted
	nodes      *nodes

	team, other, svc, inc string
	who                   map[string]principal.Principal
}

type scripted struct {
	mu     sync.Mutex
	runs   int
	result sandbox.Result
}

func (s *scripted) Run(context.Context, sandbox.Request) (sandbox.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs++
	return s.result, nil
}

type nodes struct{ found []target.Node }

func (n *nodes) Nodes(context.Context, runbook.Target) ([]target.Node, error) { return n.found, nil }

type parses struct{}

func (parses) Check(context.Context, string, string) (runbook.Check, error) {
	return runbook.Check{OK: true}, nil
}

type published struct{}

func (published) Fits(runbook.Version) error { return nil }

func (published) Publish(context.Context, runbook.Runbook, runbook.Version) (runbook.Document, error) {
	return runbook.Document{Name: "pagefree-test", Version: "1", Hash: strings.Repeat("0", 64)}, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	env := awstest.New(t)
	zero := 0
	w := &world{
		t: t, clock: roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)), // to come, or an engine that deletes by TTL would
		sandbox: &scripted{result: sandbox.Result{ExitCode: &zero, Stdout: "done\n"}}, nodes: &nodes{},
	}
	table := func(cfg aws.Config, id string) dynamo.Table {
		return dynamo.Table{Name: env.Table(id), DB: dynamodb.NewFromConfig(cfg)}
	}
	key := func(cfg aws.Config, id string) kmsmac.Key {
		return kmsmac.Key{ID: env.KeyID(id), Client: kms.NewFromConfig(cfg)}
	}
	recorder := func(cfg aws.Config) execution.Recorder {
		return execution.Recorder{
			Store:   execution.Store{Table: table(cfg, "AutomationTable"), Ephemeral: table(cfg, "EphemeralTable"), Retention: 24 * time.Hour},
			Journal: execution.Journal{Audit: audit.Log{Table: table(cfg, "AuditTable")}, Incidents: incident.Store{Table: table(cfg, "AutomationTable")}},
			Queue:   queue.Queue{URL: env.QueueURL("ExecutionsQueue"), Client: sqs.NewFromConfig(cfg)}, Now: w.clock.Now,
		}
	}
	cfg := env.ConfigOf("ExecutionsFunction") // the pages have its rights and no others
	own := recorder(cfg)
	w.service = &execution.Service{
		Recorder: own, Runbooks: runbook.Store{Table: own.Store.Table}, Incidents: own.Journal.Incidents, Nodes: w.nodes,
		Hidden:  &secret.Key{ID: env.KeyID("SecretsKey"), Client: kms.NewFromConfig(cfg)},
		Cursors: httpapi.NewCursors(key(cfg, "DeriveKey").Derive),
	}
	at, err := origin.Parse("https://pagefree.test")
	if err != nil {
		t.Fatal(err)
	}
	api := httpapi.New()
	w.rooms = Desk{
		Executions: w.service, Library: &runbook.Service{Store: w.service.Runbooks}, Incidents: &incident.Desk{Store: w.service.Incidents},
		Team: func(ctx context.Context, id string) (string, error) {
			name, _, err := teams.Name(ctx, own.Store.Table, id)
			return name, err
		},
	}
	Routes(api, console.New(at, w.clock.Now), w.rooms)
	w.pages = consoletest.New(api)

	cfg = env.ConfigOf("DispatcherFunction")
	w.dispatcher = &execution.Dispatcher{
		Recorder: recorder(cfg), Runbooks: runbook.Store{Table: table(cfg, "AutomationTable")}, Seal: key(cfg, "SealKey"),
		Hidden:  &secret.Key{ID: env.KeyID("SecretsKey"), Client: kms.NewFromConfig(cfg)},
		Targets: map[string]target.Sender{runbook.Sandbox: sandbox.Target{Runner: w.sandbox}}, Metrics: &strings.Builder{},
	}
	cfg = env.ConfigOf("RunbooksFunction")
	w.runbooks = &runbook.Service{
		Store: runbook.Store{Table: table(cfg, "AutomationTable")}, Services: incident.Store{Table: table(cfg, "AutomationTable")}, Checker: parses{},
		Documents: published{}, Seal: key(cfg, "SealKey"), Audit: audit.Log{Table: table(cfg, "AuditTable")}, Now: w.clock.Now,
		Targets: []string{runbook.Sandbox, runbook.SSM, runbook.Webhook},
	}
	cfg = env.ConfigOf("IncidentsFunction")
	w.desk = &incident.Desk{Store: incident.Store{Table: table(cfg, "AutomationTable")}, Audit: audit.Log{Table: table(cfg, "AuditTable")}, Now: w.clock.Now}
	w.people(table(env.Config, "AutomationTable"))
	return w
}

func (w *world) people(automation dynamo.Table) {
	w.team, w.other = id.New(id.Team, w.clock.Now()), id.New(id.Team, w.clock.Now())
	for team, name := range map[string]string{w.team: "Platform", w.other: "Elsewhere"} {
		if err := dynamo.Commit(w.t.Context(), automation.DB, teams.Put(automation, team, name)); err != nil {
			w.t.Fatal(err)
		}
	}
	person := func(name, team string, role principal.Role) principal.Principal {
		return principal.Principal{Kind: principal.User, ID: "usr_" + name, UserID: "usr_" + name, Name: name, SessionHash: "hash", Teams: map[string]principal.Role{team: role}}
	}
	admin := person("admin", "", "")
	admin.PlatformAdmin, admin.Teams = true, nil
	w.who = map[string]principal.Principal{
		"nobody": {}, "admin": admin,
		"lead": person("lead", w.team, principal.TeamAdmin), "reviewer": person("reviewer", w.team, principal.TeamAdmin),
		"responder": person("responder", w.team, principal.Responder), "observer": person("observer", w.team, principal.Observer),
		"outsider": person("outsider", w.other, principal.TeamAdmin),
		"key":      {Kind: principal.APIKey, ID: "key_1", UserID: "usr_maker", Teams: map[string]principal.Role{w.team: principal.Responder}},
		"partner":  {Kind: principal.Partner, ID: "acc_1", Partner: &principal.Reading{}},
	}
	svc, err := w.desk.CreateService(w.ctx("lead"), incident.NewService{Name: "checkout", TeamID: w.team})
	if err != nil {
		w.t.Fatal(err)
	}
	w.svc = svc.ID
	w.inc = w.incident(svc.ID, "Disk full")
}

func (w *world) incident(service, title string) string {
	w.t.Helper()
	inc, _, err := w.desk.Create(w.ctx("responder"), incident.NewIncident{Title: title, Severity: incident.High, ServiceID: service, Labels: map[string]string{"zone": "eu-1"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return inc.ID
}

func (w *world) ctx(name string) context.Context {
	ctx := principal.WithOrigin(w.t.Context(), principal.Origin{IP: "192.0.2.1", RequestID: roomtest.RequestID})
	if p := w.who[name]; p.ID != "" {
		ctx = principal.With(ctx, p)
	}
	return ctx
}

// runbook makes an approved one; change may alter what is written.
func (w *world) runbook(name string, change func(*runbook.Creation)) string {
	w.t.Helper()
	c := runbook.Creation{Name: name, TeamID: &w.team, Content: runbook.Content{
		Language: runbook.Bash, ScriptContent: "echo <done>\n", Target: runbook.Target{Type: runbook.Sandbox}, TimeoutSeconds: 30,
	}}
	if change != nil {
		change(&c)
	}
	rb, err := w.runbooks.Create(w.ctx("lead"), c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.approve(rb.ID, 1)
	return rb.ID
}

func (w *world) approve(runbookID string, n int) {
	w.t.Helper()
	if _, err := w.runbooks.Submit(w.ctx("lead"), runbookID, n); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.runbooks.Approve(w.ctx("reviewer"), runbookID, n, ""); err != nil {
		w.t.Fatal(err)
	}
}

// run triggers and dispatches a runbook for the incident, and gives the execution's id.
func (w *world) run(runbookID string) string {
	w.t.Helper()
	v, _, err := w.service.Trigger(w.ctx("responder"), execution.Request{RunbookID: runbookID, IncidentID: &w.inc})
	if err != nil {
		w.t.Fatal(err)
	}
	w.dispatch(v.ID)
	return v.ID
}

func (w *world) dispatch(executionID string) {
	w.t.Helper()
	if err := w.dispatcher.Dispatch(w.t.Context(), execution.Message{ExecutionID: executionID}); err != nil {
		w.t.Fatal(err)
	}
}

// answer is a page.
type answer struct {
	status int
	header http.Header
	text   string
}

func (w *world) as(who string) *consoletest.Browser {
	if p := w.who[who]; p.ID != "" {
		return w.pages.As(p)
	}
	return w.pages.Anybody()
}

func (w *world) get(who, path string, headers ...string) answer {
	w.t.Helper()
	p := w.as(who).Get(w.t, path, headers...)
	return answer{p.StatusCode, p.Header, p.Body}
}

func (w *world) post(who, path string, form url.Values, headers ...string) answer {
	w.t.Helper()
	p := w.as(who).Post(w.t, path, form, headers...)
	return answer{p.StatusCode, p.Header, p.Body}
}

// must is an answer of a status that holds texts, and none of those that begin with a "!".
func (a answer) must(t *testing.T, status int, texts ...string) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("got %d, want %d: %s", a.status, status, a.text)
	}
	if strings.Contains(a.text, "%25!") {
		t.Errorf("the page holds what a template could not print: %s", a.text)
	}
	for _, text := range texts {
		if not, is := strings.CutPrefix(text, "!"); is {
			if strings.Contains(a.text, not) {
				t.Errorf("the page holds %q: %s", not, a.main())
			}
		} else if !strings.Contains(a.text, text) {
			t.Errorf("the page does not hold %q: %s", text, a.main())
		}
	}
	return a
}

// main is the page without its frame.
func (a answer) main() string {
	_, body, found := strings.Cut(a.text, `<main id="main"`)
	if !found {
		return a.text
	}
	body, _, _ = strings.Cut(body, "</main>")
	return body
}

// field is the value of a hidden field or an input of a page.
func (a answer) field(t *testing.T, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(a.text, `name="`+name+`" value="`)
	if !found {
		t.Fatalf("the page has no field %s: %s", name, a.main())
	}
	v, _, _ := strings.Cut(rest, `"`)
	return v
}
