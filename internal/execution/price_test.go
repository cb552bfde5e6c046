package execution

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/infra/local/aws"
	"pagefree/internal/execution/target"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/runbook"
)

// paid are the calls of DynamoDB that do makes, in their order.
func (w *world) paid(do func()) string {
	w.env.Counts.Reset()
	do()
	var names []string
	for _, c := range w.env.Counts.Calls(aws.Call{Service: "dynamodb"}) {
		names = append(names, c.Operation)
	}
	return strings.Join(names, " ")
}

// TestWhatALifeCosts: six calls from the trigger to the end, with an incident too.
func TestWhatALifeCosts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		incident bool
		async    bool
		signed   bool
	}{
		"without an incident":      {},
		"for an incident":          {incident: true},
		"asynchronous":             {async: true},
		"signed, with its secrets": {signed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			rb := w.runbook("Webhook", func(c *runbook.Creation) {
				async(10)(c)
				c.Target.Async = tt.async
				if tt.signed {
					c.Target.SignWith, c.Target.Headers = "sign-key", map[string]string{"X-Token": "{{secrets.token}}"}
				}
			})
			w.secret("sign-key", "a")
			w.secret("token", "b")
			w.remote.report = target.Report{State: target.Completed}
			if tt.async {
				w.remote.report.State = target.Running
			}
			body := map[string]any{"runbookId": rb}
			if tt.incident {
				body["incidentId"] = w.inc
			}
			for path, want := range map[string]string{"/preview": "Query BatchGetItem", "": "Query BatchGetItem TransactWriteItems"} {
				if got := w.paid(func() { w.as("responder", "POST", "/v1/executions"+path, body) }); got != want {
					t.Errorf("trigger%s: got %q, want %q", path, got, want)
				}
			}
			message := w.queued()
			if len(message) != 1 {
				t.Fatalf("got %d messages", len(message))
			}
			got := w.paid(func() {
				if err := w.dispatcher.Dispatch(t.Context(), message[0]); err != nil {
					t.Error(err)
				}
			})
			if want := "BatchGetItem TransactWriteItems TransactWriteItems"; got != want {
				t.Errorf("dispatch: got %q, want %q", got, want)
			}
			if got := w.remote.jobs[0].Secrets; tt.signed && (len(got) != 2 || got["sign-key"] != "a" || got["token"] != "b") {
				t.Errorf("got the secrets %v", got)
			}
			ex := message[0].ExecutionID
			if tt.async {
				got := w.paid(func() { w.report(ex, w.remote.jobs[0].Callback.Token, map[string]any{"status": "COMPLETED"}) })
				if want := "GetItem TransactWriteItems"; got != want {
					t.Errorf("callback: got %q, want %q", got, want)
				}
			}
			if got := w.read(ex).text("status"); got != "COMPLETED" {
				t.Errorf("got %s", got)
			}
		})
	}
}

// secret keeps one of the team, and lets the dispatcher open it.
func (w *world) secret(name, value string) {
	w.t.Helper()
	key := func(function string) *secret.Key {
		return &secret.Key{ID: w.env.KeyID("SecretsKey"), Client: kms.NewFromConfig(w.env.ConfigOf(function))}
	}
	now := w.clock.Now()
	kept, err := key("RunbooksFunction").Encrypt(w.t.Context(), secret.Secret{ID: id.New(id.Secret, now), Name: name, TeamID: &w.team, CreatedAt: timestamp.Of(now)}, value)
	if err != nil {
		w.t.Fatal(err)
	}
	table := w.table(w.env.ConfigOf("RunbooksFunction"), "AutomationTable")
	if err := dynamo.Commit(w.t.Context(), table.DB, secret.Store{Table: table}.Create(kept)...); err != nil {
		w.t.Fatal(err)
	}
	w.dispatcher.Secrets = secret.Resolver{Store: secret.Store{Table: w.dispatcher.Store.Table}, Key: key("DispatcherFunction")}
}

