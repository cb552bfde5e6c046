package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/client"
	"pagefree/infra/local/consoletest"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/web/console/audit"
	runs "pagefree/internal/web/console/executions"
	"pagefree/internal/web/console/incidents"
	"pagefree/internal/web/console/integrations"
	"pagefree/internal/web/console/partners"
	"pagefree/internal/web/console/people"
	"pagefree/internal/web/console/runbooks"
	"pagefree/internal/web/console/settings"
	"pagefree/internal/web/console/statuspages"
	"pagefree/internal/web/console/workflows"
)

// consoleRoutes are all of the console's, as its rooms register them: "GET /console/incidents/{id}".
func consoleRoutes() (routes []string) {
	api := httpapi.New()
	audit.Routes(api, nil, nil)
	runs.Routes(api, nil, runs.Desk{})
	incidents.Routes(api, nil, nil, nil)
	integrations.Routes(api, nil, integrations.Rooms{})
	partners.Routes(api, nil, origin.Origin{}, nil)
	people.Routes(api, nil, nil, nil)
	runbooks.Routes(api, nil, runbooks.Rooms{})
	settings.Routes(api, nil, nil, nil)
	statuspages.Routes(api, nil, origin.Origin{}, nil, nil)
	workflows.Routes(api, nil, workflows.Rooms{})
	for _, route := range api.Routes() {
		if strings.Contains(route, " /console") && !strings.Contains(route, "{rest...}") { // what no room has
			routes = append(routes, route)
		}
	}
	slices.Sort(routes)
	return routes
}

// things are what the demo's team has: ids to fill paths with, by the part of the path before them, and texts that
// nobody of another team may read.
type things struct {
	ids     map[string]string // by "incidents", and "accessId" and such where a path names what it takes
	secrets []string
}

// theirs reads them as the team's lead.
func (c *contract) theirs(t *testing.T) things {
	t.Helper()
	all := things{ids: map[string]string{"teams": c.team, "n": "1"}}
	list := func(path string) []map[string]any {
		return c.want(t, lead, "GET "+path, nil, http.StatusOK, "").Items()
	}
	first := func(as, path, named string) string {
		items := list(path)
		if len(items) == 0 {
			t.Fatalf("the demo has nothing at %s", path)
		}
		id := items[0]["id"].(string)
		all.ids[as] = id
		for _, one := range items {
			if text, _ := one[named].(string); named != "id" && text != "" && text != "Free disk space" { // which the form of a new runbook gives for an example
				all.secrets = append(all.secrets, text)
			}
		}
		return id
	}
	first("incidents", "/v1/incidents?limit=200", "title")
	first("services", "/v1/services?teamId="+c.team, "id")
	first("runbooks", "/v1/runbooks?limit=200&teamId="+c.team, "name")
	all.ids["runbooks"] = c.approved
	first("executions", "/v1/executions?limit=50", "id")
	first("workflows", "/v1/workflows?teamId="+c.team, "name")
	for _, workflow := range list("/v1/workflows?teamId=" + c.team) { // of one that has run
		if runs := list("/v1/workflows/" + workflow["id"].(string) + "/runs"); len(runs) > 0 {
			all.ids["workflow-runs"] = runs[0]["id"].(string)
		}
	}
	if all.ids["workflow-runs"] == "" {
		t.Fatal("no workflow of the demo has run")
	}
	first("integrations", "/v1/integrations?teamId="+c.team, "id")
	first("targets", "/v1/targets?teamId="+c.team, "name")
	first("secrets", "/v1/secrets?teamId="+c.team, "name")
	page := "/v1/status-pages/" + first("status-pages", "/v1/status-pages?teamId="+c.team, "id")
	first("componentId", page+"/components", "id")
	first("incidentId", page+"/incidents", "title")
	first("accessId", page+"/partners", "id")
	first("personId", page+"/partners/"+all.ids["accessId"]+"/people", "email")
	first("partners", "/v1/partners", "id")
	soon := time.Now().Add(time.Hour)
	all.ids["maintenanceId"] = c.want(t, lead, "POST "+page+"/maintenances", object{"title": "Marsupial maintenance", "body": "Boxes",
		"startsAt": soon, "endsAt": soon.Add(time.Hour), "components": []string{all.ids["componentId"]}}, http.StatusCreated, "").Text("id")
	all.ids["api-keys"] = c.want(t, lead, "POST /v1/api-keys", object{"name": "Wombat key", "teamId": c.team, "role": "OBSERVER"}, http.StatusCreated, "").Text("id")
	all.secrets = append(all.secrets, "Marsupial maintenance", "Wombat key", responder, reviewer)
	me := c.want(t, responder, "GET /v1/me", nil, http.StatusOK, "").Text("id")
	all.ids["people"], all.ids["userId"] = me, me
	return all
}

// fill puts the team's ids into a path.
func (th things) fill(path string) string {
	ids := maps.Clone(th.ids)
	if section, _, found := strings.Cut(path, "/{id}"); found {
		ids["id"] = th.ids[section[strings.LastIndex(section, "/")+1:]]
	}
	return consoletest.Fill(path, ids)
}

// free are forms that change nothing of a team, which anybody of staff may send.
var free = []string{
	"POST /console/settings", "POST /console/settings/resume-mail", // one's own
	"POST /console/runbooks/paint", "POST /console/runbooks/{id}/words", // show what was typed
}

