package notify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/echo"
	"pagefree/internal/notify"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
)

func dump(v any) string { b, _ := json.Marshal(v); return string(b) }

// hook gives the team a webhook at the echo, and returns its secret.
func (w *world) hook(status int, format string) string {
	w.t.Helper()
	a := w.must(200, "lead", "PUT", "/v1/teams/"+w.team+"/notifications", map[string]any{"webhook": map[string]any{"url": w.at + strconv.Itoa(status), "format": format}})
	secret, _ := a.Body["webhook"].(map[string]any)["secret"].(string)
	return secret
}

// verified checks a request as its receiver would, by https://github.com/standard-webhooks/standard-webhooks, and in other
// words than the room's own.
func verified(r echo.Request, secret string) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return fmt.Errorf("the key has %d bytes, %v", len(key), err)
	}
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s.%s.%s", r.Headers["webhook-id"], r.Headers["webhook-timestamp"], r.Body)
	for _, one := range strings.Split(r.Headers["webhook-signature"], " ") {
		version, signature, _ := strings.Cut(one, ",")
		if got, err := base64.StdEncoding.DecodeString(signature); version == "v1" && err == nil && hmac.Equal(got, h.Sum(nil)) {
			return nil
		}
	}
	return fmt.Errorf("no signature of %q fits", r.Headers["webhook-signature"])
}

func TestStandardWebhook(t *testing.T) {
	w := newWorld(t)
	secret := w.hook(200, "standard")
	e := w.event(outbox.IncidentCreated, w.incident("Payments <fail> & time out", "HIGH"), nil)
	e.Depth = 2
	w.handle(e, e)
	got := w.echo.Requests()
	if len(got) != 1 {
		t.Fatalf("got %d", len(got))
	}
	r := got[0]
	if err := verified(r, secret); err != nil {
		t.Error(err)
	}
	if r.Headers["webhook-id"] != e.ID || r.Headers["x-pagefree-depth"] != "3" || r.Headers["content-type"] != "application/json" || r.Headers["webhook-timestamp"] != strconv.FormatInt(w.now.Now().Unix(), 10) {
		t.Errorf("headers %v", r.Headers)
	}
	want := fmt.Sprintf(`{"data":{"incident":{"id":%q,"service":"Billing","severity":"HIGH","status":"TRIGGERED","title":"Payments <fail> & time out","url":"https://pagefree.test/console/incidents/%s"},"teamId":%q},"timestamp":%q,"type":"incident.created"}`,
		e.About, e.About, w.team, e.At)
	if r.Body != want {
		t.Errorf("got  %s\nwant %s", r.Body, want)
	}
	if err := verified(r, "whsec_"+base64.StdEncoding.EncodeToString(make([]byte, 32))); err == nil {
		t.Error("another secret verifies it")
	}

	rotated := w.must(200, "lead", "POST", "/v1/teams/"+w.team+"/notifications/rotate-secret", nil)
	if until, err := time.Parse(time.RFC3339, rotated.Str("previousValidUntil")); err != nil || until.Sub(w.now.Now()).Round(time.Minute) != 24*time.Hour {
		t.Errorf("got %s", rotated.Text)
	}
	if a := w.must(200, "lead", "GET", "/v1/teams/"+w.team+"/notifications", nil); !strings.Contains(a.Text, `"previousSecretUntil"`) || strings.Contains(a.Text, "whsec") {
		t.Errorf("got %s", a.Text)
	}
	for _, tt := range []struct {
		after time.Duration
		old   bool
	}{{time.Hour, true}, {24 * time.Hour, false}} {
		w.now.Advance(tt.after)
		w.handle(w.event(outbox.IncidentCreated, w.incident("Payments fail", "HIGH"), nil))
		r := w.echo.Requests()[0]
		if err := verified(r, rotated.Str("secret")); err != nil {
			t.Errorf("after %v: %v", tt.after, err)
		}
		if err := verified(r, secret); (err == nil) != tt.old {
			t.Errorf("by the old secret, after %v: %v", tt.after, err)
		}
	}
	if list := w.recorded("notifications.secret_rotated"); len(list) != 1 || list[0].Subject.ID != w.team {
		t.Errorf("on record: %+v", list)
	}
}

