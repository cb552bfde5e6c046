package workflow_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/platform/id"
	"pagefree/internal/runbook"
)

// body is a workflow that is right, with other members where more has them.
func (w *world) body(more ...m) m {
	body := m{"name": "Free the disk", "teamId": w.team, "trigger": m{"on": []string{"incident.created"}}, "steps": []m{{"id": "say", "type": "note", "text": "x"}}}
	for _, other := range more {
		for member, value := range other {
			if body[member] = value; value == nil {
				delete(body, member)
			}
		}
	}
	return body
}

func TestWhatIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	steps := []m{
		{"id": "clean", "type": "runbook", "if": `{{incident.severity}} == "HIGH"`, "onFailure": "continue", "runbookId": w.runbook(), "parameters": m{"HOST": "{{incident.labels.host}}", "COUNT": 3, "FORCE": true}},
		{"id": "hook", "type": "webhook", "url": w.receiver.base + "200", "headers": m{"Authorization": "Bearer {{secrets.api}}"}, "body": `{"a":{{json steps.clean.stdout}}}`, "signWith": "sign"},
		{"id": "tell", "type": "notify", "to": []string{person, "team", "responders"}, "subject": "{{incident.title}}", "message": "m"},
		{"id": "sleep", "type": "wait", "seconds": 86400},
		{"id": "done", "type": "resolve", "note": "{{default steps.clean.stdout \"-\"}}"},
		{"id": "say", "type": "note", "text": "{{steps.hook.status}} at {{now}}"},
	}
	made := w.must(201, "lead", "POST", "/v1/workflows", w.body(m{"name": "  All of it ", "steps": steps, "trigger": m{
		"on": []string{"incident.created", "incident.escalated"}, "severities": []string{"HIGH"}, "serviceIds": []string{w.service}, "labels": m{"zone": "eu"},
	}}))
	path := "/v1/workflows/" + made.id()
	if made.Header.Get("Location") != path || made.Str("name") != "All of it" || made.Body["version"] != 1.0 || made.Body["enabled"] != true ||
		made.Body["timeLimitSeconds"] != 3600.0 || made.Body["concurrency"] != "queue" || made.Str("createdById") != "usr_lead" {
		t.Errorf("got %s", made.Text)
	}
	got := w.must(200, "observer", "GET", path, nil)
	if got.Text != made.Text {
		t.Errorf("got  %s\nmade %s", got.Text, made.Text)
	}
	if got.step("say")["onFailure"] != "stop" || got.step("clean")["onFailure"] != "continue" || got.step("clean")["parameters"].(m)["COUNT"] != 3.0 {
		t.Errorf("got %s", got.Text)
	}
	// What GET shows can be PUT.
	put := w.must(200, "lead", "PUT", path, got.Text, "If-Match", got.Header.Get("ETag"))
	if put.Body["version"] != 2.0 || put.Str("createdAt") != got.Str("createdAt") {
		t.Errorf("got %s", put.Text)
	}
	if a := w.as("lead", "PUT", path, got.Text, "If-Match", got.Header.Get("ETag")); a.StatusCode != 412 || a.code() != "precondition_failed" {
		t.Errorf("a stale one: got %d %s", a.StatusCode, a.Text)
	}
	off := w.must(200, "lead", "PUT", path, w.body(m{"enabled": false, "timeLimitSeconds": 60, "concurrency": "skip"}))
	if off.Body["enabled"] != false || off.Body["version"] != 3.0 || off.Body["timeLimitSeconds"] != 60.0 {
		t.Errorf("got %s", off.Text)
	}
	for query, want := range map[string]int{"": 1, "?enabled=true": 0, "?enabled=false": 1, "?teamId=" + w.team: 1, "?teamId=" + w.team + "&enabled=true": 0} {
		if n := len(w.must(200, "observer", "GET", "/v1/workflows"+query, nil).Items()); n != want {
			t.Errorf("%s: %d workflows", query, n)
		}
	}
	if n := len(w.must(200, "outsider", "GET", "/v1/workflows", nil).Items()); n != 0 {
		t.Errorf("an outsider sees %d", n)
	}
	if events := w.recorded(made.id()); !slices.Equal(events, []string{"workflow.created", "workflow.updated", "workflow.updated"}) {
		t.Errorf("recorded %q", events)
	}
	w.must(204, "lead", "DELETE", path, nil)
	w.must(404, "lead", "GET", path, nil)
	w.must(201, "lead", "POST", "/v1/workflows", w.body(m{"name": "free the DISK"})) // its name is free again
}

func TestNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.must(201, "lead", "POST", "/v1/workflows", w.body(m{"name": "One"})).id()
	two := w.must(201, "lead", "POST", "/v1/workflows", w.body(m{"name": "Two"})).id()
	for route, body := range map[string]m{"POST /v1/workflows": w.body(m{"name": " one "}), "PUT /v1/workflows/" + two: w.body(m{"name": "ONE"})} {
		method, path, _ := strings.Cut(route, " ")
		if a := w.as("lead", method, path, body); a.StatusCode != 409 || a.code() != "name_taken" {
			t.Errorf("%s: got %d %s", route, a.StatusCode, a.Text)
		}
	}
	w.must(200, "lead", "PUT", "/v1/workflows/"+one, w.body(m{"name": "ONE"}))   // its own
	w.must(200, "lead", "PUT", "/v1/workflows/"+one, w.body(m{"name": "Three"})) // another
	w.must(200, "lead", "PUT", "/v1/workflows/"+two, w.body(m{"name": "One"}))   // which is free now
	codes := make([]int, 8)
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() { codes[i] = w.as("lead", "POST", "/v1/workflows", w.body(m{"name": "Same"})).StatusCode })
	}
	wg.Wait()
	slices.Sort(codes)
	if codes[0] != 201 || codes[1] != 409 {
		t.Errorf("got %v, want one that is made", codes)
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	foreign := w.runbook(func(r *runbook.Runbook, _ *runbook.Version) { r.TeamID = &w.other })
	rb := w.runbook()
	many := make([]m, 51)
	for n := range many {
		many[n] = m{"id": fmt.Sprintf("s%d", n), "type": "wait", "seconds": 1}
	}
	step := func(members m, before ...m) m {
		s := m{"id": "it"}
		for k, v := range members {
			s[k] = v
		}
		return m{"steps": append(before, s)}
	}
	hook := func(members m) m {
		s := m{"type": "webhook", "url": "https://example.com/"}
		for k, v := range members {
			s[k] = v
		}
		return step(s)
	}
	note := func(text string, before ...m) m { return step(m{"type": "note", "text": text}, before...) }
	runs := func(members m) m {
		s := m{"type": "runbook", "runbookId": rb}
		for k, v := range members {
			s[k] = v
		}
		return step(s)
	}
	tests := map[string]struct {
		body m
		code string // validation_failed where it is empty
		at   string // the location that is named
	}{
		"no name":                       {body: m{"name": " "}, at: "body.name"},
		"a name of two lines":           {body: m{"name": "a\nb"}, at: "body.name"},
		"a long name":                   {body: m{"name": strings.Repeat("x", 121)}, at: "body.name"},
		"an unknown member":             {body: m{"colour": "red"}, at: "body.colour"},
		"what only the server writes":   {body: m{"version": 1}, at: "body.version"},
		"no trigger":                    {body: m{"trigger": nil}, at: "body"},
		"nothing triggers":              {body: m{"trigger": m{"on": []string{}}}, at: "body.trigger.on"},
		"an unknown event":              {body: m{"trigger": m{"on": []string{"incident.reopened"}}}, at: "body.trigger.on[0]"},
		"an event twice":                {body: m{"trigger": m{"on": []string{"incident.created", "incident.created"}}}, at: "body.trigger.on[1]"},
		"an unknown severity":           {body: m{"trigger": m{"on": []string{"incident.created"}, "severities": []string{"BAD"}}}, at: "body.trigger.severities[0]"},
		"another team's service":        {body: m{"trigger": m{"on": []string{"incident.created"}, "serviceIds": []string{id.New(id.Service, w.clock.Now())}}}, code: "not_found"},
		"no time":                       {body: m{"timeLimitSeconds": 0}, at: "body.timeLimitSeconds"},
		"too much time":                 {body: m{"timeLimitSeconds": 86401}, at: "body.timeLimitSeconds"},
		"an unknown rule":               {body: m{"concurrency": "parallel"}, at: "body.concurrency"},
		"no steps":                      {body: m{"steps": []m{}}, at: "body.steps"},
		"51 steps":                      {body: m{"steps": many}, at: "body.steps"},
		"a step without an id":          {body: m{"steps": []m{{"type": "wait", "seconds": 1}}}, at: "body.steps[0]"},
		"an id of another form":         {body: step(m{"id": "It", "type": "wait", "seconds": 1}), at: "body.steps[0].id"},
		"a long id":                     {body: step(m{"id": strings.Repeat("a", 41), "type": "wait", "seconds": 1}), at: "body.steps[0].id"},
		"an id twice":                   {body: note("x", m{"id": "it", "type": "wait", "seconds": 1}), at: "body.steps[1].id"},
		"an unknown type":               {body: step(m{"type": "script"}), at: "body.steps[0].type"},
		"a member of another type":      {body: step(m{"type": "note", "text": "x", "seconds": 5}), at: "body.steps[0].seconds"},
		"an unknown member of a step":   {body: step(m{"type": "note", "text": "x", "colour": "red"}), at: "body.steps[0].colour"},
		"an unknown onFailure":          {body: step(m{"type": "note", "text": "x", "onFailure": "retry"}), at: "body.steps[0].onFailure"},
		"a condition that is none":      {body: step(m{"type": "note", "text": "x", "if": "true"}), at: "body.steps[0].if"},
		"a condition on what is not":    {body: step(m{"type": "note", "text": "x", "if": `{{incident.colour}} == "x"`}), at: "body.steps[0].if"},
		"a condition on itself":         {body: step(m{"type": "note", "text": "x", "if": `{{steps.it.status}} == "x"`}), at: "body.steps[0].if"},
		"a condition on a later step":   {body: m{"steps": []m{{"id": "a", "type": "note", "text": "x", "if": "{{steps.b.status}}"}, {"id": "b", "type": "note", "text": "x"}}}, at: "body.steps[0].if"},
		"a template on a later step":    {body: m{"steps": []m{{"id": "a", "type": "note", "text": "{{steps.b.status}}"}, {"id": "b", "type": "note", "text": "x"}}}, at: "body.steps[0].text"},
		"another member of a step":      {body: note("{{steps.a.stderr}}", m{"id": "a", "type": "wait", "seconds": 1}), at: "body.steps[1].text"},
		"a template that is none":       {body: note("{{"), at: "body.steps[0].text"},
		"an unknown helper":             {body: note("{{env incident.title}}"), at: "body.steps[0].text"},
		"an unknown path":               {body: note("{{incident.secret}}"), at: "body.steps[0].text"},
		"a runbook where there is none": {body: note("{{runbook.name}}"), at: "body.steps[0].text"},
		"a secret in a note":            {body: note("{{secrets.api}}"), at: "body.steps[0].text"},
		"an empty note":                 {body: note(" "), at: "body.steps[0].text"},
		"a NUL":                         {body: note("a\x00"), at: "body.steps[0].text"},
		"a long note":                   {body: note(strings.Repeat("x", 8193)), at: "body.steps[0].text"},
		"a long resolution":             {body: step(m{"type": "resolve", "note": strings.Repeat("x", 8193)}), at: "body.steps[0].note"},
		"no time to wait":               {body: step(m{"type": "wait"}), at: "body.steps[0].seconds"},
		"too long a wait":               {body: step(m{"type": "wait", "seconds": 86401}), at: "body.steps[0].seconds"},
		"nobody to tell":                {body: step(m{"type": "notify", "message": "x"}), at: "body.steps[0].to"},
		"whom nobody knows":             {body: step(m{"type": "notify", "to": []string{"everybody"}, "message": "x"}), at: "body.steps[0].to[0]"},
		"nothing to tell":               {body: step(m{"type": "notify", "to": []string{"team"}}), at: "body.steps[0].message"},
		"a long message":                {body: step(m{"type": "notify", "to": []string{"team"}, "message": strings.Repeat("x", 8193)}), at: "body.steps[0].message"},
		"a subject of two lines":        {body: step(m{"type": "notify", "to": []string{"team"}, "message": "x", "subject": "a\nb"}), at: "body.steps[0].subject"},
		"no runbook":                    {body: step(m{"type": "runbook"}), at: "body.steps[0].runbookId"},
		"an unknown runbook":            {body: runs(m{"runbookId": id.New(id.Runbook, w.clock.Now())}), code: "not_found"},
		"another team's runbook":        {body: runs(m{"runbookId": foreign}), code: "not_found"},
		"a parameter of another form":   {body: runs(m{"parameters": m{"host": "x"}}), at: "body.steps[0].parameters"},
		"a parameter that is a list":    {body: runs(m{"parameters": m{"HOST": []string{"x"}}}), at: "body.steps[0].parameters.HOST"},
		"a parameter's template":        {body: runs(m{"parameters": m{"HOST": "{{incident.host}}"}}), at: "body.steps[0].parameters.HOST"},
		"no address":                    {body: hook(m{"url": ""}), at: "body.steps[0].url"},
		"no https":                      {body: hook(m{"url": "ftp://example.com/"}), at: "body.steps[0].url"},
		"metadata":                      {body: hook(m{"url": "https://169.254.169.254/latest"}), code: "address_forbidden", at: "body.steps[0].url"},
		"loopback":                      {body: hook(m{"url": "https://127.1/"}), code: "address_forbidden"},
		"plain http":                    {body: hook(m{"url": "http://example.com/"}), code: "address_forbidden"},
		"an address by template":        {body: hook(m{"url": "https://example.com/{{incident.id}}"}), at: "body.steps[0].url"},
		"a signature of their own":      {body: hook(m{"headers": m{"webhook-signature": "x"}}), at: "body.steps[0].headers"},
		"a run of their own":            {body: hook(m{"headers": m{"X-PageFree-Run": "x"}}), at: "body.steps[0].headers"},
		"a depth of their own":          {body: hook(m{"headers": m{"x-pagefree-depth": "0"}}), at: "body.steps[0].headers"},
		"an idempotency key":            {body: hook(m{"headers": m{"Idempotency-Key": "x"}}), at: "body.steps[0].headers"},
		"another host":                  {body: hook(m{"headers": m{"Host": "x"}}), at: "body.steps[0].headers"},
		"another length":                {body: hook(m{"headers": m{"content-length": "1"}}), at: "body.steps[0].headers"},
		"a header of two lines":         {body: hook(m{"headers": m{"X-A": "a\nb"}}), at: "body.steps[0].headers"},
		"an incident in a header":       {body: hook(m{"headers": m{"X-A": "{{incident.title}}"}}), at: "body.steps[0].headers"},
		"a secret in a body":            {body: hook(m{"body": "{{secrets.api}}"}), at: "body.steps[0].body"},
		"what is no secret's name":      {body: hook(m{"signWith": "A B"}), at: "body.steps[0].signWith"},
		"somebody of another team":      {body: step(m{"type": "notify", "to": []string{"team", person, stranger}, "message": "x"}), code: "not_found"},
		"somebody who does not exist":   {body: step(m{"type": "notify", "to": []string{id.New(id.User, w.clock.Now())}, "message": "x"}), code: "not_found"},
		"another team":                  {body: m{"teamId": w.other}, code: "not_found"},
		"no team":                       {body: m{"teamId": ""}, code: "not_found"},
	}
	there := w.must(201, "lead", "POST", "/v1/workflows", w.body(m{"name": "There"})).id()
	for name, tt := range tests {
		for _, route := range []string{"POST /v1/workflows", "PUT /v1/workflows/" + there} {
			method, path, _ := strings.Cut(route, " ")
			if method == "PUT" && (tt.body["version"] != nil || tt.body["teamId"] != nil) {
				continue // which it takes, and refuses in its own way
			}
			a := w.as("lead", method, path, w.body(tt.body))
			code, status := tt.code, 422
			if code == "" {
				code = "validation_failed"
			} else if code == "not_found" {
				status = 404
			}
			if a.StatusCode != status || a.code() != code || !strings.Contains(a.Text, `"location":"`+tt.at) && tt.at != "" {
				t.Errorf("%s: %s: got %d %s, want %d %s at %s", name, method, a.StatusCode, a.Text, status, code, tt.at)
			}
		}
	}
	for name, body := range map[string]m{"another team": w.body(m{"teamId": w.other}), "another id": w.body(m{"id": id.New(id.Workflow, w.clock.Now())})} {
		if a := w.as("lead", "PUT", "/v1/workflows/"+there, body); a.StatusCode != 422 {
			t.Errorf("%s: got %d %s", name, a.StatusCode, a.Text)
		}
	}
}

