// Command dispatcher is the Lambda function behind the executions queue: it
// claims executions, checks their seal, and hands them to their targets.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	invoke "github.com/aws/aws-sdk-go-v2/service/lambda"

	"pagefree/internal/audit"
	"pagefree/internal/execution"
	"pagefree/internal/execution/target/sandbox"
	"pagefree/internal/incident"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/settings"
	"pagefree/internal/runbook"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "dispatcher")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	automation := dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}
	incidents := incident.Store{Table: automation}
	dispatcher := &execution.Dispatcher{
		Store:    execution.Store{Table: automation, Retention: env.Duration("RETENTION_DAYS", 24*time.Hour)},
		Runbooks: runbook.Store{Table: automation},
		Journal:  execution.Journal{Audit: audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}}, Incidents: incidents},
		Seal:     kmsmac.Key{ID: env.Text("SEAL_KEY_ID"), Client: kms.NewFromConfig(cfg)},
		Sandbox: sandbox.Client{Invoke: invoke.NewFromConfig(cfg), Functions: map[sandbox.Language]string{
			sandbox.Bash:       env.Text("SANDBOX_BASH_FUNCTION"),
			sandbox.Python:     env.Text("SANDBOX_PYTHON_FUNCTION"),
			sandbox.JavaScript: env.Text("SANDBOX_JAVASCRIPT_FUNCTION"),
		}},
		Metrics: os.Stdout,
		Now:     time.Now,
	}
	env.Check()

	lambda.Start(func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		return queue.Each(ctx, batch, dispatcher.Dispatch), nil
	})
}
