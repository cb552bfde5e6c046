// Package integration connects monitoring systems: staff make an integration
// and paste its address and secret there; what is delivered to that address is
// verified, kept, and made into incidents.
//
// It promises that a delivery which was answered 202 is never lost: it, and
// that it must still be handled, are one write. It is handled at least once,
// and makes its incident once (see Taker); of one dedup key, in the order in
// which deliveries arrived.
//
// A secret is shown once. Those that come with every delivery are stored as
// SHA-256 alone; those that sign are encrypted, and only the function that
// verifies can decrypt them.
package integration

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"pagefree/internal/incident/hook"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/text"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
)

// PreviousLife is how long the secret before the present one is still taken, so
// that nothing is refused while somebody enters the new one at the sender.
const PreviousLife = 24 * time.Hour

// Integration is one monitoring system that sends alerts about one service.
type Integration struct {
	ID             string         `json:"id" dynamodbav:"id"`
	Name           string         `json:"name" dynamodbav:"name"`
	Provider       string         `json:"provider" dynamodbav:"provider" enum:"datadog,newrelic,grafana,alertmanager,cloudwatch,pagerduty,github,sentry,standard,generic"`
	TeamID         string         `json:"teamId" dynamodbav:"teamId"`
	ServiceID      string         `json:"serviceId" dynamodbav:"serviceId" doc:"what its alerts are about"`
	TopicARN       *string        `json:"topicArn,omitempty" dynamodbav:"topicArn,omitempty" doc:"of cloudwatch: the one topic that deliveries are taken from"`
	Trust          trust.Level    `json:"trust" dynamodbav:"trust" enum:"signed_time,signed,bearer" doc:"what a delivery proves of where it comes from"`
	UnattendedRisk trust.Risk     `json:"unattendedRisk" dynamodbav:"unattendedRisk" enum:"LOW,MEDIUM,HIGH" doc:"the highest risk of a runbook that its alerts start without a person"`
	CreatedByID    string         `json:"createdById" dynamodbav:"createdById"`
	CreatedAt      timestamp.Time `json:"createdAt" dynamodbav:"createdAt"`
	UpdatedAt      timestamp.Time `json:"updatedAt" dynamodbav:"updatedAt"`

	Secrets   []Secret        `json:"-" dynamodbav:"secrets,omitempty"` // newest first, two at most
	DeletedAt *timestamp.Time `json:"-" dynamodbav:"deletedAt,omitempty"`
	Rev       int64           `json:"-" dynamodbav:"rev"`
}

// Secret is a secret as it is stored: the SHA-256 of one that travels with each
// delivery, or the ciphertext of one that signs.
type Secret struct {
	Hash  []byte          `dynamodbav:"hash,omitempty"`
	Box   []byte          `dynamodbav:"box,omitempty"`
	Until *timestamp.Time `dynamodbav:"until,omitempty"` // nil: as long as it is the newest
}

// live are the secrets that are taken at now, newest first.
func (i Integration) live(now time.Time) []Secret {
	return slices.DeleteFunc(slices.Clone(i.Secrets), func(s Secret) bool { return s.Until != nil && !now.Before(s.Until.Time) })
}

// rotated makes is the newest secret; the one until now is taken for another
// PreviousLife. One that was replaced before is not taken any more, so that who
// must be rid of a secret at once rotates twice. until is nil where there was none.
func (i Integration) rotated(is Secret, now time.Time) (next Integration, until *timestamp.Time) {
	next = i
	next.Secrets = []Secret{is}
	if len(i.Secrets) > 0 {
		was := i.Secrets[0]
		until = timestamp.Ptr(now.Add(PreviousLife))
		was.Until = until
		next.Secrets = append(next.Secrets, was)
	}
	return next.touched(now), until
}

// touched is the next revision.
func (i Integration) touched(now time.Time) Integration {
	i.UpdatedAt, i.Rev = timestamp.Of(now), i.Rev+1
	return i
}

// deleted is what is left of an integration: enough to answer that it is gone.
func (i Integration) deleted(now time.Time) Integration {
	i = i.touched(now)
	i.DeletedAt, i.Secrets = timestamp.Ptr(now), nil
	return i
}

