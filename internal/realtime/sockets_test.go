package realtime

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"pagefree/infra/local/roomtest"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/token"
)

func TestTickets(t *testing.T) {
	w := newWorld(t)
	who := w.signIn(false, w.team)
	a := w.api.Call(roomtest.As(t.Context(), who), t, "POST", "/v1/realtime/tickets", nil)
	if a.StatusCode != http.StatusOK || a.Str("url") != "wss://pagefree.example.com/socket?ticket="+a.Str("ticket") {
		t.Errorf("got %d %s", a.StatusCode, a.Text)
	}
	if kind, ok := token.KindOf(a.Str("ticket")); !ok || kind != token.Ticket {
		t.Errorf("the ticket is %q", a.Str("ticket"))
	}
	tests := map[string]struct {
		who  principal.Principal
		want int
	}{
		"nobody":          {want: http.StatusUnauthorized},
		"an API key":      {who: principal.Principal{Kind: principal.APIKey, ID: "key_x", Teams: who.Teams}, want: http.StatusForbidden},
		"PageFree itself": {who: principal.Principal{Kind: principal.System, ID: "pagefree"}, want: http.StatusForbidden},
		"a partner":       {who: principal.Principal{Kind: principal.Partner, ID: "pse_x", SessionHash: "x", Partner: &principal.Reading{}}, want: http.StatusUnauthorized},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if a := w.api.Call(roomtest.As(t.Context(), tt.who), t, "POST", "/v1/realtime/tickets", nil); a.StatusCode != tt.want {
				t.Errorf("got %d %s, want %d", a.StatusCode, a.Text, tt.want)
			}
		})
	}
}

func TestConnect(t *testing.T) {
	w := newWorld(t)
	who, gone := w.signIn(false, w.team), w.signIn(false, w.team)
	unused := w.ticket(gone)
	w.end(gone)
	late := w.ticket(who)
	w.clock.Advance(TicketLife)
	used := w.ticket(who)
	if a := w.handle(connect("first=", used)); a.StatusCode != http.StatusOK {
		t.Fatalf("got %d", a.StatusCode)
	}
	opened := len(w.left())
	with := func(name string, values ...string) func(*events.APIGatewayWebsocketProxyRequest) {
		return func(e *events.APIGatewayWebsocketProxyRequest) { e.MultiValueHeaders[name] = values }
	}
	tests := map[string]struct {
		ticket string
		change func(*events.APIGatewayWebsocketProxyRequest)
		want   int
	}{
		"twice":                        {ticket: used, want: 401},
		"after thirty seconds":         {ticket: late, want: 401},
		"of a session that ended":      {ticket: unused, want: 401},
		"of nobody":                    {ticket: token.New(token.Ticket), want: 401},
		"none":                         {want: 401},
		"a session in its place":       {ticket: token.New(token.Session), want: 401},
		"from a foreign page":          {ticket: w.ticket(who), change: with("Origin", "https://evil.example"), want: 403},
		"from a page of another port":  {ticket: w.ticket(who), change: with("Origin", site+":8443"), want: 403},
		"from a page without a scheme": {ticket: w.ticket(who), change: with("origin", "null"), want: 403},
		"from two pages":               {ticket: w.ticket(who), change: with("Origin", site, "https://evil.example"), want: 403},
		"around the distribution":      {ticket: w.ticket(who), change: with("x-pagefree-origin"), want: 403},
		"with a guess of its secret":   {ticket: w.ticket(who), change: with("x-pagefree-origin", strings.Repeat("x", 40)), want: 403},
		"two":                          {ticket: w.ticket(who) + "&ticket=" + w.ticket(who), want: 401},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := connect("other=", tt.ticket)
			if tt.change != nil {
				tt.change(&e)
			}
			if a := w.handle(e); a.StatusCode != tt.want {
				t.Errorf("got %d, want %d", a.StatusCode, tt.want)
			}
		})
	}
	if got := len(w.left()); got != opened {
		t.Errorf("refusals left %d items", got-opened)
	}
	for name, write := range map[string]func(string) []string{
		"once more, with a question mark": func(s string) []string { return []string{s + "?ticket=" + s} },
		"once more, with an ampersand":    func(s string) []string { return []string{s, s} },
		"by no browser":                   func(s string) []string { return []string{s} },
	} {
		e := connect(name, "x")
		e.MultiValueQueryStringParameters["ticket"] = write(w.ticket(who))
		if name == "by no browser" {
			delete(e.MultiValueHeaders, "Origin")
		}
		if a := w.handle(e); a.StatusCode != http.StatusOK {
			t.Errorf("%s: got %d", name, a.StatusCode)
		}
	}
}

// TestOneTicketAtOnce: of many who come with one ticket, one gets in.
func TestOneTicketAtOnce(t *testing.T) {
	w := newWorld(t)
	ticket := w.ticket(w.signIn(false, w.team))
	var in atomic.Int32
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			a, err := w.sockets.Handle(t.Context(), connect(fmt.Sprint(n), ticket))
			if err == nil && a.StatusCode == http.StatusOK {
				in.Add(1)
			}
		})
	}
	all.Wait()
	if in.Load() != 1 || len(w.left()) != 3 {
		t.Errorf("%d got in, and there is %q", in.Load(), w.left())
	}
}

