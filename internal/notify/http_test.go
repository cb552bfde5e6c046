package notify_test

import (
	"slices"
	"strings"
	"testing"

	"pagefree/internal/audit"
	"pagefree/internal/notify"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
)

// routes says who may call what. Every route of the room must stand here.
var routes = []struct {
	route, body string
	want        map[string]int // by caller; who is left out gets a 403
}{
	{"GET /v1/me/notifications", "", map[string]int{"nobody": 401, "outsider": 200, "observer": 200, "responder": 200, "lead": 200, "admin": 200}},
	{"PUT /v1/me/notifications", `{}`, map[string]int{"nobody": 401, "outsider": 200, "observer": 200, "responder": 200, "lead": 200, "admin": 200}},
	{"POST /v1/me/notifications/resume-mail", "", map[string]int{"nobody": 401, "outsider": 200, "observer": 200, "responder": 200, "lead": 200, "admin": 200}},
	{"GET /v1/teams/{id}/notifications", "", map[string]int{"nobody": 401, "outsider": 404, "outsider's key": 404, "observer": 200, "observer's key": 200, "responder": 200, "responder's key": 200, "lead": 200, "lead's key": 200, "admin": 200}},
	{"PUT /v1/teams/{id}/notifications", `{}`, map[string]int{"nobody": 401, "outsider": 404, "outsider's key": 404, "lead": 200, "admin": 200}},
	{"POST /v1/teams/{id}/notifications/rotate-secret", "", map[string]int{"nobody": 401, "outsider": 404, "outsider's key": 404, "lead": 409, "admin": 409}},
}

var callers = []string{"nobody", "outsider", "outsider's key", "observer", "observer's key", "responder", "responder's key", "lead", "lead's key", "admin"}

func TestEveryRouteForEveryRole(t *testing.T) {
	w := newWorld(t)
	for _, r := range routes {
		for _, who := range callers {
			method, path, _ := strings.Cut(strings.ReplaceAll(r.route, "{id}", w.team), " ")
			var body any
			if r.body != "" {
				body = r.body
			}
			want := r.want[who]
			if want == 0 {
				want = 403
			}
			if a := w.as(who, method, path, body); a.StatusCode != want {
				t.Errorf("%s as %s: got %d %s, want %d", r.route, who, a.StatusCode, a.Text, want)
			}
		}
	}
	for _, team := range []string{"team_1", id.New(id.Team, w.now.Now())} { // a platform admin may name any
		w.must(404, "admin", "GET", "/v1/teams/"+team+"/notifications", nil)
		w.must(404, "admin", "PUT", "/v1/teams/"+team+"/notifications", `{}`)
	}
}

