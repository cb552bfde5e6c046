package workflow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"pagefree/internal/execution"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
	"pagefree/internal/runbook"
)

// execution reads one.
func (w *world) execution(executionID any) execution.Execution {
	w.t.Helper()
	text, _ := executionID.(string)
	e, found, err := w.engine.Outcomes.Execution(context.Background(), text)
	if err != nil || !found {
		w.t.Fatalf("execution %q: found %v, %v", text, found, err)
	}
	return e
}

// executions are those of an incident.
func (w *world) executions(incidentID string) []execution.Execution {
	w.t.Helper()
	q := dynamo.Query{Index: "byIncident", Values: []string{"ex#" + incidentID}, Sort: "id", Limit: 100}
	list, _, err := dynamo.List(context.Background(), w.table, q, func(e execution.Execution) string { return e.ID }, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// ends lets an execution end, as its dispatcher would record it, and tells the engine so.
func (w *world) ends(executionID string, status execution.Status, exitCode int, stdout string, tell bool) {
	w.t.Helper()
	e := w.execution(executionID)
	at := timestamp.Of(w.clock.Now())
	u := expression.Set(expression.Name("status"), expression.Value(status)).Set(expression.Name("exitCode"), expression.Value(exitCode)).
		Set(expression.Name("completedAt"), expression.Value(at.String()))
	out := struct {
		PK string `dynamodbav:"pk"`
		SK string `dynamodbav:"sk"`
		execution.Output
	}{"ex#" + e.ID, fmt.Sprintf("out#%02d", e.Attempt), execution.Output{Stdout: stdout}}
	w.commit(w.table.Update(dynamo.Key{PK: "ex#" + e.ID, SK: "ex"}, u, dynamo.Present()), w.table.Create(out))
	if !tell {
		return
	}
	ev := outbox.New(outbox.ExecutionEnded, e.ID, w.team, w.clock.Now())
	ev.Detail = map[string]string{"runId": e.TriggeredByID, "status": string(status)}
	told, err := w.engine.Ended(context.Background(), ev)
	if err != nil {
		w.t.Fatal(err)
	}
	if told {
		w.told = append(w.told, e.ID)
	}
}

func TestARunbookStepParksItsRun(t *testing.T) {
	t.Parallel()
	for name, told := range map[string]bool{"and the event of its end wakes it": true, "and without any event it is seen all the same": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			wf := w.workflow("Free the disk", []m{
				{"id": "clean", "type": "runbook", "runbookId": w.runbook(), "parameters": m{"HOST": "{{incident.labels.zone}}-{{lower runbook.name}}", "COUNT": 3, "TOKEN": "hidden-{{incident.id}}"}},
				{"id": "never", "type": "note", "if": `{{steps.clean.exitCode}} != "0"`, "text": "x"},
				{"id": "say", "type": "note", "if": `{{steps.clean.status}} == "COMPLETED"`, "text": "{{steps.clean.stdout}} {{steps.clean.exitCode}}"},
				{"id": "done", "type": "resolve", "note": "by {{steps.clean.status}}"},
			})
			i := w.created("Disk full")
			run := w.only(wf)
			step := run.step("clean")
			if run.Str("status") != "RUNNING" || step["status"] != "WAITING" {
				t.Fatalf("got %s", run.Text)
			}
			ex := w.execution(step["executionId"])
			if ex.TriggeredBy != "workflow" || ex.TriggeredByID != run.id() || *ex.IncidentID != i.ID || ex.Status != execution.Pending ||
				!strings.Contains(ex.Parameters, `"HOST":"eu-free the disk"`) || !strings.Contains(ex.Parameters, `"COUNT":3`) {
				t.Errorf("got %+v", ex)
			}
			if shown := fmt.Sprint(step["input"]); strings.Contains(shown, "hidden") || !strings.Contains(shown, "eu-free the disk") {
				t.Errorf("the step shows %s", shown)
			}
			if err := w.engine.Advance(t.Context(), run.id()); err != nil { // it goes on waiting
				t.Fatal(err)
			}
			w.ends(ex.ID, execution.Completed, 0, "freed 3 GB", told)
			if !told {
				w.later(2 * time.Minute)
			}
			run = w.run(run.id())
			if run.Str("status") != "COMPLETED" || !slices.Equal(run.statuses(), []string{"COMPLETED", "SKIPPED", "COMPLETED", "COMPLETED"}) {
				t.Fatalf("got %s", run.Text)
			}
			output, _ := json.Marshal(run.step("clean")["output"])
			if string(output) != `{"exitCode":0,"status":"COMPLETED","stdout":"freed 3 GB","stdoutTruncated":false}` {
				t.Errorf("output %s", output)
			}
			if run.step("say")["input"].(m)["text"] != "freed 3 GB 0" {
				t.Errorf("got %v", run.step("say"))
			}
			inc, err := w.desk.Get(w.ctx("observer"), i.ID)
			if err != nil || inc.Status != "RESOLVED" || *inc.ResolvedByID != run.id() {
				t.Errorf("got %+v, %v", inc, err)
			}
			if left := w.due(); len(left) != 0 {
				t.Errorf("reminders are left: %v", left)
			}
		})
	}
}

func TestARunbookStepThatFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		runbook func(*runbook.Runbook, *runbook.Version)
		step    m
		ends    execution.Status
		want    string // of the error
	}{
		"its script does":          {ends: execution.StatusFailed, want: "The execution is FAILED (exit code 3)"},
		"nobody knows":             {ends: execution.Unknown, want: "The execution is UNKNOWN"},
		"it is archived":           {runbook: func(r *runbook.Runbook, _ *runbook.Version) { r.Archived = true }, want: "runbook_archived: The runbook is archived"},
		"none is approved":         {runbook: func(r *runbook.Runbook, _ *runbook.Version) { r.Approved = 0 }, want: "not_approved: "},
		"another team has it":      {runbook: func(r *runbook.Runbook, _ *runbook.Version) { r.TeamID = new("team_other") }, want: "not_found: "},
		"it is of another service": {runbook: func(_ *runbook.Runbook, v *runbook.Version) { v.ServiceID = new("svc_other") }, want: "service_mismatch: "},
		"it has no such parameter": {step: m{"parameters": m{"OTHER": "x"}}, want: "parameter_unknown: "},
		"a value is of no use":     {step: m{"parameters": m{"COUNT": "many"}}, want: "parameter_invalid: "},
		"a template has no value":  {step: m{"parameters": m{"HOST": "{{incident.labels.rack}}"}}, want: "template_unresolved: HOST: incident.labels.rack has no value here"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			rb := w.runbook()
			step := m{"id": "clean", "type": "runbook", "runbookId": rb}
			for k, v := range tt.step {
				step[k] = v
			}
			further := m{"id": "further", "type": "note", "text": "x"}
			stops := w.workflow("Stops", []m{step, further})
			goes := m{"onFailure": "continue"}
			for k, v := range step {
				goes[k] = v
			}
			continues := w.workflow("Continues", []m{goes, further})
			if tt.runbook != nil { // after the workflow was written
				head, version, err := w.engine.Runbooks.Runnable(t.Context(), rb)
				if err != nil {
					t.Fatal(err)
				}
				tt.runbook(&head, &version)
				w.commit(w.table.Put(head, dynamo.Present()), w.table.Put(version, dynamo.Present()))
			}
			i := w.created("Disk full")
			if tt.ends != "" {
				for _, e := range w.executions(i.ID) {
					w.ends(e.ID, tt.ends, 3, "", true)
				}
			}
			run := w.only(stops)
			got, _ := run.step("clean")["error"].(string)
			if run.Str("status") != "FAILED" || !strings.HasPrefix(got, tt.want) || !slices.Equal(run.statuses(), []string{"FAILED", "SKIPPED"}) || !strings.Contains(run.Str("reason"), got) {
				t.Errorf("got %s", run.Text)
			}
			failed := w.events(outbox.WorkflowFailed)
			if len(failed) != 1 || failed[0].About != run.id() || failed[0].Detail["workflowName"] != "Stops" || failed[0].Detail["incidentId"] != i.ID || failed[0].Detail["reason"] == "" {
				t.Errorf("told of %+v", failed)
			}
			// What failed is told once: by the run that failed by it, or by itself where the run went on.
			if by, _ := run.step("clean")["executionId"].(string); by != "" {
				d := failed[0].Detail
				if !slices.Equal(w.told, []string{by}) || d["executionId"] != by || d["runbookId"] != rb || d["runbookName"] != w.execution(by).RunbookName || d["executionStatus"] != string(tt.ends) {
					t.Errorf("of %s, told by its run %v: %v", by, w.told, d)
				}
			} else if failed[0].Detail["runbookId"] != "" || len(w.told) != 0 {
				t.Errorf("nothing was executed: %v, %v", failed[0].Detail, w.told)
			}
			if run := w.only(continues); run.Str("status") != "COMPLETED" || !slices.Equal(run.statuses(), []string{"FAILED", "COMPLETED"}) {
				t.Errorf("got %s", run.Text)
			}
		})
	}
}

