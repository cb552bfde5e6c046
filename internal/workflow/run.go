package workflow

import (
	"fmt"
	"slices"
	"time"

	"pagefree/internal/execution"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
)

// Status is where a run, or a step of it, is in its life:
//
//	PENDING ──▶ RUNNING ──▶ COMPLETED | FAILED | TIMEOUT | CANCELLED
//	 │    ▲                                └────────┬────────┘
//	 │    └── retry, from the failed step ──────────┘
//	 └──▶ CANCELLED
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

// Times of the engine.
const (
	look     = time.Minute      // how often a run that waits is looked at, should nothing wake it
	sendFor  = 10 * time.Second // how long a webhook may take
	claimFor = 30 * time.Second // how long a claim is left alone: longer than what is done under it
	sendIn   = 14 * time.Second // without so much before the invocation's end no webhook is begun: to send, and to record what came of it
)

// Run is one time that a workflow was set off for an incident.
type Run struct {
	ID              string          `json:"id" dynamodbav:"id"`
	WorkflowID      string          `json:"workflowId" dynamodbav:"workflowId"`
	WorkflowName    string          `json:"workflowName" dynamodbav:"workflowName"`
	WorkflowVersion int64           `json:"workflowVersion" dynamodbav:"workflowVersion" doc:"of the definition, which it keeps whatever becomes of the workflow"`
	TeamID          string          `json:"teamId" dynamodbav:"teamId"`
	IncidentID      string          `json:"incidentId" dynamodbav:"incidentId"`
	TriggeredBy     string          `json:"triggeredBy" dynamodbav:"triggeredBy" enum:"event,manual,api"`
	TriggeredByID   string          `json:"triggeredById" dynamodbav:"triggeredById" doc:"the user or API key; of an event who did what it tells of, which may be empty"`
	Event           string          `json:"event,omitempty" dynamodbav:"event,omitempty" doc:"the type of the event"`
	Status          Status          `json:"status" dynamodbav:"status" enum:"PENDING,RUNNING,COMPLETED,FAILED,CANCELLED,TIMEOUT"`
	Reason          *string         `json:"reason,omitempty" dynamodbav:"reason" doc:"why it waits, failed or was cancelled"`
	Steps           []StepRun       `json:"steps" dynamodbav:"steps" nullable:"false"`
	CreatedAt       timestamp.Time  `json:"createdAt" dynamodbav:"createdAt"`
	StartedAt       *timestamp.Time `json:"startedAt" dynamodbav:"startedAt"`
	CompletedAt     *timestamp.Time `json:"completedAt" dynamodbav:"completedAt"`

	Depth      int            `json:"-" dynamodbav:"depth"`      // how many workflows stand behind what it does, itself included
	Unattended trust.Risk     `json:"-" dynamodbav:"unattended"` // the highest risk that it starts without a confirmation
	Round      int            `json:"-" dynamodbav:"round"`      // of retries, from 0
	Deadline   timestamp.Time `json:"-" dynamodbav:"deadline"`   // zero until it begins
	Claim      string         `json:"-" dynamodbav:"claim"`      // of the request that is on its way
	Abandoned  string         `json:"-" dynamodbav:"abandoned"`  // an execution that is still to be cancelled
	Untold     bool           `json:"-" dynamodbav:"untold"`     // its end is still to be written on the timeline
	DueAt      timestamp.Time `json:"-" dynamodbav:"dueAt"`      // of its reminder; zero where it has none
	Rev        int64          `json:"-" dynamodbav:"rev"`

	cause *execution.Execution // that makes it fail, while that is being written
}

// failedBy reports whether the run failed since this execution of one of its steps did.
func (r Run) failedBy(d Definition, executionID string) bool {
	return r.Status == Failed && len(d.Steps) == len(r.Steps) && slices.ContainsFunc(d.Steps, func(s Step) bool {
		n := slices.IndexFunc(r.Steps, func(of StepRun) bool { return of.ID == s.ID })
		return n >= 0 && r.Steps[n].Status == Failed && s.OnFailure != Continue && r.Steps[n].ExecutionID != nil && *r.Steps[n].ExecutionID == executionID
	})
}

// StepRun is what became of a step.
type StepRun struct {
	ID          string          `json:"id" dynamodbav:"id"`
	Type        string          `json:"type" dynamodbav:"type" enum:"runbook,webhook,notify,wait,resolve,note"`
	Status      Status          `json:"status" dynamodbav:"status" enum:"PENDING,RUNNING,WAITING,COMPLETED,FAILED,SKIPPED,CANCELLED,TIMEOUT"`
	Input       map[string]any  `json:"input" dynamodbav:"input" nullable:"true" doc:"what it got, its templates filled; long texts are cut"`
	Output      map[string]any  `json:"output" dynamodbav:"output" nullable:"true" doc:"of a runbook step status, exitCode and stdout (at most 4 KiB), of a webhook step the HTTP status and body"`
	Error       *string         `json:"error,omitempty" dynamodbav:"error"`
	ExecutionID *string         `json:"executionId,omitempty" dynamodbav:"executionId"`
	StartedAt   *timestamp.Time `json:"startedAt" dynamodbav:"startedAt"`
	CompletedAt *timestamp.Time `json:"completedAt" dynamodbav:"completedAt" doc:"null too for a step that its run never came to"`

	Until *timestamp.Time `json:"-" dynamodbav:"until"` // of a wait
}

