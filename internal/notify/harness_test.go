package notify_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/echo"
	"pagefree/infra/local/roomtest"
	"pagefree/infra/local/ses"
	"pagefree/internal/audit"
	"pagefree/internal/notify"
	"pagefree/internal/notify/noticemail"
	"pagefree/internal/notify/push"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/teams"
)

// world is one test's people with what tells them, each with the rights of the function that it runs in.
type world struct {
	t        *testing.T
	env      *awstest.Env
	now      *roomtest.Clock
	facts    *facts
	people   *people
	notifier *notify.Notifier
	sweeper  *due.Sweeper

	meanwhile func() // what happens once, while a webhook is posted
	service   *notify.Service
	bounces   *notify.Bounces
	api       roomtest.API
	identity  dynamo.Table // with every right, as the next two
	table     dynamo.Table
	audit     dynamo.Table

	echo *echo.Target
	at   string // the echo's address, without a status

	team, other string
	id          map[string]string // of people, by name
	mails       int               // seen
}

// facts are what is so, in memory: the rooms that know it are tested elsewhere.
type facts struct {
	mu         sync.Mutex
	asked      int
	meanwhile  func() // happens when an incident was read, once
	incidents  map[string]notify.Incident
	executions map[string]notify.Execution
	versions   map[string]notify.Version
}

func (f *facts) Incident(_ context.Context, incidentID string) (notify.Incident, bool, error) {
	f.mu.Lock()
	f.asked++
	i, found := f.incidents[incidentID]
	then := f.meanwhile
	f.meanwhile = nil
	f.mu.Unlock()
	if then != nil {
		then()
	}
	return i, found, nil
}

func (f *facts) Execution(_ context.Context, executionID string, output bool) (notify.Execution, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	e, found := f.executions[executionID]
	if !output {
		e.Stdout, e.Stderr = "", ""
	}
	return e, found, nil
}

func (f *facts) Version(_ context.Context, runbookID string, n int) (notify.Version, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	v, found := f.versions[fmt.Sprintf("%s/%d", runbookID, n)]
	return v, found, nil
}

// people are the staff, in memory: who they are is the identity room's.
type people struct {
	mu    sync.Mutex
	asked int
	all   []teams.Person
}

func (p *people) those(is func(teams.Person) bool) []teams.Person {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	var out []teams.Person
	for _, one := range p.all {
		if is(one) {
			out = append(out, one)
		}
	}
	return out
}

func (p *people) Members(_ context.Context, teamID string) ([]teams.Person, error) {
	return p.those(func(one teams.Person) bool { return one.In(teamID) != principal.None }), nil
}

func (p *people) Admins(context.Context) ([]teams.Person, error) {
	return p.those(func(one teams.Person) bool { return one.PlatformAdmin }), nil
}

func (p *people) People(_ context.Context, ids []string) ([]teams.Person, error) {
	return p.those(func(one teams.Person) bool { return slices.Contains(ids, one.ID) }), nil
}

func (p *people) At(_ context.Context, email string) (teams.Person, bool, error) {
	found := p.those(func(one teams.Person) bool { return one.Email == email })
	if len(found) == 0 {
		return teams.Person{}, false, nil
	}
	return found[0], true, nil
}