// TestMaxSockets: a session has so many sockets, whatever the others of its person have, and one more once one is gone.
func TestMaxSockets(t *testing.T) {
	w := newWorld(t)
	who := w.signIn(false, w.team)
	open := func(p principal.Principal, connectionID string) int {
		return w.handle(connect(connectionID, w.ticket(p))).StatusCode
	}
	for n := range MaxSockets {
		if got := open(who, fmt.Sprint("c", n)); got != http.StatusOK {
			t.Fatalf("number %d: got %d", n+1, got)
		}
	}
	if got := open(who, "more"); got != http.StatusTooManyRequests {
		t.Errorf("one more: got %d", got)
	}
	again := who
	again.SessionHash = token.Hash(token.New(token.Session))
	w.live[again.SessionHash] = principal.Live{Principal: again, Until: w.clock.Now().Add(8 * time.Hour)}
	if got := open(again, "other"); got != http.StatusOK {
		t.Errorf("of another session: got %d", got)
	}
	e := connect("c7", "")
	e.RequestContext.EventType = "DISCONNECT"
	w.handle(e)
	if got, more := open(who, "c7"), open(who, "more"); got != http.StatusOK || more != http.StatusTooManyRequests {
		t.Errorf("in the place of one that is gone: got %d, and one more %d", got, more)
	}
	w.clock.Advance(Longest + time.Minute) // those that went without a word
	if got := open(who, "later"); got != http.StatusOK {
		t.Errorf("two hours later: got %d", got)
	}
}

// TestASessionThatEndsMeanwhile: who ended it found no connection to close, so the connection finds that it ended.
func TestASessionThatEndsMeanwhile(t *testing.T) {
	w := newWorld(t)
	who := w.signIn(false, w.team)
	ticket := w.ticket(who)
	w.ended = func() { delete(w.live, who.SessionHash) }
	if a := w.handle(connect("c=", ticket)); a.StatusCode != http.StatusUnauthorized || len(w.left()) != 0 {
		t.Errorf("got %d, and there is %q", a.StatusCode, w.left())
	}
}