// newRun is a run that has not begun.
func newRun(w Workflow, incidentID string, now time.Time) Run {
	r := Run{
		WorkflowID: w.ID, WorkflowName: w.Name, WorkflowVersion: w.Version, TeamID: w.TeamID, IncidentID: incidentID,
		Status: Pending, Steps: fresh(w.Steps), CreatedAt: timestamp.Of(now), DueAt: timestamp.Of(now), Rev: 1,
	}
	return r
}

func fresh(steps []Step) []StepRun {
	out := make([]StepRun, len(steps))
	for i, s := range steps {
		out[i] = StepRun{ID: s.ID, Type: s.Type, Status: Pending}
	}
	return out
}

// limit is how long a run of the definition may take.
func (d Definition) limit() time.Duration { return time.Duration(d.TimeLimitSeconds) * time.Second }

// next is the run as it will be written next, with steps of its own.
func (r Run) next() Run {
	r.Steps, r.Rev = slices.Clone(r.Steps), r.Rev+1
	return r
}

// current is the step that the run is at, or -1 when it is through.
func (r Run) current() int {
	return slices.IndexFunc(r.Steps, func(s StepRun) bool { return !s.Status.Final() })
}

// begin lets a run go, for as long as its definition says.
func (r Run) begin(limit time.Duration, now time.Time) Run {
	r.Status, r.Reason, r.Deadline = Running, nil, timestamp.Of(now.Add(limit))
	if r.StartedAt == nil {
		r.StartedAt = timestamp.Ptr(now)
	}
	return r
}

// enter notes that a step was come to, and what it got.
func (r Run) enter(n int, status Status, input map[string]any, now time.Time) Run {
	s := &r.Steps[n]
	s.Status, s.Input = status, input
	if s.StartedAt == nil {
		s.StartedAt = timestamp.Ptr(now)
	}
	return r
}

// leave notes how a step ended. One that failed ends its run, unless it is to continue.
func (r Run) leave(n int, onFailure string, status Status, output map[string]any, why string, now time.Time) Run {
	s := &r.Steps[n]
	s.Status, s.Output, s.CompletedAt = status, output, timestamp.Ptr(now)
	if s.StartedAt == nil && status != Skipped {
		s.StartedAt = s.CompletedAt
	}
	if why, _ = clip(why, maxWhy); why != "" {
		s.Error = &why
	}
	r.Claim = ""
	if status == Failed && onFailure != Continue {
		return r.end(Failed, "Step "+s.ID+" failed: "+why, now)
	}
	if r.current() < 0 {
		return r.end(Completed, "", now)
	}
	return r
}

// end ends a run. Steps that it did not come to are skipped; an execution that
// it waits for is left to be cancelled.
func (r Run) end(status Status, reason string, now time.Time) Run {
	for n := range r.Steps {
		s := &r.Steps[n]
		switch {
		case s.Status == Pending:
			s.Status = Skipped
		case !s.Status.Final():
			if s.Status == Running {
				s.Error = new("Whether its request arrived is not known.")
			}
			if s.ExecutionID != nil {
				r.Abandoned = *s.ExecutionID
			}
			s.Status, s.CompletedAt = status, timestamp.Ptr(now)
		}
	}
	r.Status, r.CompletedAt, r.Claim, r.Reason = status, timestamp.Ptr(now), "", nil
	if reason != "" {
		r.Reason = &reason
	}
	return r
}

// retried is a run that begins anew at the step that it failed at: the first
// that ended it, or that it did not come to.
func (r Run) retried(d Definition) Run {
	from := 0
	for from < len(r.Steps) {
		s := r.Steps[from]
		if s.Status == TimedOut || s.Status == Cancelled || s.Status == Skipped && s.CompletedAt == nil ||
			s.Status == Failed && d.Steps[from].OnFailure != Continue {
			break
		}
		from++
	}
	copy(r.Steps[from:], fresh(d.Steps[from:]))
	r.Status, r.Reason, r.CompletedAt, r.Deadline = Pending, nil, nil, timestamp.Time{}
	r.Abandoned, r.Untold, r.Claim = "", false, ""
	r.Round++
	return r
}

// remind sets when the run is to be looked at next.
func (r Run) remind(now time.Time) Run {
	at := timestamp.Of(now)
	switch {
	case r.Status.Final() && r.Abandoned == "" && !r.Untold:
		at = timestamp.Time{}
	case r.Status == Pending:
		at = timestamp.Of(now.Add(look))
	case r.Status == Running:
		if n := r.current(); n >= 0 {
			at = r.Steps[n].due(r.Deadline.Time, now)
		}
	}
	r.DueAt = at
	return r
}

// putOff is the run as it stands, to be looked at at once by somebody else: its
// reminder is another one than any that is due.
func (r Run) putOff(now time.Time) Run {
	r.DueAt = timestamp.Of(now.Add(time.Millisecond))
	return r
}

// due is when a step that a run is at has to be looked at.
func (s StepRun) due(deadline, now time.Time) timestamp.Time {
	at := now
	switch {
	case s.Status == Running:
		return timestamp.Of(now.Add(claimFor))
	case s.Status == Waiting && s.Until != nil:
		at = s.Until.Time
	case s.Status == Waiting:
		at = now.Add(look)
	case s.Status == Pending: // whoever wrote this goes on with it, unless they die
		at = now.Add(claimFor)
	}
	if at.After(deadline) {
		at = deadline
	}
	return timestamp.Of(at)
}

// requestID names a request to its receiver; another one with each retry.
func (r Run) requestID(step string) string { return fmt.Sprintf("%s-%s-%d", r.ID, step, r.Round) }
