package execution

import (
	"encoding/json"
	"time"

	"pagefree/internal/execution/target"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/runbook"
)

// View is an execution as the HTTP contract shows it.
type View struct {
	ID                string              `json:"id"`
	RunbookID         string              `json:"runbookId"`
	RunbookName       string              `json:"runbookName"`
	VersionUsed       int                 `json:"versionUsed"`
	IncidentID        *string             `json:"incidentId"`
	TriggeredBy       string              `json:"triggeredBy" enum:"manual,workflow,api"`
	TriggeredByID     string              `json:"triggeredById"`
	Status            Status              `json:"status" enum:"AWAITING_CONFIRMATION,PENDING,RUNNING,COMPLETED,FAILED,TIMEOUT,CANCELLED,UNKNOWN"`
	Parameters        map[string]any      `json:"parameters"`
	Target            runbook.Target      `json:"target"`
	Attempt           int                 `json:"attempt"`
	MaxAttempts       int                 `json:"maxAttempts"`
	Attempts          []Attempt           `json:"attempts,omitempty" doc:"what became of each try, where there was more than one; requests that never left are among them"`
	ExitCode          *int                `json:"exitCode"`
	Stdout            *string             `json:"stdout,omitempty" doc:"at most 65,536 bytes; lists leave it out"`
	Stderr            *string             `json:"stderr,omitempty" doc:"at most 65,536 bytes; lists leave it out"`
	StdoutTruncated   bool                `json:"stdoutTruncated"`
	StderrTruncated   bool                `json:"stderrTruncated"`
	Invocations       []target.Invocation `json:"invocations,omitempty" doc:"of several nodes, one each"`
	Error             *string             `json:"error"`
	Reason            *string             `json:"reason,omitempty" doc:"why it waits, or was cancelled"`
	ConfirmedByID     *string             `json:"confirmedById,omitempty"`
	WorkflowRunID     string              `json:"workflowRunId,omitempty" doc:"of the workflow's run that started it"`
	External          []string            `json:"externalParameters,omitempty" doc:"parameters whose values came from outside, with an alert"`
	CancelRequestedAt *timestamp.Time     `json:"cancelRequestedAt,omitempty" doc:"somebody wants it to stop; how it ended is its status"`
	CreatedAt         timestamp.Time      `json:"createdAt"`
	StartedAt         *timestamp.Time     `json:"startedAt"`
	CompletedAt       *timestamp.Time     `json:"completedAt"`
	Warnings          []string            `json:"warnings,omitempty" doc:"what a trigger says of the runbook, such as that it is deprecated"`

	deprecation string
	teamID      string
	timeout     int
	tries       []Attempt
}

// Team is whose execution it is, "" for one that belongs to no team.
func (v View) Team() string { return v.teamID }

// Limit is how long an attempt may take.
func (v View) Limit() time.Duration { return time.Duration(v.timeout) * time.Second }

// Tries are all attempts, the only one too.
func (v View) Tries() []Attempt { return v.tries }

// view shows an execution; out is nil in lists.
func (e Execution) view(out *Output) View {
	v := View{
		ID: e.ID, RunbookID: e.RunbookID, RunbookName: e.RunbookName, VersionUsed: e.VersionUsed, IncidentID: e.IncidentID,
		TriggeredBy: e.TriggeredBy, TriggeredByID: e.TriggeredByID, Status: e.Status, Parameters: map[string]any{}, Target: e.Target,
		Attempt: e.Attempt, MaxAttempts: e.MaxAttempts, ExitCode: e.ExitCode, Error: e.Error, Reason: e.Reason,
		Invocations: e.Invocations, ConfirmedByID: e.ConfirmedByID, CancelRequestedAt: e.CancelRequestedAt,
		WorkflowRunID: e.RunID, External: e.External, CreatedAt: e.CreatedAt, StartedAt: e.StartedAt, CompletedAt: e.CompletedAt,
		teamID: e.TeamID, timeout: e.Timeout, tries: e.Attempts,
	}
	if len(e.Attempts) > 1 {
		v.Attempts = e.Attempts
	}
	if json.Unmarshal([]byte(e.withoutSecrets()), &v.Parameters); v.Parameters == nil { // somebody wrote to the table
		v.Parameters = map[string]any{}
	}
	if out != nil {
		v.Stdout, v.Stderr = &out.Stdout, &out.Stderr
		v.StdoutTruncated, v.StderrTruncated = out.StdoutTruncated, out.StderrTruncated
	}
	return v
}

// Preview is what a trigger would run.
type Preview struct {
	Parameters map[string]any `json:"parameters"`
	Script     string         `json:"script"`
	Target     runbook.Target `json:"target"`
	Version    int            `json:"version"`
	Nodes      []target.Node  `json:"nodes,omitempty" doc:"of an ssm target: where it would run"`
	Warnings   []string       `json:"warnings,omitempty" doc:"such as that the runbook is deprecated"`

	deprecation string
}
