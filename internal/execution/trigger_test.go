package execution

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	front "pagefree/infra/local/aws"
	"pagefree/internal/incident"
	"pagefree/internal/platform/id"
	"pagefree/internal/runbook"
)

func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Try", nil)
	draft := w.runbook("Waits", func(c *runbook.Creation) { c.RequiresConfirm = true })
	seen := w.trigger(rb)
	body := map[string]any{"runbookId": rb, "incidentId": w.inc}
	routes := map[string]struct {
		call func(who string) answer
		want map[string]int // by who
	}{
		"trigger": {
			call: func(who string) answer { return w.as(who, "POST", "/v1/executions", body) },
			want: map[string]int{"nobody": 401, "outsider": 404, "observer": 403, "observer's key": 403, "responder": 202, "key": 202, "lead": 202, "admin": 202},
		},
		"preview": {
			call: func(who string) answer { return w.as(who, "POST", "/v1/executions/preview", body) },
			want: map[string]int{"nobody": 401, "outsider": 404, "observer": 403, "observer's key": 403, "responder": 200, "key": 200, "lead": 200, "admin": 200},
		},
		"read": {
			call: func(who string) answer { return w.as(who, "GET", "/v1/executions/"+seen, nil) },
			want: map[string]int{"nobody": 401, "outsider": 404, "observer": 200, "observer's key": 200, "responder": 200, "key": 200, "lead": 200, "admin": 200},
		},
		"confirm": {
			call: func(who string) answer {
				a := w.as("responder", "POST", "/v1/executions", map[string]any{"runbookId": draft})
				return w.as(who, "POST", "/v1/executions/"+a.text("id")+"/confirm", nil)
			},
			want: map[string]int{"nobody": 401, "outsider": 404, "observer": 403, "observer's key": 403, "responder": 200, "key": 403, "lead": 200, "admin": 200},
		},
		"cancel": {
			call: func(who string) answer { return w.as(who, "POST", "/v1/executions/"+w.trigger(rb)+"/cancel", nil) },
			want: map[string]int{"nobody": 401, "outsider": 404, "observer": 403, "observer's key": 403, "responder": 200, "key": 200, "lead": 200, "admin": 200},
		},
	}
	for name, route := range routes {
		for who, want := range route.want {
			if got := route.call(who); got.status != want {
				t.Errorf("%s by %s: got %d %v, want %d", name, who, got.status, got.body, want)
			}
		}
	}
	listed := map[string]int{"outsider": 0, "observer": 1, "admin": 1}
	for who, want := range listed {
		a := w.as(who, "GET", "/v1/executions?incidentId="+w.inc+"&limit=1", nil)
		if got := len(a.body["items"].([]any)); a.status != http.StatusOK || got != want {
			t.Errorf("list by %s: got %d items, status %d, want %d", who, got, a.status, want)
		}
	}
	for _, nothing := range []string{"x", "ex_", w.inc, strings.Repeat("x", 3000)} {
		if a := w.as("responder", "GET", "/v1/executions/"+nothing, nil); a.status != http.StatusNotFound {
			t.Errorf("reading %.20s: got %d %v", nothing, a.status, a.body)
		}
	}
	if a := w.as("nobody", "GET", "/v1/executions", nil); a.status != http.StatusUnauthorized {
		t.Errorf("list by nobody: got %d", a.status)
	}
}

