// Command incidents is the Lambda function behind /v1/incidents and
// /v1/services, and their pages: what goes wrong, and with what.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/internal/audit"
	"pagefree/internal/incident"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/settings"
	"pagefree/internal/platform/teams"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/incidents"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "incidents")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	ledger := audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}}
	desk := &incident.Desk{
		Store:   incident.Store{Table: dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}},
		Audit:   ledger,
		Cursors: httpapi.NewCursors(kmsmac.Key{ID: env.Text("DERIVE_KEY_ID"), Client: kms.NewFromConfig(cfg)}.Derive),
		Now:     time.Now,
	}
	at := settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse)
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, time.Now))
	incident.Routes(api, desk)
	incidents.Routes(api, console.New(at, time.Now), desk, func(ctx context.Context, id string) (string, error) {
		name, _, err := teams.Name(ctx, desk.Store.Table, id)
		return name, err
	})
	lambda.Start(httpapi.Lambda(api.Handler(), edge))
}
