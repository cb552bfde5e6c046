package workflow_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/audit"
	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/teams"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
	"pagefree/internal/runbook"
	"pagefree/internal/workflow"
)

// world is one test's PageFree: a team, another team, and the people in them.
// Its clock stands in 2060, since the engine really deletes what expired.
type world struct {
	t      *testing.T
	env    *awstest.Env
	api    roomtest.API
	clock  *roomtest.Clock
	desk   *incident.Desk
	engine *workflow.Engine
	table  dynamo.Table // with every right
	audit  dynamo.Table

	team, other, service string
	who                  map[string]principal.Principal
	receiver             *receiver
	delayed              delayed
	told                 []string // executions whose runs tell of them
	left                 bool     // person is in no team any more
}

// delayed keeps what a queue was told to bring later: a subject and in how many whole seconds, rounded up as a queue does.
type delayed struct {
	mu   sync.Mutex
	told []string
}

func (d *delayed) SendLater(_ context.Context, message any, wait time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, message.(due.Item).Subject+" "+(wait+time.Second-1).Truncate(time.Second).String())
	return nil
}

// receiver is somebody's server on loopback, let through as the local stack's own.
type receiver struct {
	base string
	mu   sync.Mutex
	got  []*http.Request
	body []string
	say  func(http.ResponseWriter, *http.Request)
}

