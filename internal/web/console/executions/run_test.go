package executions

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"pagefree/internal/execution"
	"pagefree/internal/execution/target"
	"pagefree/internal/incident"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/runbook"
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
	w.get("responder", "/console/executions/"+all[0].ID+"/live").must(t, 200, "Completed", "!<html")
	w.get("responder", "/console/executions/"+all[0].ID+"/live?part=output").must(t, 200, "done\n", "!<html")
	w.get("responder", "/console/executions/for?incidentId="+w.inc).must(t, 200, "worked once", all[0].ID, "Completed")
	w.get("responder", "/console/executions/of?runbookId="+rb).must(t, 200, "It worked once lately.", all[0].ID)
}

// parameters are one of each kind.
func parameters(c *runbook.Creation) {
	c.Parameters = []runbook.Parameter{
		{Name: "ZONE", Type: runbook.String, Template: "{{incident.labels.zone}}", Description: "where"},
		{Name: "COUNT", Type: runbook.Integer, Required: true},
		{Name: "MODE", Type: runbook.String, Enum: []any{"soft", "hard"}, Default: "soft"},
		{Name: "DRY", Type: runbook.Boolean},
		{Name: "HOST", Type: runbook.String, Pattern: "[a-z]+-[0-9]+", MaxLength: aws.Int(20)},
		{Name: "TOKEN", Type: runbook.String, Secret: true, Required: true},
		{Name: "NOTE", Type: runbook.String, Description: "<b>why</b>"},
	}
}

// form is the form of a page of running something, with what was typed into it.
func form(t *testing.T, of answer, runbookID, incidentID string, typed ...string) url.Values {
	t.Helper()
	f := url.Values{"runbookId": {runbookID}, "incidentId": {incidentID}, "key": {of.field(t, "key")}}
	if strings.Contains(of.text, `name="seen"`) {
		f.Set("seen", of.field(t, "seen"))
	}
	for i := 0; i+1 < len(typed); i += 2 {
		f.Set("parameters."+typed[i], typed[i+1])
	}
	return f
}

func TestTheFormOfParameters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Restart", parameters)
	path := "/console/executions/new?incidentId=" + w.inc + "&runbookId=" + rb

	page := w.get("responder", path).must(t, 200,
		`readonly value="eu-1"`, "fixed by the runbook", `inputmode="decimal"`, "A whole number.", `<option value="soft" selected>`, `<option value="hard">`, `<option value="true">`,
		"All of it has to match [a-z]&#43;-[0-9]&#43;", `maxlength="20"`, `type="password"`, "&lt;b&gt;why&lt;/b&gt;", "Preview what will run", "!What will run</h2>", "!data-start")

	typed := []string{"COUNT", "many", "HOST", "WEB", "TOKEN", "hush-hush", "NOTE", "<script>alert(1)</script>", "MODE", "hard", "DRY", ""}
	w.post("responder", "/console/executions/preview", form(t, page, rb, w.inc, typed...)).must(t, 422,
		"It takes an integer.", "It does not match the pattern.", `value="many"`, `value="WEB"`, "&lt;script&gt;alert(1)&lt;/script&gt;", `<option value="hard" selected>`,
		"!hush-hush", "!<script>alert", "!What will run</h2>")
	w.post("responder", "/console/executions/preview", form(t, page, rb, w.inc, "COUNT", "", "TOKEN", "")).must(t, 422, "It is required.", "Some fields need another look.")
	w.post("responder", "/console/executions/preview", form(t, page, rb, w.inc, "COUNT", "1", "TOKEN", "x", "HOST", "{{secret}}-1")).must(t, 422, "values are not templates")
	w.post("responder", "/console/executions/preview", form(t, page, rb, w.inc, typed...), "HX-Request", "true").must(t, 200,
		`id="e-COUNT" hx-swap-oob="true">It takes an integer.`, `id="e-NOTE" hx-swap-oob="true"></p>`, "Some fields need another look.", "!hush-hush", "!<html")

	good := []string{"COUNT", "3", "HOST", "web-1", "TOKEN", "hush-hush", "DRY", "true", "NOTE", "line one\nline two"}
	preview := w.post("responder", "/console/executions/preview", form(t, page, rb, w.inc, good...)).must(t, 200,
		"What will run", "***", "line one\nline two", "Run in the sandbox", "eu-1", "soft", "!hush-hush")
	w.post("responder", "/console/executions/preview", form(t, page, rb, w.inc, good...), "HX-Request", "true").must(t, 200, "What will run", "Run in the sandbox", "!hush-hush", "!<html")

	sent := form(t, preview, rb, w.inc, good...)
	without := maps.Clone(sent)
	without["parameters.TOKEN"] = []string{""} // without a script it has to be typed once more
	w.post("responder", "/console/executions", without).must(t, 422, "It is required.", `value="web-1"`)
	other := maps.Clone(sent)
	other["parameters.COUNT"] = []string{"4"}
	again := w.post("responder", "/console/executions", other).must(t, 409, "It is not what you looked at before", `value="4"`, "!hush-hush")
	if got := again.field(t, "seen"); got == sent.Get("seen") {
		t.Error("another value is the same preview")
	}
	if n := len(w.executions()); n != 0 {
		t.Fatalf("%d were started by what was refused", n)
	}
	started := w.post("responder", "/console/executions", sent).must(t, 303)
	w.post("responder", "/console/executions", sent).must(t, 303)
	w.post("responder", "/console/executions", func() url.Values { f := maps.Clone(other); f["seen"] = []string{again.field(t, "seen")}; return f }()).must(t, 409, "has started an execution already")
	all := w.executions()
	if len(all) != 1 {
		t.Fatalf("%d were started, want 1", len(all))
	}
	w.get("responder", started.header.Get("Location")).must(t, 200, "***", "web-1", "!hush-hush")
	if got := all[0].Parameters["COUNT"]; got != 3.0 {
		t.Errorf("COUNT is %v", got)
	}
	if got := all[0].Parameters["DRY"]; got != true {
		t.Errorf("DRY is %v", got)
	}
}

