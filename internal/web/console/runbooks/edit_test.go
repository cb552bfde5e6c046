package runbooks

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
)

func ptr[T any](v T) *T { return &v }

// full is a version with all that a form has to bring back.
func full(svc string) runbook.Content {
	c := runbook.Content{
		Language: runbook.Python, ScriptContent: "\nprint('<textarea>')\n\n\tif True: # \"&amp;\"\n", TimeoutSeconds: 120, MaxRetries: 2, Idempotent: true, Concurrency: 3,
		MaxRunsPerHour: ptr(12), ServiceID: &svc, RequiresConfirm: true, Risk: "MEDIUM",
		Target: runbook.Target{Type: runbook.Webhook, URL: "https://example.com/a?b=c&d", Preset: "awx", Async: true, SignWith: "key-one",
			Headers: map[string]string{"Authorization": "Bearer {{secrets.awx}}", "X-Quoted": `"it"`, "X-Empty": ""}},
	}
	for i := range runbook.MaxParameters {
		p := runbook.Parameter{Name: fmt.Sprintf("P%d", i), Type: runbook.String, Description: fmt.Sprintf("number <%d>", i), Required: i%2 == 0, Secret: i%3 == 0}
		switch i % 6 {
		case 0:
			p.Pattern, p.MaxLength = `^[a-z"<>]{1,4}$`, ptr(i+4)
		case 1:
			p.Default = ""
		case 2:
			p.Type, p.Default, p.Enum = runbook.Integer, float64(2), []any{float64(1), float64(2), float64(-30000000)}
		case 3:
			p.Type, p.Default = runbook.Boolean, false
		case 4:
			p.Enum = []any{"", "a\nb", `"quoted"`, " edge ", "{\"x\": 1}", "7"}
		case 5:
			p.Template = "{{incident.title}}"
		}
		if i == 8 {
			p.Type, p.Default, p.Enum = runbook.Number, 0.25, nil
		}
		c.Parameters = append(c.Parameters, p)
	}
	return c
}

func same(t *testing.T, got, want runbook.Content) {
	t.Helper()
	a, _ := json.MarshalIndent(got, "", " ")
	b, _ := json.MarshalIndent(want, "", " ")
	if string(a) != string(b) {
		t.Errorf("got %s\nwant %s", a, b)
	}
}

// contentIn is a version as its writer would say it again.
func contentIn(v runbook.Version) runbook.Content {
	return runbook.Content{
		Language: v.Language, ScriptContent: v.ScriptContent, Parameters: v.Parameters, Target: v.Target, TimeoutSeconds: v.TimeoutSeconds, MaxRetries: v.MaxRetries,
		Idempotent: v.Idempotent, Concurrency: v.Concurrency, MaxRunsPerHour: v.MaxRunsPerHour, ServiceID: v.ServiceID, RequiresConfirm: v.RequiresConfirm, Risk: v.Risk,
	}
}

// TestRoundTrip: opening the editor and saving changes nothing, whatever a version holds.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ssm := good
	ssm.Target = runbook.Target{Type: runbook.SSM, Tags: map[string][]string{"role": {"web", "a, b"}, "k=v": {"x = y"}, `"q`: {""}}, MaxNodes: 7, MaxConcurrency: "10%", MaxErrors: "0"}
	ssm.Target.Tags[`"q`] = []string{` "edge" `}
	ids := good
	ids.Target = runbook.Target{Type: runbook.SSM, InstanceIDs: []string{"i-0123456789abcdef0", "mi-0123456789abcdef0"}, MaxNodes: 2}
	named := good
	n, err := w.library.CreateTarget(w.as("lead"), runbook.TargetCreation{Name: "sand", TeamID: &w.team, Target: runbook.Target{Type: runbook.Sandbox}})
	if err != nil {
		t.Fatal(err)
	}
	named.Target = runbook.Target{Type: runbook.Named, TargetID: n.ID}
	for name, c := range map[string]runbook.Content{"full": full(w.svc), "least": good, "tags": ssm, "ids": ids, "named": named} {
		at := "/console/runbooks/" + w.draft(name, c)
		before, err := w.library.Version(w.as("lead"), at[len("/console/runbooks/"):], 1)
		if err != nil {
			t.Fatal(err)
		}
		form := w.ok("lead", at+"/edit").form(at + "/edit")
		if to := w.done("lead", at+"/edit", form); to != at+"/versions/2?did=drafted" {
			t.Errorf("%s leads to %s", name, to)
		}
		after, err := w.library.Version(w.as("lead"), before.RunbookID, 2)
		if err != nil {
			t.Fatal(err)
		}
		same(t, contentIn(after.Version), contentIn(before.Version))
		w.ok("reviewer", at+"/versions/2").says("Nothing changes beside the script", "The script is the same")
	}
}

