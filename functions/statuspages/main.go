// Command statuspages is the Lambda function behind /v1/status-pages: what
// staff do with pages, components, incidents and maintenances.
package main

import (
	"context"
	"os"
	"time"
	_ "time/tzdata" // the function's image has no time zones

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/internal/audit"
	"pagefree/internal/incident"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/settings"
	"pagefree/internal/platform/teams"
	"pagefree/internal/status"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/statuspages"
	"pagefree/internal/web/statuspage"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "statuspages")
	cfg := awscfg.FromEnv(os.Getenv)
	db := dynamodb.NewFromConfig(cfg)
	ledger := audit.Log{Table: dynamo.Table{Name: env.Text("AUDIT_TABLE"), DB: db}}
	automation := dynamo.Table{Name: env.Text("AUTOMATION_TABLE"), DB: db}
	service := &status.Service{
		Store:     status.Store{Table: dynamo.Table{Name: env.Text("STATUS_TABLE"), DB: db}},
		Audit:     ledger,
		Cursors:   httpapi.NewCursors(kmsmac.Key{ID: env.Text("DERIVE_KEY_ID"), Client: kms.NewFromConfig(cfg)}.Derive),
		Teams:     directory{automation},
		Services:  services{incident.Store{Table: automation}},
		Incidents: responders{incident.Store{Table: automation}},
		Notices:   queue.Queue{URL: env.Text("PAGE_MAIL_QUEUE_URL"), Client: sqs.NewFromConfig(cfg)},
		Now:       time.Now,
	}
	at := settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse)
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, time.Now))
	status.Routes(api, service)
	statuspage.StaffPreview(api, service)
	statuspages.Routes(api, console.New(at, time.Now), at, service, directory{automation}.Name)
	lambda.Start(httpapi.Lambda(api.Handler(), edge))
}

// directory is the team names beside the automation data.
type directory struct{ automation dynamo.Table }

// Name is what a team is called.
func (d directory) Name(ctx context.Context, teamID string) (string, bool, error) {
	return teams.Name(ctx, d.automation, teamID)
}

func (d directory) Exists(ctx context.Context, teamID string) (bool, error) {
	_, found, err := teams.Name(ctx, d.automation, teamID)
	return found, err
}

// services are those of teams, as far as a page's staff need them.
type services struct{ incident.Store }

func (s services) Of(ctx context.Context, teamID string) ([]status.Named, error) {
	list, err := s.ServicesOf(ctx, teamID)
	out := make([]status.Named, len(list))
	for n, one := range list {
		out[n] = status.Named{ID: one.ID, Name: one.Name}
	}
	return out, err
}

// responders are the incidents that the team works on, as far as a page's staff need them.
type responders struct{ incidents incident.Store }

func (r responders) Incident(ctx context.Context, incidentID string) (status.Internal, bool, error) {
	i, found, err := r.incidents.Incident(ctx, incidentID)
	return internal(i), found, err
}

func (r responders) Open(ctx context.Context, serviceIDs []string) ([]status.Internal, error) {
	open, err := r.incidents.Open(ctx, serviceIDs)
	out := make([]status.Internal, len(open))
	for n, i := range open {
		out[n] = internal(i)
	}
	return out, err
}

// impacts are what readers would be told of a severity.
var impacts = map[incident.Severity]status.Impact{
	incident.Critical: status.ImpactCritical, incident.High: status.ImpactMajor, incident.Medium: status.ImpactMinor, incident.Low: status.ImpactMinor,
}

func internal(i incident.Incident) status.Internal {
	return status.Internal{ID: i.ID, TeamID: i.TeamID, ServiceID: i.ServiceID, Title: i.Title, Impact: impacts[i.Severity]}
}
