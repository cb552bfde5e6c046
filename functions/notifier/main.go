// Command notifier is the Lambda function behind the queue of notifications,
// and each minute behind what of them waits: it tells people by mail and push, and
// teams by webhook.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/internal/audit"
	"pagefree/internal/identity"
	"pagefree/internal/notify"
	"pagefree/internal/notify/noticemail"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/parameter"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/settings"
)

// input is a batch of the queue, or the event of the schedule.
type input struct {
	Records []events.SQSMessage `json:"Records"`
	Source  string              `json:"source"`
}

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "notifier")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	automation, people := dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}, dynamo.Table{Name: env.Text("IDENTITY_TABLE"), DB: db}
	named := env.Text("ORIGIN_PARAMETER")
	public := origin.NewSource(settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse),
		func(ctx context.Context) (string, error) { return parameter.Read(ctx, cfg, named) })
	notifier := &notify.Notifier{
		Store:  notify.Store{Identity: people, Automation: automation},
		People: identity.Directory{Store: identity.Store{Identity: people}},
		Facts:  facts{automation},
		Post: &noticemail.Post{
			SES: sesv2.NewFromConfig(cfg), Origin: public, From: env.Text("MAIL_FROM"), Configuration: env.Optional("MAIL_CONFIGURATION_SET"),
		},
		Pushes:   queue.Queue{URL: env.Text("PUSH_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
		Origin:   public,
		Webhooks: secret.Webhooks{Key: &secret.Key{ID: env.Text("SECRETS_KEY_ID"), Client: kms.NewFromConfig(cfg)}},
		Client:   safehttp.New(safehttp.Options{Local: settings.LocalEcho(os.Getenv)}),
		Audit:    audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}},
		Now:      time.Now,
	}
	sweeper := &due.Sweeper{Table: automation, Lane: due.Notices, Handle: notifier.Due, Within: 25 * time.Second, Now: time.Now, Metrics: os.Stdout}
	env.Check()

	lambda.Start(func(ctx context.Context, raw json.RawMessage) (any, error) {
		var in input
		if err := json.Unmarshal(raw, &in); err != nil {
			return nil, err
		}
		switch {
		case in.Records != nil:
			return queue.Each(ctx, events.SQSEvent{Records: in.Records}, notifier.Handle), nil
		case in.Source == "aws.events":
			return nil, sweeper.Sweep(ctx)
		}
		return nil, errors.New("neither a batch of the queue nor the event of a schedule")
	})
}
