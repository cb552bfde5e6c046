package incident_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAnIncidentsLife(t *testing.T) {
	w := newWorld(t)
	svc := w.service("Checkout")
	made := w.must(201, "responder", "POST", "/v1/incidents", `{"title":" Orders fail ","severity":"HIGH","serviceId":"`+svc+`","labels":{"zone":"eu"}}`)
	if got, want := made.Header.Get("Location"), "/v1/incidents/"+made.id(); got != want {
		t.Errorf("Location: got %q, want %q", got, want)
	}
	want := map[string]any{
		"id": made.id(), "title": "Orders fail", "description": "", "severity": "HIGH", "status": "TRIGGERED", "serviceId": svc, "teamId": w.team,
		"labels": map[string]any{"zone": "eu"}, "dedupKey": nil, "source": map[string]any{"kind": "manual", "trust": "person", "external": false}, "alertCount": 1.0,
		"acknowledgedById": nil, "acknowledgedAt": nil, "resolvedById": nil, "resolvedAt": nil, "escalatedAt": nil,
		"createdById": "usr_responder", "createdAt": made.Body["createdAt"], "updatedAt": made.Body["createdAt"],
	}
	if !reflect.DeepEqual(made.Body, want) {
		t.Errorf("a new incident:\ngot  %v\nwant %v", made.Body, want)
	}
	path := "/v1/incidents/" + made.id()
	if got := w.must(200, "observer", "GET", path, nil).Body; !reflect.DeepEqual(got, want) {
		t.Errorf("read back:\ngot  %v\nwant %v", got, want)
	}

	acked := w.must(200, "responder's key", "POST", path+"/acknowledge", nil).Body
	if acked["status"] != "ACKNOWLEDGED" || acked["acknowledgedById"] != "usr_maker" || acked["acknowledgedAt"] == nil {
		t.Errorf("acknowledged: got %v", acked)
	}
	w.must(201, "responder", "POST", path+"/notes", `{"text":"restarting it"}`)
	w.must(200, "lead", "PATCH", path, `{"severity":"CRITICAL","labels":{}}`)
	resolved := w.must(200, "responder", "POST", path+"/resolve", `{"note":"it was DNS"}`).Body
	if resolved["status"] != "RESOLVED" || resolved["resolvedById"] != "usr_responder" || resolved["resolvedAt"] == nil || resolved["acknowledgedById"] != "usr_maker" {
		t.Errorf("resolved: got %v", resolved)
	}
	again := w.must(200, "responder", "POST", path+"/reopen", nil).Body
	if again["status"] != "TRIGGERED" || again["resolvedById"] != nil || again["acknowledgedAt"] != nil {
		t.Errorf("reopened: got %v", again)
	}

	var kinds, types []string
	for _, e := range w.must(200, "observer", "GET", path+"/timeline", nil).Items() {
		kinds = append(kinds, e["kind"].(string))
		if e["id"] == "" || e["at"] == "" || e["actor"] == nil || e["detail"] == nil {
			t.Errorf("an entry lacks something: %v", e)
		}
	}
	if want := []string{"reopened", "resolved", "updated", "note", "acknowledged", "created"}; !slices.Equal(kinds, want) {
		t.Errorf("timeline, newest first: got %v, want %v", kinds, want)
	}
	for _, e := range w.recorded(time.Time{}) {
		if e.Subject.ID == made.id() {
			types = append(types, e.Type)
			if e.TeamID == nil || *e.TeamID != w.team || e.IP != "192.0.2.7" || e.RequestID == "" || e.Outcome != "success" {
				t.Errorf("an event lacks something: %+v", e)
			}
		}
	}
	if want := []string{"incident.created", "incident.acknowledged", "incident.noted", "incident.updated", "incident.resolved", "incident.reopened"}; !slices.Equal(types, want) {
		t.Errorf("audit: got %v, want %v", types, want)
	}
}

