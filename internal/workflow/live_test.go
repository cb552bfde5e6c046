package workflow_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pagefree/internal/execution"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/trust"
)

func TestTheSameEventStartsOneRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.workflow("One", []m{{"id": "say", "type": "note", "text": "x"}})
	two := w.workflow("Two", []m{{"id": "sleep", "type": "wait", "seconds": 60}})
	ev := w.event(outbox.IncidentCreated, w.incident("Disk full").ID)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if err := w.react(context.Background(), ev); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.later(2 * time.Minute)
	w.match(ev) // long after
	for _, wf := range []string{one, two} {
		if run := w.only(wf); run.Str("status") != "COMPLETED" {
			t.Errorf("got %s", run.Text)
		}
	}
	notes := 0
	for _, e := range w.timeline(ev.About) {
		if e.Kind == "note" {
			notes++
		}
	}
	if notes != 1 {
		t.Errorf("%d notes", notes)
	}
}

// TestBegunBeforeTheyGo: Match begins all runs of an event, each with its reminder, and does none of their steps; told again it
// gives those that are not over, so that whoever died in between is made up for.
func TestBegunBeforeTheyGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.workflow("One", []m{{"id": "say", "type": "note", "text": "x"}})
	two := w.workflow("Two", []m{{"id": "sleep", "type": "wait", "seconds": 60}})
	ev := w.event(outbox.IncidentCreated, w.incident("Disk full").ID)
	match := func() []string {
		t.Helper()
		runs, err := w.engine.Match(t.Context(), ev)
		if err != nil {
			t.Fatal(err)
		}
		return runs
	}
	begun := match()
	slices.Sort(begun)
	want := []string{w.only(one).id(), w.only(two).id()}
	if slices.Sort(want); !slices.Equal(begun, want) || len(w.due()) != 2 {
		t.Errorf("began %q with %d reminders, want %q", begun, len(w.due()), want)
	}
	for _, wf := range []string{one, two} {
		if run := w.only(wf); run.Str("status") != "PENDING" {
			t.Errorf("it went on: %s", run.Text)
		}
	}
	if again := match(); len(again) != 2 {
		t.Errorf("told again it gives %q", again)
	}
	w.sweep() // whoever was to let them go died
	if again := match(); !slices.Equal(again, []string{w.only(two).id()}) {
		t.Errorf("where one is over it gives %q", again)
	}
	w.later(2 * time.Minute)
	if again := match(); len(again) != 0 || w.only(one).Str("status") != "COMPLETED" || w.only(two).Str("status") != "COMPLETED" {
		t.Errorf("where both are over it gives %q", again)
	}
}

func TestWhatMatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.incident("Disk full")
	steps := []m{{"id": "say", "type": "note", "text": "x"}}
	tests := map[string]struct {
		body m
		want bool
	}{
		"everything":            {nil, true},
		"another event":         {m{"trigger": m{"on": []string{"incident.resolved"}}}, false},
		"one of its events":     {m{"trigger": m{"on": []string{"incident.resolved", "incident.created"}}}, true},
		"its severity":          {m{"trigger": m{"on": []string{"incident.created"}, "severities": []string{"CRITICAL", "HIGH"}}}, true},
		"another severity":      {m{"trigger": m{"on": []string{"incident.created"}, "severities": []string{"LOW"}}}, false},
		"its service":           {m{"trigger": m{"on": []string{"incident.created"}, "serviceIds": []string{w.service}}}, true},
		"its label":             {m{"trigger": m{"on": []string{"incident.created"}, "labels": m{"zone": "eu"}}}, true},
		"another value":         {m{"trigger": m{"on": []string{"incident.created"}, "labels": m{"zone": "us"}}}, false},
		"a label that it lacks": {m{"trigger": m{"on": []string{"incident.created"}, "labels": m{"zone": "eu", "rack": ""}}}, false},
		"not enabled":           {m{"enabled": false}, false},
	}
	ids := map[string]string{}
	for name, tt := range tests {
		ids[name] = w.workflow(name, steps, tt.body)
	}
	w.match(w.event(outbox.IncidentCreated, i.ID))
	w.match(w.event(outbox.IncidentReopened, i.ID)) // starts nothing
	w.match(w.event(outbox.RunbookSubmitted, i.ID))
	for name, tt := range tests {
		if got := len(w.runs(ids[name])); got != map[bool]int{true: 1}[tt.want] {
			t.Errorf("%s: %d runs", name, got)
		}
		if tt.body["enabled"] == false {
			continue
		}
		dry := w.must(200, "responder", "POST", "/v1/workflows/"+ids[name]+"/runs", m{"incidentId": i.ID, "dryRun": true})
		if matches := dry.Body["matches"] == true; matches != (tt.want || name == "another event") || matches != (dry.Str("reason") == "") {
			t.Errorf("%s: dry %s", name, dry.Text)
		}
	}
}

