package integration_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"pagefree/internal/incident"
	"pagefree/internal/incident/integration"
)

// shuffled deals records into batches of ten at random, as SQS may bring them.
func shuffled(all events.SQSEvent) []events.SQSEvent {
	rand.Shuffle(len(all.Records), func(i, j int) { all.Records[i], all.Records[j] = all.Records[j], all.Records[i] })
	var out []events.SQSEvent
	for batch := range slices.Chunk(all.Records, 10) {
		out = append(out, events.SQSEvent{Records: batch})
	}
	return out
}

// atOnce handles batches side by side, a few at a time, as the event source does.
func (w *world) atOnce(batches []events.SQSEvent) {
	w.t.Helper()
	var wg sync.WaitGroup
	work := make(chan events.SQSEvent)
	for range 4 {
		wg.Go(func() {
			for batch := range work {
				for len(batch.Records) > 0 { // what failed comes again
					left := w.taker.Batch(w.t.Context(), batch).BatchItemFailures
					batch.Records = slices.DeleteFunc(batch.Records, func(m events.SQSMessage) bool {
						return !slices.ContainsFunc(left, func(f events.SQSBatchItemFailure) bool { return f.ItemIdentifier == m.MessageId })
					})
				}
			}
		})
	}
	for _, b := range batches {
		work <- b
	}
	close(work)
	wg.Wait()
}

// TestABurst of 1,000 deliveries at once: none is lost, none counted twice, and each incident opens once.
func TestABurst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("generic")
	const total, keys = 1000, 50
	began := time.Now()
	var wg sync.WaitGroup
	for worker := range 50 {
		wg.Go(func() {
			for n := worker; n < total; n += 50 {
				key := fmt.Sprintf("k%d", n%keys)
				if n%10 == 9 {
					key = "" // these stand alone
				}
				if a := s.bearer(alert("firing", key)); a.StatusCode != 202 {
					t.Errorf("got %d %s", a.StatusCode, a.Text)
				}
			}
		})
	}
	wg.Wait()
	taken := time.Now()
	batch := w.records()
	batch.Records = append(batch.Records, batch.Records[:100]...) // SQS brings some twice
	for i := range batch.Records {
		batch.Records[i].MessageId = fmt.Sprint(i)
	}
	w.atOnce(shuffled(batch))
	t.Logf("%d through the door in %s, made incidents of in %s", total, taken.Sub(began).Round(time.Millisecond), time.Since(taken).Round(time.Millisecond))
	alerts, open := int64(0), map[string]int{}
	got := w.incidents()
	for _, i := range got {
		alerts += i.AlertCount
		if i.DedupKey != nil {
			open[*i.DedupKey]++
		}
	}
	const alone = total / 10
	if alerts != total || len(got) != alone+len(open) {
		t.Errorf("%d alerts in %d incidents of %d keys, want %d in %d and one for each key", alerts, len(got), len(open), total, alone)
	}
	for key, n := range open {
		if n != 1 {
			t.Errorf("%s has %d incidents", key, n)
		}
	}
	if n := w.due(); n != 0 {
		t.Errorf("%d are due still", n)
	}
}

// TestTheLastOneCounts: fires and resolves of each key are delivered one after the other, and handled in whatever order
// messages come: what counts in the end is the last that arrived.
func TestTheLastOneCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("generic")
	var wg sync.WaitGroup
	for key := range 12 {
		wg.Go(func() {
			for n := range 7 + key%2 { // odd keys end with a resolve
				status := "firing"
				if n%2 == 1 {
					status = "resolved"
				}
				if a := s.bearer(alert(status, fmt.Sprint(key))); a.StatusCode != 202 {
					t.Errorf("got %d %s", a.StatusCode, a.Text)
				}
			}
		})
	}
	wg.Wait()
	w.atOnce(shuffled(w.records()))
	opened, open := map[string]int{}, map[string]bool{}
	for _, i := range w.incidents() {
		opened[*i.DedupKey]++
		open[*i.DedupKey] = open[*i.DedupKey] || i.Status != "RESOLVED"
	}
	for key := range 12 {
		name := fmt.Sprint(key)
		if open[name] != (key%2 == 0) || opened[name] != 4 {
			t.Errorf("key %s: %d incidents, one open: %v", name, opened[name], open[name])
		}
	}
	if n := w.due(); n != 0 {
		t.Errorf("%d are due still", n)
	}
}