// TestWrongAtItsField: what is wrong stands at its field, and nothing that was typed is lost.
func TestWrongAtItsField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fresh := w.ok("lead", "/console/runbooks/new").form("/console/runbooks")
	tests := map[string]struct {
		with  map[string]string
		field string // "" above the form
		says  string
	}{
		"no name":                    {map[string]string{"name": ""}, "name", "empty"},
		"a name of a line's end":     {map[string]string{"name": "a\u0001b"}, "name", "It is one line"},
		"a timeout of words":         {map[string]string{"timeoutSeconds": "soon"}, "timeoutSeconds", "integer"},
		"a timeout that is long":     {map[string]string{"timeoutSeconds": "301"}, "timeoutSeconds", "300"},
		"retries without idempotent": {map[string]string{"maxRetries": "1"}, "maxRetries", "Only an idempotent runbook"},
		"no script":                  {map[string]string{"scriptContent": " "}, "scriptContent", "needs a script"},
		"marks that reorder":         {map[string]string{"scriptContent": "echo \u202e x"}, "scriptContent", "order"},
		"a parameter's name":         {map[string]string{"rows": "1", "parameters[0].name": "host", "parameters[0].type": "string"}, "parameters[0].name", "match"},
		"two of a name":              {map[string]string{"rows": "2", "parameters[0].name": "A", "parameters[0].type": "string", "parameters[1].name": "A", "parameters[1].type": "string"}, "parameters[1].name", "same name"},
		"a default of another type":  {map[string]string{"rows": "1", "parameters[0].name": "A", "parameters[0].type": "integer", "parameters[0].default": "many"}, "parameters[0].default", "integer"},
		"an enum of another type":    {map[string]string{"rows": "1", "parameters[0].name": "A", "parameters[0].type": "boolean", "parameters[0].enum": "true\nno"}, "parameters[0].enum", "It takes true or false"},
		"a template":                 {map[string]string{"rows": "1", "parameters[0].name": "A", "parameters[0].type": "string", "parameters[0].template": "{{nobody.knows}}"}, "parameters[0].template", "nobody"},
		"a secret to ssm":            {map[string]string{"rows": "1", "parameters[0].name": "A", "parameters[0].type": "string", "parameters[0].secret": "yes", "target.type": "ssm", "target.tags": "a=b"}, "parameters[0].secret", "SSM"},
		"ssm without nodes":          {map[string]string{"target.type": "ssm"}, "target", "instanceIds or tags"},
		"a node's id":                {map[string]string{"target.type": "ssm", "target.instanceIds": "i-0123456789abcdef0\nweb"}, "target.instanceIds", "managed node"},
		"an address":                 {map[string]string{"target.type": "webhook", "target.url": "example"}, "target.url", "absolute"},
		"a header":                   {map[string]string{"target.type": "webhook", "target.url": "https://example.com", "target.headers": "Host: x"}, "target.headers", "Host"},
		"33 parameters":              {map[string]string{"rows": "33"}, "parameters", "32"},
		"a service that is gone":     {map[string]string{"serviceId": "svc_01M8M8FHNN4P6AE1GCYTG3DYE4"}, "", "not there any more"},
		"a target that is gone":      {map[string]string{"target.type": "named", "target.targetId": "tgt_01M8M8FHNN4P6AE1GCYTG3DYE4"}, "", "not there any more"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			form := url.Values{"name": {"Fine"}, "description": {"<b>kept</b>"}, "changeNote": {"kept too"}}
			for field, values := range fresh {
				if !form.Has(field) {
					form[field] = values
				}
			}
			for field, v := range tt.with {
				form.Set(field, strings.ReplaceAll(v, "\n", "\r\n"))
			}
			p := w.post("lead", "/console/runbooks", form)
			p.t = t
			if p.code != 422 {
				t.Fatalf("got %d %s", p.code, p.text())
			}
			said := p.fieldError(tt.field)
			switch tt.field {
			case "":
				said = p.text()
			case "parameters", "target", "parameters[0].secret": // beside no input of their own
				said = ""
				for _, e := range p.all("p", "error") {
					said += textOf(e)
				}
			}
			if !strings.Contains(said, tt.says) {
				t.Errorf("%q is said at %s, want %q: %s", said, tt.field, tt.says, p.text())
			}
			p.never("<b>kept")
			again := p.form("/console/runbooks")
			for field, values := range form {
				if got := again.Get(field); got != values[0] && !(got == "" && strings.TrimSpace(values[0]) == "") {
					t.Errorf("%s was %q, and is %q", field, values[0], got)
				}
			}
		})
	}
	if items, _, err := w.library.Runbooks(w.as("lead"), runbook.Filter{}, httpapi.Page{Limit: 10}); err != nil || len(items) != 0 {
		t.Errorf("got %d runbooks, %v: none should be made", len(items), err)
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/console/runbooks/" + w.draft("Rows", good)
	form := w.ok("lead", at+"/edit").form(at + "/edit")
	for _, name := range []string{"ONE", "TWO", "THREE"} {
		form.Set("add", "parameter")
		p := w.post("lead", at+"/edit", form)
		if p.code != 200 {
			t.Fatalf("adding got %d", p.code)
		}
		form = p.form(at + "/edit")
		last := param(rowsOf(console.Form{Values: form})-1, "name")
		form.Set(last, name)
		form.Set(strings.Replace(last, "name", "required", 1), "yes")
	}
	form.Set(param(0, "secret"), "yes")
	form.Set("remove", "1")
	form = w.post("lead", at+"/edit", form).form(at + "/edit")
	w.done("lead", at+"/edit", form)
	v, err := w.library.Version(w.as("lead"), at[len("/console/runbooks/"):], 2)
	if err != nil {
		t.Fatal(err)
	}
	want := []runbook.Parameter{{Name: "ONE", Type: "string", Required: true, Secret: true}, {Name: "THREE", Type: "string", Required: true}}
	if !reflect.DeepEqual(v.Parameters, want) {
		t.Errorf("got %+v, want %+v", v.Parameters, want)
	}
	for _, rows := range []string{"-1", "99999999999", "x"} { // what no button of ours sends
		form.Set("rows", rows)
		form.Set("remove", "40")
		if p := w.post("lead", at+"/edit", form); p.code != 200 {
			t.Errorf("rows %s: got %d", rows, p.code)
		}
	}
}

