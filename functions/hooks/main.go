// Command hooks is the Lambda function behind /v1/hooks: monitoring systems
// deliver their alerts there. No authorizer stands before it; each delivery is
// held against the secret of its integration.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/internal/incident/hook"
	"pagefree/internal/incident/integration"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/settings"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "hooks")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	sns := hook.NewFetcher(safehttp.New(safehttp.Options{Local: settings.LocalEcho(os.Getenv)}), env.Optional("AWS_ENDPOINT_URL"))
	ephemeral := dynamo.Table{Name: env.Text("EPHEMERAL_TABLE"), DB: db}
	leases, meter := ratelimit.NewLeases(ephemeral, env.Duration("COUNT_WITHIN_MS", time.Millisecond)), &ratelimit.Meter{Out: os.Stdout, Now: time.Now}
	refusals := ratelimit.Limits{Source: settings.Parsed(env, "PUBLIC_LIMIT", ratelimit.ParseOne)}.Open("hooks-refused", leases, meter)
	door := &integration.Door{
		Store:        integration.Store{Table: dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}, Retention: env.Duration("RETENTION_DAYS", 24*time.Hour)},
		Seen:         integration.Seen{Table: ephemeral},
		Key:          &secret.Key{ID: env.Text("SECRETS_KEY_ID"), Client: kms.NewFromConfig(cfg)},
		Providers:    hook.Of,
		Certificates: sns.Certificate,
		Confirm:      sns.Confirm,
		Confirmation: hook.ConfirmationOf,
		Queue:        queue.Queue{URL: env.Text("ALERTS_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
		Rates:        settings.Parsed(env, "HOOK_LIMITS", ratelimit.Parse).Open("hooks", leases, meter),
		Refusals:     refusals,
		Now:          time.Now,
	}
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	integration.HookRoutes(api, door)
	lambda.Start(httpapi.Lambda(httpapi.CountLate(api.Handler(), refusals), edge))
}