func TestATransitionThatTheStateDoesNotAllow(t *testing.T) {
	w := newWorld(t)
	svc := w.service("Checkout")
	steps := map[string][]string{"TRIGGERED": nil, "ACKNOWLEDGED": {"acknowledge"}, "RESOLVED": {"resolve"}}
	allowed := map[string][]string{"TRIGGERED": {"acknowledge", "resolve"}, "ACKNOWLEDGED": {"resolve"}, "RESOLVED": {"reopen"}}
	for state, how := range steps {
		for _, action := range []string{"acknowledge", "resolve", "reopen"} {
			t.Run(action+" what is "+state, func(t *testing.T) {
				path := "/v1/incidents/" + w.incident(svc, "x")
				for _, step := range how {
					w.must(200, "responder", "POST", path+"/"+step, nil)
				}
				a := w.as("responder", "POST", path+"/"+action, nil)
				if slices.Contains(allowed[state], action) {
					if a.StatusCode != 200 {
						t.Errorf("got %d %s", a.StatusCode, a.Text)
					}
					return
				}
				if a.StatusCode != 409 || a.code() != "invalid_transition" || !strings.Contains(a.Body["detail"].(string), state) {
					t.Errorf("got %d %s, want a 409 invalid_transition that names %s", a.StatusCode, a.Text, state)
				}
			})
		}
	}
}

func TestAHundredEqualAlertsAtOnce(t *testing.T) {
	w := newWorld(t)
	svc := w.service("Checkout")
	const n = 100
	answers := make([]answer, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			answers[i] = w.as("responder's key", "POST", "/v1/incidents", map[string]any{"title": "disk full", "severity": "LOW", "serviceId": svc, "dedupKey": "disk/web-1"})
		})
	}
	wg.Wait()
	created := 0
	for _, a := range answers {
		if a.StatusCode == http.StatusCreated {
			created++
		} else if a.StatusCode != http.StatusOK {
			t.Fatalf("got %d %s", a.StatusCode, a.Text)
		}
		if a.id() != answers[0].id() {
			t.Errorf("another incident: got %s, want %s", a.id(), answers[0].id())
		}
	}
	got := w.must(200, "observer", "GET", "/v1/incidents/"+answers[0].id(), nil).Body
	if created != 1 || got["alertCount"] != 100.0 || !reflect.DeepEqual(got["source"], map[string]any{"kind": "api", "trust": "signed", "external": true}) {
		t.Errorf("got %d created and %v, want 1 and an alertCount of 100 from an API key", created, got)
	}
	if items := w.must(200, "observer", "GET", "/v1/incidents", nil).Items(); len(items) != 1 {
		t.Errorf("got %d incidents, want 1", len(items))
	}
}

func TestDedupKeys(t *testing.T) {
	w := newWorld(t)
	svc, svc2 := w.service("Checkout"), w.service("Search")
	alert := func(want int, service string) string {
		t.Helper()
		return w.must(want, "responder", "POST", "/v1/incidents", map[string]any{"title": "x", "severity": "LOW", "serviceId": service, "dedupKey": "k"}).id()
	}
	first := alert(201, svc)
	if got := alert(200, svc); got != first {
		t.Errorf("while it is open: got %s, want %s", got, first)
	}
	if got := alert(201, svc2); got == first {
		t.Error("another service's key was taken for the same")
	}
	w.must(200, "responder", "POST", "/v1/incidents/"+first+"/acknowledge", nil)
	if got := alert(200, svc); got != first {
		t.Errorf("while it is acknowledged: got %s, want %s", got, first)
	}
	w.must(200, "responder", "POST", "/v1/incidents/"+first+"/resolve", nil)
	second := alert(201, svc)
	if second == first {
		t.Error("after a resolve the same key made no new incident")
	}
	a := w.as("responder", "POST", "/v1/incidents/"+first+"/reopen", nil)
	if a.StatusCode != 409 || a.code() != "dedup_key_taken" || !strings.Contains(a.Text, second) {
		t.Errorf("reopening beside it: got %d %s", a.StatusCode, a.Text)
	}
	w.must(200, "responder", "POST", "/v1/incidents/"+second+"/resolve", nil)
	w.must(200, "responder", "POST", "/v1/incidents/"+first+"/reopen", nil)
	if got := alert(200, svc); got != first {
		t.Errorf("reopened, it holds its key again: got %s, want %s", got, first)
	}
}

