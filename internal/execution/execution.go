// Package execution runs approved runbooks: it decides who may start what,
// hands the work to a target at most once, and keeps what came of it.
//
// A trigger is one transaction (execution, idempotency key, due item, audit
// event, timeline entry) and one queue message. The dispatcher claims, checks
// the seal, sends once and records. What is lost in between is found by the
// watchdog through the due items; what nobody can know ends as UNKNOWN.
package execution

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"pagefree/internal/platform/timestamp"
	"pagefree/internal/runbook"
)

// Who started an execution.
const (
	ByPerson   = "manual"
	ByWorkflow = "workflow"
	ByAPI      = "api"
)

// ConfirmWithin is how long an execution waits for its confirmation.
const ConfirmWithin = 15 * time.Minute

// Execution is one run of one approved version.
type Execution struct {
	ID            string          `dynamodbav:"id"`
	RunbookID     string          `dynamodbav:"runbookId"`
	RunbookName   string          `dynamodbav:"runbookName"`
	VersionUsed   int             `dynamodbav:"versionUsed"`
	TeamID        string          `dynamodbav:"teamId,omitempty"` // "" for a global runbook without an incident, run by somebody of several teams
	IncidentID    *string         `dynamodbav:"incidentId"`
	TriggeredBy   string          `dynamodbav:"triggeredBy"`
	TriggeredByID string          `dynamodbav:"triggeredById"`
	Status        Status          `dynamodbav:"status"`
	Parameters    string          `dynamodbav:"parameters"` // JSON object of typed values; those of Secret are masked once it is final
	Secret        []string        `dynamodbav:"secret,omitempty"`
	Target        runbook.Target  `dynamodbav:"target"`
	Timeout       int             `dynamodbav:"timeoutSeconds"`
	Attempt       int             `dynamodbav:"attempt"`
	MaxAttempts   int             `dynamodbav:"maxAttempts"`
	ExitCode      *int            `dynamodbav:"exitCode"`
	Error         *string         `dynamodbav:"error"`
	Reason        *string         `dynamodbav:"reason"` // why it waits or was cancelled
	ConfirmedByID *string         `dynamodbav:"confirmedById"`
	CreatedAt     timestamp.Time  `dynamodbav:"createdAt"`
	StartedAt     *timestamp.Time `dynamodbav:"startedAt"`
	CompletedAt   *timestamp.Time `dynamodbav:"completedAt"`

	Nonce string         `dynamodbav:"nonce,omitempty"` // of the claim: only its holder records an outcome
	DueAt timestamp.Time `dynamodbav:"dueAt"`           // when the watchdog looks at it, zero once final
	Rev   int64          `dynamodbav:"rev"`
}

// Output is what a run wrote, kept beside the execution so that lists stay cheap.
type Output struct {
	Stdout          string `dynamodbav:"stdout"`
	Stderr          string `dynamodbav:"stderr"`
	StdoutTruncated bool   `dynamodbav:"stdoutTruncated"`
	StderrTruncated bool   `dynamodbav:"stderrTruncated"`
}

// View is an execution as the HTTP contract shows it.
type View struct {
	ID              string          `json:"id"`
	RunbookID       string          `json:"runbookId"`
	RunbookName     string          `json:"runbookName"`
	VersionUsed     int             `json:"versionUsed"`
	IncidentID      *string         `json:"incidentId"`
	TriggeredBy     string          `json:"triggeredBy" enum:"manual,workflow,api"`
	TriggeredByID   string          `json:"triggeredById"`
	Status          Status          `json:"status" enum:"AWAITING_CONFIRMATION,PENDING,RUNNING,COMPLETED,FAILED,TIMEOUT,CANCELLED,UNKNOWN"`
	Parameters      map[string]any  `json:"parameters"`
	Target          runbook.Target  `json:"target"`
	Attempt         int             `json:"attempt"`
	MaxAttempts     int             `json:"maxAttempts"`
	ExitCode        *int            `json:"exitCode"`
	Stdout          *string         `json:"stdout,omitempty" doc:"at most 65,536 bytes; lists leave it out"`
	Stderr          *string         `json:"stderr,omitempty" doc:"at most 65,536 bytes; lists leave it out"`
	StdoutTruncated bool            `json:"stdoutTruncated"`
	StderrTruncated bool            `json:"stderrTruncated"`
	Error           *string         `json:"error"`
	Reason          *string         `json:"reason,omitempty"`
	CreatedAt       timestamp.Time  `json:"createdAt"`
	StartedAt       *timestamp.Time `json:"startedAt"`
	CompletedAt     *timestamp.Time `json:"completedAt"`
	Warnings        []string        `json:"warnings,omitempty" doc:"what a trigger says of the runbook, such as that it is deprecated"`

	deprecation string
}

