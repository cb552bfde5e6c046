package execution

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	systems "github.com/aws/aws-sdk-go-v2/service/ssm"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/awstest"
	"pagefree/infra/local/roomtest"
	"pagefree/infra/openapi/contract"
	"pagefree/internal/audit"
	"pagefree/internal/execution/target"
	"pagefree/internal/execution/target/sandbox"
	"pagefree/internal/execution/target/ssm"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/teams"
	"pagefree/internal/runbook"
)

// world is one test's PageFree: two teams, their people, a service with an
// incident, and a sandbox that does what the test says.
type world struct {
	t          *testing.T
	env        *awstest.Env
	clock      *roomtest.Clock
	api        served
	service    *Service
	dispatcher *Dispatcher
	watchdog   *Watchdog
	runbooks   *runbook.Service
	desk       *incident.Desk
	callbacks  served
	sandbox    *scripted
	remote     *remote
	metrics    *bytes.Buffer
	faults     *front.Faults

	before runbook.Runbook // of a test that slips it back
	rb     string          // of a test whose steps name it

	team, other string
	svc, inc    string
	who         map[string]principal.Principal
}

// scripted stands where the sandbox functions are, and remembers what it was asked.
type scripted struct {
	mu     sync.Mutex
	asked  []sandbox.Request
	result sandbox.Result
	err    error
}

func (s *scripted) Run(_ context.Context, req sandbox.Request) (sandbox.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, req)
	return s.result, s.err
}

func (s *scripted) runs() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

// remote stands where a job goes on by itself: an SSM command, or a webhook
// that was accepted. It remembers what it was asked.
type remote struct {
	mu        sync.Mutex
	jobs      []target.Job
	cancelled []target.Sent
	report    target.Report // of Send
	err       error
	becomes   target.Report // of Look
	unknown   bool          // Look knows nothing of it
	down      error         // of Look and Cancel
	meanwhile func(target.Job)
}

func (r *remote) Send(_ context.Context, j target.Job) (target.Report, error) {
	r.mu.Lock()
	r.jobs = append(r.jobs, j)
	r.mu.Unlock()
	if r.meanwhile != nil {
		r.meanwhile(j)
	}
	return r.report, r.err
}

func (r *remote) Look(context.Context, target.Sent) (target.Report, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.becomes, !r.unknown && r.down == nil, r.down
}

func (r *remote) Cancel(_ context.Context, s target.Sent) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancelled = append(r.cancelled, s)
	return r.down
}

// parses accepts every script.
type parses struct{}