// sleeper is a workflow whose runs last an hour.
func (w *world) sleeper(rule string) string {
	return w.workflow("Sleep "+rule, []m{{"id": "sleep", "type": "wait", "seconds": 3600}}, m{"concurrency": rule, "timeLimitSeconds": 7200})
}

// states are those of a workflow's runs, oldest first.
func (w *world) states(workflowID string) string {
	var out []string
	for _, r := range w.runs(workflowID) {
		out = append(out, r["status"].(string))
	}
	slices.Reverse(out)
	return strings.Join(out, " ")
}

func TestRunsOfOneIncident(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	skip, queue, replace := w.sleeper("skip"), w.sleeper("queue"), w.sleeper("replace")
	i := w.incident("Disk full")
	for range 3 {
		w.match(w.event(outbox.IncidentCreated, i.ID))
	}
	w.match(w.event(outbox.IncidentCreated, w.incident("Another").ID)) // is no matter of theirs
	for wf, want := range map[string]string{
		skip: "RUNNING CANCELLED CANCELLED RUNNING", queue: "RUNNING PENDING PENDING RUNNING", replace: "CANCELLED CANCELLED RUNNING RUNNING",
	} {
		if got := w.states(wf); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	list := w.runs(skip)
	if reason := list[1]["reason"].(string); !strings.Contains(reason, list[3]["id"].(string)) {
		t.Errorf("skipped because %q", reason)
	}
	list = w.runs(replace)
	if reason := list[2]["reason"].(string); !strings.Contains(reason, list[1]["id"].(string)) {
		t.Errorf("replaced because %q", reason)
	}
	w.later(61 * time.Minute)
	if got := w.states(queue); got != "COMPLETED RUNNING PENDING COMPLETED" {
		t.Errorf("after an hour: %s", got)
	}
	// One that waits may be cancelled: those behind it move up.
	w.match(w.event(outbox.IncidentCreated, i.ID))
	w.must(200, "responder", "POST", "/v1/workflow-runs/"+w.runs(queue)[2]["id"].(string)+"/cancel", nil)
	w.later(122 * time.Minute)
	if got := w.states(queue); got != "COMPLETED COMPLETED CANCELLED COMPLETED COMPLETED" {
		t.Errorf("at the end: %s", got)
	}
	if left := w.due(); len(left) != 0 {
		t.Errorf("reminders are left: %v", left)
	}
	skipped := 0
	for _, e := range w.timeline(i.ID) {
		if e.Status == "CANCELLED" {
			skipped++
		}
	}
	if skipped != 5 {
		t.Errorf("the timeline tells of %d that were cancelled", skipped)
	}
}

func TestEventsThatComeAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	skip, queue, replace := w.sleeper("skip"), w.sleeper("queue"), w.sleeper("replace")
	i := w.incident("Disk full")
	var wg sync.WaitGroup
	for range 8 {
		ev := w.event(outbox.IncidentCreated, i.ID)
		wg.Go(func() {
			for try := 0; ; try++ { // as the reactor's sweep would
				if err := w.react(context.Background(), ev); err == nil {
					return
				} else if try == 5 {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	w.later(2 * time.Minute)
	for wf, want := range map[string]map[string]int{
		skip: {"RUNNING": 1, "CANCELLED": 7}, queue: {"RUNNING": 1, "PENDING": 7}, replace: {"RUNNING": 1, "CANCELLED": 7},
	} {
		got := map[string]int{}
		for _, r := range w.runs(wf) {
			got[r["status"].(string)]++
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	w.later(8 * 61 * time.Minute)
	if got := w.states(queue); got != strings.TrimSpace(strings.Repeat("COMPLETED ", 8)) {
		t.Errorf("the queue: %s", got)
	}
}

// TestTheLiveRunIsGone: nothing waits for what does not exist any more.
func TestTheLiveRunIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wf := w.sleeper("queue")
	i := w.incident("Disk full")
	for range 3 {
		w.match(w.event(outbox.IncidentCreated, i.ID))
	}
	live := w.runs(wf)[2]["id"].(string)
	w.remove("wfr#"+live, "run") // as if its time had come
	w.later(2 * time.Minute)
	if got := w.states(wf); got != "RUNNING PENDING" {
		t.Errorf("got %s", got)
	}
}

func TestReplacingCancelsTheScriptToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wf := w.workflow("Free", []m{{"id": "clean", "type": "runbook", "runbookId": w.runbook()}}, m{"concurrency": "replace"})
	i := w.incident("Disk full")
	w.match(w.event(outbox.IncidentCreated, i.ID))
	older := w.only(wf).step("clean")["executionId"]
	w.must(202, "responder", "POST", "/v1/workflows/"+wf+"/runs", m{"incidentId": i.ID})
	w.sweep()
	if got := w.states(wf); got != "CANCELLED RUNNING" {
		t.Errorf("got %s", got)
	}
	if e := w.execution(older); e.Status != execution.Cancelled {
		t.Errorf("the older one's script is %s", e.Status)
	}
}

func TestTheDepth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wf := w.workflow("Loop", []m{{"id": "done", "type": "resolve"}})
	i := w.incident("Disk full")
	for depth, want := range []string{"COMPLETED", "COMPLETED", "COMPLETED", "COMPLETED", "COMPLETED", "CANCELLED"} {
		ev := w.event(outbox.IncidentCreated, i.ID)
		ev.Depth = depth
		w.match(ev)
		run := w.runs(wf)[0]
		if run["status"] != want || (want == "CANCELLED") != strings.Contains(fmt.Sprint(run["reason"]), "set off one another") {
			t.Errorf("depth %d: got %v", depth, run)
		}
	}
	last := w.runs(wf)[0]["id"].(string)
	if a := w.as("lead", "POST", "/v1/workflow-runs/"+last+"/retry", nil); a.StatusCode != 409 {
		t.Errorf("a cut run was retried: %d %s", a.StatusCode, a.Text)
	}
	a := w.must(202, "lead", "POST", "/v1/workflows/"+wf+"/runs", m{"incidentId": i.ID}, "X-PageFree-Depth", "5")
	if a.Str("status") != "CANCELLED" {
		t.Errorf("a run by a workflow's own webhook: %s", a.Text)
	}
	// What a run does is told of with the run's depth.
	if got := w.events(outbox.IncidentResolved); len(got) != 1 || got[0].Depth != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestWhoRetries: a run goes on with what whoever retries it may start, and a key raises nothing.
func TestWhoRetries(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		began trust.Risk
		by    string
		want  trust.Risk
	}{
		"a person's, by a key":    {trust.High, "responder's key", trust.Medium},
		"a bearer's, by a key":    {trust.Low, "responder's key", trust.Low},
		"a bearer's, by a person": {trust.Low, "responder", trust.High},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			wf := w.workflow("Free", []m{{"id": "clean", "type": "runbook", "runbookId": w.runbook()}})
			ev := w.event(outbox.IncidentCreated, w.incident("Disk full").ID)
			ev.Unattended = test.began
			w.match(ev)
			run := w.only(wf)
			first := run.step("clean")["executionId"].(string)
			if got := w.execution(first).Unattended; got != test.began {
				t.Errorf("it began with %s, want %s", got, test.began)
			}
			w.ends(first, execution.StatusFailed, 1, "", true)
			w.must(200, test.by, "POST", "/v1/workflow-runs/"+run.id()+"/retry", nil)
			w.sweep()
			second := w.run(run.id()).step("clean")["executionId"].(string)
			if got := w.execution(second).Unattended; second == first || got != test.want {
				t.Errorf("retried, it starts %s by itself, want %s", got, test.want)
			}
		})
	}
}

func TestCancelAndRetry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wf := w.workflow("Free", []m{
		{"id": "before", "type": "note", "text": "x"}, {"id": "clean", "type": "runbook", "runbookId": w.runbook()}, {"id": "after", "type": "note", "text": "y"},
	})
	i := w.created("Disk full")
	run := w.only(wf)
	path := "/v1/workflow-runs/" + run.id()
	first := run.step("clean")["executionId"].(string)
	if a := w.as("responder", "POST", path+"/retry", nil); a.StatusCode != 409 || a.code() != "invalid_transition" {
		t.Errorf("a live run was retried: %d %s", a.StatusCode, a.Text)
	}
	cancelled := w.must(200, "responder", "POST", path+"/cancel", nil)
	if cancelled.Str("status") != "CANCELLED" || !slices.Equal(cancelled.statuses(), []string{"COMPLETED", "CANCELLED", "SKIPPED"}) {
		t.Errorf("got %s", cancelled.Text)
	}
	if a := w.as("responder", "POST", path+"/cancel", nil); a.StatusCode != 409 {
		t.Errorf("cancelled twice: %d %s", a.StatusCode, a.Text)
	}
	w.sweep()
	if e := w.execution(first); e.Status != execution.Cancelled {
		t.Errorf("its script is %s", e.Status)
	}
	w.must(200, "responder", "POST", path+"/retry", nil)
	w.sweep()
	run = w.run(run.id())
	second := run.step("clean")["executionId"].(string)
	if run.Str("status") != "RUNNING" || second == first || !slices.Equal(run.statuses(), []string{"COMPLETED", "WAITING", "PENDING"}) {
		t.Fatalf("got %s", run.Text)
	}
	w.ends(second, execution.StatusFailed, 1, "", true)
	if run = w.run(run.id()); run.Str("status") != "FAILED" {
		t.Errorf("got %s", run.Text)
	}
	w.must(200, "lead", "POST", path+"/retry", nil)
	w.sweep()
	w.ends(w.run(run.id()).step("clean")["executionId"].(string), execution.Completed, 0, "", true)
	if run = w.run(run.id()); run.Str("status") != "COMPLETED" || !slices.Equal(run.statuses(), []string{"COMPLETED", "COMPLETED", "COMPLETED"}) {
		t.Errorf("got %s", run.Text)
	}
	if a := w.as("responder", "POST", path+"/retry", nil); a.StatusCode != 409 {
		t.Errorf("retried after it completed: %d", a.StatusCode)
	}
	notes := 0
	for _, e := range w.timeline(i.ID) {
		if e.Kind == "note" {
			notes++
		}
	}
	if notes != 2 {
		t.Errorf("%d notes, want one of each step", notes)
	}
	want := []string{"workflow.run_started", "workflow.run_cancelled", "workflow.run_retried", "workflow.run_failed", "workflow.run_retried", "workflow.run_completed"}
	if got := w.recorded(run.id()); !slices.Equal(got, want) {
		t.Errorf("recorded %q", got)
	}
}

func TestARunKeepsItsDefinition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	steps := []m{{"id": "sleep", "type": "wait", "seconds": 120}, {"id": "say", "type": "note", "text": "old"}}
	changed, deleted := w.workflow("Changed", steps), w.workflow("Deleted", steps)
	w.created("Disk full")
	run, gone := w.only(changed), w.only(deleted)
	body := w.must(200, "lead", "GET", "/v1/workflows/"+changed, nil).Body
	body["steps"] = []m{{"id": "say", "type": "note", "text": "new"}}
	w.must(200, "lead", "PUT", "/v1/workflows/"+changed, body)
	w.must(204, "lead", "DELETE", "/v1/workflows/"+deleted, nil)
	w.later(3 * time.Minute)
	for _, r := range []string{run.id(), gone.id()} {
		if got := w.run(r); got.Str("status") != "COMPLETED" || got.step("say")["input"].(m)["text"] != "old" || got.Body["workflowVersion"] != 1.0 {
			t.Errorf("got %s", got.Text)
		}
	}
	w.created("Another")
	if got := w.run(w.runs(changed)[0]["id"].(string)); got.Body["workflowVersion"] != 2.0 || len(got.statuses()) != 1 {
		t.Errorf("the next run: %s", got.Text)
	}
}

