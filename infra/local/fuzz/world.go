package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/pushservice"
)

// world is the stack with the demo's people in it, and what is made for requests to point at.
type world struct {
	client.Client
	sessions map[string]string // by address
	team     string
	fodder   []string            // users that nobody signs in as: they may be changed, and turned out of the team
	private  []string            // operations of the document that need a credential, as "GET /v1/me"
	takes    map[string][]string // the schemes that each of these takes
	made     int
}

// caller is somebody whom schemathesis acts as.
type caller struct {
	name   string
	email  string   // "" for nobody
	key    bool     // by an API key of that person
	scheme string   // of the document: how the credential travels
	brief  bool     // without the phase of boundary values, which takes half of the time: others go through it
	apart  []string // operations that would spoil the rest for this caller: each list has a run of its own, after it
}

const (
	observer = "observer@pagefree.test"
	brakes   = "post-automation-pause,post-automation-resume" // nothing would be triggered any more
	leaving  = "post-auth-sign-out"                           // all after it would be a 401
)

var callers = map[string]caller{
	"nobody":    {name: "nobody", brief: true},
	"observer":  {name: "observer", email: observer, scheme: "session", brief: true, apart: []string{leaving}},
	"responder": {name: "responder", email: demo.Responder, scheme: "bearer", brief: true, apart: []string{leaving}},
	"key":       {name: "key", email: demo.Lead, key: true, scheme: "apiKey", brief: true, apart: []string{brakes}},
	"lead":      {name: "lead", email: demo.Lead, scheme: "bearer", apart: []string{brakes, leaving}},
	"admin":     {name: "admin", email: demo.Admin, scheme: "bearer", apart: []string{brakes, leaving}},
}

// order begins with those who can change least: what one does to the data, the next one meets.
func order() []string { return []string{"nobody", "observer", "responder", "key", "lead", "admin"} }

func newWorld(ctx context.Context, url, mail string, data demo.Result) (*world, error) {
	w := &world{Client: client.Client{URL: url, Mail: mail, HTTP: &http.Client{Timeout: 40 * time.Second}}, sessions: data.Sessions}
	me, err := w.Want(ctx, http.StatusOK, "GET", "/v1/me", w.sessions[demo.Lead], nil)
	if err != nil {
		return nil, err
	}
	teams, _ := me.Body["teams"].([]any)
	first, _ := teams[0].(map[string]any)
	w.team, _ = first["id"].(string)
	for _, name := range []string{"temp", "guest", "trainee"} {
		id, err := w.make(ctx, demo.Admin, "/v1/users", map[string]any{"email": name + "@pagefree.test", "name": name})
		if err != nil {
			return nil, err
		}
		w.fodder = append(w.fodder, id)
	}
	if w.takes, err = takes(ctx, w.Client); err != nil {
		return nil, err
	}
	w.private = slices.Sorted(maps.Keys(w.takes))
	w.sessions[observer], err = w.SignIn(ctx, observer)
	return w, err
}

// takes reads from the document which operations need a credential, and by which schemes they take one.
func takes(ctx context.Context, c client.Client) (map[string][]string, error) {
	a, err := c.Want(ctx, http.StatusOK, "GET", "/openapi.json", "", nil)
	if err != nil {
		return nil, err
	}
	var document struct {
		Paths map[string]map[string]struct {
			Security []map[string][]string `json:"security"`
		} `json:"paths"`
	}
	if err := json.Unmarshal([]byte(a.Raw), &document); err != nil {
		return nil, err
	}
	schemes := map[string][]string{}
	for path, item := range document.Paths {
		for method, op := range item {
			for _, one := range op.Security {
				name := strings.ToUpper(method) + " " + path
				schemes[name] = append(schemes[name], slices.Collect(maps.Keys(one))...)
			}
		}
	}
	return schemes, nil
}

// make creates something as a person, and returns its id.
func (w *world) make(ctx context.Context, as, path string, body map[string]any) (string, error) {
	a, err := w.Do(ctx, "POST", path, w.sessions[as], body)
	if err == nil && a.Status != http.StatusCreated && a.Status != http.StatusAccepted {
		err = fmt.Errorf("POST %s: got %d: %s", path, a.Status, a.Raw)
	}
	return a.Text("id"), err
}

