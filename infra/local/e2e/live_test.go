package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"pagefree/infra/local/client"
	"pagefree/infra/local/stack"
)

// change is what a socket is told, to the letter.
type change struct {
	Kind, ID string
	Version  int64
}

// hearer is an open socket, with what was said on it.
type hearer struct {
	t       *testing.T
	conn    *websocket.Conn
	changes chan change
	answers chan object
	closed  chan websocket.StatusCode
}

// ticket gets one for somebody's session.
func ticket(t *testing.T, api client.Client, session string) client.Answer {
	t.Helper()
	a, err := api.Want(t.Context(), http.StatusOK, "POST", "/v1/realtime/tickets", session, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// open opens a socket and listens.
func open(t *testing.T, at string, h http.Header) (*hearer, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, res, err := websocket.Dial(ctx, at, &websocket.DialOptions{HTTPHeader: h})
	if err != nil {
		return nil, res, err
	}
	e := &hearer{t: t, conn: conn, changes: make(chan change, 100), answers: make(chan object, 100), closed: make(chan websocket.StatusCode, 1)}
	t.Cleanup(func() { _ = conn.CloseNow() })
	go e.read()
	return e, res, nil
}

func (e *hearer) read() {
	for {
		_, text, err := e.conn.Read(context.Background())
		if err != nil {
			e.closed <- websocket.CloseStatus(err)
			return
		}
		var o object
		if err := json.Unmarshal(text, &o); err != nil {
			e.t.Errorf("said %s", text)
			continue
		}
		kind, isChange := o["kind"].(string)
		if !isChange {
			e.answers <- o
			continue
		}
		version, _ := o["version"].(float64)
		id, _ := o["id"].(string)
		if len(o) != 3 || id == "" {
			e.t.Errorf("a change says %s, and has to say kind, id and version alone", text)
		}
		e.changes <- change{kind, id, int64(version)}
	}
}

// say says something, and gives the answer.
func (e *hearer) say(what object) object {
	e.t.Helper()
	text, err := json.Marshal(what)
	if err != nil {
		e.t.Fatal(err)
	}
	if err := e.conn.Write(e.t.Context(), websocket.MessageText, text); err != nil {
		e.t.Fatal(err)
	}
	select {
	case a := <-e.answers:
		return a
	case code := <-e.closed:
		e.t.Fatalf("closed with %d instead of an answer to %s", code, text)
	case <-time.After(time.Minute):
		e.t.Fatalf("no answer to %s", text)
	}
	return nil
}

// hears waits for a change, and leaves out others before it.
func (e *hearer) hears(what string, is func(change) bool) change {
	e.t.Helper()
	for end := time.After(time.Minute); ; {
		select {
		case c := <-e.changes:
			if is(c) {
				return c
			}
		case code := <-e.closed:
			e.t.Fatalf("%s: closed with %d", what, code)
		case <-end:
			e.t.Fatalf("%s: not told", what)
		}
	}
}

// ends waits until the socket is closed.
func (e *hearer) ends(what string) {
	e.t.Helper()
	select {
	case <-e.closed:
	case <-time.After(time.Minute):
		e.t.Fatalf("%s: the socket is still open", what)
	}
}

// listen opens a socket for a session, and subscribes.
func listen(t *testing.T, api client.Client, session string, to object) (*hearer, object) {
	t.Helper()
	e, _, err := open(t, ticket(t, api, session).Text("url"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return e, e.say(object{"subscribe": to})
}

var everything = object{"kinds": []string{"incident", "execution", "workflow-run"}}

// TestSockets: what happens reaches the open sockets of those who may know, and nobody else's.
func TestSockets(t *testing.T) {
	t.Parallel()
	w := plainStacks.world(t)
	services := w.call(lead, http.StatusOK, "GET", "/v1/services", nil).Items()
	incident := func(title string) string {
		w.t.Helper()
		return w.call(lead, http.StatusCreated, "POST", "/v1/incidents", object{"title": title, "severity": "LOW", "serviceId": services[0]["id"]}).Text("id")
	}
	of := func(id string) func(change) bool { return func(c change) bool { return c.ID == id } }
	outside, err := client.Client{URL: w.stack.URL, HTTP: source("127.0.9.2")}.SignIn(t.Context(), outsider)
	if err != nil {
		t.Fatal(err)
	}

	all, said := listen(t, w.api, w.people.Sessions[responder], everything)
	if kinds := said["subscribed"].(object)["kinds"].([]any); len(kinds) != 3 {
		t.Errorf("subscribed: %v", said)
	}
	above, _ := listen(t, w.api, w.people.Sessions[admin], everything)
	beside, _ := listen(t, w.api, outside, everything)

	id := incident("The disk is full")
	for _, e := range []*hearer{all, above} {
		if c := e.hears("a new incident", of(id)); c.Kind != "incident" || c.Version < 1 {
			t.Errorf("got %+v", c)
		}
	}
	w.call(responder, http.StatusOK, "POST", "/v1/incidents/"+id+"/acknowledge", nil)
	all.hears("an acknowledgement", func(c change) bool { return c.ID == id && c.Version > 1 })
	w.call(responder, http.StatusCreated, "POST", "/v1/incidents/"+id+"/notes", object{"text": "Looking"})
	all.hears("a note, which changes the timeline alone", of(id))
	ex := w.trigger()
	for status := ""; status != "COMPLETED"; { // who looks at each change sees the end
		if c := all.hears("an execution", of(ex)); c.Kind != "execution" {
			t.Errorf("got %+v", c)
		}
		status = w.call(responder, http.StatusOK, "GET", "/v1/executions/"+ex, nil).Text("status")
	}
	w.trigger()
	all.hears("its entry on the timeline of an incident", of(w.people.IncidentID))

	// A callback's output, while its execution runs.
	runbook := w.approved(object{"name": "Follow", "teamId": w.team(), "language": "BASH",
		"target": object{"type": "webhook", "url": w.stack.URL + "/_local/echo/202", "preset": "generic", "async": true}})
	running := w.call(responder, http.StatusAccepted, "POST", "/v1/executions", object{"runbookId": runbook}).Text("id")
	var delivery struct{ Callback struct{ URL, Token string } }
	w.until("the delivery", func() bool {
		for _, r := range w.stack.Webhooks() {
			if strings.Contains(r.Body, running) {
				return json.Unmarshal([]byte(r.Body), &delivery) == nil
			}
		}
		return false
	})
	w.until("that it runs", func() bool {
		return w.call(responder, http.StatusOK, "GET", "/v1/executions/"+running, nil).Body["startedAt"] != nil
	})
	began := all.hears("that it runs", of(running))
	if _, err := w.api.Want(t.Context(), http.StatusOK, "POST", "/v1/callbacks/"+running, delivery.Callback.Token, object{"status": "RUNNING", "stdout": "half"}); err != nil {
		t.Fatal(err)
	}
	for stdout := ""; stdout != "half"; {
		all.hears("output while it runs", func(c change) bool { return c.ID == running && c.Version >= began.Version })
		stdout = w.call(responder, http.StatusOK, "GET", "/v1/executions/"+running, nil).Text("stdout")
	}

	// One thing alone; and one that the other team's admin may not know of.
	one, said := listen(t, w.api, w.people.Sessions[lead], object{"ids": []string{id, "inc_01KC9Q6Z5R8T1V3X5Z7B9D1F3H"}})
	if !strings.Contains(jsonOf(said), `"notFound":["inc_01KC9Q6Z5R8T1V3X5Z7B9D1F3H"]`) || !strings.Contains(jsonOf(said), `"ids":["`+id+`"]`) {
		t.Errorf("got %s", jsonOf(said))
	}
	if said := beside.say(object{"subscribe": object{"kinds": []string{"incident"}, "ids": []string{id}}}); !strings.Contains(jsonOf(said), `"notFound":["`+id+`"]`) {
		t.Errorf("another team's incident: %s", jsonOf(said))
	}
	other := incident("Something else")
	w.call(responder, http.StatusOK, "POST", "/v1/incidents/"+id+"/resolve", object{})
	if c := one.hears("the one thing", func(change) bool { return true }); c.ID != id {
		t.Errorf("got %+v, and listened for %s", c, id)
	}
	all.hears("everything", of(other))
	select {
	case c := <-beside.changes:
		t.Errorf("another team is told of %+v", c)
	default:
	}
	if said := one.say(object{"ping": true}); said["pong"] != true {
		t.Errorf("a ping: %v", said)
	}
	if said := one.say(object{"subscribe": object{"kinds": []string{"team_x"}}}); said["error"] == nil {
		t.Errorf("a kind that is none: %v", said)
	}
	if said := one.say(object{"message": "hello"}); said["error"] == nil {
		t.Errorf("a message that is none: %v", said)
	}
}

func jsonOf(o object) string {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestSocketsAreClosed: who opens them, and when they end.
func TestSocketsAreClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, stack.Options{})
	refused := func(name, at string, h http.Header, want int) {
		t.Helper()
		if _, res, err := open(t, at, h); err == nil || res == nil || res.StatusCode != want {
			t.Errorf("%s: got %v, %v, want %d", name, res, err, want)
		}
	}
	session := w.people.Sessions[responder]
	plain := "ws" + strings.TrimPrefix(w.stack.URL, "http") + "/socket"
	first := ticket(t, w.api, session)
	if u, err := url.Parse(first.Text("url")); err != nil || first.Text("url") != plain+"?ticket="+first.Text("ticket") || u.Query().Get("ticket") == "" {
		t.Errorf("the url is %s, %v", first.Text("url"), err)
	}
	if first.Header.Get("Cache-Control") == "" || strings.Contains(first.Header.Get("Cache-Control"), "max-age") {
		t.Errorf("a ticket may be kept: %q", first.Header.Get("Cache-Control"))
	}
	refused("a foreign page", first.Text("url"), http.Header{"Origin": {"https://evil.example"}}, http.StatusForbidden)
	refused("a page without an origin", first.Text("url"), http.Header{"Origin": {"null"}}, http.StatusForbidden)
	refused("no ticket", plain, nil, http.StatusUnauthorized)
	refused("a session in its place", plain+"?ticket="+session, nil, http.StatusUnauthorized)
	refused("a session beside", plain, http.Header{"Authorization": {"Bearer " + session}}, http.StatusUnauthorized)
	refused("another path", plain+"/x?ticket="+first.Text("ticket"), nil, http.StatusNotFound)
	own := "ws" + strings.TrimPrefix(strings.TrimSuffix(w.stack.APIURL, "/live"), "http") + "/socket?ticket=" + first.Text("ticket")
	refused("around the distribution", own, nil, http.StatusForbidden)
	refused("around it, with its header", own, http.Header{"X-Pagefree-Origin": {"a guess"}}, http.StatusForbidden)
	for name, at := range map[string]string{"the url": first.Text("url"), "the ticket once more": ticket(t, w.api, session).Text("url"), "the same": ticket(t, w.api, session).Text("url")} {
		secret := at[strings.Index(at, "pfw_"):]
		at += map[string]string{"the ticket once more": "?ticket=" + secret, "the same": "&ticket=" + secret}[name]
		if _, _, err := open(t, at, http.Header{"Origin": {w.stack.URL}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("a ticket twice", first.Text("url"), nil, http.StatusUnauthorized)
	refused("two tickets", ticket(t, w.api, session).Text("url")+"&ticket="+ticket(t, w.api, session).Text("ticket"), nil, http.StatusUnauthorized)
	key := w.call(lead, http.StatusCreated, "POST", "/v1/api-keys", object{"name": "Key", "teamId": w.team(), "role": "TEAM_ADMIN"}).Text("key")
	for name, token := range map[string]string{"an API key": key, "nobody": "", "a ticket": ticket(t, w.api, session).Text("ticket")} {
		if _, err := w.api.Want(t.Context(), http.StatusUnauthorized, "POST", "/v1/realtime/tickets", token, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if res, err := http.Get(w.stack.URL + "/socket"); err != nil || res.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("no socket: %v, %v", res, err)
	} else {
		_ = res.Body.Close()
	}

	// Ended sessions lose their sockets without anything being pushed; others of the same person keep theirs.
	again, err := client.Client{URL: w.stack.URL, HTTP: source("127.0.9.3")}.SignIn(t.Context(), responder)
	if err != nil {
		t.Fatal(err)
	}
	stays, _ := listen(t, w.api, session, everything)
	goes, _ := listen(t, w.api, again, everything)
	unused := ticket(t, w.api, again)
	began := time.Now()
	if _, err := w.api.Want(t.Context(), http.StatusNoContent, "POST", "/v1/auth/sign-out", again, nil); err != nil {
		t.Fatal(err)
	}
	goes.ends("signed out")
	t.Logf("closed %v after the sign-out", time.Since(began))
	refused("the ticket of a session that ended", unused.Text("url"), nil, http.StatusUnauthorized)
	if said := stays.say(object{"ping": true}); said["pong"] != true {
		t.Errorf("the other session: %v", said)
	}

	// Out of the team: nothing of it any more, though the socket stays.
	me := w.call(responder, http.StatusOK, "GET", "/v1/me", nil).Text("id")
	w.call(lead, http.StatusNoContent, "DELETE", "/v1/teams/"+w.team()+"/members/"+me, nil)
	until, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for { // the roles that a look found count for five seconds
		title := time.Now().String()
		service := w.call(lead, http.StatusOK, "GET", "/v1/services", nil).Items()[0]["id"]
		w.call(lead, http.StatusCreated, "POST", "/v1/incidents", object{"title": title, "severity": "LOW", "serviceId": service})
		if err := client.Pause(until, 500*time.Millisecond); err != nil {
			t.Fatal("is told of a team that it left")
		}
		if len(stays.changes) == 0 {
			break
		}
		for len(stays.changes) > 0 {
			<-stays.changes
		}
	}
	w.call(admin, http.StatusOK, "PATCH", "/v1/users/"+me, object{"active": false})
	stays.ends("deactivated")
	w.until("the end of all of theirs", func() bool { return w.stack.Sockets().Open() == 0 })
}
