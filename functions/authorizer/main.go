// Command authorizer is the Lambda function in front of every route with a
// credential: it tells API Gateway, and the functions behind it, who is calling.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/internal/identity"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/settings"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "authorizer")
	db := dynamodb.NewFromConfig(awscfg.FromEnv(os.Getenv))
	ephemeral := dynamo.Table{Name: env.Text("EPHEMERAL_TABLE"), DB: db}
	rates, meter := ratelimit.NewLeases(ephemeral, env.Duration("COUNT_WITHIN_MS", time.Millisecond)), &ratelimit.Meter{Out: os.Stdout, Now: time.Now}
	authorizer := &identity.Authorizer{
		Store: identity.Store{
			Identity:  dynamo.Table{Name: env.Text("IDENTITY_TABLE"), DB: db},
			Ephemeral: ephemeral,
		},
		Status:   dynamo.Table{Name: env.Text("STATUS_TABLE"), DB: db},
		Idle:     env.Duration("SESSION_IDLE_MINUTES", time.Minute),
		Site:     settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse).Site(),
		UsageKey: env.Text("USAGE_KEY_API"),
		Partners: env.Text("USAGE_KEY_PARTNER"),
		Nobody:   env.Text("USAGE_KEY_NOBODY"),
		Limited:  env.Text("USAGE_KEY_LIMITED"),
		Edge:     settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge),
		Tiers: identity.Tiers{
			Staff:   settings.Parsed(env, "API_LIMITS", ratelimit.Parse).Open("api", rates, meter),
			Partner: settings.Parsed(env, "PARTNER_LIMITS", ratelimit.Parse).Open("partner", rates, meter),
			Public:  ratelimit.Limits{Source: settings.Parsed(env, "PUBLIC_LIMIT", ratelimit.ParseOne)}.Open("public", rates, meter),
		},
		Now: time.Now,
	}
	env.Check()

	lambda.Start(authorizer.Handle)
}
