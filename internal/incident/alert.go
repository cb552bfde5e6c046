package incident

import (
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
)

// Action is what an alert asks for.
type Action string

// The actions.
const (
	Fire    Action = "fire"    // open an incident, or count one more alert of the open one
	Resolve Action = "resolve" // resolve the open incident of the dedup key, if there is one
	Ignore  Action = "ignore"  // nothing: a ping, a test, an event that says nothing of an incident
)

// Alert is what a monitoring system said, as it was understood. Its texts are
// the sender's: they are cut to the limits of an incident rather than refused,
// since a resend would not make them shorter.
type Alert struct {
	Action      Action            `json:"action" dynamodbav:"action"`
	Title       string            `json:"title" dynamodbav:"title"`
	Description string            `json:"description,omitempty" dynamodbav:"description,omitempty"`
	Severity    Severity          `json:"severity,omitempty" dynamodbav:"severity,omitempty"`
	Labels      map[string]string `json:"labels,omitempty" dynamodbav:"labels,omitempty"`
	DedupKey    string            `json:"dedupKey,omitempty" dynamodbav:"dedupKey,omitempty"` // "": it stands alone
	Note        string            `json:"note,omitempty" dynamodbav:"note,omitempty"`         // of a resolve, or why it is ignored
	At          *timestamp.Time   `json:"at,omitempty" dynamodbav:"at,omitempty"`             // when it happened, where the sender signs that; nil: not known
	Raw         Raw               `json:"raw,omitempty" dynamodbav:"raw,omitempty"`           // the body, where its shape was unknown
}

// From is who sent an alert, and what was proved of it.
type From struct {
	DeliveryID    string // dlv_...: an alert is taken once, whatever comes twice
	IntegrationID string
	Provider      string
	ServiceID     string
	TeamID        string
	Trust         trust.Level
	Unattended    trust.Risk
	Depth         int // X-PageFree-Depth of the delivery
}
