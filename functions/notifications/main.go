// Command notifications is the Lambda function behind /v1/me/notifications,
// /v1/teams/{id}/notifications and /v1/push, and the console's pages of them:
// what people and teams want to be told of, and on which devices.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/internal/audit"
	"pagefree/internal/identity"
	"pagefree/internal/notify"
	"pagefree/internal/notify/push"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/settings"
	"pagefree/internal/web/console"
	pages "pagefree/internal/web/console/settings"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "notifications")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	people := dynamo.Table{Name: env.Text("IDENTITY_TABLE"), DB: db}
	ledger := audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}}
	key := &secret.Key{ID: env.Text("SECRETS_KEY_ID"), Client: kms.NewFromConfig(cfg)}
	client := safehttp.New(safehttp.Options{Local: settings.LocalEcho(os.Getenv)})
	service := &notify.Service{
		Store:    notify.Store{Identity: people},
		People:   identity.Directory{Store: identity.Store{Identity: people}},
		Webhooks: secret.Webhooks{Key: key},
		CheckURL: client.Check,
		Audit:    ledger,
		Now:      time.Now,
	}
	devices := &push.Service{
		Store:    push.Store{Identity: people},
		Keys:     push.Maker{Identity: people, Key: key, Generation: int64(env.Number("PUSH_KEY_GENERATION")), Audit: ledger, Now: time.Now},
		CheckURL: client.Check,
		Audit:    ledger,
		Now:      time.Now,
	}
	at := settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse)
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, time.Now))
	notify.Routes(api, service)
	push.Routes(api, devices)
	pages.Routes(api, console.New(at, time.Now), service, devices)
	lambda.Start(httpapi.Lambda(api.Handler(), edge))
}
