package execution

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"pagefree/internal/audit"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/trust"
	"pagefree/internal/runbook"
)

const run = "wfr_01ARZ3NDEKTSV4RRFFQ69G5FAV"

// asRun is the context of a run of the team's workflow.
func (w *world) asRun() context.Context {
	return principal.With(w.t.Context(), principal.Principal{
		Kind: principal.Workflow, ID: run, Teams: map[string]principal.Role{w.team: principal.Responder},
	})
}

// step is one that starts a runbook for the world's incident.
func (w *world) step(runbookID string) Step {
	return Step{RunID: run, StepID: "restart", TeamID: w.team, RunbookID: runbookID, IncidentID: w.inc, Unattended: trust.High, Depth: 1}
}

// start starts a step and commits it, as the workflow does with its own writes.
func (w *world) start(s Step) Execution {
	w.t.Helper()
	e, ops, err := w.service.Start(w.asRun(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := dynamo.Commit(w.t.Context(), w.service.Store.Table.DB, ops...); err != nil {
		w.t.Fatal(err)
	}
	w.service.Hurry(w.t.Context(), e)
	return e
}

// alert opens an incident by an integration.
func (w *world) alert(a incident.Alert, level trust.Level, ceiling trust.Risk) string {
	w.t.Helper()
	desk := incident.Desk{
		Store: incident.Store{Table: w.table(w.env.Config, "AutomationTable")}, Audit: audit.Log{Table: w.table(w.env.Config, "AuditTable")}, Now: w.clock.Now,
	}
	a.Action = incident.Fire
	got, err := desk.Take(w.t.Context(), incident.From{
		DeliveryID: "dlv_" + a.Title + string(level) + string(ceiling), IntegrationID: "int_1", Provider: "datadog", ServiceID: w.svc, TeamID: w.team, Trust: level, Unattended: ceiling,
	}, a)
	if err != nil {
		w.t.Fatal(err)
	}
	return got.IncidentID
}

// risky is a runbook of a risk.
func risky(risk string, confirm bool) func(*runbook.Creation) {
	return func(c *runbook.Creation) { c.Risk, c.RequiresConfirm = risk, confirm }
}

// TestRehearse: what Start would start is shown by the same rules, to the same run alone, and nothing is written.
func TestRehearse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.inc = w.alert(incident.Alert{Title: "disk full", Labels: map[string]string{"host": "web-1"}}, trust.Bearer, trust.Low)
	s := w.step(w.runbook("Clean", func(c *runbook.Creation) {
		c.Risk = "MEDIUM"
		c.Parameters = []runbook.Parameter{
			{Name: "DAYS", Type: runbook.Integer, Required: true}, {Name: "RATIO", Type: runbook.Number, Default: 0.5},
			{Name: "HOST", Type: runbook.String, Template: "{{incident.labels.host}}"}, {Name: "PIN", Type: runbook.String, Secret: true},
		}
	}))
	s.Unattended, s.Parameters = trust.Low, map[string]string{"DAYS": "{{steps.a.stdout}}", "PIN": pin}
	before := len(w.everything())
	if r, err := w.service.Rehearse(w.asRun(), s, nil); problem.CodeOf(err) != runbook.ParameterInvalid || r.Parameters != nil {
		t.Errorf("a text for a number: got %v, %v", r, err)
	}
	r, err := w.service.Rehearse(w.asRun(), s, []string{"DAYS"})
	want := map[string]any{"DAYS": "{{steps.a.stdout}}", "RATIO": 0.5, "HOST": "web-1", "PIN": "***"}
	if err != nil || !reflect.DeepEqual(r.Parameters, want) || !strings.Contains(r.Waits, "by a bearer secret") || !strings.HasSuffix(r.Waits, "this one is MEDIUM.") {
		t.Errorf("got %+v, %v", r, err)
	}
	s.Unattended = trust.Medium
	if r, err := w.service.Rehearse(w.asRun(), s, []string{"DAYS"}); err != nil || r.Waits != "" {
		t.Errorf("what its trigger may start: got %+v, %v", r, err)
	}
	if _, err := w.service.Rehearse(w.ctx("lead"), s, []string{"DAYS"}); problem.CodeOf(err) != problem.Forbidden {
		t.Errorf("a person: got %v", err)
	}
	if len(w.everything()) != before || len(w.queued()) != 0 {
		t.Error("it did something")
	}
	if _, err := w.service.PauseAutomation(w.ctx("lead"), &w.team, "We look into it."); err != nil {
		t.Fatal(err)
	}
	if r, err := w.service.Rehearse(w.asRun(), s, []string{"DAYS"}); problem.CodeOf(err) != AutomationPaused || !reflect.DeepEqual(r.Parameters, want) {
		t.Errorf("paused: got %+v, %v", r, err)
	}
}

func TestAStepsLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.inc = w.alert(incident.Alert{Title: "disk full", Labels: map[string]string{"host": "web-1"}}, trust.SignedTime, trust.Medium)
	rb := w.runbook("Clean", func(c *runbook.Creation) {
		c.Risk = "MEDIUM"
		c.Parameters = []runbook.Parameter{
			{Name: "DAYS", Type: runbook.Integer, Required: true}, {Name: "FORCE", Type: runbook.Boolean}, {Name: "RATIO", Type: runbook.Number, Default: 0.5},
			{Name: "HOST", Type: runbook.String, Template: "{{incident.labels.host}}"}, {Name: "WHICH", Type: runbook.String, Template: "{{runbook.name}} {{incident.id}}"},
			{Name: "PIN", Type: runbook.String, Secret: true},
		}
	})
	s := w.step(rb)
	s.Unattended, s.Depth, s.External = trust.Medium, 3, true
	s.Parameters = map[string]string{"DAYS": " 7 ", "FORCE": "true", "PIN": pin}
	e := w.start(s)
	if e.Status != Pending || e.RunID != run || e.TriggeredBy != ByWorkflow || e.TriggeredByID != run || e.TeamID != w.team || *e.IncidentID != w.inc {
		t.Fatalf("got %+v", e)
	}
	if strings.Contains(w.everything(), pin) {
		t.Error("a secret parameter stands in the clear")
	}
	messages := w.queued()
	if len(messages) != 1 || messages[0] != e.message() {
		t.Fatalf("got %+v, want its message", messages)
	}
	w.dispatch(e.ID)
	got := w.read(e.ID)
	want := map[string]any{"DAYS": 7.0, "FORCE": true, "RATIO": 0.5, "HOST": "web-1", "WHICH": "Clean " + w.inc, "PIN": "***"}
	if !reflect.DeepEqual(got.body["parameters"], want) || got.text("status") != "COMPLETED" || got.text("triggeredBy") != "workflow" || got.text("workflowRunId") != run {
		t.Errorf("got %v", got.body)
	}
	if external, _ := json.Marshal(got.body["externalParameters"]); string(external) != `["DAYS","FORCE","HOST","PIN"]` {
		t.Errorf("from outside: got %s", external)
	}
	env := map[string]string{"PF_DAYS": "7", "PF_FORCE": "true", "PF_RATIO": "0.5", "PF_HOST": "web-1", "PF_WHICH": "Clean " + w.inc, "PF_PIN": pin}
	if !reflect.DeepEqual(w.sandbox.asked[0].Env, env) {
		t.Errorf("got %v", w.sandbox.asked[0].Env)
	}
	ends := w.events(e.ID)
	if len(ends) != 1 || ends[0].Type != outbox.ExecutionEnded || ends[0].TeamID != w.team || ends[0].Depth != 3 || ends[0].Unattended != trust.Medium || ends[0].ActorID != "" {
		t.Fatalf("got %+v, want one of its end", ends)
	}
	detail := map[string]string{
		"status": "COMPLETED", "runId": run, "stepId": "restart", "runbookId": rb, "runbookName": "Clean", "triggeredBy": "workflow", "triggeredById": run,
		"incidentId": w.inc, "exitCode": "0",
	}
	if !reflect.DeepEqual(ends[0].Detail, detail) {
		t.Errorf("detail: got %v, want %v", ends[0].Detail, detail)
	}
	if got := w.trail(e.ID); got != "execution.triggered execution.started execution.completed" {
		t.Errorf("audit: got %s", got)
	}
}

