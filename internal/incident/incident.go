// Package incident holds what goes wrong and what it goes wrong with: incidents
// with their states and timeline, and the services that they belong to. It
// promises one open incident for a service and dedup key, however many alerts
// arrive at once, and a timeline and audit entry in the transaction of every change.
package incident

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/text"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
)

// Limits of what callers may write.
const (
	MaxDescription = 32 << 10 // bytes
	MaxNote        = 8 << 10  // bytes
	MaxLabels      = 32
	MaxLabelValue  = 512 // bytes
)

// labelKey keeps label names usable as template paths and in URLs.
var labelKey = text.Pattern(`^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$`)

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
	Kind          string      `json:"kind" dynamodbav:"kind" doc:"manual, api, or the provider of an integration"`
	IntegrationID *string     `json:"integrationId,omitempty" dynamodbav:"integrationId,omitempty"`
	Trust         trust.Level `json:"trust,omitempty" dynamodbav:"trust,omitempty" enum:"person,signed_time,signed,bearer" doc:"what was proved of it"`
	External      bool        `json:"external" dynamodbav:"external" doc:"its title, description and labels came from outside: no member wrote them"`
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
	Raw              Raw               `json:"raw,omitempty" dynamodbav:"raw,omitempty" doc:"what an integration sent, where its shape was unknown"`
	EscalatedAt      *timestamp.Time   `json:"escalatedAt" dynamodbav:"escalatedAt" doc:"when nobody had acknowledged it for as long as its service admits; null: it has not escalated, or was reopened since"`
	AcknowledgedByID *string           `json:"acknowledgedById" dynamodbav:"acknowledgedById"`
	AcknowledgedAt   *timestamp.Time   `json:"acknowledgedAt" dynamodbav:"acknowledgedAt"`
	ResolvedByID     *string           `json:"resolvedById" dynamodbav:"resolvedById"`
	ResolvedAt       *timestamp.Time   `json:"resolvedAt" dynamodbav:"resolvedAt"`
	CreatedByID      string            `json:"createdById" dynamodbav:"createdById" doc:"the user, the user who made the API key, or the integration"`
	CreatedAt        timestamp.Time    `json:"createdAt" dynamodbav:"createdAt"`
	UpdatedAt        timestamp.Time    `json:"updatedAt" dynamodbav:"updatedAt"`

	Depth int `json:"depth,omitempty" dynamodbav:"depth,omitempty" doc:"how many workflows stand behind it, as X-PageFree-Depth said"`

	Unattended trust.Risk      `json:"-" dynamodbav:"unattended,omitempty"` // the highest risk that its source may start by itself
	EscalateAt *timestamp.Time `json:"-" dynamodbav:"escalateAt"`           // when it escalates; null: it does not, or nobody has to wait any more
	FiredAt    *timestamp.Time `json:"-" dynamodbav:"firedAt,omitempty"`    // when its newest alert happened, by its sender
	Rev        int64           `json:"-" dynamodbav:"rev"`                  // raised by every change but an alert; If-Match and the conditions stand on it
}

// NewIncident is what a caller says of an incident.
type NewIncident struct {
	Title       string            `json:"title" minLength:"1" maxLength:"200"`
	Description string            `json:"description,omitempty" doc:"at most 32 KiB"`
	Severity    Severity          `json:"severity" enum:"CRITICAL,HIGH,MEDIUM,LOW"`
	ServiceID   string            `json:"serviceId" maxLength:"64"`
	Labels      map[string]string `json:"labels,omitempty" doc:"at most 32, names [A-Za-z0-9_.:/-] of 1 to 64 characters, values of at most 512 bytes"`
	DedupKey    *string           `json:"dedupKey,omitempty" nullable:"true" minLength:"1" maxLength:"256" doc:"an open incident of the same service and key is answered instead of a new one"`
}

