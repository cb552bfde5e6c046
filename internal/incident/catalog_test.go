package incident_test

import (
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
)

func TestAServicesLife(t *testing.T) {
	w := newWorld(t)
	made := w.must(201, "lead", "POST", "/v1/services", map[string]any{"name": " Checkout ", "teamId": w.team, "description": "takes orders", "escalateAfterMinutes": 15})
	path := "/v1/services/" + made.id()
	if got := made.Header.Get("Location"); got != path {
		t.Errorf("Location: got %q, want %q", got, path)
	}
	want := map[string]any{
		"id": made.id(), "name": "Checkout", "teamId": w.team, "description": "takes orders", "escalateAfterMinutes": 15.0,
		"createdById": "usr_lead", "createdAt": made.Body["createdAt"], "updatedAt": made.Body["createdAt"],
	}
	read := w.must(200, "observer", "GET", path, nil)
	if !reflect.DeepEqual(read.Body, want) || !reflect.DeepEqual(made.Body, want) {
		t.Errorf("got  %v\nread %v\nwant %v", made.Body, read.Body, want)
	}
	etag := read.Header.Get("ETag")
	if got := w.must(200, "lead", "PATCH", path, `{"escalateAfterMinutes":null}`, "If-Match", etag).Body; got["escalateAfterMinutes"] != nil || got["description"] != "takes orders" {
		t.Errorf("null takes the escalation away and nothing else: got %v", got)
	}
	if a := w.as("lead", "PATCH", path, `{"name":"x"}`, "If-Match", etag); a.StatusCode != 412 {
		t.Errorf("a stale change: got %d %s", a.StatusCode, a.Text)
	}
	open := w.incident(made.id(), "x")
	if a := w.as("lead", "DELETE", path, nil); a.StatusCode != 409 || a.code() != "service_in_use" {
		t.Errorf("with an open incident: got %d %s", a.StatusCode, a.Text)
	}
	w.must(200, "responder", "POST", "/v1/incidents/"+open+"/resolve", nil)
	w.must(204, "lead", "DELETE", path, nil)
	if a := w.as("responder", "POST", "/v1/incidents/"+open+"/reopen", nil); a.StatusCode != 409 || a.code() != "service_deleted" {
		t.Errorf("reopening what has no service: got %d %s", a.StatusCode, a.Text)
	}
	if is := w.must(200, "responder", "GET", "/v1/incidents/"+open, nil).Str("status"); is != "RESOLVED" {
		t.Errorf("it is %s", is)
	}
	for name, a := range map[string]answer{
		"read":             w.as("lead", "GET", path, nil),
		"change":           w.as("lead", "PATCH", path, `{"name":"x"}`),
		"delete again":     w.as("lead", "DELETE", path, nil),
		"a new incident":   w.as("responder", "POST", "/v1/incidents", map[string]any{"title": "x", "severity": "LOW", "serviceId": made.id()}),
		"another's delete": w.as("outsider", "DELETE", path, nil),
	} {
		if a.StatusCode != 404 {
			t.Errorf("%s, once it is deleted: got %d %s", name, a.StatusCode, a.Text)
		}
	}
	if items := w.must(200, "observer", "GET", "/v1/services", nil).Items(); len(items) != 0 {
		t.Errorf("a deleted service is listed: %v", items)
	}
	if items := w.must(200, "observer", "GET", "/v1/incidents?serviceId="+made.id(), nil).Items(); len(items) != 1 {
		t.Errorf("got %d incidents of a deleted service, want 1", len(items))
	}
	if v, found, err := w.desk.Store.Service(t.Context(), made.id()); err != nil || !found || v.Name != "Checkout" || v.DeletedAt == nil {
		t.Errorf("a deleted service keeps its name: got %+v, %v, %v", v, found, err)
	}
	if _, found, err := w.desk.Store.TeamOf(t.Context(), made.id()); err != nil || found {
		t.Errorf("a deleted service has a team: %v, %v", found, err)
	}
	w.service("Checkout") // the name is free again
}