func TestSubscribe(t *testing.T) {
	w := newWorld(t)
	who, admin := w.signIn(false, w.team), w.signIn(true)
	ours, theirs := w.incident(w.team), w.incident(w.other)
	mine := w.thing(id.Execution, Execution, "ex#", "ex", "", who.ID)
	somebodys := w.thing(id.Execution, Execution, "ex#", "ex", "", "usr_01KC9Q6Z5R8T1V3X5Z7B9D1F3H")
	run := w.thing(id.WorkflowRun, WorkflowRun, "wfr#", "run", w.team, "")
	tests := map[string]struct {
		who  principal.Principal
		say  string
		want string
	}{
		"kinds":                   {who, `{"subscribe":{"kinds":["execution","incident","incident"]}}`, `{"subscribed":{"kinds":["execution","incident"],"ids":[]}}`},
		"ids":                     {who, `{"subscribe":{"ids":["` + ours + `","` + run + `"]}}`, `{"subscribed":{"kinds":[],"ids":["` + ours + `","` + run + `"]}}`},
		"another team's":          {who, `{"subscribe":{"ids":["` + theirs + `"]}}`, `{"subscribed":{"kinds":[],"ids":[]},"notFound":["` + theirs + `"]}`},
		"what does not exist":     {who, `{"subscribe":{"ids":["inc_01KC9Q6Z5R8T1V3X5Z7B9D1F3H"]}}`, `{"subscribed":{"kinds":[],"ids":[]},"notFound":["inc_01KC9Q6Z5R8T1V3X5Z7B9D1F3H"]}`},
		"a name that is made up":  {who, `{"subscribe":{"ids":["` + w.other + `"]}}`, `{"subscribed":{"kinds":[],"ids":[]},"notFound":["` + w.other + `"]}`},
		"without a team":          {who, `{"subscribe":{"ids":["` + mine + `","` + somebodys + `"]}}`, `{"subscribed":{"kinds":[],"ids":["` + mine + `"]},"notFound":["` + somebodys + `"]}`},
		"everything, by an admin": {admin, `{"subscribe":{"ids":["` + ours + `","` + theirs + `"]}}`, `{"subscribed":{"kinds":[],"ids":["` + ours + `","` + theirs + `"]}}`},
		"nothing":                 {who, `{"subscribe":{}}`, `{"subscribed":{"kinds":[],"ids":[]}}`},
		"an unknown kind":         {who, `{"subscribe":{"kinds":["` + w.team + `"]}}`, `"code":"validation_failed"`},
		"too many ids":            {who, `{"subscribe":{"ids":["` + strings.Repeat(ours+`","`, MaxIDs) + `"]}}`, `"code":"validation_failed"`},
		"no JSON":                 {who, `hello`, `"code":"message_invalid"`},
		"nothing that is known":   {who, `{"kinds":["incident"]}`, `"code":"message_invalid"`},
		"a ping":                  {who, `{"ping":true}`, `{"pong":true}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := w.says(w.opened(tt.who), tt.say); !strings.Contains(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	c := w.opened(who)
	before := len(w.left())
	w.says(c, `{"subscribe":{"kinds":["incident"]}}`)
	if got := len(w.left()); got != before+2 { // the team's and the person's own
		t.Errorf("%d items more, want 2", got-before)
	}
	w.says(c, `{"subscribe":{}}`)
	if got := len(w.left()); got != before {
		t.Errorf("%d items are left of a subscription that was replaced", got-before)
	}
	w.end(who)
	if got := w.says(c, `{"subscribe":{"kinds":["incident"]}}`); !strings.Contains(got, "unauthenticated") || len(w.asked) != 1 || w.asked[0].UserID != who.ID {
		t.Errorf("an ended session: %s, %+v", got, w.asked)
	}
	if got := w.says("unknown", `{"ping":true}`); !strings.Contains(got, "unauthenticated") {
		t.Errorf("an unknown connection: %s", got)
	}
}

// TestWhoSaysTooMuch is refused and closed, whatever it is that they say, and no other is.
func TestWhoSaysTooMuch(t *testing.T) {
	w := newWorld(t)
	who := w.signIn(false, w.team)
	loud, calm := w.opened(who), w.opened(who)
	words := []string{`{"ping":true}`, `hello`, `{"subscribe":{"kinds":["incident"]}}`, `{"subscribe":{"kinds":["x"]}}`}
	now := w.clock.Now()
	w.sockets.Now = func() time.Time { return now }
	for n := range MaxSaid {
		if got := w.says(loud, words[n%len(words)]); strings.Contains(got, "rate_limited") {
			t.Fatalf("number %d: got %s", n+1, got)
		}
	}
	for range 20 {
		if got := w.says(loud, words[0]); !strings.Contains(got, `"code":"rate_limited"`) {
			t.Errorf("one more: got %s", got)
		}
	}
	if len(w.asked) != 1 || w.asked[0] != (Message{Close: loud}) {
		t.Fatalf("asked for %+v", w.asked)
	}
	if got := w.says(calm, words[0]); got != `{"pong":true}` {
		t.Errorf("another of the same session: got %s", got)
	}
	now = now.Add(2 * time.Second)
	for n, limited := range []bool{false, false, true} {
		if got := w.says(loud, words[0]); strings.Contains(got, "rate_limited") != limited {
			t.Errorf("two seconds later, number %d: got %s", n+1, got)
		}
	}
	w.told(w.asked[0])
	w.told(w.asked[0])
	if got := w.says(loud, words[0]); !slices.Contains(w.closed, loud) || slices.Contains(w.closed, calm) || !strings.Contains(got, "rate_limited") {
		t.Errorf("closed are %q; it still gets %s", w.closed, got)
	}
	now = now.Add(time.Minute)
	if got := w.says(loud, words[0]); !strings.Contains(got, "unauthenticated") {
		t.Errorf("of its subscription there is still something: %s", got)
	}
	if got := w.asked[len(w.asked)-1]; got != (Message{Close: loud}) { // it is open, and nothing knows of it
		t.Errorf("asked for %+v", got)
	}
}

// TestManyWhoSpeak: an instance does not remember everybody, and a clock that jumps shuts nobody up for long.
func TestManyWhoSpeak(t *testing.T) {
	var p pace
	now := time.Now()
	for n := range 3 * most {
		p.takes(fmt.Sprint(n), now)
	}
	if len(p.heard) > most {
		t.Errorf("%d are remembered", len(p.heard))
	}
	for range 2 * MaxSaid {
		p.takes("one", now)
	}
	if ok, _ := p.takes("one", now.Add(-24*time.Hour)); !ok {
		t.Error("a clock that jumped back shuts somebody up")
	}
}

// TestDisconnect: nothing is left, however many teams there are.
func TestDisconnect(t *testing.T) {
	w := newWorld(t)
	var teams []string
	for range 100 {
		teams = append(teams, id.New(id.Team, w.clock.Now()))
	}
	c := w.listens(w.signIn(false, teams...), []string{Incident})
	if got := len(w.left()); got != 104 {
		t.Errorf("%d items, want one for each team, the person, and three", got)
	}
	e := events.APIGatewayWebsocketProxyRequest{}
	e.RequestContext.EventType, e.RequestContext.ConnectionID = "DISCONNECT", c
	for range 2 { // it may come again
		if w.handle(e); len(w.left()) != 0 {
			t.Errorf("left: %q", w.left())
		}
	}
	e.RequestContext.EventType = "SOMETHING"
	if _, err := w.sockets.Handle(t.Context(), e); err == nil {
		t.Error("an unknown event is taken")
	}
}
