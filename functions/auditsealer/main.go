// Command auditsealer is the Lambda function that seals audit events into
// signed blocks: as the audit table's stream tells of them, and by a schedule
// what the stream missed.
package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/internal/audit"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/kmssign"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/settings"
	"pagefree/internal/platform/stream"
)

// input is a batch of the stream, or the event of the schedule.
type input struct {
	stream.Event
	Source string `json:"source"`
}

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "auditsealer")
	cfg := awscfg.FromEnv(os.Getenv)
	key := kmssign.Key{ID: env.Text("AUDIT_KEY_ID"), Client: kms.NewFromConfig(cfg)}
	sealer := &audit.Sealer{
		Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: dynamodb.NewFromConfig(cfg)},
		KeyID: key.ID,
		Sign:  key.Sign,
		Now:   time.Now,
		Count: func(metric string, n int) { log.Count(os.Stdout, time.Now(), metric, n) },
	}
	env.Check()

	lambda.Start(func(ctx context.Context, in input) (any, error) {
		switch {
		case in.Records != nil:
			return sealer.Stream(ctx, in.Event), nil
		case in.Source == "aws.events":
			return nil, sealer.Sweep(ctx)
		}
		return nil, errors.New("neither a batch of the stream nor the event of a schedule")
	})
}
