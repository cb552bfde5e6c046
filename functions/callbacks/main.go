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
	"pagefree/internal/platform/settings"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "callbacks")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	automation := dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}
	callbacks := &execution.Callbacks{Recorder: execution.Recorder{
		Store: execution.Store{Table: automation, Retention: env.Duration("RETENTION_DAYS", 24*time.Hour)},
		Journal: execution.Journal{
			Audit:     audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}},
			Incidents: incident.Store{Table: automation},
		},
		Queue: queue.Queue{URL: env.Text("EXECUTIONS_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
		Now:   time.Now,
	}}
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	execution.CallbackRoutes(api, callbacks)
	lambda.Start(httpapi.Lambda(execution.Refusals(api.Handler()), edge))
}
