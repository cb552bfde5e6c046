// Command commands is the Lambda function that hears from EventBridge that a
// command of Systems Manager has ended, and records how. Events are best
// effort: the watchdog finds out what none came for.
package main

import (
	"context"
	"encoding/json"
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
	log.Setup(os.Stdout, "commands")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	automation := dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}
	nodes := ssm.Target{SSM: systems.NewFromConfig(cfg), S3: ssm.Outputs(cfg), Bucket: env.Text("OUTPUT_BUCKET"), Prefix: ssm.Prefix}
	follower := &execution.Follower{
		Recorder: execution.Recorder{
			Store: execution.Store{Table: automation, Retention: env.Duration("RETENTION_DAYS", 24*time.Hour)},
			Journal: execution.Journal{
				Audit:     audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}},
				Incidents: incident.Store{Table: automation},
			},
			Queue: queue.Queue{URL: env.Text("EXECUTIONS_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
			Now:   time.Now,
		},
		Trackers: map[string]target.Tracker{runbook.SSM: nodes},
	}
	env.Check()

	lambda.Start(func(ctx context.Context, event events.CloudWatchEvent) error {
		var detail struct {
			CommandID string `json:"command-id"`
		}
		if err := json.Unmarshal(event.Detail, &detail); err != nil || detail.CommandID == "" {
			return err
		}
		id, err := nodes.ExecutionOf(ctx, detail.CommandID)
		if err != nil || id == "" {
			return err
		}
		return follower.Hear(ctx, id)
	})
}
