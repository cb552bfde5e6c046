// Command signin is the Lambda function behind /signin and /v1/auth: it asks
// for links, opens sessions and ends them.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/internal/audit"
	"pagefree/internal/identity"
	"pagefree/internal/partner"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/settings"
	"pagefree/internal/web/signin"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "signin")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	ephemeral := dynamo.Table{Name: env.Text("EPHEMERAL_TABLE"), DB: db}
	ledger := audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}}
	sessions := &identity.SignIn{
		Store:    identity.Store{Identity: dynamo.Table{Name: env.Text("IDENTITY_TABLE"), DB: db}, Ephemeral: ephemeral},
		Partners: partner.Directory{Store: partner.Store{Table: dynamo.Table{Name: env.Text("STATUS_TABLE"), DB: db}}},
		Audit:    ledger,
		Limiter:  ratelimit.Limiter{Table: ephemeral, Now: time.Now},
		Outbox:   queue.Queue{URL: env.Text("MAIL_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
		Rates:    &ratelimit.Leases{Table: ephemeral, Now: time.Now, Within: 2 * time.Second},
		Ceiling:  ratelimit.Limit{Burst: env.Number("SIGNIN_CEILING"), Period: 15 * time.Minute},
		Count:    func(metric string, n int) { log.Count(os.Stdout, time.Now(), metric, n) },
		Lifetime: env.Duration("SESSION_LIFETIME_HOURS", time.Hour),
		Now:      time.Now,
	}
	at := settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse)
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	rates := ratelimit.Limits{Source: settings.Parsed(env, "SIGNIN_LIMIT", ratelimit.ParseOne)}.Open("signin", ratelimit.NewLeases(ephemeral, env.Duration("COUNT_WITHIN_MS", time.Millisecond)), &ratelimit.Meter{Out: os.Stdout, Now: time.Now})
	env.Check()

	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, time.Now))
	identity.AuthRoutes(api, sessions)
	signin.Routes(api, sessions, at)
	lambda.Start(httpapi.Lambda(api.Handler(), edge, httpapi.BySource(rates)))
}
