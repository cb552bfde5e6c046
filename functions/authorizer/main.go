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
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/settings"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "authorizer")
	db := dynamodb.NewFromConfig(awscfg.FromEnv(os.Getenv))
	authorizer := &identity.Authorizer{
		Store: identity.Store{
			Identity:  dynamo.Table{Name: env.Text("IDENTITY_TABLE"), DB: db},
			Ephemeral: dynamo.Table{Name: env.Text("EPHEMERAL_TABLE"), DB: db},
		},
		Status:   dynamo.Table{Name: env.Text("STATUS_TABLE"), DB: db},
		Idle:     env.Duration("SESSION_IDLE_MINUTES", time.Minute),
		Site:     settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse).Site(),
		UsageKey: env.Text("USAGE_KEY_API"),
		Partners: env.Text("USAGE_KEY_PARTNER"),
		Nobody:   env.Text("USAGE_KEY_NOBODY"),
		Now:      time.Now,
	}
	env.Check()

	lambda.Start(authorizer.Handle)
}
