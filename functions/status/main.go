// Command status is the Lambda function behind /status: what partners read of
// status pages.
package main

import (
	"os"
	"time"
	_ "time/tzdata" // the function's image has no time zones

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/internal/audit"
	"pagefree/internal/partner"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/settings"
	"pagefree/internal/status"
	"pagefree/internal/web/statuspage"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "status")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	ledger := audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}}
	table := dynamo.Table{Name: env.Text("STATUS_TABLE"), DB: db}
	pages := &statuspage.Pages{
		Door: &partner.Door{
			Store: partner.Store{Table: table},
			Looks: queue.Queue{URL: env.Text("LOOKS_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
			Now:   time.Now,
		},
		Pictures: status.Store{Table: table},
		Cursors:  httpapi.NewCursors(kmsmac.Key{ID: env.Text("DERIVE_KEY_ID"), Client: kms.NewFromConfig(cfg)}.Derive),
		Origin:   settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse),
	}
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, time.Now))
	statuspage.Routes(api, pages)
	lambda.Start(httpapi.Lambda(api.Handler(), edge))
}
