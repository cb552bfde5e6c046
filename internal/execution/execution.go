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
	"strings"
	"time"

	"pagefree/internal/execution/target"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
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
	ID                string              `dynamodbav:"id"`
	RunbookID         string              `dynamodbav:"runbookId"`
	RunbookName       string              `dynamodbav:"runbookName"`
	VersionUsed       int                 `dynamodbav:"versionUsed"`
	Sequence          int64               `dynamodbav:"sequence"`         // of the runbook's pointer when it was triggered
	TeamID            string              `dynamodbav:"teamId,omitempty"` // "" for a global runbook without an incident, run by somebody of several teams
	ServiceID         string              `dynamodbav:"serviceId,omitempty"`
	IncidentID        *string             `dynamodbav:"incidentId"`
	TriggeredBy       string              `dynamodbav:"triggeredBy"`
	TriggeredByID     string              `dynamodbav:"triggeredById"`
	Status            Status              `dynamodbav:"status"`
	Parameters        string              `dynamodbav:"parameters"` // JSON object of typed values; those of Secret are masked
	Secret            []string            `dynamodbav:"secret,omitempty"`
	Hidden            []byte              `dynamodbav:"hiddenValues,omitempty"` // the values of Secret, encrypted, until it is final
	Target            runbook.Target      `dynamodbav:"target"`                 // a named one until the claim, then what it stands for
	Timeout           int                 `dynamodbav:"timeoutSeconds"`
	Attempt           int                 `dynamodbav:"attempt"` // from 1
	MaxAttempts       int                 `dynamodbav:"maxAttempts"`
	Attempts          []Attempt           `dynamodbav:"attempts"`
	ExitCode          *int                `dynamodbav:"exitCode"`
	Error             *string             `dynamodbav:"error"`
	Reason            *string             `dynamodbav:"reason"` // why it waits or was cancelled
	Invocations       []target.Invocation `dynamodbav:"invocations"`
	ConfirmedByID     *string             `dynamodbav:"confirmedById"`
	CancelRequestedAt *timestamp.Time     `dynamodbav:"cancelRequestedAt"`
	CancelledByID     *string             `dynamodbav:"cancelledById"`
	CreatedAt         timestamp.Time      `dynamodbav:"createdAt"`
	StartedAt         *timestamp.Time     `dynamodbav:"startedAt"`
	CompletedAt       *timestamp.Time     `dynamodbav:"completedAt"`

	RunID      string     `dynamodbav:"workflowRunId,omitempty"` // of the workflow that started it
	StepID     string     `dynamodbav:"stepId,omitempty"`
	Unattended trust.Risk `dynamodbav:"unattended,omitempty"` // of a run: the highest risk that what set it off may start by itself
	Depth      int        `dynamodbav:"depth,omitempty"`      // how many workflows stand behind it
	External   []string   `dynamodbav:"external,omitempty"`   // parameters whose values came from outside

	Nonce    string         `dynamodbav:"nonce,omitempty"` // of the claim: only its holder records an outcome
	Slot     string         `dynamodbav:"slot,omitempty"`  // that it holds while it runs, of its runbook's
	Waiting  bool           `dynamodbav:"waiting"`         // for a slot
	Unsent   int            `dynamodbav:"unsent"`          // how often this attempt never left
	Requeued int            `dynamodbav:"requeued"`        // how often its message was sent again, and nothing came of it
	DueAt    timestamp.Time `dynamodbav:"dueAt"`           // when the watchdog looks at it, zero once final
	Rev      int64          `dynamodbav:"rev"`
}

