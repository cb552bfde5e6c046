package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/queue"
)

// TestNotifications: an event of the queue is mailed and posted, whatever process dies first; an address that bounces is
// mailed no more, its team is shown so, and its person signs in all the same.
func TestNotifications(t *testing.T) {
	t.Parallel()
	const bouncing = "bounce+notify@simulator.amazonses.com"
	w := newWorld(t, hurried)
	team := w.call(lead, http.StatusOK, "GET", "/v1/me", nil).Body["teams"].([]any)[0].(object)["id"].(string)
	user := w.call(admin, http.StatusCreated, "POST", "/v1/users", object{"email": bouncing, "name": "Bo"}).Text("id")
	w.call(lead, http.StatusOK, "PUT", "/v1/teams/"+team+"/members/"+user, object{"role": "TEAM_ADMIN"})
	path := "/v1/teams/" + team + "/notifications"
	hook := w.call(lead, http.StatusOK, "PUT", path, object{"webhook": object{"url": w.stack.URL + "/_local/echo/200", "format": "standard"}}).Body["webhook"].(object)
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(hook["secret"].(string), "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	events := queue.Queue{URL: w.stack.Template().Queues["NotificationsQueue"].URL, Client: sqs.NewFromConfig(w.stack.Config())}
	tell := func(e outbox.Event) outbox.Event {
		t.Helper()
		if err := events.Send(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	failure := func() outbox.Event {
		e := outbox.New(outbox.ExecutionEnded, id.New(id.Execution, time.Now()), team, time.Now())
		e.Detail = map[string]string{"status": "FAILED", "runbookId": id.New(id.Runbook, time.Now()), "runbookName": "Restart " + e.ID, "reason": "exit 1"}
		return e
	}
	mailed := func(to string, e outbox.Event) int {
		n := 0
		for _, m := range w.stack.Mail(to) {
			if strings.Contains(m.Subject, e.ID) {
				n++
			}
		}
		return n
	}

	first := tell(failure())
	w.until("the mails", func() bool {
		return mailed(lead, first) == 1 && mailed(reviewer, first) == 1 && mailed(bouncing, first) == 1
	})
	if m := w.stack.Mail(lead)[0]; m.Links[0] != w.stack.URL+"/console/executions/"+first.About {
		t.Errorf("it links to %v", m.Links)
	}
	w.until("the stop", func() bool {
		list := w.call(observerOf(w), http.StatusOK, "GET", path, nil).Body["mailStopped"].([]any)
		return len(list) == 1 && list[0].(object)["userId"] == user && list[0].(object)["reason"] == "bounce"
	})
	second := tell(failure())
	w.until("the second", func() bool { return mailed(lead, second) == 1 && w.drained("NotificationsQueue") })
	if mailed(bouncing, second) != 0 {
		t.Error("an address that bounces was mailed again")
	}
	before := len(w.stack.Mail(bouncing))
	w.call(nobody, http.StatusAccepted, "POST", "/v1/auth/magic-link", object{"email": bouncing})
	w.until("the sign-in link", func() bool { return len(w.stack.Mail(bouncing)) == before+1 })

	posted := 0
	for _, r := range w.stack.Webhooks() {
		if r.Headers["webhook-id"] != first.ID {
			continue
		}
		posted++
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(r.Headers["webhook-id"] + "." + r.Headers["webhook-timestamp"] + "." + r.Body))
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Headers["webhook-signature"] != want {
			t.Errorf("signed %q, want %q", r.Headers["webhook-signature"], want)
		}
	}
	if posted != 1 {
		t.Errorf("posted %d times", posted)
	}
}

// observerOf signs the demo's observer in.
func observerOf(w *world) string {
	if w.people.Sessions[observer] == "" {
		session, err := w.api.SignIn(w.t.Context(), observer)
		if err != nil {
			w.t.Fatal(err)
		}
		w.people.Sessions[observer] = session
	}
	return observer
}
