package workflows_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/consoletest"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/audit"
	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/teams"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/workflows"
	"pagefree/internal/workflow"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	os.Exit(m.Run())
}

// world is one test's PageFree: two teams and the people in them, and the pages with the rights of their function. Its
// clock stands in 2060, since the engine really deletes what expired.
type world struct {
	t      *testing.T
	site   *consoletest.Site
	clock  *roomtest.Clock
	flows  *workflow.Service
	engine *workflow.Engine
	desk   *incident.Desk
	table  dynamo.Table // with every right

	team, other, svc, foreign string
	who                       map[string]principal.Principal
}

// colleague is in the team.
const colleague = "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV"

type staff struct{ w *world }

func (s staff) People(_ context.Context, ids []string) ([]teams.Person, error) {
	var out []teams.Person
	for _, userID := range ids {
		if userID == colleague {
			out = append(out, teams.Person{ID: userID, Active: true, Roles: map[string]principal.Role{s.w.team: principal.Responder}})
		}
	}
	return out, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	env := awstest.New(t)
	own := env.ConfigOf("WorkflowsFunction")
	w := &world{t: t, clock: roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)),
		table: dynamo.Table{Name: env.Table("AutomationTable"), DB: dynamodb.NewFromConfig(env.Config)}}
	table := dynamo.Table{Name: w.table.Name, DB: dynamodb.NewFromConfig(own)}
	ledger := audit.Log{Table: dynamo.Table{Name: env.Table("AuditTable"), DB: table.DB}}
	incidents, runbooks := incident.Store{Table: table}, runbook.Store{Table: table}
	w.flows = &workflow.Service{
		Runs:      workflow.Runs{Store: workflow.Store{Table: table, Retention: 365 * 24 * time.Hour}, Audit: ledger, Now: w.clock.Now},
		Incidents: incidents, Runbooks: runbooks, People: staff{w},
		Executions: &execution.Service{Recorder: execution.Recorder{Store: execution.Store{Table: table}, Now: w.clock.Now}, Runbooks: runbooks, Incidents: incidents},
		Cursors:    httpapi.NewCursors(kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: kms.NewFromConfig(own)}.Derive),
		CheckURL:   safehttp.New(safehttp.Options{}).Check,
	}
	api := httpapi.New()
	workflows.Routes(api, console.New(origin.Origin{}, w.clock.Now), workflows.Rooms{
		Flows: w.flows,
		Desk:  &incident.Desk{Store: incidents, Audit: ledger, Cursors: w.flows.Cursors, Now: w.clock.Now},
		Books: &runbook.Service{Store: runbooks, Audit: ledger, Cursors: w.flows.Cursors, Now: w.clock.Now},
		Team:  func(ctx context.Context, teamID string) (string, bool, error) { return teams.Name(ctx, table, teamID) },
	})
	w.site = consoletest.New(api)

	all := audit.Log{Table: dynamo.Table{Name: ledger.Table.Name, DB: w.table.DB}}
	w.desk = &incident.Desk{Store: incident.Store{Table: w.table}, Audit: all, Cursors: w.flows.Cursors, Now: w.clock.Now}
	w.engine = &workflow.Engine{ // the reactor's part: what it may is tested with it
		Runs: workflow.Runs{Store: workflow.Store{Table: w.table, Retention: w.flows.Store.Retention}, Audit: all, Now: w.clock.Now},
		Desk: w.desk, Incidents: incident.Store{Table: w.table}, Runbooks: runbook.Store{Table: w.table}, Later: never{},
	}
	w.team, w.other = id.New(id.Team, w.clock.Now()), id.New(id.Team, w.clock.Now())
	w.commit(teams.Put(w.table, w.team, "Payments"))
	w.commit(teams.Put(w.table, w.other, "Search"))
	person := func(name string, in map[string]principal.Role) principal.Principal {
		return principal.Principal{Kind: principal.User, ID: "usr_" + name, UserID: "usr_" + name, Teams: in}
	}
	admin := person("admin", nil)
	admin.PlatformAdmin = true
	w.who = map[string]principal.Principal{
		"outsider":  person("outsider", map[string]principal.Role{w.other: principal.TeamAdmin}),
		"observer":  person("observer", map[string]principal.Role{w.team: principal.Observer}),
		"responder": person("responder", map[string]principal.Role{w.team: principal.Responder}),
		"lead":      person("lead", map[string]principal.Role{w.team: principal.TeamAdmin}),
		"both":      person("both", map[string]principal.Role{w.team: principal.TeamAdmin, w.other: principal.TeamAdmin}),
		"admin":     admin,
	}
	w.svc, w.foreign = w.service("lead", "Checkout", w.team), w.service("outsider", "Index", w.other)
	return w
}

