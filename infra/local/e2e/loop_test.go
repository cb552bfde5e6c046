package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/stack"
)

// loop is a stack in which alerts come in and workflows act on them.
type loop struct {
	*world
	teamID, service string
}

func newLoop(t *testing.T, o stack.Options) *loop {
	t.Helper()
	return loopIn(newWorld(t, o))
}

func loopIn(w *world) *loop {
	w.t.Helper()
	l := &loop{world: w}
	l.teamID = l.team()
	l.service = l.call(lead, http.StatusCreated, "POST", "/v1/services", object{"name": "Loop of " + w.t.Name(), "teamId": l.teamID}).Text("id")
	return l
}

// integration makes one, and returns the path of its hook and its secret.
func (l *loop) integration(provider string, more ...any) (hook, secret string) {
	l.t.Helper()
	a := l.call(lead, http.StatusCreated, "POST", "/v1/integrations", with(object{
		"name": provider, "provider": provider, "teamId": l.teamID, "serviceId": l.service}, more...))
	at, err := url.Parse(a.Text("url"))
	if err != nil {
		l.t.Fatal(err)
	}
	return at.Path, a.Text("secret")
}

// alert posts a body as a bearer provider does.
func (l *loop) alert(hook, secret string, body any) client.Answer {
	l.t.Helper()
	a, err := l.deliver(hook, secret, body)
	if err != nil {
		l.t.Fatal(err)
	}
	return a
}

func (l *loop) deliver(hook, secret string, body any) (client.Answer, error) {
	return l.api.Do(l.t.Context(), "POST", hook, secret, body)
}

// found waits for the one incident with a title.
func (l *loop) found(title string) object {
	l.t.Helper()
	var items []map[string]any
	l.within(2*time.Minute, "the incident "+title, func() bool {
		items = l.call(demo.Responder, http.StatusOK, "GET", "/v1/incidents?q="+url.QueryEscape(title), nil).Items()
		return len(items) > 0
	}, func() string { return "there is none" })
	if len(items) != 1 {
		l.t.Fatalf("%d incidents are called %q", len(items), title)
	}
	return items[0]
}

// workflow makes one that is triggered by new incidents with a label "for" of its name.
func (l *loop) workflow(name string, trigger object, steps []object, more ...any) string {
	l.t.Helper()
	body := with(object{"name": name, "teamId": l.teamID, "enabled": true, "trigger": with(object{"on": []string{"incident.created"}, "labels": object{"for": name}}, flat(trigger)...), "steps": steps}, more...)
	return l.call(lead, http.StatusCreated, "POST", "/v1/workflows", body).Text("id")
}

func flat(o object) (out []any) {
	for k, v := range o {
		out = append(out, k, v)
	}
	return out
}

// runOf waits for the only run of a workflow to end, and returns it.
func (l *loop) runOf(workflow string) client.Answer {
	l.t.Helper()
	var id string
	l.within(2*time.Minute, "a run of "+workflow, func() bool {
		runs := l.call(lead, http.StatusOK, "GET", "/v1/workflows/"+workflow+"/runs", nil).Items()
		if len(runs) > 1 {
			l.t.Fatalf("%d runs of %s: %v", len(runs), workflow, runs)
		}
		if len(runs) == 1 {
			id = runs[0]["id"].(string)
		}
		return id != ""
	}, func() string { return "there is none" })
	return l.runEnds(id)
}

func (l *loop) runEnds(id string) (a client.Answer) {
	l.t.Helper()
	l.within(4*time.Minute, "the end of "+id, func() bool {
		a = l.call(lead, http.StatusOK, "GET", "/v1/workflow-runs/"+id, nil)
		s := a.Text("status")
		return s != "PENDING" && s != "RUNNING"
	}, func() string { return a.Raw })
	return a
}

// within is until with a time of its own, and something to say when it is over.
func (w *world) within(d time.Duration, what string, is func() bool, says func() string) {
	w.t.Helper()
	for end := time.Now().Add(d); !is(); {
		if time.Now().After(end) {
			w.t.Fatalf("waited in vain for %s: %s", what, says())
		}
		if err := client.Pause(w.t.Context(), 50*time.Millisecond); err != nil {
			w.t.Fatal(err)
		}
	}
}

// steps are those of a run, "id status" each.
func steps(run client.Answer) string {
	var out []string
	list, _ := run.Body["steps"].([]any)
	for _, s := range list {
		s := s.(object)
		out = append(out, fmt.Sprint(s["id"], " ", s["status"]))
	}
	return strings.Join(out, ", ")
}

// timeline are the kinds of an incident's entries, the oldest first.
func (l *loop) timeline(incident string) (kinds []string) {
	l.t.Helper()
	for _, e := range l.call(demo.Responder, http.StatusOK, "GET", "/v1/incidents/"+incident+"/timeline?limit=200", nil).Items() {
		kinds = append(kinds, e["kind"].(string))
	}
	slices.Reverse(kinds)
	return kinds
}

