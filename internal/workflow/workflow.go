// Package workflow holds what a team wants to happen when something happens to
// an incident: workflows, their triggers and steps, and the runs of them.
//
// It promises that an event starts a workflow once, that a run keeps the
// definition that it started with, and that no step is done twice or left out,
// whatever dies when: a run advances by transactions under its revision, each of
// which also moves the reminder that makes it go on.
package workflow

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
)

// Limits of the contract, and of what callers may write.
const (
	MaxSteps     = 50
	MaxMessage   = 8 << 10 // bytes of a message, a note or a resolution, before and after its template is filled
	MaxBody      = 32 << 10
	MaxSeconds   = 86_400
	DefaultLimit = 3600 // seconds
	maxName      = 120  // characters
	maxSubject   = 200  // characters
	maxHeaders   = 20
	maxValues    = 32 // parameters of a step, as many as a runbook has
	maxPeople    = 20 // that a step notifies by name
)

// Types of step.
const (
	Runbook = "runbook"
	Webhook = "webhook"
	Notify  = "notify"
	Wait    = "wait"
	Resolve = "resolve"
	Note    = "note"
)

// What follows a step that failed.
const (
	Stop     = "stop"
	Continue = "continue"
)

// What a run does when another of the same workflow and incident is live.
const (
	Skip    = "skip"    // it is recorded, and does nothing
	Queue   = "queue"   // it begins when those before it are over
	Replace = "replace" // the older is cancelled
)

// Whom a notify step tells besides people by their id.
const (
	Team       = "team"
	Responders = "responders"
)

// Trigger says which events start a workflow. A member that is left out lets
// everything through.
type Trigger struct {
	On         []string          `json:"on" dynamodbav:"on" minItems:"1" maxItems:"4" enum:"incident.created,incident.acknowledged,incident.resolved,incident.escalated"`
	Severities []string          `json:"severities,omitempty" dynamodbav:"severities,omitempty" maxItems:"4" enum:"CRITICAL,HIGH,MEDIUM,LOW" doc:"of the incident, when the workflow is matched"`
	ServiceIDs []string          `json:"serviceIds,omitempty" dynamodbav:"serviceIds,omitempty" maxItems:"100" doc:"services of the team"`
	Labels     map[string]string `json:"labels,omitempty" dynamodbav:"labels,omitempty" doc:"the incident has all of them, with these values"`
}

// Step is one thing to do. Which members it has, besides the first four, its
// type says. Texts are templates, but for the URL and the names of headers.
type Step struct {
	ID        string `json:"id" dynamodbav:"id" doc:"[a-z][a-z0-9_]{0,39}, unique in the workflow"`
	Type      string `json:"type" dynamodbav:"type" enum:"runbook,webhook,notify,wait,resolve,note"`
	If        string `json:"if,omitempty" dynamodbav:"if,omitempty" maxLength:"1000" doc:"one comparison, {{path}} == \"text\" (or !=, <, >), or one {{path}} that must not be empty; else the step is SKIPPED"`
	OnFailure string `json:"onFailure,omitempty" dynamodbav:"onFailure" enum:"stop,continue" default:"stop"`

	RunbookID  string         `json:"runbookId,omitempty" dynamodbav:"runbookId,omitempty" maxLength:"64" doc:"of a runbook step: one of the team, or a global one"`
	Parameters map[string]any `json:"parameters,omitempty" dynamodbav:"parameters,omitempty" doc:"of a runbook step: texts, which may be templates, numbers and booleans"`

	URL      string            `json:"url,omitempty" dynamodbav:"url,omitempty" maxLength:"2048" doc:"of a webhook step: an https address on the public internet"`
	Headers  map[string]string `json:"headers,omitempty" dynamodbav:"headers,omitempty" doc:"of a webhook step: values may hold {{secrets.<name>}}"`
	Body     *string           `json:"body,omitempty" dynamodbav:"body,omitempty" nullable:"true" doc:"of a webhook step: at most 32 KiB; left out, a JSON object of run, step and incident"`
	SignWith string            `json:"signWith,omitempty" dynamodbav:"signWith,omitempty" maxLength:"40" doc:"of a webhook step: the secret that signs, by Standard Webhooks"`

	To      []string `json:"to,omitempty" dynamodbav:"to,omitempty" maxItems:"22" doc:"of a notify step: ids of users, team, responders"`
	Subject string   `json:"subject,omitempty" dynamodbav:"subject,omitempty" maxLength:"200" doc:"of a notify step: one line"`
	Message string   `json:"message,omitempty" dynamodbav:"message,omitempty" doc:"of a notify step: at most 8 KiB"`

	Seconds int `json:"seconds,omitempty" dynamodbav:"seconds,omitempty" minimum:"1" maximum:"86400" doc:"of a wait step"`

	Note string `json:"note,omitempty" dynamodbav:"note,omitempty" doc:"of a resolve step: at most 8 KiB"`
	Text string `json:"text,omitempty" dynamodbav:"text,omitempty" doc:"of a note step: at most 8 KiB"`
}

