package partner_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	front "pagefree/infra/local/aws"
	"pagefree/internal/partner"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
)

const retention = 30 * 24 * time.Hour

// counter has the rights of its function and no others.
func (w *world) counter() *partner.Counter {
	return &partner.Counter{Table: dynamo.Table{Name: w.table.Name, DB: dynamodb.NewFromConfig(w.env.ConfigOf("AccessesFunction"))}, Retention: retention}
}

// look is a look of an access now.
func (w *world) look(made answer, outcome string) partner.Look {
	at := timestamp.Of(w.clock.Now())
	return partner.Look{
		ID: id.New(id.PartnerLook, at.Time), AccessID: made.id(), PageID: made.Str("statusPageId"), At: at,
		Method: "GET", Path: "/status/acme-cloud", IP: from, UserAgent: "reader/1", Outcome: outcome, Via: seat.ByToken,
	}
}

// batch is what Lambda gets from SQS; message n is called m<n>.
func batch(t *testing.T, messages ...any) events.SQSEvent {
	t.Helper()
	var e events.SQSEvent
	for i, m := range messages {
		body, ok := m.(string)
		if !ok {
			raw, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			body = string(raw)
		}
		e.Records = append(e.Records, events.SQSMessage{MessageId: fmt.Sprintf("m%d", i), Body: body})
	}
	return e
}

func failed(r events.SQSEventResponse) string {
	var out []string
	for _, f := range r.BatchItemFailures {
		out = append(out, f.ItemIdentifier)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// counted is how many looks an access says that it has, when the last was, and how many are on record.
func (w *world) counted(made answer) (count float64, last string, entries []map[string]any) {
	w.t.Helper()
	path := of(made.Str("statusPageId"), "partners", made.id())
	a := w.must(200, "lead", "GET", path, nil)
	cursor := ""
	for {
		page := w.must(200, "lead", "GET", path+"/accesses?limit=200"+cursor, nil)
		entries = append(entries, page.Items()...)
		next, more := page.Body["nextCursor"].(string)
		if !more {
			return a.Body["accessCount"].(float64), a.Str("lastAccessAt"), entries
		}
		cursor = "&cursor=" + next
	}
}

func TestCounting(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.grant("Acme", "ops@acme.test"), w.grant("Globex", "ops@globex.test")
	etag := w.must(200, "lead", "GET", of(w.page, "partners", acme.id()), nil).Header.Get("ETag")
	a1, a2, refused, g1 := w.look(acme, "served"), w.look(acme, "served"), w.look(acme, "ip_not_allowed"), w.look(globex, "served")
	a2.PersonID, a2.Via = "prs_x", seat.BySession
	got, err := w.counter().Handle(t.Context(), batch(t, a1, g1, a2, refused, a1))
	if err != nil || failed(got) != "" || got.BatchItemFailures == nil {
		t.Fatalf("got %+v, %v", got, err)
	}
	count, last, entries := w.counted(acme)
	if count != 2 || last != a2.At.String() || len(entries) != 3 {
		t.Errorf("got %v, %s, %v", count, last, entries)
	}
	want := map[string]any{
		"id": a2.ID, "at": a2.At.String(), "method": "GET", "path": "/status/acme-cloud", "ip": from, "userAgent": "reader/1", "outcome": "served", "via": "session", "personId": "prs_x",
	}
	if entries[0]["outcome"] != "ip_not_allowed" || fmt.Sprint(entries[1]) != fmt.Sprint(want) || entries[2]["id"] != a1.ID {
		t.Errorf("on record: %v, want the newest first, and %v", entries, want)
	}
	if _, has := entries[2]["personId"]; has {
		t.Errorf("a token is a person: %v", entries[2])
	}
	if count, _, entries := w.counted(globex); count != 1 || len(entries) != 1 {
		t.Errorf("the other access: got %v, %v", count, entries)
	}
	// Looks are no change of the access: whoever edits it does not lose to a reader.
	w.must(200, "lead", "PATCH", of(w.page, "partners", acme.id()), `{"mail":true}`, "If-Match", etag)
	if count, last, _ := w.counted(acme); count != 2 || last != a2.At.String() {
		t.Errorf("after a change: got %v, %s", count, last)
	}
	t.Run("what is too old is not shown", func(t *testing.T) {
		w.clock.Advance(retention - time.Minute)
		if _, _, entries := w.counted(acme); len(entries) != 3 {
			t.Errorf("a minute before: got %v", entries)
		}
		w.clock.Advance(2 * time.Minute)
		if count, _, entries := w.counted(acme); len(entries) != 0 || count != 2 {
			t.Errorf("got %v, %v", count, entries)
		}
	})
}

func TestCountingOnce(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	c := w.counter()
	handle := func(messages ...any) string {
		t.Helper()
		got, err := c.Handle(t.Context(), batch(t, messages...))
		if err != nil {
			t.Fatal(err)
		}
		return failed(got)
	}
	looks := make([]any, 120) // more than one transaction takes
	for i := range looks {
		looks[i] = w.look(made, "served")
	}
	check := func(what string, want float64) {
		t.Helper()
		count, last, entries := w.counted(made)
		seen := map[any]bool{}
		for _, e := range entries {
			seen[e["id"]] = true
		}
		if count != want || len(entries) != int(want) || len(seen) != int(want) || last != looks[119].(partner.Look).At.String() {
			t.Errorf("%s: got %v, %d on record, last %s, want %v", what, count, len(entries), last, want)
		}
	}
	if got := handle(append(slices.Clone(looks[60:]), looks[70:90]...)...); got != "" {
		t.Errorf("failed: %s", got)
	}
	check("the later half, some twice", 60)
	handle(looks...)
	check("all, of which half are there", 120)
	handle(looks...)
	check("all again", 120)

	t.Run("its answer was lost", func(t *testing.T) {
		w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Swallow, Times: 2})
		looks = append(looks, w.look(made, "served"))
		looks[119] = looks[120]
		if got := handle(looks[120]); got != "" {
			t.Errorf("failed: %s", got)
		}
		check("one more", 121)
	})
	t.Run("its transaction fails", func(t *testing.T) {
		fault := w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Fail, Times: -1})
		looks[119] = w.look(made, "served")
		if got := handle(looks[119], "not JSON", looks[119]); got != "m0 m1 m2" {
			t.Errorf("failed: %s", got)
		}
		fault.Remove()
		if got := handle(looks[119]); got != "" {
			t.Errorf("failed: %s", got)
		}
		check("after it", 122)
	})
}