// masked is what stands for the value of a secret parameter, everywhere.
const masked = "***"

// view shows an execution; out is nil in lists.
func (e Execution) view(out *Output) View {
	v := View{
		ID: e.ID, RunbookID: e.RunbookID, RunbookName: e.RunbookName, VersionUsed: e.VersionUsed, IncidentID: e.IncidentID,
		TriggeredBy: e.TriggeredBy, TriggeredByID: e.TriggeredByID, Status: e.Status, Parameters: map[string]any{}, Target: e.Target,
		Attempt: e.Attempt, MaxAttempts: e.MaxAttempts, ExitCode: e.ExitCode, Error: e.Error, Reason: e.Reason,
		CreatedAt: e.CreatedAt, StartedAt: e.StartedAt, CompletedAt: e.CompletedAt,
	}
	json.Unmarshal([]byte(e.withoutSecrets()), &v.Parameters) // written by us
	if out != nil {
		v.Stdout, v.Stderr = &out.Stdout, &out.Stderr
		v.StdoutTruncated, v.StderrTruncated = out.StdoutTruncated, out.StderrTruncated
	}
	return v
}

// withoutSecrets are the parameters with the secret ones masked.
func (e Execution) withoutSecrets() string {
	values := map[string]any{}
	if len(e.Secret) == 0 || json.Unmarshal([]byte(e.Parameters), &values) != nil {
		return e.Parameters
	}
	for _, name := range e.Secret {
		if _, set := values[name]; set {
			values[name] = masked
		}
	}
	raw, err := encode(values)
	if err != nil { // it was JSON a moment ago
		return "{}"
	}
	return raw
}

// encode is JSON as it is stored, without a longer form for <, > and &.
func encode(values map[string]any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(values)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// outcome is how a run ended: the next status and what goes with it.
type outcome struct {
	Status   Status
	ExitCode *int
	Error    string
	Output   Output
}

// claim moves a pending execution to RUNNING under a nonce.
func (e Execution) claim(nonce string, now time.Time, dueAt time.Time) (Execution, error) {
	if err := allow(e.Status, Running); err != nil {
		return Execution{}, err
	}
	e.Status, e.Nonce, e.Rev = Running, nonce, e.Rev+1
	e.StartedAt = timestamp.Ptr(now)
	e.DueAt = timestamp.Of(dueAt)
	return e, nil
}

// finish moves an execution to a final status.
func (e Execution) finish(o outcome, now time.Time) (Execution, error) {
	if err := allow(e.Status, o.Status); err != nil {
		return Execution{}, err
	}
	if !o.Status.Final() {
		return Execution{}, fmt.Errorf("finish with %s, which is not final", o.Status)
	}
	e.Status, e.ExitCode, e.Rev = o.Status, o.ExitCode, e.Rev+1
	if o.Error != "" {
		e.Error = &o.Error
	}
	e.CompletedAt = timestamp.Ptr(now)
	e.DueAt = timestamp.Time{}
	e.Parameters = e.withoutSecrets() // nobody needs them any more
	return e, nil
}

// confirm moves a waiting execution to PENDING.
func (e Execution) confirm(by string, now, dueAt time.Time) (Execution, error) {
	if err := allow(e.Status, Pending); err != nil {
		return Execution{}, err
	}
	e.Status, e.ConfirmedByID, e.Reason, e.Rev = Pending, &by, nil, e.Rev+1
	e.DueAt = timestamp.Of(dueAt)
	return e, nil
}
