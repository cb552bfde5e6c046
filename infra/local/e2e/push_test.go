package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pagefree/infra/local/client"
	"pagefree/infra/local/pushservice"
)

// phone is a device that somebody gets pushes on, at the push service of this machine.
type phone struct {
	c      *contract
	name   string
	device *pushservice.Device
}

// subscribes makes a new device one of a person's, bound to the key that PageFree gives, as a browser binds it.
func (c *contract) subscribes(t *testing.T, who string) phone {
	t.Helper()
	p := phone{c: c, name: fmt.Sprintf("phone-%d", c.names.Add(1))}
	p.device = pushservice.NewDevice(c.api.URL + pushservice.Path + p.name)
	key := c.want(t, who, "GET /v1/push/key", nil, http.StatusOK, "").Text("key")
	c.stack.PushService().Restrict(p.name, key)
	c.want(t, who, "POST /v1/push/subscriptions", with(p.device.JSON(), "applicationServerKey", key), http.StatusCreated, "")
	return p
}

// got are the pushes that came for a phone, newest first.
func (p phone) got() (mine []pushservice.Push) {
	for _, one := range p.c.stack.PushService().Pushes() {
		if one.Device == p.name {
			mine = append(mine, one)
		}
	}
	return mine
}

// shows waits for the nth push, and opens it.
func (p phone) shows(t *testing.T, n int) (pushservice.Push, object) {
	t.Helper()
	var got []pushservice.Push
	eventually(t, fmt.Sprintf("push %d of %s", n, p.name), func() bool { got = p.got(); return len(got) >= n })
	if len(got) != n || got[0].Status != http.StatusCreated {
		t.Fatalf("%d pushes, want %d; the last: %d %s", len(got), n, got[0].Status, got[0].Problem)
	}
	text, err := p.device.Decrypt(got[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	var note object
	if err := json.Unmarshal(text, &note); err != nil {
		t.Fatal(err)
	}
	return got[0], note
}

// watch is a team of its own, whom nobody else's incidents reach, with two responders and a hook.
type watch struct {
	email, user  string
	mate         string // the other's address
	hook, secret string
}

func (c *contract) watch(t *testing.T) watch {
	t.Helper()
	var w watch
	w.email, w.user = c.person(t)
	team := c.want(t, admin, "POST /v1/teams", object{"name": c.name("Watch")}, http.StatusCreated, "").Text("id")
	mate, second := c.person(t)
	w.mate = mate
	for _, user := range []string{w.user, second} {
		c.want(t, admin, "PUT /v1/teams/"+team+"/members/"+user, object{"role": "RESPONDER"}, http.StatusOK, "")
	}
	service := c.want(t, admin, "POST /v1/services", object{"name": "Watch", "teamId": team}, http.StatusCreated, "").Text("id")
	a := c.want(t, admin, "POST /v1/integrations", object{"name": "Watch", "provider": "generic", "teamId": team, "serviceId": service}, http.StatusCreated, "")
	at, err := url.Parse(a.Text("url"))
	if err != nil {
		t.Fatal(err)
	}
	w.hook, w.secret = at.Path, a.Text("secret")
	return w
}

// alert lets an incident open, or end.
func (c *contract) alert(t *testing.T, w watch, title, status string) {
	t.Helper()
	body := object{"title": title, "severity": "critical", "dedupKey": title, "status": status}
	if a := c.ask(t, nobody, "POST "+w.hook, body, bearer(w.secret)); a.Status != http.StatusAccepted {
		t.Fatalf("%d %s", a.Status, a.Raw)
	}
}

// called waits for the one incident of a title that a person sees.
func (c *contract) called(t *testing.T, who, title string) (id string) {
	t.Helper()
	eventually(t, "the incident "+title, func() bool {
		items := c.want(t, who, "GET /v1/incidents?q="+url.QueryEscape(title), nil, http.StatusOK, "").Items()
		if len(items) == 1 {
			id = items[0]["id"].(string)
		}
		return id != ""
	})
	return id
}

// signsIn gives a person one more session, and returns it.
func (c *contract) signsIn(t *testing.T, email string) string {
	t.Helper()
	session, err := client.Client{URL: c.api.URL, HTTP: source("127.0.9.9")}.SignIn(t.Context(), email)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// contractPush: an alert of a monitoring system comes to a phone, and its end takes its place; whose title it shows is up
// to the person; a phone that is gone, and a person who is, get nothing more.
func contractPush(t *testing.T, c *contract) {
	t.Run("an incident, from its alert to its end", func(t *testing.T) {
		t.Parallel()
		w := c.watch(t)
		me := c.signsIn(t, w.email)
		p := c.subscribes(t, me)
		title := c.name("Secret project down")
		c.alert(t, w, title, "firing")
		incident := c.called(t, me, title)
		first, note := p.shows(t, 1)
		if note["url"] != "/console/incidents/"+incident || note["title"] != "Critical incident" || strings.Contains(encoded(t, note), "Secret") || note["silent"] != nil {
			t.Errorf("the phone shows %v", note)
		}
		if first.Topic == "" || first.Urgency != "high" || first.TTL < 3600 {
			t.Errorf("sent under %q, %q, for %d s", first.Topic, first.Urgency, first.TTL)
		}
		c.alert(t, w, title, "resolved")
		second, over := p.shows(t, 2)
		if second.Topic != first.Topic || over["tag"] != note["tag"] || over["url"] != note["url"] || over["silent"] != true {
			t.Errorf("its end is %v under %q, after %v under %q", over, second.Topic, note, first.Topic)
		}
		// The page that a touch leads to is there.
		page := c.look(t, me, "GET", note["url"].(string), nil)
		if page.Status != http.StatusOK || !strings.Contains(page.Raw, title) {
			t.Errorf("behind it is %d", page.Status)
		}

		c.want(t, me, "PUT /v1/me/notifications", object{"showTitles": true}, http.StatusOK, "")
		other := c.name("Disk of web-3")
		c.alert(t, w, other, "firing")
		third, named := p.shows(t, 3)
		if named["title"] != "[CRITICAL] "+other || third.Topic == first.Topic {
			t.Errorf("with titles it shows %v under %q", named, third.Topic)
		}
	})

	t.Run("a phone that is gone", func(t *testing.T) {
		t.Parallel()
		w := c.watch(t)
		me := c.signsIn(t, w.email)
		lost, kept := c.subscribes(t, me), c.subscribes(t, me)
		c.stack.PushService().Answer(lost.name, pushservice.Answer{Status: http.StatusGone})
		c.alert(t, w, c.name("One"), "firing")
		eventually(t, "the device to be removed", func() bool {
			return len(c.want(t, me, "GET /v1/push/subscriptions", nil, http.StatusOK, "").Items()) == 1
		})
		c.alert(t, w, c.name("Two"), "firing")
		kept.shows(t, 2)
		if n := len(lost.got()); n != 1 {
			t.Errorf("it was called %d times", n)
		}
	})

	t.Run("who signs out on a phone, and who is deactivated", func(t *testing.T) {
		t.Parallel()
		w := c.watch(t)
		me, elsewhere := c.signsIn(t, w.email), c.signsIn(t, w.email)
		left, stays := c.subscribes(t, me), c.subscribes(t, elsewhere)
		c.want(t, me, "DELETE /v1/push/subscriptions", left.device.JSON(), http.StatusNoContent, "") // as pwa.js does before it
		c.want(t, me, "POST /v1/auth/sign-out", nil, http.StatusNoContent, "")
		c.alert(t, w, c.name("One"), "firing")
		stays.shows(t, 1)
		c.want(t, admin, "PATCH /v1/users/"+w.user, object{"active": false}, http.StatusOK, "")
		beside := c.subscribes(t, c.signsIn(t, w.mate)) // once this one is told, the other would be too
		c.alert(t, w, c.name("Two"), "firing")
		beside.shows(t, 1)
		if c.want(t, admin, "PATCH /v1/users/"+w.user, object{"active": true}, http.StatusOK, ""); len(c.want(t, c.signsIn(t, w.email), "GET /v1/push/subscriptions", nil, http.StatusOK, "").Items()) != 0 {
			t.Error("back again, the devices are there too")
		}
		if left, stays := len(left.got()), len(stays.got()); left != 0 || stays != 1 {
			t.Errorf("%d came after the sign-out, %d in all before the end", left, stays)
		}
	})
}