func (parses) Check(context.Context, string, string) (runbook.Check, error) {
	return runbook.Check{OK: true}, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	env := awstest.New(t)
	zero := 0
	w := &world{
		t: t, env: env, metrics: &bytes.Buffer{}, faults: env.Faults,
		clock:   roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)), // to come, or an engine that deletes by TTL would
		sandbox: &scripted{result: sandbox.Result{ExitCode: &zero, Stdout: "done\n"}}, remote: &remote{},
	}
	// Each with the rights that the template gives its function.
	store := func(cfg aws.Config) Store {
		return Store{Table: w.table(cfg, "AutomationTable"), Ephemeral: w.table(cfg, "EphemeralTable"), Retention: 24 * time.Hour}
	}
	journal := func(cfg aws.Config) Journal {
		return Journal{Audit: audit.Log{Table: w.table(cfg, "AuditTable")}, Incidents: incident.Store{Table: w.table(cfg, "AutomationTable")}}
	}
	jobs := func(cfg aws.Config) queue.Queue {
		return queue.Queue{URL: env.QueueURL("ExecutionsQueue"), Client: sqs.NewFromConfig(cfg)}
	}
	key := func(cfg aws.Config, id string) kmsmac.Key {
		return kmsmac.Key{ID: env.KeyID(id), Client: kms.NewFromConfig(cfg)}
	}

	recorder := func(cfg aws.Config) Recorder {
		return Recorder{Store: store(cfg), Journal: journal(cfg), Queue: jobs(cfg), Now: w.clock.Now}
	}

	cfg := env.ConfigOf("ExecutionsFunction")
	w.service = &Service{
		Recorder: recorder(cfg), Runbooks: runbook.Store{Table: store(cfg).Table}, Incidents: journal(cfg).Incidents,
		Hidden:  &secret.Key{ID: env.KeyID("SecretsKey"), Client: kms.NewFromConfig(cfg)},
		Cursors: httpapi.NewCursors(key(cfg, "DeriveKey").Derive), Trackers: map[string]target.Tracker{runbook.SSM: w.remote},
	}
	cfg = env.ConfigOf("DispatcherFunction")
	w.dispatcher = &Dispatcher{
		Recorder: recorder(cfg), Runbooks: runbook.Store{Table: store(cfg).Table}, Seal: key(cfg, "SealKey"),
		Hidden: &secret.Key{ID: env.KeyID("SecretsKey"), Client: kms.NewFromConfig(cfg)},
		Targets: map[string]target.Sender{
			runbook.Sandbox: sandbox.Target{Runner: w.sandbox}, runbook.Webhook: w.remote, runbook.SSM: w.remote,
		},
		Trackers: map[string]target.Tracker{runbook.SSM: w.remote},
		Callback: func(_ context.Context, id string) (string, error) {
			return "https://pagefree.test/v1/callbacks/" + id, nil
		},
		Metrics: w.metrics,
	}
	cfg = env.ConfigOf("WatchdogFunction")
	w.watchdog = &Watchdog{
		Follower: Follower{Recorder: recorder(cfg), Trackers: map[string]target.Tracker{runbook.SSM: w.remote}, Delivery: map[string]time.Duration{runbook.SSM: time.Minute}},
		Metrics:  w.metrics,
	}
	cfg = env.ConfigOf("CallbacksFunction")
	callbacks := httpapi.New()
	CallbackRoutes(callbacks, &Callbacks{Recorder: recorder(cfg)})
	w.callbacks = serve(t, callbacks)
	cfg = env.ConfigOf("RunbooksFunction")
	w.runbooks = &runbook.Service{
		Store: runbook.Store{Table: store(cfg).Table}, Services: journal(cfg).Incidents, Checker: parses{}, Seal: key(cfg, "SealKey"),
		Documents: ssm.Publisher{SSM: systems.NewFromConfig(cfg), Prefix: "pagefree-local-"},
		Audit:     journal(cfg).Audit, Now: w.clock.Now, Targets: []string{runbook.Sandbox, runbook.Webhook, runbook.SSM},
	}
	cfg = env.ConfigOf("IncidentsFunction")
	w.desk = &incident.Desk{Store: journal(cfg).Incidents, Audit: journal(cfg).Audit, Now: w.clock.Now}
	api := httpapi.New()
	Routes(api, w.service)
	w.api = serve(t, api)
	w.people(w.table(env.Config, "AutomationTable"))
	return w
}

func (w *world) table(cfg aws.Config, id string) dynamo.Table {
	return dynamo.Table{Name: w.env.Table(id), DB: dynamodb.NewFromConfig(cfg)}
}

func (w *world) people(automation dynamo.Table) {
	w.team, w.other = id.New(id.Team, w.clock.Now()), id.New(id.Team, w.clock.Now())
	for team, name := range map[string]string{w.team: "Platform", w.other: "Elsewhere"} {
		if err := dynamo.Commit(w.t.Context(), automation.DB, teams.Put(automation, team, name)); err != nil {
			w.t.Fatal(err)
		}
	}
	person := func(name, team string, role principal.Role) principal.Principal {
		return principal.Principal{Kind: principal.User, ID: "usr_" + name, UserID: "usr_" + name, Teams: map[string]principal.Role{team: role}}
	}
	key := func(role principal.Role) principal.Principal {
		return principal.Principal{Kind: principal.APIKey, ID: "key_" + string(role), UserID: "usr_maker", Teams: map[string]principal.Role{w.team: role}}
	}
	admin := person("admin", "", "")
	admin.PlatformAdmin, admin.Teams = true, nil
	w.who = map[string]principal.Principal{
		"nobody": {}, "admin": admin,
		"lead": person("lead", w.team, principal.TeamAdmin), "reviewer": person("reviewer", w.team, principal.TeamAdmin),
		"responder": person("responder", w.team, principal.Responder), "observer": person("observer", w.team, principal.Observer),
		"outsider": person("outsider", w.other, principal.TeamAdmin),
		"key":      key(principal.Responder), "observer's key": key(principal.Observer),
	}
	svc, err := w.desk.CreateService(w.ctx("lead"), incident.NewService{Name: "checkout", TeamID: w.team})
	if err != nil {
		w.t.Fatal(err)
	}
	w.svc = svc.ID
	w.inc = w.incident(svc.ID, map[string]string{"zone": "eu-1"})
}

