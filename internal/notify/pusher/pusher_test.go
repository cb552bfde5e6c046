package pusher_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/pushservice"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/audit"
	"pagefree/internal/notify/push"
	"pagefree/internal/notify/pusher"
	"pagefree/internal/platform/devices"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/timestamp"
)

// world is one person with devices at a push service of this machine.
type world struct {
	t       *testing.T
	env     *awstest.Env
	now     *roomtest.Clock
	pusher  *pusher.Pusher
	devices *push.Service
	queue   queue.Queue
	service pushservice.Service
	base    string // of endpoints
	server  *httptest.Server
	all     dynamo.Table
	user    string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	env := awstest.New(t)
	w := &world{t: t, env: env, now: roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC))}
	mux := http.NewServeMux()
	mux.Handle(pushservice.Path+"{device}", &w.service)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.base, w.server = server.URL+pushservice.Path, server
	client := safehttp.New(safehttp.Options{Local: server.URL + "/_local/echo/"})
	table := func(function, id string) dynamo.Table {
		return dynamo.Table{Name: env.Table(id), DB: dynamodb.NewFromConfig(env.ConfigOf(function))}
	}
	key := func(function string) *secret.Key {
		return &secret.Key{ID: env.KeyID("SecretsKey"), Client: kms.NewFromConfig(env.ConfigOf(function))}
	}
	w.pusher = &pusher.Pusher{
		Store: push.Store{Identity: table("PusherFunction", "IdentityTable")}, Marks: pusher.Marks{Ephemeral: table("PusherFunction", "EphemeralTable")},
		Key: key("PusherFunction"), Client: client, Subject: "mailto:ops@pagefree.test", Audit: audit.Log{Table: table("PusherFunction", "AuditTable")}, Now: w.now.Now,
	}
	ledger := audit.Log{Table: table("NotificationsFunction", "AuditTable")}
	w.devices = &push.Service{
		Store:    push.Store{Identity: table("NotificationsFunction", "IdentityTable")},
		Keys:     push.Maker{Identity: table("NotificationsFunction", "IdentityTable"), Key: key("NotificationsFunction"), Generation: 1, Audit: ledger, Now: w.now.Now},
		CheckURL: client.Check, Audit: ledger, Now: w.now.Now,
	}
	w.queue = queue.Queue{URL: env.QueueURL("PushQueue"), Client: sqs.NewFromConfig(env.ConfigOf("PusherFunction"))}
	w.user = id.New(id.User, w.now.Now())
	w.all = dynamo.Table{Name: env.Table("IdentityTable"), DB: dynamodb.NewFromConfig(env.Config)}
	w.ok(dynamo.Commit(t.Context(), w.all.DB, w.all.Create(map[string]any{"pk": "usr#" + w.user, "sk": "user", "active": true})))
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) me() context.Context {
	return roomtest.As(w.t.Context(), principal.Principal{Kind: principal.User, ID: w.user, UserID: w.user})
}

// subscribe makes a browser a device of the person's, bound to the present key as a push service binds it.
func (w *world) subscribe(name string) (*pushservice.Device, string) {
	w.t.Helper()
	d := pushservice.NewDevice(w.base + name)
	raw, err := json.Marshal(d.JSON())
	w.ok(err)
	var in push.Subscription
	w.ok(json.Unmarshal(raw, &in))
	k, err := w.devices.Key(w.me())
	w.ok(err)
	w.service.Restrict(name, k.Key)
	shown, _, err := w.devices.Subscribe(w.me(), in)
	w.ok(err)
	return d, shown.ID
}

// message is about an incident, unless it is changed.
func (w *world) message(device string, change ...func(*push.Message)) push.Message {
	now := w.now.Now()
	m := push.Message{UserID: w.user, DeviceID: device, EventID: id.New(id.Event, now), Until: timestamp.Of(now.Add(time.Hour)), Urgent: true, Note: push.Note{
		Title: "Critical incident", Body: "An incident is open.", URL: "/console/incidents/inc_1", Tag: "inc_1", Kind: "incident", ID: "inc_1", At: timestamp.Of(now),
	}}
	for _, c := range change {
		c(&m)
	}
	return m
}

func (w *world) listed() int {
	list, err := w.devices.List(w.me())
	w.ok(err)
	return len(list)
}