// consoleContract walks every route of the console as every kind of caller, by requests alone: no answer is of the 500s,
// another team's admin reads nothing of this one, a partner finds nothing, and who may not act changes nothing.
func consoleContract(t *testing.T, c *contract, partner string) {
	th := c.theirs(t)
	key := c.want(t, lead, "POST /v1/api-keys", object{"name": "Numbat key", "teamId": c.team, "role": "TEAM_ADMIN"}, http.StatusCreated, "").Text("key")
	began := time.Now()
	query := url.Values{"teamId": {c.team}, "incidentId": {th.ids["incidents"]}, "runbookId": {th.ids["runbooks"]}, "serviceId": {th.ids["services"]},
		"ids": {th.ids["people"]}, "subject": {th.ids["runbooks"]}}
	form := url.Values{"teamId": {c.team}, "serviceId": {th.ids["services"]}, "incidentId": {th.ids["incidents"]}, "runbookId": {th.ids["runbooks"]}, "name": {"Intruder"}, "title": {"Intruder"},
		"severity": {"LOW"}, "text": {"Intruder"}, "note": {"Intruder"}, "role": {"TEAM_ADMIN"}, "email": {"intruder@pagefree.test"}, "userId": {th.ids["people"]},
		"reason": {"Intruder"}, "confirm": {"yes"}, "active": {"true"}, "enabled": {"true"}, "version": {"1"}, "rev": {"1"}, "confirmed": {"yes"}}
	check := func(t *testing.T, route string) {
		method, pattern, _ := strings.Cut(route, " ")
		path := th.fill(pattern)
		if strings.Contains(path, "/x") && !strings.Contains(pattern, "devices") {
			t.Errorf("%s: nothing of the demo fills it: %s", route, path)
		}
		targets := []string{path}
		if method == http.MethodGet {
			targets = append(targets, path+"?"+query.Encode())
		}
		for _, target := range targets {
			for who, want := range map[string][]int{nobody: {303}, key: {303, 403}, partner: {404}, observer: nil, responder: nil, lead: nil, outsider: nil, admin: nil} {
				if method == http.MethodPost && slices.Contains([]string{responder, lead, admin}, who) {
					continue // they may; the rooms' own tests and the journeys hold what comes of it
				}
				session, send := who, url.Values(nil)
				if of, known := c.bearers[who]; known {
					session = of
				}
				if method == http.MethodPost {
					send = form
				}
				a := c.look(t, session, method, target, send)
				name := fmt.Sprintf("%s as %.10s", route, who)
				if a.Status >= 500 || want != nil && !slices.Contains(want, a.Status) {
					t.Errorf("%s: got %d, want %v", name, a.Status, want)
				}
				refused := []int{403, 404}
				if !strings.Contains(pattern, "{") || strings.HasSuffix(pattern, "/logo") { // what is asked for is read before it is known whose it would be
					refused = append(refused, 415, 422)
				}
				if method == http.MethodPost && (who == observer || who == outsider) && !slices.Contains(free, route) && !slices.Contains(refused, a.Status) {
					t.Errorf("%s: got %d, %s", name, a.Status, a.Header.Get("Location"))
				}
				if method == http.MethodGet && who == admin && a.Status >= 400 && target != path {
					t.Errorf("%s, of what is there: got %d", name, a.Status)
				}
				if who != outsider && who != key && who != partner && who != nobody {
					continue
				}
				for _, secret := range th.secrets {
					if strings.Contains(a.Raw, secret) {
						t.Errorf("%s: it shows %q", name, secret)
					}
				}
			}
		}
	}
	t.Run("routes", func(t *testing.T) {
		for _, route := range consoleRoutes() {
			t.Run(route, func(t *testing.T) {
				t.Parallel()
				check(t, route)
			})
		}
	})
	c.changedNothing(t, began)
}

// changedNothing holds the audit trail against what was sent: every change is on it.
func (c *contract) changedNothing(t *testing.T, since time.Time) {
	t.Helper()
	for _, who := range []string{observer, outsider} {
		id := c.want(t, who, "GET /v1/me", nil, http.StatusOK, "").Text("id")
		denied := 0
		for cursor, more := "", true; more; more = cursor != "" {
			a := c.want(t, admin, "GET /v1/audit?limit=200&actor="+id+"&from="+url.QueryEscape(since.UTC().Format(time.RFC3339))+"&cursor="+url.QueryEscape(cursor), nil, http.StatusOK, "")
			for _, e := range a.Items() {
				if e["outcome"] == "denied" {
					denied++
				} else {
					t.Errorf("%s did %v to %v", who, e["type"], e["subject"])
				}
			}
			cursor = a.Text("nextCursor")
		}
		if denied == 0 {
			t.Errorf("nothing that %s was refused is on record", who)
		}
	}
}

// look asks for a page of the console as a browser does that has a session in its cookie; a form is sent by the page itself.
// Redirects are not followed.
func (c *contract) look(t *testing.T, as, method, target string, form url.Values) client.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.api.URL+target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case strings.HasPrefix(as, "pfk_"):
		req.Header.Set("Authorization", "Bearer "+as)
	case as != nobody:
		req.Header.Set("Cookie", cookie+as)
	}
	req.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", c.api.URL)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := unfollowing.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer res.Body.Close()
	return read(t, res)
}
