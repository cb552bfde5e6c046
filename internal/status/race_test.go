package status_test

import (
	"fmt"
	"sync"
	"testing"

	front "pagefree/infra/local/aws"
	"pagefree/internal/status"
)

// patiently calls as the lead, and again where it is a 503: a slow machine may
// answer so while many write, and then nothing was done.
func (w *world) patiently(method, path string, body any) answer {
	w.t.Helper()
	for {
		a := w.as("lead", method, path, body)
		if a.StatusCode != 503 || a.Header.Get("Retry-After") == "" {
			return a
		}
	}
}

func TestFiftyChangesAtOnceAreAllPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	var paths []string
	for n := range 50 {
		paths = append(paths, page+"/components/"+w.component(page, fmt.Sprint("Component ", n)))
	}
	before := w.clock.Now()
	var wg sync.WaitGroup
	for n, path := range paths {
		wg.Go(func() {
			if a := w.patiently("PATCH", path, object{"status": "partial_outage", "description": fmt.Sprint("by ", n)}); a.StatusCode != 200 {
				t.Errorf("%d: got %d %s", n, a.StatusCode, a.Text)
			}
		})
	}
	wg.Wait()
	for n, c := range w.view("acme", status.Reader{}).Components {
		if c.Status != status.PartialOutage || c.Description != fmt.Sprint("by ", n) {
			t.Errorf("published %s as %s, %q", c.Name, c.Status, c.Description)
		}
	}
	if events := w.recorded(before); len(events) != 50 {
		t.Errorf("recorded %d changes", len(events))
	}
}

func TestWritersOfDifferentThingsBothLand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	web := w.component(page, "Website")
	i := w.incident(page, "Down", web)
	m := w.maintenance(page, 1e12, 2e12, web)
	var wg sync.WaitGroup
	for method, call := range map[string][3]any{
		"name":       {"PATCH", page, object{"name": "New name"}},
		"slug":       {"PATCH", page, object{"slug": "acme-cloud"}},
		"component":  {"POST", page + "/components", object{"name": "Database"}},
		"update":     {"POST", i + "/updates", object{"status": "monitoring", "body": "Better."}},
		"title":      {"PATCH", i, object{"title": "Was down"}},
		"second":     {"POST", i + "/updates", object{"status": "monitoring", "body": "Better still."}},
		"plan":       {"PATCH", m, object{"title": "Replanned"}},
		"said of it": {"POST", m + "/updates", object{"status": "scheduled", "body": "Soon."}},
		"token":      {"POST", page + "/shared-token", nil},
	} {
		wg.Go(func() {
			if a := w.patiently(call[0].(string), call[1].(string), call[2]); a.StatusCode > 201 {
				t.Errorf("%s: got %d %s", method, a.StatusCode, a.Text)
			}
		})
	}
	wg.Wait()
	v := w.view("acme-cloud", status.Reader{})
	if v.Name != "New name" || len(v.Components) != 2 || v.Incidents[0].Title != "Was down" || len(v.Incidents[0].Updates) != 3 ||
		v.Maintenances[0].Title != "Replanned" || len(v.Maintenances[0].Updates) != 1 {
		t.Errorf("published %+v", v)
	}
	if p := w.must(200, "lead", "GET", page, nil); p.Body["sharedToken"] != true || p.Str("slug") != "acme-cloud" {
		t.Errorf("kept %s", p.Text)
	}
}

func TestOneSlugForManyWhoWantIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mover := w.page("mover")
	codes := make([]int, 8)
	var wg sync.WaitGroup
	for n := range codes {
		wg.Go(func() {
			if n == 0 {
				codes[n] = w.as("lead", "PATCH", mover, object{"slug": "wanted"}).StatusCode
			} else {
				codes[n] = w.as("lead", "POST", "/v1/status-pages", object{"name": "x", "slug": "wanted", "teamId": w.team}).StatusCode
			}
		})
	}
	wg.Wait()
	won := 0
	for _, code := range codes {
		switch code {
		case 200, 201:
			won++
		case 409:
		default:
			t.Errorf("got %d", code)
		}
	}
	if won != 1 {
		t.Errorf("%d got it", won)
	}
}

func TestAMaintenanceEndsOnceByManyHands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	m := w.maintenance(page, -1e9, 1e12)
	count := map[int]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for n := range 6 {
		wg.Go(func() {
			var code int
			if n%2 == 0 {
				code = w.as("responder", "POST", m+"/updates", object{"status": "completed", "body": "x"}).StatusCode
			} else {
				code = w.as("responder", "POST", m+"/cancel", nil).StatusCode
			}
			mu.Lock()
			count[code]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if count[409] != 5 {
		t.Errorf("got %v, want one that ended it", count)
	}
	ended := 0
	for _, event := range w.sweep() {
		if event == "maintenance.ended" {
			ended++
		}
	}
	if cancelled := count[200]; ended != 1-cancelled {
		t.Errorf("recorded %d ends, and it was cancelled %d times", ended, cancelled)
	}
}

func TestChangesThatMeetConflictsLandAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	n := 0
	w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Conflict, Times: -1, When: func(front.Call) bool {
		n++ // every second call, as if another were at the same item
		return n%2 == 0
	}})
	var wg sync.WaitGroup
	for n := range 10 {
		wg.Go(func() { w.component(page, fmt.Sprint("Component ", n)) })
	}
	wg.Wait()
	w.env.Faults.Clear()
	if got := len(w.view("acme", status.Reader{}).Components); got != 10 {
		t.Errorf("published %d components", got)
	}
}