// TestWebhookBodies: what each event says, and that it holds no parameter and nothing that a script wrote.
func TestWebhookBodies(t *testing.T) {
	w := newWorld(t)
	w.must(200, "lead", "PUT", "/v1/teams/"+w.team+"/notifications", map[string]any{"includeOutput": true, "webhook": map[string]any{"url": w.at + "200", "format": "standard"}})
	rb := id.New(id.Runbook, w.now.Now())
	w.facts.versions[rb+"/2"] = notify.Version{Runbook: "Restart", Waits: true}
	tests := map[string]struct {
		event outbox.Event
		want  []string
	}{
		"a failure":              {w.ended(rb, "FAILED", ""), []string{`"execution":{`, `"status":"FAILED"`, `"runbookName":"Restart"`, `"reason":"exit 1"`, `"runbookId":"` + rb}},
		"a confirmation":         {w.run(outbox.ExecutionWaits, rb, "AWAITING_CONFIRMATION", ""), []string{`"status":"AWAITING_CONFIRMATION"`}},
		"a confirmation expired": {w.run(outbox.ExecutionExpired, rb, "CANCELLED", ""), []string{`"status":"CANCELLED"`}},
		"a review":               {w.event(outbox.RunbookSubmitted, rb, map[string]string{"version": "2"}), []string{`"runbook":{`, `"version":"2"`, `"name":"Restart"`}},
		"a workflow":             {w.event(outbox.WorkflowFailed, "wfr_1", map[string]string{"workflowId": "wf_1", "workflowName": "Mend", "reason": "a step failed"}), []string{`"run":{`, `"workflowName":"Mend"`, `"reason":"a step failed"`}},
		"a message":              {w.event(outbox.WorkflowNotify, "wfr_1", map[string]string{"workflowId": "wf_1", "subject": "Look", "message": "at\nthis", "to": "team"}), []string{`"subject":"Look"`, `"message":"at\nthis"`}},
		"an escalation":          {w.event(outbox.IncidentEscalated, w.incident("x", "CRITICAL"), nil), []string{`"incident":{`, `"severity":"CRITICAL"`}},
	}
	for name, tt := range tests {
		w.handle(tt.event)
		r := w.echo.Requests()[0]
		var body struct {
			Type      string         `json:"type"`
			Timestamp string         `json:"timestamp"`
			Data      map[string]any `json:"data"`
		}
		if err := json.Unmarshal([]byte(r.Body), &body); err != nil || body.Type != tt.event.Type || body.Timestamp != tt.event.At.String() || body.Data["teamId"] != w.team {
			t.Errorf("%s: got %s, %v", name, r.Body, err)
		}
		for _, part := range tt.want {
			if !strings.Contains(r.Body, part) {
				t.Errorf("%s: got %s, want %s in it", name, r.Body, part)
			}
		}
		if strings.Contains(r.Body, "said") {
			t.Errorf("%s holds output: %s", name, r.Body)
		}
	}
}

func TestSlack(t *testing.T) {
	w := newWorld(t)
	if secret := w.hook(200, "slack"); secret != "" {
		t.Errorf("Slack's has a secret")
	}
	e := w.event(outbox.IncidentCreated, w.incident("<!channel> a & b <https://evil.test|x> *bold*\nline", "CRITICAL"), nil)
	w.handle(e)
	got := w.echo.Requests()
	if len(got) != 1 || got[0].Headers["webhook-signature"] != "" {
		t.Fatalf("got %+v", got)
	}
	var body map[string]string
	if err := json.Unmarshal([]byte(got[0].Body), &body); err != nil || len(body) != 1 {
		t.Fatalf("got %s, %v", got[0].Body, err)
	}
	want := "*[CRITICAL] &lt;!channel&gt; a &amp; b &lt;https://evil.test|x&gt; bold line*\nAn incident was opened.\nService: Billing\n<https://pagefree.test/console/incidents/" + e.About + "|Open it in PageFree>"
	if body["text"] != want {
		t.Errorf("got  %q\nwant %q", body["text"], want)
	}
}

