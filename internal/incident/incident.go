// Package incident holds what goes wrong and what it goes wrong with: incidents
// with their states and timeline, and the services that they belong to. It
// promises one open incident for a service and dedup key, however many alerts
// arrive at once, and a timeline and audit entry in the transaction of every change.
package incident

import (
	"pagefree/internal/platform/timestamp"
)

// Severity is how bad an incident is.
type Severity string

// The severities, worst first.
const (
	Critical Severity = "CRITICAL"
	High     Severity = "HIGH"
	Medium   Severity = "MEDIUM"
	Low      Severity = "LOW"
)

// Status is the state of an incident.
type Status string

// The states: TRIGGERED -> ACKNOWLEDGED -> RESOLVED, and back by a reopen.
const (
	Triggered    Status = "TRIGGERED"
	Acknowledged Status = "ACKNOWLEDGED"
	Resolved     Status = "RESOLVED"
)

// Source is what made an incident: a person ("manual"), an API key ("api"), or
// an integration.
type Source struct {
	Kind          string  `json:"kind" dynamodbav:"kind" doc:"manual, api, or the provider of an integration"`
	IntegrationID *string `json:"integrationId,omitempty" dynamodbav:"integrationId,omitempty"`
}

// Kinds of Source.
const (
	Manual = "manual"
	API    = "api"
)

// Incident is one thing that went wrong with a service.
type Incident struct {
	ID               string            `json:"id" dynamodbav:"id"`
	Title            string            `json:"title" dynamodbav:"title"`
	Description      string            `json:"description" dynamodbav:"description"`
	Severity         Severity          `json:"severity" dynamodbav:"severity" enum:"CRITICAL,HIGH,MEDIUM,LOW"`
	Status           Status            `json:"status" dynamodbav:"status" enum:"TRIGGERED,ACKNOWLEDGED,RESOLVED"`
	ServiceID        string            `json:"serviceId" dynamodbav:"serviceId"`
	TeamID           string            `json:"teamId" dynamodbav:"teamId"`
	Labels           map[string]string `json:"labels" dynamodbav:"labels"`
	DedupKey         *string           `json:"dedupKey" dynamodbav:"dedupKey"`
	Source           Source            `json:"source" dynamodbav:"source"`
	AlertCount       int64             `json:"alertCount" dynamodbav:"alertCount" doc:"how many alerts were folded into it, the first included"`
	Raw              map[string]any    `json:"raw,omitempty" dynamodbav:"raw,omitempty" doc:"what an integration sent, where its shape was unknown"`
	AcknowledgedByID *string           `json:"acknowledgedById" dynamodbav:"acknowledgedById"`
	AcknowledgedAt   *timestamp.Time   `json:"acknowledgedAt" dynamodbav:"acknowledgedAt"`
	ResolvedByID     *string           `json:"resolvedById" dynamodbav:"resolvedById"`
	ResolvedAt       *timestamp.Time   `json:"resolvedAt" dynamodbav:"resolvedAt"`
	CreatedByID      string            `json:"createdById" dynamodbav:"createdById" doc:"the user, or the user who made the API key"`
	CreatedAt        timestamp.Time    `json:"createdAt" dynamodbav:"createdAt"`
	UpdatedAt        timestamp.Time    `json:"updatedAt" dynamodbav:"updatedAt"`

	Rev int64 `json:"-" dynamodbav:"rev"` // raised by every write; the ETag and the conditions stand on it
}
