package notify

import (
	"context"
	"slices"
	"strings"
	"time"

	"pagefree/internal/notify/push"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/teams"
	"pagefree/internal/platform/timestamp"
)

// How long a note is worth being delivered, and how long handing it over may take.
const (
	noteLife    = 4 * time.Hour
	confirmLife = 15 * time.Minute // by then the execution is cancelled
	reviewLife  = 24 * time.Hour
	pushWithin  = 5 * time.Second
)

// Limits of a note in characters. Four bytes each, and escaped in JSON, they
// fit into the one record that a push service takes.
const (
	maxNoteTitle = 100
	maxNoteBody  = 180
)

// push puts a note into the queue for each device of those who are told by it.
// It may do so again when the event comes again: who sends it knows what was sent.
func (n *Notifier) push(ctx context.Context, r *reading, e outbox.Event, people []teams.Person, ids []string, set settings) error {
	var messages []any
	for _, userID := range ids {
		has := set.devices[userID]
		if len(has.List) == 0 {
			continue
		}
		to := people[slices.IndexFunc(people, func(p teams.Person) bool { return p.ID == userID })]
		news, err := r.news(ctx, heap{UserID: userID, Subject: subject(e), Events: []outbox.Event{e}}, to)
		if err != nil {
			return err
		}
		m, ok := message(e, news, set.own[userID].ShowTitles)
		if !ok || !n.Now().Before(m.Until.Time) {
			continue
		}
		for _, d := range has.List {
			m.UserID, m.DeviceID = userID, d.ID
			messages = append(messages, m)
		}
	}
	if len(messages) == 0 {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, pushWithin)
	defer cancel()
	return n.Pushes.SendAll(within, messages)
}

// message is what a device is told of one event, without whose it is; false
// where there is nothing to tell any more. Without titles it holds nothing that
// somebody wrote, nor a name: a lock screen shows it to whoever passes by.
func message(e outbox.Event, n news, titles bool) (push.Message, bool) {
	if len(n.items) == 0 {
		return push.Message{}, false
	}
	m := push.Message{EventID: e.ID, Until: timestamp.Of(e.At.Add(noteLife))}
	m.Note = push.Note{Kind: "execution", ID: e.About, At: e.At, URL: "/console/executions/" + e.About}
	if kinds[e.Type] == Incidents {
		return aboutIncident(m, e, n, titles)
	}
	i := n.items[0]
	l := single(i, n.incident)
	name, body := "", "Open PageFree to see which."
	switch e.Type {
	case outbox.ExecutionEnded:
		name, m.Note.Tag, m.Bounded = "A runbook "+endings[i.status()], "failed/"+subject(e), true
	case outbox.ExecutionWaits:
		name, m.Note.Tag, m.Urgent = "A runbook waits for a confirmation", "confirm/"+e.About, true
		m.Until = timestamp.Of(e.At.Add(confirmLife))
	case outbox.ExecutionExpired:
		name, m.Note.Tag = "A runbook did not run: nobody confirmed it", "confirm/"+e.About
	case outbox.RunbookSubmitted:
		name, m.Note.Tag, m.Note.Kind, m.Note.URL = "A runbook waits for your review", "review/"+e.About, "review", "/console/reviews"
		m.Until = timestamp.Of(e.At.Add(reviewLife))
	case outbox.WorkflowFailed:
		name, m.Note.Tag, m.Bounded = "A workflow failed", "failed/"+subject(e), true
		m.Note.URL = runURL(e)
	case outbox.WorkflowNotify: // each is a message of its own
		name, m.Note.Tag, m.Note.Kind, m.Note.URL = "A message of a workflow", "message/"+e.ID, "message", runURL(e)
		body = "Open PageFree to read it."
	}
	if titles {
		name = l.Headline
		body = "Open it in PageFree."
		for _, words := range []string{l.Text, i.why()} {
			if words = line(words, maxNoteBody); words != "" {
				body = words
				break
			}
		}
	}
	m.Note.Title, m.Note.Body = line(name, maxNoteTitle), line(body, maxNoteBody)
	return m, true
}

// aboutIncident tells how an incident is now. That somebody works on it, or
// that it is over, takes the place of the note that it is open, without a sound.
func aboutIncident(m push.Message, e outbox.Event, n news, titles bool) (push.Message, bool) {
	l, open, ok := ofIncident(heap{Subject: e.About, Open: true}, n)
	if !ok {
		return push.Message{}, false
	}
	i := n.incident
	worse := open && e.Type == outbox.IncidentUpdated
	m.Closes = i.Status != "TRIGGERED" && !worse
	m.Urgent = !m.Closes
	m.Note.Tag, m.Note.Kind, m.Note.ID, m.Note.URL, m.Note.Silent = i.ID, "incident", i.ID, "/console/incidents/"+i.ID, m.Closes
	m.Note.Title, m.Note.Body = titleCase(i.Severity)+" incident", l.Text
	if titles {
		m.Note.Title = line("["+i.Severity+"] "+i.Title, maxNoteTitle)
		if service := line(i.Service, maxNoteTitle); service != "" {
			m.Note.Body = line(service+": "+l.Text, maxNoteBody)
		}
	}
	return m, true
}

// runURL is where a person sees what a run did: on its incident, where it has one.
func runURL(e outbox.Event) string {
	if of := e.Detail["incidentId"]; id.Valid(id.Incident, of) {
		return "/console/incidents/" + of
	}
	return "/console/workflows"
}

// titleCase is CRITICAL as Critical.
func titleCase(s string) string {
	if s == "" {
		return "An"
	}
	return s[:1] + strings.ToLower(s[1:])
}
