package reactor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/awstest"
	"pagefree/internal/incident"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/stream"
	"pagefree/internal/workflow"
)

var noon = time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)

// heard is everybody whom the reactor calls. It writes down what it heard, and fails while it is told to.
type heard struct {
	sync.Mutex
	said    []string
	broken  map[string]bool
	begun   []string // the runs that each match begins
	delayed events.SQSEvent
}

func (h *heard) hear(what, about string) error {
	h.Lock()
	defer h.Unlock()
	if h.broken[what] {
		return errors.New(what + " is broken")
	}
	h.said = append(h.said, what+" "+about)
	return nil
}

func (h *heard) Match(_ context.Context, e outbox.Event) ([]string, error) {
	return h.begun, h.hear("match", e.About)
}

func (h *heard) Go(_ context.Context, runs []string) {
	for _, run := range runs {
		h.hear("go", run)
	}
}

func (h *heard) Ended(_ context.Context, e outbox.Event) (bool, error) {
	return e.Detail["status"] == "FAILED", h.hear("ended", e.About)
}
func (h *heard) Advance(_ context.Context, id string) error  { return h.hear("advance", id) }
func (h *heard) Escalate(_ context.Context, id string) error { return h.hear("escalate", id) }
func (h *heard) Send(_ context.Context, message any) error {
	e := message.(outbox.Event)
	return h.hear("notice", strings.TrimSpace(e.About+" "+e.Detail[outbox.ToldByRun]))
}

func (h *heard) SendLater(_ context.Context, message any, wait time.Duration) error {
	if err := h.hear("later", fmt.Sprint(message.(due.Item).Subject, " ", wait)); err != nil {
		return err
	}
	body, err := json.Marshal(message)
	h.delayed.Records = append(h.delayed.Records, events.SQSMessage{MessageId: fmt.Sprint(len(h.delayed.Records)), Body: string(body)})
	return err
}

type world struct {
	*testing.T
	*Reactor
	*heard
	now time.Time
}

func newWorld(t *testing.T) *world {
	t.Parallel()
	env := awstest.New(t)
	w := &world{T: t, heard: &heard{broken: map[string]bool{}}, now: noon}
	table := dynamo.Table{Name: env.Table("AutomationTable"), DB: dynamodb.NewFromConfig(env.ConfigOf("ReactorFunction"))}
	clock := func() time.Time { return w.now }
	w.Reactor = &Reactor{Table: table, Workflows: w.heard, Incidents: w.heard, Notices: w.heard, Later: w.heard, Now: clock}
	w.Sweeper = due.Sweeper{Table: table, Lane: due.React, Handle: w.Act, Within: Within, Now: clock, Metrics: &bytes.Buffer{}}
	return w
}

func (w *world) put(ops ...dynamo.Op) {
	w.Helper()
	if err := dynamo.Commit(w.Context(), w.Table.DB, ops...); err != nil {
		w.Fatal(err)
	}
}

// left is how many items of the lane there are.
func (w *world) left() (n int) {
	w.Helper()
	for shard := range due.Shards {
		items, err := due.React.Before(w.Context(), w.Table, shard, w.now.Add(240*time.Hour), 100)
		if err != nil {
			w.Fatal(err)
		}
		n += len(items)
	}
	return n
}

func (w *world) says(want ...string) {
	w.Helper()
	w.Lock()
	defer w.Unlock()
	slices.Sort(w.said)
	slices.Sort(want)
	if !slices.Equal(w.said, want) {
		w.Errorf("heard %q, want %q", w.said, want)
	}
	w.said = nil
}

// record is how a stream tells of an item.
func (w *world) record(name string, i due.Item) stream.Record {
	w.Helper()
	var whole dynamo.Item
	if found, err := w.Table.Get(w.Context(), i.Key(), &whole); err != nil || !found {
		w.Fatal(found, err)
	}
	return stream.Record{EventName: name, Change: stream.Change{Keys: stream.Image{dynamo.PK: whole[dynamo.PK], dynamo.SK: whole[dynamo.SK]}, NewImage: stream.Image(whole), SequenceNumber: "1"}}
}