// Attempt is one try to run an execution. A request that never left is on
// record too, and its attempt's number comes again.
type Attempt struct {
	Attempt   int             `json:"attempt" dynamodbav:"attempt"`
	Status    Status          `json:"status" dynamodbav:"status" enum:"RUNNING,COMPLETED,FAILED,TIMEOUT,CANCELLED,UNKNOWN"`
	Sent      bool            `json:"sent" dynamodbav:"sent" doc:"false while it runs, and for a request that certainly never left"`
	Error     *string         `json:"error" dynamodbav:"error" doc:"why it did not complete"`
	ExitCode  *int            `json:"exitCode" dynamodbav:"exitCode"`
	StartedAt timestamp.Time  `json:"startedAt" dynamodbav:"startedAt"`
	EndedAt   *timestamp.Time `json:"endedAt" dynamodbav:"endedAt"`

	Accepted bool              `json:"-" dynamodbav:"accepted,omitempty"` // its target took it, and goes on by itself
	Ref      string            `json:"-" dynamodbav:"ref,omitempty"`      // what the target calls it
	Callback string            `json:"-" dynamodbav:"callback,omitempty"` // hash of the token of its receiver
	Document *runbook.Document `json:"-" dynamodbav:"document,omitempty"` // that ssm ran
	Late     []target.State    `json:"-" dynamodbav:"late,omitempty"`     // what its receiver reported too late, each kind once
}

// attempt is the attempt that runs, or ran last. A claim makes one.
func (e *Execution) attempt() *Attempt {
	if len(e.Attempts) == 0 { // claimed by a release that kept no list
		a := Attempt{Attempt: e.Attempt, Status: e.Status, StartedAt: e.CreatedAt}
		if e.StartedAt != nil {
			a.StartedAt = *e.StartedAt
		}
		e.Attempts = []Attempt{a}
	}
	return &e.Attempts[len(e.Attempts)-1]
}

// slot is the name of the slots that its live runs share: its service's.
func (e Execution) slot() string {
	if e.ServiceID == "" {
		return "-"
	}
	return e.ServiceID
}

// sent names the attempt that runs to its target.
func (e Execution) sent() target.Sent {
	a := e.attempt()
	return target.Sent{
		ExecutionID: e.ID, Attempt: e.Attempt, Ref: a.Ref, Document: a.Document, Target: e.Target,
		Since: a.StartedAt.Time, Timeout: time.Duration(e.Timeout) * time.Second,
	}
}

// masked is what stands for the value of a secret parameter, everywhere.
const masked = "***"

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

// Output is what an attempt wrote, kept beside the execution so that lists stay cheap.
type Output struct {
	Stdout          string `dynamodbav:"stdout"`
	Stderr          string `dynamodbav:"stderr"`
	StdoutTruncated bool   `dynamodbav:"stdoutTruncated"`
	StderrTruncated bool   `dynamodbav:"stderrTruncated"`
}

// Message is what travels through the queue. What it says beside the
// execution's id lets a dispatcher read all at once; nothing is decided by it.
type Message struct {
	ExecutionID string `json:"executionId" dynamodbav:"executionId"`
	RunbookID   string `json:"runbookId" dynamodbav:"runbookId"`
	Version     int    `json:"version" dynamodbav:"version"`
	Sequence    int64  `json:"sequence" dynamodbav:"sequence"`
	TeamID      string `json:"teamId,omitempty" dynamodbav:"teamId,omitempty"`
	Slot        string `json:"slot" dynamodbav:"slot"`
	IncidentID  string `json:"incidentId,omitempty" dynamodbav:"incidentId,omitempty"`
	Secrets     string `json:"secrets,omitempty" dynamodbav:"secrets,omitempty"` // names, with commas between them
}

// secretNames are the names in Secrets.
func (m Message) secretNames() []string {
	if m.Secrets == "" {
		return nil
	}
	return strings.Split(m.Secrets, ",")
}

func (e Execution) message() Message {
	m := Message{ExecutionID: e.ID, RunbookID: e.RunbookID, Version: e.VersionUsed, Sequence: e.Sequence, TeamID: e.TeamID, Slot: e.slot(), Secrets: strings.Join(e.Target.SecretNames(), ",")}
	if e.IncidentID != nil {
		m.IncidentID = *e.IncidentID
	}
	return m
}