// TestTwoEditors: of two who write at once, the second is told, and keeps the text.
func TestTwoEditors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/console/runbooks/" + w.draft("Both", good)
	first, second := w.ok("lead", at+"/edit").form(at+"/edit"), w.ok("reviewer", at+"/edit").form(at+"/edit")
	first.Set("scriptContent", "echo first\r\n")
	second.Set("scriptContent", "echo second\r\n")
	w.done("lead", at+"/edit", first)
	p := w.post("reviewer", at+"/edit", second)
	if p.code != 422 {
		t.Fatalf("the second got %d %s", p.code, p.text())
	}
	p.says("Version 2 appeared while you wrote", "See version 2")
	again := p.form(at + "/edit")
	if again.Get("scriptContent") != "echo second\r\n" || again.Get("base") != "2" {
		t.Errorf("the second keeps %q from version %s", again.Get("scriptContent"), again.Get("base"))
	}
	if to := w.done("reviewer", at+"/edit", again); to != at+"/versions/3?did=drafted" {
		t.Errorf("saving again leads to %s", to)
	}
	for _, base := range []string{"", "0", "x"} {
		again.Set("base", base)
		if p := w.post("reviewer", at+"/edit", again); p.code != 400 {
			t.Errorf("a form of version %q got %d", base, p.code)
		}
	}
}

func TestSaveAndSubmit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := w.ok("lead", "/console/runbooks/new").form("/console/runbooks")
	form.Set("name", "Fresh")
	form.Set("then", "submit")
	form.Set("scriptContent", "echo\r\n\r\nSYNTAX <i>\r\n")
	to := w.done("lead", "/console/runbooks", form)
	at, _, _ := strings.Cut(to, "/edit?")
	if to != at+"/edit?did=unparsed" {
		t.Fatalf("a script that does not parse leads to %s", to)
	}
	p := w.ok("lead", to)
	p.says("It was saved as a draft. The script does not parse")
	if said := p.fieldError("scriptContent"); said != "Line 3 does not parse: unexpected <SYNTAX>" {
		t.Errorf("the field says %q", said)
	}
	if stop := p.all("span", "stop"); len(stop) != 1 || strings.TrimSpace(textOf(stop[0])) != "SYNTAX <i>" {
		t.Errorf("got %d marked lines, want the third", len(stop))
	}
	form = p.form(at + "/edit")
	form.Set("scriptContent", "DOWN")
	form.Set("then", "submit")
	if to := w.done("lead", at+"/edit", form); to != at+"/versions/2?did=unsubmitted" {
		t.Errorf("a parser that does not answer leads to %s", to)
	}
	form = w.ok("lead", at+"/edit").form(at + "/edit")
	form.Set("scriptContent", "echo fine")
	form.Set("then", "submit")
	if to := w.done("lead", at+"/edit", form); to != at+"/versions/3?did=submitted" {
		t.Errorf("a good one leads to %s", to)
	}
	w.done("lead", at+"/archive", url.Values{"reason": {"old"}})
	if p := w.post("lead", at+"/edit", w.ok("lead", at+"/edit").form(at+"/edit")); p.code != 422 || !strings.Contains(p.text(), "Cannot add a version to what is archived.") {
		t.Errorf("a version of what is archived: got %d %s", p.code, p.text())
	}
}

func TestPaintOverHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.post("lead", "/console/runbooks/paint", url.Values{"language": {"BASH"}, "scriptContent": {"if true; then\r\n  echo '</span><script>alert(1)</script>'\r\nfi"}}, "HX-Request", "true")
	if p.code != 200 || strings.Contains(p.html, "<script>") || strings.Contains(p.html, "<html") {
		t.Fatalf("got %d %s", p.code, p.html)
	}
	if got := len(p.all("span", "ln")); got != 3 {
		t.Errorf("got %d lines, want 3", got)
	}
	if got := p.all("span", "c-key"); len(got) == 0 || textOf(got[0]) != "if" {
		t.Errorf("if has no colour: %s", p.html)
	}
	if p := w.post("observer", "/console/runbooks/paint", url.Values{"language": {"BASH"}, "scriptContent": {"if"}}, "HX-Request", "true"); p.code != 403 {
		t.Errorf("who has no editor: got %d", p.code)
	}
}