func TestAPush(t *testing.T) {
	w := newWorld(t)
	phone, device := w.subscribe("phone")
	m := w.message(device)
	w.ok(w.pusher.Handle(t.Context(), m, 1))
	got := w.service.Pushes()
	if len(got) != 1 || got[0].Status != 201 {
		t.Fatalf("got %+v", got)
	}
	text, err := phone.Decrypt(got[0].Body)
	w.ok(err)
	var note push.Note
	w.ok(json.Unmarshal(text, &note))
	if note != m.Note {
		t.Errorf("got %s", text)
	}
	if got[0].TTL > 3600 || got[0].TTL < 3590 || got[0].Urgency != "high" || len(got[0].Topic) != 32 || strings.Contains(got[0].Topic, "inc") || got[0].Token.Sub != "mailto:ops@pagefree.test" || len(got[0].Body) > 4096 {
		t.Errorf("got %+v", got[0])
	}
	// All that this function can do with the person's and the incident's data, its role says; the payload's length tells nothing either.
	w.ok(w.pusher.Handle(t.Context(), w.message(device, func(m *push.Message) { m.Note.Body, m.Urgent = "", false }), 1))
	if next := w.service.Pushes()[0]; len(next.Body) != len(got[0].Body) || next.Topic != got[0].Topic || next.Urgency != "normal" {
		t.Errorf("the next: %d bytes and topic %s, before %d and %s", len(next.Body), next.Topic, len(got[0].Body), got[0].Topic)
	}
}

