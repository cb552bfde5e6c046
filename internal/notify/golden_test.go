package notify_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/ses"
	"pagefree/internal/notify"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
)

var update = flag.Bool("update", false, "write the golden files anew")

var ids = regexp.MustCompile(`\b([a-z]{2,4})_[0-9A-HJKMNP-TV-Z]{26}`)

// TestLetters: every kind of mail, whole, as text and as HTML.
func TestLetters(t *testing.T) {
	tests := map[string]func(w *world){
		"incident": func(w *world) {
			w.handle(w.event(outbox.IncidentCreated, w.incident("Payments fail & <time> out", "CRITICAL"), nil))
		},
		"incident-escalated": func(w *world) {
			w.handle(w.event(outbox.IncidentEscalated, w.incident("Payments fail", "HIGH"), nil))
		},
		"incident-resolved": func(w *world) {
			i := w.incident("Payments fail", "CRITICAL")
			w.handle(w.event(outbox.IncidentCreated, i, nil))
			w.now.Advance(5 * time.Minute)
			w.becomes(i, "RESOLVED")
			w.handle(w.event(outbox.IncidentResolved, i, nil))
		},
		"failure": func(w *world) {
			e := w.ended(id.New(id.Runbook, w.now.Now()), "FAILED", "")
			x, _, _ := w.facts.Execution(w.t.Context(), e.About, true)
			x.IncidentID = w.incident("Payments fail", "CRITICAL")
			w.facts.executions[e.About] = x
			w.handle(e)
		},
		"failure-with-output": func(w *world) {
			w.must(200, "lead", "PUT", "/v1/teams/"+w.team+"/notifications", map[string]any{"includeOutput": true})
			w.handle(w.ended(id.New(id.Runbook, w.now.Now()), "TIMEOUT", ""))
		},
		"failures": func(w *world) {
			rb := id.New(id.Runbook, w.now.Now())
			w.handle(w.ended(rb, "FAILED", ""))
			for _, status := range []string{"FAILED", "TIMEOUT", "UNKNOWN"} {
				w.handle(w.ended(rb, status, ""))
			}
			w.now.Advance(2 * time.Minute)
			w.sweep()
		},
		"confirmation": func(w *world) {
			e := w.run(outbox.ExecutionWaits, id.New(id.Runbook, w.now.Now()), "AWAITING_CONFIRMATION", "")
			e.Detail["reason"] = "its risk is HIGH, and a bearer may start LOW"
			x, _, _ := w.facts.Execution(w.t.Context(), e.About, true)
			x.Error = ""
			w.facts.executions[e.About] = x
			w.handle(e)
		},
		"confirmation-expired": func(w *world) {
			w.handle(w.run(outbox.ExecutionExpired, id.New(id.Runbook, w.now.Now()), "CANCELLED", ""))
		},
		"review": func(w *world) {
			rb := id.New(id.Runbook, w.now.Now())
			w.facts.versions[rb+"/3"] = notify.Version{Runbook: "Restart", Waits: true}
			w.handle(w.event(outbox.RunbookSubmitted, rb, map[string]string{"version": "3"}))
		},
		"workflow": func(w *world) {
			w.handle(w.event(outbox.WorkflowFailed, id.New(id.WorkflowRun, w.now.Now()), map[string]string{
				"workflowId": id.New(id.Workflow, w.now.Now()), "workflowName": "Mend payments", "reason": "the step restart failed", "incidentId": w.incident("Payments fail", "HIGH")}))
		},
		"workflow-by-a-runbook": func(w *world) {
			w.must(200, "lead", "PUT", "/v1/teams/"+w.team+"/notifications", map[string]any{"includeOutput": true})
			rb := id.New(id.Runbook, w.now.Now())
			e := w.ended(rb, "FAILED", "")
			e.Detail["runId"], e.Detail[outbox.ToldByRun] = id.New(id.WorkflowRun, w.now.Now()), "true"
			w.handle(e)
			w.handle(w.event(outbox.WorkflowFailed, e.Detail["runId"], map[string]string{
				"workflowId": id.New(id.Workflow, w.now.Now()), "workflowName": "Mend payments", "reason": "Step fix failed: The execution is FAILED: exit code 1", "incidentId": w.incident("Payments fail", "HIGH"),
				"runbookId": rb, "runbookName": "Restart", "executionId": e.About, "executionStatus": "FAILED", "status": "FAILED"}))
			if got := to(w.sent()); got != "lead reviewer" {
				w.t.Errorf("one failure: mailed %q", got)
			}
			w.mails -= 2 // to look at one below
		},
		"message": func(w *world) {
			w.handle(w.event(outbox.WorkflowNotify, id.New(id.WorkflowRun, w.now.Now()), map[string]string{
				"workflowId": id.New(id.Workflow, w.now.Now()), "workflowName": "Mend payments", "to": "team", "subject": "Look at payments", "message": "They fail.\n\n<b>Call</b> somebody."}))
		},
	}
	for name, happens := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			happens(w)
			var m ses.Mail
			for _, one := range w.sent() {
				if one.To == "lead@pagefree.test" {
					m = one // the last
				}
			}
			head := "Subject: " + m.Subject + "\n"
			for _, h := range []string{"Auto-Submitted", "In-Reply-To", "References"} {
				if v := m.Headers[h]; v != "" {
					head += h + ": " + v + "\n"
				}
			}
			for file, got := range map[string]string{name + ".txt": head + "\n" + m.Text, name + ".html": m.HTML} {
				got = ids.ReplaceAllString(got, "${1}_ID")
				path := filepath.Join("testdata", file)
				if *update {
					w.ok(os.MkdirAll("testdata", 0o755))
					w.ok(os.WriteFile(path, []byte(got), 0o644))
				}
				want, err := os.ReadFile(path)
				w.ok(err)
				if got != string(want) {
					t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
				}
				if strings.Contains(got, "{{") || strings.Contains(got, "\n\n\n") {
					t.Errorf("%s is ragged:\n%s", file, got)
				}
			}
		})
	}
}
