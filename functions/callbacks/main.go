// Command callbacks is the Lambda function behind /v1/callbacks: receivers of
// webhooks report there what became of executions. No authorizer stands before
// it; each caller has the token of one attempt of one execution.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/internal/audit"
	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/settings"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "callbacks")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	automation := dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}
	ephemeral := dynamo.Table{Name: env.Text("EPHEMERAL_TABLE"), DB: db}
	leases, meter := ratelimit.NewLeases(ephemeral, env.Duration("COUNT_WITHIN_MS", time.Millisecond)), &ratelimit.Meter{Out: os.Stdout, Now: time.Now}
	refusals := ratelimit.Limits{Source: settings.Parsed(env, "PUBLIC_LIMIT", ratelimit.ParseOne)}.Open("callbacks-refused", leases, meter)
	callbacks := &execution.Callbacks{Recorder: execution.Recorder{
		Store: execution.Store{Table: automation, Retention: env.Duration("RETENTION_DAYS", 24*time.Hour)},
		Journal: execution.Journal{
			Audit:     audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}},
			Incidents: incident.Store{Table: automation},
		},
		Queue: queue.Queue{URL: env.Text("EXECUTIONS_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
		Now:   time.Now,
	}, Rates: settings.Parsed(env, "CALLBACK_LIMITS", ratelimit.Parse).Open("callbacks", leases, meter)}
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	execution.CallbackRoutes(api, callbacks)
	lambda.Start(httpapi.Lambda(httpapi.CountLate(execution.Refusals(api.Handler()), refusals), edge))
}
