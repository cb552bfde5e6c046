package workflow

import (
	"time"

	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
)

// Status is where a run, or a step of it, is in its life:
//
//	PENDING ──▶ RUNNING ──▶ COMPLETED | FAILED | TIMEOUT | CANCELLED
//	   │           ▲            retry, from the failed step │
//	   ▼           └────────────────────────────────────────┘
//	CANCELLED
//
// A run is PENDING until its turn comes. A step is RUNNING while a request of it
// is on its way, and WAITING for time or for an execution.
type Status string

// The statuses of the HTTP contract; SKIPPED and WAITING are of steps only.
const (
	Pending   Status = "PENDING"
	Running   Status = "RUNNING"
	Waiting   Status = "WAITING"
	Completed Status = "COMPLETED"
	Failed    Status = "FAILED"
	Cancelled Status = "CANCELLED"
	TimedOut  Status = "TIMEOUT"
	Skipped   Status = "SKIPPED"
)

// Final reports whether nothing follows the status by itself.
func (s Status) Final() bool { return s != Pending && s != Running && s != Waiting }

// How a run was set off.
const (
	ByEvent  = "event"
	ByPerson = "manual"
	ByAPI    = "api"
)

// Run is one time that a workflow was set off for an incident.
type Run struct {
	ID              string          `json:"id" dynamodbav:"id"`
	WorkflowID      string          `json:"workflowId" dynamodbav:"workflowId"`
	WorkflowName    string          `json:"workflowName" dynamodbav:"workflowName"`
	WorkflowVersion int64           `json:"workflowVersion" dynamodbav:"workflowVersion" doc:"the definition that it keeps"`
	TeamID          string          `json:"teamId" dynamodbav:"teamId"`
	IncidentID      string          `json:"incidentId" dynamodbav:"incidentId"`
	TriggeredBy     string          `json:"triggeredBy" dynamodbav:"triggeredBy" enum:"event,manual,api"`
	TriggeredByID   string          `json:"triggeredById" dynamodbav:"triggeredById" doc:"the user or API key; of an event who did what it tells of"`
	Event           string          `json:"event,omitempty" dynamodbav:"event,omitempty" doc:"the type of the event"`
	Status          Status          `json:"status" dynamodbav:"status" enum:"PENDING,RUNNING,COMPLETED,FAILED,CANCELLED,TIMEOUT"`
	Reason          *string         `json:"reason,omitempty" dynamodbav:"reason" doc:"why it waits, failed or was cancelled"`
	Steps           []StepRun       `json:"steps" dynamodbav:"steps" nullable:"false"`
	CreatedAt       timestamp.Time  `json:"createdAt" dynamodbav:"createdAt"`
	StartedAt       *timestamp.Time `json:"startedAt" dynamodbav:"startedAt"`
	CompletedAt     *timestamp.Time `json:"completedAt" dynamodbav:"completedAt"`

	Depth      int            `json:"-" dynamodbav:"depth"`      // how many workflows stand behind it, itself included
	Unattended trust.Risk     `json:"-" dynamodbav:"unattended"` // the highest risk that it starts without a confirmation
	Round      int            `json:"-" dynamodbav:"round"`      // of retries, from 0
	Deadline   timestamp.Time `json:"-" dynamodbav:"deadline"`   // zero until it begins
	Claim      string         `json:"-" dynamodbav:"claim"`      // of the request that is on its way
	Abandoned  string         `json:"-" dynamodbav:"abandoned"`  // an execution that is still to be cancelled
	Untold     bool           `json:"-" dynamodbav:"untold"`     // its end is still to be written on the timeline
	DueAt      timestamp.Time `json:"-" dynamodbav:"dueAt"`      // of its reminder; zero where it has none
	Rev        int64          `json:"-" dynamodbav:"rev"`
}

// StepRun is what became of a step.
type StepRun struct {
	ID          string          `json:"id" dynamodbav:"id"`
	Type        string          `json:"type" dynamodbav:"type" enum:"runbook,webhook,notify,wait,resolve,note"`
	Status      Status          `json:"status" dynamodbav:"status" enum:"PENDING,RUNNING,WAITING,COMPLETED,FAILED,SKIPPED,CANCELLED,TIMEOUT"`
	Input       map[string]any  `json:"input" dynamodbav:"input" nullable:"true" doc:"what it got, its templates filled; long texts are cut"`
	Output      map[string]any  `json:"output" dynamodbav:"output" nullable:"true" doc:"of a runbook status, exitCode and stdout (at most 4 KiB); of a webhook the HTTP status and body"`
	Error       *string         `json:"error,omitempty" dynamodbav:"error"`
	ExecutionID *string         `json:"executionId,omitempty" dynamodbav:"executionId"`
	StartedAt   *timestamp.Time `json:"startedAt" dynamodbav:"startedAt"`
	CompletedAt *timestamp.Time `json:"completedAt" dynamodbav:"completedAt"`

	Until *timestamp.Time `json:"-" dynamodbav:"until"` // of a wait
}

// limit is how long a run of the definition may take.
func (d Definition) limit() time.Duration { return time.Duration(d.TimeLimitSeconds) * time.Second }