// TestWhoStartedARunThatFails is named, so that they are told; an event is nobody's start.
func TestWhoStartedARunThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wf := w.workflow("Look up", []m{{"id": "say", "type": "note", "text": "{{incident.labels.rack}}"}})
	i := w.created("Disk full")
	w.must(202, "responder", "POST", "/v1/workflows/"+wf+"/runs", m{"incidentId": i.ID})
	w.sweep()
	var got []string
	for _, e := range w.events(outbox.WorkflowFailed) {
		got = append(got, e.Detail["triggeredById"])
	}
	if slices.Sort(got); !slices.Equal(got, []string{"", "usr_responder"}) {
		t.Errorf("got %q", got)
	}
}

// TestWhatATriggerCannotProveWaits: above the event's ceiling the execution is made, and waits for a person.
func TestWhatATriggerCannotProveWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wf := w.workflow("Free the disk", []m{{"id": "clean", "type": "runbook", "runbookId": w.runbook(func(_ *runbook.Runbook, v *runbook.Version) { v.Risk = "MEDIUM" })}})
	i := w.incident("Disk full")
	ev := w.event(outbox.IncidentCreated, i.ID)
	ev.Unattended = trust.Low
	w.match(ev)
	run := w.only(wf)
	if ex := w.execution(run.step("clean")["executionId"]); ex.Status != execution.AwaitingConfirmation || ex.Reason == nil || run.step("clean")["status"] != "WAITING" {
		t.Errorf("got %+v, %s", ex, run.Text)
	}
	// A person's own run is not bound by it, an API key's by what it can prove.
	for who, want := range map[string]execution.Status{"responder": execution.Pending, "responder's key": execution.Pending} {
		started := w.must(202, who, "POST", "/v1/workflows/"+wf+"/runs", m{"incidentId": w.incident("again").ID})
		w.sweep()
		if ex := w.execution(w.run(started.id()).step("clean")["executionId"]); ex.Status != want {
			t.Errorf("%s: got %s", who, ex.Status)
		}
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wf := w.workflow("Later", []m{{"id": "sleep", "type": "wait", "seconds": 600}, {"id": "say", "type": "note", "text": "{{now}}"}})
	w.created("Disk full")
	w.later(9 * time.Minute)
	if run := w.only(wf); run.step("sleep")["status"] != "WAITING" {
		t.Errorf("too early: %s", run.Text)
	}
	w.later(2 * time.Minute)
	if run := w.only(wf); run.Str("status") != "COMPLETED" {
		t.Errorf("got %s", run.Text)
	}
}