// unattended says in words what its alerts may start.
func (i Integration) unattended() string {
	switch i.UnattendedRisk {
	case trust.High:
		return "Starts runbooks of any risk by itself; only those that always ask for a confirmation wait for a person."
	case trust.Medium:
		return "Starts runbooks of risk LOW and MEDIUM by itself; anything riskier waits for a person."
	}
	return "Starts runbooks of risk LOW by itself; anything riskier waits for a person."
}

// New is what a caller says of a new integration.
type New struct {
	Name           string      `json:"name" minLength:"1" maxLength:"120"`
	Provider       string      `json:"provider" enum:"datadog,newrelic,grafana,alertmanager,cloudwatch,pagerduty,github,sentry,standard,generic"`
	TeamID         string      `json:"teamId" maxLength:"64"`
	ServiceID      string      `json:"serviceId" maxLength:"64" doc:"of the same team"`
	Secret         *string     `json:"secret,omitempty" nullable:"true" minLength:"1" maxLength:"256" doc:"that the sender made; pagerduty and sentry show theirs only once they have the address, and nothing is taken before it is given; the others are given one of ours without it"`
	TopicARN       *string     `json:"topicArn,omitempty" nullable:"true" maxLength:"400" doc:"of cloudwatch, which needs it: the SNS topic"`
	UnattendedRisk *trust.Risk `json:"unattendedRisk,omitempty" nullable:"true" enum:"LOW,MEDIUM,HIGH" doc:"the provider's default, or lower; a platform admin may say higher"`

	Form string `json:"-"` // of a page that it is made by, "" for none (see id.Once)
}

// Patch changes what a caller said of an integration. What is left out stays.
type Patch struct {
	httpapi.Patch
	Name           *string     `json:"name,omitempty" minLength:"1" maxLength:"120"`
	UnattendedRisk *trust.Risk `json:"unattendedRisk,omitempty" enum:"LOW,MEDIUM,HIGH" doc:"a platform admin alone may raise it"`
}

// topic is the form of an ARN of a standard SNS topic; a FIFO topic delivers to no address.
var topic = text.Pattern(`^arn:aws(-[a-z]+)*:sns:[a-z]{2}(-[a-z]+)+-[0-9]:[0-9]{12}:[A-Za-z0-9_-]{1,256}$`)

// check says what is wrong with n for its provider.
func (n New) check(p hook.Provider) error {
	var wrong []problem.Field
	add := func(location, message string) {
		wrong = append(wrong, problem.Field{Location: location, Message: message})
	}
	if !line(n.Name) {
		add("body.name", "one line of 1 to 120 characters")
	}
	switch {
	case !byTopic(p) && n.TopicARN != nil:
		add("body.topicArn", "only cloudwatch has a topic")
	case byTopic(p) && n.TopicARN == nil:
		add("body.topicArn", "cloudwatch needs the ARN of the SNS topic")
	case byTopic(p) && !topic().MatchString(*n.TopicARN):
		add("body.topicArn", "the ARN of a standard SNS topic: it names the service sns, a region, an account and the topic")
	}
	if message := checkSecret(p, n.Secret); message != "" && !(n.Secret == nil && theirs(p)) {
		add("body.secret", message)
	}
	if wrong != nil {
		return problem.Invalid(wrong...)
	}
	return nil
}

// patch applies p; changed names the members that are another than before.
func (i Integration) patch(p Patch, now time.Time) (next Integration, changed []string, err error) {
	next = i
	if p.Name != nil {
		if next.Name = strings.TrimSpace(*p.Name); !line(next.Name) {
			return Integration{}, nil, problem.InvalidField("body.name", "one line of 1 to 120 characters")
		}
		if next.Name != i.Name {
			changed = append(changed, "name")
		}
	}
	if p.UnattendedRisk != nil && *p.UnattendedRisk != i.UnattendedRisk {
		next.UnattendedRisk = *p.UnattendedRisk
		changed = append(changed, "unattendedRisk")
	}
	if changed != nil {
		next = next.touched(now)
	}
	return next, changed, nil
}

// raises reports whether a ceiling lies above another.
func raises(from, to trust.Risk) bool { return !from.Covers(to) }

func line(s string) bool {
	s = strings.TrimSpace(s)
	return s != "" && utf8.RuneCountInString(s) <= 120 && !strings.ContainsFunc(s, unicode.IsControl)
}
