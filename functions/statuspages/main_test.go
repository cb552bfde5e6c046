package main

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/awstest"
	"pagefree/internal/audit"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/teams"
	"pagefree/internal/status"
)

// TestWhatItKnowsOfOtherRooms: with the function's own rights, and no others.
func TestWhatItKnowsOfOtherRooms(t *testing.T) {
	t.Parallel()
	env := awstest.New(t)
	all := dynamo.Table{Name: env.Table("AutomationTable"), DB: dynamodb.NewFromConfig(env.Config)}
	own := dynamo.Table{Name: all.Name, DB: dynamodb.NewFromConfig(env.ConfigOf("StatusPagesFunction"))}
	team := id.New(id.Team, time.Now())
	if err := dynamo.Commit(t.Context(), all.DB, teams.Put(all, team, "Ours")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{team: true, id.New(id.Team, time.Now()): false} {
		if got, err := (directory{own}).Exists(t.Context(), name); got != want || err != nil {
			t.Errorf("team %s: %v, %v", name, got, err)
		}
	}

	desk := &incident.Desk{Store: incident.Store{Table: all}, Audit: audit.Log{Table: dynamo.Table{Name: env.Table("AuditTable"), DB: all.DB}}, Now: time.Now}
	ctx := principal.With(context.Background(), principal.Principal{Kind: principal.User, ID: "usr_x", UserID: "usr_x", Teams: map[string]principal.Role{team: principal.TeamAdmin}})
	service, err := desk.CreateService(ctx, incident.NewService{Name: "Checkout", TeamID: team})
	if err != nil {
		t.Fatal(err)
	}
	open := map[incident.Severity]status.Impact{
		incident.Critical: status.ImpactCritical, incident.High: status.ImpactMajor, incident.Medium: status.ImpactMinor, incident.Low: status.ImpactMinor,
	}
	var over string
	for severity := range open {
		if _, _, err := desk.Create(ctx, incident.NewIncident{Title: "x", Severity: severity, ServiceID: service.ID}); err != nil {
			t.Fatal(err)
		}
	}
	i, _, err := desk.Create(ctx, incident.NewIncident{Title: "Over", Severity: incident.High, ServiceID: service.ID})
	if err == nil {
		over = i.ID
		_, err = desk.Resolve(ctx, over, "")
	}
	if err != nil {
		t.Fatal(err)
	}

	mine := responders{incident.Store{Table: own}}
	if got, found, err := mine.incidents.TeamOf(t.Context(), service.ID); got != team || !found || err != nil {
		t.Errorf("the service is of %q, %v", got, err)
	}
	if got, found, err := mine.Incident(t.Context(), over); got.TeamID != team || got.Title != "Over" || !found || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	named, err := (services{incident.Store{Table: own}}).Of(t.Context(), team)
	if err != nil || len(named) != 1 || named[0] != (status.Named{ID: service.ID, Name: "Checkout"}) {
		t.Errorf("services: %+v, %v", named, err)
	}
	if name, found, err := (directory{own}).Name(t.Context(), team); name != "Ours" || !found || err != nil {
		t.Errorf("the team is called %q, %v", name, err)
	}
	list, err := mine.Open(t.Context(), []string{service.ID, id.New(id.Service, time.Now())})
	if err != nil || len(list) != len(open) {
		t.Fatalf("open: %+v, %v", list, err)
	}
	impacts := map[status.Impact]int{}
	for _, i := range list {
		impacts[i.Impact]++
		if i.ID == over || i.ServiceID != service.ID {
			t.Errorf("open: %+v", i)
		}
	}
	if impacts[status.ImpactCritical] != 1 || impacts[status.ImpactMajor] != 1 || impacts[status.ImpactMinor] != 2 {
		t.Errorf("impacts %v", impacts)
	}
	if err := dynamo.Commit(t.Context(), own.DB, teams.Put(own, id.New(id.Team, time.Now()), "Not ours")); err == nil {
		t.Error("it may write into the automation table")
	}
}
