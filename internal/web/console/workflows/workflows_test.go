package workflows_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"pagefree/infra/local/consoletest"
	"pagefree/internal/workflow"
)

func TestGates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	consoletest.Gates(t, w.site, nil)
}

// TestWhoSeesWhat: what a role may not do is not shown, and refused all the same.
func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.workflow("Free the disk", note("say", "{{incident.title}}"))
	inc := w.incident("Disk full")
	w.happened(inc)
	one := "/console/workflows/" + flow
	runs, _, err := w.flows.RunsOf(w.ctx("lead"), flow, pageOf(10))
	if err != nil || len(runs) != 1 {
		t.Fatal(len(runs), err)
	}
	run := "/console/workflow-runs/" + runs[0].ID
	gets := map[string]map[string]int{ // observer, responder, lead, admin, outsider
		"/console/workflows":                      {"observer": 200, "responder": 200, "lead": 200, "admin": 200, "outsider": 200},
		"/console/workflows/new":                  {"observer": 403, "responder": 403, "lead": 200, "admin": 200, "outsider": 200},
		"/console/workflows/new?teamId=" + w.team: {"observer": 403, "responder": 403, "lead": 200, "admin": 200, "outsider": 404},
		one:                            {"observer": 200, "responder": 200, "lead": 200, "admin": 200, "outsider": 404},
		one + "/edit":                  {"observer": 403, "responder": 403, "lead": 200, "admin": 200, "outsider": 404},
		one + "/try?incidentId=" + inc: {"observer": 403, "responder": 200, "lead": 200, "admin": 200, "outsider": 404},
		"/console/workflow-runs":       {"observer": 200, "responder": 200, "lead": 200, "admin": 200, "outsider": 200},
		"/console/workflow-runs?incidentId=" + inc:     {"observer": 200, "responder": 200, "lead": 200, "admin": 200, "outsider": 404},
		"/console/workflow-runs?workflowId=" + flow:    {"observer": 200, "responder": 200, "lead": 200, "admin": 200, "outsider": 404},
		"/console/workflow-runs/for?incidentId=" + inc: {"observer": 200, "responder": 200, "lead": 200, "admin": 200, "outsider": 404},
		"/console/workflow-runs/new?incidentId=" + inc: {"observer": 403, "responder": 200, "lead": 200, "admin": 200, "outsider": 404},
		run:           {"observer": 200, "responder": 200, "lead": 200, "admin": 200, "outsider": 404},
		run + "/live": {"observer": 200, "responder": 200, "lead": 200, "admin": 200, "outsider": 404},
		"/console/workflows/wf_01ARZ3NDEKTSV4RRFFQ69G5": {"observer": 404, "lead": 404, "admin": 404},
		"/console/workflow-runs/x":                      {"observer": 404, "lead": 404, "admin": 404},
		"/console/workflow-runs/for":                    {"lead": 404},
	}
	for path, by := range gets {
		for who, want := range by {
			if got := w.as(who).Get(t, path); got.StatusCode != want {
				t.Errorf("GET %s as %s: got %d, want %d", path, who, got.StatusCode, want)
			}
		}
	}
	posts := map[string]map[string]int{
		"/console/workflows":  {"observer": 403, "responder": 403, "outsider": 403}, // of no team
		one + "/edit":         {"observer": 403, "responder": 403, "outsider": 404},
		one + "/enabled":      {"observer": 403, "responder": 403, "outsider": 404},
		one + "/delete":       {"observer": 403, "responder": 403, "outsider": 404},
		one + "/runs":         {"observer": 403, "outsider": 404},
		run + "/cancel":       {"observer": 403, "outsider": 404, "lead": 422},
		run + "/retry":        {"observer": 403, "outsider": 404, "lead": 422},
		"/console/workflows?": {"admin": 404},
	}
	for path, by := range posts {
		for who, want := range by {
			if got := w.as(who).Post(t, path, url.Values{}); got.StatusCode != want {
				t.Errorf("POST %s as %s: got %d, want %d", path, who, got.StatusCode, want)
			}
		}
	}
	for who, want := range map[string][]string{
		"observer": nil, "responder": nil, "lead": {"Switch off", "Delete this workflow"}, "admin": {"Switch off", "Delete this workflow"},
	} {
		if got := w.as(who).Get(t, one).Buttons(); !slices.Equal(got, want) {
			t.Errorf("%s may press %q, want %q", who, got, want)
		}
	}
	w.as("observer").Get(t, one).Hides(t, one+"/edit", one+"/try", "/console/audit/of")
	if p := w.as("responder").Get(t, one); !p.HasLink(one+"/try") || p.HasLink(one+"/edit") {
		t.Error("a responder tries it, and does not edit it")
	}
	w.as("observer").Get(t, "/console/workflow-runs/for?incidentId="+inc).Shows(t, "Free the disk", "Completed").Hides(t, "Start a workflow")
	w.as("outsider").Get(t, "/console/workflows").Shows(t, "There is no workflow yet.").Hides(t, "Free the disk")
	w.as("outsider").Get(t, "/console/workflow-runs").Shows(t, "No workflow has run lately.").Hides(t, "Free the disk", "Disk full")
}

