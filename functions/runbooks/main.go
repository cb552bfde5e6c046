// Command runbooks is the Lambda function behind /v1/runbooks, /v1/reviews,
// /v1/targets and /v1/secrets, and the pages of the same names below /console:
// the library of what may run, and where, and its review.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	invoke "github.com/aws/aws-sdk-go-v2/service/lambda"
	systems "github.com/aws/aws-sdk-go-v2/service/ssm"

	"pagefree/internal/audit"
	"pagefree/internal/execution/target/sandbox"
	"pagefree/internal/execution/target/ssm"
	"pagefree/internal/incident"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/settings"
	"pagefree/internal/platform/teams"
	"pagefree/internal/runbook"
	"pagefree/internal/runbook/vault"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/runbooks"
)

// checker parses scripts in the sandbox that would run them.
type checker struct{ sandbox.Client }

func (c checker) Check(ctx context.Context, language, script string) (runbook.Check, error) {
	found, err := c.Client.Check(ctx, sandbox.Language(language), script)
	return runbook.Check{OK: found.OK, Line: found.Line, Message: found.Message}, err
}

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "runbooks")
	cfg := awscfg.FromEnv(os.Getenv)
	db, keys := dynamodb.NewFromConfig(cfg), kms.NewFromConfig(cfg)
	automation := dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}
	ledger := audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}}
	cursors := httpapi.NewCursors(kmsmac.Key{ID: env.Text("DERIVE_KEY_ID"), Client: keys}.Derive)
	service := &runbook.Service{
		Store:    runbook.Store{Table: automation},
		Services: incident.Store{Table: automation},
		Checker: checker{sandbox.Client{Invoke: invoke.NewFromConfig(cfg), Functions: map[sandbox.Language]string{
			sandbox.Bash:       env.Text("SANDBOX_BASH_FUNCTION"),
			sandbox.Python:     env.Text("SANDBOX_PYTHON_FUNCTION"),
			sandbox.JavaScript: env.Text("SANDBOX_JAVASCRIPT_FUNCTION"),
		}}},
		Documents: ssm.Publisher{SSM: systems.NewFromConfig(cfg), Prefix: env.Text("DOCUMENT_PREFIX")},
		Seal:      kmsmac.Key{ID: env.Text("SEAL_KEY_ID"), Client: keys},
		Cursors:   cursors,
		Audit:     ledger,
		Now:       time.Now,
		CheckURL:  safehttp.New(safehttp.Options{Local: settings.LocalEcho(os.Getenv)}).Check,
		Targets:   []string{runbook.Sandbox, runbook.SSM, runbook.Webhook, runbook.Named},
	}
	secrets := &vault.Service{
		Store:   secret.Store{Table: automation},
		Key:     &secret.Key{ID: env.Text("SECRETS_KEY_ID"), Client: keys},
		Cursors: cursors,
		Audit:   ledger,
		Now:     time.Now,
	}
	desk := &incident.Desk{Store: incident.Store{Table: automation}, Audit: ledger, Cursors: cursors, Now: time.Now} // pages name services
	at := settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse)
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, time.Now))
	runbook.Routes(api, service)
	vault.Routes(api, secrets)
	runbooks.Routes(api, console.New(at, time.Now), runbooks.Rooms{
		Library: service, Vault: secrets, Services: desk,
		TeamName: func(ctx context.Context, teamID string) (string, bool, error) {
			return teams.Name(ctx, automation, teamID)
		},
	})
	lambda.Start(httpapi.Lambda(api.Handler(), edge))
}
