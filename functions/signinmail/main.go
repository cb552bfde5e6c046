// Command signinmail is the Lambda function behind the mail queue: it finds out
// whether somebody has an address, and mails them a link.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"pagefree/internal/audit"
	"pagefree/internal/identity"
	"pagefree/internal/identity/linkmail"
	"pagefree/internal/partner"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/parameter"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/settings"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "signinmail")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	named := env.Text("ORIGIN_PARAMETER")
	sender := &linkmail.Sender{
		Links: &identity.Links{
			Store: identity.Store{
				Identity:  dynamo.Table{Name: env.Text("IDENTITY_TABLE"), DB: db},
				Ephemeral: dynamo.Table{Name: env.Text("EPHEMERAL_TABLE"), DB: db},
			},
			Partners:   partner.Directory{Store: partner.Store{Table: dynamo.Table{Name: env.Text("STATUS_TABLE"), DB: db}}},
			Audit:      audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}},
			FirstAdmin: settings.Parsed(env, "FIRST_ADMIN_EMAIL", identity.Normalize),
			Origin: origin.NewSource(settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse),
				func(ctx context.Context) (string, error) { return parameter.Read(ctx, cfg, named) }),
			Now: time.Now,
		},
		SES:           sesv2.NewFromConfig(cfg),
		From:          env.Text("MAIL_FROM"),
		Configuration: env.Optional("MAIL_CONFIGURATION_SET"),
		Now:           time.Now,
	}
	env.Check()

	lambda.Start(func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		return queue.Each(ctx, batch, sender.Handle), nil
	})
}
