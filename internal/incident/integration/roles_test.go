package integration_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pagefree/internal/incident/integration"
	"pagefree/internal/platform/httpapi"
)

// ranks orders everybody by what they may do in the team; a key reads as its role does, and writes nothing here.
var ranks = []string{"nobody", "outsider", "observer", "observer's key", "responder", "responder's key", "lead's key", "lead", "admin"}

const (
	readers = 6 // from this place in ranks on
	writers = 7
)

// routes says who may call what. Every route of staff must stand here.
var routes = []struct {
	route, body string
	from        int // the first of ranks who may
	ok          int
	named       bool // the path or the body names a thing of the team: outsiders get a 404
}{
	{"GET /v1/integrations", "", readers, 200, false},
	{"POST /v1/integrations", `{"name":"x","provider":"generic","teamId":"{team}","serviceId":"{service}"}`, writers, 201, true},
	{"GET /v1/integrations/{integration}", "", readers, 200, true},
	{"PATCH /v1/integrations/{integration}", `{"name":"y"}`, writers, 200, true},
	{"POST /v1/integrations/{integration}/rotate-secret", `{}`, writers, 200, true},
	{"GET /v1/integrations/{integration}/deliveries", "", readers, 200, true},
	{"DELETE /v1/integrations/{integration}", "", writers, 204, true},
}

func TestEveryRouteForEveryRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, r := range routes {
		for rank, who := range ranks {
			t.Run(r.route+" as "+who, func(t *testing.T) {
				fill := strings.NewReplacer("{team}", w.team, "{service}", w.svc, "{integration}", w.connect("generic").id)
				method, path, _ := strings.Cut(fill.Replace(r.route), " ")
				var body any
				if r.body != "" {
					body = fill.Replace(r.body)
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
				if who == "outsider" && strings.Contains(a.Text, w.team) {
					t.Errorf("an outsider sees %s", a.Text)
				}
				events := w.recorded(before)
				if want == 403 && (len(events) != 1 || events[0].Type != "access.denied" || events[0].Actor.ID != w.who[who].ID) {
					t.Errorf("the refusal was recorded as %+v", events)
				}
				if want != 403 && want > 400 && len(events) != 0 {
					t.Errorf("it was recorded: %+v", events)
				}
			})
		}
	}
}

func TestTheTableHasEveryRoute(t *testing.T) {
	api := httpapi.New()
	integration.Routes(api, nil)
	want := api.Routes()
	var got []string
	for _, r := range routes {
		got = append(got, strings.ReplaceAll(r.route, "{integration}", "{id}"))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestWhoRaisesACeiling: lower goes whoever may write; higher than it is, and be it back, a platform admin alone.
func TestWhoRaisesACeiling(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tests := []struct {
		who, provider, from, to string
		want                    int
	}{
		{"lead", "github", "MEDIUM", "LOW", 200},
		{"lead", "github", "MEDIUM", "MEDIUM", 200},
		{"lead", "github", "MEDIUM", "HIGH", 403},
		{"lead", "github", "LOW", "MEDIUM", 403},
		{"lead", "generic", "LOW", "LOW", 200},
		{"lead", "generic", "LOW", "MEDIUM", 403},
		{"lead's key", "github", "MEDIUM", "LOW", 403},
		{"admin", "github", "MEDIUM", "HIGH", 200},
		{"admin", "generic", "LOW", "HIGH", 200},
		{"admin", "github", "HIGH", "LOW", 200},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s: %s from %s to %s", tt.who, tt.provider, tt.from, tt.to), func(t *testing.T) {
			s := w.connect(tt.provider)
			if got := w.must(200, "lead", "GET", s.path(), nil).Str("unattendedRisk"); got != tt.from {
				w.must(200, "admin", "PATCH", s.path(), map[string]any{"unattendedRisk": tt.from})
			}
			before := w.clock.Now()
			a := w.as(tt.who, "PATCH", s.path(), map[string]any{"unattendedRisk": tt.to})
			if a.StatusCode != tt.want {
				t.Fatalf("got %d %s, want %d", a.StatusCode, a.Text, tt.want)
			}
			now, want := w.must(200, "lead", "GET", s.path(), nil), tt.to
			if tt.want != 200 {
				want = tt.from
			}
			if now.Str("unattendedRisk") != want || !strings.Contains(now.Str("unattended"), map[string]string{"LOW": "risk LOW by", "MEDIUM": "LOW and MEDIUM by", "HIGH": "any risk by"}[want]) {
				t.Errorf("got %s: %s, want %s", now.Str("unattendedRisk"), now.Str("unattended"), want)
			}
			var types []string
			for _, e := range w.recorded(before) {
				types = append(types, e.Type)
			}
			wantTypes := []string{"integration.updated"}
			switch {
			case tt.want == 403:
				wantTypes = []string{"access.denied"}
			case tt.from == tt.to:
				wantTypes = nil
			case tt.who == "admin" && tt.to == "HIGH":
				wantTypes = []string{"integration.ceiling_raised"}
			}
			if !slices.Equal(types, wantTypes) {
				t.Errorf("recorded: got %v, want %v", types, wantTypes)
			}
		})
	}
	body := func(risk string) map[string]any {
		return map[string]any{"name": "x", "provider": "generic", "teamId": w.team, "serviceId": w.svc, "unattendedRisk": risk}
	}
	if a := w.as("lead", "POST", "/v1/integrations", body("MEDIUM")); a.StatusCode != 403 {
		t.Errorf("made above its default by a lead: got %d %s", a.StatusCode, a.Text)
	}
	before := w.clock.Now()
	if a := w.must(201, "admin", "POST", "/v1/integrations", body("HIGH")); a.Str("unattendedRisk") != "HIGH" {
		t.Errorf("got %s", a.Text)
	}
	if events := w.recorded(before); len(events) != 2 || events[0].Type != "integration.created" || events[1].Type != "integration.ceiling_raised" || events[1].Detail["from"] != "LOW" || events[1].Detail["to"] != "HIGH" {
		t.Errorf("recorded: got %+v", events)
	}
}