// echoed are the deliveries to the echo target under a path.
func (l *loop) echoed(path string) (got []object) {
	l.t.Helper()
	a := l.call("", http.StatusOK, "GET", "/_local/webhooks", nil)
	var all []object
	if err := json.NewDecoder(bytes.NewReader([]byte(a.Raw))).Decode(&all); err != nil {
		l.t.Fatal(err)
	}
	for _, one := range all {
		if p, _ := one["path"].(string); p == "/_local/echo/200?"+path {
			got = append(got, one)
		}
	}
	return got
}

// everyStep is a workflow with a step of each kind, the webhook to a path of its own.
func (l *loop) everyStep(name, runbook string) []object {
	return []object{
		{"id": "say", "type": "note", "text": "{{incident.title}} is looked at"},
		{"id": "fix", "type": "runbook", "runbookId": runbook, "parameters": object{"HOST": "{{incident.labels.host}}"}},
		{"id": "pause", "type": "wait", "seconds": 1},
		{"id": "call", "type": "webhook", "url": l.stack.URL + "/_local/echo/200?" + url.QueryEscape(name), "if": `{{steps.fix.exitCode}} == "0"`},
		{"id": "never", "type": "note", "text": "it failed", "if": `{{steps.fix.status}} != "COMPLETED"`},
		{"id": "tell", "type": "notify", "to": []string{"responders"}, "subject": name, "message": "fixed: {{steps.fix.stdout}}"},
		{"id": "close", "type": "resolve", "note": "by itself"},
	}
}

// allDone is what everyStep comes to.
const allDone = "say COMPLETED, fix COMPLETED, pause COMPLETED, call COMPLETED, never SKIPPED, tell COMPLETED, close COMPLETED"

// fixer is an approved runbook of a risk.
func (l *loop) fixer(name, risk string) string {
	l.t.Helper()
	return l.approved(object{
		"name": name, "teamId": l.teamID, "language": "BASH", "scriptContent": "echo \"cleaned $PF_HOST\"\n", "risk": risk, "timeoutSeconds": 30,
		"parameters": []object{{"name": "HOST", "type": "string", "required": true}}, "target": object{"type": "sandbox"}, "concurrency": 100,
	})
}

// TestLoop goes the whole way: an alert comes in, an incident opens, a workflow runs an approved runbook and goes on with its
// result, people are told, and the incident is resolved; with the streams that hurry it, and with nothing but the sweeps.
func TestLoop(t *testing.T) {
	t.Parallel()
	still := hurried
	still.NoStreams = true
	for name, options := range map[string]stack.Options{"with streams": hurried, "without streams": still} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLoop(t, options)
			hook, secret := l.integration("generic")
			l.call(lead, http.StatusOK, "PUT", "/v1/teams/"+l.teamID+"/notifications", object{"includeOutput": true})
			workflow := l.workflow("loop", nil, l.everyStep("loop", l.fixer("Loop", "LOW")))
			if a := l.alert(hook, secret, object{"title": "Disk full", "severity": "critical", "dedupKey": "disk", "labels": object{"host": "web-7", "for": "loop"}}); a.Status != http.StatusAccepted || a.Body["accepted"] != true || a.Body["duplicate"] != false {
				t.Fatalf("the hook answers %d %s", a.Status, a.Raw)
			}
			run := l.runOf(workflow)
			if run.Text("status") != "COMPLETED" || steps(run) != allDone {
				t.Errorf("the run: %s", run.Raw)
			}
			i := l.found("Disk full")
			if i["status"] != "RESOLVED" || i["severity"] != "CRITICAL" || i["source"].(object)["kind"] != "generic" || i["serviceId"] != l.service {
				t.Errorf("the incident: %v", i)
			}
			if got := l.echoed("loop"); len(got) != 1 || got[0]["headers"].(object)["x-pagefree-depth"] != "1" {
				t.Errorf("the webhook arrived %d times: %v", len(got), got)
			}
			kinds := l.timeline(i["id"].(string))
			for kind, want := range map[string]int{"created": 1, "note": 1, "resolved": 1} {
				if got := len(slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return k != kind })); got != want {
					t.Errorf("the timeline has %d of %q: %v", got, kind, kinds)
				}
			}
			if !slices.Contains(kinds, "execution") || !slices.Contains(kinds, "step") {
				t.Errorf("the timeline joins no executions and steps: %v", kinds)
			}
			l.mailed(demo.Responder, "loop", "fixed: cleaned web-7")
		})
	}
}

// mailed waits for a mail to somebody with a text in it and another in its subject.
func (w *world) mailed(to, subject, text string) (mail object) {
	w.t.Helper()
	var seen string
	w.within(2*time.Minute, "a mail to "+to+" of "+subject, func() bool {
		a := w.call("", http.StatusOK, "GET", "/_local/mail?to="+url.QueryEscape(to), nil)
		seen = a.Raw
		var all []object
		if err := json.Unmarshal([]byte(a.Raw), &all); err != nil {
			w.t.Fatal(err)
		}
		for _, m := range all {
			if strings.Contains(m["subject"].(string), subject) && strings.Contains(m["text"].(string), text) {
				mail = m
			}
		}
		return mail != nil
	}, func() string { return seen })
	return mail
}
