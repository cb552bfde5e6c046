// Command statusclock is the Lambda function that a schedule starts each
// minute: it puts on record which maintenances of status pages began and ended,
// and sends messages again that were lost.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/internal/audit"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/settings"
	"pagefree/internal/status"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "statusclock")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	clock := &status.Clock{
		Store:   status.Store{Table: dynamo.Table{Name: env.Text("STATUS_TABLE"), DB: db}},
		Audit:   audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}},
		Notices: queue.Queue{URL: env.Text("PAGE_MAIL_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
		Now:     time.Now,
	}
	env.Check()

	lambda.Start(func(ctx context.Context, _ events.CloudWatchEvent) error { return clock.Sweep(ctx) })
}