// TestActs: each kind of what is due goes to whom it concerns, and is removed.
func TestActs(t *testing.T) {
	w := newWorld(t)
	for n, kind := range []string{outbox.IncidentCreated, outbox.IncidentAcknowledged, outbox.IncidentResolved, outbox.IncidentEscalated, outbox.IncidentReopened, outbox.ExecutionEnded, outbox.RunbookSubmitted} {
		w.put(outbox.Put(w.Table, outbox.New(kind, fmt.Sprint("it", n), "team_1", noon)))
	}
	w.put(due.Put(w.Table, due.React.New(workflow.DueRun, "wfr_1", noon)), due.Put(w.Table, due.React.New(incident.DueEscalate, "inc_1", noon)),
		due.Put(w.Table, due.React.New(workflow.DueRun, "wfr_later", noon.Add(time.Hour))))
	if err := w.Sweeper.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.says("match it0", "match it1", "match it2", "match it3", "ended it5", "advance wfr_1", "escalate inc_1",
		"notice it0", "notice it1", "notice it2", "notice it3", "notice it4", "notice it5", "notice it6")
	if n := w.left(); n != 1 {
		t.Errorf("%d items are left, want the one of later", n)
	}
	w.Sweeper.Sweep(t.Context())
	w.says()
}

// TestToldByItsRun: that a run failed by an execution goes along with what people are told of that.
func TestToldByItsRun(t *testing.T) {
	w := newWorld(t)
	for _, status := range []string{"COMPLETED", "FAILED"} {
		e := outbox.New(outbox.ExecutionEnded, status, "team_1", noon)
		e.Detail = map[string]string{"status": status}
		w.put(outbox.Put(w.Table, e))
	}
	if err := w.Sweeper.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.says("ended COMPLETED", "ended FAILED", "notice COMPLETED", "notice FAILED true")
}

// TestUnknown: what nobody knows stays, and is counted.
func TestUnknown(t *testing.T) {
	w := newWorld(t)
	w.put(due.Put(w.Table, due.React.New("a.riddle", "x", noon)))
	if err := w.Sweeper.Sweep(t.Context()); err != nil || w.left() != 1 {
		t.Errorf("got %v, %d left", err, w.left())
	}
}

// TestStreamOnlyHurries: a batch is never refused; what failed in it, or is not due, waits for the sweep.
func TestStreamOnlyHurries(t *testing.T) {
	w := newWorld(t)
	good, bad := outbox.New(outbox.IncidentCreated, "good", "team_1", noon), outbox.New(outbox.ExecutionEnded, "bad", "team_1", noon)
	later := due.React.New(workflow.DueRun, "wfr_later", noon.Add(time.Second))
	w.put(outbox.Put(w.Table, good), outbox.Put(w.Table, bad), due.Put(w.Table, later))
	w.broken["ended"] = true
	batch := stream.Event{Records: []stream.Record{w.record(stream.Insert, bad.Item()), w.record(stream.Insert, later), {EventName: stream.Insert}, w.record(stream.Insert, good.Item())}}
	again := batch
	for range 2 { // it comes twice
		if got := w.Stream(t.Context(), again); got.BatchItemFailures == nil || len(got.BatchItemFailures) != 0 {
			t.Errorf("answered %v", got)
		}
	}
	w.says("match good", "notice good", "notice bad", "notice bad") // people are told whatever a workflow does; twice is once, of an event
	w.broken["ended"] = false
	w.now = noon.Add(time.Second)
	if err := w.Sweeper.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.says("ended bad", "notice bad", "advance wfr_later")
}

// TestQueueDown: an event that people cannot be told of is not done, and what was done for it may be done again.
func TestQueueDown(t *testing.T) {
	w := newWorld(t)
	w.put(outbox.Put(w.Table, outbox.New(outbox.IncidentCreated, "it", "team_1", noon)))
	w.broken["notice"] = true
	if err := w.Sweeper.Sweep(t.Context()); err != nil || w.left() != 1 {
		t.Errorf("got %v, %d left", err, w.left())
	}
	w.says("match it")
	w.broken["notice"] = false
	w.now = noon.Add(2 * time.Minute)
	if err := w.Sweeper.Sweep(t.Context()); err != nil || w.left() != 0 {
		t.Errorf("got %v, %d left", err, w.left())
	}
	w.says("match it", "notice it")
}