// fresh makes one or more of everything, so that a caller's requests have something to point at, whatever the one
// before left. It returns ids by the name of their dictionary in schemathesis.toml.
func (w *world) fresh(ctx context.Context) (map[string][]string, error) {
	w.made++
	named := func(what string) string { return fmt.Sprintf("%s %d", what, w.made) }
	ids := map[string][]string{"teams": {w.team}, "users": w.fodder, "versions": {"1", "2"}}
	var err error
	add := func(dictionary, as, path string, body map[string]any) string {
		if err != nil {
			return ""
		}
		var id string
		if id, err = w.make(ctx, as, path, body); err == nil {
			ids[dictionary] = append(ids[dictionary], id)
		}
		return id
	}
	do := func(as, method, path string, body any) {
		if err == nil {
			_, err = w.Want(ctx, http.StatusOK, method, path, w.sessions[as], body)
		}
	}
	for _, id := range w.fodder {
		do(demo.Lead, "PUT", "/v1/teams/"+w.team+"/members/"+id, map[string]any{"role": "OBSERVER"})
	}
	service := add("services", demo.Lead, "/v1/services", map[string]any{"name": named("billing"), "teamId": w.team})
	incident := add("incidents", demo.Responder, "/v1/incidents", map[string]any{"title": named("It is slow"), "severity": "LOW", "serviceId": service})
	for range 3 { // some are deleted
		add("integrations", demo.Lead, "/v1/integrations", map[string]any{"name": named("alerts"), "provider": "generic", "teamId": w.team, "serviceId": service})
	}
	add("secrets", demo.Lead, "/v1/secrets", map[string]any{"name": fmt.Sprintf("token-%d", w.made), "teamId": w.team, "value": "not known to anybody"})
	add("devices", demo.Lead, "/v1/push/subscriptions", pushservice.NewDevice(w.Mail+pushservice.Path+fmt.Sprintf("fuzz-%d", w.made)).JSON())
	add("keys", demo.Lead, "/v1/api-keys", map[string]any{"name": named("robot"), "teamId": w.team, "role": "OBSERVER"})

	for _, dictionary := range []string{"workflows", "workflows"} { // one may go
		w.made++
		workflow := add(dictionary, demo.Lead, "/v1/workflows", map[string]any{
			"name": named("Tidy up"), "teamId": w.team, "trigger": map[string]any{"on": []string{"incident.escalated"}},
			"steps": []map[string]any{{"id": "sleep", "type": "wait", "seconds": 600}, {"id": "say", "type": "note", "text": "{{incident.title}}"}},
		})
		for range 2 { // to be cancelled, and to be retried
			add("runs", demo.Responder, "/v1/workflows/"+workflow+"/runs", map[string]any{"incidentId": incident})
		}
	}

	sandbox := map[string]any{"type": "sandbox"}
	for _, dictionary := range []string{"targets", "targets", "proposals", "proposals", "proposals", "proposals"} { // approved ones, and ones that wait
		w.made++
		target := add(dictionary, demo.Reviewer, "/v1/targets", map[string]any{"name": named("target"), "teamId": w.team, "target": sandbox})
		if dictionary == "targets" {
			do(demo.Lead, "POST", "/v1/targets/"+target+"/approve", nil)
		}
	}
	// What each kind of runbook is there for: to be run, to be submitted, to be confirmed, to be reviewed, to be rolled back.
	for _, dictionary := range []string{"runbooks", "drafts", "drafts", "confirmed", "reviewed", "reviewed", "superseded", "superseded"} {
		w.made++
		runbook := add(dictionary, demo.Reviewer, "/v1/runbooks", map[string]any{
			"name": named("Restart"), "teamId": w.team, "language": "BASH", "scriptContent": "echo done\n", "target": sandbox,
			"risk": "LOW", "requiresConfirm": dictionary == "confirmed", "timeoutSeconds": 5,
		})
		version := "/v1/runbooks/" + runbook + "/versions"
		if dictionary == "drafts" {
			continue
		}
		do(demo.Reviewer, "POST", version+"/1/submit", nil)
		do(demo.Lead, "POST", version+"/1/approve", nil)
		switch dictionary {
		case "runbooks":
			add("executions", demo.Responder, "/v1/executions", map[string]any{"runbookId": runbook, "incidentId": incident})
		case "confirmed":
			for range 4 {
				add("unconfirmed", demo.Responder, "/v1/executions", map[string]any{"runbookId": runbook, "incidentId": incident})
			}
		default:
			add("", demo.Reviewer, version, map[string]any{"language": "BASH", "scriptContent": "echo again\n", "target": sandbox})
			do(demo.Reviewer, "POST", version+"/2/submit", nil)
			if dictionary == "superseded" {
				do(demo.Lead, "POST", version+"/2/approve", nil)
			}
		}
	}
	w.page(add, named)
	delete(ids, "")
	if err == nil {
		var partners client.Answer
		partners, err = w.Want(ctx, http.StatusOK, "GET", "/v1/partners", w.sessions[demo.Lead], nil)
		for _, account := range partners.Items() {
			ids["accounts"] = append(ids["accounts"], account["id"].(string))
		}
	}
	return ids, err
}

