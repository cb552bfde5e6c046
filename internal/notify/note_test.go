package notify_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	front "pagefree/infra/local/aws"
	"pagefree/internal/notify"
	"pagefree/internal/notify/push"
	"pagefree/internal/platform/devices"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/teams"
)

// phones gives somebody devices, as the room's other half writes them.
func (w *world) phones(name string, count int) {
	w.t.Helper()
	k := devices.Key(w.id[name])
	d := push.Devices{PK: k.PK, SK: k.SK, Rev: 1}
	for n := range count {
		d.List = append(d.List, push.Device{ID: id.New(id.Device, w.now.Now()), Name: fmt.Sprintf("phone %d", n), Endpoint: "https://push.example.com/" + name + fmt.Sprint(n), Key: "B"})
	}
	w.ok(dynamo.Commit(w.t.Context(), w.identity.DB, w.identity.Put(d, dynamo.Present().Or(dynamo.Absent()))))
}

// pushed is what was put into the queue since it was asked last.
func (w *world) pushed() []push.Message {
	w.t.Helper()
	client, url := sqs.NewFromConfig(w.env.Config), w.env.QueueURL("PushQueue")
	var out []push.Message
	for {
		got, err := client.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
		w.ok(err)
		if len(got.Messages) == 0 {
			return out
		}
		for _, m := range got.Messages {
			var one push.Message
			w.ok(json.Unmarshal([]byte(*m.Body), &one))
			out = append(out, one)
			_, err := client.DeleteMessage(w.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
			w.ok(err)
		}
	}
}

// devicesOf are whose devices messages are for, with how many each.
func (w *world) devicesOf(messages []push.Message) string {
	count := map[string]int{}
	for _, m := range messages {
		for name, of := range w.id {
			if of == m.UserID {
				count[name]++
			}
		}
	}
	var out []string
	for name, n := range count {
		out = append(out, fmt.Sprintf("%s:%d", name, n))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestNotes: who is pushed what, and what of it a lock screen shows.
func TestNotes(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"lead", "responder", "observer", "outsider", "left"} {
		w.phones(name, 1)
	}
	w.phones("responder", 2)
	w.must(200, "lead", "PUT", "/v1/me/notifications", `{"showTitles":true}`)
	inc := w.incident("Payments fail for Ann", "CRITICAL")
	rb, wfr := id.New(id.Runbook, w.now.Now()), id.New(id.WorkflowRun, w.now.Now())
	w.facts.versions[rb+"/3"] = notify.Version{Runbook: "Restart", Waits: true, Author: w.id["reviewer"], Submitter: w.id["reviewer"]}
	for name, tt := range map[string]struct {
		event                 outbox.Event
		to, url, plain, named string
		tag                   string
		urgent, bounded       bool
		life                  time.Duration
	}{
		"an incident":            {w.event(outbox.IncidentCreated, inc, nil), "lead:1 responder:2", "/console/incidents/" + inc, "Critical incident", "[CRITICAL] Payments fail for Ann", inc, true, false, 4 * time.Hour},
		"a failure":              {w.ended(rb, "FAILED", ""), "lead:1", "/console/executions/", "", "Restart failed", "failed/" + rb, false, true, 4 * time.Hour},
		"a failure of one's own": {w.ended(rb, "TIMEOUT", w.id["responder"]), "lead:1 responder:2", "/console/executions/", "A runbook ran out of time", "Restart ran out of time", "failed/" + rb, false, true, 4 * time.Hour},
		"a confirmation":         {w.run(outbox.ExecutionWaits, rb, "AWAITING_CONFIRMATION", ""), "lead:1 responder:2", "/console/executions/", "A runbook waits for a confirmation", "Restart waits for a confirmation", "confirm/ex_", true, false, 15 * time.Minute},
		"one that nobody gave":   {w.run(outbox.ExecutionExpired, rb, "CANCELLED", ""), "lead:1 responder:2", "/console/executions/", "A runbook did not run: nobody confirmed it", "Restart did not run", "confirm/ex_", false, false, 4 * time.Hour},
		"a review":               {w.event(outbox.RunbookSubmitted, rb, map[string]string{"version": "3"}), "lead:1", "/console/reviews", "", "Version 3 of Restart waits for a review", "review/" + rb, false, false, 24 * time.Hour},
		"a workflow":             {w.event(outbox.WorkflowFailed, wfr, map[string]string{"workflowId": "wf_1", "workflowName": "Payments", "incidentId": inc}), "lead:1", "/console/incidents/" + inc, "", "The workflow Payments failed", "failed/wf_1", false, true, 4 * time.Hour},
		"a message":              {w.event(outbox.WorkflowNotify, wfr, map[string]string{"to": "responders", "subject": "Payments fail for Ann", "message": "Look."}), "lead:1 responder:2", "/console/workflows", "A message of a workflow", "Payments fail for Ann", "message/evt_", false, false, 4 * time.Hour},
	} {
		w.handle(tt.event)
		got := w.pushed()
		if to := w.devicesOf(got); to != tt.to {
			t.Errorf("%s: pushed to %q, want %q", name, to, tt.to)
		}
		for _, m := range got {
			want := tt.plain
			if m.UserID == w.id["lead"] {
				want = tt.named
			} else if all := m.Note.Title + m.Note.Body; strings.Contains(all, "Payments") || strings.Contains(all, "Restart") || strings.Contains(all, "Billing") || strings.Contains(all, "Look.") {
				t.Errorf("%s: a lock screen shows %+v", name, m.Note)
			}
			if m.Note.Title != want || !strings.HasPrefix(m.Note.URL, tt.url) || !strings.HasPrefix(m.Note.Tag, tt.tag) || m.Urgent != tt.urgent || m.Bounded != tt.bounded || m.EventID != tt.event.ID ||
				m.Closes || m.Note.Body == "" || !m.Note.At.Equal(tt.event.At.Time) || m.Until.Sub(tt.event.At.Time) != tt.life {
				t.Errorf("%s: got %+v, want %q", name, m, want)
			}
		}
	}
}

// TestWhatBecameOfAnIncident takes the place of the note that it is open, without a sound.
func TestWhatBecameOfAnIncident(t *testing.T) {
	w := newWorld(t)
	w.phones("responder", 1)
	inc := w.incident("Down", "CRITICAL")
	for _, tt := range []struct {
		kind, status, says string
		closes             bool
	}{
		{outbox.IncidentCreated, "TRIGGERED", "An incident is open.", false},
		{outbox.IncidentEscalated, "TRIGGERED", "Nobody has acknowledged", false},
		{outbox.IncidentAcknowledged, "ACKNOWLEDGED", "Somebody works on", true},
		{outbox.IncidentResolved, "RESOLVED", "is over", true},
		{outbox.IncidentReopened, "TRIGGERED", "opened again", false},
		{outbox.IncidentCreated, "RESOLVED", "is over", true}, // it came late
	} {
		w.becomes(inc, tt.status)
		w.handle(w.event(tt.kind, inc, nil))
		got := w.pushed()
		if len(got) != 1 || got[0].Note.Tag != inc || got[0].Closes != tt.closes || got[0].Note.Silent != tt.closes || got[0].Urgent == tt.closes || !strings.Contains(got[0].Note.Body, tt.says) {
			t.Errorf("%s, %s: got %+v", tt.kind, tt.status, got)
		}
	}
	w.handle(w.event(outbox.IncidentUpdated, w.incident("Worse", "HIGH"), map[string]string{"from": "LOW"}))
	if got := w.pushed(); len(got) != 1 || got[0].Closes {
		t.Errorf("worse: %+v", got)
	}
}

// TestWhoChoseOtherwise: mail and pushes are chosen each for itself, and who has no device is told by mail alone.
func TestWhoChoseOtherwise(t *testing.T) {
	w := newWorld(t)
	w.phones("responder", 1)
	w.phones("lead", 1)
	down := func(severity string) outbox.Event {
		return w.event(outbox.IncidentCreated, w.incident("Down", severity), nil)
	}
	for name, tt := range map[string]struct {
		settings      string
		event         outbox.Event
		mails, pushes string
	}{
		"no pushes of incidents": {`{"push":{"incidents":false}}`, down("HIGH"), "lead responder reviewer", "lead:1"},
		"no mail of them":        {`{"email":{"incidents":false}}`, down("HIGH"), "lead reviewer", "lead:1 responder:1"},
		"neither":                {`{"email":{"incidents":false},"push":{"incidents":false}}`, down("HIGH"), "lead reviewer", "lead:1"},
		"of the worst alone":     {`{"minimumSeverity":"CRITICAL"}`, down("HIGH"), "lead reviewer", "lead:1"},
		"of the least too":       {`{"minimumSeverity":"LOW"}`, down("LOW"), "responder", "responder:1"},
	} {
		w.must(200, "responder", "PUT", "/v1/me/notifications", tt.settings)
		w.handle(tt.event)
		if mails, pushes := to(w.sent()), w.devicesOf(w.pushed()); mails != tt.mails || pushes != tt.pushes {
			t.Errorf("%s: mailed %q, pushed %q", name, mails, pushes)
		}
	}
	w.must(200, "responder", "PUT", "/v1/me/notifications", `{}`)
	w.must(200, "lead", "PUT", "/v1/teams/"+w.team+"/notifications", `{"email":{"incidents":false}}`) // the team's mail is not its people's phones
	w.handle(down("HIGH"))
	if mails, pushes := to(w.sent()), w.devicesOf(w.pushed()); mails != "" || pushes != "lead:1 responder:1" {
		t.Errorf("a team without mail: mailed %q, pushed %q", mails, pushes)
	}
	w.people.change(w.id["responder"], func(p *teams.Person) { p.Active = false })
	w.handle(down("HIGH"))
	if pushes := w.devicesOf(w.pushed()); pushes != "lead:1" {
		t.Errorf("who is not active: pushed %q", pushes)
	}
}

// TestWhatIsNoNewsAnyMore is not pushed.
func TestWhatIsNoNewsAnyMore(t *testing.T) {
	w := newWorld(t)
	w.phones("lead", 1)
	rb := id.New(id.Runbook, w.now.Now())
	confirmed := w.run(outbox.ExecutionWaits, rb, "RUNNING", "")
	late := w.run(outbox.ExecutionWaits, rb, "AWAITING_CONFIRMATION", "")
	late.At.Time = late.At.Add(-15 * time.Minute)
	w.handle(confirmed, late, w.event(outbox.IncidentCreated, id.New(id.Incident, w.now.Now()), nil), w.ended(rb, "COMPLETED", ""))
	if got := w.pushed(); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

// TestPushesHoldBackNoMail: the queue of pushes is away, and mails leave all the same; when the event comes again the pushes
// do, and no mail does.
func TestPushesHoldBackNoMail(t *testing.T) {
	w := makeWorld(t, 1)
	w.phones("lead", 1)
	e := w.event(outbox.IncidentCreated, w.incident("Down", "CRITICAL"), nil)
	w.env.Faults.Add(front.Fault{Service: "sqs", Operation: "SendMessageBatch", Do: front.Fail})
	if err := w.notifier.Handle(t.Context(), e); err == nil {
		t.Error("it is not to come again")
	}
	if mails, pushes := to(w.sent()), w.devicesOf(w.pushed()); mails != "lead responder reviewer" || pushes != "" {
		t.Errorf("mailed %q, pushed %q", mails, pushes)
	}
	w.handle(e)
	if mails, pushes := to(w.sent()), w.devicesOf(w.pushed()); mails != "" || pushes != "lead:1" {
		t.Errorf("again: mailed %q, pushed %q", mails, pushes)
	}
}
