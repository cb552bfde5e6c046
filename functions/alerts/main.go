// Command alerts is the Lambda function that makes incidents of what monitoring
// systems delivered: as the queue brings it, and by a schedule what the queue
// did not.
package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/internal/audit"
	"pagefree/internal/incident"
	"pagefree/internal/incident/integration"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/settings"
)

// input is a batch of the queue, or the event of the schedule.
type input struct {
	events.SQSEvent
	Source string `json:"source"`
}

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "alerts")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	automation := dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}
	taker := &integration.Taker{
		Store: integration.Store{Table: automation, Retention: env.Duration("RETENTION_DAYS", 24*time.Hour)},
		Desk: &incident.Desk{
			Store: incident.Store{Table: automation},
			Audit: audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}},
			Now:   time.Now,
		},
		Now: time.Now,
	}
	sweeper := &due.Sweeper{
		Table: automation, Lane: due.Alerts, Handle: taker.Due, GivenUp: taker.GivenUp, Within: integration.Within, Now: time.Now, Metrics: os.Stdout,
	}
	env.Check()

	lambda.Start(func(ctx context.Context, in input) (any, error) {
		switch {
		case in.Records != nil:
			return taker.Batch(ctx, in.SQSEvent), nil
		case in.Source == "aws.events":
			return nil, sweeper.Sweep(ctx)
		}
		return nil, errors.New("neither a batch of the queue nor the event of a schedule")
	})
}