// page makes status pages: one to be read and filled, and one that may go.
func (w *world) page(add func(dictionary, as, path string, body map[string]any) string, named func(string) string) {
	for range 2 {
		w.made++
		page := "/v1/status-pages/" + add("pages", demo.Lead, "/v1/status-pages", map[string]any{
			"name": named("Page"), "slug": fmt.Sprintf("page-%d", w.made), "teamId": w.team})
		component := add("components", demo.Lead, page+"/components", map[string]any{"name": "API"})
		add("components", demo.Lead, page+"/components", map[string]any{"name": "Store"})
		add("reports", demo.Responder, page+"/incidents", map[string]any{
			"title": "It is slow", "impact": "minor", "status": "investigating", "body": "We look.",
			"components": []map[string]any{{"id": component, "status": "degraded_performance"}}})
		soon := time.Now().Add(time.Hour)
		for range 2 {
			add("maintenances", demo.Responder, page+"/maintenances", map[string]any{
				"title": "Work", "body": "We work.", "startsAt": soon, "endsAt": soon.Add(time.Hour), "components": []string{component}})
		}
		for _, name := range []string{"Acme", "Globex"} {
			access := add("accesses", demo.Lead, page+"/partners", map[string]any{"partnerName": name, "contactEmail": strings.ToLower(name) + "@partners.test"})
			add("persons", demo.Lead, page+"/partners/"+access+"/people", map[string]any{"name": "Ann", "email": "ann@" + strings.ToLower(name) + ".test"})
		}
	}
}

// credential is a new one for each caller: none is worn out by those before.
func (w *world) credential(ctx context.Context, c caller) (string, error) {
	if c.email == "" {
		return "", nil
	}
	if !c.key {
		return w.SignIn(ctx, c.email)
	}
	a, err := w.Want(ctx, http.StatusCreated, "POST", "/v1/api-keys", w.sessions[c.email], map[string]any{"name": "fuzz", "teamId": w.team, "role": "TEAM_ADMIN"})
	return a.Text("key"), err
}

// release ends what a caller has paused.
func (w *world) release(ctx context.Context) error {
	for _, body := range []map[string]any{{}, {"teamId": w.team}} {
		token := w.sessions[demo.Admin]
		if _, err := w.Want(ctx, http.StatusNoContent, "POST", "/v1/automation/resume", token, body); err != nil {
			return err
		}
	}
	return nil
}

// still checks that a caller is at the end who it was at its beginning, or what it was told since said little.
func (w *world) still(ctx context.Context, c caller, credential, before string) error {
	if c.email == "" {
		return nil
	}
	after, err := w.me(ctx, c, credential)
	if err == nil && after != before {
		err = fmt.Errorf("its rights were changed under way: %s, before %s", after, before)
	}
	return err
}

// me is what a credential is good for, as far as the rest depends on it.
func (w *world) me(ctx context.Context, c caller, credential string) (string, error) {
	if c.key { // it is no person
		_, err := w.Want(ctx, http.StatusOK, "GET", "/v1/teams/"+w.team, credential, nil)
		return "", err
	}
	a, err := w.Want(ctx, http.StatusOK, "GET", "/v1/me", credential, nil)
	if err != nil {
		return "", err
	}
	teams, _ := a.Body["teams"].([]any)
	for _, t := range teams {
		if t, _ := t.(map[string]any); t["id"] == w.team {
			return fmt.Sprint(a.Body["platformAdmin"], t["role"]), nil
		}
	}
	return fmt.Sprint(a.Body["platformAdmin"]), nil
}
