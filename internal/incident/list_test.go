package incident_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pagefree/internal/incident"
)

func TestLists(t *testing.T) {
	w := newWorld(t)
	svc, svc2 := w.service("Checkout"), w.service("Search")
	foreign := w.must(201, "outsider", "POST", "/v1/services", map[string]any{"name": "Theirs", "teamId": w.other}).id()
	theirs := w.must(201, "outsider", "POST", "/v1/incidents", map[string]any{"title": "Theirs", "severity": "LOW", "serviceId": foreign}).id()
	a := w.incident(svc, "Disk FULL on web")
	b := w.incident(svc2, "disk slow")
	c := w.must(201, "responder", "POST", "/v1/incidents", map[string]any{"title": "Login", "severity": "LOW", "serviceId": svc}).id()
	w.must(200, "responder", "POST", "/v1/incidents/"+c+"/acknowledge", nil)

	tests := map[string]struct {
		who, query string
		want       []string
	}{
		"all of mine, newest first":     {"observer", "", []string{c, b, a}},
		"all of theirs":                 {"outsider", "", []string{theirs}},
		"a platform admin's":            {"admin", "", []string{c, b, a, theirs}},
		"a platform admin's, by team":   {"admin", "?teamId=" + w.other, []string{theirs}},
		"by service":                    {"observer", "?serviceId=" + svc, []string{c, a}},
		"by team":                       {"observer", "?teamId=" + w.team, []string{c, b, a}},
		"by service of another team":    {"admin", "?teamId=" + w.other + "&serviceId=" + svc, nil},
		"by status":                     {"observer", "?status=ACKNOWLEDGED", []string{c}},
		"by several statuses":           {"observer", "?status=ACKNOWLEDGED,TRIGGERED", []string{c, b, a}},
		"by severity":                   {"observer", "?severity=HIGH", []string{b, a}},
		"by part of a title, any case":  {"observer", "?q=dIsK", []string{b, a}},
		"by everything":                 {"observer", "?q=disk&severity=HIGH&status=TRIGGERED&serviceId=" + svc2, []string{b}},
		"what matches nothing is empty": {"observer", "?q=nothing", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, limit := range []int{1, 2, 50} {
				got, cursor := []string(nil), ""
				for range 10 {
					path := "/v1/incidents" + test.query
					join := "?"
					if test.query != "" {
						join = "&"
					}
					page := w.must(200, test.who, "GET", path+join+fmt.Sprintf("limit=%d%s", limit, cursor), nil)
					if len(page.Items()) > limit {
						t.Errorf("limit %d: got %d items", limit, len(page.Items()))
					}
					for _, i := range page.Items() {
						got = append(got, i["id"].(string))
					}
					next, more := page.Body["nextCursor"].(string)
					if !more {
						break
					}
					cursor = "&cursor=" + next
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("by %d: got %v, want %v", limit, got, test.want)
				}
			}
		})
	}

	refused := map[string]struct {
		who, path string
		status    int
		code      string
	}{
		"another team":              {"observer", "/v1/incidents?teamId=" + w.other, 404, "not_found"},
		"another team's service":    {"observer", "/v1/incidents?serviceId=" + foreign, 404, "not_found"},
		"no such service":           {"observer", "/v1/incidents?serviceId=svc_x", 404, "not_found"},
		"no such status":            {"observer", "/v1/incidents?status=OPEN", 422, "validation_failed"},
		"no such severity":          {"observer", "/v1/incidents?severity=P1", 422, "validation_failed"},
		"limit 0":                   {"observer", "/v1/incidents?limit=0", 422, "validation_failed"},
		"limit 201":                 {"observer", "/v1/incidents?limit=201", 422, "validation_failed"},
		"limit x":                   {"observer", "/v1/services?limit=x", 422, "validation_failed"},
		"a made-up cursor":          {"observer", "/v1/incidents?cursor=YWJj", 400, "cursor_invalid"},
		"a timeline that is theirs": {"observer", "/v1/incidents/" + theirs + "/timeline", 404, "not_found"},
	}
	for name, test := range refused {
		t.Run(name, func(t *testing.T) {
			if a := w.as(test.who, "GET", test.path, nil); a.StatusCode != test.status || a.code() != test.code {
				t.Errorf("got %d %s, want %d %s", a.StatusCode, a.Text, test.status, test.code)
			}
		})
	}
	t.Run("a cursor of another list", func(t *testing.T) {
		cursor := w.must(200, "observer", "GET", "/v1/incidents?limit=1", nil).Body["nextCursor"].(string)
		for _, path := range []string{"/v1/incidents?severity=HIGH", "/v1/services?q=x", "/v1/incidents/" + a + "/timeline?limit=1"} {
			if got := w.as("observer", "GET", path+"&cursor="+cursor, nil); got.code() != "cursor_invalid" {
				t.Errorf("%s: got %d %s", path, got.StatusCode, got.Text)
			}
		}
	})
	t.Run("the pages of a timeline", func(t *testing.T) {
		path, cursor, kinds := "/v1/incidents/"+c+"/timeline?limit=1", "", []string{}
		for range 5 {
			page := w.must(200, "observer", "GET", path+cursor, nil)
			kinds = append(kinds, page.Items()[0]["kind"].(string))
			next, more := page.Body["nextCursor"].(string)
			if !more {
				break
			}
			cursor = "&cursor=" + next
		}
		if want := []string{"acknowledged", "created"}; !slices.Equal(kinds, want) {
			t.Errorf("got %v, want %v", kinds, want)
		}
	})
}

// TestLongItemsInLists: an answer is at most 6 MB, so that one who may write
// must not be able to make a list that nobody can read any more.
func TestLongItemsInLists(t *testing.T) {
	w := newWorld(t)
	serviceID := w.service("checkout")
	long := strings.Repeat("\x01", incident.MaxNote) // six bytes each in JSON, and seven in what Lambda answers
	var first string
	for range 40 {
		first = w.must(201, "responder", "POST", "/v1/incidents", map[string]any{
			"title": "x", "severity": "LOW", "serviceId": serviceID, "description": strings.Repeat(long, incident.MaxDescription/incident.MaxNote),
		}).id()
	}
	for range 60 {
		w.must(201, "responder", "POST", "/v1/incidents/"+first+"/notes", map[string]any{"text": long})
	}
	for path, want := range map[string]int{"/v1/incidents?limit=200": 40, "/v1/incidents/" + first + "/timeline?limit=200": 61} {
		seen, cursor := map[any]bool{}, ""
		for pages := 0; pages < 20; pages++ {
			page := w.must(200, "observer", "GET", path+cursor, nil)
			if len(page.Text) > 3<<20 {
				t.Errorf("%s: a page of %d bytes", path, len(page.Text))
			}
			for _, item := range page.Items() {
				seen[item["id"]] = true
			}
			next, more := page.Body["nextCursor"].(string)
			if !more {
				break
			}
			cursor = "&cursor=" + next
		}
		if len(seen) != want {
			t.Errorf("%s: %d items on all pages, want %d", path, len(seen), want)
		}
	}
}
