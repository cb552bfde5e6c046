package notify_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"pagefree/internal/notify"
	"pagefree/internal/platform/id"
)

// bounced is an event of SES.
func bounced(kind, address string, at time.Time) string {
	stamp := at.UTC().Format("2006-01-02T15:04:05.000Z")
	if kind == "Complaint" {
		return `{"eventType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"` + address + `"}],"timestamp":"` + stamp + `"},"mail":{}}`
	}
	return `{"eventType":"Bounce","bounce":{"bounceType":"` + kind + `","bouncedRecipients":[{"emailAddress":"` + address + `"}],"timestamp":"` + stamp + `"},"mail":{}}`
}

func TestBounces(t *testing.T) {
	tests := map[string]struct {
		message func(at time.Time) string
		reason  string // "" for not stopped
	}{
		"for good":         {func(at time.Time) string { return bounced("Permanent", "lead@pagefree.test", at) }, "bounce"},
		"in other letters": {func(at time.Time) string { return bounced("Permanent", "Lead@PageFree.test", at) }, "bounce"},
		"a complaint":      {func(at time.Time) string { return bounced("Complaint", "lead@pagefree.test", at) }, "complaint"},
		"one that passes":  {func(at time.Time) string { return bounced("Transient", "lead@pagefree.test", at) }, ""},
		"nobody knows":     {func(at time.Time) string { return bounced("Undetermined", "lead@pagefree.test", at) }, ""},
		"of somebody else": {func(at time.Time) string { return bounced("Permanent", "who@pagefree.test", at) }, ""},
		"of no address":    {func(at time.Time) string { return bounced("Permanent", "nobody", at) }, ""},
		"a delivery": {func(time.Time) string {
			return `{"eventType":"Delivery","delivery":{"recipients":["lead@pagefree.test"]}}`
		}, ""},
		"of another shape": {func(time.Time) string { return `{"notificationType":"AmazonSnsSubscriptionSucceeded"}` }, ""},
		"without a timestamp": {func(time.Time) string {
			return `{"eventType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"lead@pagefree.test"}]}}`
		}, "complaint"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			message := tt.message(w.now.Now())
			for range 2 { // SNS may tell twice
				w.ok(w.bounces.Handle(t.Context(), message))
			}
			w.handle(w.ended(id.New(id.Runbook, w.now.Now()), "FAILED", ""))
			mine := w.must(200, "lead", "GET", "/v1/me/notifications", nil)
			team := w.must(200, "observer", "GET", "/v1/teams/"+w.team+"/notifications", nil)
			record := w.recorded("mail.stopped")
			if tt.reason == "" {
				if got := to(w.sent()); got != "lead reviewer" {
					t.Errorf("mailed %q", got)
				}
				if !strings.Contains(mine.Text, `"stopped":null`) || !strings.Contains(team.Text, `"mailStopped":[]`) {
					t.Errorf("got %s %s", mine.Text, team.Text)
				}
				return
			}
			if got := to(w.sent()); got != "reviewer" || len(w.waiting()) != 0 {
				t.Errorf("mailed %q, left %v", got, w.waiting())
			}
			if !strings.Contains(mine.Text, `"stopped":{"reason":"`+tt.reason+`","at":"2060-`) {
				t.Errorf("got %s", mine.Text)
			}
			if !strings.Contains(team.Text, `"mailStopped":[{"userId":"`+w.id["lead"]+`","name":"lead","reason":"`+tt.reason+`"`) {
				t.Errorf("got %s", team.Text)
			}
			if len(record) != 1 || record[0].Subject.ID != w.id["lead"] || record[0].Detail["reason"] != tt.reason || strings.Contains(dump(record), "lead@") {
				t.Errorf("on record: %s", dump(record))
			}
		})
	}
}

// TestMailGoesOn: who asks is mailed again, until the address bounces again; what SES tells late of the time before does
// not count.
func TestMailGoesOn(t *testing.T) {
	w := newWorld(t)
	before := w.now.Now()
	w.ok(w.bounces.Handle(t.Context(), bounced("Permanent", "lead@pagefree.test", before)))
	w.must(403, "lead's key", "POST", "/v1/me/notifications/resume-mail", nil)
	w.must(200, "reviewer", "POST", "/v1/me/notifications/resume-mail", nil) // whose own is not stopped
	if a := w.must(200, "lead", "GET", "/v1/me/notifications", nil); strings.Contains(a.Text, `"stopped":null`) {
		t.Errorf("another lifted it: %s", a.Text)
	}
	w.now.Advance(time.Minute)
	if a := w.must(200, "lead", "POST", "/v1/me/notifications/resume-mail", nil); !strings.Contains(a.Text, `"stopped":null`) {
		t.Errorf("got %s", a.Text)
	}
	w.ok(w.bounces.Handle(t.Context(), bounced("Permanent", "lead@pagefree.test", before.Add(time.Second)))) // late
	w.handle(w.ended(id.New(id.Runbook, w.now.Now()), "FAILED", ""))
	if got := to(w.sent()); got != "lead reviewer" {
		t.Errorf("mailed %q", got)
	}
	w.now.Advance(time.Minute)
	w.ok(w.bounces.Handle(t.Context(), bounced("Complaint", "lead@pagefree.test", w.now.Now())))
	w.handle(w.ended(id.New(id.Runbook, w.now.Now()), "FAILED", ""))
	if got := to(w.sent()); got != "reviewer" {
		t.Errorf("stopped again: mailed %q", got)
	}
	if got := len(w.recorded("mail.resumed")); got != 1 {
		t.Errorf("resumed %d times on record", got)
	}
}

func TestNoEventOfSES(t *testing.T) {
	w := newWorld(t)
	for _, message := range []string{"", "hello", "[]"} {
		if err := w.bounces.Handle(t.Context(), message); err == nil {
			t.Errorf("%q was taken", message)
		}
	}
}

// TestSampleBounces: the events in events/bounces are read as what they are.
func TestSampleBounces(t *testing.T) {
	w := newWorld(t)
	for name, want := range map[string]string{"permanent": "bounce", "complaint": "complaint"} {
		raw, err := os.ReadFile(filepath.Join("..", "..", "events", "bounces", name+".json"))
		w.ok(err)
		var e events.SNSEvent
		w.ok(json.Unmarshal(raw, &e))
		before := len(w.recorded("mail.stopped"))
		w.ok(w.bounces.Handle(t.Context(), e.Records[0].SNS.Message))
		if got := w.recorded("mail.stopped"); len(got) != before+1 || got[before].Detail["reason"] != want || got[before].Subject.Kind != "address" {
			t.Errorf("%s: on record %s", name, dump(got))
		}
	}
}

func FuzzBounce(f *testing.F) {
	f.Add(bounced("Transient", "a@b.test", time.Unix(0, 0)))
	f.Fuzz(func(t *testing.T, message string) {
		if strings.Contains(message, "Permanent") || strings.Contains(message, "omplain") {
			return // those write, and need a table
		}
		_ = new(notify.Bounces).Handle(t.Context(), message)
	})
}
