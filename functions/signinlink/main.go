// Command signinlink is the Lambda function for the day that mail does not
// work: who may invoke it by IAM gets a link that signs a person in.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/internal/audit"
	"pagefree/internal/identity"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/parameter"
	"pagefree/internal/platform/settings"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "signinlink")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	named := env.Text("ORIGIN_PARAMETER")
	links := &identity.Links{
		Store: identity.Store{
			Identity:  dynamo.Table{Name: env.Text("IDENTITY_TABLE"), DB: db},
			Ephemeral: dynamo.Table{Name: env.Text("EPHEMERAL_TABLE"), DB: db},
		},
		Audit:      audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}},
		FirstAdmin: settings.Parsed(env, "FIRST_ADMIN_EMAIL", identity.Normalize),
		Origin: origin.NewSource(settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse),
			func(ctx context.Context) (string, error) { return parameter.Read(ctx, cfg, named) }),
		Now: time.Now,
	}
	env.Check()

	lambda.Start(links.ForOperator)
}