// TestWhoLeftTheTeam: a workflow that names them can still be written as it was read, and no other can.
func TestWhoLeftTheTeam(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	steps := []m{{"id": "tell", "type": "notify", "to": []string{person}, "message": "x"}}
	path := "/v1/workflows/" + w.workflow("Tell", steps)
	w.left = true
	w.must(200, "lead", "PUT", path, w.must(200, "lead", "GET", path, nil).Text)
	w.must(404, "lead", "POST", "/v1/workflows", w.body(m{"name": "Another", "steps": steps}))
}

func TestAGlobalRunbookAndAnArchivedOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	global := w.runbook(func(r *runbook.Runbook, _ *runbook.Version) { r.TeamID = nil })
	archived := w.runbook(func(r *runbook.Runbook, _ *runbook.Version) { r.Archived = true })
	w.workflow("Global", []m{{"id": "a", "type": "runbook", "runbookId": global}})
	wf := w.workflow("Archived", []m{{"id": "a", "type": "runbook", "runbookId": archived}})
	i := w.created("Disk full")
	if runs := w.executions(i.ID); len(runs) != 1 || runs[0].RunbookID != global || runs[0].TeamID != w.team {
		t.Errorf("got %+v", runs)
	}
	dry := w.must(200, "responder", "POST", "/v1/workflows/"+wf+"/runs", m{"incidentId": i.ID, "dryRun": true})
	if !strings.Contains(dry.Text, "runbook_archived") {
		t.Errorf("got %s", dry.Text)
	}
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wf := w.workflow("Dry", []m{
		{"id": "clean", "type": "runbook", "runbookId": w.runbook(), "parameters": m{"HOST": "{{incident.labels.zone}} {{runbook.name}}", "TOKEN": "hidden"}},
		{"id": "hook", "type": "webhook", "if": `{{steps.clean.exitCode}} == "0"`, "url": w.receiver.base + "200", "body": "{{upper incident.title}} {{steps.clean.stdout}}"},
		{"id": "tell", "type": "notify", "if": `{{incident.severity}} == "LOW"`, "to": []string{"team"}, "message": "m {{steps.hook.status}}"},
		{"id": "rack", "type": "note", "text": "{{incident.labels.rack}}"},
		{"id": "said", "type": "note", "text": "{{trim steps.clean.stdout}}{{default steps.tell.stdout \"none\"}}"},
		{"id": "sleep", "type": "wait", "seconds": 5},
	})
	i := w.incident("Disk full")
	dry := w.must(200, "responder", "POST", "/v1/workflows/"+wf+"/runs", m{"incidentId": i.ID, "dryRun": true})
	if dry.Body["matches"] != true {
		t.Errorf("got %s", dry.Text)
	}
	for step, want := range map[string]string{
		"clean": "true map[HOST:eu Free the disk TOKEN:***]",
		"hook":  "<nil> map[body:DISK FULL {{steps.clean.stdout}} url:" + w.receiver.base + "200]",
		"tell":  "false map[message:m {{steps.hook.status}} subject: to:[team]]",
		"said":  `true map[text:{{trim steps.clean.stdout}}{{default steps.tell.stdout "none"}}]`,
		"sleep": "true map[seconds:5]",
	} {
		s := dry.step(step)
		if got := fmt.Sprint(s["if"], " ", s["parameters"]); got != want {
			t.Errorf("%s: got %s, want %s", step, got, want)
		}
	}
	if got := dry.step("rack")["error"]; got != "template_unresolved: incident.labels.rack has no value here" {
		t.Errorf("got %v", got)
	}
	if w.receiver.requests() != 0 || len(w.runs(wf)) != 0 || len(w.executions(i.ID)) != 0 || len(w.due()) != 0 {
		t.Error("it did something")
	}
}