// executions are all of the incident.
func (w *world) executions() []execution.View {
	w.t.Helper()
	all, _, err := w.service.List(w.ctx("observer"), execution.Filter{IncidentID: w.inc}, httpapi.Page{Limit: 50})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func TestAFormWithoutItsKeyStartsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Free disk space", nil)
	page := w.get("responder", "/console/executions/new?incidentId="+w.inc+"&runbookId="+rb).must(t, 200)
	for name, change := range map[string]func(url.Values){
		"no key":          func(f url.Values) { f.Del("key") },
		"a key too short": func(f url.Values) { f.Set("key", "1") },
		"a key too long":  func(f url.Values) { f.Set("key", strings.Repeat("k", 256)) },
		"no preview":      func(f url.Values) { f.Del("seen") },
	} {
		f := form(t, page, rb, w.inc)
		change(f)
		a := w.post("responder", "/console/executions", f).must(t, 409, "This is what would run")
		if key := a.field(t, "key"); len(key) < 16 || len(key) > 64 {
			t.Errorf("%s: the new key is %q", name, key)
		}
	}
	if n := len(w.executions()); n != 0 {
		t.Errorf("%d were started", n)
	}
}

func TestWhatHasNoValueIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Restart", func(c *runbook.Creation) {
		c.Parameters = []runbook.Parameter{{Name: "HOST", Type: runbook.String, Template: "{{incident.labels.host}}"}}
	})
	page := w.get("responder", "/console/executions/new?incidentId="+w.inc+"&runbookId="+rb).must(t, 200, "HOST", "incident.labels.host", "!data-start")
	w.post("responder", "/console/executions", form(t, page, rb, w.inc)).must(t, 422, "incident.labels.host")
}

func TestPreviewSaysWhereItRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ssm := w.runbook("Restart nodes", func(c *runbook.Creation) {
		c.Target = runbook.Target{Type: runbook.SSM, Tags: map[string][]string{"role": {"web", "api"}}, MaxNodes: 2}
		c.RequiresConfirm = true
	})
	hook := w.runbook("Call AWX", func(c *runbook.Creation) {
		c.Target = runbook.Target{Type: runbook.Webhook, URL: "https://awx.test/api/v2/job_templates/7/launch/", Preset: "awx"}
	})
	if _, err := w.runbooks.Deprecate(w.ctx("lead"), hook, "Use the other one."); err != nil {
		t.Fatal(err)
	}
	path := "/console/executions/new?incidentId=" + w.inc + "&runbookId="
	w.nodes.found = []target.Node{{ID: "mi-1", Online: true}, {ID: "mi-2"}}
	w.get("responder", path+ssm).must(t, 200, "Run on 2 nodes", "nodes tagged role = web or api", "1 of 2 online", "1 node offline: nothing will run there.", "waits for a confirmation", "!It would fail")
	w.nodes.found = []target.Node{{ID: "mi-1", Online: true}, {ID: "mi-2", Online: true}, {ID: "mi-3", Online: true}}
	w.get("responder", path+ssm).must(t, 200, "3 nodes match, and the runbook admits 2.")
	w.nodes.found = []target.Node{{ID: "mi-1"}}
	w.get("responder", path+ssm).must(t, 200, "Run on mi-1", "None of its nodes is online.")
	w.get("responder", path+hook).must(t, 200, "Run on AWX at awx.test", "This runbook is deprecated: Use the other one.")
}

func TestChoosing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runbook("Of the team", nil)
	bound := w.runbook("Of the service", func(c *runbook.Creation) { c.ServiceID = &w.svc })
	other, err := w.desk.CreateService(w.ctx("lead"), incident.NewService{Name: "search", TeamID: w.team})
	if err != nil {
		t.Fatal(err)
	}
	w.runbook("Of another service", func(c *runbook.Creation) { c.ServiceID = &other.ID })
	if _, err := w.runbooks.Create(w.ctx("lead"), runbook.Creation{Name: "Never approved", TeamID: &w.team, Content: runbook.Content{Language: runbook.Bash, ScriptContent: "true", Target: runbook.Target{Type: runbook.Sandbox}}}); err != nil {
		t.Fatal(err)
	}
	global, err := w.runbooks.Create(w.ctx("admin"), runbook.Creation{Name: "<i>For all</i>", Content: runbook.Content{Language: runbook.Bash, ScriptContent: "true", Target: runbook.Target{Type: runbook.Sandbox}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.runbooks.Submit(w.ctx("admin"), global.ID, 1); err != nil {
		t.Fatal(err)
	}
	w.who["second admin"] = principal.Principal{Kind: principal.User, ID: "usr_second", UserID: "usr_second", PlatformAdmin: true}
	if _, err := w.runbooks.Approve(w.ctx("second admin"), global.ID, 1, ""); err != nil {
		t.Fatal(err)
	}
	page := w.get("responder", "/console/executions/new?incidentId="+w.inc).must(t, 200, "!Of another service", "!Never approved", "!<i>For all", "&lt;i&gt;For all&lt;/i&gt;")
	order := []int{strings.Index(page.text, "Of the service"), strings.Index(page.text, "Of the team"), strings.Index(page.text, "&lt;i&gt;For all")}
	if !slices.IsSorted(order) || order[0] < 0 {
		t.Errorf("they come in the order %v", order)
	}
	w.get("responder", "/console/executions/new?incidentId="+w.inc+"&q=SERVICE", "HX-Request", "true").must(t, 200, "Of the service", "!Of the team", "!<html")
	w.get("responder", "/console/executions/new").must(t, 200, "Of the team", "!Of the service")
	w.get("responder", "/console/executions/new?runbookId="+bound).must(t, 200, "It runs only for incidents of its service.", "Disk full", "incidentId="+w.inc+"&amp;runbookId="+bound, "!<form id")
	if _, err := w.desk.Resolve(w.ctx("responder"), w.inc, ""); err != nil {
		t.Fatal(err)
	}
	w.get("responder", "/console/executions/new?runbookId="+bound).must(t, 200, "None of its service is open.", "/console/services/"+w.svc)
	w.get("observer", "/console/executions/new?runbookId="+bound).must(t, 403)
	w.get("responder", "/console/executions/new?q=nothing").must(t, 200, "No runbook of this name fits.")
	w.get("observer", "/console/executions/new").must(t, 200, "There is no runbook that you may run here.")
	w.get("observer", "/console/executions/serving?serviceId="+w.svc).must(t, 200, "Of the service", "!Of the team")
	w.get("outsider", "/console/executions/serving?serviceId="+w.svc).must(t, 404)
}
