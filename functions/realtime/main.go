// Command realtime is the Lambda function behind the WebSocket API: sockets
// that open, say what they want to hear, and are gone.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/internal/identity"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/parameter"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/settings"
	"pagefree/internal/realtime"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "realtime")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	ephemeral := dynamo.Table{Name: env.Text("EPHEMERAL_TABLE"), DB: db}
	named := env.Text("ORIGIN_PARAMETER")
	sockets := &realtime.Sockets{
		Store:      realtime.Store{Table: ephemeral},
		Automation: dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db},
		Sessions: identity.Sessions{
			Store: identity.Store{Identity: dynamo.Table{Name: env.Text("IDENTITY_TABLE"), DB: db}, Ephemeral: ephemeral},
			Idle:  env.Duration("SESSION_IDLE_MINUTES", time.Minute), Now: time.Now,
		},
		Edge: settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge),
		Origin: origin.NewSource(settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse),
			func(ctx context.Context) (string, error) { return parameter.Read(ctx, cfg, named) }),
		Live: queue.Queue{URL: env.Text("LIVE_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
		Now:  time.Now,
	}
	env.Check()

	lambda.Start(sockets.Handle)
}