// TestDryRunOfRunbooks: a step shows all that its script would get, and says why it would not start or would wait.
func TestDryRunOfRunbooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	elsewhere := "svc_01ARZ3NDEKTSV4RRFFQ69G5FAV"
	params := func(p ...runbook.Parameter) func(*runbook.Runbook, *runbook.Version) {
		return func(_ *runbook.Runbook, v *runbook.Version) { v.Parameters = p }
	}
	whole := params(
		runbook.Parameter{Name: "HOST", Type: "string", Required: true}, runbook.Parameter{Name: "COUNT", Type: "integer"}, runbook.Parameter{Name: "LIMIT", Type: "number", Default: 2.5},
		runbook.Parameter{Name: "FORCE", Type: "boolean"}, runbook.Parameter{Name: "UNSET", Type: "string"},
		runbook.Parameter{Name: "TITLE", Type: "string", Template: "{{upper incident.title}} of {{incident.service.name}}"},
		runbook.Parameter{Name: "TOKEN", Type: "string", Secret: true}, runbook.Parameter{Name: "PIN", Type: "string", Secret: true, Default: "1234"},
		runbook.Parameter{Name: "KEY", Type: "string", Secret: true, Template: "{{incident.id}}"},
	)
	risky := func(_ *runbook.Runbook, v *runbook.Version) { v.Risk, v.Parameters = "HIGH", nil }
	tests := map[string]struct {
		change      func(*runbook.Runbook, *runbook.Version)
		given       m
		by          string // who opened the incident, "" for the responder
		parameters  string
		note, error string
	}{
		"all of it": {change: whole, given: m{"HOST": "{{incident.labels.zone}}", "COUNT": "3", "FORCE": true, "TOKEN": "hidden"},
			parameters: "map[COUNT:3 FORCE:true HOST:eu KEY:*** LIMIT:2.5 PIN:*** TITLE:DISK FULL of Checkout TOKEN:***]"},
		"what is not known yet": {change: whole, given: m{"HOST": "{{trim steps.before.stdout}} in {{incident.labels.zone}}", "COUNT": "{{steps.before.exitCode}}", "TOKEN": "{{steps.before.stdout}}"},
			parameters: "map[COUNT:{{steps.before.exitCode}} HOST:{{trim steps.before.stdout}} in eu KEY:*** LIMIT:2.5 PIN:*** TITLE:DISK FULL of Checkout TOKEN:***]"},
		"one is missing":   {change: whole, given: m{"TOKEN": "hidden"}, parameters: "map[TOKEN:***]", error: "parameter_missing: A required parameter has no value. HOST: it is required."},
		"one is no number": {change: whole, given: m{"HOST": "x", "COUNT": "many"}, parameters: "map[COUNT:many HOST:x]", error: "parameter_invalid: "},
		"a template of the runbook without a value": {change: params(runbook.Parameter{Name: "RACK", Type: "string", Template: "{{incident.labels.rack}}"}), parameters: "map[]",
			error: "template_unresolved: "},
		"not approved": {change: func(r *runbook.Runbook, _ *runbook.Version) { r.Approved = 0 }, given: m{"HOST": "hidden"}, parameters: "map[HOST:***]", error: "not_approved: "},
		"archived":     {change: func(r *runbook.Runbook, _ *runbook.Version) { r.Archived = true }, parameters: "map[]", error: "runbook_archived: "},
		"of another service": {change: func(_ *runbook.Runbook, v *runbook.Version) { v.ServiceID = &elsewhere }, given: m{"HOST": "x"}, parameters: "map[HOST:x]",
			error: "service_mismatch: This runbook runs only for incidents of its service."},
		"confirmed always": {change: func(_ *runbook.Runbook, v *runbook.Version) { v.RequiresConfirm = true }, given: m{"HOST": "x"}, parameters: "map[HOST:x]",
			note: "It would wait for a person's confirmation. This runbook asks for a confirmation before it runs."},
		"a risk that a person may start": {change: risky, parameters: "map[]"},
		"a risk that a key may not": {change: risky, by: "responder's key", parameters: "map[]",
			note: "Started by an event of this incident, it would wait for a person's confirmation. The incident was opened by an API key, which starts runbooks of risk LOW and MEDIUM by itself; this one is HIGH."},
	}
	check := func(name, wf, incidentID, parameters, note, fault string) {
		t.Helper()
		dry := w.must(200, "responder", "POST", "/v1/workflows/"+wf+"/runs", m{"incidentId": incidentID, "dryRun": true})
		s := dry.step("fix")
		text := func(member string) string { v, _ := s[member].(string); return v }
		if fmt.Sprint(s["parameters"]) != parameters || text("note") != note || !strings.HasPrefix(text("error"), fault) || fault == "" && text("error") != "" {
			t.Errorf("%s: got %v", name, s)
		}
		if strings.Contains(dry.Text, "hidden") {
			t.Errorf("%s: it shows a secret: %s", name, dry.Text)
		}
		if len(w.runs(wf)) != 0 || len(w.executions(incidentID)) != 0 || len(w.due()) != 0 || len(w.recorded(incidentID)) != 1 {
			t.Errorf("%s: it did something", name)
		}
	}
	for name, tt := range tests {
		by := tt.by
		if by == "" {
			by = "responder"
		}
		i, _, err := w.desk.Create(w.ctx(by), incident.NewIncident{Title: "Disk full", Severity: incident.High, ServiceID: w.service, Labels: map[string]string{"zone": "eu"}})
		if err != nil {
			t.Fatal(err)
		}
		rb := w.runbook(tt.change)
		wf := w.workflow(name, []m{{"id": "before", "type": "runbook", "runbookId": w.runbook()}, {"id": "fix", "type": "runbook", "runbookId": rb, "parameters": tt.given}})
		check(name, wf, i.ID, tt.parameters, tt.note, tt.error)
	}
	if _, err := w.engine.Executions.(*execution.Service).PauseAutomation(w.ctx("lead"), &w.team, "We look into it."); err != nil {
		t.Fatal(err)
	}
	wf := w.workflow("Paused", []m{{"id": "fix", "type": "runbook", "runbookId": w.runbook(whole), "parameters": m{"HOST": "x"}}})
	check("paused", wf, w.incident("Disk full").ID, "map[HOST:x KEY:*** LIMIT:2.5 PIN:*** TITLE:DISK FULL of Checkout]", "", "automation_paused: Automation is paused since 2060")
}

func TestLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.incident("Disk full")
	wf := w.workflow("One", []m{{"id": "say", "type": "note", "text": "x"}})
	w.workflow("Two", []m{{"id": "say", "type": "note", "text": "x"}})
	var want []string
	for range 5 {
		a := w.must(202, "responder", "POST", "/v1/workflows/"+wf+"/runs", m{"incidentId": i.ID})
		want = append(want, a.id())
		if a.Header.Get("Location") != "/v1/workflow-runs/"+a.id() || a.Str("status") != "PENDING" || a.Str("triggeredBy") != "manual" || a.Str("triggeredById") != "usr_responder" {
			t.Errorf("got %s", a.Text)
		}
	}
	slices.Reverse(want)
	for _, path := range []string{"/v1/workflows/" + wf + "/runs?limit=2", "/v1/workflow-runs?limit=2&incidentId=" + i.ID} {
		var got []string
		for cursor := ""; ; {
			page := w.must(200, "observer", "GET", path+cursor, nil)
			for _, r := range page.Items() {
				got = append(got, r["id"].(string))
			}
			next, more := page.Body["nextCursor"].(string)
			if !more {
				break
			}
			cursor = "&cursor=" + next
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	if n := len(w.must(200, "observer", "GET", "/v1/workflows?limit=1", nil).Items()); n != 1 {
		t.Errorf("got %d", n)
	}
	if a := w.as("observer", "GET", "/v1/workflows?cursor=abc", nil); a.StatusCode != 400 || a.code() != "cursor_invalid" {
		t.Errorf("got %d %s", a.StatusCode, a.Text)
	}
	if a := w.as("observer", "GET", "/v1/workflow-runs", nil); a.StatusCode != 422 {
		t.Errorf("got %d %s", a.StatusCode, a.Text)
	}
}
