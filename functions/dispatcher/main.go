// Command dispatcher is the Lambda function behind the executions queue: it
// claims executions, checks their seal, and hands them to their targets.
package main

import (
	"context"
	"os"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	invoke "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	systems "github.com/aws/aws-sdk-go-v2/service/ssm"

	"pagefree/internal/audit"
	"pagefree/internal/execution"
	"pagefree/internal/execution/target"
	"pagefree/internal/execution/target/sandbox"
	"pagefree/internal/execution/target/ssm"
	"pagefree/internal/execution/target/webhook"
	"pagefree/internal/incident"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/parameter"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/settings"
	"pagefree/internal/runbook"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "dispatcher")
	cfg := awscfg.FromEnv(os.Getenv)
	db, keys := dynamodb.NewFromConfig(cfg), kms.NewFromConfig(cfg)
	automation := dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}
	incidents := incident.Store{Table: automation}
	named := env.Text("ORIGIN_PARAMETER")
	public := origin.NewSource(settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse),
		func(ctx context.Context) (string, error) { return parameter.Read(ctx, cfg, named) })
	nodes := ssm.Target{SSM: systems.NewFromConfig(cfg), Bucket: env.Text("OUTPUT_BUCKET"), Prefix: ssm.Prefix}
	secrets := &secret.Key{ID: env.Text("SECRETS_KEY_ID"), Client: keys}
	dispatcher := &execution.Dispatcher{
		Recorder: execution.Recorder{
			Store:   execution.Store{Table: automation, Retention: env.Duration("RETENTION_DAYS", 24*time.Hour)},
			Journal: execution.Journal{Audit: audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}}, Incidents: incidents},
			Queue:   queue.Queue{URL: env.Text("EXECUTIONS_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
			Now:     time.Now,
		},
		Runbooks: runbook.Store{Table: automation},
		Seal:     kmsmac.Key{ID: env.Text("SEAL_KEY_ID"), Client: keys},
		Secrets:  secret.Resolver{Store: secret.Store{Table: automation}, Key: secrets},
		Hidden:   secrets,
		Targets: map[string]target.Sender{
			runbook.Sandbox: sandbox.Target{Runner: sandbox.Client{Invoke: invoke.NewFromConfig(cfg), Functions: map[sandbox.Language]string{
				sandbox.Bash:       env.Text("SANDBOX_BASH_FUNCTION"),
				sandbox.Python:     env.Text("SANDBOX_PYTHON_FUNCTION"),
				sandbox.JavaScript: env.Text("SANDBOX_JAVASCRIPT_FUNCTION"),
			}}},
			runbook.SSM:     nodes,
			runbook.Webhook: webhook.Sender{Client: safehttp.New(safehttp.Options{Local: settings.LocalEcho(os.Getenv)}), Now: time.Now},
		},
		Trackers: map[string]target.Tracker{runbook.SSM: nodes},
		Callback: func(ctx context.Context, executionID string) (string, error) {
			at, err := public.Get(ctx)
			return at.URL("/v1/callbacks/" + executionID), err
		},
		Metrics: os.Stdout,
	}
	env.Check()
	// What lives here is small and what a dispatch throws away is not: at Go's
	// own 100 the collector takes a quarter of the processor's time.
	debug.SetGCPercent(400)

	lambda.Start(func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		return queue.Each(ctx, batch, dispatcher.Dispatch), nil
	})
}
