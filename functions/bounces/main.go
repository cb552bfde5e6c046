// Command bounces is the Lambda function that SES's topic calls: it stops mail
// to addresses that bounce for good, or whose readers complain.
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
	"pagefree/internal/identity"
	"pagefree/internal/notify"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/settings"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "bounces")
	db := dynamodb.NewFromConfig(awscfg.FromEnv(os.Getenv))
	people := dynamo.Table{Name: env.Text("IDENTITY_TABLE"), DB: db}
	bounces := &notify.Bounces{
		People:   identity.Directory{Store: identity.Store{Identity: people}},
		Identity: people,
		Audit:    audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}},
		Now:      time.Now,
	}
	env.Check()

	lambda.Start(func(ctx context.Context, in events.SNSEvent) error {
		var errs []error
		for _, r := range in.Records { // SNS hands over one at a time
			errs = append(errs, bounces.Handle(ctx, r.SNS.Message))
		}
		return errors.Join(errs...)
	})
}
