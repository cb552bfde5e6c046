package main

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/awstest"
	"pagefree/internal/audit"
	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/notify"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/teams"
	"pagefree/internal/runbook"
)

// TestFacts: what other rooms wrote, read with the function's own rights.
func TestFacts(t *testing.T) {
	t.Parallel()
	env := awstest.New(t)
	all := dynamo.Table{Name: env.Table("AutomationTable"), DB: dynamodb.NewFromConfig(env.Config)}
	know := facts{dynamo.Table{Name: all.Name, DB: dynamodb.NewFromConfig(env.ConfigOf("NotifierFunction"))}}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	team := id.New(id.Team, now)
	ok(dynamo.Commit(t.Context(), all.DB, teams.Put(all, team, "Ours")))
	ctx := principal.With(context.Background(), principal.Principal{Kind: principal.User, ID: "usr_x", UserID: "usr_x", Teams: map[string]principal.Role{team: principal.TeamAdmin}})
	ledger := audit.Log{Table: dynamo.Table{Name: env.Table("AuditTable"), DB: all.DB}}
	desk := &incident.Desk{Store: incident.Store{Table: all}, Audit: ledger, Now: time.Now}
	service, err := desk.CreateService(ctx, incident.NewService{Name: "Billing", TeamID: team})
	ok(err)
	opened, _, err := desk.Create(ctx, incident.NewIncident{Title: "Payments fail", Severity: incident.High, ServiceID: service.ID})
	ok(err)
	i, found, err := know.Incident(t.Context(), opened.ID)
	if want := (notify.Incident{ID: opened.ID, Title: "Payments fail", Severity: "HIGH", Status: "TRIGGERED", Service: "Billing"}); err != nil || !found || i != want {
		t.Errorf("the incident: got %+v, %v, %v", i, found, err)
	}
	if _, found, err := know.Incident(t.Context(), id.New(id.Incident, now)); found || err != nil {
		t.Errorf("no incident: %v, %v", found, err)
	}

	library := &runbook.Service{
		Store: runbook.Store{Table: all}, Services: incident.Store{Table: all}, Audit: ledger, Now: time.Now, Targets: []string{runbook.Sandbox},
		CheckURL: func(string) error { return nil },
	}
	made, err := library.Create(ctx, runbook.Creation{Name: "Restart", TeamID: &team, Content: runbook.Content{
		Language: runbook.Bash, ScriptContent: "true\n", Target: runbook.Target{Type: runbook.Sandbox}, TimeoutSeconds: 60, Concurrency: 10, Risk: "LOW"}})
	ok(err)
	if v, found, err := know.Version(t.Context(), made.ID, 1); err != nil || !found || v != (notify.Version{Runbook: "Restart", Author: "usr_x"}) {
		t.Errorf("a draft: got %+v, %v, %v", v, found, err)
	}
	if v, found, err := know.Version(t.Context(), made.ID, 2); found || err != nil {
		t.Errorf("no version: got %+v, %v", v, err)
	}
	if v, found, err := know.Version(t.Context(), "rb_1", 1); found || err != nil {
		t.Errorf("no runbook: got %+v, %v", v, err)
	}

	ex, problem := id.New(id.Execution, now), "exit 1"
	ok(dynamo.Commit(t.Context(), all.DB, all.Create(struct {
		PK string `dynamodbav:"pk"`
		SK string `dynamodbav:"sk"`
		execution.Execution
	}{"ex#" + ex, "ex", execution.Execution{ID: ex, RunbookName: "Restart", Status: execution.StatusFailed, Error: &problem, IncidentID: &opened.ID, Attempt: 2}}),
		all.Create(struct {
			PK string `dynamodbav:"pk"`
			SK string `dynamodbav:"sk"`
			execution.Output
		}{"ex#" + ex, "out#02", execution.Output{Stdout: "out", Stderr: "err", StderrTruncated: true}})))
	want := notify.Execution{ID: ex, Runbook: "Restart", Status: "FAILED", Error: "exit 1", IncidentID: opened.ID}
	if got, found, err := know.Execution(t.Context(), ex, false); err != nil || !found || got != want {
		t.Errorf("the execution: got %+v, %v, %v", got, found, err)
	}
	want.Stdout, want.Stderr, want.StderrCut = "out", "err", true
	if got, _, err := know.Execution(t.Context(), ex, true); err != nil || got != want {
		t.Errorf("with its output: got %+v, %v", got, err)
	}

	// What the receiver of a webhook wrote is output, too.
	hooked, words := id.New(id.Execution, now), "password hunter2 was refused"
	ok(dynamo.Commit(t.Context(), all.DB, all.Create(struct {
		PK string `dynamodbav:"pk"`
		SK string `dynamodbav:"sk"`
		execution.Execution
	}{"ex#" + hooked, "ex", execution.Execution{ID: hooked, Status: execution.StatusFailed, Error: &words, Target: runbook.Target{Type: runbook.Webhook}, Attempt: 1}})))
	if got, _, err := know.Execution(t.Context(), hooked, false); err != nil || got.Error != "the receiver reported a failure" {
		t.Errorf("a webhook's: got %+v, %v", got, err)
	}
	if got, _, err := know.Execution(t.Context(), hooked, true); err != nil || got.Error != words {
		t.Errorf("with its output: got %+v, %v", got, err)
	}
	if _, found, err := know.Execution(t.Context(), id.New(id.Execution, now), true); found || err != nil {
		t.Errorf("no execution: %v, %v", found, err)
	}
}