func TestServiceNames(t *testing.T) {
	w := newWorld(t)
	first := w.service("Checkout")
	second := w.service("Search")
	taken := func(name string, a answer) {
		t.Helper()
		if a.StatusCode != 409 || a.code() != "name_taken" {
			t.Errorf("%s: got %d %s, want 409 name_taken", name, a.StatusCode, a.Text)
		}
	}
	taken("the same", w.as("lead", "POST", "/v1/services", map[string]any{"name": "Checkout", "teamId": w.team}))
	taken("another case", w.as("lead", "POST", "/v1/services", map[string]any{"name": "CHECKOUT", "teamId": w.team}))
	taken("a rename", w.as("lead", "PATCH", "/v1/services/"+second, `{"name":"checkout"}`))
	w.must(200, "lead", "PATCH", "/v1/services/"+first, `{"name":"checkout"}`)
	w.must(200, "lead", "PATCH", "/v1/services/"+first, `{"name":"Orders"}`)
	w.must(200, "lead", "PATCH", "/v1/services/"+second, `{"name":"checkout"}`)
	w.must(201, "outsider", "POST", "/v1/services", map[string]any{"name": "Orders", "teamId": w.other})

	var wg sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		wg.Go(func() {
			codes[i] = w.as("lead", "POST", "/v1/services", map[string]any{"name": "Billing", "teamId": w.team}).StatusCode
		})
	}
	wg.Wait()
	created := 0
	for _, code := range codes {
		if code == 201 {
			created++
		} else if code != 409 {
			t.Errorf("at once: got %d", code)
		}
	}
	if created != 1 {
		t.Errorf("at once: got %d created, want 1", created)
	}
}

func TestWhatAServiceMaySay(t *testing.T) {
	w := newWorld(t)
	tests := map[string]struct {
		set    map[string]any
		status int
	}{
		"120 characters":            {map[string]any{"name": strings.Repeat("é", 120)}, 201},
		"121 characters":            {map[string]any{"name": strings.Repeat("é", 121)}, 422},
		"a blank name":              {map[string]any{"name": " "}, 422},
		"two lines":                 {map[string]any{"name": "a\nb"}, 422},
		"8 KiB of description":      {map[string]any{"name": "a", "description": strings.Repeat("a", 8<<10)}, 201},
		"more than 8 KiB":           {map[string]any{"description": strings.Repeat("a", 8<<10+1)}, 422},
		"an escalation at once":     {map[string]any{"escalateAfterMinutes": 0}, 422},
		"in a fraction of a minute": {map[string]any{"escalateAfterMinutes": 1.5}, 422},
		"in more than a week":       {map[string]any{"escalateAfterMinutes": 10081}, 422},
		"a null escalation":         {map[string]any{"name": "b", "escalateAfterMinutes": nil}, 201},
		"an unknown member":         {map[string]any{"colour": "red"}, 422},
		"another team":              {map[string]any{"teamId": w.other}, 404},
		"no such team":              {map[string]any{"teamId": "team_x"}, 404},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			body := map[string]any{"name": "x", "teamId": w.team}
			maps.Copy(body, test.set)
			if a := w.as("lead", "POST", "/v1/services", body); a.StatusCode != test.status {
				t.Errorf("got %d %s, want %d", a.StatusCode, a.Text, test.status)
			}
		})
	}
	if a := w.as("admin", "POST", "/v1/services", map[string]any{"name": "x", "teamId": "team_01ARZ3NDEKTSV4RRFFQ69G5FAV"}); a.StatusCode != 404 {
		t.Errorf("an admin and a team that does not exist: got %d %s", a.StatusCode, a.Text)
	}
	path := "/v1/services/" + w.service("y")
	for _, body := range []string{`{"escalateAfterMinutes":0}`, `{"escalateAfterMinutes":"5"}`, `{"name":""}`, `{"teamId":"` + w.other + `"}`} {
		if a := w.as("lead", "PATCH", path, body); a.StatusCode != 422 {
			t.Errorf("%s: got %d %s, want 422", body, a.StatusCode, a.Text)
		}
	}
}

func TestServiceLists(t *testing.T) {
	w := newWorld(t)
	w.service("Checkout")
	w.service("Search")
	w.must(201, "outsider", "POST", "/v1/services", map[string]any{"name": "Theirs", "teamId": w.other})
	names := func(who, query string) string {
		var out []string
		for _, v := range w.must(200, who, "GET", "/v1/services"+query, nil).Items() {
			out = append(out, v["name"].(string))
		}
		return strings.Join(out, " ")
	}
	for name, test := range map[string]struct{ who, query, want string }{
		"mine":       {"observer", "", "Search Checkout"},
		"theirs":     {"outsider", "", "Theirs"},
		"all":        {"admin", "", "Theirs Search Checkout"},
		"one team's": {"admin", "?teamId=" + w.team, "Search Checkout"},
		"by name":    {"admin", "?q=CHECK", "Checkout"},
	} {
		if got := names(test.who, test.query); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	if a := w.as("observer", "GET", "/v1/services?teamId="+w.other, nil); a.StatusCode != 404 {
		t.Errorf("another team's: got %d %s", a.StatusCode, a.Text)
	}
}
