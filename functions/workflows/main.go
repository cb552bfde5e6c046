// Command workflows is the Lambda function behind /v1/workflows and
// /v1/workflow-runs and their pages: what is to happen, and what came of it. The reactor lets
// runs go on.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/internal/audit"
	"pagefree/internal/execution"
	"pagefree/internal/identity"
	"pagefree/internal/incident"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/settings"
	"pagefree/internal/platform/teams"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/workflows"
	"pagefree/internal/workflow"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "workflows")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	table := dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}
	ledger := audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}}
	incidents, runbooks := incident.Store{Table: table}, runbook.Store{Table: table}
	service := &workflow.Service{
		Runs: workflow.Runs{
			Store: workflow.Store{Table: table, Retention: env.Duration("RETENTION_DAYS", 24*time.Hour)},
			Audit: ledger, Now: time.Now,
		},
		Incidents: incidents,
		Runbooks:  runbooks,
		Executions: &execution.Service{ // for dry runs: it starts nothing
			Recorder: execution.Recorder{Store: execution.Store{Table: table}, Now: time.Now}, Runbooks: runbooks, Incidents: incidents,
		},
		People:   identity.Directory{Store: identity.Store{Identity: dynamo.Table{Name: env.Text("IDENTITY_TABLE"), DB: db}}},
		Cursors:  httpapi.NewCursors(kmsmac.Key{ID: env.Text("DERIVE_KEY_ID"), Client: kms.NewFromConfig(cfg)}.Derive),
		CheckURL: safehttp.New(safehttp.Options{Local: settings.LocalEcho(os.Getenv)}).Check,
	}
	rooms := workflows.Rooms{ // of the others it only reads
		Flows: service,
		Desk:  &incident.Desk{Store: incidents, Audit: ledger, Cursors: service.Cursors, Now: time.Now},
		Books: &runbook.Service{Store: runbooks, Audit: ledger, Cursors: service.Cursors, Now: time.Now},
		Team:  func(ctx context.Context, teamID string) (string, bool, error) { return teams.Name(ctx, table, teamID) },
	}
	at := settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse)
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, time.Now))
	workflow.Routes(api, service)
	workflows.Routes(api, console.New(at, time.Now), rooms)
	lambda.Start(httpapi.Lambda(api.Handler(), edge))
}
