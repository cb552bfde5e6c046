// Command partners is the Lambda function behind /v1/partners and the partners
// of /v1/status-pages: who else may look at a team's pages.
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
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/settings"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/partners"
	"pagefree/internal/web/statuspage"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "partners")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	ledger := audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}}
	ephemeral := dynamo.Table{Name: env.Text("EPHEMERAL_TABLE"), DB: db}
	service := &partner.Service{
		Store: partner.Store{
			Table: dynamo.Table{Name: env.Text("STATUS_TABLE"), DB: db}, Ephemeral: ephemeral, Stops: dynamo.Table{Name: env.Text("IDENTITY_TABLE"), DB: db},
		},
		Audit:   ledger,
		Cursors: httpapi.NewCursors(kmsmac.Key{ID: env.Text("DERIVE_KEY_ID"), Client: kms.NewFromConfig(cfg)}.Derive),
		Mail:    queue.Queue{URL: env.Text("MAIL_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
		Limits:  ratelimit.Limiter{Table: ephemeral, Now: time.Now},
		Now:     time.Now,
	}
	at := settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse)
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, time.Now))
	partner.Routes(api, service)
	statuspage.PartnerPreview(api, service)
	partners.Routes(api, console.New(at, time.Now), at, service)
	lambda.Start(httpapi.Lambda(api.Handler(), edge))
}
