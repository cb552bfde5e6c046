package notify

import (
	"slices"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/mailstop"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// Severities of incidents, the least first.
var severities = []string{"LOW", "MEDIUM", "HIGH", "CRITICAL"}

// covers reports whether an incident of a severity is told where least is the
// least that is. An unknown severity is told: better once too often.
func covers(least, severity string) bool {
	at := slices.Index(severities, severity)
	return at < 0 || at >= slices.Index(severities, least)
}

// reaches reports whether an event of an incident of a severity is told to who
// wants to hear of those that are as bad as least. Of one that became worse,
// only who was not told of it before hears.
func reaches(least string, e outbox.Event, severity string) bool {
	return covers(least, severity) && (e.Type != outbox.IncidentUpdated || !covers(least, e.Detail["from"]))
}

// defaultSeverity is what the HTTP contract tells by default.
const defaultSeverity = "HIGH"

// Kinds says which kinds somebody is told of, by one way.
type Kinds struct {
	Incidents     bool `json:"incidents" dynamodbav:"incidents"`
	Failures      bool `json:"failures" dynamodbav:"failures"`
	Confirmations bool `json:"confirmations" dynamodbav:"confirmations"`
	Reviews       bool `json:"reviews" dynamodbav:"reviews"`
}

var allKinds = Kinds{Incidents: true, Failures: true, Confirmations: true, Reviews: true}

func (k Kinds) has(kind Kind) bool {
	switch kind {
	case Incidents:
		return k.Incidents
	case Failures:
		return k.Failures
	case Confirmations:
		return k.Confirmations
	case Reviews:
		return k.Reviews
	}
	return true
}

// KindsPatch are the kinds as somebody sets them; what is left out is on.
type KindsPatch struct {
	Incidents     *bool `json:"incidents,omitempty" default:"true"`
	Failures      *bool `json:"failures,omitempty" default:"true"`
	Confirmations *bool `json:"confirmations,omitempty" default:"true"`
	Reviews       *bool `json:"reviews,omitempty" default:"true"`
}

func (p *KindsPatch) kinds() Kinds {
	if p == nil {
		return allKinds
	}
	on := func(b *bool) bool { return b == nil || *b }
	return Kinds{Incidents: on(p.Incidents), Failures: on(p.Failures), Confirmations: on(p.Confirmations), Reviews: on(p.Reviews)}
}

// Own are the settings of a person.
type Own struct {
	Email           Kinds   `dynamodbav:"email"`
	Push            *Kinds  `dynamodbav:"push"`            // nil: all, as in settings that were written before there were pushes
	ShowTitles      bool    `dynamodbav:"showTitles"`      // what a lock screen shows
	MinimumSeverity *string `dynamodbav:"minimumSeverity"` // nil: as each team says
	Rev             int64   `dynamodbav:"rev"`
}

// pushed are the kinds that go to the person's devices.
func (o Own) pushed() Kinds {
	if o.Push == nil {
		return allKinds
	}
	return *o.Push
}

// TeamSettings are those of a team.
type TeamSettings struct {
	Email           Kinds    `dynamodbav:"email"`
	MinimumSeverity string   `dynamodbav:"minimumSeverity"`
	IncludeOutput   bool     `dynamodbav:"includeOutput"`
	Webhook         *Webhook `dynamodbav:"webhook"`
	Rev             int64    `dynamodbav:"rev"`
}

// Webhook is where a team is told besides. Its address is a secret: whoever
// knows that of a Slack webhook can write into the channel.
type Webhook struct {
	Format  string   `dynamodbav:"format"`
	Events  []string `dynamodbav:"events"` // nil: all
	Shown   string   `dynamodbav:"shown"`  // the address without what is secret in it
	Hash    string   `dynamodbav:"hash"`   // of the whole address, to know it again
	Address []byte   `dynamodbav:"address"`

	Secret        []byte          `dynamodbav:"secret"` // that signs, of the format standard
	Previous      []byte          `dynamodbav:"previous"`
	PreviousUntil *timestamp.Time `dynamodbav:"previousUntil"`

	DisabledAt     *timestamp.Time `dynamodbav:"disabledAt"`
	DisabledReason string          `dynamodbav:"disabledReason"`
}

// Formats of a webhook.
const (
	Standard = "standard"
	Slack    = "slack"
)

// offered are the events that a webhook may ask for.
var offered = []string{
	outbox.IncidentCreated, outbox.IncidentEscalated, outbox.IncidentAcknowledged, outbox.IncidentResolved, outbox.IncidentReopened, outbox.IncidentUpdated,
	outbox.ExecutionEnded, outbox.ExecutionWaits, outbox.ExecutionExpired, outbox.RunbookSubmitted, outbox.WorkflowFailed, outbox.WorkflowNotify,
}

func (w *Webhook) wants(e outbox.Event) bool {
	return w != nil && w.DisabledAt == nil && (w.Events == nil || slices.Contains(w.Events, e.Type))
}

// What holds where nobody has set anything.
var (
	defaultOwn  = Own{Email: allKinds}
	defaultTeam = TeamSettings{Email: allKinds, MinimumSeverity: defaultSeverity}
)

// least is the least severity of incidents that a person is told of as a member of a team.
func least(t TeamSettings, o Own) string {
	if o.MinimumSeverity != nil {
		return *o.MinimumSeverity
	}
	return t.MinimumSeverity
}

// OwnPut is what a person sets. What GET shows may be sent again as it is: the
// members that only the server writes are taken, here and below, and ignored.
type OwnPut struct {
	Email           *KindsPatch `json:"email,omitempty" doc:"what is mailed; what is left out is on"`
	Push            *KindsPatch `json:"push,omitempty" doc:"what is pushed to my devices; what is left out is on"`
	ShowTitles      bool        `json:"showTitles,omitempty" doc:"pushes show titles of incidents and names of runbooks, where a lock screen shows them to anybody"`
	MinimumSeverity *string     `json:"minimumSeverity,omitempty" nullable:"true" enum:"CRITICAL,HIGH,MEDIUM,LOW" doc:"the least severity of incidents that I am told of; null: as each team says"`
	Mail            any         `json:"mail,omitempty" doc:"ignored"`
}

// TeamPut is what a team sets.
type TeamPut struct {
	Webhook         *WebhookPut `json:"webhook,omitempty" doc:"without it, or null, there is none"`
	Email           *KindsPatch `json:"email,omitempty" doc:"what its people are mailed of as such; what is left out is on"`
	MinimumSeverity *string     `json:"minimumSeverity,omitempty" enum:"CRITICAL,HIGH,MEDIUM,LOW" default:"HIGH" doc:"the least severity of incidents that people and the webhook are told of"`
	IncludeOutput   bool        `json:"includeOutput,omitempty" doc:"mails of a failure hold what the script wrote, as the execution shows it"`
	TeamID          any         `json:"teamId,omitempty" doc:"ignored: it is the one in the path"`
	MailStopped     any         `json:"mailStopped,omitempty" doc:"ignored"`
}

// WebhookPut is the endpoint that a team sets.
type WebhookPut struct {
	URL    string   `json:"url" minLength:"1" maxLength:"2048" doc:"https, on the public internet; it is kept as a secret. As it is shown, it stays the one that it is"`
	Format string   `json:"format" enum:"standard,slack" doc:"a signed event by Standard Webhooks, or the body of a Slack incoming webhook"`
	Events []string `json:"events,omitempty" maxItems:"20" doc:"types of events to tell of; without it all"`

	PreviousSecretUntil any `json:"previousSecretUntil,omitempty" doc:"ignored"`
	Disabled            any `json:"disabled,omitempty" doc:"ignored"`
}

func (p WebhookPut) check() error {
	for _, e := range p.Events {
		if !slices.Contains(offered, e) {
			return problem.InvalidField("body.webhook.events", "knows incident.created and other types of the documentation, not each of these")
		}
	}
	return nil
}

// Mail is how mail to a person does.
type Mail struct {
	Address string                        `json:"address"`
	Stopped httpapi.OrNull[mailstop.Stop] `json:"stopped" doc:"why no notification is mailed to the address any more; null where they are"`
}