// global makes an approved runbook of no team.
func (w *world) global(name string) string {
	w.t.Helper()
	c := runbook.Creation{Name: name, Content: runbook.Content{Language: runbook.Bash, ScriptContent: "true\n", Target: runbook.Target{Type: runbook.Sandbox}}}
	rb, err := w.runbooks.Create(w.ctx("admin"), c)
	if err != nil {
		w.t.Fatal(err)
	}
	second := w.who["admin"]
	second.ID, second.UserID = "usr_admin2", "usr_admin2"
	w.who["second admin"] = second
	if _, err := w.runbooks.Submit(w.ctx("admin"), rb.ID, 1); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.runbooks.Approve(w.ctx("second admin"), rb.ID, 1, ""); err != nil {
		w.t.Fatal(err)
	}
	return rb.ID
}

// TestAGlobalRunbookIsHeldByTheIncidentsTeam: what it runs for is known only
// once its incident is read.
func TestAGlobalRunbookIsHeldByTheIncidentsTeam(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.global("Everywhere")
	both := w.who["responder"]
	both.ID, both.UserID, both.Teams = "usr_both", "usr_both", map[string]principal.Role{w.team: principal.Responder, w.other: principal.Responder}
	guest := w.who["admin"] // runs things in another team alone, and may do so in all
	guest.ID, guest.UserID, guest.Teams = "usr_guest", "usr_guest", map[string]principal.Role{w.other: principal.Responder}
	w.who["both"], w.who["guest"] = both, guest
	tests := map[string]struct {
		paused string
		held   bool
	}{
		"the incident's team": {w.team, true},
		"another team":        {w.other, false},
	}
	for name, tt := range tests {
		body := map[string]any{"teamId": tt.paused, "reason": "a bad deploy"}
		if a := w.as("admin", "POST", "/v1/automation/pause", body); a.status != http.StatusOK {
			t.Fatalf("got %d %v", a.status, a.body)
		}
		for _, who := range []string{"responder", "both", "guest", "admin"} {
			a := w.as(who, "POST", "/v1/executions", map[string]any{"runbookId": rb, "incidentId": w.inc})
			if held := a.text("code") == "automation_paused"; held != tt.held || !held && a.status != http.StatusAccepted {
				t.Errorf("%s is paused, by %s: got %d %v", name, who, a.status, a.body)
			}
		}
		if a := w.as("admin", "POST", "/v1/automation/resume", map[string]any{"teamId": tt.paused}); a.status != http.StatusNoContent {
			t.Fatalf("got %d %v", a.status, a.body)
		}
	}
}

// TestNothingOfAnIncidentShowsBeforeItsRights: it is read together with what
// the caller may know, and every refusal that hangs on it comes after its own.
func TestNothingOfAnIncidentShowsBeforeItsRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	theirs, err := w.desk.CreateService(w.ctx("outsider"), service(w.other, "theirs"))
	if err != nil {
		t.Fatal(err)
	}
	foreign, _, err := w.desk.Create(w.ctx("outsider"), newIncident(theirs.ID))
	if err != nil {
		t.Fatal(err)
	}
	team := w.runbook("Of the team", func(c *runbook.Creation) { c.ServiceID = &w.svc })
	archived := w.runbook("Archived", nil)
	if _, err := w.runbooks.Archive(w.ctx("lead"), archived, "old"); err != nil {
		t.Fatal(err)
	}
	ids := []string{team, archived, w.global("Everywhere")}
	if a := w.as("admin", "POST", "/v1/automation/pause", map[string]any{"reason": "everything burns"}); a.status != http.StatusOK {
		t.Fatalf("got %d %v", a.status, a.body)
	}
	for _, incident := range []string{foreign.ID, "inc_01ARZ3NDEKTSV4RRFFQ69G5FAV", "inc_", "", strings.Repeat("x", 64)} {
		for _, rb := range ids {
			for _, path := range []string{"/v1/executions", "/v1/executions/preview"} {
				a := w.as("responder", "POST", path, map[string]any{"runbookId": rb, "incidentId": incident})
				if a.status != http.StatusNotFound || a.text("code") != "not_found" {
					t.Errorf("%s of %d, for %q: got %d %v", path, slices.Index(ids, rb), incident, a.status, a.body)
				}
			}
		}
	}
}
