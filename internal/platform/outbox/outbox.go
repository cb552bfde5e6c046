// Package outbox keeps events: what came to pass in one room and others act
// on, workflows and notifications. An event is a due item, put in the
// transaction of its cause and removed when all acted on it; a stream only
// hurries it. So none is lost, and each is acted on at least once: whoever acts
// makes sure, by the event's id, that it does so once.
package outbox

import (
	"time"

	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
)

// Kind is the kind of an event among what is due.
const Kind = "event"

// Types of event. Those of incidents are what workflows are triggered by.
const (
	IncidentCreated      = "incident.created"
	IncidentAcknowledged = "incident.acknowledged"
	IncidentResolved     = "incident.resolved"
	IncidentReopened     = "incident.reopened"
	IncidentEscalated    = "incident.escalated"

	// It triggers no workflow: an incident that is open became worse. Detail: from and severity, which is what it is now.
	IncidentUpdated = "incident.updated"

	ExecutionEnded   = "execution.ended"                 // whichever way; only told where somebody waits for it, or where it did not work
	ExecutionWaits   = "execution.awaiting_confirmation" // Detail: reason
	ExecutionExpired = "execution.confirmation_expired"  // nobody confirmed it in time

	RunbookSubmitted = "runbook.submitted" // Detail: version

	// A run that FAILED or ran into its TIMEOUT. Detail: reason; where an execution made it fail, executionId, executionStatus, runbookId and runbookName.
	WorkflowFailed = "workflow.failed"
	WorkflowNotify = "workflow.notify" // a step of a workflow; Detail: to, subject, message; where they quote what a script wrote, the whole of it in subjectWithOutput, messageWithOutput
)

// ToldByRun is a member of the Detail of an execution.ended whose run failed by
// it: the workflow.failed of that run tells people of both.
const ToldByRun = "toldByRun"

// MaxDepth is the depth at which an event triggers nothing any more.
const MaxDepth = 5

// Event is something that came to pass.
type Event struct {
	ID      string         `json:"id" dynamodbav:"event"` // evt_...
	Type    string         `json:"type" dynamodbav:"type"`
	About   string         `json:"about" dynamodbav:"about"`             // the id of what it happened to: an incident, execution, runbook or run
	TeamID  string         `json:"teamId" dynamodbav:"teamId,omitempty"` // "" for what belongs to no team
	At      timestamp.Time `json:"at" dynamodbav:"happened"`
	ActorID string         `json:"actorId,omitempty" dynamodbav:"actorId,omitempty"` // who did it: usr_, key_, int_, wfr_; "" for PageFree itself

	// What the trigger can prove: the highest risk that it may start unattended.
	Unattended trust.Risk `json:"unattended,omitempty" dynamodbav:"unattended,omitempty"`
	// How many workflows stand behind it, one after another.
	Depth int `json:"depth,omitempty" dynamodbav:"depth,omitempty"`

	Detail map[string]string `json:"detail,omitempty" dynamodbav:"detail,omitempty"`
}

// New returns an event of now.
func New(kind, about, teamID string, now time.Time) Event {
	return Event{ID: id.New(id.Event, now), Type: kind, About: about, TeamID: teamID, At: timestamp.Of(now)}
}

// stored is an event with the reminder that it is.
type stored struct {
	due.Item
	Event
}

// Put is the write of an event, for the transaction of its cause.
func Put(t dynamo.Table, e Event) dynamo.Op {
	return t.Create(stored{Item: e.Item(), Event: e})
}

// Item is the reminder of an event.
func (e Event) Item() due.Item { return due.React.New(Kind, e.ID, e.At.Time) }

// Decode reads an event from its item, as a sweep or a stream has it.
func Decode(item dynamo.Item) (Event, error) {
	var e Event
	err := dynamo.Decode(item, &e)
	return e, err
}