func (r *receiver) requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{say: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"ok":true}`) }}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.got, r.body = append(r.got, req), append(r.body, string(body))
		r.mu.Unlock()
		r.say(w, req)
	}))
	t.Cleanup(s.Close)
	r.base = s.URL + "/_local/echo/"
	return r
}

func newWorld(t *testing.T) *world {
	env := awstest.New(t)
	all := dynamodb.NewFromConfig(env.Config)
	own := env.ConfigOf("WorkflowsFunction") // with its rights and no others
	w := &world{
		t: t, env: env, clock: roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)),
		table: dynamo.Table{Name: env.Table("AutomationTable"), DB: all}, audit: dynamo.Table{Name: env.Table("AuditTable"), DB: all},
		receiver: newReceiver(t),
	}
	db := dynamodb.NewFromConfig(own)
	table := dynamo.Table{Name: w.table.Name, DB: db}
	derive := kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: kms.NewFromConfig(own)}
	client := safehttp.New(safehttp.Options{Local: w.receiver.base})
	retention := 365 * 24 * time.Hour
	service := &workflow.Service{
		Runs:      workflow.Runs{Store: workflow.Store{Table: table, Retention: retention}, Audit: audit.Log{Table: dynamo.Table{Name: w.audit.Name, DB: db}}, Now: w.clock.Now},
		Incidents: incident.Store{Table: table}, Runbooks: runbook.Store{Table: table}, Cursors: httpapi.NewCursors(derive.Derive), CheckURL: client.Check,
		People: staff{w},
		Executions: &execution.Service{
			Recorder: execution.Recorder{Store: execution.Store{Table: table}, Now: w.clock.Now}, Runbooks: runbook.Store{Table: table}, Incidents: incident.Store{Table: table},
		},
	}
	api := httpapi.New()
	workflow.Routes(api, service)
	api.OnDenied(audit.Denials(service.Audit, w.clock.Now))
	w.api = roomtest.New(t, api)

	ledger := audit.Log{Table: w.audit}
	w.desk = &incident.Desk{Store: incident.Store{Table: w.table}, Audit: ledger, Cursors: service.Cursors, Now: w.clock.Now}
	outcomes := execution.Store{Table: w.table, Ephemeral: dynamo.Table{Name: env.Table("EphemeralTable"), DB: all}, Retention: retention}
	sender := queue.Queue{URL: env.QueueURL("ExecutionsQueue"), Client: sqs.NewFromConfig(env.Config)}
	secrets := &secret.Key{ID: env.KeyID("SecretsKey"), Client: kms.NewFromConfig(env.Config)}
	executions := &execution.Service{
		Recorder: execution.Recorder{Store: outcomes, Journal: execution.Journal{Audit: ledger, Incidents: incident.Store{Table: w.table}}, Queue: sender, Now: w.clock.Now},
		Runbooks: runbook.Store{Table: w.table}, Incidents: incident.Store{Table: w.table}, Hidden: secrets, Cursors: service.Cursors,
	}
	w.engine = &workflow.Engine{
		Runs: workflow.Runs{Store: workflow.Store{Table: w.table, Retention: retention}, Audit: ledger, Now: w.clock.Now},
		Desk: w.desk, Incidents: incident.Store{Table: w.table}, Executions: executions, Outcomes: outcomes,
		Runbooks: runbook.Store{Table: w.table}, Secrets: secret.Resolver{Store: secret.Store{Table: w.table}, Key: secrets}, Client: client,
		Later: &w.delayed,
	}

	w.team, w.other = id.New(id.Team, w.clock.Now()), id.New(id.Team, w.clock.Now())
	for _, team := range []string{w.team, w.other} {
		w.commit(teams.Put(w.table, team, "Team "+team))
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
	on, err := w.desk.CreateService(w.ctx("lead"), incident.NewService{Name: "Checkout", TeamID: w.team})
	if err != nil {
		t.Fatal(err)
	}
	w.service = on.ID
	return w
}

// person is a responder of the team; stranger is of the other one.
const (
	person   = "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV"
	stranger = "usr_01ARZ3NDEKTSV4RRFFQ69G5FAW"
)

// staff is the directory of people.
type staff struct{ w *world }

func (s staff) People(_ context.Context, ids []string) ([]teams.Person, error) {
	var out []teams.Person
	for _, userID := range ids {
		if team := map[string]string{person: s.w.team, stranger: s.w.other}[userID]; team != "" && !(userID == person && s.w.left) {
			out = append(out, teams.Person{ID: userID, Active: true, Roles: map[string]principal.Role{team: principal.Responder}})
		}
	}
	return out, nil
}

func (w *world) commit(ops ...dynamo.Op) {
	w.t.Helper()
	if err := dynamo.Commit(context.Background(), w.table.DB, ops...); err != nil {
		w.t.Fatal(err)
	}
}

// remove takes an item out of the table.
func (w *world) remove(pk, sk string) {
	w.t.Helper()
	w.commit(w.table.Delete(dynamo.Key{PK: pk, SK: sk}, dynamo.Present()))
}

func (w *world) ctx(who string) context.Context {
	return roomtest.As(context.Background(), w.who[who])
}

// answer is what came back.
type answer struct{ roomtest.Answer }

func (a answer) code() string { return a.Str("code") }
func (a answer) id() string   { return a.Str("id") }

// as calls the API as somebody.
func (w *world) as(who, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	if _, ok := w.who[who]; !ok {
		w.t.Fatalf("nobody is called %q", who)
	}
	return answer{w.api.Call(w.ctx(who), w.t, method, path, body, headers...)}
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

type m = map[string]any

// workflow writes one with the steps, which incidents start that are created. more are members of the body.
func (w *world) workflow(name string, steps []m, more ...m) string {
	w.t.Helper()
	body := m{"name": name, "teamId": w.team, "trigger": m{"on": []string{"incident.created"}}, "steps": steps}
	for _, other := range more {
		for member, value := range other {
			body[member] = value
		}
	}
	return w.must(201, "lead", "POST", "/v1/workflows", body).id()
}

// incident opens an incident as the responder and gives it.
func (w *world) incident(title string) incident.Incident {
	w.t.Helper()
	i, _, err := w.desk.Create(w.ctx("responder"), incident.NewIncident{Title: title, Severity: incident.High, ServiceID: w.service, Labels: map[string]string{"zone": "eu"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

// event is one of an incident, as its room puts it.
func (w *world) event(kind, incidentID string) outbox.Event {
	ev := outbox.New(kind, incidentID, w.team, w.clock.Now())
	ev.Unattended, ev.ActorID = trust.High, "usr_responder"
	return ev
}

// react tells the engine of an event, as the reactor does.
func (w *world) react(ctx context.Context, ev outbox.Event) error {
	runs, err := w.engine.Match(ctx, ev)
	w.engine.Go(ctx, runs)
	return err
}

// match is react, where nothing fails.
func (w *world) match(ev outbox.Event) {
	w.t.Helper()
	if err := w.react(context.Background(), ev); err != nil {
		w.t.Fatal(err)
	}
}

// created opens an incident and tells the engine so.
func (w *world) created(title string) incident.Incident {
	w.t.Helper()
	i := w.incident(title)
	w.match(w.event(outbox.IncidentCreated, i.ID))
	return i
}

// run reads a run.
func (w *world) run(runID string) answer {
	w.t.Helper()
	return w.must(200, "observer", "GET", "/v1/workflow-runs/"+runID, nil)
}

// runs are those of a workflow, newest first.
func (w *world) runs(workflowID string) []m {
	w.t.Helper()
	return w.must(200, "observer", "GET", "/v1/workflows/"+workflowID+"/runs", nil).Items()
}

// only is the one run of a workflow.
func (w *world) only(workflowID string) answer {
	w.t.Helper()
	list := w.runs(workflowID)
	if len(list) != 1 {
		w.t.Fatalf("got %d runs, want one: %v", len(list), list)
	}
	return w.run(list[0]["id"].(string))
}

// step is a member of a run's answer.
func (a answer) step(stepID string) m {
	for _, s := range a.Body["steps"].([]any) {
		if s := s.(m); s["id"] == stepID {
			return s
		}
	}
	return nil
}

// statuses are those of a run's steps.
func (a answer) statuses() []string {
	var out []string
	for _, s := range a.Body["steps"].([]any) {
		out = append(out, s.(m)["status"].(string))
	}
	return out
}

// due lists the reminders of runs.
func (w *world) due() []due.Item {
	w.t.Helper()
	var out []due.Item
	for shard := range due.Shards {
		items, err := due.React.Before(context.Background(), w.table, shard, w.clock.Now().Add(1000*time.Hour), 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, slices.DeleteFunc(items, func(i due.Item) bool { return i.Kind != workflow.DueRun })...)
	}
	return out
}

// sweep is what the reactor's schedule does: every run whose time has come goes on.
func (w *world) sweep() {
	w.t.Helper()
	now := w.clock.Now()
	for _, i := range w.due() {
		if i.At.After(now) {
			continue
		}
		if err := w.engine.Advance(context.Background(), i.Subject); err != nil {
			w.t.Fatalf("advance %s: %v", i.Subject, err)
		}
		w.commit(due.Done(w.table, i))
	}
}

// later sweeps each minute for so long.
func (w *world) later(d time.Duration) {
	w.t.Helper()
	for ; d > 0; d -= time.Minute {
		w.clock.Advance(time.Minute)
		w.sweep()
	}
}

// events lists what stands in the outbox of a type.
func (w *world) events(kind string) []outbox.Event {
	w.t.Helper()
	var out []outbox.Event
	for shard := range due.Shards {
		q := dynamo.Query{Values: []string{"react#" + string(rune('0'+shard))}, Sort: dynamo.SK, Limit: 1000, Oldest: true}
		list, _, err := dynamo.List(context.Background(), w.table, q, func(e sorted) string { return e.SK }, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range list {
			if e.Kind == outbox.Kind && e.Type == kind {
				out = append(out, e.Event)
			}
		}
	}
	return out
}

type sorted struct {
	SK   string `dynamodbav:"sk"`
	Kind string `dynamodbav:"kind"`
	outbox.Event
}

// timeline lists an incident's entries, oldest first.
func (w *world) timeline(incidentID string) []incident.Entry {
	w.t.Helper()
	list, _, err := w.desk.Timeline(w.ctx("observer"), incidentID, httpapi.Page{Limit: 200})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Reverse(list)
	return list
}

// recorded lists the types of the audit events about something.
func (w *world) recorded(subject string) []string {
	w.t.Helper()
	var out []string
	q := dynamo.Query{Index: "bySubject", Values: []string{"subject#" + subject}, Sort: "id", Limit: 1000, Oldest: true}
	list, _, err := dynamo.List(context.Background(), w.audit, q, func(e audit.Event) string { return e.ID }, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range list {
		out = append(out, e.Type)
	}
	return out
}

// runbook puts an approved runbook of the team into the table; change may alter it.
func (w *world) runbook(change ...func(*runbook.Runbook, *runbook.Version)) string {
	w.t.Helper()
	now := timestamp.Of(w.clock.Now())
	rb := runbook.Runbook{
		ID: id.New(id.Runbook, now.Time), Name: "Free the disk", TeamID: &w.team, Language: runbook.Bash, Risk: "LOW", Newest: 1, NewestStatus: runbook.Approved,
		Approved: 1, Sequence: 1, CreatedAt: now, UpdatedAt: now, Rev: 1,
	}
	v := runbook.Version{
		RunbookID: rb.ID, Version: 1, Status: runbook.Approved, Language: runbook.Bash, ScriptContent: "df", Target: runbook.Target{Type: runbook.Sandbox},
		TimeoutSeconds: 60, Concurrency: 10, Risk: "LOW",
		Parameters: []runbook.Parameter{{Name: "HOST", Type: "string"}, {Name: "COUNT", Type: "integer"}, {Name: "TOKEN", Type: "string", Secret: true}},
	}
	for _, c := range change {
		c(&rb, &v)
	}
	rb.PK, rb.SK, rb.ByTeam, rb.ByKind = "rb#"+rb.ID, "head", "rb#"+rb.Team(), "rb"
	v.PK, v.SK = rb.PK, "v#00000001"
	w.commit(w.table.Create(rb), w.table.Create(v))
	return rb.ID
}