func TestResolvesAndAlertsThatCross(t *testing.T) {
	w := newWorld(t)
	svc := w.service("Checkout")
	body := map[string]any{"title": "x", "severity": "LOW", "serviceId": svc, "dedupKey": "k"}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			a := w.as("responder", "POST", "/v1/incidents", body)
			if a.StatusCode >= 300 {
				t.Errorf("alert: got %d %s", a.StatusCode, a.Text)
			}
			if i%4 == 0 {
				if a := w.as("responder", "POST", "/v1/incidents/"+a.id()+"/resolve", nil); a.StatusCode != 200 && a.code() != "invalid_transition" {
					t.Errorf("resolve: got %d %s", a.StatusCode, a.Text)
				}
			}
		})
	}
	wg.Wait()
	alerts, open := 0.0, 0
	for _, i := range w.must(200, "observer", "GET", "/v1/incidents", nil).Items() {
		alerts += i["alertCount"].(float64)
		if i["status"] != "RESOLVED" {
			open++
		}
	}
	if alerts != 40 || open > 1 {
		t.Errorf("got %v alerts counted and %d open, want 40 and at most 1", alerts, open)
	}
}

func TestWhatAnIncidentMaySay(t *testing.T) {
	w := newWorld(t)
	svc := w.service("Checkout")
	labels := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprintf("l%d", i)] = "v"
		}
		return m
	}
	tests := map[string]struct {
		set    map[string]any
		status int
	}{
		"200 characters of title":       {map[string]any{"title": strings.Repeat("é", 200)}, 201},
		"201 characters of title":       {map[string]any{"title": strings.Repeat("é", 201)}, 422},
		"no title":                      {map[string]any{"title": ""}, 422},
		"a blank title":                 {map[string]any{"title": "  "}, 422},
		"a title of two lines":          {map[string]any{"title": "a\nb"}, 422},
		"32 KiB of description":         {map[string]any{"description": strings.Repeat("a", 32<<10)}, 201},
		"more than 32 KiB":              {map[string]any{"description": strings.Repeat("é", 16<<10+1)}, 422},
		"a null description is none":    {map[string]any{"description": nil}, 201},
		"32 labels":                     {map[string]any{"labels": labels(32)}, 201},
		"33 labels":                     {map[string]any{"labels": labels(33)}, 422},
		"a label with a path's name":    {map[string]any{"labels": map[string]string{"k8s.io/zone-1": ""}}, 201},
		"a label without a name":        {map[string]any{"labels": map[string]string{"": "v"}}, 422},
		"a label with a brace":          {map[string]any{"labels": map[string]string{"a}}": "v"}}, 422},
		"a label of 512 bytes":          {map[string]any{"labels": map[string]string{"a": strings.Repeat("v", 512)}}, 201},
		"a label of 513 bytes":          {map[string]any{"labels": map[string]string{"a": strings.Repeat("v", 513)}}, 422},
		"a label that is a number":      {map[string]any{"labels": map[string]any{"a": 1}}, 422},
		"an unknown severity":           {map[string]any{"severity": "P1"}, 422},
		"an unknown member":             {map[string]any{"colour": "red"}, 422},
		"a member in another case":      {map[string]any{"dedupkey": "red"}, 422},
		"a state":                       {map[string]any{"status": "RESOLVED"}, 422},
		"a null dedup key":              {map[string]any{"dedupKey": nil}, 201},
		"an empty dedup key":            {map[string]any{"dedupKey": ""}, 422},
		"256 characters of dedup key":   {map[string]any{"dedupKey": strings.Repeat("é", 256)}, 201},
		"257 characters of dedup key":   {map[string]any{"dedupKey": strings.Repeat("é", 257)}, 422},
		"a service that does not exist": {map[string]any{"serviceId": "svc_01ARZ3NDEKTSV4RRFFQ69G5FAV"}, 404},
		"a service id with a key in it": {map[string]any{"serviceId": "x#svc"}, 404},
		"no service":                    {map[string]any{"serviceId": nil}, 422},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			body := map[string]any{"title": "x", "severity": "LOW", "serviceId": svc}
			maps.Copy(body, test.set)
			a := w.as("responder", "POST", "/v1/incidents", body)
			if a.StatusCode != test.status {
				t.Errorf("got %d %s, want %d", a.StatusCode, a.Text, test.status)
			}
			if a.StatusCode == 422 && (a.code() != "validation_failed" || len(a.Body["errors"].([]any)) == 0) {
				t.Errorf("got %s, want validation_failed with errors", a.Text)
			}
		})
	}
	path := "/v1/incidents/" + w.incident(svc, "x")
	for name, test := range map[string]struct {
		action, body string
		status       int
	}{
		"8 KiB of note":          {"/notes", `{"text":"` + strings.Repeat("a", 8<<10) + `"}`, 201},
		"more than 8 KiB":        {"/notes", `{"text":"` + strings.Repeat("a", 8<<10+1) + `"}`, 422},
		"an empty note":          {"/notes", `{"text":""}`, 422},
		"a blank note":           {"/notes", `{"text":" \n\t"}`, 422},
		"no note":                {"/notes", `{}`, 422},
		"a long resolution":      {"/resolve", `{"note":"` + strings.Repeat("a", 8<<10+1) + `"}`, 422},
		"an unknown member":      {"/resolve", `{"because":"x"}`, 422},
		"an empty body resolves": {"/resolve", `{}`, 200},
	} {
		t.Run(name, func(t *testing.T) {
			if a := w.as("responder", "POST", path+test.action, test.body); a.StatusCode != test.status {
				t.Errorf("got %d %s, want %d", a.StatusCode, a.Text, test.status)
			}
		})
	}
}

