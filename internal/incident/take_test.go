package incident_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	front "pagefree/infra/local/aws"
	"pagefree/internal/incident"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
)

func fire(key string) incident.Alert {
	return incident.Alert{Action: incident.Fire, Title: "disk full", Severity: incident.Low, DedupKey: key, Labels: map[string]string{"zone": "eu"}}
}

func resolve(key string) incident.Alert {
	return incident.Alert{Action: incident.Resolve, DedupKey: key, Note: "recovered"}
}

func TestAnAlertsLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.service("Checkout")
	a := fire("disk/web-1")
	a.Description, a.Raw = "it is full", incident.Raw{"shape": "unknown", "deep": []any{map[string]any{"": 1e300}}}
	from := w.from(svc, "dlv_1")
	from.Depth = 2
	opened := w.take(from, a)
	if !opened.Opened || opened.Folded || opened.Resolved || opened.IncidentID == "" {
		t.Fatalf("opened: got %+v", opened)
	}
	path := "/v1/incidents/" + opened.IncidentID
	got := w.must(200, "observer", "GET", path, nil).Body
	want := map[string]any{
		"id": opened.IncidentID, "title": "disk full", "description": "it is full", "severity": "LOW", "status": "TRIGGERED", "serviceId": svc, "teamId": w.team,
		"labels": map[string]any{"zone": "eu"}, "dedupKey": "disk/web-1", "alertCount": 1.0, "depth": 2.0,
		"source":           map[string]any{"kind": "datadog", "integrationId": "int_1", "trust": "bearer", "external": true},
		"raw":              map[string]any{"shape": "unknown", "deep": []any{map[string]any{"": 1e300}}},
		"acknowledgedById": nil, "acknowledgedAt": nil, "resolvedById": nil, "resolvedAt": nil, "escalatedAt": nil,
		"createdById": "int_1", "createdAt": got["createdAt"], "updatedAt": got["createdAt"],
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("a new incident:\ngot  %v\nwant %v", got, want)
	}
	if folded := w.take(w.from(svc, "dlv_2"), a); folded != (incident.Taken{IncidentID: opened.IncidentID, Folded: true}) {
		t.Errorf("folded: got %+v", folded)
	}
	w.must(200, "responder", "POST", path+"/acknowledge", nil)
	if ended := w.take(w.from(svc, "dlv_3"), resolve("disk/web-1")); ended != (incident.Taken{IncidentID: opened.IncidentID, Resolved: true}) {
		t.Errorf("resolved: got %+v", ended)
	}
	got = w.must(200, "observer", "GET", path, nil).Body
	if got["status"] != "RESOLVED" || got["resolvedById"] != "int_1" || got["resolvedAt"] == nil || got["acknowledgedById"] != "usr_responder" || got["alertCount"] != 2.0 {
		t.Errorf("resolved: got %v", got)
	}
	entries := w.must(200, "observer", "GET", path+"/timeline", nil).Items()
	if kinds := w.timeline(opened.IncidentID); !slices.Equal(kinds, []string{"resolved", "acknowledged", "alert", "created"}) {
		t.Errorf("timeline: got %v", kinds)
	}
	if actor := entries[0]["actor"]; entries[0]["text"] != "recovered" || !reflect.DeepEqual(actor, map[string]any{"kind": "integration", "id": "int_1"}) {
		t.Errorf("its last entry: got %v", entries[0])
	}
	for _, e := range w.recorded(time.Time{}) {
		if e.Subject.ID == opened.IncidentID && e.Type != "incident.acknowledged" && (e.Actor.Kind != "integration" || e.Actor.ID != "int_1" || *e.TeamID != w.team) {
			t.Errorf("audit: got %+v", e)
		}
	}
	events, _ := w.react(opened.IncidentID)
	wantEvents := []outbox.Event{
		{Type: outbox.IncidentCreated, ActorID: "int_1", Unattended: trust.Low, Depth: 2},
		{Type: outbox.IncidentAcknowledged, ActorID: "usr_responder", Unattended: trust.Low, Depth: 2},
		{Type: outbox.IncidentResolved, ActorID: "int_1", Unattended: trust.Low, Depth: 2},
	}
	for i, e := range events {
		if !strings.HasPrefix(e.ID, "evt_") || e.TeamID != w.team || !reflect.DeepEqual(e.Detail, map[string]string{"serviceId": svc, "severity": "LOW"}) {
			t.Errorf("an event: got %+v", e)
		}
		events[i] = outbox.Event{Type: e.Type, ActorID: e.ActorID, Unattended: e.Unattended, Depth: e.Depth}
	}
	if !reflect.DeepEqual(events, wantEvents) {
		t.Errorf("events:\ngot  %+v\nwant %+v", events, wantEvents)
	}
	if again := w.take(w.from(svc, "dlv_4"), a); !again.Opened || again.IncidentID == opened.IncidentID {
		t.Errorf("after a resolve: got %+v, want a new incident", again)
	}
}

func TestWhatAnAlertMakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.service("Checkout")
	tests := map[string]incident.Alert{
		"a ping":                           {Action: incident.Ignore, Title: "ping", DedupKey: "k"},
		"an action that there is not":      {Action: "explode", Title: "x"},
		"a resolve of nothing":             resolve("nothing"),
		"a resolve without a key":          resolve(""),
		"a resolve of what others resolve": {Action: incident.Resolve, DedupKey: "k", Title: "x"},
	}
	for name, a := range tests {
		if got := w.take(w.from(svc, "dlv_"+name), a); got != (incident.Taken{}) {
			t.Errorf("%s: got %+v, want nothing", name, got)
		}
	}
	one, two := w.take(w.from(svc, "dlv_1"), fire("")), w.take(w.from(svc, "dlv_2"), fire(""))
	if !one.Opened || !two.Opened || one.IncidentID == two.IncidentID {
		t.Errorf("alerts without a key: got %+v and %+v, want an incident each", one, two)
	}
	if items := w.must(200, "observer", "GET", "/v1/incidents", nil).Items(); len(items) != 2 {
		t.Errorf("got %d incidents, want 2", len(items))
	}
}

func TestAHundredEqualAlertsOfAnIntegrationAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.service("Checkout")
	const n = 100
	got := make([]incident.Taken, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for try := 0; ; try++ { // as its queue does
				var err error
				if got[i], err = w.taker.Take(t.Context(), w.from(svc, fmt.Sprintf("dlv_%d", i)), fire("disk")); err == nil || try == 3 {
					if err != nil {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	wg.Wait()
	opened := 0
	for _, g := range got {
		if g.Opened {
			opened++
		}
		if g.IncidentID != got[0].IncidentID || g.Opened == g.Folded {
			t.Errorf("got %+v beside %+v", g, got[0])
		}
	}
	body := w.must(200, "observer", "GET", "/v1/incidents/"+got[0].IncidentID, nil).Body
	if opened != 1 || body["alertCount"] != 100.0 {
		t.Errorf("got %d opened and %v alerts, want 1 and 100", opened, body["alertCount"])
	}
	if told := w.told(got[0].IncidentID); !slices.Equal(told, []string{outbox.IncidentCreated}) {
		t.Errorf("events: got %v, want one of its creation", told)
	}
	if kinds := w.timeline(got[0].IncidentID); len(kinds) != n || slices.Index(kinds, "created") != n-1 {
		t.Errorf("got %d entries, want %d, the first created", len(kinds), n)
	}
}

func TestTheSameDeliveryAHundredTimes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, alert incident.Alert
		status        string
		count         float64
		incidents     int
	}{
		"opens, with a key":    {alert: fire("k"), status: "TRIGGERED", count: 1, incidents: 1},
		"opens, without a key": {alert: fire(""), status: "TRIGGERED", count: 1, incidents: 1},
		"folds":                {before: fire("k"), alert: fire("k"), status: "TRIGGERED", count: 2, incidents: 1},
		"resolves":             {before: fire("k"), alert: resolve("k"), status: "RESOLVED", count: 1, incidents: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			svc := w.service("Checkout")
			if test.before.Action != "" {
				w.take(w.from(svc, "dlv_before"), test.before)
			}
			got := make([]incident.Taken, 100)
			var wg sync.WaitGroup
			for i := range got {
				wg.Go(func() {
					var err error
					for range 5 {
						if got[i], err = w.taker.Take(t.Context(), w.from(svc, "dlv_same"), test.alert); err == nil {
							return
						}
					}
					t.Error(err)
				})
			}
			wg.Wait()
			for _, g := range got {
				if g != got[0] || g.IncidentID == "" {
					t.Fatalf("got %+v beside %+v", g, got[0])
				}
			}
			items := w.must(200, "observer", "GET", "/v1/incidents", nil).Items()
			if len(items) != test.incidents || items[0]["alertCount"] != test.count || items[0]["status"] != test.status {
				t.Errorf("got %v", items)
			}
		})
	}
}

func TestADeliveryThatComesAgainMuchLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.service("Checkout")
	if got := w.take(w.from(svc, "dlv_early"), resolve("k")); got != (incident.Taken{}) {
		t.Errorf("got %+v", got)
	}
	opened := w.take(w.from(svc, "dlv_open"), fire("k"))
	if got := w.take(w.from(svc, "dlv_early"), resolve("k")); got != (incident.Taken{}) {
		t.Errorf("a resolve of nothing, taken again: got %+v, want nothing", got)
	}
	w.take(w.from(svc, "dlv_end"), resolve("k"))
	if got := w.take(w.from(svc, "dlv_open"), fire("k")); got != opened {
		t.Errorf("taken again when all is over: got %+v, want %+v", got, opened)
	}
	next := w.take(w.from(svc, "dlv_next"), fire("k"))
	if got := w.take(w.from(svc, "dlv_end"), resolve("k")); got.IncidentID != opened.IncidentID || !got.Resolved {
		t.Errorf("the resolve, taken again: got %+v", got)
	}
	if got := w.must(200, "observer", "GET", "/v1/incidents/"+next.IncidentID, nil).Body; got["status"] != "TRIGGERED" || got["alertCount"] != 1.0 {
		t.Errorf("what opened since: got %v, want it as it was", got)
	}
}

func TestAnAnswerThatWasLostIsNotASecondAlert(t *testing.T) {
	t.Parallel()
	for name, op := range map[string]front.Fault{"swallowed": {Do: front.Swallow}, "conflicts": {Do: front.Conflict, Times: 5}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			svc := w.service("Checkout")
			op.Service, op.Operation = "dynamodb", "TransactWriteItems"
			w.env.Faults.Add(op)
			if got := w.take(w.from(svc, "dlv_1"), fire("")); !got.Opened {
				t.Errorf("got %+v", got)
			}
			if items := w.must(200, "observer", "GET", "/v1/incidents", nil).Items(); len(items) != 1 {
				t.Errorf("got %d incidents, want 1", len(items))
			}
		})
	}
}

func TestAWorseAlertMakesItsIncidentWorse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.service("Checkout")
	// It was opened while its integration's ceiling was the highest.
	raised, first := w.from(svc, "dlv_first"), fire("k")
	raised.Unattended, first.Title, first.Severity = trust.High, "x", incident.Medium
	i := w.take(raised, first).IncidentID
	var wg sync.WaitGroup
	for n, severity := range []incident.Severity{incident.High, incident.Critical, incident.Low, incident.Critical, incident.High, incident.Medium} {
		wg.Go(func() {
			a := fire("k")
			a.Severity = severity
			if got := w.take(w.from(svc, fmt.Sprintf("dlv_%d", n)), a); got != (incident.Taken{IncidentID: i, Folded: true}) {
				t.Errorf("%s: got %+v", severity, got)
			}
		})
	}
	wg.Wait()
	got := w.must(200, "observer", "GET", "/v1/incidents/"+i, nil).Body
	if got["severity"] != "CRITICAL" || got["alertCount"] != 7.0 || got["title"] != "x" {
		t.Errorf("got %v, want it CRITICAL with 7 alerts", got)
	}
	worse := 0
	for _, e := range w.must(200, "observer", "GET", "/v1/incidents/"+i+"/timeline", nil).Items() {
		if e["kind"] == "updated" {
			worse++
			if e["detail"].(map[string]any)["severity"] == nil || e["actor"].(map[string]any)["id"] != "int_1" {
				t.Errorf("got %v", e)
			}
		}
	}
	if worse < 1 || worse > 2 {
		t.Errorf("it was raised %d times, want once or twice", worse)
	}
	w.must(200, "responder", "POST", "/v1/incidents/"+i+"/acknowledge", nil)
	events, _ := w.react(i)
	if last := events[len(events)-1]; last.Unattended != trust.Low || last.Detail["severity"] != "CRITICAL" {
		t.Errorf("what a bearer secret made worse proves no more than that: got %+v", last)
	}
}

