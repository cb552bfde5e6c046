package workflows_test

import (
	"net/url"
	"reflect"
	"strings"
	"testing"

	"pagefree/infra/local/consoletest"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/workflow"
)

func pageOf(limit int) httpapi.Page { return httpapi.Page{Limit: limit} }

// press sends a form by its button of a value, as a browser without scripts does.
func press(t *testing.T, b *consoletest.Browser, f *consoletest.Form, path, do string) *consoletest.Page {
	t.Helper()
	f.Values.Set("do", do)
	return b.Post(t, path, f.Values)
}

// at is what is said at a field, whatever its name.
func at(p *consoletest.Page, field string) string {
	for _, e := range p.All("p[id]") {
		if e.Attr("id") == "e-"+field {
			return e.Text()
		}
	}
	return ""
}

// beside is what is said in the same row as a field.
func beside(p *consoletest.Page, field string) string {
	for _, e := range p.All("input") {
		if e.Attr("name") == field {
			return e.Parent("div").First(".error").Text()
		}
	}
	return ""
}

const write, save = "Write the workflow", "Save as the next version"

// TestWriteOne: a whole workflow by the form alone, a step of each type.
func TestWriteOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb, global := w.runbook("Clean up", w.team), w.runbook("Ping", "")
	w.runbook("Of others", w.other)
	lead, path := w.as("lead"), "/console/workflows"
	p := lead.Get(t, path+"/new").Want(t, 200)
	p.Shows(t, "A workflow has at least one step.", "incident.service.name", "steps.<id>.status")
	for n, kind := range []string{"runbook", "webhook", "notify", "wait", "resolve", "note"} {
		f := p.Form(t, write)
		if n == 0 {
			f.Set(t, "name", "Full").Set(t, "trigger.on", "incident.created", "incident.resolved").Set(t, "trigger.severities", "HIGH").Set(t, "trigger.serviceIds", w.svc)
			f.Set(t, "trigger.labels[1].name", "env").Set(t, "trigger.labels[1].value", "prod") // the first row stays empty
		}
		p = press(t, lead, f, path, "add:"+kind).Want(t, 200)
	}
	f := p.Form(t, write)
	if got := f.Offers("steps[0].runbookId"); !reflect.DeepEqual(got, []string{"", rb, global}) {
		t.Errorf("it offers the runbooks %q", got)
	}
	f.Set(t, "steps[0].runbookId", rb)
	p = press(t, lead, f, path, "more:0").Want(t, 200)
	p.Shows(t, "It takes HOST string, required, COUNT integer, ZONE string, required, fixed by the runbook.")
	f = p.Form(t, write)
	if got := f.Values.Get("steps[0].parameters[0].name") + f.Values.Get("steps[0].parameters[1].name"); got != "HOST" {
		t.Errorf("the rows are filled with %q: want what the runbook cannot do without", got)
	}
	f.Set(t, "steps[0].parameters[0].value", "{{incident.labels.host}}").Set(t, "steps[0].parameters[1].name", "COUNT").Set(t, "steps[0].parameters[1].value", "3").Set(t, "steps[0].onFailure", "continue")
	f.Set(t, "steps[1].url", "https://hooks.example.com/x").Set(t, "steps[1].headers[0].name", "X-Team").Set(t, "steps[1].headers[0].value", "a").Set(t, "steps[1].body", "\n{{incident.title}}\n")
	f.Set(t, "steps[2].to", "responders").Set(t, "steps[2].someone", colleague).Set(t, "steps[2].subject", "Disk").Set(t, "steps[2].message", "Look")
	f.Set(t, "steps[3].seconds", "90").Set(t, "steps[3].if", `{{steps.run.exitCode}} != "0"`)
	f.Set(t, "steps[4].note", "done").Set(t, "steps[5].text", "noted").Set(t, "steps[5].id", "last").Set(t, "timeLimitSeconds", "600").Set(t, "concurrency", "skip")
	f.Values["enabled"] = nil
	made := f.Send(t)
	made.Want(t, 303)
	is := w.saved(strings.Split(strings.TrimPrefix(made.Header.Get("Location"), path+"/"), "?")[0])
	body := "\n{{incident.title}}\n"
	want := workflow.Definition{
		Name: "Full", TeamID: w.team, TimeLimitSeconds: 600, Concurrency: workflow.Skip,
		Trigger: workflow.Trigger{On: []string{"incident.created", "incident.resolved"}, Severities: []string{"HIGH"}, ServiceIDs: []string{w.svc}, Labels: map[string]string{"env": "prod"}},
		Steps: []workflow.Step{
			{ID: "run", Type: "runbook", OnFailure: "continue", RunbookID: rb, Parameters: map[string]any{"HOST": "{{incident.labels.host}}", "COUNT": float64(3)}},
			{ID: "call", Type: "webhook", OnFailure: "stop", URL: "https://hooks.example.com/x", Headers: map[string]string{"X-Team": "a"}, Body: &body},
			{ID: "tell", Type: "notify", OnFailure: "stop", To: []string{"responders", colleague}, Subject: "Disk", Message: "Look"},
			{ID: "wait", Type: "wait", OnFailure: "stop", Seconds: 90, If: `{{steps.run.exitCode}} != "0"`},
			{ID: "resolve", Type: "resolve", OnFailure: "stop", Note: "done"},
			{ID: "last", Type: "note", OnFailure: "stop", Text: "noted"},
		},
	}
	if !reflect.DeepEqual(is.Definition, want) {
		t.Errorf("got %+v\nwant %+v", is.Definition, want)
	}
	// What the form of it shows is, sent as it is, the same again.
	edit := lead.Get(t, path+"/"+is.ID+"/edit").Form(t, save)
	edit.Send(t).Want(t, 303)
	if again := w.saved(is.ID); !reflect.DeepEqual(again.Definition, want) || again.Version != 2 {
		t.Errorf("sent again, it is version %d of %+v", again.Version, again.Definition)
	}
}

