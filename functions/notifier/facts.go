package main

import (
	"context"
	"errors"

	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/notify"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
)

// facts are what notifications say, out of the rooms that know it.
type facts struct{ automation dynamo.Table }

func (f facts) Incident(ctx context.Context, incidentID string) (notify.Incident, bool, error) {
	store := incident.Store{Table: f.automation}
	i, found, err := store.Incident(ctx, incidentID)
	if err != nil || !found {
		return notify.Incident{}, false, err
	}
	service, _, err := store.Service(ctx, i.ServiceID)
	return notify.Incident{ID: i.ID, Title: i.Title, Severity: string(i.Severity), Status: string(i.Status), Service: service.Name}, true, err
}

func (f facts) Execution(ctx context.Context, executionID string, output bool) (notify.Execution, bool, error) {
	store := execution.Store{Table: f.automation}
	e, found, err := store.Execution(ctx, executionID)
	if err != nil || !found {
		return notify.Execution{}, false, err
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	out := notify.Execution{
		ID: e.ID, Runbook: e.RunbookName, Status: string(e.Status), Error: e.Told(), Reason: text(e.Reason), IncidentID: text(e.IncidentID),
	}
	if !output {
		return out, true, nil
	}
	out.Error = text(e.Error)
	wrote, err := store.Output(ctx, e.ID, e.Attempt)
	out.Stdout, out.Stderr, out.StdoutCut, out.StderrCut = wrote.Stdout, wrote.Stderr, wrote.StdoutTruncated, wrote.StderrTruncated
	return out, true, err
}

func (f facts) Version(ctx context.Context, runbookID string, n int) (notify.Version, bool, error) {
	store := runbook.Store{Table: f.automation}
	r, err := store.Runbook(ctx, runbookID)
	if err != nil {
		return notify.Version{}, false, missing(err)
	}
	v, err := store.Version(ctx, runbookID, n)
	if err != nil {
		return notify.Version{}, false, missing(err)
	}
	out := notify.Version{Runbook: r.Name, Waits: v.Status == runbook.PendingReview, Author: v.CreatedByID}
	if v.SubmittedByID != nil {
		out.Submitter = *v.SubmittedByID
	}
	return out, true, nil
}

// missing is nil for what does not exist.
func missing(err error) error {
	if errors.Is(err, problem.Missing()) {
		return nil
	}
	return err
}