func TestWhatIsNoLook(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	good := w.look(made, "served")
	unknown := w.look(made, "served")
	unknown.AccessID = id.New(id.PartnerAccess, w.clock.Now())
	foreign := w.look(made, "served")
	foreign.PageID = w.second
	odd, nowhere, nobody := good, good, good
	odd.ID, nowhere.AccessID, nobody.PageID = "look_x", "acc_1#x", ""
	got, err := w.counter().Handle(t.Context(), batch(t, "not JSON", good, unknown, foreign, odd, nowhere, nobody, `{}`, `[]`))
	if err != nil || failed(got) != "m0 m2 m3 m4 m5 m6 m7 m8" {
		t.Errorf("got %s, %v", failed(got), err)
	}
	if count, _, entries := w.counted(made); count != 1 || len(entries) != 1 {
		t.Errorf("got %v, %v", count, entries)
	}
	if got, err := w.counter().Handle(t.Context(), events.SQSEvent{}); err != nil || got.BatchItemFailures == nil {
		t.Errorf("of nothing: got %+v, %v", got, err)
	}
}

// TestManyCount: several instances with the same looks at the same access, and transactions that meet each other.
func TestManyCount(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	var mu sync.Mutex
	n := 0
	w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Conflict, Times: -1, When: func(front.Call) bool {
		mu.Lock()
		defer mu.Unlock()
		n++
		return n%3 == 0
	}})
	looks := make([]any, 200)
	for i := range looks {
		looks[i] = w.look(made, "served")
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			some := slices.Concat(looks[i*20:i*20+60], looks[:20]) // each look several times, in another company
			for range 20 {                                         // as SQS brings back what failed
				got, err := w.counter().Handle(t.Context(), batch(t, some...))
				if err != nil {
					t.Error(err)
				}
				if len(got.BatchItemFailures) == 0 {
					return
				}
			}
			t.Error("it never went through")
		})
	}
	wg.Wait()
	w.env.Faults.Clear()
	if count, last, entries := w.counted(made); count != 200 || len(entries) != 200 || last != looks[199].(partner.Look).At.String() {
		t.Errorf("got %v, %d on record, last %s", count, len(entries), last)
	}
}