// TestAWebhookIsTriedAgain: for hours, with longer waits, and without anybody's mail waiting for it; then it is given up.
func TestAWebhookIsTriedAgain(t *testing.T) {
	for _, status := range []int{500, 302, 404} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			w := newWorld(t)
			w.hook(status, "standard")
			e := w.event(outbox.IncidentCreated, w.incident("Payments fail", "CRITICAL"), nil)
			w.handle(e)
			if got := to(w.sent()); got != "lead responder reviewer" {
				t.Errorf("mailed %q", got)
			}
			for tries := 2; tries <= 1+due.MaxTries; tries++ {
				w.now.Advance(31 * time.Minute)
				_ = w.sweeper.Sweep(t.Context())
				if got := len(w.echo.Requests()); got != tries {
					t.Fatalf("try %d: got %d requests", tries, got)
				}
			}
			ids := map[string]bool{}
			for _, r := range w.echo.Requests() {
				ids[r.Headers["webhook-id"]] = true
				if strings.Contains(r.Path, "echo/200") {
					t.Error("a redirect was followed")
				}
			}
			if len(ids) != 1 || !ids[e.ID] {
				t.Errorf("ids %v", ids)
			}
			w.now.Advance(time.Hour)
			w.sweep()
			if got := len(w.echo.Requests()); got != 1+due.MaxTries || len(w.waiting()) != 0 {
				t.Errorf("after it was given up: %d requests", got)
			}
		})
	}
}

// TestASweepWhileAWebhookIsPosted: the reminder does not overtake who waits for an endpoint's answer, however long.
func TestASweepWhileAWebhookIsPosted(t *testing.T) {
	w := newWorld(t)
	w.hook(200, "standard")
	w.meanwhile = func() {
		w.now.Advance(45 * time.Second)
		w.sweep()
	}
	w.handle(w.event(outbox.IncidentCreated, w.incident("Payments fail", "CRITICAL"), nil))
	w.now.Advance(2 * time.Minute)
	w.sweep()
	if got := len(w.echo.Requests()); got != 1 || len(w.waiting()) != 0 {
		t.Errorf("posted %d times", got)
	}
}

func TestAWebhookThatComesBack(t *testing.T) {
	w := newWorld(t)
	w.hook(500, "standard")
	w.handle(w.event(outbox.IncidentCreated, w.incident("Payments fail", "CRITICAL"), nil))
	w.hook(200, "standard") // somebody mends the address
	w.now.Advance(2 * time.Minute)
	w.sweep()
	paths := []string{}
	for _, r := range w.echo.Requests() {
		paths = append(paths, r.Path)
	}
	if !slices.Equal(paths, []string{"/_local/echo/200", "/_local/echo/500"}) || len(w.waiting()) != 0 {
		t.Errorf("got %v", paths)
	}
}

