package incident_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pagefree/internal/incident"
	"pagefree/internal/platform/httpapi"
)

// ranks orders everybody by what they may do in the team.
var ranks = []string{"nobody", "outsider", "observer", "observer's key", "responder", "responder's key", "lead", "lead's key", "admin"}

const (
	observers  = 2 // from this place in ranks on
	responders = 4
	leads      = 6
)

// routes says who may call what. Every route of the room must stand here.
var routes = []struct {
	route, body string
	from        int // the first of ranks who may
	ok          int
	named       bool // the path names a thing of the team: outsiders get a 404
}{
	{"GET /v1/services", "", observers, 200, false},
	{"POST /v1/services", `{"name":"%d","teamId":"{team}"}`, leads, 201, true},
	{"GET /v1/services/{service}", "", observers, 200, true},
	{"PATCH /v1/services/{service}", `{"description":"x"}`, leads, 200, true},
	{"DELETE /v1/services/{spare}", "", leads, 204, true},
	{"GET /v1/incidents", "", observers, 200, false},
	{"POST /v1/incidents", `{"title":"x","severity":"LOW","serviceId":"{service}"}`, responders, 201, true},
	{"GET /v1/incidents/{incident}", "", observers, 200, true},
	{"PATCH /v1/incidents/{incident}", `{"title":"x"}`, responders, 200, true},
	{"POST /v1/incidents/{incident}/acknowledge", "", responders, 200, true},
	{"POST /v1/incidents/{incident}/resolve", "", responders, 200, true},
	{"POST /v1/incidents/{resolved}/reopen", "", responders, 200, true},
	{"POST /v1/incidents/{incident}/notes", `{"text":"x"}`, responders, 201, true},
	{"GET /v1/incidents/{incident}/timeline", "", observers, 200, true},
}

func TestEveryRouteForEveryRole(t *testing.T) {
	w := newWorld(t)
	for n, r := range routes {
		for rank, who := range ranks {
			t.Run(r.route+" as "+who, func(t *testing.T) {
				service := w.service(fmt.Sprintf("%s %s", r.route, who))
				fill := strings.NewReplacer("{team}", w.team, "{service}", service)
				path := fill.Replace(r.route)
				path = strings.Replace(path, "{spare}", w.service("spare "+r.route+who), 1)
				if strings.Contains(path, "{incident}") || strings.Contains(path, "{resolved}") {
					i := w.incident(service, "x")
					if strings.Contains(path, "{resolved}") {
						w.must(200, "responder", "POST", "/v1/incidents/"+i+"/resolve", nil)
					}
					path = strings.NewReplacer("{incident}", i, "{resolved}", i).Replace(path)
				}
				var body any
				if r.body != "" {
					body = strings.ReplaceAll(fill.Replace(r.body), "%d", fmt.Sprint(n*100+rank))
				}
				method, path, _ := strings.Cut(path, " ")
				before := w.clock.Now()
				a := w.as(who, method, path, body)

				want, code := r.ok, ""
				switch {
				case who == "nobody":
					want, code = 401, "unauthenticated"
				case who == "outsider" && r.named:
					want, code = 404, "not_found"
				case who != "outsider" && rank < r.from:
					want, code = 403, "forbidden"
				}
				if a.StatusCode != want || a.code() != code {
					t.Errorf("got %d %s, want %d %s", a.StatusCode, a.Text, want, code)
				}
				if who == "nobody" && a.Header.Get("WWW-Authenticate") != "Bearer" {
					t.Error("a 401 has no WWW-Authenticate")
				}
				if who == "outsider" && strings.Contains(a.Text, w.team) {
					t.Errorf("an outsider sees %s", a.Text)
				}
				if want == 403 {
					events := w.recorded(before)
					if len(events) != 1 || events[0].Type != "access.denied" || events[0].Outcome != "denied" || events[0].Actor.ID != w.who[who].ID || *events[0].TeamID != w.team {
						t.Errorf("the refusal was recorded as %+v", events)
					}
				} else if events := w.recorded(before); want > 400 && len(events) != 0 {
					t.Errorf("it was recorded: %+v", events)
				}
			})
		}
	}
}

func TestTheTableHasEveryRoute(t *testing.T) {
	api := httpapi.New()
	incident.Routes(api, nil)
	var want, got []string
	for path, item := range api.OpenAPI().Paths {
		for method, op := range map[string]bool{"GET": item.Get != nil, "POST": item.Post != nil, "PATCH": item.Patch != nil, "PUT": item.Put != nil, "DELETE": item.Delete != nil} {
			if op {
				want = append(want, method+" "+path)
			}
		}
	}
	for _, r := range routes {
		got = append(got, strings.NewReplacer("{service}", "{id}", "{spare}", "{id}", "{incident}", "{id}", "{resolved}", "{id}").Replace(r.route))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