// TestTheQueueToTheRecord: from the door by SQS, whose messages come again when their deletion is lost.
func TestTheQueueToTheRecord(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test", "ipAllowlist", []string{from})
	door := w.door(time.Time{})
	for i := range 30 {
		ip := from
		if i%3 == 0 {
			ip = "198.51.100.1"
		}
		v, err := door.Enter(coming(t.Context(), w.byToken(made), ip), partner.Request{Slug: "acme-cloud", Method: "GET", Path: "/status/acme-cloud"})
		if err == nil {
			err = v.Recorded(t.Context())
		}
		if (err != nil) != (i%3 == 0) {
			t.Fatal(err)
		}
	}
	client, url := sqs.NewFromConfig(w.env.ConfigOf("AccessesFunction")), w.env.QueueURL("LooksQueue")
	for round := 0; ; round++ {
		got, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 600})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Messages) == 0 {
			break
		}
		var e events.SQSEvent
		for _, m := range got.Messages {
			e.Records = append(e.Records, events.SQSMessage{MessageId: *m.MessageId, Body: *m.Body})
		}
		answer, err := w.counter().Handle(t.Context(), e)
		if err != nil || len(answer.BatchItemFailures) != 0 {
			t.Fatalf("got %+v, %v", answer, err)
		}
		if round%2 == 0 { // it dies here, and SQS brings them back
			for _, m := range got.Messages {
				if _, err := sqs.NewFromConfig(w.env.Config).ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
					t.Fatal(err)
				}
			}
			continue
		}
		var done []sqstypes.DeleteMessageBatchRequestEntry
		for _, m := range got.Messages {
			done = append(done, sqstypes.DeleteMessageBatchRequestEntry{Id: m.MessageId, ReceiptHandle: m.ReceiptHandle})
		}
		if _, err := client.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: done}); err != nil {
			t.Fatal(err)
		}
	}
	if count, _, entries := w.counted(made); count != 20 || len(entries) != 30 {
		t.Errorf("got %v, %d on record, want 20 of 30", count, len(entries))
	}
}

// TestLists: pages of each list, in order, and cursors that are good for their own list alone.
func TestLists(t *testing.T) {
	w := newWorld(t)
	made := w.grant("A0", "a0@acme.test")
	path := of(w.page, "partners", made.id())
	for i := 1; i < 5; i++ {
		w.grant(fmt.Sprintf("A%d", i), fmt.Sprintf("a%d@acme.test", i))
		w.must(201, "lead", "POST", path+"/people", fmt.Sprintf(`{"email":"p%d@acme.test"}`, i))
		w.signIn(made.id(), "prs_x", "x@acme.test", 0, week)
	}
	w.signIn(made.id(), "prs_x", "x@acme.test", 0, week)
	for range 5 {
		if _, err := w.counter().Handle(t.Context(), batch(t, w.look(made, "served"))); err != nil {
			t.Fatal(err)
		}
	}
	lists := []string{of(w.page, "partners"), path + "/people", path + "/sessions", path + "/accesses", "/v1/partners"}
	for _, list := range lists {
		for _, limit := range []int{1, 2, 5, 50} {
			var ids []string
			cursor := ""
			for range 10 {
				page := w.must(200, "lead", "GET", fmt.Sprintf("%s?limit=%d%s", list, limit, cursor), nil)
				for _, item := range page.Items() {
					ids = append(ids, item["id"].(string))
				}
				next, more := page.Body["nextCursor"].(string)
				if !more {
					break
				}
				cursor = "&cursor=" + next
			}
			sorted := slices.Clone(ids)
			slices.Sort(sorted)
			slices.Reverse(sorted)
			if len(ids) != 5 || !slices.Equal(ids, sorted) {
				t.Errorf("%s by %d: got %v", list, limit, ids)
			}
		}
		next := w.must(200, "lead", "GET", list+"?limit=1", nil).Body["nextCursor"].(string)
		for _, other := range append(slices.Clone(lists), of(w.second, "partners")) {
			if a := w.as("lead", "GET", other+"?cursor="+next, nil); (a.code() == "cursor_invalid") == (other == list) {
				t.Errorf("a cursor of %s at %s: got %d %s", list, other, a.StatusCode, a.Text)
			}
		}
		for _, limit := range []string{"0", "201", "x"} {
			if a := w.as("lead", "GET", list+"?limit="+limit, nil); a.StatusCode != 422 {
				t.Errorf("%s by %s: got %d", list, limit, a.StatusCode)
			}
		}
	}
}