// TestGone: a 410 switches the webhook off, on record, for its team to see, and until the address is set again.
func TestGone(t *testing.T) {
	w := newWorld(t)
	w.hook(410, "standard")
	path := "/v1/teams/" + w.team + "/notifications"
	w.handle(w.event(outbox.IncidentCreated, w.incident("One", "CRITICAL"), nil), w.event(outbox.IncidentCreated, w.incident("Two", "CRITICAL"), nil))
	if got := len(w.echo.Requests()); got != 1 {
		t.Errorf("%d requests", got)
	}
	a := w.must(200, "observer", "GET", path, nil)
	if !strings.Contains(a.Text, `"disabled":{"at":"2060-03-01T12:00:`) || !strings.Contains(a.Text, "410") {
		t.Errorf("got %s", a.Text)
	}
	if list := w.recorded("notifications.webhook_disabled"); len(list) != 1 || *list[0].TeamID != w.team || list[0].Actor.ID != "pagefree" {
		t.Errorf("on record: %+v", list)
	}
	shown := a.Body["webhook"].(map[string]any)["url"]
	if a := w.must(200, "lead", "PUT", path, map[string]any{"webhook": map[string]any{"url": shown, "format": "standard"}}); !strings.Contains(a.Text, "disabled") {
		t.Errorf("as it is shown: got %s", a.Text)
	}
	if a := w.must(200, "lead", "PUT", path, map[string]any{"webhook": map[string]any{"url": w.at + "410", "format": "standard"}}); strings.Contains(a.Text, "disabled") {
		t.Errorf("set again: got %s", a.Text)
	}
	w.handle(w.event(outbox.IncidentCreated, w.incident("Three", "CRITICAL"), nil))
	if got := len(w.echo.Requests()); got != 2 || len(w.waiting()) != 0 {
		t.Errorf("set again: %d requests, left %v", got, w.waiting())
	}
}

func TestWhatAWebhookIsNotTold(t *testing.T) {
	w := newWorld(t)
	w.must(200, "lead", "PUT", "/v1/teams/"+w.team+"/notifications", map[string]any{"webhook": map[string]any{"url": w.at + "200", "format": "standard", "events": []string{"incident.created", "execution.ended"}}})
	rb := id.New(id.Runbook, w.now.Now())
	deep := w.event(outbox.IncidentCreated, w.incident("x", "CRITICAL"), nil)
	deep.Depth = outbox.MaxDepth
	elsewhere := w.event(outbox.IncidentCreated, w.incident("x", "CRITICAL"), nil)
	elsewhere.TeamID = w.other
	for name, e := range map[string]outbox.Event{
		"a success": w.ended(rb, "COMPLETED", ""), "of LOW": w.event(outbox.IncidentCreated, w.incident("x", "LOW"), nil),
		"not asked for": w.event(outbox.IncidentEscalated, w.incident("x", "CRITICAL"), nil), "a circle": deep, "another team's": elsewhere,
	} {
		w.handle(e)
		if got := w.echo.Requests(); len(got) != 0 {
			t.Fatalf("%s: got %+v", name, got)
		}
	}
	w.handle(w.ended(rb, "FAILED", ""))
	if got := w.echo.Requests(); len(got) != 1 {
		t.Errorf("a failure: got %+v", got)
	}
}

// TestTheAddressIsASecret: neither the address nor what signs stands in the table, and the function of the settings cannot
// read back what it hid.
func TestTheAddressIsASecret(t *testing.T) {
	w := newWorld(t)
	secret := w.hook(200, "standard")
	var item dynamo.Item
	found, err := w.identity.Get(t.Context(), dynamo.Key{PK: "notify#" + w.team, SK: "notify"}, &item)
	w.ok(err)
	if !found || strings.Contains(fmt.Sprintf("%q", item), "echo/200") || strings.Contains(fmt.Sprintf("%q", item), secret) {
		t.Errorf("stored %v", item)
	}
	var settings struct {
		Webhook struct {
			Address []byte `dynamodbav:"address"`
		} `dynamodbav:"webhook"`
	}
	w.ok(dynamo.Decode(item, &settings))
	if _, err := w.service.Webhooks.Reveal(t.Context(), w.team+"/address", settings.Webhook.Address); err == nil {
		t.Error("the function of the settings reads the address")
	}
	if _, err := w.notifier.Webhooks.Reveal(t.Context(), w.other+"/address", settings.Webhook.Address); err == nil {
		t.Error("it opens as another team's")
	}
	if _, err := w.notifier.Webhooks.Key.Reveal(t.Context(), "x", settings.Webhook.Address); err == nil {
		t.Error("it opens as a parameter")
	}
}
