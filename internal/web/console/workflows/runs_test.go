package workflows_test

import (
	"strings"
	"testing"

	"pagefree/infra/local/consoletest"
	"pagefree/internal/workflow"
)

// TestTryAndStart: what a run would do is seen before it is started.
func TestTryAndStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	inc := w.incident(consoletest.Hostile)
	flow := w.workflow("Free the disk", note("say", "{{incident.title}}"), workflow.Step{ID: "end", Type: workflow.Resolve, If: `{{incident.severity}} == "LOW"`, Note: "n"},
		workflow.Step{ID: "more", Type: workflow.Note, Text: "t", If: `{{steps.say.status}} == "COMPLETED"`}, workflow.Step{ID: "none", Type: workflow.Note, Text: "{{incident.labels.host}}"})
	responder := w.as("responder")
	from := responder.Get(t, "/console/workflow-runs/for?incidentId="+inc)
	from.Shows(t, "No workflow has run for it.")
	p := from.Click(t, "Start a workflow").Shows(t, "Free the disk", "When an incident is opened").Click(t, "Free the disk")
	p.Shows(t, "Its trigger matches this incident", "1. Note on the timeline say Would run", "Text "+consoletest.Hostile,
		"2. Resolve the incident end Skipped", "3. Note on the timeline more Depends on what came before", "4. Note on the timeline none Would fail", "incident.labels.host")
	if runs, _, err := w.flows.RunsFor(w.ctx("lead"), inc, pageOf(10)); err != nil || len(runs) > 0 {
		t.Fatalf("looking started %d runs: %v", len(runs), err)
	}
	started := p.Form(t, "Start it for this incident").Send(t).Follow(t)
	started.Shows(t, "Pending", "by you", "Steps").Hides(t, "It failed")
	if got := started.Buttons(); len(got) != 1 || got[0] != "Cancel this run" {
		t.Errorf("it offers %q", got)
	}
	responder.Get(t, "/console/workflow-runs/for?incidentId="+inc).Shows(t, "Free the disk", "Pending")
	ended := started.Form(t, "Cancel this run").Send(t).Follow(t)
	ended.Shows(t, "It was cancelled.", "Cancelled")
	w.as("observer").Get(t, "/console/workflow-runs?incidentId="+inc).Shows(t, "Free the disk", "Cancelled")

	responder.Get(t, "/console/workflows/"+flow+"/try").Want(t, 200).Shows(t, "Choose one").Hides(t, "Its trigger")
	responder.Get(t, "/console/workflows/"+flow+"/try?incidentId=x").Want(t, 404)
	empty := w.as("outsider").Get(t, "/console/workflow-runs/new?incidentId="+inc)
	empty.Want(t, 404)
	w.as("lead").Get(t, "/console/workflows/"+flow).Form(t, "Switch off").Send(t)
	responder.Get(t, "/console/workflows/"+flow+"/try?incidentId="+inc).Shows(t, "It is not enabled: no event starts it.")
}

// TestARun: its timeline, what each step got, and beginning again where it failed.
func TestARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.workflow("Free the disk", note("say", "{{incident.title}}"), note("host", "{{incident.labels.host}}"), note("never", "x"))
	inc := w.incident("Disk full")
	w.happened(inc)
	list := w.as("observer").Get(t, "/console/workflow-runs").Shows(t, "Free the disk", "Failed", "Disk full", "when the incident was opened")
	p := list.Click(t, "Free the disk")
	p.Shows(t, "1. Note on the timeline say Completed", "Text Disk full", "2. Note on the timeline host Failed", "incident.labels.host", "3. Note on the timeline never Skipped", "Step host failed", "version 1")
	if got := p.Buttons(); len(got) != 0 {
		t.Errorf("an observer may press %q", got)
	}
	run := strings.TrimPrefix(list.Link(t, "Free the disk"), "/console/workflow-runs/")
	part := w.as("observer").HTMX().Get(t, "/console/workflow-runs/"+run+"/live")
	if strings.Contains(part.Body, "<html") || !strings.Contains(part.Body, "Disk full") {
		t.Errorf("the part is %s", part.Body)
	}
	again := w.as("responder").Get(t, "/console/workflow-runs/"+run).Form(t, "Retry from step host")
	again.Send(t).Follow(t).Shows(t, "The run goes on from the failed step.", "Pending", "1. Note on the timeline say Completed", "2. Note on the timeline host Pending")
	again.Send(t).Want(t, 422).Shows(t, "Pending") // it waits already
	live := w.as("responder").Get(t, "/console/workflow-runs/"+run)
	if at := live.First("#run"); at.Attr("data-live") != "workflow-run:"+run || at.Attr("data-live-src") != "/console/workflow-runs/"+run+"/live" {
		t.Errorf("it follows %q from %q", at.Attr("data-live"), at.Attr("data-live-src"))
	}
	for query, want := range map[string]bool{
		"?status=PENDING": true, "?status=COMPLETED": false, "?workflowId=" + flow: true, "?workflowId=" + flow + "&status=FAILED": false, "?incidentId=" + inc: true,
	} {
		p := w.as("observer").Get(t, "/console/workflow-runs"+query)
		if got := p.HasLink("/console/workflow-runs/" + run); got != want {
			t.Errorf("%s shows the run: %v", query, got)
		}
		if !want {
			p.Shows(t, "No run fits these filters.")
		}
	}
	if part := w.as("observer").HTMX().Get(t, "/console/workflow-runs"); strings.Contains(part.Body, "<html") {
		t.Error("a script gets a whole page")
	}
}
