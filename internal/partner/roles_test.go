package partner_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pagefree/internal/partner"
	"pagefree/internal/platform/httpapi"
)

// ranks orders everybody by what they may do in the team.
var ranks = []string{"nobody", "outsider", "observer", "observer's key", "responder", "responder's key", "lead", "lead's key", "admin"}

const (
	observers  = 2 // from this place in ranks on
	responders = 4
	leads      = 6
)

const at = "/v1/status-pages/{page}/partners/{access}"

// routes says who may call what. Every route of the room must stand here.
var routes = []struct {
	route, body string
	from        int // the first of ranks who may
	ok          int
	named       bool // the path names a thing of the team: outsiders get a 404
}{
	{"POST /v1/status-pages/{page}/partners", `{"partnerName":"%d","contactEmail":"%d@acme.test"}`, leads, 201, true},
	{"GET /v1/status-pages/{page}/partners", "", observers, 200, true},
	{"GET " + at, "", leads, 200, true},
	{"PATCH " + at, `{"mail":true}`, leads, 200, true},
	{"DELETE " + at, "", leads, 200, true},
	{"POST " + at + "/regenerate-token", "", leads, 200, true},
	{"POST " + at + "/invite", "", leads, 202, true},
	{"GET " + at + "/people", "", leads, 200, true},
	{"POST " + at + "/people", `{"email":"more@acme.test"}`, leads, 201, true},
	{"DELETE " + at + "/people/{person}", "", leads, 204, true},
	{"POST " + at + "/feed-token", "", leads, 201, true},
	{"DELETE " + at + "/feed-token", "", leads, 204, true},
	{"GET " + at + "/sessions", "", leads, 200, true},
	{"GET " + at + "/accesses", "", leads, 200, true},
	{"POST /v1/status-pages/{page}/audience-preview", `{}`, responders, 200, true},
	{"GET /v1/partners", "", leads, 200, false},
	{"GET /v1/partners/{partner}", "", leads, 200, true},
	{"PATCH /v1/partners/{partner}", `{"active":false}`, leads, 200, true},
}

func TestEveryRouteForEveryRole(t *testing.T) {
	w := newWorld(t)
	for n, r := range routes {
		for rank, who := range ranks {
			t.Run(r.route+" as "+who, func(t *testing.T) {
				name := fmt.Sprintf("%d-%d", n, rank)
				made := w.grant("role "+name, name+"@acme.test")
				person := w.person(of(w.page, "partners", made.id()), name+"@acme.test")
				method, path, _ := strings.Cut(strings.NewReplacer("{page}", w.page, "{access}", made.id(), "{person}", person, "{partner}", made.Str("partnerId")).Replace(r.route), " ")
				var body any
				if r.body != "" {
					body = strings.ReplaceAll(r.body, "%d", fmt.Sprint(n*100+rank))
				}
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
				if who == "outsider" && (strings.Contains(a.Text, w.team) || strings.Contains(a.Text, "acme")) {
					t.Errorf("an outsider sees %s", a.Text)
				}
				if rank < leads && strings.Contains(a.Text, `"token"`) {
					t.Errorf("%s sees a token: %s", who, a.Text)
				}
				events := w.recorded(before)
				switch {
				case want == 403 && r.named && (len(events) != 1 || events[0].Type != "access.denied" || events[0].Actor.ID != w.who[who].ID || *events[0].TeamID != w.team):
					t.Errorf("the refusal was recorded as %+v", events)
				case (want == 401 || want == 404) && len(events) != 0:
					t.Errorf("it was recorded: %+v", events)
				}
			})
		}
	}
}

func TestTheTableHasEveryRoute(t *testing.T) {
	api := httpapi.New()
	partner.Routes(api, nil)
	var want, got []string
	for path, item := range api.OpenAPI().Paths {
		for method, op := range map[string]bool{"GET": item.Get != nil, "POST": item.Post != nil, "PATCH": item.Patch != nil, "PUT": item.Put != nil, "DELETE": item.Delete != nil} {
			if op {
				want = append(want, method+" "+path)
			}
		}
	}
	for _, r := range routes {
		got = append(got, strings.NewReplacer("{page}", "{id}", "{access}", "{accessId}", "{person}", "{personId}", "{partner}", "{id}").Replace(r.route))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestPartnersAreNobodyHere: the credentials of partners open nothing of what staff do.
func TestPartnersAreNobodyHere(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	w.who["partner"] = w.byToken(made)
	for _, r := range routes {
		method, path, _ := strings.Cut(strings.NewReplacer("{page}", w.page, "{access}", made.id(), "{partner}", made.Str("partnerId")).Replace(r.route), " ")
		var body any
		if r.body != "" {
			body = strings.ReplaceAll(r.body, "%d", "9")
		}
		if a := w.as("partner", method, path, body); a.StatusCode != 401 {
			t.Errorf("%s: got %d %s", r.route, a.StatusCode, a.Text)
		}
	}
}
