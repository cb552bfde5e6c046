package incident

import (
	"strings"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/timestamp"
)

// Kinds of timeline entry.
const (
	EntryCreated      = "created"
	EntryAlert        = "alert" // an alert with the same dedup key was folded in
	EntryUpdated      = "updated"
	EntryAcknowledged = "acknowledged"
	EntryResolved     = "resolved"
	EntryReopened     = "reopened"
	EntryEscalated    = "escalated"
	EntryNote         = "note"
	EntryExecution    = "execution" // a runbook's execution changed its status
	EntryStep         = "step"      // a workflow did a step
)

// Entry is one line of an incident's timeline: who did what, and when.
type Entry struct {
	ID          string         `json:"id" dynamodbav:"id"`
	At          timestamp.Time `json:"at" dynamodbav:"at"`
	Kind        string         `json:"kind" dynamodbav:"kind" enum:"created,alert,updated,acknowledged,resolved,reopened,escalated,note,execution,step"`
	Actor       audit.Ref      `json:"actor" dynamodbav:"actor"`
	Text        string         `json:"text" dynamodbav:"text" doc:"the note, or a sentence for people; may be empty"`
	ExecutionID *string        `json:"executionId" dynamodbav:"executionId" doc:"of an execution's entries"`
	RunID       *string        `json:"workflowRunId,omitempty" dynamodbav:"workflowRunId,omitempty" doc:"of a workflow's entries"`
	StepID      *string        `json:"stepId,omitempty" dynamodbav:"stepId,omitempty" doc:"of the entry of a workflow's step"`
	Status      string         `json:"status" dynamodbav:"status" doc:"what the incident or the execution became; empty where nothing changed"`
	Detail      map[string]any `json:"detail" dynamodbav:"detail" nullable:"false"`
}

type entryItem struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
	Entry
}

const entryPrefix = "tl#"

// Append is the write of a timeline entry, for the transaction of its cause.
// Without an ID the entry gets one from its time. With an ID of its own, such
// as one derived from the cause, it can be written once only: the write's
// condition fails when the entry is already there.
func (s Store) Append(incidentID string, e Entry) dynamo.Op {
	if e.ID == "" {
		e.ID = id.New(id.Timeline, e.At.Time)
	}
	if e.Detail == nil {
		e.Detail = map[string]any{}
	}
	return s.Table.Create(entryItem{PK: incidentPK(incidentID), SK: entrySK(e.ID), Entry: e})
}

func entrySK(entryID string) string {
	return entryPrefix + strings.TrimPrefix(entryID, id.Timeline+"_")
}
