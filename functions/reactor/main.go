// Command reactor is the Lambda function that acts on what came to pass: it
// starts workflows and makes them go on, escalates incidents and hands events
// on to whoever tells people, and what changed on to open sockets; as the automation table's stream tells of them,
// as a delayed message brings what is due now, and each minute whatever was missed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
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
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/settings"
	"pagefree/internal/platform/stream"
	"pagefree/internal/realtime"
	"pagefree/internal/runbook"
	"pagefree/internal/workflow"
	"pagefree/internal/workflow/reactor"
)

// input is a batch of the stream or of the queue, or the event of the schedule.
type input struct {
	Source  string                         `json:"source"`
	Records []struct{ EventSource string } // of a batch, "aws:dynamodb" or "aws:sqs"
}

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "reactor")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	automation := dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}
	ledger := audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}}
	incidents := incident.Store{Table: automation}
	desk := &incident.Desk{Store: incidents, Audit: ledger, Now: time.Now}
	messages := sqs.NewFromConfig(cfg)
	key := &secret.Key{ID: env.Text("SECRETS_KEY_ID"), Client: kms.NewFromConfig(cfg)}
	executions := &execution.Service{
		Recorder: execution.Recorder{
			Store:   execution.Store{Table: automation, Retention: env.Duration("RETENTION_DAYS", 24*time.Hour)},
			Journal: execution.Journal{Audit: ledger, Incidents: incidents},
			Queue:   queue.Queue{URL: env.Text("EXECUTIONS_QUEUE_URL"), Client: messages},
			Now:     time.Now,
		},
		Runbooks: runbook.Store{Table: automation}, Incidents: incidents, Hidden: key,
		Trackers: map[string]target.Tracker{runbook.SSM: ssm.Target{SSM: systems.NewFromConfig(cfg)}},
	}
	live := queue.Queue{URL: env.Text("LIVE_QUEUE_URL"), Client: messages}
	later := queue.Queue{URL: env.Text("REACT_QUEUE_URL"), Client: messages}
	r := &reactor.Reactor{
		Table: automation, Now: time.Now, Incidents: desk,
		Workflows: &workflow.Engine{
			Runs: workflow.Runs{
				Store: workflow.Store{Table: automation, Retention: env.Duration("RUN_RETENTION_DAYS", 24*time.Hour)},
				Audit: ledger, Now: time.Now,
			},
			Desk: desk, Incidents: incidents, Executions: executions, Outcomes: executions.Store,
			Runbooks: executions.Runbooks, Secrets: secret.Resolver{Store: secret.Store{Table: automation}, Key: key},
			Client: safehttp.New(safehttp.Options{Local: settings.LocalEcho(os.Getenv)}),
			Later:  later,
		},
		Notices: queue.Queue{URL: env.Text("NOTIFICATIONS_QUEUE_URL"), Client: messages},
		Later:   later,
	}
	r.Sweeper = due.Sweeper{Table: automation, Lane: due.React, Handle: r.Act, Within: reactor.Within, Now: time.Now, Metrics: os.Stdout}
	env.Check()

	lambda.Start(func(ctx context.Context, raw json.RawMessage) (any, error) {
		var in input
		if err := json.Unmarshal(raw, &in); err != nil {
			return nil, err
		}
		switch {
		case in.Source == "aws.events":
			return nil, r.Sweeper.Sweep(ctx)
		case len(in.Records) == 0:
			return nil, errors.New("neither a batch of the stream or the queue nor the event of a schedule")
		case in.Records[0].EventSource == "aws:sqs":
			var batch events.SQSEvent
			if err := json.Unmarshal(raw, &batch); err != nil {
				return nil, err
			}
			return r.Batch(ctx, batch), nil
		}
		var batch stream.Event
		if err := json.Unmarshal(raw, &batch); err != nil {
			return nil, err
		}
		if changes := realtime.Changes(batch); len(changes) > 0 { // a source of its own, so that no slow step holds them up
			return realtime.Feed(ctx, batch, func(m []realtime.Message) error { return queue.SendAll(ctx, live, m) }), nil
		}
		return r.Stream(ctx, batch), nil
	})
}
