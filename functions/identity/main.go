// Command identity is the Lambda function behind /v1/me, users, teams and API
// keys, and the console's pages of them.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/internal/audit"
	"pagefree/internal/identity"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/settings"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/people"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "identity")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	ledger := audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}}
	service := &identity.Service{
		Store:      identity.Store{Identity: dynamo.Table{Name: env.Text("IDENTITY_TABLE"), DB: db}},
		Automation: dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db},
		Audit:      ledger,
		Now:        time.Now,
	}
	derive := kmsmac.Key{ID: env.Text("DERIVE_KEY_ID"), Client: kms.NewFromConfig(cfg)}
	at := settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse)
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, time.Now))
	cursors := httpapi.NewCursors(derive.Derive)
	identity.Routes(api, service, cursors)
	people.Routes(api, console.New(at, time.Now), service, cursors)
	lambda.Start(httpapi.Lambda(api.Handler(), edge))
}