func TestPatchAndItsRevision(t *testing.T) {
	w := newWorld(t)
	path := "/v1/incidents/" + w.incident(w.service("Checkout"), "x")
	etag := w.must(200, "observer", "GET", path, nil).Header.Get("ETag")
	if etag == "" {
		t.Fatal("a read has no ETag")
	}
	if a := w.as("observer", "GET", path, nil, "If-None-Match", etag); a.StatusCode != 304 || a.Text != "" {
		t.Errorf("an unchanged read: got %d %s", a.StatusCode, a.Text)
	}
	w.must(200, "responder", "PATCH", path, `{"title":"y"}`, "If-Match", etag)
	if a := w.as("responder", "PATCH", path, `{"title":"z"}`, "If-Match", etag); a.StatusCode != 412 || a.code() != "precondition_failed" {
		t.Errorf("a stale change: got %d %s", a.StatusCode, a.Text)
	}
	before := w.clock.Now()
	for _, body := range []string{`{}`, `{"title":"y"}`} {
		if got := w.must(200, "responder", "PATCH", path, body).Body["title"]; got != "y" {
			t.Errorf("got %v, want y", got)
		}
	}
	if a := w.as("responder", "PATCH", path, `{"title":null}`); a.StatusCode != 422 {
		t.Errorf("no title: got %d %s", a.StatusCode, a.Text)
	}
	if events := w.recorded(before); len(events) != 0 {
		t.Errorf("what changed nothing made the events %+v", events)
	}
	entry := w.must(200, "observer", "GET", path+"/timeline?limit=1", nil).Items()[0]
	if got, _ := json.Marshal(entry["detail"]); string(got) != `{"title":{"from":"x","to":"y"}}` {
		t.Errorf("detail: got %s", got)
	}
	for name, body := range map[string]string{"unknown": `{"status":"RESOLVED"}`, "blank": `{"title":" "}`} {
		if a := w.as("responder", "PATCH", path, body); a.StatusCode != 422 {
			t.Errorf("%s: got %d %s", name, a.StatusCode, a.Text)
		}
	}
}

func TestAnAlertDoesNotStandInTheWayOfAChange(t *testing.T) {
	w := newWorld(t)
	body := map[string]any{"title": "x", "severity": "LOW", "serviceId": w.service("Checkout"), "dedupKey": "k"}
	path := "/v1/incidents/" + w.must(201, "responder", "POST", "/v1/incidents", body).id()
	etag := w.must(200, "observer", "GET", path, nil).Header.Get("ETag")
	w.must(200, "responder", "POST", "/v1/incidents", body)
	if got := w.must(200, "observer", "GET", path, nil).Header.Get("ETag"); got == etag {
		t.Error("a raised alertCount has the same ETag")
	}
	if got := w.must(200, "responder", "PATCH", path, `{"severity":"HIGH"}`, "If-Match", etag).Body; got["alertCount"] != 2.0 {
		t.Errorf("got %v, want the alert kept", got)
	}
}