func (w *world) incident(service string, labels map[string]string) string {
	w.t.Helper()
	inc, _, err := w.desk.Create(w.ctx("responder"), incident.NewIncident{Title: "Disk full", Severity: incident.High, ServiceID: service, Labels: labels})
	if err != nil {
		w.t.Fatal(err)
	}
	return inc.ID
}

func (w *world) ctx(name string) context.Context {
	ctx := principal.WithOrigin(w.t.Context(), principal.Origin{IP: "192.0.2.1", RequestID: "req"})
	if p := w.who[name]; p.ID != "" {
		ctx = principal.With(ctx, p)
	}
	return ctx
}

// runbook makes an approved one; change may alter what is written.
func (w *world) runbook(name string, change func(*runbook.Creation)) string {
	w.t.Helper()
	c := runbook.Creation{Name: name, TeamID: &w.team, Content: runbook.Content{
		Language: runbook.Bash, ScriptContent: "echo done\n", Target: runbook.Target{Type: runbook.Sandbox}, TimeoutSeconds: 30,
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

// second approves a version 2.
func (w *world) second(runbookID string) {
	w.t.Helper()
	c := runbook.Content{Language: runbook.Bash, ScriptContent: "echo two\n", Target: runbook.Target{Type: runbook.Sandbox}}
	if _, err := w.runbooks.AddVersion(w.ctx("lead"), runbookID, c); err != nil {
		w.t.Fatal(err)
	}
	w.approve(runbookID, 2)
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

// answer is what came back over HTTP.
type answer struct {
	raw    string
	status int
	header http.Header
	body   map[string]any
}

func (a answer) text(name string) string { s, _ := a.body[name].(string); return s }

// served is an API, and what its document says of it.
type served struct {
	handler http.Handler
	says    *contract.Contract
}

func serve(t *testing.T, api *httpapi.API) served {
	return served{handler: api.Handler(), says: contract.Of(t, api)}
}

// as calls the API as somebody; headers are name and value in turn.
func (w *world) as(who, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	return w.send(w.api, who, method, path, body, headers...)
}

func (w *world) send(to served, who, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	r := httptest.NewRequestWithContext(w.ctx(who), method, path, in)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	to.handler.ServeHTTP(rec, r)
	to.says.Check(w.t, r, rec)
	a := answer{raw: rec.Body.String(), status: rec.Code, header: rec.Header()}
	if err := json.Unmarshal(rec.Body.Bytes(), &a.body); err != nil && rec.Body.Len() > 0 {
		w.t.Fatalf("%s %s answered no JSON: %s", method, path, rec.Body)
	}
	return a
}

// trigger starts a runbook for the incident as the responder and returns the execution's id.
func (w *world) trigger(runbookID string) string {
	w.t.Helper()
	a := w.as("responder", "POST", "/v1/executions", map[string]any{"runbookId": runbookID, "incidentId": w.inc})
	if a.status != http.StatusAccepted {
		w.t.Fatalf("trigger: %d %v", a.status, a.body)
	}
	return a.text("id")
}

func (w *world) dispatch(executionID string) {
	w.t.Helper()
	if err := w.dispatcher.Dispatch(w.t.Context(), Message{ExecutionID: executionID}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(executionID string) answer {
	w.t.Helper()
	a := w.as("observer", "GET", "/v1/executions/"+executionID, nil)
	if a.status != http.StatusOK {
		w.t.Fatalf("read %s: %d %v", executionID, a.status, a.body)
	}
	return a
}

// queued takes every message out of the queue.
func (w *world) queued() []Message {
	w.t.Helper()
	q := queue.Queue{URL: w.env.QueueURL("ExecutionsQueue"), Client: sqs.NewFromConfig(w.env.Config)}
	var all []Message
	for {
		out, err := q.Client.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.URL, MaxNumberOfMessages: 10})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return all
		}
		for _, m := range out.Messages {
			var message Message
			if err := json.Unmarshal([]byte(*m.Body), &message); err != nil {
				w.t.Fatal(err)
			}
			all = append(all, message)
			if _, err := q.Client.DeleteMessage(w.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &q.URL, ReceiptHandle: m.ReceiptHandle}); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

func service(team, name string) incident.NewService {
	return incident.NewService{Name: name, TeamID: team}
}

func newIncident(service string) incident.NewIncident {
	return incident.NewIncident{Title: "Slow", Severity: incident.Low, ServiceID: service}
}
