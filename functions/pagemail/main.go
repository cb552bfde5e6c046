// Command pagemail is the Lambda function behind the queue of status pages'
// notices: it mails partners what happened, each what they may see of it.
package main

import (
	"context"
	"os"
	"time"
	_ "time/tzdata" // the function's image has no time zones

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/internal/partner"
	"pagefree/internal/partner/pagemail"
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
	log.Setup(os.Stdout, "pagemail")
	cfg := awscfg.FromEnv(os.Getenv)
	named := env.Text("ORIGIN_PARAMETER")
	db := dynamodb.NewFromConfig(cfg)
	teller := &partner.Teller{
		Store: partner.Store{Table: dynamo.Table{Name: env.Text("STATUS_TABLE"), DB: db}, Stops: dynamo.Table{Name: env.Text("IDENTITY_TABLE"), DB: db}},
		Queue: queue.Queue{URL: env.Text("PAGE_MAIL_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
		Post: &pagemail.Post{
			SES: sesv2.NewFromConfig(cfg),
			Origin: origin.NewSource(settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse),
				func(ctx context.Context) (string, error) { return parameter.Read(ctx, cfg, named) }),
			From:          env.Text("MAIL_FROM"),
			Configuration: env.Optional("MAIL_CONFIGURATION_SET"),
		},
		Now: time.Now,
	}
	env.Check()

	lambda.Start(func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		return queue.Each(ctx, batch, teller.Handle), nil
	})
}
