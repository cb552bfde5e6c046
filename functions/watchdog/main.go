// Command watchdog is the Lambda function that a schedule starts each minute:
// it does what queues and dispatchers should have done and did not.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	systems "github.com/aws/aws-sdk-go-v2/service/ssm"

	"pagefree/internal/audit"
	"pagefree/internal/execution"
	"pagefree/internal/execution/target"
	"pagefree/internal/execution/target/ssm"
	"pagefree/internal/incident"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/settings"
	"pagefree/internal/runbook"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "watchdog")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	automation := dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}
	watchdog := &execution.Watchdog{
		Follower: execution.Follower{
			Trackers: map[string]target.Tracker{runbook.SSM: ssm.Target{SSM: systems.NewFromConfig(cfg), S3: ssm.Outputs(cfg), Bucket: env.Text("OUTPUT_BUCKET"), Prefix: ssm.Prefix}},
			Delivery: map[string]time.Duration{runbook.SSM: ssm.Slowness},
			Recorder: execution.Recorder{
				Store: execution.Store{Table: automation, Retention: env.Duration("RETENTION_DAYS", 24*time.Hour)},
				Journal: execution.Journal{
					Audit:     audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}},
					Incidents: incident.Store{Table: automation},
				},
				Queue: queue.Queue{URL: env.Text("EXECUTIONS_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
				Now:   time.Now,
			},
		},
		Metrics: os.Stdout,
	}
	env.Check()

	lambda.Start(func(ctx context.Context, _ events.CloudWatchEvent) error { return watchdog.Sweep(ctx) })
}
