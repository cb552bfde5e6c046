// Command pusher is the Lambda function behind the queue of pushes: it sends
// notes to people's devices, through the push services of their browsers.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/internal/audit"
	"pagefree/internal/notify/push"
	"pagefree/internal/notify/pusher"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/settings"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "pusher")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	p := &pusher.Pusher{
		Store:   push.Store{Identity: dynamo.Table{Name: env.Text("IDENTITY_TABLE"), DB: db}},
		Marks:   pusher.Marks{Ephemeral: dynamo.Table{Name: env.Text("EPHEMERAL_TABLE"), DB: db}},
		Key:     &secret.Key{ID: env.Text("SECRETS_KEY_ID"), Client: kms.NewFromConfig(cfg)},
		Client:  safehttp.New(safehttp.Options{Local: settings.LocalEcho(os.Getenv)}),
		Subject: settings.Parsed(env, "PUSH_CONTACT", pusher.ParseContact),
		Audit:   audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}},
		Now:     time.Now,
	}
	waiting := queue.Queue{URL: env.Text("PUSH_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)}
	env.Check()

	lambda.Start(func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		return queue.EachLater(ctx, waiting, batch, p.Handle), nil
	})
}
