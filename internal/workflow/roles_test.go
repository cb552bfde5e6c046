package workflow_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/workflow"
)

// ranks orders everybody by what they may do in the team.
var ranks = []string{"nobody", "outsider", "observer", "observer's key", "responder", "responder's key", "lead", "lead's key", "admin"}

const (
	observers  = 2 // from this place in ranks on
	responders = 4
	leads      = 6
)

const definition = `"teamId":"{team}","trigger":{"on":["incident.created"]},"steps":[{"id":"say","type":"note","text":"x"}]`

// routes says who may call what. Every route of the room must stand here.
var routes = []struct {
	route, body string
	from        int // the first of ranks who may
	ok          int
	named       bool // the path or the body names a thing of the team: outsiders get a 404
}{
	{"GET /v1/workflows", "", observers, 200, false},
	{"POST /v1/workflows", `{"name":"%d",` + definition + `}`, leads, 201, true},
	{"GET /v1/workflows/{workflow}", "", observers, 200, true},
	{"PUT /v1/workflows/{workflow}", `{"name":"%d",` + definition + `}`, leads, 200, true},
	{"DELETE /v1/workflows/{workflow}", "", leads, 204, true},
	{"POST /v1/workflows/{workflow}/runs", `{"incidentId":"{incident}"}`, responders, 202, true},
	{"GET /v1/workflows/{workflow}/runs", "", observers, 200, true},
	{"GET /v1/workflow-runs?incidentId={incident}", "", observers, 200, true},
	{"GET /v1/workflow-runs/{run}", "", observers, 200, true},
	{"POST /v1/workflow-runs/{run}/cancel", "", responders, 200, true},
	{"POST /v1/workflow-runs/{cancelled}/retry", "", responders, 200, true},
}

func TestEveryRouteForEveryRole(t *testing.T) {
	w := newWorld(t)
	incident := w.incident("Disk full").ID
	for n, r := range routes {
		for rank, who := range ranks {
			t.Run(r.route+" as "+who, func(t *testing.T) {
				made := w.workflow(fmt.Sprintf("%s %s", r.route, who), []m{{"id": "sleep", "type": "wait", "seconds": 60}})
				run := w.must(202, "lead", "POST", "/v1/workflows/"+made+"/runs", m{"incidentId": incident}).id()
				if strings.Contains(r.route, "{cancelled}") {
					w.must(200, "lead", "POST", "/v1/workflow-runs/"+run+"/cancel", nil)
				}
				fill := strings.NewReplacer("{team}", w.team, "{workflow}", made, "{incident}", incident, "{run}", run, "{cancelled}", run, "%d", fmt.Sprint(n*100+rank))
				var body any
				if r.body != "" {
					body = fill.Replace(r.body)
				}
				method, path, _ := strings.Cut(fill.Replace(r.route), " ")
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
				if who == "outsider" && strings.Contains(a.Text, w.team) {
					t.Errorf("an outsider sees %s", a.Text)
				}
			})
		}
	}
}

func TestTheTableHasEveryRoute(t *testing.T) {
	api := httpapi.New()
	workflow.Routes(api, nil)
	want := api.Routes()
	var got []string
	for _, r := range routes {
		route, _, _ := strings.Cut(r.route, "?")
		got = append(got, strings.NewReplacer("{workflow}", "{id}", "{run}", "{id}", "{cancelled}", "{id}").Replace(route))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := w.clock.Now()
	wf := w.workflow("Here", []m{{"id": "say", "type": "note", "text": "x"}})
	for _, route := range []string{
		"GET /v1/workflows/x", "GET /v1/workflows/" + id.New(id.Workflow, now), "DELETE /v1/workflows/" + id.New(id.Workflow, now),
		"GET /v1/workflows/" + id.New(id.Workflow, now) + "/runs", "GET /v1/workflow-runs/x", "GET /v1/workflow-runs/" + id.New(id.WorkflowRun, now),
		"POST /v1/workflow-runs/" + id.New(id.WorkflowRun, now) + "/cancel", "POST /v1/workflow-runs/" + id.New(id.WorkflowRun, now) + "/retry",
		"GET /v1/workflows?teamId=" + w.other, "GET /v1/workflow-runs?incidentId=" + id.New(id.Incident, now), "GET /v1/workflow-runs/" + wf,
	} {
		method, path, _ := strings.Cut(route, " ")
		if a := w.as("lead", method, path, nil); a.StatusCode != 404 || a.code() != "not_found" {
			t.Errorf("%s: got %d %s", route, a.StatusCode, a.Text)
		}
	}
	for name, incident := range map[string]string{"no incident": id.New(id.Incident, now), "no id": "x"} {
		for _, dry := range []bool{false, true} {
			if a := w.as("lead", "POST", "/v1/workflows/"+wf+"/runs", m{"incidentId": incident, "dryRun": dry}); a.StatusCode != 404 {
				t.Errorf("%s: got %d %s", name, a.StatusCode, a.Text)
			}
		}
	}
}