// IncidentPatch changes what a caller said of an incident. What is left out stays; labels are replaced as a whole.
type IncidentPatch struct {
	httpapi.Patch
	Title       *string           `json:"title,omitempty" minLength:"1" maxLength:"200"`
	Description *string           `json:"description,omitempty" doc:"at most 32 KiB"`
	Severity    *Severity         `json:"severity,omitempty" enum:"CRITICAL,HIGH,MEDIUM,LOW"`
	Labels      map[string]string `json:"labels,omitempty" doc:"all labels anew"`
}

// open makes the incident that n tells of, on a service.
func (n NewIncident) open(incidentID string, on Service, who principal.Principal, now time.Time) (Incident, error) {
	at := timestamp.Of(now)
	i := Incident{
		ID: incidentID, Status: Triggered, ServiceID: on.ID, TeamID: on.TeamID, DedupKey: n.DedupKey,
		Source: Source{Kind: Manual, Trust: trust.Person}, AlertCount: 1, CreatedByID: author(who), CreatedAt: at, UpdatedAt: at, Rev: 1,
	}
	if who.Kind == principal.APIKey {
		i.Source = Source{Kind: API, Trust: trust.Signed, External: true}
	}
	i.Unattended = i.Source.Trust.Unattended()
	labels := n.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return i.escalating(on, now).say(n.Title, n.Description, n.Severity, labels)
}

// escalating sets when an incident that is TRIGGERED since now escalates. A
// service that is changed later changes nothing of it.
func (i Incident) escalating(on Service, now time.Time) Incident {
	i.EscalateAt = nil
	if on.EscalateAfterMinutes != nil {
		i.EscalateAt = timestamp.Ptr(now.Add(time.Duration(*on.EscalateAfterMinutes) * time.Minute))
	}
	return i
}

// Ceiling is the highest risk that its source may start by itself. Incidents of
// releases that kept none go by who made them.
func (i Incident) Ceiling() trust.Risk {
	switch {
	case i.Unattended != "":
		return i.Unattended
	case i.Source.Kind == Manual:
		return trust.Person.Unattended()
	case i.Source.Kind == API:
		return trust.Signed.Unattended()
	}
	return trust.Low
}

// severities are all of them, worst first.
var severities = []Severity{Critical, High, Medium, Low}

// atLeast are the severities that are as bad as s, or worse.
func atLeast(s Severity) []Severity { return severities[:slices.Index(severities, s)+1] }

// say sets the words of an incident, or tells what is wrong with them.
func (i Incident) say(title, description string, severity Severity, labels map[string]string) (Incident, error) {
	i.Title, i.Description, i.Severity, i.Labels = strings.TrimSpace(title), description, severity, labels
	var wrong []problem.Field
	add := func(location, message string) {
		wrong = append(wrong, problem.Field{Location: location, Message: message})
	}
	if !line(i.Title, 200) {
		add("body.title", "one line of 1 to 200 characters")
	}
	if len(description) > MaxDescription {
		add("body.description", "at most 32 KiB")
	}
	if len(labels) > MaxLabels {
		add("body.labels", "at most 32 labels")
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if !labelKey().MatchString(key) {
			add("body.labels", "a label's name is 1 to 64 of letters, digits and _ . : / -, and starts with a letter or digit")
		} else if len(labels[key]) > MaxLabelValue {
			add("body.labels."+key, "at most 512 bytes")
		}
	}
	if wrong != nil {
		return Incident{}, problem.Invalid(wrong...)
	}
	return i, nil
}

// line reports whether s is one line of text of 1 to limit characters.
func line(s string, limit int) bool {
	return s != "" && utf8.RuneCountInString(s) <= limit && !strings.ContainsFunc(s, unicode.IsControl)
}