// change changes somebody.
func (p *people) change(id string, to func(*teams.Person)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.all {
		if p.all[i].ID == id {
			to(&p.all[i])
		}
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return makeWorld(t, 3)
}

// makeWorld is a world whose clients try each call so often.
func makeWorld(t *testing.T, attempts int) *world {
	t.Helper()
	env := awstest.New(t)
	w := &world{
		t: t, env: env, now: roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)), people: &people{}, id: map[string]string{}, echo: &echo.Target{},
		facts: &facts{incidents: map[string]notify.Incident{}, executions: map[string]notify.Execution{}, versions: map[string]notify.Version{}},
	}
	table := func(function, id string) dynamo.Table {
		cfg := env.Config
		if function != "" {
			cfg = env.ConfigOf(function)
			cfg.RetryMaxAttempts = attempts
		}
		return dynamo.Table{Name: env.Table(id), DB: dynamodb.NewFromConfig(cfg)}
	}
	w.identity, w.table, w.audit = table("", "IdentityTable"), table("", "AutomationTable"), table("", "AuditTable")
	from, err := origin.Parse("https://pagefree.test")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/_local/echo/{status}", func(rw http.ResponseWriter, r *http.Request) {
		if does := w.meanwhile; does != nil {
			w.meanwhile = nil
			does()
		}
		w.echo.ServeHTTP(rw, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.at = server.URL + "/_local/echo/"
	client := safehttp.New(safehttp.Options{Local: w.at})
	webhooks := func(function string) secret.Webhooks {
		return secret.Webhooks{Key: &secret.Key{ID: env.KeyID("SecretsKey"), Client: kms.NewFromConfig(env.ConfigOf(function))}}
	}
	pushes := queue.Queue{URL: env.QueueURL("PushQueue"), Client: sqs.NewFromConfig(env.ConfigOf("NotifierFunction"), func(o *sqs.Options) { o.RetryMaxAttempts = attempts })}
	w.notifier = &notify.Notifier{
		Store:  notify.Store{Identity: table("NotifierFunction", "IdentityTable"), Automation: table("NotifierFunction", "AutomationTable")},
		People: w.people, Facts: w.facts, Origin: origin.NewSource(from, nil),
		Pushes:   func(ctx context.Context, m []push.Message) error { return queue.SendAll(ctx, pushes, m) },
		Post:     &noticemail.Post{SES: sesv2.NewFromConfig(env.ConfigOf("NotifierFunction"), func(o *sesv2.Options) { o.RetryMaxAttempts = attempts }), Origin: origin.NewSource(from, nil), From: "pagefree@pagefree.test"},
		Webhooks: webhooks("NotifierFunction"), Client: client,
		Audit: audit.Log{Table: table("NotifierFunction", "AuditTable")}, Now: w.now.Now,
	}
	w.sweeper = &due.Sweeper{Table: w.notifier.Store.Automation, Lane: due.Notices, Handle: w.notifier.Due, Within: 10 * time.Second, Now: w.now.Now, Metrics: t.Output()}
	w.service = &notify.Service{
		Store: notify.Store{Identity: table("NotificationsFunction", "IdentityTable")}, People: w.people, Webhooks: webhooks("NotificationsFunction"),
		CheckURL: client.Check, Audit: audit.Log{Table: table("NotificationsFunction", "AuditTable")}, Now: w.now.Now,
	}
	w.bounces = &notify.Bounces{
		People: w.people, Identity: table("BouncesFunction", "IdentityTable"), Audit: audit.Log{Table: table("BouncesFunction", "AuditTable")}, Now: w.now.Now,
	}
	api := httpapi.New()
	notify.Routes(api, w.service)
	api.OnDenied(audit.Denials(w.service.Audit, w.now.Now))
	w.api = roomtest.New(t, api)

	w.team, w.other = id.New(id.Team, w.now.Now()), id.New(id.Team, w.now.Now())
	for _, team := range []string{w.team, w.other} {
		w.ok(dynamo.Commit(t.Context(), w.identity.DB, w.identity.Create(map[string]string{"pk": "team#" + team, "sk": "team", "name": "T"})))
	}
	for name, role := range map[string]principal.Role{
		"lead": principal.TeamAdmin, "reviewer": principal.TeamAdmin, "responder": principal.Responder, "observer": principal.Observer, "left": principal.TeamAdmin,
	} {
		w.person(name, map[string]principal.Role{w.team: role})
	}
	w.person("outsider", map[string]principal.Role{w.other: principal.TeamAdmin})
	w.person("admin", nil)
	w.people.change(w.id["admin"], func(p *teams.Person) { p.PlatformAdmin = true })
	w.people.change(w.id["left"], func(p *teams.Person) { p.Active = false })
	return w
}