// TestAnIntegrationHasItsKeysForItself: what knows one secret neither ends nor holds up what others opened.
func TestAnIntegrationHasItsKeysForItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.service("Checkout")
	signed := func(delivery string) incident.From {
		from := w.from(svc, delivery)
		from.IntegrationID, from.Provider, from.Trust, from.Unattended = "int_2", "cloudwatch", trust.SignedTime, trust.Medium
		return from
	}
	persons := w.must(201, "responder", "POST", "/v1/incidents", map[string]any{"title": "x", "severity": "LOW", "serviceId": svc, "dedupKey": "k"}).id()
	worst := fire("k")
	worst.Severity = incident.Critical
	bearers := w.take(w.from(svc, "dlv_1"), worst)
	signeds := w.take(signed("dlv_2"), fire("k"))
	if !bearers.Opened || !signeds.Opened {
		t.Fatalf("got %+v and %+v, want an incident each beside the person's", bearers, signeds)
	}
	if events, _ := w.react(signeds.IncidentID); len(events) != 1 || events[0].Unattended != trust.Medium {
		t.Errorf("the signed one: got %+v, want it told by its own ceiling", events)
	}
	if again := w.must(200, "responder's key", "POST", "/v1/incidents", map[string]any{"title": "x", "severity": "LOW", "serviceId": svc, "dedupKey": "k"}); again.id() != persons {
		t.Errorf("an API key's alert: got %s, want the person's incident", again.id())
	}
	if got := w.take(w.from(svc, "dlv_3"), resolve("k")); got.IncidentID != bearers.IncidentID || !got.Resolved {
		t.Errorf("resolved: got %+v, want its own", got)
	}
	if got := w.take(w.from(svc, "dlv_4"), resolve("k")); got != (incident.Taken{}) {
		t.Errorf("resolved once more: got %+v, want nothing", got)
	}
	for _, i := range []string{persons, signeds.IncidentID} {
		if got := w.must(200, "observer", "GET", "/v1/incidents/"+i, nil).Body; got["status"] != "TRIGGERED" || got["severity"] != "LOW" || got["dedupKey"] != "k" {
			t.Errorf("got %v, want it as it was", got)
		}
	}
	// Reopened, it holds its key in its own space again.
	w.must(200, "responder", "POST", "/v1/incidents/"+bearers.IncidentID+"/reopen", nil)
	if got := w.take(w.from(svc, "dlv_5"), fire("k")); got != (incident.Taken{IncidentID: bearers.IncidentID, Folded: true}) {
		t.Errorf("after a reopen: got %+v, want it folded", got)
	}
}

func TestAServiceThatWasDeletedLosesNoAlert(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.service("Checkout")
	w.must(204, "lead", "DELETE", "/v1/services/"+svc, nil)
	got := w.take(w.from(svc, "dlv_1"), fire("k"))
	if !got.Opened {
		t.Fatalf("got %+v, want it opened", got)
	}
	if items := w.must(200, "observer", "GET", "/v1/incidents?serviceId="+svc, nil).Items(); len(items) != 1 || items[0]["id"] != got.IncidentID {
		t.Errorf("by its service: got %v", items)
	}
	entry := w.must(200, "observer", "GET", "/v1/incidents/"+got.IncidentID+"/timeline", nil).Items()[0]
	if entry["detail"].(map[string]any)["serviceDeleted"] != true {
		t.Errorf("got %v, want it said", entry)
	}
	if ended := w.take(w.from(svc, "dlv_2"), resolve("k")); !ended.Resolved {
		t.Errorf("got %+v, want it resolved", ended)
	}
	if !w.take(w.from("svc_01ARZ3NDEKTSV4RRFFQ69G5FAV", "dlv_3"), fire("k")).Opened {
		t.Error("an alert of a service that left no trace is lost")
	}
}

func TestAnIntegrationActsInItsTeamAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.service("Checkout")
	from := w.from(svc, "dlv_1")
	from.TeamID = w.other
	for _, a := range []incident.Alert{fire("k"), resolve("k")} {
		if _, err := w.taker.Take(t.Context(), from, a); problem.CodeOf(err) != problem.NotFound {
			t.Errorf("%s: got %v, want nothing found", a.Action, err)
		}
	}
	for _, from := range []incident.From{{DeliveryID: "dlv_1", ServiceID: svc}, {TeamID: w.team, ServiceID: svc}} {
		if _, err := w.taker.Take(t.Context(), from, fire("k")); err == nil {
			t.Errorf("%+v was taken", from)
		}
	}
	if items := w.must(200, "admin", "GET", "/v1/incidents", nil).Items(); len(items) != 0 {
		t.Errorf("got %v, want none", items)
	}
}

