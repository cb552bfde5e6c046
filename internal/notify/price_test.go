package notify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/aws"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
)

// paid are the calls of DynamoDB that do makes, in their order.
func (w *world) paid(do func()) []string {
	w.env.Counts.Reset()
	do()
	var names []string
	for _, c := range w.env.Counts.Calls(aws.Call{Service: "dynamodb"}) {
		names = append(names, c.Operation)
	}
	return names
}

// TestWhatAnEventCosts: two calls for all, and two for each who is told. The directory and the facts are asked once for all
// of them, or twice: before it is decided who is told, and when what they are told lies ready.
func TestWhatAnEventCosts(t *testing.T) {
	for name, tt := range map[string]struct {
		people, asked int
		event         func(w *world) outbox.Event
	}{
		"an incident": {3, 2, func(w *world) outbox.Event {
			return w.event(outbox.IncidentCreated, w.incident("Down", "CRITICAL"), nil)
		}},
		"an incident, to many": {30, 2, func(w *world) outbox.Event {
			return w.event(outbox.IncidentCreated, w.incident("Down", "CRITICAL"), nil)
		}},
		"a failure": {3, 1, func(w *world) outbox.Event {
			return w.ended(id.New(id.Runbook, w.now.Now()), "FAILED", w.id["responder"])
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for n := 3; n < tt.people; n++ {
				w.person(fmt.Sprintf("one%d", n), map[string]principal.Role{w.team: principal.Responder})
			}
			e := tt.event(w)
			got := w.paid(func() { w.handle(e) })
			if sent := w.sent(); len(sent) != tt.people || len(got) != 2+2*tt.people || w.facts.asked != tt.asked || w.people.asked != 1 {
				t.Errorf("%d mails, %d calls, facts asked %d times, people %d times", len(sent), len(got), w.facts.asked, w.people.asked)
			}
			if got := strings.Join(w.paid(func() { w.handle(e) }), " "); got != "BatchGetItem BatchGetItem" {
				t.Errorf("once more: %s", got)
			}
		})
	}
}

// TestWhatAReminderCosts: to read the heap, the team, and whether mail is stopped, and two writes.
func TestWhatAReminderCosts(t *testing.T) {
	w := newWorld(t)
	rb := id.New(id.Runbook, w.now.Now())
	w.handle(w.ended(rb, "FAILED", ""), w.ended(rb, "FAILED", ""))
	w.sent()
	w.now.Advance(2 * time.Minute)
	got := len(w.paid(w.sweep))
	mails := len(w.sent())
	if got -= len(w.paid(w.sweep)); mails != 2 || got != 5*mails {
		t.Errorf("%d calls for %d mails", got, mails)
	}
}