// patch applies p and tells what it changed, for the timeline; nothing changed gives a nil map.
func (i Incident) patch(p IncidentPatch, now time.Time) (Incident, map[string]any, error) {
	title, description, severity, labels := i.Title, i.Description, i.Severity, i.Labels
	if p.Title != nil {
		title = *p.Title
	}
	if p.Description != nil {
		description = *p.Description
	}
	if p.Severity != nil {
		severity = *p.Severity
	}
	if p.Labels != nil {
		labels = p.Labels
	}
	next, err := i.say(title, description, severity, labels)
	if err != nil {
		return Incident{}, nil, err
	}
	var changed map[string]any
	note := func(name string, detail any) {
		if changed == nil {
			changed = map[string]any{}
		}
		changed[name] = detail
	}
	if next.Severity != i.Severity {
		note("severity", map[string]any{"from": string(i.Severity), "to": string(next.Severity)})
	}
	if next.Title != i.Title {
		note("title", map[string]any{"from": i.Title, "to": next.Title})
	}
	if next.Description != i.Description {
		note("description", map[string]any{})
	}
	if !maps.Equal(next.Labels, i.Labels) {
		note("labels", map[string]any{})
	}
	if changed != nil {
		next.UpdatedAt = timestamp.Of(now)
	}
	return next, changed, nil
}

// acknowledge says that somebody works on it.
func (i Incident) acknowledge(by string, now time.Time) (Incident, error) {
	if i.Status != Triggered {
		return Incident{}, problem.Transition("acknowledge", string(i.Status))
	}
	i.Status, i.AcknowledgedByID, i.AcknowledgedAt, i.UpdatedAt = Acknowledged, &by, timestamp.Ptr(now), timestamp.Of(now)
	i.EscalateAt = nil
	return i, nil
}

// resolve ends it, acknowledged or not.
func (i Incident) resolve(by string, now time.Time) (Incident, error) {
	if i.Status == Resolved {
		return Incident{}, problem.Transition("resolve", string(i.Status))
	}
	i.Status, i.ResolvedByID, i.ResolvedAt, i.UpdatedAt = Resolved, &by, timestamp.Ptr(now), timestamp.Of(now)
	i.EscalateAt = nil
	return i, nil
}

// escalate says that nobody acknowledged it in time; due tells whether that is so.
func (i Incident) escalate(now time.Time) (next Incident, due bool) {
	if i.Status != Triggered || i.EscalateAt == nil || now.Before(i.EscalateAt.Time) {
		return i, false
	}
	i.EscalateAt, i.EscalatedAt, i.UpdatedAt = nil, timestamp.Ptr(now), timestamp.Of(now)
	return i, true
}

// reopen makes it TRIGGERED again: who acknowledged and resolved it before, and
// that it escalated, stands on the timeline only.
func (i Incident) reopen(now time.Time) (Incident, error) {
	if i.Status != Resolved {
		return Incident{}, problem.Transition("reopen", string(i.Status))
	}
	i.Status, i.UpdatedAt = Triggered, timestamp.Of(now)
	i.AcknowledgedByID, i.AcknowledgedAt, i.ResolvedByID, i.ResolvedAt, i.EscalatedAt = nil, nil, nil, nil, nil
	return i, nil
}

// Filter narrows a list of incidents; zero members let everything through.
type Filter struct {
	ServiceID, TeamID string
	Status            []Status
	Severity          []Severity
	Q                 string // part of the title, in any case
}

func (f Filter) keep(i Incident) bool {
	return (f.ServiceID == "" || i.ServiceID == f.ServiceID) &&
		(f.TeamID == "" || i.TeamID == f.TeamID) &&
		(len(f.Status) == 0 || slices.Contains(f.Status, i.Status)) &&
		(len(f.Severity) == 0 || slices.Contains(f.Severity, i.Severity)) &&
		strings.Contains(strings.ToLower(i.Title), strings.ToLower(f.Q))
}

// parts names the filter to the cursor, which is good for the very same list alone.
func (f Filter) parts() []string {
	return []string{"incidents", f.ServiceID, f.TeamID, fmt.Sprint(f.Status), fmt.Sprint(f.Severity), f.Q}
}

// author is the user that a principal's writing counts as.
func author(p principal.Principal) string {
	if p.UserID != "" {
		return p.UserID
	}
	return p.ID
}
