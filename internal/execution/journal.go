package execution

import (
	"context"
	"fmt"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/timestamp"
)

// Journal is where the steps of an execution are told of: the audit trail, and
// the timeline of its incident.
type Journal struct {
	Audit     audit.Log
	Incidents incident.Store
}

// tell returns the writes that record a step, for the transaction of the step.
func (j Journal) tell(ctx context.Context, e Execution, now time.Time, what string, detail map[string]any) []dynamo.Op {
	if e.IncidentID != nil {
		detail["incidentId"] = *e.IncidentID
	}
	ops := []dynamo.Op{j.Audit.Record(ctx, now, audit.Entry{
		Type: what, Subject: audit.Ref{Kind: "execution", ID: e.ID}, TeamID: e.TeamID, Detail: detail, Outcome: auditOutcome(e.Status),
	})}
	if e.IncidentID == nil {
		return ops
	}
	return append(ops, j.Incidents.Append(*e.IncidentID, incident.Entry{
		ID: id.New(id.Timeline, now), At: timestamp.Of(now), Kind: "execution", Actor: audit.ActorOf(ctx),
		Text: fmt.Sprintf("%s: %s", e.RunbookName, e.Status), ExecutionID: &e.ID, Status: string(e.Status),
	}))
}

func auditOutcome(s Status) string {
	switch s {
	case StatusFailed, Timeout, Unknown:
		return audit.Failed
	}
	return audit.Succeeded
}