// TestALateHelper: one that stalled between its look and its write does nothing any more once another handled what it was at.
func TestALateHelper(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("generic")
	w.accepted(s.bearer(alert("firing", "k")))
	w.accepted(s.bearer(alert("resolved", "k")))
	batch := w.records()
	fire := slices.IndexFunc(batch.Records, func(m events.SQSMessage) bool { return strings.Contains(m.Body, s.deliveries()[1]["id"].(string)) })
	first := events.SQSEvent{Records: []events.SQSMessage{batch.Records[fire]}}
	second := events.SQSEvent{Records: []events.SQSMessage{batch.Records[1-fire]}}

	stalled, goOn := make(chan bool), make(chan bool)
	slow := &desk{Desk: w.taker.Desk, before: func(incident.From, incident.Alert) error {
		stalled <- true
		<-goOn
		return nil
	}}
	done := make(chan events.SQSEventResponse)
	go func() {
		done <- (&integration.Taker{Store: w.taker.Store, Desk: slow, Now: w.taker.Now}).Batch(t.Context(), first)
	}()
	<-stalled
	if got := w.taker.Batch(t.Context(), second); len(got.BatchItemFailures) != 0 {
		t.Errorf("the resolve: got %+v", got)
	}
	goOn <- true
	if got := <-done; len(got.BatchItemFailures) != 0 {
		t.Errorf("the late one: got %+v", got)
	}
	if got := w.incidents(); len(got) != 1 || got[0].Status != "RESOLVED" || got[0].AlertCount != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestACrash at any step of a delivery's way: it is handled by the sweep, once.
func TestACrash(t *testing.T) {
	t.Parallel()
	tests := map[string]func(w *world, s sender){
		"before the message": func(w *world, s sender) {
			w.door.Queue = broken{}
			w.accepted(s.bearer(alert("firing", "")))
		},
		"with the message lost": func(w *world, s sender) {
			w.accepted(s.bearer(alert("firing", "")))
			w.records()
		},
		"before the incident": func(w *world, s sender) {
			w.accepted(s.bearer(alert("firing", "")))
			once(w, &desk{Desk: w.taker.Desk, before: func(incident.From, incident.Alert) error { return errDesk }})
		},
		"before it was written down": func(w *world, s sender) {
			w.accepted(s.bearer(alert("firing", "")))
			once(w, &desk{Desk: w.taker.Desk, after: func(incident.From) error { return errDesk }})
		},
	}
	for name, crash := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.connect("generic")
			crash(w, s)
			if n := w.due(); n != 1 {
				t.Fatalf("%d are due, want 1", n)
			}
			w.sweep()
			w.sweep()
			got := w.incidents()
			if len(got) != 1 || got[0].AlertCount != 1 || w.due() != 0 {
				t.Errorf("got %+v, %d due", got, w.due())
			}
			if d := s.deliveries()[0]; d["incidentId"] != got[0].ID || d["result"] != "opened" {
				t.Errorf("on record: %v", d)
			}
		})
	}
}

// once handles what waits in the queue before a desk that fails.
func once(w *world, d *desk) {
	w.t.Helper()
	real := w.taker.Desk
	w.taker.Desk = d
	if failed := w.taker.Batch(w.t.Context(), w.records()).BatchItemFailures; len(failed) != 1 {
		w.t.Fatalf("%d messages failed, want 1", len(failed))
	}
	w.taker.Desk = real
}