// TestSteps: buttons add, move and remove, and lose nothing.
func TestSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lead, path := w.as("lead"), "/console/workflows"
	p := lead.Get(t, path+"/new")
	ids := func(p *consoletest.Page) string {
		var out []string
		for n := 0; ; n++ {
			id, there := p.Form(t, write).Values["steps["+string(rune('0'+n))+"].id"]
			if !there {
				return strings.Join(out, " ")
			}
			out = append(out, id[0])
		}
	}
	for _, tt := range []struct{ do, want string }{
		{"add:note", "note"}, {"add:note", "note note_2"}, {"add:wait", "note note_2 wait"},
		{"up:2", "note wait note_2"}, {"down:0", "wait note note_2"}, {"up:0", "wait note note_2"}, {"down:2", "wait note note_2"},
		{"remove:1", "wait note_2"}, {"remove:9", "wait note_2"}, {"up:-1", "wait note_2"}, {"add:", "wait note_2"}, {"add:other", "wait note_2"}, {"nonsense", "wait note_2"}, {"more", "wait note_2"},
	} {
		f := p.Form(t, write)
		f.Set(t, "name", consoletest.Hostile).Set(t, "trigger.on")
		if _, there := f.Values["steps[0].seconds"]; there {
			f.Set(t, "steps[0].seconds", "not a number")
		}
		p = press(t, lead, f, path, tt.do).Want(t, 200)
		if got := ids(p); got != tt.want {
			t.Fatalf("after %s the steps are %q, want %q", tt.do, got, tt.want)
		}
		f = p.Form(t, write)
		if f.Values.Get("name") != consoletest.Hostile || f.Values["trigger.on"] != nil {
			t.Errorf("after %s the form lost what was typed: %q", tt.do, f.Values)
		}
	}
	if got := p.Form(t, write).Values.Get("steps[0].seconds"); got != "not a number" {
		t.Errorf("the seconds are %q", got)
	}
	if list, _, err := w.flows.List(w.ctx("lead"), workflow.Filter{}, pageOf(10)); err != nil || len(list) > 0 {
		t.Errorf("a button wrote %d workflows: %v", len(list), err)
	}
}