// TestTheList: filters, and a script's part of the page.
func TestTheList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as("observer").Get(t, "/console/workflows").Shows(t, "There is no workflow yet.", "Ask one of yours.")
	w.as("lead").Get(t, "/console/workflows").Shows(t, "There is no workflow yet.").Click(t, "Write a workflow").Want(t, 200)
	flow := w.workflow("Free the disk", note("say", "x"))
	w.workflow("Restart search", note("say", "x"))
	w.workflow(consoletest.Hostile, note("say", "x"))
	list := w.as("lead").Get(t, "/console/workflows")
	list.Shows(t, "Free the disk", "Restart search", "When an incident is opened", "1 step", "Enabled", consoletest.Hostile)
	w.as("lead").Get(t, "/console/workflows?q=DISK").Shows(t, "Free the disk").Hides(t, "Restart search")
	w.as("lead").Get(t, "/console/workflows?q=nothing").Shows(t, "No workflow fits these filters.")
	w.as("lead").Get(t, "/console/workflows/"+flow).Form(t, "Switch off").Send(t).LeadsTo(t, "/console/workflows/"+flow)
	w.as("lead").Get(t, "/console/workflows?enabled=false").Shows(t, "Free the disk", "Off").Hides(t, "Restart search")
	if part := w.as("lead").HTMX().Get(t, "/console/workflows?q=restart"); strings.Contains(part.Body, "<html") || !strings.Contains(part.Body, "Restart search") {
		t.Errorf("a script gets %s", part.Body)
	}
	both := w.as("both").Get(t, "/console/workflows?teamId="+w.other)
	both.Shows(t, "No workflow fits these filters.", "Payments", "Search")
	w.as("lead").Get(t, "/console/workflows?teamId="+w.other).Want(t, 404)
}

// TestInWords: a workflow's page says what it does.
func TestInWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Clean <up>", w.team)
	made, err := w.flows.Create(w.ctx("lead"), workflow.Draft{
		Name: "All kinds", TeamID: w.team, TimeLimitSeconds: 5400, Concurrency: workflow.Replace,
		Trigger: workflow.Trigger{On: []string{"incident.created", "incident.escalated"}, Severities: []string{"CRITICAL", "HIGH"}, ServiceIDs: []string{w.svc}, Labels: map[string]string{"env": "prod"}},
		Steps: []workflow.Step{
			{ID: "run", Type: workflow.Runbook, RunbookID: rb, OnFailure: workflow.Continue, Parameters: map[string]any{"HOST": "{{incident.labels.host}}", "COUNT": float64(3)}},
			{ID: "call", Type: workflow.Webhook, URL: "https://hooks.example.com/x", Headers: map[string]string{"X-Team": "a"}, Body: new("<b>"), If: `{{steps.run.exitCode}} == "0"`},
			{ID: "tell", Type: workflow.Notify, To: []string{workflow.Responders, workflow.Team, colleague}, Message: "Look"},
			{ID: "wait", Type: workflow.Wait, Seconds: 90},
			{ID: "done", Type: workflow.Resolve, Note: "{{steps.run.stdout}}"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := w.as("observer").Get(t, "/console/workflows/"+made.ID)
	p.Shows(t, "When an incident is opened or escalated, of severity critical or high, on Checkout, labelled env = prod", "Payments", "version 1",
		"Run Clean <up>", "HOST", "{{incident.labels.host}}", "COUNT 3", "If it fails, the run goes on.",
		"Call https://hooks.example.com/x", "X-Team a", "Body <b>", `Only if {{steps.run.exitCode}} == "0"`,
		"Tell the responders, the team and one person", "Message Look", "Wait 1 min 30 s", "Resolve the incident", "{{steps.run.stdout}}",
		"1 h 30 min", "the next replaces it", "It has not run yet.")
	if !p.HasLink("/console/runbooks/" + rb) {
		t.Error("it does not lead to the runbook")
	}
}

// TestSwitching: it is guarded by the version that was read.
func TestSwitching(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.workflow("Free the disk", note("say", "x"))
	one := "/console/workflows/" + flow
	read := w.as("lead").Get(t, one)
	off := read.Form(t, "Switch off")
	off.Send(t).Follow(t).Shows(t, "It is off: no event starts it.")
	if is := w.saved(flow); is.Enabled || is.Version != 2 || is.Steps[0].Text != "x" {
		t.Errorf("got %+v", is)
	}
	off.Send(t).Want(t, 422).Shows(t, "It was changed since you read it.", "It is off")
	w.as("lead").Post(t, one+"/enabled", url.Values{"enabled": {"true"}}).Want(t, 422) // of no version
	w.as("lead").Get(t, one).Form(t, "Enable").Send(t).Follow(t).Hides(t, "It is off")
	ask := w.as("lead").Get(t, one)
	ask.Shows(t, "Its runs stay, and those that have begun go on.")
	gone := ask.Form(t, "Delete this workflow").Send(t)
	gone.LeadsTo(t, "/console/workflows")
	if did := gone.Follow(t).Did(); did != "It was deleted." {
		t.Errorf("it says %q", did)
	}
	w.as("lead").Get(t, one).Want(t, 404)
}
