// Command statusclock is the Lambda function that a schedule starts each
// minute: it puts on record which maintenances of status pages began and ended,
// sends messages again that were lost, and removes what deleted pages left.
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
	"pagefree/internal/partner"
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
	table := dynamo.Table{Name: env.Text("STATUS_TABLE"), DB: db}
	clock := &status.Clock{
		Store:   status.Store{Table: table},
		Audit:   audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}},
		Notices: queue.Queue{URL: env.Text("PAGE_MAIL_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
		Left:    &partner.Purger{Store: partner.Store{Table: table}},
		Now:     time.Now,
	}
	env.Check()

	lambda.Start(func(ctx context.Context, _ events.CloudWatchEvent) error { return clock.Sweep(ctx) })
}
