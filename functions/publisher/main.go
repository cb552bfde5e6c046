// Command publisher is the Lambda function that reaches open sockets: it tells
// them what changed, as the live queue says, and ends those of sessions that
// ended, as the audit record's stream tells, and each minute those that ran out.
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
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/internal/identity"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/settings"
	"pagefree/internal/platform/stream"
	"pagefree/internal/realtime"
)

// input is a batch of the queue or of the stream, or the event of the schedule.
type input struct {
	Source  string                         `json:"source"`
	Records []struct{ EventSource string } // of a batch, "aws:dynamodb" or "aws:sqs"
}

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "publisher")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	ephemeral := dynamo.Table{Name: env.Text("EPHEMERAL_TABLE"), DB: db}
	live := queue.Queue{URL: env.Text("LIVE_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)}
	p := &realtime.Publisher{
		Store:      realtime.Store{Table: ephemeral},
		Automation: dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db},
		Sessions: identity.Sessions{
			Store: identity.Store{Identity: dynamo.Table{Name: env.Text("IDENTITY_TABLE"), DB: db}, Ephemeral: ephemeral},
			Idle:  env.Duration("SESSION_IDLE_MINUTES", time.Minute), Now: time.Now,
		},
		Sockets: settings.Parsed(env, "CONNECTIONS_URL", func(url string) (*realtime.Connections, error) {
			return realtime.NewConnections(cfg, url, time.Now)
		}),
		Fan: func(ctx context.Context, m []realtime.Message) error { return queue.SendAll(ctx, live, m) },
		Now: time.Now,
	}
	env.Check()

	lambda.Start(func(ctx context.Context, raw json.RawMessage) (any, error) {
		var in input
		if err := json.Unmarshal(raw, &in); err != nil {
			return nil, err
		}
		switch {
		case in.Source == "aws.events":
			return nil, p.Sweep(ctx)
		case len(in.Records) == 0:
			return nil, errors.New("neither a batch of the stream or the queue nor the event of a schedule")
		case in.Records[0].EventSource == "aws:sqs":
			var batch events.SQSEvent
			if err := json.Unmarshal(raw, &batch); err != nil {
				return nil, err
			}
			return queue.Each(ctx, batch, p.Handle), nil
		}
		var batch stream.Event
		if err := json.Unmarshal(raw, &batch); err != nil {
			return nil, err
		}
		return p.Ended(ctx, batch), nil
	})
}