// TestGivingUp: after ten tries of the sweep, one that fails stands in the way of no other of its key.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("generic")
	var metrics bytes.Buffer
	real := w.taker.Desk
	var poison string
	w.sweeper.Metrics, w.taker.Desk = &metrics, &desk{Desk: real, before: func(from incident.From, _ incident.Alert) error {
		if from.DeliveryID == poison {
			return errDesk
		}
		return nil
	}}
	w.accepted(s.bearer(alert("firing", "k")))
	w.take()
	w.accepted(s.bearer(alert("resolved", "k")))
	poison = s.deliveries()[0]["id"].(string)
	w.accepted(s.bearer(alert("firing", "k")))
	w.accepted(s.bearer(alert("resolved", "k")))
	w.accepted(s.bearer(alert("firing", "other")))
	w.records()
	for n, minutes := range []int{1, 1, 2, 4, 8, 16, 30, 30, 30, 30} {
		if strings.Contains(metrics.String(), "DueItemsFailed") {
			t.Fatalf("given up after %d tries", n)
		}
		w.clock.Advance(time.Duration(minutes) * time.Minute)
		if err := w.sweeper.Sweep(t.Context()); err != nil { // that one is tried again is no failure of the sweep
			t.Fatalf("try %d: got %v", n+1, err)
		}
		if got := w.incidents(); n < 9 && (len(got) != 2 || got[0].AlertCount != 1 || got[1].AlertCount != 1) {
			t.Fatalf("the other key waits too, or the order was not kept: %+v", got)
		}
	}
	w.sweep()
	for _, metric := range []string{`"DueItemsFailing":1`, `"DueItemsFailed":1`} {
		if got := strings.Count(metrics.String(), metric); got != 1 {
			t.Errorf("metrics: %s stands there %d times: %s", metric, got, metrics.String())
		}
	}
	list := s.deliveries()
	i := slices.IndexFunc(list, func(d map[string]any) bool { return d["id"] == poison })
	if list[i]["result"] != "failed" || list[i]["error"] == nil || list[i]["handledAt"] == nil {
		t.Errorf("on record: %v", list[i])
	}
	failed := 0
	for shard := range 8 {
		failed += w.count(fmt.Sprintf("failed#%d", shard))
	}
	if got := w.incidents(); failed != 1 || w.due() != 0 || len(got) != 2 || got[1].Status != "RESOLVED" || got[1].AlertCount != 2 {
		t.Errorf("%d given up, %d due, and %+v", failed, w.due(), got)
	}
}

// TestLate: what came late is on record as such, and led to nothing.
func TestLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("pagerduty", "secret", "made-by-pagerduty")
	event := func(id, kind string, minute int) {
		body := fmt.Sprintf(`{"event":{"id":%q,"event_type":"incident.%s","occurred_at":%q,"data":{"id":"P1","title":"Queue grows"}}}`,
			id, kind, w.clock.Now().Add(time.Duration(minute)*time.Minute).Format(time.RFC3339))
		h := hmac.New(sha256.New, []byte(s.secret))
		h.Write([]byte(body))
		w.accepted(s.post(body, "X-PagerDuty-Signature", "v1="+hex.EncodeToString(h.Sum(nil))))
		w.take()
	}
	event("1", "resolved", -1)
	event("2", "triggered", -2)
	if got := w.incidents(); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
	if d := s.deliveries()[0]; d["result"] != "nothing" || !strings.Contains(fmt.Sprint(d["detail"]), "late") {
		t.Errorf("on record: %v", d)
	}
	event("3", "triggered", 0)
	if got := w.incidents(); len(got) != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestMessagesOfNothing: one that cannot be read fails alone; one whose delivery is gone is done.
func TestMessagesOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	batch := events.SQSEvent{Records: []events.SQSMessage{
		{MessageId: "a", Body: "no JSON"}, {MessageId: "b", Body: `{}`},
		{MessageId: "c", Body: `{"integrationId":"int_1","deliveryId":"dlv_1","group":"x"}`},
	}}
	var failed []string
	for _, f := range w.taker.Batch(t.Context(), batch).BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	if !slices.Equal(failed, []string{"a", "b"}) {
		t.Errorf("failed: %v", failed)
	}
	raw, _ := json.Marshal(w.taker.Batch(t.Context(), events.SQSEvent{}))
	if string(raw) != `{"batchItemFailures":[]}` {
		t.Errorf("nothing at all: got %s", raw)
	}
}

// TestAfterTheEnd: what was accepted before an integration or its service was deleted is handled all the same.
func TestAfterTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("generic")
	w.accepted(s.bearer(alert("firing", "k")))
	w.must(204, "lead", "DELETE", s.path(), nil)
	w.take()
	if got := w.incidents(); len(got) != 1 {
		t.Errorf("got %+v", got)
	}
}