// TestPunctual: what is due within a quarter of an hour is not left to the sweep.
func TestPunctual(t *testing.T) {
	t.Parallel()
	clean := func(w *world) []m { return []m{{"id": "clean", "type": "runbook", "runbookId": w.runbook()}} }
	sleep := func(seconds int) func(*world) []m {
		return func(*world) []m { return []m{{"id": "sleep", "type": "wait", "seconds": seconds}} }
	}
	for name, tt := range map[string]struct {
		steps func(*world) []m
		limit int
		want  string
	}{
		"a wait":                        {sleep(1), 3600, "1s"},
		"the longest that a queue can":  {sleep(900), 3600, "15m0s"},
		"one beyond":                    {sleep(901), 3600, ""},
		"a time limit before its end":   {sleep(600), 2, "2s"},
		"a script within a short limit": {clean, 59, "59s"},
		"a script":                      {clean, 3600, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			wf := w.workflow("Later", tt.steps(w), m{"timeLimitSeconds": tt.limit})
			w.created("Disk full")
			want := []string{}
			if tt.want != "" {
				want = append(want, w.only(wf).id()+" "+tt.want)
			}
			if got := w.delayed.told; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestTheTimeLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	steps := []m{{"id": "clean", "type": "runbook", "runbookId": w.runbook()}, {"id": "say", "type": "note", "text": "x"}}
	ran := w.workflow("Runs", steps, m{"timeLimitSeconds": 300})
	slept := w.workflow("Sleeps", []m{{"id": "sleep", "type": "wait", "seconds": 301}}, m{"timeLimitSeconds": 300})
	just := w.workflow("Wakes", []m{{"id": "sleep", "type": "wait", "seconds": 300}}, m{"timeLimitSeconds": 301})
	w.created("Disk full")
	ex := w.only(ran).step("clean")["executionId"].(string)
	w.later(4 * time.Minute)
	if run := w.only(ran); run.Str("status") != "RUNNING" {
		t.Errorf("too early: %s", run.Text)
	}
	w.later(3 * time.Minute)
	run := w.only(ran)
	if run.Str("status") != "TIMEOUT" || !slices.Equal(run.statuses(), []string{"TIMEOUT", "SKIPPED"}) || !strings.Contains(run.Str("reason"), "300 seconds") {
		t.Errorf("got %s", run.Text)
	}
	if e := w.execution(ex); e.Status != execution.Cancelled {
		t.Errorf("the execution that it waited for is %s", e.Status)
	}
	if run := w.only(slept); run.Str("status") != "TIMEOUT" {
		t.Errorf("got %s", run.Text)
	}
	if run := w.only(just); run.Str("status") != "COMPLETED" {
		t.Errorf("got %s", run.Text)
	}
	if n := len(w.events(outbox.WorkflowFailed)); n != 2 {
		t.Errorf("told of %d", n)
	}
	if left := w.due(); len(left) != 0 {
		t.Errorf("reminders are left: %v", left)
	}
}

// secret keeps one of the team.
func (w *world) secret(name, value string) {
	w.t.Helper()
	s := secret.Secret{ID: id.New(id.Secret, w.clock.Now()), Name: name, TeamID: &w.team}
	s, err := w.engine.Secrets.Key.Encrypt(context.Background(), s, value)
	if err != nil {
		w.t.Fatal(err)
	}
	w.commit(w.engine.Secrets.Store.Create(s)...)
}

const signing = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func TestWebhook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.secret("api", "hidden-value")
	w.secret("sign", signing)
	w.receiver.say = func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(rw, `{"ticket":7,"you":%q}`, strings.TrimPrefix(r.Header.Get("X-Api"), "k "))
	}
	wf := w.workflow("Tell", []m{
		{"id": "plain", "type": "webhook", "url": w.receiver.base + "200"},
		{"id": "hook", "type": "webhook", "url": w.receiver.base + "200", "headers": m{"X-Api": "k {{secrets.api}}", "X-PageFree-Secret": "{{secrets.api}}", "Content-Type": "text/plain"}, "signWith": "sign", "body": `{"text":{{json incident.title}}}`},
		{"id": "say", "type": "note", "text": "{{steps.hook.status}} {{steps.hook.stdout}}"},
	})
	i := w.incident(`Disk "full"`)
	ev := w.event(outbox.IncidentCreated, i.ID)
	ev.Depth = 2
	w.match(ev)
	run := w.only(wf)
	if run.Str("status") != "COMPLETED" {
		t.Fatalf("got %s", run.Text)
	}
	if w.receiver.requests() != 2 {
		t.Fatalf("%d requests arrived", w.receiver.requests())
	}
	var sent struct {
		Run      struct{ ID, WorkflowID string }
		Step     struct{ ID string }
		Incident struct{ ID, Title string }
	}
	if err := json.Unmarshal([]byte(w.receiver.body[0]), &sent); err != nil || sent.Run.ID != run.id() || sent.Run.WorkflowID != wf || sent.Step.ID != "plain" || sent.Incident.ID != i.ID {
		t.Errorf("the default body is %s, %v", w.receiver.body[0], err)
	}
	req, body := w.receiver.got[1], w.receiver.body[1]
	if body != `{"text":"Disk \"full\""}` || req.Header.Get("X-PageFree-Depth") != "3" || req.Header.Get("X-Api") != "k hidden-value" || req.Header.Get("X-PageFree-Secret") != "hidden-value" || req.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("got %s with %v", body, req.Header)
	}
	v, err := standardwebhooks.NewWebhook(signing)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.VerifyIgnoringTimestamp([]byte(body), req.Header); err != nil || !strings.HasPrefix(req.Header.Get("Webhook-Id"), run.id()) {
		t.Errorf("the signature: %v, %v", err, req.Header)
	}
	if got := run.step("hook")["output"].(m); got["status"] != 200.0 || got["body"] != `{"ticket":7,"you":"***"}` {
		t.Errorf("got %v", got)
	}
	if strings.Contains(run.Text, "hidden-value") {
		t.Errorf("the run tells a secret: %s", run.Text)
	}
	if got := run.step("say")["input"].(m)["text"]; got != `COMPLETED {"ticket":7,"you":"***"}` {
		t.Errorf("got %v", got)
	}
}

func TestAWebhookThatFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		step    m
		say     func(http.ResponseWriter, *http.Request)
		want    string
		arrived int
	}{
		"an error": {say: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, want: "http 500", arrived: 1},
		"a redirect is not followed": {say: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/_local/echo/200", http.StatusTemporaryRedirect)
		}, want: "http 307", arrived: 1},
		"no answer":            {say: func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, want: "outcome unknown: ", arrived: 1},
		"no such secret":       {step: m{"headers": m{"X-Api": "{{secrets.none}}"}}, want: "secret_missing: "},
		"nothing to sign with": {step: m{"signWith": "none"}, want: "secret_missing: "},
		"no value":             {step: m{"body": "{{incident.labels.rack}}"}, want: "template_unresolved: "},
		"nobody is there":      {step: m{"url": "https://nobody.invalid/"}, want: "the request was not sent: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tt.say != nil {
				w.receiver.say = tt.say
			}
			step := m{"id": "hook", "type": "webhook", "url": w.receiver.base + "200"}
			for k, v := range tt.step {
				step[k] = v
			}
			wf := w.workflow("Tell", []m{step})
			w.created("Disk full")
			run := w.only(wf)
			if got, _ := run.step("hook")["error"].(string); run.Str("status") != "FAILED" || !strings.HasPrefix(got, tt.want) || w.receiver.requests() != tt.arrived {
				t.Errorf("%d arrived; got %s", w.receiver.requests(), run.Text)
			}
		})
	}
}