// TestWrong: each problem stands at its field, and all that was typed is still there.
func TestWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lead, path := w.as("lead"), "/console/workflows"
	rb := w.runbook("Clean up", w.team)
	foreign := w.runbook("Of others", w.other)
	p := lead.Get(t, path+"/new")
	for _, kind := range []string{"runbook", "webhook", "notify", "wait"} {
		p = press(t, lead, p.Form(t, write), path, "add:"+kind)
	}
	p = press(t, lead, p.Form(t, write).Set(t, "steps[0].runbookId", rb), path, "more:0")
	good := func() *consoletest.Form {
		return p.Form(t, write).Set(t, "name", "Good").Set(t, "steps[0].parameters[0].value", "h").Set(t, "steps[1].url", "https://hooks.example.com/x").
			Set(t, "steps[2].to", "team").Set(t, "steps[2].message", "m").Set(t, "steps[3].seconds", "9")
	}
	w.workflow("Taken", note("say", "x"))
	tests := map[string]struct {
		field, value string
		where        func(*consoletest.Page, string) string
		at, want     string // at: another field than the one that was filled
	}{
		"no name":               {"name", "", at, "", "not be empty"},
		"a long name":           {"name", strings.Repeat("n", 121), at, "", "At most 120"},
		"no event":              {"trigger.on", "", nil, "", "Some fields need another look."},
		"a time limit of words": {"timeLimitSeconds", "soon", at, "", "integer"},
		"no time":               {"steps[3].seconds", "0", at, "", "At least 1"},
		"the same id":           {"steps[3].id", "call", at, "", "Another step has the same id."},
		"a strange id":          {"steps[3].id", "No Good", at, "", "It matches"},
		"a wrong condition":     {"steps[1].if", "yes", at, "", "It is one comparison"},
		"a path of later":       {"steps[1].if", "{{steps.wait.status}}", at, "", "steps.wait.status"},
		"an unknown path":       {"steps[2].message", "{{incident.secret}}", at, "", "incident.secret"},
		"an address inside":     {"steps[1].url", "https://127.0.0.1/x", at, "", "address"},
		"an address of http":    {"steps[1].url", "ftp://example.com", at, "", "https address"},
		"somebody else":         {"steps[2].someone", "nobody", nil, "", "It is the id of a user, team or responders."},
		"a parameter's name":    {"steps[0].parameters[1].name", "no-name", nil, "", "The name of a parameter matches"},
		"a parameter's value":   {"steps[0].parameters[0].value", "{{nothing}}", beside, "", "nothing"},
		"two of a name":         {"steps[0].parameters[1].name", "HOST", beside, "", "Another row has this name."},
		"a value of no name":    {"steps[0].parameters[1].value", "lost", beside, "", "A name is missing."},
		"a header of ours":      {"steps[1].headers[0].name", "X-PageFree-Depth", nil, "", "PageFree sets it"},
		"a label of no name":    {"trigger.labels[0].value", "lost", beside, "", "A name is missing."},
		"a name that is taken":  {"name", "Taken", nil, "", "Another workflow of the team has this name."},
		"somebody of no team":   {"steps[2].someone", "usr_01ARZ3NDEKTSV4RRFFQ69G5FAW", nil, "", "is not there, or belongs to another team"},
		"another's runbook":     {"steps[0].runbookId", foreign, nil, "", "is not there, or belongs to another team"},
		"another's service":     {"trigger.serviceIds", w.foreign, nil, "", "is not there, or belongs to another team"},
	}
	for name, tt := range tests {
		f := good()
		f.Values[tt.field] = []string{tt.value}
		if tt.field == "trigger.on" {
			delete(f.Values, tt.field)
		}
		got := f.Send(t).Want(t, 422)
		said := got.Alert() + " " + got.First("form.flow-form").Text()
		if tt.where != nil {
			said = tt.where(got, tt.field)
		}
		if !strings.Contains(said, tt.want) {
			t.Errorf("%s: it says %q, want %q in it", name, said, tt.want)
		}
		again := got.Form(t, write)
		for field, values := range f.Values {
			if field != "do" && field != "steps[2].someone" && strings.Join(again.Values[field], "|") != strings.Join(values, "|") && strings.Join(values, "") != "" {
				t.Errorf("%s: %s was %q, and is %q", name, field, values, again.Values[field])
			}
		}
	}
	good().Send(t).Want(t, 303)
	w.as("lead").Post(t, path, url.Values{"teamId": {w.other}, "do": {"save"}}).Want(t, 404)
	empty := w.as("lead").Post(t, path, url.Values{"teamId": {w.team}, "do": {"save"}}).Want(t, 422)
	empty.Shows(t, "A workflow has at least one step.")
}

// TestOver: what somebody else wrote meanwhile is not lost without a word.
func TestOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.workflow("Free the disk", note("say", "x"))
	path := "/console/workflows/" + flow + "/edit"
	lead := w.as("lead")
	mine, theirs := lead.Get(t, path).Form(t, save), lead.Get(t, path).Form(t, save)
	theirs.Set(t, "name", "Theirs").Send(t).Want(t, 303)
	got := mine.Set(t, "name", "Mine").Send(t).Want(t, 422)
	got.Shows(t, "It was changed since you read it.", "Version 2 was written while you worked on this.")
	if f := got.Form(t, save); f.Values.Get("name") != "Mine" || f.Values.Get("version") != "1" {
		t.Errorf("the form has %q", f.Values)
	}
	got.Form(t, save).Send(t).Want(t, 422) // still of version 1
	got.Form(t, "Save mine over version 2").Send(t).LeadsTo(t, "/console/workflows/"+flow)
	if is := w.saved(flow); is.Name != "Mine" || is.Version != 3 {
		t.Errorf("got version %d of %s", is.Version, is.Name)
	}
	mine.Values.Set("teamId", w.other) // it stays with its team, whatever a form says
	mine.Values.Set("version", "3")
	mine.Send(t).Want(t, 303)
	if is := w.saved(flow); is.TeamID != w.team {
		t.Errorf("it is of %s", is.TeamID)
	}
	w.as("both").Get(t, "/console/workflows/new").Shows(t, "Whose incidents is it about?", "Payments", "Search")
	w.as("admin").Get(t, "/console/workflows/new").Shows(t, "Payments", "Search")
	w.as("both").Get(t, "/console/workflows/new?teamId="+w.other).Shows(t, "of Search", "Index").Hides(t, "Checkout")
}
