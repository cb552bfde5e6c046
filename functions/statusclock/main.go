// Command statusclock is the Lambda function that a schedule starts each
// minute: it puts on record which maintenances of status pages began and ended.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/internal/audit"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/settings"
	"pagefree/internal/status"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "statusclock")
	db := dynamodb.NewFromConfig(awscfg.FromEnv(os.Getenv))
	clock := &status.Clock{
		Store: status.Store{Table: dynamo.Table{Name: env.Text("STATUS_TABLE"), DB: db}},
		Audit: audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}},
		Now:   time.Now,
	}
	env.Check()

	lambda.Start(func(ctx context.Context, _ events.CloudWatchEvent) error { return clock.Sweep(ctx) })
}
