package realtime

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/stream"
)

// TestWhoIsTold: those who may know and care, and nobody else; a message that comes again is told again, and nothing else.
func TestWhoIsTold(t *testing.T) {
	w := newWorld(t)
	ours := w.incident(w.team)
	who := w.signIn(false, w.team)
	all := w.listens(who, []string{Incident, Execution, WorkflowRun})
	runs := w.listens(who, []string{WorkflowRun})
	one := w.listens(who, nil, ours)
	silent := w.opened(who)
	admin := w.listens(w.signIn(true), []string{Incident})
	foreign := w.listens(w.signIn(false, w.other), []string{Incident})

	m := Message{Change: Change{Kind: Incident, ID: ours, Version: 7}, Scope: w.team}
	w.told(m)
	before := w.left()
	w.told(m)
	w.told(w.changed(w.team)) // another one
	for name, tt := range map[string]struct {
		c    string
		want int
	}{"all": {all, 3}, "other kinds": {runs, 0}, "the one": {one, 2}, "nothing": {silent, 0}, "an admin": {admin, 3}, "another team": {foreign, 0}} {
		if got := w.heard(tt.c); got != tt.want {
			t.Errorf("%s: told %d times, want %d", name, got, tt.want)
		}
	}
	if got := w.posted[all][0]; got != `{"kind":"incident","id":"`+ours+`","version":7}` {
		t.Errorf("said %s", got)
	}
	if !slices.Equal(before, w.left()) || len(w.closed) > 0 {
		t.Error("telling twice changed something")
	}
	// Only the id is known: whose it is is looked up.
	w.told(Message{Change: Change{Kind: Incident, ID: ours}})
	if got := w.posted[one][2]; got != `{"kind":"incident","id":"`+ours+`","version":1}` {
		t.Errorf("said %s", got)
	}
	w.told(Message{Change: Change{Kind: Incident, ID: "inc_01KC9Q6Z5R8T1V3X5Z7B9D1F3H"}})
	// What belongs to no team is its starter's.
	w.told(Message{Change: Change{Kind: Execution, ID: "ex_01KC9Q6Z5R8T1V3X5Z7B9D1F3H"}, Scope: who.ID})
	if w.heard(all) != 5 || w.heard(foreign) != 0 {
		t.Errorf("the starter is told %d times, others %d", w.heard(all), w.heard(foreign))
	}
	for _, m := range []Message{{}, {Change: Change{Kind: "team", ID: "x"}}} {
		if err := w.pub.Handle(t.Context(), m); err == nil {
			t.Errorf("%+v is taken", m)
		}
	}
}

// TestALookCountsForFiveSeconds: what was ended gets nothing after that, and its socket is closed.
func TestALookCountsForFiveSeconds(t *testing.T) {
	w := newWorld(t)
	who, stays := w.signIn(false, w.team), w.signIn(false, w.team)
	c, other := w.listens(who, []string{Incident}), w.listens(stays, []string{Incident})
	w.told(w.changed(w.team))
	looks := w.looks
	w.told(w.changed(w.team))
	if w.looks != looks {
		t.Error("looked again at once")
	}
	w.end(who)
	w.clock.Advance(Fresh)
	w.told(w.changed(w.team))
	if w.looks == looks || w.heard(c) != 2 || !slices.Equal(w.closed, []string{c}) {
		t.Errorf("%d looks, told %d times, closed %q", w.looks-looks, w.heard(c), w.closed)
	}
	if w.heard(other) != 3 || len(w.left()) != 5 {
		t.Errorf("the other is told %d times; there is %q", w.heard(other), w.left())
	}
	// Out of the team: nothing of it, and the socket stays.
	w.become(stays, func(l *principal.Live) { delete(l.Teams, w.team) })
	w.clock.Advance(Fresh)
	w.told(w.changed(w.team))
	if w.heard(other) != 3 || len(w.closed) != 1 {
		t.Errorf("told %d times, closed %q", w.heard(other), w.closed)
	}
}

