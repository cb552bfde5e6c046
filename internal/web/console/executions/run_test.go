package executions

import (
	"net/url"
	"strings"
	"testing"

	"pagefree/internal/execution"
	"pagefree/internal/platform/httpapi"
)

// TestRunFromAnIncident is the journey: from an incident's panel to the output.
func TestRunFromAnIncident(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Free disk space", nil)

	w.get("responder", "/console/executions/for?incidentId="+w.inc).must(t, 200, "Free disk space", "never ran", "Nothing has run", "runbookId="+rb)
	w.get("responder", "/console/executions/new?incidentId="+w.inc).must(t, 200, "Free disk space", "for every service of the team")
	form := w.get("responder", "/console/executions/new?incidentId="+w.inc+"&runbookId="+rb).must(t, 200,
		"It takes no parameters.", "echo &lt;done&gt;", "the sandbox", "Run in the sandbox", "usr_reviewer", "usr_lead", "30 s")
	sent := url.Values{"runbookId": {rb}, "incidentId": {w.inc}, "key": {form.field(t, "key")}, "seen": {form.field(t, "seen")}}
	started := w.post("responder", "/console/executions", sent).must(t, 303)
	page := started.header.Get("Location")
	if !strings.HasPrefix(page, "/console/executions/ex_") || !strings.HasSuffix(page, "?did=started") {
		t.Fatalf("it leads to %q", page)
	}
	w.get("responder", page).must(t, 200, "The execution has started.", "Pending", "Output shows here when it ends.", "Cancel it", `href="/console/incidents/`+w.inc, "Disk full")

	again := w.post("responder", "/console/executions", sent).must(t, 303) // a double click, or a reload
	if again.header.Get("Location") != page {
		t.Errorf("the same form started %s, then %s", page, again.header.Get("Location"))
	}
	all, _, err := w.service.List(w.ctx("observer"), execution.Filter{IncidentID: w.inc}, httpapi.Page{Limit: 10})
	if err != nil || len(all) != 1 {
		t.Fatalf("got %d executions, %v; want one", len(all), err)
	}
	w.dispatch(all[0].ID)
	w.get("observer", page).must(t, 200, "Completed", "done\n", "exit code 0", "!Cancel it", "!Run again")
	w.get("responder", "/console/executions/"+all[0].ID+"/live").must(t, 200, "Completed", "done\n", "!<html")
	w.get("responder", "/console/executions/for?incidentId="+w.inc).must(t, 200, "worked the one time", all[0].ID, "Completed")
	w.get("responder", "/console/executions/of?runbookId="+rb).must(t, 200, "It worked the one time lately.", all[0].ID)
}
