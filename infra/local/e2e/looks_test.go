package e2e

import (
	"maps"
	"net/http"
	"testing"

	"pagefree/infra/local/aws"
)

// TestFaultLooks kills the function that shows pages right after each of its answers, and who counts them at any step:
// every answer that a partner got is on record once, refusals too, and the count is exact.
func TestFaultLooks(t *testing.T) {
	t.Parallel()
	p := pagesIn(hurriedStacks.world(t))
	p.component(lead, p.page, "API", "", "")
	id, token := p.grant(lead, p.page, "Counted", nil)
	paths := []string{"/status/" + p.slug, "/status/" + p.slug + "/history", "/status/" + p.slug + "/incidents/spi_none"}
	want, served := map[string]int{}, 0
	etag := ""
	for i := range *executions {
		method, path, h := "GET", paths[i%len(paths)], bearer(token)
		switch i % 7 {
		case 3:
			method = "HEAD"
		case 6:
			path = paths[0]
			h.Set("If-None-Match", etag)
		}
		switch i % 11 {
		case 4:
			p.stack.Faults().Add(aws.Fault{Function: "AccessesFunction", Service: "dynamodb", Operation: "TransactWriteItems", Do: aws.KillAfter})
		case 9:
			p.stack.Faults().Add(aws.Fault{Function: "AccessesFunction", Service: "dynamodb", Operation: "TransactWriteItems", Do: aws.Swallow})
		}
		a := p.look(method, path, h)
		p.stack.Kill("StatusFunction")
		switch a.Status {
		case http.StatusOK:
			want["served"]++
			if path == paths[0] {
				etag = a.Header.Get("ETag")
			}
		case http.StatusNotModified:
			want["served"]++
		case http.StatusNotFound:
			want["not_found"]++
		default:
			t.Fatalf("%s %s: got %d %s", method, path, a.Status, a.Raw)
		}
	}
	served = want["served"]
	p.until("every look to be on record", func() bool { return len(p.accessesOf(id)) >= *executions && p.drained("LooksQueue") })
	got, ids := map[string]int{}, map[string]bool{}
	for _, look := range p.accessesOf(id) {
		got[look["outcome"].(string)]++
		if ids[look["id"].(string)] {
			t.Errorf("%s is on record twice", look["id"])
		}
		ids[look["id"].(string)] = true
	}
	if !maps.Equal(got, want) {
		t.Errorf("on record are %v, want %v", got, want)
	}
	if count := p.call(lead, http.StatusOK, "GET", p.under("/partners/"+id), nil).Body["accessCount"]; count != float64(served) {
		t.Errorf("accessCount is %v, want %d", count, served)
	}
}

// drained reports whether a queue holds nothing, in nobody's hands either.
func (w *world) drained(queue string) bool {
	visible, inFlight, delayed := w.stack.Queues().Depth(w.stack.Template().Queues[queue].ARN)
	return visible+inFlight+delayed == 0
}

// TestFaultOfAChange kills the function of the staff's side at each write of a change, or loses the answer: the page that
// readers get is then either as before or as after, and never stands still for good.
func TestFaultOfAChange(t *testing.T) {
	t.Parallel()
	p := pagesIn(plainStacks.world(t))
	id := p.component(lead, p.page, "API", "", "")
	_, token := p.grant(lead, p.page, "Reader", nil)
	shown := func() string {
		a := p.look("GET", "/status/"+p.slug, bearer(token))
		if a.Status != http.StatusOK {
			t.Fatalf("got %d %s", a.Status, a.Raw)
		}
		return a.Body["components"].([]any)[0].(object)["status"].(string)
	}
	kept := func() string {
		return p.call(observer, http.StatusOK, "GET", p.under("/components/"+id), nil).Text("status")
	}
	p.people.Sessions[observer] = p.signIn(observer, "127.0.6.1")
	statuses := []string{"degraded_performance", "partial_outage", "major_outage", "operational"}
	for round, do := range []aws.Action{aws.KillBefore, aws.KillAfter, aws.Swallow, aws.Conflict, aws.Fail} {
		f := p.stack.Faults().Add(aws.Fault{Function: "StatusPagesFunction", Service: "dynamodb", Operation: "TransactWriteItems", Do: do})
		next := statuses[round%len(statuses)]
		a, err := p.api.Do(t.Context(), "PATCH", p.under("/components/"+id), p.people.Sessions[lead], object{"status": next})
		if err != nil {
			t.Fatal(err)
		}
		if f.Struck() == 0 {
			t.Fatalf("action %d struck nothing", do)
		}
		p.stack.Faults().Clear()
		if a.Status == http.StatusOK && shown() != next {
			t.Errorf("action %d: the change was answered, and the page shows %s", do, shown())
		}
		if shown() != kept() {
			t.Errorf("action %d: readers see %s, staff %s", do, shown(), kept())
		}
		p.call(lead, http.StatusOK, "PATCH", p.under("/components/"+id), object{"status": next}) // whatever came of it, it can be said again
		if shown() != next {
			t.Errorf("action %d: the page shows %s after the change was said again", do, shown())
		}
	}
}