// TestPeopleAreToldFirst: the runs of an event are begun, then people are told, and only then workflows take their time. What
// fails keeps nobody else waiting, and the event comes again.
func TestPeopleAreToldFirst(t *testing.T) {
	w := newWorld(t)
	w.begun = []string{"wfr_1", "wfr_2"}
	inOrder := func(left int, want ...string) {
		t.Helper()
		if err := w.Sweeper.Sweep(t.Context()); err != nil || w.left() != left {
			t.Errorf("got %v, %d left, want %d", err, w.left(), left)
		}
		if !slices.Equal(w.said, want) {
			t.Errorf("heard %q, want %q", w.said, want)
		}
		w.said, w.now = nil, w.now.Add(time.Hour)
	}
	incident, script := outbox.New(outbox.IncidentCreated, "it", "team_1", noon), outbox.New(outbox.ExecutionEnded, "script", "team_1", noon)
	w.put(outbox.Put(w.Table, incident))
	w.broken["match"] = true // of one workflow: the others' runs were begun
	inOrder(1, "notice it", "go wfr_1", "go wfr_2")
	w.broken = map[string]bool{"notice": true}
	inOrder(1, "match it", "go wfr_1", "go wfr_2")
	w.broken = nil
	inOrder(0, "match it", "notice it", "go wfr_1", "go wfr_2")
	w.put(outbox.Put(w.Table, script))
	w.broken = map[string]bool{"notice": true}
	inOrder(1, "ended script")
	w.broken = nil
	inOrder(0, "ended script", "notice script") // the run decides who tells of a failure
}

// TestNoTimeLeft: nothing is begun that the end of the invocation may cut short, and that counts as no try.
func TestNoTimeLeft(t *testing.T) {
	w := newWorld(t)
	e := outbox.New(outbox.IncidentCreated, "it", "team_1", noon)
	w.put(outbox.Put(w.Table, e))
	short, cancel := context.WithTimeout(t.Context(), Within)
	defer cancel()
	long, cancel := context.WithTimeout(t.Context(), 2*Within)
	defer cancel()
	batch := stream.Event{Records: []stream.Record{w.record(stream.Insert, e.Item())}}
	w.Stream(short, batch)
	if err := w.Sweeper.Sweep(short); err != nil || w.left() != 1 {
		t.Errorf("got %v, %d left", err, w.left())
	}
	w.says()
	if err := w.Sweeper.Sweep(long); err != nil || w.left() != 0 { // at once: it was not put off
		t.Errorf("with time enough: got %v, %d left", err, w.left())
	}
	w.says("match it", "notice it")
	w.Stream(long, batch)
	w.says()
}

// TestAnEscalationIsPunctual: the queue brings it in time, once; what it cannot delay for so long waits for the sweep, as does what fails.
func TestAnEscalationIsPunctual(t *testing.T) {
	w := newWorld(t)
	soon, far := due.React.New(incident.DueEscalate, "inc_soon", noon.Add(15*time.Minute)), due.React.New(incident.DueEscalate, "inc_far", noon.Add(15*time.Minute+time.Second))
	run := due.React.New(workflow.DueRun, "wfr_1", noon.Add(time.Minute))
	w.put(due.Put(w.Table, soon), due.Put(w.Table, far), due.Put(w.Table, run))
	for _, i := range []due.Item{soon, far, run} {
		w.Stream(t.Context(), stream.Event{Records: []stream.Record{w.record(stream.Insert, i)}})
	}
	w.says("later inc_soon 15m0s")
	w.Batch(t.Context(), w.delayed) // too soon: its item must stay
	w.says()
	w.now = soon.At.Time
	w.broken["escalate"] = true
	if got := w.Batch(t.Context(), w.delayed); len(got.BatchItemFailures) != 0 || w.left() != 3 {
		t.Errorf("got %v, %d left", got, w.left())
	}
	w.broken["escalate"] = false
	w.Batch(t.Context(), w.delayed)
	w.says("escalate inc_soon")
	if n := w.left(); n != 2 {
		t.Errorf("%d items are left, want those that nobody was told of", n)
	}
}