func TestCeilings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.inc = w.alert(incident.Alert{Title: "x"}, trust.Bearer, trust.Low)
	signed := w.alert(incident.Alert{Title: "y"}, trust.Signed, trust.Medium)
	books := map[string]string{}
	for _, risk := range []string{"LOW", "MEDIUM", "HIGH"} {
		books[risk] = w.runbook(risk, risky(risk, false))
		books[risk+", confirmed"] = w.runbook(risk+", confirmed", risky(risk, true))
	}
	tests := map[string]struct {
		risk     string
		ceiling  trust.Risk
		incident string
		reason   string // "" runs by itself
	}{
		"below":                               {"LOW", trust.Medium, w.inc, ""},
		"at":                                  {"MEDIUM", trust.Medium, w.inc, ""},
		"at the top":                          {"HIGH", trust.High, w.inc, ""},
		"above":                               {"HIGH", trust.Low, w.inc, "The alert came by a bearer secret, and its integration starts runbooks of risk LOW by itself; this one is HIGH."},
		"above, signed":                       {"HIGH", trust.Medium, signed, "The alert was signed without a time, and its integration starts runbooks of risk LOW and MEDIUM by itself; this one is HIGH."},
		"above what the event's actor proved": {"HIGH", trust.Low, signed, "What set the workflow off starts runbooks of risk LOW by itself; this one is HIGH."},
		"nothing proved":                      {"LOW", "", w.inc, "What set the workflow off starts no runbook by itself; this one is LOW."},
		"without an incident":                 {"MEDIUM", trust.Low, "", "What set the workflow off starts runbooks of risk LOW by itself; this one is MEDIUM."},
		"a confirmation binds always":         {"LOW, confirmed", trust.High, w.inc, "This runbook asks for a confirmation before it runs."},
		"both":                                {"HIGH, confirmed", trust.Low, w.inc, "This runbook asks for a confirmation before it runs. The alert came by a bearer secret, and its integration starts runbooks of risk LOW by itself; this one is HIGH."},
	}
	for name, tt := range tests {
		s := w.step(books[tt.risk])
		s.Unattended, s.IncidentID = tt.ceiling, tt.incident
		e := w.start(s)
		status := AwaitingConfirmation
		if tt.reason == "" {
			status = Pending
		}
		got := w.read(e.ID)
		if got.text("status") != string(status) || got.text("reason") != tt.reason {
			t.Errorf("%s: got %s, %q; want %s, %q", name, got.text("status"), got.text("reason"), status, tt.reason)
		}
		events := w.events(e.ID)
		if tt.reason == "" {
			if len(events) != 0 {
				t.Errorf("%s: got %+v, want no event", name, events)
			}
			continue
		}
		if len(events) != 1 || events[0].Type != outbox.ExecutionWaits || events[0].Detail["reason"] != tt.reason || events[0].ActorID != run {
			t.Errorf("%s: got %+v, want one that it waits", name, events)
		}
		runs := w.sandbox.runs()
		w.dispatch(e.ID) // a message of nobody's
		if w.sandbox.runs() != runs {
			t.Errorf("%s: it ran before it was confirmed", name)
		}
		if a := w.as("key", "POST", "/v1/executions/"+e.ID+"/confirm", nil); a.status != http.StatusForbidden {
			t.Errorf("%s: confirmed by a key: got %d", name, a.status)
		}
		if a := w.as("responder", "POST", "/v1/executions/"+e.ID+"/confirm", nil); a.status != http.StatusOK {
			t.Errorf("%s: confirm: got %d %v", name, a.status, a.body)
		}
		w.dispatch(e.ID)
		if got := w.read(e.ID); got.text("status") != "COMPLETED" {
			t.Errorf("%s: got %s %q, want it run", name, got.text("status"), got.text("error"))
		}
	}
}