func TestCeilings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.service("Checkout")
	take := func(level trust.Level, ceiling trust.Risk) func() string {
		return func() string {
			from := w.from(svc, "dlv_"+string(level)+string(ceiling))
			from.Trust, from.Unattended = level, ceiling
			return w.take(from, fire("")).IncidentID
		}
	}
	post := func(who string) func() string {
		return func() string {
			return w.must(201, who, "POST", "/v1/incidents", map[string]any{"title": "x", "severity": "LOW", "serviceId": svc}).id()
		}
	}
	tests := map[string]struct {
		open          func() string
		acked         string // by whom
		created, then trust.Risk
	}{
		"a person's":                     {post("responder"), "responder", trust.High, trust.High},
		"a person's, that a key takes":   {post("responder"), "responder's key", trust.High, trust.Medium},
		"a key's":                        {post("responder's key"), "responder's key", trust.Medium, trust.Medium},
		"a key's, that a person takes":   {post("responder's key"), "responder", trust.Medium, trust.Medium},
		"signed with a time":             {take(trust.SignedTime, trust.Medium), "responder", trust.Medium, trust.Medium},
		"signed, and lowered":            {take(trust.Signed, trust.Low), "responder", trust.Low, trust.Low},
		"a bearer that was raised":       {take(trust.Bearer, trust.High), "responder's key", trust.High, trust.Medium},
		"a bearer":                       {take(trust.Bearer, trust.Low), "responder", trust.Low, trust.Low},
		"a ceiling that is none":         {take(trust.SignedTime, ""), "responder", trust.Medium, trust.Medium},
		"nothing proved, and no ceiling": {take("", "EXTREME"), "responder", trust.Low, trust.Low},
	}
	for name, test := range tests {
		i := test.open()
		w.must(200, test.acked, "POST", "/v1/incidents/"+i+"/acknowledge", nil)
		events, _ := w.react(i)
		if len(events) != 2 || events[0].Unattended != test.created || events[1].Unattended != test.then {
			t.Errorf("%s: got %+v, want %s, then %s", name, events, test.created, test.then)
		}
	}
}

// TestOutOfOrder: what a sender says comes late where it says when it happened: a fire from before the last resolve opens
// nothing, and a resolve from before the last fire ends nothing. Both come to the same however often they are taken.
func TestOutOfOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := w.service("Checkout")
	noon := w.clock.Now()
	at := func(a incident.Alert, minute int) incident.Alert {
		a.At = timestamp.Ptr(noon.Add(time.Duration(minute) * time.Minute))
		return a
	}
	w.clock.Advance(time.Hour)
	n := 0
	take := func(a incident.Alert) incident.Taken {
		t.Helper()
		n++
		from := w.from(svc, fmt.Sprint("dlv_", n))
		got := w.take(from, a)
		if again := w.take(from, a); again != got {
			t.Errorf("taken again: got %+v, then %+v", got, again)
		}
		return got
	}
	late, none := incident.Taken{Late: true}, incident.Taken{}
	want := func(what string, got, want incident.Taken) {
		t.Helper()
		if want.IncidentID = got.IncidentID; got != want || want != none && want != late && got.IncidentID == "" {
			t.Errorf("%s: got %+v, want %+v", what, got, want)
		}
	}
	want("a resolve before all", take(at(resolve("k"), 10)), none)
	want("the fire before it", take(at(fire("k"), 9)), late)
	want("one of the same moment", take(at(fire("k"), 10)), incident.Taken{Opened: true})
	want("another", take(at(fire("k"), 20)), incident.Taken{Folded: true})
	want("a resolve in between", take(at(resolve("k"), 15)), late)
	worse := at(fire("k"), 30)
	worse.Severity = incident.Critical
	want("a worse one", take(worse), incident.Taken{Folded: true})
	want("a resolve before that", take(at(resolve("k"), 25)), late)
	want("the resolve", take(at(resolve("k"), 31)), incident.Taken{Resolved: true})
	want("a fire in between", take(at(fire("k"), 30)), late)
	want("of another key", take(at(fire("other"), 1)), incident.Taken{Opened: true})
	want("of no time", take(fire("k")), incident.Taken{Opened: true})
	want("a resolve of no time", take(resolve("k")), incident.Taken{Resolved: true})

	want("a resolve of tomorrow", take(at(resolve("k"), 24*60)), none) // a clock that is wrong
	want("what fires then", take(at(fire("k"), 32)), incident.Taken{Opened: true})
	want("its resolve", take(at(resolve("k"), 33)), incident.Taken{Resolved: true})
	w.clock.Advance(24*time.Hour + time.Second)
	want("a day later", take(at(fire("k"), 24*60+61)), incident.Taken{Opened: true})
}