func TestRefusedTriggers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, err := w.desk.CreateService(w.ctx("lead"), service(w.team, "search"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := w.incident(other.ID, nil)
	foreign, err := w.desk.CreateService(w.ctx("outsider"), service(w.other, "theirs"))
	if err != nil {
		t.Fatal(err)
	}
	theirs, _, err := w.desk.Create(w.ctx("outsider"), newIncident(foreign.ID))
	if err != nil {
		t.Fatal(err)
	}
	typed := w.runbook("Typed", func(c *runbook.Creation) {
		c.Parameters = []runbook.Parameter{
			{Name: "ZONE", Type: runbook.String, Required: true, Pattern: "eu-[0-9]+"}, {Name: "COUNT", Type: runbook.Integer},
			{Name: "RACK", Type: runbook.String, Template: `{{default incident.labels.rack "none"}}`},
		}
	})
	templated := w.runbook("Templated", func(c *runbook.Creation) {
		c.Parameters = []runbook.Parameter{{Name: "HOST", Type: runbook.String, Template: "{{incident.labels.host}}"}}
	})
	bound := w.runbook("Bound", func(c *runbook.Creation) { c.ServiceID = &w.svc })
	archived := w.runbook("Archived", nil)
	if _, err := w.runbooks.Archive(w.ctx("lead"), archived, "old"); err != nil {
		t.Fatal(err)
	}
	draft, err := w.runbooks.Create(w.ctx("lead"), runbook.Creation{Name: "Draft", TeamID: &w.team, Content: runbook.Content{Language: runbook.Bash, ScriptContent: "true\n", Target: runbook.Target{Type: runbook.Sandbox}}})
	if err != nil {
		t.Fatal(err)
	}
	zone := map[string]any{"ZONE": "eu-1"}
	tests := map[string]struct {
		body   map[string]any
		status int
		code   string
	}{
		"no such runbook":            {body: map[string]any{"runbookId": id.New(id.Runbook, time.Now())}, status: 404, code: "not_found"},
		"no runbook":                 {body: map[string]any{}, status: 422, code: "validation_failed"},
		"an unknown member":          {body: map[string]any{"runbookId": typed, "version": 3}, status: 422, code: "validation_failed"},
		"no such incident":           {body: map[string]any{"runbookId": typed, "incidentId": id.New(id.Incident, time.Now()), "parameters": zone}, status: 404, code: "not_found"},
		"another team's incident":    {body: map[string]any{"runbookId": typed, "incidentId": theirs.ID, "parameters": zone}, status: 404, code: "not_found"},
		"a draft":                    {body: map[string]any{"runbookId": draft.ID}, status: 409, code: "not_approved"},
		"archived":                   {body: map[string]any{"runbookId": archived}, status: 409, code: "runbook_archived"},
		"bound, without incident":    {body: map[string]any{"runbookId": bound}, status: 409, code: "service_mismatch"},
		"bound to another service":   {body: map[string]any{"runbookId": bound, "incidentId": elsewhere}, status: 409, code: "service_mismatch"},
		"missing":                    {body: map[string]any{"runbookId": typed, "incidentId": w.inc}, status: 422, code: "parameter_missing"},
		"unknown":                    {body: map[string]any{"runbookId": typed, "incidentId": w.inc, "parameters": map[string]any{"ZONE": "eu-1", "NOPE": 1}}, status: 422, code: "parameter_unknown"},
		"fixed":                      {body: map[string]any{"runbookId": typed, "incidentId": w.inc, "parameters": map[string]any{"ZONE": "eu-1", "RACK": "r1"}}, status: 422, code: "parameter_fixed"},
		"not the pattern":            {body: map[string]any{"runbookId": typed, "incidentId": w.inc, "parameters": map[string]any{"ZONE": "x eu-1"}}, status: 422, code: "parameter_invalid"},
		"not the type":               {body: map[string]any{"runbookId": typed, "incidentId": w.inc, "parameters": map[string]any{"ZONE": "eu-1", "COUNT": "3"}}, status: 422, code: "parameter_invalid"},
		"braces in a value":          {body: map[string]any{"runbookId": typed, "incidentId": w.inc, "parameters": map[string]any{"ZONE": "{{ssm:secret}}"}}, status: 422, code: "parameter_invalid"},
		"a label that is not there":  {body: map[string]any{"runbookId": templated, "incidentId": w.inc}, status: 422, code: "template_unresolved"},
		"a template and no incident": {body: map[string]any{"runbookId": templated}, status: 422, code: "template_unresolved"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := w.as("responder", "POST", "/v1/executions", tt.body); got.status != tt.status || got.text("code") != tt.code {
				t.Errorf("got %d %s (%v), want %d %s", got.status, got.text("code"), got.body["detail"], tt.status, tt.code)
			}
		})
	}
	if got := w.queued(); len(got) != 0 {
		t.Errorf("something was queued all the same: %v", got)
	}
}