// TestAnAlteredRowDoesNotLiftTheCeiling: one that nobody confirmed is made to
// look as if it may run.
func TestAnAlteredRowDoesNotLiftTheCeiling(t *testing.T) {
	t.Parallel()
	pending := "SET #status = :p"
	tests := map[string]struct {
		update string
		values map[string]any
	}{
		"its status alone":                {pending, nil},
		"the run":                         {pending + " REMOVE workflowRunId", nil},
		"who started it":                  {pending + ", triggeredBy = :m", map[string]any{":m": ByPerson}},
		"that a key did":                  {pending + ", triggeredBy = :m, triggeredById = :k REMOVE workflowRunId", map[string]any{":m": ByWorkflow, ":k": "key_1"}},
		"another run":                     {pending + ", triggeredById = :m", map[string]any{":m": "wfr_01ARZ3NDEKTSV4RRFFQ69G5FAX"}},
		"all but its name":                {pending + ", triggeredBy = :m REMOVE workflowRunId", map[string]any{":m": ByPerson}},
		"a ceiling that there is not":     {pending + ", unattended = :m", map[string]any{":m": "EXTREME"}},
		"no ceiling":                      {pending + " REMOVE unattended", nil},
		"a confirmation by the run":       {pending + ", confirmedById = :m", map[string]any{":m": run}},
		"a confirmation by an API key":    {pending + ", confirmedById = :m", map[string]any{":m": "key_1"}},
		"a confirmation that says nobody": {pending + ", confirmedById = :m", map[string]any{":m": ""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.step(w.runbook("Risky", risky("HIGH", false)))
			s.Unattended = trust.Low
			e := w.start(s)
			values := map[string]any{":p": Pending}
			for k, v := range tt.values {
				values[k] = v
			}
			w.tamper("ex#"+e.ID, "ex", tt.update, values)
			w.dispatch(e.ID)
			if got := w.read(e.ID); got.text("status") != "FAILED" || got.text("error") != "seal_broken" || w.sandbox.runs() != 0 {
				t.Errorf("got %s, %q, %d runs; want FAILED, seal_broken, none", got.text("status"), got.text("error"), w.sandbox.runs())
			}
		})
	}
}

func TestWhatAStepMayNotStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Plain", func(c *runbook.Creation) {
		c.Parameters = []runbook.Parameter{{Name: "DAYS", Type: runbook.Integer}, {Name: "FIXED", Type: runbook.String, Template: "{{runbook.name}}"}, {Name: "HOST", Type: runbook.String, Pattern: "[a-z]+"}}
	})
	archived := w.runbook("Archived", nil)
	if _, err := w.runbooks.Archive(w.ctx("lead"), archived, "old"); err != nil {
		t.Fatal(err)
	}
	draft, err := w.runbooks.Create(w.ctx("lead"), runbook.Creation{Name: "Draft", TeamID: &w.team, Content: runbook.Content{Language: runbook.Bash, ScriptContent: "true\n", Target: runbook.Target{Type: runbook.Sandbox}}})
	if err != nil {
		t.Fatal(err)
	}
	svc, err := w.desk.CreateService(w.ctx("lead"), service(w.team, "search"))
	if err != nil {
		t.Fatal(err)
	}
	bound := w.runbook("Bound", func(c *runbook.Creation) { c.ServiceID = &svc.ID })
	theirs, err := w.desk.CreateService(w.ctx("outsider"), service(w.other, "theirs"))
	if err != nil {
		t.Fatal(err)
	}
	foreign, _, err := w.desk.Create(w.ctx("outsider"), newIncident(theirs.ID))
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*Step)) Step {
		s := w.step(rb)
		change(&s)
		return s
	}
	params := func(name, value string) Step {
		return with(func(s *Step) { s.Parameters = map[string]string{name: value} })
	}
	person := w.who["responder"]
	member := principal.Principal{Kind: principal.Workflow, ID: run, Teams: map[string]principal.Role{w.team: principal.Observer}}
	tests := map[string]struct {
		step Step
		who  *principal.Principal
		want problem.Code
	}{
		"an archived runbook":           {step: with(func(s *Step) { s.RunbookID = archived }), want: runbook.RunbookArchived},
		"one that nobody approved":      {step: with(func(s *Step) { s.RunbookID = draft.ID }), want: runbook.NotApproved},
		"one that there is not":         {step: with(func(s *Step) { s.RunbookID = "rb_01ARZ3NDEKTSV4RRFFQ69G5FAV" }), want: problem.NotFound},
		"one of another service":        {step: with(func(s *Step) { s.RunbookID = bound }), want: "service_mismatch"},
		"another team's incident":       {step: with(func(s *Step) { s.IncidentID = foreign.ID }), want: problem.NotFound},
		"an incident that there is not": {step: with(func(s *Step) { s.IncidentID = "inc_x" }), want: problem.NotFound},
		"an unknown parameter":          {step: params("NOPE", "1"), want: runbook.ParameterUnknown},
		"a fixed parameter":             {step: params("FIXED", "1"), want: runbook.ParameterFixed},
		"no number":                     {step: params("DAYS", "seven"), want: runbook.ParameterInvalid},
		"no integer":                    {step: params("DAYS", "1.5"), want: runbook.ParameterInvalid},
		"another pattern":               {step: params("HOST", "web-1; rm"), want: runbook.ParameterInvalid},
		"a template that is left":       {step: params("HOST", "{{a}}"), want: runbook.ParameterInvalid},
		"another team's workflow":       {step: with(func(s *Step) { s.TeamID = w.other }), want: problem.NotFound},
		"another run's":                 {step: with(func(s *Step) { s.RunID = "wfr_2" }), want: problem.Forbidden},
		"a person":                      {step: with(func(s *Step) { s.RunID = person.ID }), who: &person, want: problem.Forbidden},
		"a run that only observes":      {step: w.step(rb), who: &member, want: problem.Forbidden},
		"nobody":                        {step: w.step(rb), who: &principal.Principal{}, want: problem.Unauthenticated},
	}
	refused := func(name string, s Step, who *principal.Principal, want problem.Code) {
		t.Helper()
		ctx := w.asRun()
		if who != nil {
			ctx = principal.With(ctx, *who)
		}
		if _, ops, err := w.service.Start(ctx, s); problem.CodeOf(err) != want || ops != nil {
			t.Errorf("%s: got %v, want %s and nothing to write", name, err, want)
		}
	}
	for name, tt := range tests {
		refused(name, tt.step, tt.who, tt.want)
	}
	if a := w.as("lead", "POST", "/v1/automation/pause", map[string]any{"teamId": w.team, "reason": "a bad deploy"}); a.status != http.StatusOK {
		t.Fatalf("got %d %v", a.status, a.body)
	}
	refused("while it is paused", w.step(rb), nil, AutomationPaused)
	if got := w.as("observer", "GET", "/v1/executions", nil).body["items"]; len(got.([]any)) != 0 {
		t.Errorf("got %v, want no execution", got)
	}
}

