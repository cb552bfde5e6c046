// Command integrations is the Lambda function behind /v1/integrations and its pages: which
// monitoring systems send alerts, and what they sent.
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
	"pagefree/internal/incident/hook"
	"pagefree/internal/incident/integration"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/parameter"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/settings"
	"pagefree/internal/platform/teams"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/integrations"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "integrations")
	cfg := awscfg.FromEnv(os.Getenv)
	db, keys := dynamodb.NewFromConfig(cfg), kms.NewFromConfig(cfg)
	automation := dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}
	ledger := audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}}
	named := env.Text("ORIGIN_PARAMETER")
	at := settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse)
	service := &integration.Service{
		Store:     integration.Store{Table: automation, Retention: env.Duration("RETENTION_DAYS", 24*time.Hour)},
		Services:  incident.Store{Table: automation},
		Providers: hook.Of,
		Key:       &secret.Key{ID: env.Text("SECRETS_KEY_ID"), Client: keys},
		Origin: origin.NewSource(at,
			func(ctx context.Context) (string, error) { return parameter.Read(ctx, cfg, named) }).Get,
		Cursors: httpapi.NewCursors(kmsmac.Key{ID: env.Text("DERIVE_KEY_ID"), Client: keys}.Derive),
		Audit:   ledger,
		Now:     time.Now,
	}
	rooms := integrations.Rooms{
		Links: service,
		Desk:  &incident.Desk{Store: incident.Store{Table: automation}, Audit: ledger, Cursors: service.Cursors, Now: time.Now}, // it only reads
		Team: func(ctx context.Context, teamID string) (string, bool, error) {
			return teams.Name(ctx, automation, teamID)
		},
	}
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, time.Now))
	integration.Routes(api, service)
	integrations.Routes(api, console.New(at, time.Now), rooms)
	lambda.Start(httpapi.Lambda(api.Handler(), edge))
}