type never struct{}

func (never) SendLater(context.Context, any, time.Duration) error { return nil }

func (w *world) commit(ops ...dynamo.Op) {
	w.t.Helper()
	if err := dynamo.Commit(context.Background(), w.table.DB, ops...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) ctx(who string) context.Context { return roomtest.As(context.Background(), w.who[who]) }

func (w *world) as(who string) *consoletest.Browser { return w.site.As(w.who[who]) }

func (w *world) service(who, name, team string) string {
	w.t.Helper()
	s, err := w.desk.CreateService(w.ctx(who), incident.NewService{Name: name, TeamID: team})
	if err != nil {
		w.t.Fatal(err)
	}
	return s.ID
}

func (w *world) incident(title string) string {
	w.t.Helper()
	i, _, err := w.desk.Create(w.ctx("responder"), incident.NewIncident{Title: title, Severity: incident.High, ServiceID: w.svc, Labels: map[string]string{"zone": "eu"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return i.ID
}

// workflow writes one that incidents start which are opened.
func (w *world) workflow(name string, steps ...workflow.Step) string {
	w.t.Helper()
	made, err := w.flows.Create(w.ctx("lead"), workflow.Draft{Name: name, TeamID: w.team, Trigger: workflow.Trigger{On: []string{"incident.created"}}, Steps: steps})
	if err != nil {
		w.t.Fatal(err)
	}
	return made.ID
}

// happened lets the engine do what an incident's opening starts.
func (w *world) happened(incidentID string) {
	w.t.Helper()
	ev := outbox.New(outbox.IncidentCreated, incidentID, w.team, w.clock.Now())
	ev.Unattended, ev.ActorID = trust.High, "usr_responder"
	runs, err := w.engine.Match(context.Background(), ev)
	if err != nil {
		w.t.Fatal(err)
	}
	w.engine.Go(context.Background(), runs)
}

// runbook puts an approved one into the table, of the team or, where it is "", of all.
func (w *world) runbook(name, team string) string {
	w.t.Helper()
	now := timestamp.Of(w.clock.Now())
	rb := runbook.Runbook{ID: id.New(id.Runbook, now.Time), Name: name, Language: runbook.Bash, Risk: "LOW", Newest: 1, NewestStatus: runbook.Approved,
		Approved: 1, Sequence: 1, CreatedAt: now, UpdatedAt: now, Rev: 1}
	if team != "" {
		rb.TeamID = &team
	}
	v := runbook.Version{RunbookID: rb.ID, Version: 1, Status: runbook.Approved, Language: runbook.Bash, ScriptContent: "df", Target: runbook.Target{Type: runbook.Sandbox},
		TimeoutSeconds: 60, Concurrency: 10, Risk: "LOW",
		Parameters: []runbook.Parameter{{Name: "HOST", Type: runbook.String, Required: true}, {Name: "COUNT", Type: runbook.Integer}, {Name: "ZONE", Type: runbook.String, Required: true, Template: "{{incident.labels.zone}}"}}}
	rb.PK, rb.SK, rb.ByTeam, rb.ByKind = "rb#"+rb.ID, "head", "rb#"+rb.Team(), "rb"
	v.PK, v.SK = rb.PK, "v#00000001"
	w.commit(w.table.Create(rb), w.table.Create(v))
	return rb.ID
}

// saved is a workflow as it is in the table.
func (w *world) saved(workflowID string) workflow.Workflow {
	w.t.Helper()
	f, err := w.flows.Get(w.ctx("lead"), workflowID)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// note is a step that writes on the timeline.
func note(id, text string) workflow.Step {
	return workflow.Step{ID: id, Type: workflow.Note, Text: text}
}
