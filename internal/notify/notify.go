// Package notify tells people what came to pass: by mail to those whom it
// concerns, and by a webhook to a team's own endpoint. Who is told of what is a
// pure rule (audience.go) over an event, the people and their settings.
//
// It promises that nothing is lost and little is said twice. An event comes by
// the queue until it was handled; handling puts what each person is to be told
// into their heap for that subject (heap.go), in one transaction with a mark
// that it lies there and a reminder to mail it. A heap is mailed at once, or
// when a minute has passed since the last mail about its subject, then all of
// it as one. Only a function that dies, or loses SES's answer, between handing
// a mail over and writing that down mails it a second time.
//
// Web push is another way to the same people (note.go): one note for each of
// their devices goes into a queue of its own, at once and without a heap, since
// a later note of the same thing takes the place of the earlier on the device.
// It never holds back a mail, nor a mail it.
package notify

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/text"
)

// Kind groups events as people switch them on and off.
type Kind string

// The kinds. What a workflow's own step says is of none: it names whom it wants to reach.
const (
	Incidents     Kind = "incidents"
	Failures      Kind = "failures"
	Confirmations Kind = "confirmations"
	Reviews       Kind = "reviews"
)

var kinds = map[string]Kind{
	outbox.IncidentCreated: Incidents, outbox.IncidentEscalated: Incidents, outbox.IncidentReopened: Incidents, outbox.IncidentUpdated: Incidents,
	outbox.IncidentAcknowledged: Incidents, outbox.IncidentResolved: Incidents,
	outbox.ExecutionEnded: Failures, outbox.WorkflowFailed: Failures,
	outbox.ExecutionWaits: Confirmations, outbox.ExecutionExpired: Confirmations,
	outbox.RunbookSubmitted: Reviews,
}

// failed are the ends of an execution that somebody is told of.
var failed = map[string]bool{"FAILED": true, "TIMEOUT": true, "UNKNOWN": true}

// told reports whether anybody is told of an event: not of a success, and not
// of what somebody cancelled.
func told(e outbox.Event) bool {
	switch e.Type {
	case outbox.ExecutionEnded:
		return failed[e.Detail["status"]]
	case outbox.WorkflowNotify:
		return true
	}
	return kinds[e.Type] != ""
}

// subject is what a heap is of: the incident, the runbook or the workflow.
func subject(e outbox.Event) string {
	for _, name := range []string{"runbookId", "workflowId"} {
		if of := e.Detail[name]; of != "" && kinds[e.Type] != Incidents {
			return of
		}
	}
	if kinds[e.Type] != Incidents && id.Valid(id.Incident, e.About) { // a message about an incident is not its state
		return "about/" + e.About
	}
	return e.About
}

// line is a text of others as one line of at most limit characters: without
// control characters, which would begin a header of their own, and without the
// marks that change the order in which it is read.
func line(s string, limit int) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || r == '\u2028' || r == '\u2029'
	}), " ")
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || text.Reorders(string(r)) || unicode.Is(unicode.Cf, r) && r != '\u200d' { // which joins emoji
			return -1
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:limit-3])) + "..."
}
