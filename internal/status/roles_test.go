package status_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/status"
)

// ranks orders everybody by what they may do in the team.
var ranks = []string{"nobody", "a partner", "outsider", "observer", "observer's key", "responder", "responder's key", "lead", "lead's key", "admin"}

const (
	observers  = 3 // from this place in ranks on
	responders = 5
	leads      = 7
)

const (
	maintenanceBody = `{"title":"x","body":"x","startsAt":"2027-01-01T00:00:00Z","endsAt":"2027-01-01T01:00:00Z"}`
	incidentBody    = `{"title":"x","body":"x","impact":"minor","status":"investigating"}`
)

// routes says who may call what. Every route of the room must stand here.
var routes = []struct {
	route, body string
	from        int // the first of ranks who may
	ok          int
	named       bool // the path names a thing of the team: outsiders get a 404
}{
	{"GET /v1/status-pages", "", observers, 200, false},
	{"POST /v1/status-pages", `{"name":"x","slug":"new-%d","teamId":"{team}"}`, leads, 201, true},
	{"GET /v1/status-pages/{page}", "", observers, 200, true},
	{"PATCH /v1/status-pages/{page}", `{"description":"x"}`, leads, 200, true},
	{"DELETE /v1/status-pages/{page}", "", leads, 204, true},
	{"PUT /v1/status-pages/{page}/logo", "{png}", leads, 200, true},
	{"DELETE /v1/status-pages/{page}/logo", "", leads, 204, true},
	{"POST /v1/status-pages/{page}/shared-token", "", leads, 200, true},
	{"GET /v1/status-pages/{page}/components", "", observers, 200, true},
	{"POST /v1/status-pages/{page}/components", `{"name":"x"}`, leads, 201, true},
	{"GET /v1/status-pages/{page}/components/{component}", "", observers, 200, true},
	{"PATCH /v1/status-pages/{page}/components/{component}", `{"status":"major_outage"}`, leads, 200, true},
	{"DELETE /v1/status-pages/{page}/components/{component}", "", leads, 204, true},
	{"GET /v1/status-pages/{page}/incidents", "", observers, 200, true},
	{"POST /v1/status-pages/{page}/incidents", incidentBody, responders, 201, true},
	{"GET /v1/status-pages/{page}/incidents/{incident}", "", observers, 200, true},
	{"PATCH /v1/status-pages/{page}/incidents/{incident}", `{"title":"y"}`, responders, 200, true},
	{"POST /v1/status-pages/{page}/incidents/{incident}/updates", `{"status":"monitoring","body":"x"}`, responders, 201, true},
	{"GET /v1/status-pages/{page}/proposals", "", observers, 200, true},
	{"GET /v1/status-pages/{page}/maintenances", "", observers, 200, true},
	{"POST /v1/status-pages/{page}/maintenances", maintenanceBody, responders, 201, true},
	{"GET /v1/status-pages/{page}/maintenances/{maintenance}", "", observers, 200, true},
	{"PATCH /v1/status-pages/{page}/maintenances/{maintenance}", `{"title":"y"}`, responders, 200, true},
	{"POST /v1/status-pages/{page}/maintenances/{maintenance}/updates", `{"status":"scheduled","body":"x"}`, responders, 201, true},
	{"POST /v1/status-pages/{page}/maintenances/{maintenance}/cancel", "", responders, 200, true},
}

func TestEveryRouteForEveryRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n, r := range routes {
		for rank, who := range ranks {
			t.Run(r.route+" as "+who, func(t *testing.T) {
				slug := fmt.Sprintf("p-%d-%d", n, rank)
				page := w.page(slug)
				component := w.component(page, "Website")
				fill := strings.NewReplacer("/v1/status-pages/{page}", page, "{team}", w.team, "{component}", component)
				path := fill.Replace(r.route)
				if strings.Contains(path, "{incident}") {
					path = strings.Replace(path, page+"/incidents/{incident}", w.incident(page, "x"), 1)
				}
				if strings.Contains(path, "{maintenance}") {
					path = strings.Replace(path, page+"/maintenances/{maintenance}", w.maintenance(page, time.Hour, 2*time.Hour), 1)
				}
				body, kind := any(nil), "application/json"
				switch r.body {
				case "":
				case "{png}":
					body, kind = string(picture(8, 8)), "image/png"
				default:
					body = strings.ReplaceAll(fill.Replace(r.body), "%d", fmt.Sprint(n*100+rank))
				}
				method, path, _ := strings.Cut(path, " ")
				before := w.clock.Now()
				shown, _ := w.published(slug)
				a := w.as(who, method, path, body, "Content-Type", kind)

				want, code := r.ok, ""
				switch {
				case rank < 2:
					want, code = 401, "unauthenticated"
				case who == "outsider" && r.named:
					want, code = 404, "not_found"
				case who != "outsider" && rank < r.from:
					want, code = 403, "forbidden"
				}
				if a.StatusCode != want || a.code() != code {
					t.Errorf("got %d %s, want %d %s", a.StatusCode, a.Text, want, code)
				}
				if rank < 2 && a.Header.Get("WWW-Authenticate") != "Bearer" {
					t.Error("a 401 has no WWW-Authenticate")
				}
				if who == "outsider" && strings.Contains(a.Text, w.team) {
					t.Errorf("an outsider sees %s", a.Text)
				}
				events := w.recorded(before)
				switch {
				case want == 403:
					if len(events) != 1 || events[0].Type != "access.denied" || events[0].Actor.ID != w.who[who].ID || *events[0].TeamID != w.team {
						t.Errorf("the refusal was recorded as %+v", events)
					}
				case want > 400 && len(events) != 0:
					t.Errorf("it was recorded: %+v", events)
				case want < 300 && method == "GET" && len(events) != 0:
					t.Errorf("reading was recorded: %+v", events)
				case want < 300 && method != "GET" && !strings.HasSuffix(r.route, "DELETE /v1/status-pages/{page}/logo") && (len(events) != 1 || *events[0].TeamID != w.team):
					t.Errorf("the change was recorded as %+v", events)
				}
				if after, _ := w.published(slug); want > 400 && fmt.Sprint(after) != fmt.Sprint(shown) {
					t.Error("it was refused, and changed the page")
				}
			})
		}
	}
}

// picture is a PNG of a size.
func picture(width, height int) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestTheTableHasEveryRoute(t *testing.T) {
	t.Parallel()
	api := httpapi.New()
	status.Routes(api, nil)
	var want, got []string
	for path, item := range api.OpenAPI().Paths {
		for method, op := range map[string]bool{"GET": item.Get != nil, "POST": item.Post != nil, "PATCH": item.Patch != nil, "PUT": item.Put != nil, "DELETE": item.Delete != nil} {
			if op {
				want = append(want, method+" "+path)
			}
		}
	}
	for _, r := range routes {
		got = append(got, strings.NewReplacer("{page}", "{id}", "{component}", "{componentId}", "{incident}", "{incidentId}", "{maintenance}", "{maintenanceId}").Replace(r.route))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
