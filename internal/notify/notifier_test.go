package notify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	front "pagefree/infra/local/aws"
	"pagefree/internal/notify"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/teams"
)

// TestAFailureAndAConfirmation are the two that a demo needs most.
func TestAFailureAndAConfirmation(t *testing.T) {
	w := newWorld(t)
	w.handle(w.ended(id.New(id.Runbook, w.now.Now()), "FAILED", w.id["responder"]))
	mails := w.sent()
	if got := to(mails); got != "lead responder reviewer" {
		t.Fatalf("a failure: got %q", got)
	}
	if m := mails[0]; m.Subject != "[FAILED] Restart" || !strings.Contains(m.Text, "exit 1") || !strings.Contains(m.HTML, "exit 1") ||
		len(m.Links) == 0 || !strings.HasPrefix(m.Links[0], "https://pagefree.test/console/executions/ex_") {
		t.Errorf("got %+v", m)
	}
	w.handle(w.run(outbox.ExecutionWaits, id.New(id.Runbook, w.now.Now()), "AWAITING_CONFIRMATION", "wfr_x"))
	if got := to(w.sent()); got != "lead responder reviewer" {
		t.Errorf("a confirmation: got %q", got)
	}
	w.handle(w.ended(id.New(id.Runbook, w.now.Now()), "COMPLETED", w.id["responder"]))
	if got := to(w.sent()); got != "" {
		t.Errorf("a success: got %q", got)
	}
	if got := w.waiting(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// TestQuiet: one mail a minute about one runbook to a person, and then all that came in between as one.
func TestQuiet(t *testing.T) {
	w := newWorld(t)
	rb, another := id.New(id.Runbook, w.now.Now()), id.New(id.Runbook, w.now.Now())
	w.handle(w.ended(rb, "FAILED", w.id["observer"]))
	if got := to(w.sent()); got != "lead observer reviewer" {
		t.Fatalf("the first: got %q", got)
	}
	for range 3 {
		w.now.Advance(10 * time.Second)
		w.handle(w.ended(rb, "FAILED", ""))
		w.sweep()
	}
	w.handle(w.ended(another, "FAILED", "")) // another subject is not held back
	if got := w.sent(); to(got) != "lead reviewer" || got[0].Subject != "[FAILED] Restart" {
		t.Fatalf("within the minute: got %+v", got)
	}
	w.now.Advance(25 * time.Second) // 55 s
	w.sweep()
	if got := w.sent(); len(got) != 0 {
		t.Fatalf("after 55 s: got %+v", got)
	}
	w.now.Advance(10 * time.Second)
	w.sweep()
	digest := w.sent()
	if to(digest) != "lead reviewer" || digest[0].Subject != "3 more failures of Restart" {
		t.Fatalf("the digest: got %+v", digest)
	}
	w.handle(w.ended(rb, "FAILED", "")) // a minute after the digest, not after the first
	w.sweep()
	if got := w.sent(); len(got) != 0 {
		t.Errorf("right after the digest: got %+v", got)
	}
	w.now.Advance(time.Hour)
	w.sweep()
	if got := w.sent(); to(got) != "lead reviewer" || got[0].Subject != "[FAILED] Restart" {
		t.Errorf("one more: got %+v", got)
	}
	for range 14 {
		w.handle(w.ended(rb, "FAILED", ""))
	}
	w.now.Advance(time.Hour)
	w.sweep()
	if got := w.sent(); to(got) != "lead reviewer" || got[0].Subject != "14 more failures of Restart" || !strings.Contains(got[0].Text, "and 4 more") {
		t.Errorf("many more: got %+v", got)
	}
	if got := w.waiting(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// TestTwice: however often an event comes, and however many handle it at once, each is told once.
func TestTwice(t *testing.T) {
	w := newWorld(t)
	e := w.ended(id.New(id.Runbook, w.now.Now()), "FAILED", "")
	done := make(chan error)
	for range 4 {
		go func() { done <- w.notifier.Handle(context.WithoutCancel(t.Context()), e) }()
	}
	for range 4 {
		w.ok(<-done)
	}
	w.handle(e, e)
	w.now.Advance(2 * time.Minute)
	w.sweep()
	if got := to(w.sent()); got != "lead reviewer" {
		t.Errorf("got %q", got)
	}
}

// TestAnIncidentIsToldAsItIs: what was acknowledged or resolved before its mail left is not told as open, and is told in
// the thread of the first mail to who was told that it was.
func TestAnIncidentIsToldAsItIs(t *testing.T) {
	w := newWorld(t)
	resolved := w.incident("Resolved at once", "CRITICAL")
	w.becomes(resolved, "RESOLVED")
	w.handle(w.event(outbox.IncidentCreated, resolved, nil), w.event(outbox.IncidentResolved, resolved, nil))
	w.now.Advance(2 * time.Minute)
	w.sweep()
	if got := w.sent(); len(got) != 0 {
		t.Errorf("over before it was told: got %+v", got)
	}

	early := w.incident("Told out of order", "CRITICAL")
	w.becomes(early, "RESOLVED")
	w.handle(w.event(outbox.IncidentResolved, early, nil), w.event(outbox.IncidentCreated, early, nil))
	w.now.Advance(2 * time.Minute)
	w.sweep()
	if got := w.sent(); len(got) != 0 {
		t.Errorf("out of order: got %+v", got)
	}

	i := w.incident("Payments fail", "CRITICAL")
	w.handle(w.event(outbox.IncidentCreated, i, nil))
	first := w.sent()
	if to(first) != "lead responder reviewer" || first[0].Subject != "[CRITICAL] Payments fail (Billing)" {
		t.Fatalf("opened: got %+v", first)
	}
	w.handle(w.event(outbox.IncidentEscalated, i, nil)) // and acknowledged before the minute is over
	w.becomes(i, "ACKNOWLEDGED")
	w.handle(w.event(outbox.IncidentAcknowledged, i, nil))
	w.now.Advance(2 * time.Minute)
	w.sweep()
	second := w.sent()
	if to(second) != "lead responder reviewer" || second[0].Subject != "Re: [CRITICAL] Payments fail (Billing)" || !strings.Contains(second[0].Text, "Somebody works on") {
		t.Fatalf("acknowledged: got %+v", second)
	}
	w.now.Advance(2 * time.Minute)
	w.becomes(i, "RESOLVED")
	w.handle(w.event(outbox.IncidentResolved, i, nil))
	third := w.sent()
	if to(third) != "lead responder reviewer" || !strings.Contains(third[0].Text, "is over") {
		t.Fatalf("resolved: got %+v", third)
	}
	for _, m := range slices.Concat(first, second, third) {
		if want := "<" + i + "@pagefree.test>"; m.Headers["References"] != want || m.Headers["In-Reply-To"] != want {
			t.Errorf("%s: in the thread %q", m.Subject, m.Headers["References"])
		}
	}
	w.handle(w.event(outbox.IncidentReopened, i, nil)) // resolved again meanwhile, for all that is known
	w.now.Advance(2 * time.Minute)
	w.sweep()
	if got := w.sent(); len(got) != 0 {
		t.Errorf("not open: got %+v", got)
	}
}

// TestOverWhileItIsTold: an incident that is resolved, and that told, while the event of its opening is being handled, is
// not mailed as open to people who would never hear that it is over.
func TestOverWhileItIsTold(t *testing.T) {
	w := newWorld(t)
	i := w.incident("Over at once", "CRITICAL")
	w.facts.meanwhile = func() {
		w.becomes(i, "RESOLVED")
		w.handle(w.event(outbox.IncidentResolved, i, nil))
	}
	w.handle(w.event(outbox.IncidentCreated, i, nil))
	w.now.Advance(2 * time.Minute)
	w.sweep()
	if got := w.sent(); len(got) != 0 || len(w.waiting()) != 0 {
		t.Errorf("got %+v, left %v", got, w.waiting())
	}
}

// TestAnIncidentBecomesWorse: who was not told of it is, whether or not somebody works on it; then also that it is over.
func TestAnIncidentBecomesWorse(t *testing.T) {
	for status, want := range map[string]string{"TRIGGERED": "became worse", "ACKNOWLEDGED": "became worse. Somebody works on it.", "RESOLVED": ""} {
		t.Run(status, func(t *testing.T) {
			w := newWorld(t)
			i := w.incident("Payments are slow", "MEDIUM")
			w.handle(w.event(outbox.IncidentCreated, i, nil))
			w.handle(w.event(outbox.IncidentAcknowledged, i, nil))
			if got := w.sent(); len(got) != 0 {
				t.Fatalf("of MEDIUM: got %+v", got)
			}
			in := w.facts.incidents[i]
			in.Severity, in.Status = "CRITICAL", status
			w.facts.incidents[i] = in
			e := w.event(outbox.IncidentUpdated, i, map[string]string{"from": "MEDIUM", "severity": "CRITICAL"})
			w.handle(e)
			w.handle(e)
			got := w.sent()
			if want == "" {
				if len(got) != 0 {
					t.Errorf("it is over: got %+v", got)
				}
				return
			}
			if to(got) != "lead responder reviewer" || got[0].Subject != "[CRITICAL] Payments are slow (Billing)" || !strings.Contains(got[0].Text, want) {
				t.Fatalf("got %+v", got)
			}
			w.now.Advance(2 * time.Minute)
			w.becomes(i, "RESOLVED")
			w.handle(w.event(outbox.IncidentResolved, i, nil))
			if got := w.sent(); to(got) != "lead responder reviewer" || !strings.Contains(got[0].Text, "is over") {
				t.Errorf("resolved: got %+v", got)
			}
		})
	}
}

// TestWhatIsNotSoAnyMore: what was confirmed, cancelled or reviewed, and who left, before the mail left.
func TestWhatIsNotSoAnyMore(t *testing.T) {
	tests := map[string]struct {
		event  func(w *world, rb string) outbox.Event
		change func(w *world, e outbox.Event)
		want   string
	}{
		"confirmed": {
			func(w *world, rb string) outbox.Event {
				return w.run(outbox.ExecutionWaits, rb, "AWAITING_CONFIRMATION", "")
			},
			func(w *world, e outbox.Event) {
				w.facts.executions[e.About] = notify.Execution{ID: e.About, Status: "RUNNING"}
			}, "",
		},
		"reviewed": {
			func(w *world, rb string) outbox.Event {
				w.facts.versions[rb+"/1"] = notify.Version{Runbook: "Restart", Waits: true}
				return w.event(outbox.RunbookSubmitted, rb, map[string]string{"version": "1", "runbookId": rb})
			},
			func(w *world, e outbox.Event) { w.facts.versions[e.About+"/1"] = notify.Version{Runbook: "Restart"} }, "",
		},
		"one left the team": {
			func(w *world, rb string) outbox.Event { return w.ended(rb, "FAILED", "") },
			func(w *world, _ outbox.Event) {
				w.people.change(w.id["lead"], func(p *teams.Person) { p.Roles = map[string]principal.Role{} })
			}, "reviewer",
		},
		"one left for good": {
			func(w *world, rb string) outbox.Event { return w.ended(rb, "FAILED", "") },
			func(w *world, _ outbox.Event) {
				w.people.change(w.id["lead"], func(p *teams.Person) { p.Active = false })
			}, "reviewer",
		},
		"nothing changed": {
			func(w *world, rb string) outbox.Event { return w.ended(rb, "FAILED", "") },
			func(*world, outbox.Event) {}, "lead reviewer",
		},
		"one moved": {
			func(w *world, rb string) outbox.Event { return w.ended(rb, "FAILED", "") },
			func(w *world, _ outbox.Event) {
				w.people.change(w.id["lead"], func(p *teams.Person) { p.Email = "new@pagefree.test" })
			}, "new reviewer",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			rb := id.New(id.Runbook, w.now.Now())
			w.handle(w.ended(rb, "FAILED", w.id["responder"])) // so that the next one waits
			w.sent()
			e := tt.event(w, rb)
			w.handle(e)
			tt.change(w, e)
			w.now.Advance(2 * time.Minute)
			w.sweep()
			if got := to(w.sent()); got != tt.want {
				t.Errorf("mailed %q, want %q", got, tt.want)
			}
			if got := w.waiting(); len(got) != 0 {
				t.Errorf("left: %v", got)
			}
		})
	}
}

// TestDying: the function dies at each of its calls, before it is done or before its answer is there. When the event comes
// again, or the schedule, everybody was told, and once, but for a death between the mail and its record.
func TestDying(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		again bool // the message comes again
		do    front.Action
	}{
		"before a call, and the message comes again": {true, front.KillBefore},
		"after a call, and the message comes again":  {true, front.KillAfter},
		"before a call, and the message is lost":     {false, front.KillBefore},
		"after a call, and the message is lost":      {false, front.KillAfter},
	} {
		t.Run(name, func(t *testing.T) {
			var twice []int
			for n := 1; ; n++ {
				w := makeWorld(t, 1)
				w.people.change(w.id["reviewer"], func(p *teams.Person) { p.Active = false }) // one to tell is enough
				e := w.ended(id.New(id.Runbook, w.now.Now()), "FAILED", "")
				death := w.env.Faults.Add(front.Fault{Function: "NotifierFunction", Do: tt.do, Nth: n})
				w.env.Faults.Add(front.Fault{Function: "NotifierFunction", Do: front.KillBefore, Nth: n + 1, Times: -1})
				err := w.notifier.Handle(t.Context(), e)
				struck := death.Struck()
				w.env.Faults.Clear()
				if struck == 0 {
					if err != nil || n < 6 {
						t.Fatalf("%d calls, %v", n, err)
					}
					break
				}
				began := len(w.waiting()) > 0 || len(w.env.Mail()) > 0
				if tt.again || !began { // before that, the queue has it
					w.handle(e)
				}
				w.now.Advance(2 * time.Minute)
				w.sweep()
				switch got := to(w.sent()); got {
				case "lead":
				case "lead lead":
					twice = append(twice, n)
				default:
					t.Errorf("call %d: mailed %q", n, got)
				}
				if got := w.waiting(); len(got) != 0 {
					t.Errorf("call %d: left %v", n, got)
				}
			}
			if len(twice) > 1 { // after the mail was taken, or before that was written
				t.Errorf("mailed twice after deaths at the calls %v", twice)
			}
		})
	}
}

// TestThePostIsDown: what could not be mailed is, when the post is back.
func TestThePostIsDown(t *testing.T) {
	t.Parallel()
	w := makeWorld(t, 1)
	w.env.Faults.Add(front.Fault{Service: "ses", Do: front.Fail, Times: -1})
	e := w.ended(id.New(id.Runbook, w.now.Now()), "FAILED", "")
	if err := w.notifier.Handle(t.Context(), e); err == nil {
		t.Error("the queue is not told")
	}
	if err := w.sweeper.Sweep(t.Context()); err != nil || len(w.waiting()) == 0 {
		t.Errorf("the sweep: got %v, and %d wait", err, len(w.waiting()))
	}
	w.env.Faults.Clear()
	w.now.Advance(2 * time.Minute)
	w.sweep()
	w.handle(e)
	if got := to(w.sent()); got != "lead reviewer" {
		t.Errorf("got %q", got)
	}
	if got := w.waiting(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// refusing is a post that takes nothing to one address.
type refusing struct{ notify.Post }

func (r refusing) Deliver(ctx context.Context, l notify.Letter) error {
	if l.To == "lead@pagefree.test" {
		return errors.Join(notify.ErrRefused, errors.New("no such thing"))
	}
	return r.Post.Deliver(ctx, l)
}

func TestARefusedAddressHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	w.notifier.Post = refusing{w.notifier.Post}
	w.handle(w.ended(id.New(id.Runbook, w.now.Now()), "FAILED", ""))
	if got := to(w.sent()); got != "reviewer" || len(w.waiting()) != 0 {
		t.Errorf("got %q, left %v", got, w.waiting())
	}
}

// TestHostileTitles: what came from outside is text, on one line, and no longer than a line.
func TestHostileTitles(t *testing.T) {
	for name, title := range map[string]string{
		"a header":     "x\r\nBcc: victim@x.test\r\n\r\n<script>alert(1)</script>",
		"HTML":         `"><img src=x onerror=alert(1)><a href="https://evil.test">here</a>`,
		"marks":        "\u202eevil\u2066\u200f",
		"emoji":        strings.Repeat("👩‍🚒", 200),
		"a template":   "{{.To}} {{template \"x\"}}",
		"slack markup": "<!channel> *b* &",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.handle(w.event(outbox.IncidentCreated, w.incident(title, "CRITICAL"), nil))
			mails := w.sent()
			if to(mails) != "lead responder reviewer" {
				t.Fatalf("mailed %q", to(mails))
			}
			m := mails[0]
			if strings.ContainsAny(m.Subject, "\r\n\u202e\u2066") || len([]rune(m.Subject)) > 200 || !strings.HasPrefix(m.Subject, "[CRITICAL] ") {
				t.Errorf("subject %q", m.Subject)
			}
			for _, tag := range []string{"<script", "<img", "https://evil.test\"", "\u202e"} {
				if strings.Contains(m.HTML, tag) {
					t.Errorf("%s in %s", tag, m.HTML)
				}
			}
			for _, line := range strings.Split(m.Text, "\n") {
				if strings.HasPrefix(line, "Bcc:") {
					t.Errorf("text %q", m.Text)
				}
			}
		})
	}
}

// TestOutputOnlyWhereItIsWanted: a mail holds what a script wrote only where the team switched that on.
func TestOutputOnlyWhereItIsWanted(t *testing.T) {
	w := newWorld(t)
	w.handle(w.ended(id.New(id.Runbook, w.now.Now()), "FAILED", ""))
	for _, m := range w.sent() {
		if strings.Contains(m.Text+m.HTML, "said out") || strings.Contains(m.Text+m.HTML, "said err") {
			t.Errorf("got %s", m.Text)
		}
	}
	w.must(200, "lead", "PUT", "/v1/teams/"+w.team+"/notifications", map[string]any{"includeOutput": true})
	e := w.ended(id.New(id.Runbook, w.now.Now()), "FAILED", "")
	x := w.facts.executions[e.About]
	x.Stderr = "\x1b[31m" + strings.Repeat("é", 4000) + "the end \u202e</pre><b>"
	w.facts.executions[e.About] = x
	w.handle(e)
	for _, m := range w.sent() {
		if !strings.Contains(m.Text, "said out") || !strings.Contains(m.Text, "the end </pre>") || strings.ContainsAny(m.Text, "\x1b\u202e") || len(m.Text) > 10<<10 {
			t.Errorf("text %.300q... of %d", m.Text, len(m.Text))
		}
		if strings.Contains(m.HTML, "</pre><b>") || !strings.Contains(m.HTML, "(the end of it)") {
			t.Errorf("HTML %.300q", m.HTML)
		}
	}
}

// TestAMessageThatQuotesOutput: a workflow's message holds what a script wrote only in mails of a team that switched that on.
func TestAMessageThatQuotesOutput(t *testing.T) {
	w := newWorld(t)
	message := func() outbox.Event {
		return w.event(outbox.WorkflowNotify, id.New(id.WorkflowRun, w.now.Now()), map[string]string{
			"to": "team", "workflowId": id.New(id.Workflow, w.now.Now()), "workflowName": "Tell",
			"subject": "withheld s", "message": "withheld m", "subjectWithOutput": "hunter2 s", "messageWithOutput": "hunter2 m",
		})
	}
	for _, format := range []string{"standard", "slack"} {
		w.hook(200, format)
		w.handle(message())
	}
	for _, m := range w.sent() {
		if all := m.Subject + m.Text + m.HTML; strings.Contains(all, "hunter2") || !strings.Contains(m.Text, "withheld m") || m.Subject != "withheld s" {
			t.Errorf("got %s", all)
		}
	}
	w.must(200, "lead", "PUT", "/v1/teams/"+w.team+"/notifications", map[string]any{"includeOutput": true, "webhook": map[string]any{"url": w.at + "200", "format": "standard"}})
	w.handle(message())
	mails := w.sent()
	if len(mails) == 0 || mails[0].Subject != "hunter2 s" || !strings.Contains(mails[0].Text, "hunter2 m") {
		t.Errorf("switched on: got %+v", mails)
	}
	requests := w.echo.Requests()
	if len(requests) != 3 {
		t.Errorf("%d webhooks, want 3", len(requests))
	}
	for _, r := range requests {
		if strings.Contains(fmt.Sprint(r), "hunter2") {
			t.Errorf("a webhook holds it: %v", r)
		}
	}
}

func TestNoEvent(t *testing.T) {
	w := newWorld(t)
	for name, e := range map[string]outbox.Event{"nothing": {}, "no id": {ID: "evt_1", Type: outbox.IncidentCreated}, "no type": {ID: id.New(id.Event, w.now.Now())}} {
		if err := w.notifier.Handle(t.Context(), e); err == nil {
			t.Errorf("%s was taken for an event", name)
		}
	}
	w.handle(w.event("page.updated", "sp_1", nil)) // somebody else's
}