// Draft is what a caller says of a workflow.
type Draft struct {
	Name             string  `json:"name" minLength:"1" maxLength:"120" doc:"unique in the team, whatever its case"`
	TeamID           string  `json:"teamId" maxLength:"64"`
	Enabled          *bool   `json:"enabled,omitempty" default:"true" doc:"events start it; people may run it anyway"`
	Trigger          Trigger `json:"trigger"`
	Steps            []Step  `json:"steps" minItems:"1" maxItems:"50" nullable:"false"`
	TimeLimitSeconds int     `json:"timeLimitSeconds,omitempty" minimum:"1" maximum:"86400" default:"3600" doc:"of a run, from its beginning"`
	Concurrency      string  `json:"concurrency,omitempty" enum:"skip,queue,replace" default:"queue" doc:"when another run of it is live for the same incident"`
}

// Edit is a draft as GET shows a workflow: what the server writes may be sent
// again, and changes nothing.
type Edit struct {
	Draft
	ID          string `json:"id,omitempty" doc:"the one in the path"`
	Version     int64  `json:"version,omitempty" doc:"ignored; If-Match guards against a lost update"`
	CreatedByID string `json:"createdById,omitempty" doc:"ignored"`
	CreatedAt   string `json:"createdAt,omitempty" doc:"ignored"`
	UpdatedByID string `json:"updatedById,omitempty" doc:"ignored"`
	UpdatedAt   string `json:"updatedAt,omitempty" doc:"ignored"`
}

// Definition is what a workflow does, and what a run keeps of it.
type Definition struct {
	Name             string  `json:"name" dynamodbav:"name"`
	TeamID           string  `json:"teamId" dynamodbav:"teamId"`
	Enabled          bool    `json:"enabled" dynamodbav:"enabled" doc:"events start it; people may run it anyway"`
	Trigger          Trigger `json:"trigger" dynamodbav:"trigger"`
	Steps            []Step  `json:"steps" dynamodbav:"steps" nullable:"false"`
	TimeLimitSeconds int     `json:"timeLimitSeconds" dynamodbav:"timeLimitSeconds" doc:"of a run, from its beginning"`
	Concurrency      string  `json:"concurrency" dynamodbav:"concurrency" enum:"skip,queue,replace" doc:"when another run of it is live for the same incident"`
}

// Workflow is a definition with its history.
type Workflow struct {
	ID string `json:"id" dynamodbav:"id"`
	Definition
	Version     int64          `json:"version" dynamodbav:"version" doc:"from 1; every change makes the next one"`
	CreatedByID string         `json:"createdById" dynamodbav:"createdById"`
	CreatedAt   timestamp.Time `json:"createdAt" dynamodbav:"createdAt"`
	UpdatedByID string         `json:"updatedById" dynamodbav:"updatedById"`
	UpdatedAt   timestamp.Time `json:"updatedAt" dynamodbav:"updatedAt"`
}

// create makes version 1.
func (d Definition) create(workflowID, by string, now time.Time) Workflow {
	at := timestamp.Of(now)
	return Workflow{ID: workflowID, Definition: d, Version: 1, CreatedByID: by, CreatedAt: at, UpdatedByID: by, UpdatedAt: at}
}

// change makes the next version.
func (w Workflow) change(d Definition, by string, now time.Time) Workflow {
	w.Definition, w.Version, w.UpdatedByID, w.UpdatedAt = d, w.Version+1, by, timestamp.Of(now)
	return w
}

// definition is the draft with what a writer may leave out.
func (d Draft) definition() Definition {
	of := Definition{
		Name: strings.TrimSpace(d.Name), TeamID: d.TeamID, Enabled: d.Enabled == nil || *d.Enabled, Trigger: d.Trigger,
		Steps: slices.Clone(d.Steps), TimeLimitSeconds: cmp.Or(d.TimeLimitSeconds, DefaultLimit), Concurrency: cmp.Or(d.Concurrency, Queue),
	}
	for i := range of.Steps {
		of.Steps[i].OnFailure = cmp.Or(of.Steps[i].OnFailure, Stop)
	}
	return of
}

// matches reports why an event of a type does not start the workflow for an
// incident as it is; "" when it does.
func (t Trigger) matches(event string, i incident.Incident) string {
	switch {
	case !slices.Contains(t.On, event):
		return "It is not started by " + event + "."
	case len(t.Severities) > 0 && !slices.Contains(t.Severities, string(i.Severity)):
		return "The incident's severity is " + string(i.Severity) + "."
	case len(t.ServiceIDs) > 0 && !slices.Contains(t.ServiceIDs, i.ServiceID):
		return "The incident is of another service."
	}
	for _, name := range slices.Sorted(maps.Keys(t.Labels)) {
		if value, has := i.Labels[name]; !has || value != t.Labels[name] {
			return "The incident's label " + name + " is another."
		}
	}
	return ""
}

// author is the user that a principal's writing counts as.
func author(p principal.Principal) string {
	if p.UserID != "" {
		return p.UserID
	}
	return p.ID
}
