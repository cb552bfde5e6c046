// Command tickets is the Lambda function behind /v1/realtime/tickets: it gives
// sessions the tickets that open sockets.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/internal/audit"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/parameter"
	"pagefree/internal/platform/settings"
	"pagefree/internal/realtime"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "tickets")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	named := env.Text("ORIGIN_PARAMETER")
	tickets := &realtime.Tickets{
		Store: realtime.Store{Table: dynamo.Table{Name: env.Text("EPHEMERAL_TABLE"), DB: db}},
		Origin: origin.NewSource(settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse),
			func(ctx context.Context) (string, error) { return parameter.Read(ctx, cfg, named) }),
		Now: time.Now,
	}
	ledger := audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}}
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, time.Now))
	realtime.Routes(api, tickets)
	lambda.Start(httpapi.Lambda(api.Handler(), edge))
}
