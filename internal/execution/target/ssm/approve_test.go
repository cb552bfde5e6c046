package ssm

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/awstest"
	"pagefree/internal/audit"
	"pagefree/internal/execution/target"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/teams"
	"pagefree/internal/runbook"
)

type noServices struct{}

func (noServices) TeamOf(context.Context, string) (string, bool, error) { return "", false, nil }

type parses struct{}

func (parses) Check(context.Context, string, string) (runbook.Check, error) {
	return runbook.Check{OK: true}, nil
}

// library is the runbooks' function as it is deployed, with its own rights.
func library(t *testing.T, env *awstest.Env) (s *runbook.Service, as func(who string) context.Context, team string) {
	cfg := env.ConfigOf("RunbooksFunction")
	db, keys := dynamodb.NewFromConfig(cfg), kms.NewFromConfig(cfg)
	table := dynamo.Table{Name: env.Table("AutomationTable"), DB: db}
	team = id.New(id.Team, time.Now())
	all := dynamo.Table{Name: table.Name, DB: dynamodb.NewFromConfig(env.Config)}
	if err := dynamo.Commit(t.Context(), all.DB, teams.Put(all, team, "Team")); err != nil {
		t.Fatal(err)
	}
	s = &runbook.Service{
		Store: runbook.Store{Table: table}, Services: noServices{}, Checker: parses{},
		Seal:      kmsmac.Key{ID: env.KeyID("SealKey"), Client: keys},
		Audit:     audit.Log{Table: dynamo.Table{Name: env.Table("AuditTable"), DB: db}},
		Cursors:   httpapi.NewCursors(kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: keys}.Derive),
		Documents: Publisher{SSM: ssm.NewFromConfig(cfg), Prefix: "pagefree-local-"},
		Now:       time.Now, Targets: []string{runbook.Sandbox, runbook.SSM},
	}
	return s, func(who string) context.Context {
		return principal.With(t.Context(), principal.Principal{
			Kind: principal.User, ID: "usr_" + who, UserID: "usr_" + who, Teams: map[string]principal.Role{team: principal.TeamAdmin},
		})
	}, team
}

// TestApproveCanBeRepeated: an approval that published and then was lost finds
// its document again; the seal covers it, and it runs.
func TestApproveCanBeRepeated(t *testing.T) {
	w := newWorld(t)
	s, as, team := library(t, w.env)
	made, err := s.Create(as("author"), runbook.Creation{Name: "n", TeamID: &team, Content: runbook.Content{
		Language: runbook.Python, ScriptContent: "import os; print(os.environ['PF_HOST'])", Target: runbook.Target{Type: runbook.SSM, InstanceIDs: []string{"mi-local"}},
		Parameters: []runbook.Parameter{{Name: "HOST", Type: runbook.String, Required: true, MaxLength: ptr(100)}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Submit(as("author"), made.ID, 1); err != nil {
		t.Fatal(err)
	}
	fault := w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Fail, Times: -1})
	if _, err := s.Approve(as("reviewer"), made.ID, 1, ""); err == nil || w.calls("CreateDocument") != 1 {
		t.Fatalf("got %v after %d documents", err, w.calls("CreateDocument"))
	}
	fault.Remove()
	if _, err := s.Approve(as("author"), made.ID, 1, ""); problem.CodeOf(err) != runbook.SelfApproval {
		t.Errorf("the author: got %v", err)
	}
	if _, err := s.Approve(as("reviewer"), made.ID, 1, ""); err != nil {
		t.Fatal(err)
	}
	if w.calls("CreateDocument") != 1 || w.calls("UpdateDocument") != 0 {
		t.Errorf("published again")
	}
	r, v, err := s.Store.Runnable(t.Context(), made.ID)
	if err != nil || v.Document == nil || v.Document.Name != "pagefree-local-"+made.ID || v.Document.Version != "1" {
		t.Fatalf("got %+v, %v", v.Document, err)
	}
	seal := kmsmac.Key{ID: w.env.KeyID("SealKey"), Client: kms.NewFromConfig(w.env.ConfigOf("DispatcherFunction"))}
	if err := runbook.CheckSeal(t.Context(), seal, r, v); err != nil {
		t.Error(err)
	}
	j := target.Job{ExecutionID: "ex_1", Attempt: 1, Values: map[string]any{"HOST": "web-1"}, Target: v.Target, Document: v.Document}
	if r := w.await(w.send(j)); !exits(r, target.Completed, 0) || r.Output.Stdout != "web-1\n" {
		t.Errorf("got %+v", r)
	}
	v.Document.Version = "2"
	if err := runbook.CheckSeal(t.Context(), seal, r, v); err == nil {
		t.Error("the seal does not cover the document")
	}
}

func ptr[T any](v T) *T { return &v }

// TestWhatFitsNoDocumentIsNotWritten, as a 422 that says why.
func TestWhatFitsNoDocumentIsNotWritten(t *testing.T) {
	w := newWorld(t)
	s, as, team := library(t, w.env)
	_, err := s.Create(as("author"), runbook.Creation{Name: "n", TeamID: &team, Content: runbook.Content{
		Language: runbook.Bash, ScriptContent: "true", Target: runbook.Target{Type: runbook.SSM, InstanceIDs: []string{"mi-local"}},
		Parameters: []runbook.Parameter{{Name: "A", Type: runbook.String}, {Name: "B", Type: runbook.String}},
	}})
	if problem.CodeOf(err) != problem.ValidationFailed {
		t.Errorf("got %v", err)
	}
}

// TestOnlyItsOwnDocuments: the function's rights end at the documents of this
// stack's runbooks, and hold nothing that sends.
func TestOnlyItsOwnDocuments(t *testing.T) {
	w := newWorld(t)
	v := version(runbook.Bash, "true")
	client := ssm.NewFromConfig(w.env.ConfigOf("RunbooksFunction"))
	if _, err := (Publisher{SSM: client, Prefix: "other-"}).Publish(t.Context(), runbook.Runbook{ID: v.RunbookID}, v); problem.CodeOf(err) != problem.Unavailable {
		t.Errorf("another stack's document: got %v", err)
	}
	d, err := Publisher{SSM: client, Prefix: "pagefree-local-"}.Publish(t.Context(), runbook.Runbook{ID: v.RunbookID}, v)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Target{SSM: client}.send(t.Context(), &ssm.SendCommandInput{DocumentName: &d.Name, InstanceIds: []string{"mi-local"}})
	w.refused(err, "ssm_refused")
}