// TestLongValues: the values of one execution fit into an item, and those of
// many do not make a list that nobody can read.
func TestLongValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names := []string{"A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L"}
	rb := w.runbook("Long", func(c *runbook.Creation) {
		for _, name := range names {
			c.Parameters = append(c.Parameters, runbook.Parameter{Name: name, Type: runbook.String})
		}
	})
	filled := w.runbook("Filled", func(c *runbook.Creation) {
		for _, name := range names {
			c.Parameters = append(c.Parameters, runbook.Parameter{Name: name, Type: runbook.String, Template: "{{incident.description}}"})
		}
	})
	post := func(size int) answer {
		values := map[string]any{}
		for _, name := range names {
			values[name] = strings.Repeat("\x01", size)
		}
		return w.as("responder", "POST", "/v1/executions", map[string]any{"runbookId": rb, "parameters": values})
	}
	const fits, many = 3_000, 12 // six bytes in JSON for each
	var first string
	for range many {
		a := post(fits)
		if a.status != http.StatusAccepted {
			t.Fatalf("got %d %v", a.status, a.body)
		}
		first = a.text("id")
	}
	w.dispatch(first)
	if got := w.read(first); got.text("status") != "COMPLETED" || len(w.sandbox.asked[0].Env["PF_L"]) != fits {
		t.Errorf("got %s, a value of %d bytes", got.text("status"), len(w.sandbox.asked[0].Env["PF_L"]))
	}
	page := w.as("observer", "GET", "/v1/executions", nil)
	begin := len(page.body["items"].([]any))
	rest := w.as("observer", "GET", "/v1/executions?cursor="+page.text("nextCursor"), nil)
	if end := len(rest.body["items"].([]any)); begin == 0 || end == 0 || begin+end != many {
		t.Errorf("got pages of %d and %d, want %d on two", begin, end, many)
	}
	inc, _, err := w.desk.Create(w.ctx("responder"), incident.NewIncident{Title: "x", Severity: incident.Low, ServiceID: w.svc, Description: strings.Repeat("\x01", 8<<10)})
	if err != nil {
		t.Fatal(err)
	}
	body := map[string]any{"runbookId": filled, "incidentId": inc.ID}
	if a := w.as("responder", "POST", "/v1/executions", body); a.status != http.StatusUnprocessableEntity || a.text("code") != "parameter_invalid" {
		t.Errorf("together too long: got %d %v", a.status, a.body)
	}
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Once", func(c *runbook.Creation) { c.Parameters = []runbook.Parameter{{Name: "N", Type: runbook.Integer}} })
	post := func(who, key string, n int) answer {
		return w.as(who, "POST", "/v1/executions", map[string]any{"runbookId": rb, "parameters": map[string]any{"N": n}}, "Idempotency-Key", key)
	}
	first := post("responder", "k1", 1)
	if first.status != http.StatusAccepted || first.header.Get("Idempotency-Replayed") != "" || first.header.Get("Location") != "/v1/executions/"+first.text("id") {
		t.Fatalf("got %d %v %v", first.status, first.header, first.body)
	}
	if again := post("responder", "k1", 1); again.status != http.StatusAccepted || again.text("id") != first.text("id") || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the same again: got %d %v", again.status, again.body)
	}
	if other := post("responder", "k1", 2); other.status != http.StatusUnprocessableEntity || other.text("code") != "idempotency_mismatch" {
		t.Errorf("another body: got %d %v", other.status, other.body)
	}
	if lead := post("lead", "k1", 1); lead.status != http.StatusAccepted || lead.text("id") == first.text("id") {
		t.Errorf("another principal: got %d %v", lead.status, lead.body)
	}
	w.clock.Advance(24 * time.Hour)
	if next := post("responder", "k1", 1); next.status != http.StatusAccepted || next.text("id") == first.text("id") {
		t.Errorf("a day later: got %d %v", next.status, next.body)
	}
}

func TestOneKeyFiftyTimesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Once", nil)
	ids := make([]string, 50)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			a := w.as("responder", "POST", "/v1/executions", map[string]any{"runbookId": rb}, "Idempotency-Key", "same")
			ids[i] = fmt.Sprint(a.status, " ", a.text("id"))
		})
	}
	wg.Wait()
	for _, got := range ids {
		if got != ids[0] || !strings.HasPrefix(got, "202 ex_") {
			t.Errorf("got %q and %q", ids[0], got)
		}
	}
	if got := w.queued(); len(got) != 1 {
		t.Errorf("got %d messages, want one", len(got))
	}
}

func TestATriggerOutlivesItsQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Sturdy", nil)
	url := w.service.Queue.URL
	w.service.Queue.URL += "-gone"
	ex := w.trigger(rb)
	w.service.Queue.URL = url
	w.clock.Advance(requeueAfter)
	w.sweep()
	if got := w.queued(); len(got) != 1 || got[0].ExecutionID != ex {
		t.Errorf("got %v, want the watchdog's message", got)
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.runbook("One", nil), w.runbook("Two", nil)
	var all []string
	for range 3 {
		all = append(all, w.trigger(one), w.trigger(two))
	}
	w.dispatch(all[0])
	walk := func(who, query string) (ids []string) {
		cursor := ""
		for {
			a := w.as(who, "GET", "/v1/executions?limit=2"+query+cursor, nil)
			if a.status != http.StatusOK {
				t.Fatalf("%s: %d %v", query, a.status, a.body)
			}
			for _, it := range a.body["items"].([]any) {
				item := it.(map[string]any)
				if _, has := item["stdout"]; has {
					t.Error("a list shows output")
				}
				ids = append(ids, item["id"].(string))
			}
			if a.body["nextCursor"] == nil {
				return ids
			}
			cursor = "&cursor=" + a.text("nextCursor")
		}
	}
	tests := map[string]struct {
		who, query string
		want       []string
	}{
		"all, newest first":  {who: "observer", want: []string{all[5], all[4], all[3], all[2], all[1], all[0]}},
		"the admin's":        {who: "admin", want: []string{all[5], all[4], all[3], all[2], all[1], all[0]}},
		"of a runbook":       {who: "observer", query: "&runbookId=" + two, want: []string{all[5], all[3], all[1]}},
		"by status":          {who: "observer", query: "&status=COMPLETED", want: []string{all[0]}},
		"by two statuses":    {who: "observer", query: "&status=COMPLETED&status=RUNNING", want: []string{all[0]}},
		"of both":            {who: "observer", query: "&status=PENDING&incidentId=" + w.inc + "&runbookId=" + one, want: []string{all[4], all[2]}},
		"another team's own": {who: "outsider", want: nil},
		"another team's":     {who: "outsider", query: "&runbookId=" + one, want: nil},
	}
	for name, tt := range tests {
		if got := walk(tt.who, tt.query); strings.Join(got, " ") != strings.Join(tt.want, " ") {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
	for query, want := range map[string]string{"status=NOPE": "validation_failed", "status=PENDING,NOPE": "validation_failed", "limit=0": "validation_failed", "limit=201": "validation_failed", "cursor=abc": "cursor_invalid"} {
		if a := w.as("observer", "GET", "/v1/executions?"+query, nil); a.text("code") != want {
			t.Errorf("%s: got %d %v, want %s", query, a.status, a.body, want)
		}
	}
}

func TestPreviewShowsWhatWouldRunAndRunsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Look", func(c *runbook.Creation) {
		c.Parameters = []runbook.Parameter{{Name: "ZONE", Type: runbook.String, Template: "{{upper incident.labels.zone}}"}, {Name: "TOKEN", Type: runbook.String, Secret: true, Default: "hunter2"}}
	})
	a := w.as("responder", "POST", "/v1/executions/preview", map[string]any{"runbookId": rb, "incidentId": w.inc})
	p, _ := a.body["parameters"].(map[string]any)
	if a.status != http.StatusOK || a.text("script") != "echo done\n" || p["ZONE"] != "EU-1" || p["TOKEN"] != masked || a.body["version"] != 1.0 {
		t.Errorf("got %d %v", a.status, a.body)
	}
	if got := w.as("observer", "GET", "/v1/executions", nil).body["items"].([]any); len(got) != 0 || len(w.due()) != 0 {
		t.Errorf("a preview left %v, due %v", got, w.due())
	}
}

func TestWhoRunsADeprecatedRunbookIsWarned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Old", nil)
	for path, status := range map[string]int{"/v1/executions": http.StatusAccepted, "/v1/executions/preview": http.StatusOK} {
		if a := w.as("responder", "POST", path, map[string]any{"runbookId": rb}); a.status != status || a.header.Get("Deprecation") != "" || a.body["warnings"] != nil {
			t.Errorf("%s before: got %d %v", path, a.status, a.body)
		}
	}
	if _, err := w.runbooks.Deprecate(w.ctx("lead"), rb, "use the new one"); err != nil {
		t.Fatal(err)
	}
	for path, status := range map[string]int{"/v1/executions": http.StatusAccepted, "/v1/executions/preview": http.StatusOK} {
		a := w.as("responder", "POST", path, map[string]any{"runbookId": rb})
		if a.status != status || !strings.HasPrefix(a.header.Get("Deprecation"), "@") || fmt.Sprint(a.body["warnings"]) != "[This runbook is deprecated: use the new one]" {
			t.Errorf("%s: got %d %v %v", path, a.status, a.header, a.body)
		}
	}
}

func TestAGlobalRunbookIsSeenByWhoRanIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.global("Everywhere")
	a := w.as("outsider", "POST", "/v1/executions", map[string]any{"runbookId": rb})
	if a.status != http.StatusAccepted {
		t.Fatalf("got %d %v", a.status, a.body)
	}
	for who, want := range map[string]int{"outsider": 200, "admin": 200, "responder": 404, "nobody": 401} {
		if got := w.as(who, "GET", "/v1/executions/"+a.text("id"), nil); got.status != want {
			t.Errorf("%s: got %d, want %d", who, got.status, want)
		}
	}
}

func TestContentionIsA503(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Busy", nil)
	w.faults.Add(front.Fault{Operation: "TransactWriteItems", Do: front.Conflict, Times: -1})
	a := w.as("responder", "POST", "/v1/executions", map[string]any{"runbookId": rb})
	if a.status != http.StatusServiceUnavailable || a.text("code") != "unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("got %d %v %v, want 503 unavailable with Retry-After", a.status, a.body, a.header)
	}
}
