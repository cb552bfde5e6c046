package incident_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	front "pagefree/infra/local/aws"
	"pagefree/internal/audit"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/timestamp"
)

func TestAlertsThatMeetConflictsAreCountedAllTheSame(t *testing.T) {
	w := newWorld(t)
	svc := w.service("Checkout")
	n := 0
	w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Conflict, Times: -1, When: func(front.Call) bool {
		n++ // every second call, as if another were at the same item
		return n%2 == 0
	}})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			a := w.as("responder", "POST", "/v1/incidents", map[string]any{"title": "x", "severity": "LOW", "serviceId": svc, "dedupKey": "k"})
			if a.StatusCode != 200 && a.StatusCode != 201 {
				t.Errorf("got %d %s", a.StatusCode, a.Text)
			}
		})
	}
	wg.Wait()
	w.env.Faults.Clear()
	items := w.must(200, "observer", "GET", "/v1/incidents", nil).Items()
	if len(items) != 1 || items[0]["alertCount"] != 20.0 {
		t.Errorf("got %v, want one incident of 20 alerts", items)
	}
}

func TestAConflictThatDoesNotEndIsA503(t *testing.T) {
	w := newWorld(t)
	svc := w.service("Checkout")
	path := "/v1/incidents/" + w.incident(svc, "x")
	w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Conflict, Times: -1})
	var wg sync.WaitGroup
	for _, test := range [][3]string{
		{"POST", path + "/acknowledge", ""},
		{"POST", path + "/notes", `{"text":"x"}`},
		{"PATCH", path, `{"title":"y"}`},
		{"POST", "/v1/incidents", `{"title":"x","severity":"LOW","serviceId":"` + svc + `","dedupKey":"k"}`},
		{"PATCH", "/v1/services/" + svc, `{"name":"y"}`},
	} {
		wg.Go(func() {
			a := w.as("lead", test[0], test[1], test[2])
			if a.StatusCode != 503 || a.code() != "unavailable" || a.Header.Get("Retry-After") == "" {
				t.Errorf("%v: got %d %s, want a 503", test, a.StatusCode, a.Text)
			}
		})
	}
	wg.Wait()
}

func TestManyWhoAcknowledgeAtOnce(t *testing.T) {
	w := newWorld(t)
	path := "/v1/incidents/" + w.incident(w.service("Checkout"), "x")
	codes := make([]int, 10)
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() { codes[i] = w.as("responder", "POST", path+"/acknowledge", nil).StatusCode })
	}
	wg.Wait()
	count := map[int]int{}
	for _, code := range codes {
		count[code]++
	}
	if count[200] != 1 || count[409] != 9 {
		t.Errorf("got %v, want one 200 and nine 409", count)
	}
	if n := len(w.must(200, "observer", "GET", path+"/timeline", nil).Items()); n != 2 {
		t.Errorf("got %d entries, want created and acknowledged", n)
	}
}

func TestChangesThatCrossAreAllKept(t *testing.T) {
	w := newWorld(t)
	path := "/v1/incidents/" + w.incident(w.service("Checkout"), "x")
	var wg sync.WaitGroup
	for _, body := range []string{`{"title":"new"}`, `{"severity":"CRITICAL"}`, `{"description":"d"}`, `{"labels":{"a":"b"}}`} {
		wg.Go(func() {
			if a := w.as("responder", "PATCH", path, body); a.StatusCode != 200 {
				t.Errorf("%s: got %d %s", body, a.StatusCode, a.Text)
			}
		})
	}
	wg.Wait()
	got := w.must(200, "observer", "GET", path, nil).Body
	if got["title"] != "new" || got["severity"] != "CRITICAL" || got["description"] != "d" || fmt.Sprint(got["labels"]) != "map[a:b]" {
		t.Errorf("got %v", got)
	}
}

func TestAnAnswerThatWasLostIsNotASecondIncident(t *testing.T) {
	w := newWorld(t)
	svc := w.service("Checkout")
	w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Swallow})
	w.must(201, "responder", "POST", "/v1/incidents", map[string]any{"title": "x", "severity": "LOW", "serviceId": svc})
	if items := w.must(200, "observer", "GET", "/v1/incidents", nil).Items(); len(items) != 1 {
		t.Errorf("got %d incidents, want 1", len(items))
	}
}

// TestEntriesOfOtherRooms is how an execution comes onto the timeline.
func TestEntriesOfOtherRooms(t *testing.T) {
	w := newWorld(t)
	i := w.incident(w.service("Checkout"), "x")
	execution := "ex_01ARZ3NDEKTSV4RRFFQ69G5FAV"
	e := incident.Entry{
		At: timestamp.Of(w.clock.Now()), Kind: incident.EntryExecution, Actor: audit.Ref{Kind: "user", ID: "usr_responder"},
		Text: "restart-web", ExecutionID: &execution, Status: "COMPLETED", Detail: map[string]any{"exitCode": 0},
	}
	store := w.desk.Store
	if err := dynamo.Commit(t.Context(), store.Table.DB, store.Append(i, e)); err != nil {
		t.Fatal(err)
	}
	got := w.must(200, "observer", "GET", "/v1/incidents/"+i+"/timeline", nil).Items()[0]
	if got["kind"] != "execution" || got["executionId"] != execution || got["status"] != "COMPLETED" || got["text"] != "restart-web" || !strings.HasPrefix(got["id"].(string), "tl_") {
		t.Errorf("got %v", got)
	}
	e.ID = got["id"].(string)
	err := dynamo.Commit(t.Context(), store.Table.DB, store.Append(i, e))
	if _, lost := dynamo.Failed(err); !lost {
		t.Errorf("an entry with an id of its own is written once: got %v", err)
	}
}