func TestTheTableHasEveryRoute(t *testing.T) {
	api := httpapi.New()
	notify.Routes(api, nil)
	got := []string{}
	for _, r := range routes {
		got = append(got, r.route)
	}
	want := api.Routes()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestWhatIsReadCanBeWritten: GET's answer is a body of PUT, and changes nothing.
func TestWhatIsReadCanBeWritten(t *testing.T) {
	w := newWorld(t)
	team := "/v1/teams/" + w.team + "/notifications"
	for name, tt := range map[string]struct{ who, path, before string }{
		"a person":                  {"responder", "/v1/me/notifications", `{"minimumSeverity":"LOW","email":{"failures":false},"push":{"reviews":false},"showTitles":true}`},
		"a person by default":       {"lead", "/v1/me/notifications", ""},
		"a team without an address": {"lead", team, `{"webhook":null,"includeOutput":true}`},
		"a team with one":           {"lead", team, `{"webhook":{"url":"https://hooks.example.com/secret","format":"standard","events":["incident.created"]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.before != "" {
				w.must(200, tt.who, "PUT", tt.path, tt.before)
			}
			read := w.must(200, tt.who, "GET", tt.path, nil)
			if wrote := w.must(200, tt.who, "PUT", tt.path, read.Text); wrote.Text != read.Text {
				t.Errorf("got  %s\nwant %s", wrote.Text, read.Text)
			}
		})
	}
}

func TestMine(t *testing.T) {
	w := newWorld(t)
	const path = "/v1/me/notifications"
	first := w.must(200, "responder", "GET", path, nil)
	if first.Text != `{"email":{"incidents":true,"failures":true,"confirmations":true,"reviews":true},"push":{"incidents":true,"failures":true,"confirmations":true,"reviews":true},"showTitles":false,"minimumSeverity":null,"mail":{"address":"responder@pagefree.test","stopped":null}}`+"\n" {
		t.Errorf("the defaults: got %s", first.Text)
	}
	w.must(304, "responder", "GET", path, nil, "If-None-Match", first.Header.Get("ETag"))
	put := w.must(200, "responder", "PUT", path, `{"email":{"failures":false},"minimumSeverity":"LOW"}`, "If-Match", first.Header.Get("ETag"))
	if put.Body["minimumSeverity"] != "LOW" || put.Body["email"].(map[string]any)["failures"] != false || put.Body["email"].(map[string]any)["incidents"] != true {
		t.Errorf("got %s", put.Text)
	}
	w.must(412, "responder", "PUT", path, `{}`, "If-Match", first.Header.Get("ETag"))
	if got := w.must(200, "responder", "GET", path, nil); got.Text != put.Text || got.Header.Get("ETag") == first.Header.Get("ETag") {
		t.Errorf("got %s", got.Text)
	}
	if got := w.must(200, "lead", "GET", path, nil); strings.Contains(got.Text, "LOW") {
		t.Errorf("another's: got %s", got.Text)
	}
	for name, body := range map[string]string{
		"unknown": `{"sms":{}}`, "no kinds": `{"push":true}`, "no title": `{"showTitles":"yes"}`, "unknown within": `{"email":{"spam":true}}`, "no severity": `{"minimumSeverity":"WORSE"}`, "no bool": `{"email":{"failures":"no"}}`,
	} {
		if a := w.as("responder", "PUT", path, body); a.StatusCode != 422 || a.Str("code") != "validation_failed" {
			t.Errorf("%s: got %d %s", name, a.StatusCode, a.Text)
		}
	}
	w.must(200, "responder", "PUT", path, `{"minimumSeverity":null}`)
	if got := w.must(200, "responder", "GET", path, nil); got.Body["minimumSeverity"] != nil || !strings.Contains(got.Text, `"failures":true`) {
		t.Errorf("put back: got %s", got.Text)
	}
}

func TestTeam(t *testing.T) {
	w := newWorld(t)
	path := "/v1/teams/" + w.team + "/notifications"
	first := w.must(200, "observer", "GET", path, nil)
	if first.Body["webhook"] != nil || first.Body["minimumSeverity"] != "HIGH" || first.Body["includeOutput"] != false || len(first.Body["mailStopped"].([]any)) != 0 {
		t.Errorf("the defaults: got %s", first.Text)
	}
	const address = "https://hooks.slack.test/services/T00/B00/verysecret?x=alsosecret"
	put := w.must(200, "lead", "PUT", path, map[string]any{"webhook": map[string]any{"url": address, "format": "standard", "events": []string{"incident.created", "incident.created"}}, "email": map[string]any{"reviews": false}}, "If-Match", first.Header.Get("ETag"))
	hook := put.Body["webhook"].(map[string]any)
	secret, _ := hook["secret"].(string)
	if !strings.HasPrefix(secret, "whsec_") || len(secret) != 50 || hook["url"] != "https://hooks.slack.test/***" || len(hook["events"].([]any)) != 1 {
		t.Errorf("got %s", put.Text)
	}
	w.must(412, "lead", "PUT", path, `{}`, "If-Match", first.Header.Get("ETag"))
	got := w.must(200, "lead", "GET", path, nil)
	if strings.Contains(got.Text, "secret") || strings.Contains(got.Text, "services") {
		t.Errorf("read back: %s", got.Text)
	}
	// As it is shown, or the same again, it is the same; another format or address is not.
	tests := map[string]struct {
		url, format string
		fresh       bool
	}{
		"1 as it is shown":  {"https://hooks.slack.test/***", "standard", false},
		"2 the same again":  {address, "standard", false},
		"3 another":         {address + "2", "standard", true},
		"4 Slack's":         {address + "2", "slack", false},
		"5 and back":        {address + "2", "standard", true},
		"6 Slack's another": {address + "3", "slack", false},
	}
	names := []string{}
	for name := range tests {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		tt := tests[name]
		a := w.must(200, "lead", "PUT", path, map[string]any{"webhook": map[string]any{"url": tt.url, "format": tt.format}})
		fresh, _ := a.Body["webhook"].(map[string]any)["secret"].(string)
		if (fresh != "") != tt.fresh || fresh == secret {
			t.Errorf("%s: secret %q", name, fresh)
		}
	}
	w.must(409, "lead", "POST", path+"/rotate-secret", nil) // Slack's has none
	for name, tt := range map[string]struct {
		body any
		code string
	}{
		"inside":          {map[string]any{"webhook": map[string]any{"url": "https://169.254.169.254/x", "format": "standard"}}, "address_forbidden"},
		"plain":           {map[string]any{"webhook": map[string]any{"url": "http://hooks.slack.test/x", "format": "slack"}}, "address_forbidden"},
		"with a password": {map[string]any{"webhook": map[string]any{"url": "https://a:b@hooks.slack.test/x", "format": "slack"}}, "address_forbidden"},
		"no format":       {map[string]any{"webhook": map[string]any{"url": address}}, "validation_failed"},
		"another format":  {map[string]any{"webhook": map[string]any{"url": address, "format": "teams"}}, "validation_failed"},
		"no address":      {map[string]any{"webhook": map[string]any{"format": "slack"}}, "validation_failed"},
		"no such event":   {map[string]any{"webhook": map[string]any{"url": address, "format": "slack", "events": []string{"page.updated"}}}, "validation_failed"},
		"unknown":         {map[string]any{"push": true}, "validation_failed"},
		"unknown within":  {map[string]any{"webhook": map[string]any{"url": address, "format": "slack", "secret": "x"}}, "validation_failed"},
		"too long":        {map[string]any{"webhook": map[string]any{"url": "https://x.test/" + strings.Repeat("a", 3000), "format": "slack"}}, "validation_failed"},
	} {
		a := w.as("lead", "PUT", path, tt.body)
		if a.StatusCode != 422 || a.Str("code") != tt.code {
			t.Errorf("%s: got %d %s", name, a.StatusCode, a.Text)
		}
		if strings.Contains(a.Text, "services") {
			t.Errorf("%s: it echoes the address: %s", name, a.Text)
		}
	}
	if got := w.must(200, "lead", "PUT", path, `{}`); got.Body["webhook"] != nil {
		t.Errorf("without one: got %s", got.Text)
	}
	if list := w.recorded("notifications.updated"); len(list) != 8 || list[0].Subject.ID != w.team || *list[0].TeamID != w.team {
		t.Errorf("on record: %+v", list)
	}
	for _, e := range w.recorded("notifications.updated") {
		if strings.Contains(dump(e), "services") || strings.Contains(dump(e), "whsec") {
			t.Errorf("on record: %s", dump(e))
		}
	}
}

// recorded are the audit events of a type, oldest first.
func (w *world) recorded(kind string) []audit.Event {
	w.t.Helper()
	q := dynamo.Query{Index: "byKind", Values: []string{"audit"}, Sort: "id", Limit: 1000, Oldest: true}
	events, _, err := dynamo.List(w.t.Context(), w.audit, q, func(e audit.Event) string { return e.ID }, func(e audit.Event) bool { return e.Type == kind })
	w.ok(err)
	return events
}
