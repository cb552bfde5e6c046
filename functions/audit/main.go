// Command audit is the Lambda function behind /v1/audit and its pages: it shows and
// exports the record, and cannot change it.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/internal/audit"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/kmssign"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/settings"
	"pagefree/internal/web/console"
	record "pagefree/internal/web/console/audit"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "audit")
	cfg := awscfg.FromEnv(os.Getenv)
	keys := kms.NewFromConfig(cfg)
	table := dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: dynamodb.NewFromConfig(cfg)}
	signing := kmssign.Key{ID: env.Text("AUDIT_KEY_ID"), Client: keys}
	reader := &audit.Reader{
		Table:   table,
		Cursors: httpapi.NewCursors(kmsmac.Key{ID: env.Text("DERIVE_KEY_ID"), Client: keys}.Derive),
		KeyID:   signing.ID,
		Public:  signing.Public,
	}
	at := settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse)
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	api.OnDenied(audit.Denials(audit.Log{Table: table}, time.Now))
	audit.Routes(api, reader)
	record.Routes(api, console.New(at, time.Now), reader)
	lambda.Start(httpapi.Lambda(api.Handler(), edge))
}