// TestTheLongestNote fits into one record, whatever its letters.
func TestTheLongestNote(t *testing.T) {
	w := newWorld(t)
	phone, device := w.subscribe("phone")
	for name, letter := range map[string]string{"a": "a", "quotes": `"`, "wide": "\U0001F525", "escaped": "<"} {
		m := w.message(device, func(m *push.Message) {
			m.Note.Tag, m.Note.Title, m.Note.Body = name, strings.Repeat(letter, 100), strings.Repeat(letter, 180)
		})
		w.ok(w.pusher.Handle(t.Context(), m, 1))
		if text, err := phone.Decrypt(w.service.Pushes()[0].Body); err != nil || len(text) > push.MaxNote {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
	if err := w.pusher.Handle(t.Context(), w.message(device, func(m *push.Message) { m.Note.Tag, m.Note.Body = "over", strings.Repeat("a", push.MaxNote) }), 1); err == nil {
		t.Error("what does not fit was sent")
	}
}

// TestMany at once: no payload is another's, though webpush-go writes into what it is given.
func TestMany(t *testing.T) {
	w := newWorld(t)
	phones, wants := map[string]*pushservice.Device{}, map[string]string{}
	var all []push.Message
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		phone, device := w.subscribe(name)
		m := w.message(device, func(m *push.Message) { m.Note.Body = strings.Repeat(name, 20) })
		phones[name], wants[name] = phone, m.Note.Body
		all = append(all, m, m) // each twice
	}
	var wg sync.WaitGroup
	for _, m := range all {
		wg.Go(func() { _ = w.pusher.Handle(t.Context(), m, 1) }) // of two at once one may be told to come again
	}
	wg.Wait()
	got := w.service.Pushes()
	if len(got) != len(phones) {
		t.Errorf("%d pushes for %d devices", len(got), len(phones))
	}
	for _, p := range got {
		if text, err := phones[p.Device].Decrypt(p.Body); err != nil || !strings.Contains(string(text), `"`+wants[p.Device]+`"`) {
			t.Errorf("%s: %s, %v", p.Device, text, err)
		}
	}
	for _, m := range all {
		w.ok(w.pusher.Handle(t.Context(), m, 2))
	}
	if again := w.service.Pushes(); len(again) != len(got) {
		t.Errorf("%d more when they came again", len(again)-len(got))
	}
}

// TestTheLaterStays: in whichever order they come.
func TestTheLaterStays(t *testing.T) {
	w := newWorld(t)
	phone, device := w.subscribe("phone")
	open := w.message(device)
	over := w.message(device, func(m *push.Message) { m.Closes, m.Note.Body = true, "This incident is over." })
	w.ok(w.pusher.Handle(t.Context(), over, 1))
	w.ok(w.pusher.Handle(t.Context(), open, 1))
	if got := w.service.Pushes(); len(got) != 0 {
		t.Errorf("told of what was over, and of its end: %+v", got)
	}
	again, ended := w.message(device), w.message(device, func(m *push.Message) { m.Closes, m.Note.Body = true, "This incident is over." })
	for _, m := range []push.Message{again, ended, again} {
		w.ok(w.pusher.Handle(t.Context(), m, 1))
	}
	got := w.service.Pushes()
	if text, err := phone.Decrypt(got[0].Body); len(got) != 2 || err != nil || !strings.Contains(string(text), "is over") {
		t.Errorf("%d pushes, the last %s, %v", len(got), text, err)
	}
}

func TestGone(t *testing.T) {
	w := newWorld(t)
	for _, status := range []int{404, 410} {
		_, device := w.subscribe("phone")
		_, other := w.subscribe("other")
		before := len(w.service.Pushes())
		w.service.Answer("phone", pushservice.Answer{Status: status})
		w.ok(w.pusher.Handle(t.Context(), w.message(device), 1))
		w.ok(w.pusher.Handle(t.Context(), w.message(device), 1)) // it is not called again
		w.ok(w.pusher.Handle(t.Context(), w.message(other), 1))
		if got := len(w.service.Pushes()) - before; got != 2 || w.listed() != 1 {
			t.Errorf("%d: %d pushes, %d devices", status, got, w.listed())
		}
		w.subscribe("phone") // a browser may come back
		if w.listed() != 2 {
			t.Errorf("%d: %d devices", status, w.listed())
		}
	}
}

func TestWhoIsSentNothing(t *testing.T) {
	w := newWorld(t)
	_, device := w.subscribe("phone")
	for name, change := range map[string]func(*push.Message){
		"a device that was removed": func(m *push.Message) { m.DeviceID = id.New(id.Device, w.now.Now()) },
		"another's":                 func(m *push.Message) { m.UserID = id.New(id.User, w.now.Now()) },
		"after its time":            func(m *push.Message) { m.Until = timestamp.Of(w.now.Now()) },
	} {
		if err := w.pusher.Handle(t.Context(), w.message(device, change), 1); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*push.Message){
		"no user": func(m *push.Message) { m.UserID = "" }, "no device": func(m *push.Message) { m.DeviceID = "x" },
		"no event": func(m *push.Message) { m.EventID = "" }, "no tag": func(m *push.Message) { m.Note.Tag = "" },
	} {
		if err := w.pusher.Handle(t.Context(), w.message(device, change), 1); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	w.ok(dynamo.Commit(t.Context(), w.all.DB, devices.End(w.all, w.user))) // the person is deactivated
	w.ok(w.pusher.Handle(t.Context(), w.message(device), 1))
	if got := w.service.Pushes(); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

// TestBothKeysSign: a device that was made with a key which was replaced gets its pushes by that key, until it signs no more.
func TestBothKeysSign(t *testing.T) {
	w := newWorld(t)
	_, old := w.subscribe("old")
	w.devices.Keys.Generation = 2
	_, fresh := w.subscribe("fresh")
	for _, device := range []string{old, fresh} {
		w.ok(w.pusher.Handle(t.Context(), w.message(device), 1))
	}
	got := w.service.Pushes()
	if len(got) != 2 || got[0].Status != 201 || got[1].Status != 201 || got[0].Token.Key == got[1].Token.Key {
		t.Fatalf("got %+v", got)
	}
	w.now.Advance(push.KeyOverlap)
	for _, device := range []string{old, fresh} {
		w.ok(w.pusher.Handle(t.Context(), w.message(device), 1))
	}
	if more := w.service.Pushes(); len(more) != 3 || more[0].Device != "fresh" || w.listed() != 1 {
		t.Errorf("%d pushes, %d devices", len(more), w.listed())
	}
}

// TestTriedAgain: what a push service does not take now comes again when it says, or later after each try.
func TestTriedAgain(t *testing.T) {
	w := newWorld(t)
	_, device := w.subscribe("phone")
	at := func(d time.Duration) string { return w.now.Now().Add(d).UTC().Format(http.TimeFormat) }
	for name, tt := range map[string]struct {
		answer   pushservice.Answer
		received int
		left     time.Duration
		want     time.Duration // 0: it is given up
	}{
		"too many":              {pushservice.Answer{Status: 429, RetryAfter: "90"}, 1, time.Hour, 90 * time.Second},
		"away":                  {pushservice.Answer{Status: 503}, 1, time.Hour, 20 * time.Second},
		"away for longer":       {pushservice.Answer{Status: 500}, 3, time.Hour, 80 * time.Second},
		"until a time":          {pushservice.Answer{Status: 503, RetryAfter: at(5 * time.Minute)}, 1, time.Hour, 5 * time.Minute},
		"for very long":         {pushservice.Answer{Status: 429, RetryAfter: "1800"}, 1, time.Hour, 15 * time.Minute},
		"longer than it lives":  {pushservice.Answer{Status: 429, RetryAfter: "90"}, 1, time.Minute, 0},
		"it does not know when": {pushservice.Answer{Status: 429, RetryAfter: "soon"}, 1, time.Hour, 20 * time.Second},
		"refused":               {pushservice.Answer{Status: 403}, 1, time.Hour, 20 * time.Second},
		"elsewhere":             {pushservice.Answer{Status: 307}, 1, time.Hour, 20 * time.Second},
	} {
		w.service.Answer("phone", tt.answer)
		m := w.message(device, func(m *push.Message) { m.Until = timestamp.Of(w.now.Now().Add(tt.left)) })
		err := w.pusher.Handle(t.Context(), m, tt.received)
		later, is := errors.AsType[*queue.Later](err)
		if tt.want == 0 {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !is || later.Wait > tt.want || later.Wait < tt.want-2*time.Second {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		w.service.Answer("phone", pushservice.Answer{})
		before := len(w.service.Pushes())
		w.ok(w.pusher.Handle(t.Context(), m, tt.received+1))
		if got := w.service.Pushes(); len(got) != before+1 || got[0].Status != 201 {
			t.Errorf("%s: again: %+v", name, got[0])
		}
	}
	if w.listed() != 1 {
		t.Error("the device is gone")
	}
}

// TestOneThatNeverAnswers: a device that fails again and again is left alone but for a try an hour, its person sees that,
// and it is as before once it answers.
func TestOneThatNeverAnswers(t *testing.T) {
	w := newWorld(t)
	_, device := w.subscribe("phone")
	_, other := w.subscribe("other")
	calls := func() int { return len(w.service.Pushes()) }
	lost := func() *timestamp.Time {
		t.Helper()
		shown, err := w.devices.Get(w.me(), device)
		w.ok(err)
		return shown.UnreachableSince
	}
	// again is a new message's first try, and reports whether there will be another.
	again := func() bool {
		t.Helper()
		before := calls()
		err := w.pusher.Handle(t.Context(), w.message(device), 1)
		if calls() != before+1 {
			t.Fatalf("%d calls, %v", calls()-before, err)
		}
		_, later := errors.AsType[*queue.Later](err)
		if err != nil && !later {
			t.Fatal(err)
		}
		return later
	}
	w.service.Answer("phone", pushservice.Answer{Status: 503})
	for n := range 20 { // many at once, which is a push service that is away for a moment
		if !again() || lost() != nil {
			t.Fatalf("given up after %d tries within a moment", n+1)
		}
	}
	w.now.Advance(29 * time.Minute)
	w.service.Answer("phone", pushservice.Answer{})
	again()
	w.service.Answer("phone", pushservice.Answer{Status: 500})
	w.now.Advance(time.Minute)
	began := w.now.Now()
	for range 9 {
		if !again() {
			t.Fatal("given up, though it answered a minute ago")
		}
		w.now.Advance(5 * time.Minute)
	}
	for range 3 { // an hour each
		if again() || lost() == nil || lost().Sub(began) > time.Second {
			t.Fatalf("got %v, want a message given up, and the device lost since %v", lost(), began)
		}
		before := calls()
		for range 5 {
			w.now.Advance(11 * time.Minute)
			w.ok(w.pusher.Handle(t.Context(), w.message(device), 1))
		}
		if calls() != before {
			t.Fatalf("%d calls of one that rests", calls()-before)
		}
		w.ok(w.pusher.Handle(t.Context(), w.message(other), 1)) // whom that does not touch
		if calls() != before+1 {
			t.Error("the other device rests too")
		}
		w.now.Advance(5 * time.Minute)
	}
	w.service.Answer("phone", pushservice.Answer{})
	if again(); lost() != nil || w.service.Pushes()[0].Status != 201 {
		t.Errorf("it answers: got %+v, lost since %v", w.service.Pushes()[0], lost())
	}
	w.service.Answer("phone", pushservice.Answer{Status: 503})
	if !again() {
		t.Error("what failed before it answered counts still")
	}
}

// TestWhatCounts: that nobody is there counts; that we are too many does not, nor does what failed before the browser subscribed anew.
func TestWhatCounts(t *testing.T) {
	w := newWorld(t)
	_, device := w.subscribe("phone")
	fail := func(n int) (more bool) {
		t.Helper()
		for range n {
			_, more = errors.AsType[*queue.Later](w.pusher.Handle(t.Context(), w.message(device), 1))
			w.now.Advance(5 * time.Minute)
		}
		return more
	}
	w.service.Answer("phone", pushservice.Answer{Status: 429})
	if !fail(20) {
		t.Error("given up for being too many")
	}
	w.service.Answer("phone", pushservice.Answer{Status: 403})
	if !fail(9) {
		t.Error("given up early")
	}
	w.now.Advance(time.Second)
	if _, again := w.subscribe("phone"); again != device || !fail(9) {
		t.Errorf("%s subscribed anew as %s, and is given up by what was before", device, again)
	}
	w.server.Close()
	if fail(1) {
		t.Error("nobody listens, and it is tried on")
	}
	w.now.Advance(push.Unreachable)
	if fail(1); w.listed() != 0 {
		t.Error("it is there after 30 days")
	}
	ledger := dynamo.Table{Name: w.env.Table("AuditTable"), DB: w.all.DB}
	q := dynamo.Query{Index: "byKind", Values: []string{"audit"}, Sort: "id", Limit: 100}
	events, _, err := dynamo.List(t.Context(), ledger, q, func(e audit.Event) string { return e.ID }, func(e audit.Event) bool { return e.Type == "device.removed" })
	w.ok(err)
	if len(events) != 1 || events[0].Subject.ID != device || events[0].Detail["reason"] != "it could not be reached for 30 days" {
		t.Errorf("the record has %+v", events)
	}
}

// TestNothingInside: a device's endpoint is looked at when it is called, too.
func TestNothingInside(t *testing.T) {
	w := newWorld(t)
	_, device := w.subscribe("phone")
	w.pusher.Client = safehttp.New(safehttp.Options{}) // as in the cloud
	w.ok(w.pusher.Handle(t.Context(), w.message(device), 1))
	if got := w.service.Pushes(); len(got) != 0 || w.listed() != 0 {
		t.Errorf("got %+v, and %d devices", got, w.listed())
	}
}

// TestThroughTheQueue: with the function's own rights, a message that fails is put off, and ends in the dead-letter queue.
func TestThroughTheQueue(t *testing.T) {
	w := newWorld(t)
	_, good := w.subscribe("good")
	_, bad := w.subscribe("bad")
	w.service.Answer("bad", pushservice.Answer{Status: 503, RetryAfter: "0"})
	notifier := queue.Queue{URL: w.queue.URL, Client: sqs.NewFromConfig(w.env.ConfigOf("NotifierFunction"))}
	var all []any
	for n := range 12 {
		all = append(all, w.message([]string{good, bad}[min(n, 1)], func(m *push.Message) { m.Note.Tag = strings.Repeat("x", n+1) }))
	}
	w.ok(queue.SendAll(t.Context(), notifier, all))
	client := sqs.NewFromConfig(w.env.Config)
	got, failed := 0, 0
	for {
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.queue.URL, MaxNumberOfMessages: 10, MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount}})
		w.ok(err)
		if len(out.Messages) == 0 {
			break
		}
		var batch events.SQSEvent
		for _, m := range out.Messages {
			batch.Records = append(batch.Records, events.SQSMessage{MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body, Attributes: m.Attributes})
		}
		answer := queue.EachLater(t.Context(), w.queue, batch, w.pusher.Handle)
		got, failed = got+len(out.Messages), failed+len(answer.BatchItemFailures)
		for _, m := range out.Messages {
			if !slices.ContainsFunc(answer.BatchItemFailures, func(f events.SQSBatchItemFailure) bool { return f.ItemIdentifier == *m.MessageId }) {
				_, err := client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &w.queue.URL, ReceiptHandle: m.ReceiptHandle})
				w.ok(err)
			}
		}
	}
	if got != 12 || failed != 11 { // the others wait for 20 seconds
		t.Errorf("%d messages, %d failed", got, failed)
	}
}

func TestParseContact(t *testing.T) {
	for contact, want := range map[string]bool{
		"mailto:ops@example.com": true, "https://example.com/contact": true,
		"": false, "ops@example.com": false, "mailto:": false, "mailto:ops": false, "http://example.com": false, "https://localhost": false, "https://localhost./x": false, "https://a@example.com": false, "https:example.com": false, "tel:1": false,
	} {
		if _, err := pusher.ParseContact(contact); (err == nil) != want {
			t.Errorf("%q: %v", contact, err)
		}
	}
}