// TestAnExpiredSession gets nothing, and its socket is closed by the next sweep; one that is used again goes on.
func TestAnExpiredSession(t *testing.T) {
	w := newWorld(t)
	who, used := w.signIn(false, w.team), w.signIn(false, w.team)
	c, other := w.listens(who, []string{Incident}), w.listens(used, []string{Incident})
	sweep := func() {
		t.Helper()
		if err := w.pub.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	w.clock.Advance(8 * time.Hour)
	w.become(used, func(l *principal.Live) { l.Until = w.clock.Now().Add(time.Hour) })
	items := len(w.left())
	sweep()
	if !slices.Equal(w.closed, []string{c}) || len(w.left()) != items-5 {
		t.Errorf("closed %q, there is %q", w.closed, w.left())
	}
	sweep() // it stands at its new time
	w.told(w.changed(w.team))
	if w.heard(c) != 0 || w.heard(other) != 1 || len(w.closed) != 1 {
		t.Errorf("told %d and %d times, closed %q", w.heard(c), w.heard(other), w.closed)
	}
	w.clock.Advance(time.Hour)
	w.told(w.changed(w.team))
	if w.heard(other) != 1 || len(w.left()) != 0 {
		t.Errorf("told %d times, there is %q", w.heard(other), w.left())
	}
}

func TestGoneConnections(t *testing.T) {
	w := newWorld(t)
	c := w.listens(w.signIn(false, w.team), []string{Incident})
	w.gone[c] = true
	w.told(w.changed(w.team))
	if len(w.left()) != 0 || len(w.closed) > 0 {
		t.Errorf("there is %q, closed %q", w.left(), w.closed)
	}
	// An item that leads to a connection that was forgotten.
	stray := listener{ConnectionID: "stray", SessionHash: w.signIn(false, w.team).SessionHash, Kinds: []string{Incident}}
	stray.keys = keys{PK: listenKey(w.team, "").PK, SK: "stray", TTL: w.clock.Now().Unix()}
	if err := dynamo.Commit(t.Context(), w.all.DB, w.all.Create(stray)); err != nil {
		t.Fatal(err)
	}
	w.gone["stray"] = true
	w.told(w.changed(w.team))
	if len(w.left()) != 0 {
		t.Errorf("there is %q", w.left())
	}
	// What cannot be reached for another reason comes again.
	w.listens(w.signIn(false, w.team), []string{Incident})
	w.failing = true
	if err := w.pub.Handle(t.Context(), w.changed(w.team)); err == nil {
		t.Error("a failure is taken for success")
	}
}

// TestFullConnections: who does not read loses the socket, and nobody else is told twice because of it.
func TestFullConnections(t *testing.T) {
	w := newWorld(t)
	full, other := w.listens(w.signIn(false, w.team), []string{Incident}), w.listens(w.signIn(false, w.team), []string{Incident})
	w.full = map[string]bool{full: true}
	w.told(w.changed(w.team))
	if w.heard(other) != 1 || !slices.Equal(w.closed, []string{full}) {
		t.Errorf("the other was told %d times, closed %q, want %q", w.heard(other), w.closed, full)
	}
	w.told(w.changed(w.team))
	if w.heard(other) != 2 || len(w.closed) != 1 {
		t.Errorf("the other was told %d times, closed %q", w.heard(other), w.closed)
	}
}

// TestEnded: the record tells of sessions that ended and roles that changed.
func TestEnded(t *testing.T) {
	w := newWorld(t)
	who := w.signIn(false, w.team)
	again := who // another session of the same person
	again.SessionHash = "another"
	w.live["another"] = principal.Live{Principal: again, Until: w.clock.Now().Add(time.Hour)}
	c, other := w.listens(who, []string{Incident}), w.listens(again, []string{Incident})
	event := func(kind, subject string) stream.Event {
		text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
		r := stream.Record{EventName: stream.Insert}
		r.Change.NewImage = stream.Image{"subject": &types.AttributeValueMemberM{Value: dynamo.Item{"kind": text(kind), "id": text(subject)}}}
		r.Change.SequenceNumber = "1"
		return stream.Event{Records: []stream.Record{r, r}}
	}
	ended := func(kind, subject string) {
		t.Helper()
		if a := w.pub.Ended(t.Context(), event(kind, subject)); len(a.BatchItemFailures) > 0 || a.BatchItemFailures == nil {
			t.Errorf("got %+v", a)
		}
	}
	ended("user", who.ID)
	ended("user", "usr_nobody")
	ended("session", who.ID)
	if len(w.closed) > 0 {
		t.Errorf("closed %q", w.closed)
	}
	w.end(who)
	ended("user", who.ID)
	if !slices.Equal(w.closed, []string{c}) {
		t.Errorf("closed %q", w.closed)
	}
	// A team more, heard of at once; a team less.
	w.become(again, func(l *principal.Live) { l.Teams[w.other] = principal.Observer; delete(l.Teams, w.team) })
	ended("user", who.ID)
	w.told(w.changed(w.team))
	if w.heard(other) != 0 {
		t.Error("told of a team that it left")
	}
	w.told(w.changed(w.other))
	if w.heard(other) != 1 {
		t.Error("not told of its new team")
	}
	w.told(Message{UserID: who.ID})
	w.env.Faults.Add(failing())
	if a := w.pub.Ended(t.Context(), event("user", who.ID)); len(a.BatchItemFailures) != 1 {
		t.Errorf("a failure: %+v", a)
	}
}

// TestFan: who is beyond a page is told by others, each once.
func TestFan(t *testing.T) {
	w := newWorld(t)
	who := w.signIn(false, w.team)
	const many = 2*Page + 50
	for n := range many { // as subscribing would
		l := listener{ConnectionID: fmt.Sprintf("c%04d", n), SessionHash: who.SessionHash, Kinds: []string{Incident}}
		l.keys = keys{PK: listenKey(w.team, "").PK, SK: l.ConnectionID, TTL: w.clock.Now().Unix()}
		if err := dynamo.Commit(t.Context(), w.all.DB, w.all.Create(l)); err != nil {
			t.Fatal(err)
		}
	}
	w.told(w.changed(w.team))
	if len(w.fanned) == 0 || len(w.posted) < Page || len(w.posted) == many {
		t.Fatalf("%d told at once, %d messages for others", len(w.posted), len(w.fanned))
	}
	rest := w.fanned
	w.fanned = nil
	for _, m := range rest {
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var over Message
		if err := json.Unmarshal(text, &over); err != nil {
			t.Fatal(err)
		}
		w.told(over)
	}
	if len(w.fanned) > 0 || len(w.posted) != many {
		t.Errorf("%d of %d told, %d messages more", len(w.posted), many, len(w.fanned))
	}
	for c, said := range w.posted {
		if len(said) != 1 {
			t.Errorf("%s is told %d times", c, len(said))
		}
	}
}

func TestChanges(t *testing.T) {
	const inc, ex, run = "inc_01KC9Q6Z5R8T1V3X5Z7B9D1F3H", "ex_01KC9Q6Z5R8T1V3X5Z7B9D1F3H", "wfr_01KC9Q6Z5R8T1V3X5Z7B9D1F3H"
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	record := func(event, pk, sk, team, by, rev string) stream.Record {
		r := stream.Record{EventName: event}
		r.Change.Keys = stream.Image{"pk": text(pk), "sk": text(sk)}
		r.Change.NewImage = stream.Image{"pk": text(pk), "sk": text(sk), "rev": &types.AttributeValueMemberN{Value: rev}, "triggeredById": text(by)}
		if team != "" {
			r.Change.NewImage["teamId"] = text(team)
		}
		return r
	}
	tests := map[string]struct {
		records []stream.Record
		want    []Message
	}{
		"an incident":                          {[]stream.Record{record("INSERT", "inc#"+inc, "inc", "team_a", "", "1")}, []Message{{Change: Change{Incident, inc, 1}, Scope: "team_a"}}},
		"an execution":                         {[]stream.Record{record("MODIFY", "ex#"+ex, "ex", "team_a", "usr_a", "3")}, []Message{{Change: Change{Execution, ex, 3}, Scope: "team_a"}}},
		"one without a team":                   {[]stream.Record{record("MODIFY", "ex#"+ex, "ex", "", "usr_a", "3")}, []Message{{Change: Change{Execution, ex, 3}, Scope: "usr_a"}}},
		"a run":                                {[]stream.Record{record("MODIFY", "wfr#"+run, "run", "team_a", "", "4")}, []Message{{Change: Change{WorkflowRun, run, 4}, Scope: "team_a"}}},
		"an entry of a timeline":               {[]stream.Record{record("INSERT", "inc#"+inc, "tl#01", "", "", "0")}, []Message{{Change: Change{Incident, inc, 0}}}},
		"an entry with its incident":           {[]stream.Record{record("INSERT", "inc#"+inc, "tl#01", "", "", "0"), record("MODIFY", "inc#"+inc, "inc", "team_a", "", "2")}, []Message{{Change: Change{Incident, inc, 2}, Scope: "team_a"}}},
		"an incident with its entry":           {[]stream.Record{record("MODIFY", "inc#"+inc, "inc", "team_a", "", "2"), record("INSERT", "inc#"+inc, "tl#01", "", "", "0")}, []Message{{Change: Change{Incident, inc, 2}, Scope: "team_a"}}},
		"one twice":                            {[]stream.Record{record("INSERT", "ex#"+ex, "ex", "team_a", "", "1"), record("MODIFY", "ex#"+ex, "ex", "team_a", "", "2")}, []Message{{Change: Change{Execution, ex, 2}, Scope: "team_a"}}},
		"what expires":                         {[]stream.Record{record("REMOVE", "ex#"+ex, "ex", "team_a", "", "1")}, nil},
		"output, which its execution tells of": {[]stream.Record{record("INSERT", "ex#"+ex, "out#01", "", "", "0")}, nil},
		"a due item":                           {[]stream.Record{record("INSERT", "react#1", "x", "", "", "0")}, nil},
		"what only looks like one":             {[]stream.Record{record("INSERT", "inc#x", "inc", "team_a", "", "1")}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Changes(stream.Event{Records: tt.records}); !slices.Equal(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestFeed: what cannot be sent comes again, as often as the event source says.
func TestFeed(t *testing.T) {
	var sent []Message
	r := stream.Record{EventName: stream.Insert}
	r.Change.SequenceNumber = "42"
	r.Change.Keys = stream.Image{"pk": &types.AttributeValueMemberS{Value: "inc#" + id.New(id.Incident, time.Now())}, "sk": &types.AttributeValueMemberS{Value: "inc"}}
	in := stream.Event{Records: []stream.Record{r}}
	if a := Feed(t.Context(), in, func(m []Message) error { sent = m; return nil }); len(a.BatchItemFailures) != 0 || len(sent) != 1 {
		t.Errorf("got %+v, sent %+v", a, sent)
	}
	if a := Feed(t.Context(), in, func([]Message) error { return fmt.Errorf("no") }); len(a.BatchItemFailures) != 1 || a.BatchItemFailures[0].ItemIdentifier != "42" {
		t.Errorf("got %+v", a)
	}
}
