// Command executions is the Lambda function behind /v1/executions and
// /v1/automation, and their pages: it starts approved runbooks, shows what came
// of them, and pauses and resumes all that.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	systems "github.com/aws/aws-sdk-go-v2/service/ssm"

	"pagefree/internal/audit"
	"pagefree/internal/execution"
	"pagefree/internal/execution/target"
	"pagefree/internal/execution/target/ssm"
	"pagefree/internal/incident"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/settings"
	"pagefree/internal/platform/teams"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/executions"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "executions")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	automation := dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}
	ledger := audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}}
	incidents := incident.Store{Table: automation}
	keys := kms.NewFromConfig(cfg)
	nodes := ssm.Target{SSM: systems.NewFromConfig(cfg)}
	service := &execution.Service{
		Recorder: execution.Recorder{
			Store: execution.Store{
				Table: automation, Ephemeral: dynamo.Table{Name: env.Text("EPHEMERAL_TABLE"), DB: db},
				Retention: env.Duration("RETENTION_DAYS", 24*time.Hour),
			},
			Journal: execution.Journal{Audit: ledger, Incidents: incidents},
			Queue:   queue.Queue{URL: env.Text("EXECUTIONS_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
			Now:     time.Now,
		},
		Runbooks: runbook.Store{Table: automation}, Incidents: incidents,
		Nodes: nodes, Trackers: map[string]target.Tracker{runbook.SSM: nodes},
		Hidden:  &secret.Key{ID: env.Text("SECRETS_KEY_ID"), Client: keys},
		Cursors: httpapi.NewCursors(kmsmac.Key{ID: env.Text("DERIVE_KEY_ID"), Client: keys}.Derive),
	}
	desk := executions.Desk{
		Executions: service, Library: &runbook.Service{Store: service.Runbooks}, Incidents: &incident.Desk{Store: incidents},
		Team: func(ctx context.Context, id string) (string, error) {
			name, _, err := teams.Name(ctx, automation, id)
			return name, err
		},
	}
	at := settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse)
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, time.Now))
	execution.Routes(api, service)
	executions.Routes(api, console.New(at, time.Now), desk)
	lambda.Start(httpapi.Lambda(api.Handler(), edge))
}