func TestCancelAgainstAdvance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	steps := []m{}
	for n := range 10 {
		steps = append(steps, m{"id": fmt.Sprintf("s%d", n), "type": "note", "text": "x"})
	}
	wf := w.workflow("Notes", steps)
	for n := range 10 {
		i := w.incident(fmt.Sprintf("Disk %d", n))
		run := w.must(202, "responder", "POST", "/v1/workflows/"+wf+"/runs", m{"incidentId": i.ID})
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := w.engine.Advance(context.Background(), run.id()); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if a := w.as("responder", "POST", "/v1/workflow-runs/"+run.id()+"/cancel", nil); a.StatusCode != 200 && a.StatusCode != 409 {
				t.Errorf("got %d %s", a.StatusCode, a.Text)
			}
		})
		wg.Wait()
		w.sweep()
		got := w.run(run.id())
		done := 0
		for _, s := range got.statuses() {
			if s == "COMPLETED" {
				done++
			}
		}
		notes := 0
		for _, e := range w.timeline(i.ID) {
			if e.Kind == "note" {
				notes++
			}
		}
		if notes != done || got.Str("status") != "CANCELLED" && got.Str("status") != "COMPLETED" {
			t.Errorf("%d notes, %d steps, %s", notes, done, got.Str("status"))
		}
	}
	if left := w.due(); len(left) != 0 {
		t.Errorf("reminders are left: %v", left)
	}
}
