package statuspages_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pagefree/infra/local/pagestest"
	"pagefree/internal/status"
)

// ranks are who comes to a page, and what status each answer has for them.
var ranks = []string{"observer", "responder", "lead", "admin"}

// routes says from whom on each page is shown, and each form taken.
var routes = []struct {
	route string
	from  int // the first of ranks; 4 is nobody
	ok    int
	form  []string
}{
	{"GET /console/status-pages", 0, 200, nil},
	{"GET /console/status-pages/new", 0, 200, nil},
	{"POST /console/status-pages", 2, 303, []string{"name", "New", "slug", "new-{rank}", "teamId", "{team}", "timeZone", "UTC"}},
	{"GET {page}", 0, 200, nil},
	{"GET {page}/settings", 2, 200, nil},
	{"POST {page}/settings", 2, 303, []string{"name", "Acme", "slug", "acme-cloud", "timeZone", "UTC", "sessionDays", "7"}},
	{"POST {page}/logo/remove", 2, 303, nil},
	{"POST {page}/shared-token/end", 2, 303, nil},
	{"GET {page}/components/new", 2, 200, nil},
	{"POST {page}/components", 2, 303, []string{"name", "More", "status", "operational"}},
	{"POST {page}/statuses", 2, 303, []string{"status.{component}", "major_outage", "was.{component}", "operational"}},
	{"GET {page}/components/{component}", 2, 200, nil},
	{"POST {page}/components/{component}", 2, 303, []string{"name", "Renamed", "status", "operational"}},
	{"POST {page}/components/{component}/up", 2, 303, nil},
	{"POST {page}/components/{component}/down", 2, 303, nil},
	{"GET {page}/incidents", 0, 200, nil},
	{"GET {page}/incidents/new", 1, 200, nil},
	{"POST {page}/incidents", 1, 303, []string{"title", "Another", "impact", "minor", "status", "investigating", "body", "x"}},
	{"GET {page}/incidents/{incident}", 0, 200, nil},
	{"POST {page}/incidents/{incident}/updates", 1, 303, []string{"status", "monitoring", "body", "x"}},
	{"GET {page}/incidents/{incident}/edit", 1, 200, nil},
	{"POST {page}/incidents/{incident}/edit", 1, 303, []string{"title", "Another", "impact", "minor"}},
	{"GET {page}/maintenances", 0, 200, nil},
	{"GET {page}/maintenances/new", 1, 200, nil},
	{"POST {page}/maintenances", 1, 303, []string{"title", "Disks", "body", "x", "startsAt", "2060-05-01T10:00", "endsAt", "2060-05-01T11:00"}},
	{"GET {page}/maintenances/{maintenance}", 0, 200, nil},
	{"POST {page}/maintenances/{maintenance}/updates", 1, 303, []string{"status", "scheduled", "body", "x"}},
	{"GET {page}/maintenances/{maintenance}/edit", 1, 200, nil},
	{"POST {page}/maintenances/{maintenance}/edit", 1, 303, []string{"title", "Disks", "body", "x", "startsAt", "2060-05-01T10:00", "endsAt", "2060-05-01T12:00"}},
	{"POST {page}/maintenances/{maintenance}/cancel", 1, 303, nil},
	{"POST {page}/components/{component}/remove", 2, 303, nil},
	{"POST {page}/delete", 2, 303, nil},
}

func TestEachPageForEachRole(t *testing.T) {
	t.Parallel()
	for rank, who := range ranks {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			w := pagestest.New(t)
			component := w.Component(t, "Website", "", "")
			i, err := w.Status.Publish(w.Lead, w.Page, status.NewIncident{Title: "Slow", Impact: "minor", Status: "investigating", Body: "x"})
			if err != nil {
				t.Fatal(err)
			}
			now := w.Clock.Now()
			m, err := w.Status.Schedule(w.Lead, w.Page, status.NewMaintenance{Title: "Disks", Body: "x", StartsAt: later(now, 30), EndsAt: later(now, 31)})
			if err != nil {
				t.Fatal(err)
			}
			fill := strings.NewReplacer("{page}", w.At(), "{component}", component, "{incident}", i.ID, "{maintenance}", m.ID, "{team}", w.Team, "{rank}", who)
			for _, r := range routes {
				method, path, _ := strings.Cut(fill.Replace(strings.ReplaceAll(r.route, "{page}", strings.TrimSuffix(w.At(), "/"))), " ")
				var form []string
				for _, text := range r.form {
					form = append(form, fill.Replace(text))
				}
				ask := func(who string) pagestest.Seen {
					if method == http.MethodGet {
						return w.Get(t, who, path)
					}
					return w.Post(t, who, path, form...)
				}
				if rank == 0 { // who is no staff of this team, before anybody
					named := strings.HasPrefix(path, w.At())
					if got := ask("").Status; got != 303 {
						t.Errorf("%s as nobody: got %d", r.route, got)
					}
					if got := ask("partner").Status; got != 404 {
						t.Errorf("%s as a partner: got %d", r.route, got)
					}
					if got := ask("key").Status; got != 403 {
						t.Errorf("%s as a key: got %d", r.route, got)
					}
					if got := ask("outsider"); named && (got.Status != 404 || strings.Contains(got.Text, "Acme")) {
						t.Errorf("%s as an outsider: got %d", r.route, got.Status)
					}
				}
				want := 403
				if rank >= r.from {
					want = r.ok
				}
				if got := ask(who); got.Status != want {
					t.Errorf("%s as %s: got %d %s, want %d", r.route, who, got.Status, got.Text, want)
				}
			}
		})
	}
}

// TestWhatIsShown: nobody sees a button that they may not press.
func TestWhatIsShown(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	w.Component(t, "Website", "", "")
	i, err := w.Status.Publish(w.Lead, w.Page, status.NewIncident{Title: "Slow", Impact: "minor", Status: "investigating", Body: "x"})
	if err != nil {
		t.Fatal(err)
	}
	page, incident := strings.TrimSuffix(w.At(), "/"), w.At("incidents", i.ID)
	publish, admin := "Publish an incident", "Add a component"
	for who, want := range map[string][2]bool{"observer": {false, false}, "responder": {true, false}, "lead": {true, true}, "admin": {true, true}} {
		seen := w.Get(t, who, page).Must(t, 200)
		seen.Has(t, "Website", "Slow", "See the page")
		for text, may := range map[string]bool{publish: want[0], admin: want[1], "Set these statuses": want[1], w.At("settings"): want[1]} {
			if strings.Contains(seen.Text, text) != may {
				t.Errorf("%s sees %q: %v", who, text, !may)
			}
		}
		if got := strings.Contains(w.Get(t, who, incident).Must(t, 200).Text, "Publish the update"); got != want[0] {
			t.Errorf("%s may say something: %v", who, got)
		}
	}
}

func TestFromElsewhere(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	req := httptest.NewRequest(http.MethodPost, w.At("delete"), nil)
	if got := w.Do(t, "lead", req, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test").Status; got != 403 {
		t.Errorf("got %d", got)
	}
	if _, err := w.Status.Get(w.Lead, w.Page); err != nil {
		t.Errorf("it was deleted: %v", err)
	}
}