func (w *world) person(name string, in map[string]principal.Role) {
	w.id[name] = id.New(id.User, w.now.Now())
	w.people.all = append(w.people.all, teams.Person{ID: w.id[name], Email: name + "@pagefree.test", Name: name, Active: true, Roles: in})
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// as calls the API as somebody; a name that ends in 's key is an API key of that person's role.
func (w *world) as(name, method, path string, body any, headers ...string) roomtest.Answer {
	w.t.Helper()
	owner, key := strings.CutSuffix(name, "'s key")
	p := principal.Principal{}
	for _, one := range w.people.those(func(p teams.Person) bool { return p.Name == owner }) {
		p = principal.Principal{Kind: principal.User, ID: one.ID, UserID: one.ID, Email: one.Email, Name: one.Name, PlatformAdmin: one.PlatformAdmin, Teams: one.Roles}
		if key {
			p = principal.Principal{Kind: principal.APIKey, ID: "key_" + owner, UserID: one.ID, Teams: one.Roles}
		}
	}
	return w.api.Call(roomtest.As(context.Background(), p), w.t, method, path, body, headers...)
}

// must is as, for a call that has to answer status.
func (w *world) must(status int, name, method, path string, body any, headers ...string) roomtest.Answer {
	w.t.Helper()
	a := w.as(name, method, path, body, headers...)
	if a.StatusCode != status {
		w.t.Fatalf("%s %s as %s: got %d %s, want %d", method, path, name, a.StatusCode, a.Text, status)
	}
	return a
}

func (w *world) event(kind, about string, detail map[string]string) outbox.Event {
	e := outbox.New(kind, about, w.team, w.now.Now())
	e.Detail = detail
	return e
}

// incident is one of the team, open.
func (w *world) incident(title, severity string) string {
	i := id.New(id.Incident, w.now.Now())
	w.set(notify.Incident{ID: i, Title: title, Severity: severity, Status: "TRIGGERED", Service: "Billing"})
	return i
}

func (w *world) set(i notify.Incident) {
	w.facts.mu.Lock()
	defer w.facts.mu.Unlock()
	w.facts.incidents[i.ID] = i
}

func (w *world) becomes(incidentID, status string) {
	i, _, _ := w.facts.Incident(w.t.Context(), incidentID)
	i.Status = status
	w.set(i)
}

// ended is the event of an execution of a runbook that ended, started by somebody.
func (w *world) ended(runbookID, status, by string) outbox.Event {
	return w.run(outbox.ExecutionEnded, runbookID, status, by)
}

func (w *world) run(kind, runbookID, status, by string) outbox.Event {
	e := id.New(id.Execution, w.now.Now())
	w.facts.mu.Lock()
	defer w.facts.mu.Unlock()
	w.facts.executions[e] = notify.Execution{ID: e, Runbook: "Restart", Status: status, Error: "exit 1", Stdout: "said out", Stderr: "said err"}
	return w.event(kind, e, map[string]string{"status": status, "runbookId": runbookID, "runbookName": "Restart", "triggeredById": by})
}

func (w *world) handle(events ...outbox.Event) {
	w.t.Helper()
	for _, e := range events {
		w.ok(w.notifier.Handle(w.t.Context(), e))
	}
}

func (w *world) sweep() {
	w.t.Helper()
	w.ok(w.sweeper.Sweep(w.t.Context()))
}

// sent are the mails since it was asked last, oldest first.
func (w *world) sent() []ses.Mail {
	all := w.env.Mail()
	slices.Reverse(all)
	news := all[w.mails:]
	w.mails = len(all)
	return news
}

// to are the names of those whom mails went to, sorted.
func to(mails []ses.Mail) string {
	var out []string
	for _, m := range mails {
		name, _, _ := strings.Cut(m.To, "@")
		out = append(out, name)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// waiting are the subjects of what the lane of notices holds.
func (w *world) waiting() []string {
	w.t.Helper()
	var out []string
	for shard := range due.Shards {
		items, err := due.Notices.Before(w.t.Context(), w.table, shard, w.now.Now().Add(1000*time.Hour), 100)
		w.ok(err)
		for _, i := range items {
			out = append(out, i.Kind)
		}
	}
	return out
}