func TestNotify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.workflow("Tell", []m{{"id": "tell", "type": "notify", "to": []string{person, "team"}, "subject": "{{incident.title}}", "message": "It is {{incident.severity}}."}})
	i := w.created("Disk full")
	got := w.events(outbox.WorkflowNotify)
	if len(got) != 1 || got[0].Detail["to"] != person+",team" || got[0].Detail["subject"] != "Disk full" || got[0].Detail["message"] != "It is HIGH." ||
		got[0].Detail["incidentId"] != i.ID || got[0].Detail["messageWithOutput"] != "" || got[0].Depth != 1 || !id.Valid(id.WorkflowRun, got[0].About) {
		t.Errorf("got %+v", got)
	}
}

// TestNotifyQuotesOutput: what a script wrote stands apart from what anybody is told.
func TestNotifyQuotesOutput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wf := w.workflow("Tell", []m{
		{"id": "clean", "type": "runbook", "runbookId": w.runbook()},
		{"id": "tell", "type": "notify", "to": []string{"team"}, "subject": "{{trim steps.clean.stdout}}", "message": "{{incident.title}}: {{steps.clean.stdout}}, {{steps.clean.status}}"},
	})
	w.created("Disk full")
	run := w.only(wf)
	w.ends(run.step("clean")["executionId"].(string), execution.Completed, 0, "token=hunter2", true)
	got := w.events(outbox.WorkflowNotify)
	if len(got) != 1 {
		t.Fatalf("got %+v", got)
	}
	d := got[0].Detail
	if d["subject"] != "(its output stands in the run)" || d["message"] != "Disk full: (its output stands in the run), COMPLETED" ||
		d["subjectWithOutput"] != "token=hunter2" || d["messageWithOutput"] != "Disk full: token=hunter2, COMPLETED" {
		t.Errorf("got %v", d)
	}
}

func TestResolveOfWhatIsResolved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wf := w.workflow("Resolve", []m{{"id": "done", "type": "resolve"}})
	i := w.incident("Disk full")
	if _, err := w.desk.Resolve(w.ctx("responder"), i.ID, ""); err != nil {
		t.Fatal(err)
	}
	w.match(w.event(outbox.IncidentCreated, i.ID))
	if run := w.only(wf); run.Str("status") != "COMPLETED" {
		t.Errorf("got %s", run.Text)
	}
}

// TestNoTimeForAWebhook: one that the end of the invocation might cut short is not claimed; the next invocation sends it,
// and of the workflows that an event starts all are started.
func TestNoTimeForAWebhook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var workflows []string
	for n := range 3 {
		workflows = append(workflows, w.workflow(fmt.Sprint("Tell ", n), []m{
			{"id": "say", "type": "note", "text": "It begins."},
			{"id": "hook", "type": "webhook", "url": w.receiver.base + "200"},
		}))
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	i := w.incident("Disk full")
	if err := w.react(short, w.event(outbox.IncidentCreated, i.ID)); err != nil {
		t.Fatal(err)
	}
	for _, wf := range workflows {
		run := w.only(wf)
		for range 2 {
			if err := w.engine.Advance(short, run.id()); err != nil {
				t.Fatal(err)
			}
			if got := w.run(run.id()); !slices.Equal(got.statuses(), []string{"COMPLETED", "PENDING"}) {
				t.Errorf("without time: got %s", got.Text)
			}
		}
	}
	if n, left := w.receiver.requests(), w.due(); n != 0 || len(left) != 3 {
		t.Fatalf("%d requests, and reminders %v", n, left)
	}
	if left := w.due(); left[0].At.After(w.clock.Now().Add(time.Second)) {
		t.Errorf("it waits until %v", left[0].At)
	}
	w.later(time.Minute)
	for _, wf := range workflows {
		if got := w.only(wf); !slices.Equal(got.statuses(), []string{"COMPLETED", "COMPLETED"}) {
			t.Errorf("got %s", got.Text)
		}
	}
	if n := w.receiver.requests(); n != 3 || len(w.due()) != 0 {
		t.Errorf("%d requests, and reminders %v", n, w.due())
	}
}