func TestAGlobalRunbookRunsForTheWorkflowsTeam(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.start(w.step(w.global("Everywhere")))
	if e.TeamID != w.team || e.Status != Pending {
		t.Errorf("got %+v", e)
	}
}

// TestPersonsAreNotBoundByWhatAnAlertProves, nor API keys that trigger directly; what came from outside is said.
func TestPersonsAreNotBoundByWhatAnAlertProves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.inc = w.alert(incident.Alert{Title: "disk full"}, trust.Bearer, trust.Low)
	rb := w.runbook("Risky", func(c *runbook.Creation) {
		c.Risk = "HIGH"
		c.Parameters = []runbook.Parameter{{Name: "TITLE", Type: runbook.String, Template: "{{upper incident.title}}"}, {Name: "DAYS", Type: runbook.Integer}}
	})
	for _, who := range []string{"responder", "key"} {
		a := w.as(who, "POST", "/v1/executions", map[string]any{"runbookId": rb, "incidentId": w.inc, "parameters": map[string]any{"DAYS": 1}})
		external, _ := json.Marshal(a.body["externalParameters"])
		if a.status != http.StatusAccepted || a.text("status") != "PENDING" || string(external) != `["TITLE"]` {
			t.Errorf("%s: got %d %v", who, a.status, a.body)
		}
	}
}
