package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"pagefree/infra/local/client"
)

// integrate makes an integration, and returns the path of its hook, its secret and its id.
func (c *contract) integrate(t *testing.T, provider string, members ...any) (hook, secret, id string) {
	t.Helper()
	a := c.want(t, lead, "POST /v1/integrations", with(object{"name": c.name(provider), "provider": provider, "teamId": c.team, "serviceId": c.service}, members...), http.StatusCreated, "")
	at, err := url.Parse(a.Text("url"))
	if err != nil {
		t.Fatal(err)
	}
	return at.Path, a.Text("secret"), a.Text("id")
}

// contractIntegrations: what a team connects, by whom, and what it is told.
func contractIntegrations(t *testing.T, c *contract) {
	body := func(members ...any) object {
		return with(object{"name": c.name("Monitor"), "provider": "generic", "teamId": c.team, "serviceId": c.service}, members...)
	}
	post := func(members ...any) scenario {
		return scenario{as: lead, do: "POST /v1/integrations", send: body(members...), want: 422, code: "validation_failed"}
	}
	fine := func(has string, members ...any) scenario {
		return scenario{as: lead, do: "POST /v1/integrations", send: body(members...), want: 201, has: has}
	}
	topic := "arn:aws:sns:us-east-1:123456789012:alarms"
	key := c.key(t, "TEAM_ADMIN").Text("key")
	_, _, id := c.integrate(t, "generic")
	_, _, raised := c.integrate(t, "generic")
	one := "/v1/integrations/" + id
	c.play(t, map[string]scenario{
		"by an observer":               {as: observer, do: "POST /v1/integrations", send: body(), want: 403, code: "forbidden"},
		"by a responder":               {as: responder, do: "POST /v1/integrations", send: body(), want: 403, code: "forbidden"},
		"by another team":              {as: outsider, do: "POST /v1/integrations", send: body(), want: 404, code: "not_found"},
		"by nobody":                    {as: nobody, do: "POST /v1/integrations", send: body(), want: 401, code: "unauthenticated"},
		"another team's service":       {as: lead, do: "POST /v1/integrations", send: body("serviceId", c.foreignService(t)), want: 404, code: "not_found"},
		"a provider that is none":      post("provider", "nagios"),
		"no name":                      post("name", nil),
		"a blank name":                 post("name", " "),
		"cloudwatch without its topic": post("provider", "cloudwatch"),
		"cloudwatch with a secret":     post("provider", "cloudwatch", "topicArn", topic, "secret", strings.Repeat("s", 32)),
		"cloudwatch with no topic":     post("provider", "cloudwatch", "topicArn", "arn:aws:s3:::bucket"),
		"a topic of another provider":  post("topicArn", topic),
		"pagerduty without its secret": fine(`"secretMissing":true`, "provider", "pagerduty"), // which it shows once it has the address
		"sentry without its secret":    fine(`"secretMissing":true`, "provider", "sentry"),
		"a secret that is short":       post("provider", "pagerduty", "secret", "short"),
		"what the server says":         post("trust", "signed"),
		"datadog":                      fine(`"trust":"bearer"`, "provider", "datadog"),
		"newrelic":                     fine(`"payloadTemplate":`, "provider", "newrelic"),
		"alertmanager":                 fine(`"unattendedRisk":"LOW"`, "provider", "alertmanager"),
		"grafana":                      fine(`"unattendedRisk":"MEDIUM"`, "provider", "grafana"),
		"github":                       fine(`"trust":"signed"`, "provider", "github"),
		"standard":                     fine(`"secret":"whsec_`, "provider", "standard"),
		"cloudwatch":                   fine(`"instructions":[`, "provider", "cloudwatch", "topicArn", topic),
		"pagerduty":                    {as: lead, do: "POST /v1/integrations", send: body("provider", "pagerduty", "secret", "hush-"+strings.Repeat("x", 40)), want: 201, lacks: "hush-"},
		"sentry":                       {as: lead, do: "POST /v1/integrations", send: body("provider", "sentry", "secret", "hush-"+strings.Repeat("x", 40)), want: 201, lacks: "hush-"},
		"a ceiling that is lower":      fine(`"unattendedRisk":"LOW"`, "provider", "github", "unattendedRisk", "LOW"),
		"a ceiling that is higher":     {as: lead, do: "POST /v1/integrations", send: body("unattendedRisk", "HIGH"), want: 403, code: "forbidden"},
		"read":                         {as: lead, do: "GET " + one, want: 200, lacks: `"secret":"`},
		"read by a responder":          {as: responder, do: "GET " + one, want: 403, code: "forbidden"},
		"read by another team":         {as: outsider, do: "GET " + one, want: 404, code: "not_found"},
		"listed":                       {as: lead, do: "GET /v1/integrations?limit=200&teamId=" + c.team, want: 200, has: id, lacks: `"secret":"`},
		"listed elsewhere":             {as: outsider, do: "GET /v1/integrations", want: 200, lacks: id},
		"raised by its team":           {as: lead, do: "PATCH " + one, send: object{"unattendedRisk": "MEDIUM"}, want: 403, code: "forbidden"},
		"raised by an admin":           {as: admin, do: "PATCH /v1/integrations/" + raised, send: object{"unattendedRisk": "HIGH"}, want: 200, has: `"unattendedRisk":"HIGH"`},
		"rotated by a key":             {as: key, do: "POST " + one + "/rotate-secret", want: 403, code: "forbidden"},
		"rotated by another team":      {as: outsider, do: "POST " + one + "/rotate-secret", want: 404, code: "not_found"},
		"its deliveries":               {as: lead, do: "GET " + one + "/deliveries", want: 200},
		"deliveries elsewhere":         {as: outsider, do: "GET " + one + "/deliveries", want: 404, code: "not_found"},
		"deleted by another team":      {as: outsider, do: "DELETE " + one, want: 404, code: "not_found"},
		"deleted by a responder":       {as: responder, do: "DELETE " + one, want: 403, code: "forbidden"},
	})
}

// contractHooks: what comes in, and what is refused.
func contractHooks(t *testing.T, c *contract) {
	hook, secret, id := c.integrate(t, "generic")
	_, other, _ := c.integrate(t, "generic")
	do := "POST " + hook
	bearer := func(s string) http.Header { return http.Header{"Authorization": {"Bearer " + s}} }
	alert := object{"title": c.name("Hook"), "severity": "P3", "dedupKey": c.name("k"), "labels": object{"zone": "eu"}}
	packed := func(b []byte) text {
		var buf bytes.Buffer
		w := gzip.NewWriter(&buf)
		w.Write(b)
		w.Close()
		return text(buf.String())
	}
	gzipped := http.Header{"Authorization": {"Bearer " + secret}, "Content-Encoding": {"gzip"}}
	c.play(t, map[string]scenario{
		"an alert":                 {do: do, with: bearer(secret), send: alert, want: 202, has: `"duplicate":false`},
		"by the other header":      {do: do, with: http.Header{"X-Pagefree-Secret": {secret}}, send: alert, want: 202, has: `"accepted":true`},
		"no secret":                {do: do, send: alert, want: 401, code: "signature_missing"},
		"a wrong one":              {do: do, with: bearer("x" + secret), send: alert, want: 401, code: "signature_invalid"},
		"another integration's":    {do: do, with: bearer(other), send: alert, want: 401, code: "signature_invalid"},
		"nobody's hook":            {do: "POST /v1/hooks/int_" + unknown, with: bearer(secret), send: alert, want: 404, code: "not_found"},
		"no id":                    {do: "POST /v1/hooks/x", with: bearer(secret), send: alert, want: 404, code: "not_found"},
		"a GET":                    {do: "GET " + hook, with: bearer(secret), want: 405, code: "method_not_allowed"},
		"no JSON":                  {do: do, with: bearer(secret), send: text("{"), want: 400, code: "body_invalid"},
		"no object":                {do: do, with: bearer(secret), send: text("[1]"), want: 422, code: "validation_failed"},
		"a text":                   {do: do, with: bearer(secret), send: text(`"x"`), want: 422, code: "validation_failed"},
		"an unknown shape":         {do: do, with: bearer(secret), send: object{"hello": "world"}, want: 202},
		"a form":                   {do: do, with: http.Header{"Authorization": {"Bearer " + secret}, "Content-Type": {"application/x-www-form-urlencoded"}}, send: text("a=b"), want: 415, code: "unsupported_media_type"},
		"brotli":                   {do: do, with: http.Header{"Authorization": {"Bearer " + secret}, "Content-Encoding": {"br"}}, send: alert, want: 415, code: "unsupported_media_type"},
		"gzip":                     {do: do, with: gzipped, send: packed([]byte(encoded(t, alert))), want: 202},
		"broken gzip":              {do: do, with: gzipped, send: text("nothing packed"), want: 400, code: "body_invalid"},
		"a small body that is big": {do: do, with: gzipped, send: packed(bytes.Repeat([]byte(" "), 2<<20)), want: 413, code: "body_too_large"},
		"a big body":               {do: do, with: bearer(secret), send: text(`{"title":"` + strings.Repeat("x", 1<<20) + `"}`), want: 413, code: "body_too_large"},
	})

	t.Run("an alert is an incident, and so is what nobody understands", func(t *testing.T) {
		title := c.name("Mapped")
		send := func(members ...any) {
			if a := c.ask(t, nobody, do, with(object{"title": title, "severity": "fatal", "dedupKey": title, "labels": object{"zone": "eu", "a bad key!": "x"}}, members...), bearer(secret)); a.Status != 202 {
				t.Fatalf("%d %s", a.Status, a.Raw)
			}
		}
		send()
		i := c.incidentCalled(t, title)
		if i["severity"] != "CRITICAL" || i["serviceId"] != c.service || i["teamId"] != c.team || i["dedupKey"] != title || i["labels"].(object)["zone"] != "eu" {
			t.Errorf("got %v", i)
		}
		if s := i["source"].(object); s["kind"] != "generic" || s["integrationId"] != id {
			t.Errorf("its source is %v", s)
		}
		send("status", "resolved")
		eventually(t, "its resolve", func() bool { i = c.incidentCalled(t, title); return i["status"] == "RESOLVED" })
		odd := c.name("odd")
		if a := c.ask(t, nobody, do, object{"what": odd}, bearer(secret)); a.Status != 202 {
			t.Fatalf("%d %s", a.Status, a.Raw)
		}
		eventually(t, "an incident with the raw body", func() bool {
			for _, i := range c.want(t, lead, "GET /v1/incidents?limit=200&serviceId="+c.service, nil, 200, "").Items() {
				if raw, _ := i["raw"].(object); raw["what"] == odd {
					return true
				}
			}
			return false
		})
	})
	t.Run("two secrets while one is rotated", func(t *testing.T) {
		hook, old, id := c.integrate(t, "generic")
		a := c.want(t, lead, "POST /v1/integrations/"+id+"/rotate-secret", nil, 200, "")
		until, err := time.Parse(time.RFC3339, a.Text("previousValidUntil"))
		if d := time.Until(until); err != nil || d < 23*time.Hour || d > 24*time.Hour+time.Minute {
			t.Errorf("the previous one is valid until %s", a.Text("previousValidUntil"))
		}
		for what, s := range map[string]string{"old": old, "new": a.Text("secret")} {
			if a := c.ask(t, nobody, "POST "+hook, alert, bearer(s)); a.Status != 202 {
				t.Errorf("the %s one: %d %s", what, a.Status, a.Raw)
			}
		}
		c.want(t, lead, "POST /v1/integrations/"+id+"/rotate-secret", nil, 200, "")
		if a := c.ask(t, nobody, "POST "+hook, alert, bearer(old)); a.Status != 401 {
			t.Errorf("the one before the last: %d", a.Status)
		}
		c.want(t, lead, "DELETE /v1/integrations/"+id, nil, 204, "")
		if a := c.ask(t, nobody, "POST "+hook, alert, bearer(old)); a.Status != 410 || a.Text("code") != "integration_deleted" {
			t.Errorf("deleted: %d %s", a.Status, a.Raw)
		}
	})
	t.Run("a signature", func(t *testing.T) {
		hook, secret, id := c.integrate(t, "standard")
		signer, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		title := c.name("Signed")
		payload := encoded(t, object{"type": "alert", "timestamp": "2026-01-01T00:00:00Z", "data": object{"title": title, "dedupKey": title}})
		signed := func(id string, at time.Time) http.Header {
			signature, err := signer.Sign(id, at, []byte(payload))
			if err != nil {
				t.Fatal(err)
			}
			return http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {unix(at)}, "Webhook-Signature": {signature}}
		}
		again := signed(c.name("msg"), time.Now())
		without := func(name string) http.Header { h := signed(c.name("msg"), time.Now()); h.Del(name); return h }
		if a := c.ask(t, nobody, "POST "+hook, text(payload), again); a.Status != 202 || a.Body["duplicate"] != false {
			t.Fatalf("%d %s", a.Status, a.Raw)
		}
		do := "POST " + hook
		c.play(t, map[string]scenario{
			"the same again":   {do: do, with: again, send: text(payload), want: 202, has: `"duplicate":true`},
			"a byte more":      {do: do, with: again, send: text(payload + " "), want: 401, code: "signature_invalid"},
			"too old":          {do: do, with: signed("msg_old", time.Now().Add(-6*time.Minute)), send: text(payload), want: 401, code: "timestamp_stale"},
			"too early":        {do: do, with: signed("msg_new", time.Now().Add(6*time.Minute)), send: text(payload), want: 401, code: "timestamp_stale"},
			"no signature":     {do: do, with: without("Webhook-Signature"), send: text(payload), want: 401, code: "signature_missing"},
			"no id":            {do: do, with: without("Webhook-Id"), send: text(payload), want: 401, code: "signature_missing"},
			"no time":          {do: do, with: without("Webhook-Timestamp"), send: text(payload), want: 401, code: "signature_missing"},
			"the secret alone": {do: do, with: http.Header{"Authorization": {"Bearer " + secret}}, send: text(payload), want: 401, code: "signature_missing"},
		})
		got := together(20, func() string {
			a := c.ask(t, nobody, do, text(payload), again)
			return fmt.Sprintf("%d%v", a.Status, a.Body["duplicate"])
		})
		if got["202true"] != 20 {
			t.Errorf("a replay twenty times at once: %v", got)
		}
		eventually(t, "the incident", func() bool { return c.incidentCalled(t, title)["alertCount"] == 1.0 })
		if a := c.want(t, lead, "GET /v1/integrations/"+id+"/deliveries?limit=200", nil, 200, ""); !strings.Contains(a.Raw, "signature_invalid") || !strings.Contains(a.Raw, "timestamp_stale") {
			t.Errorf("the deliveries do not say why one was refused: %s", a.Raw)
		}
	})
}

// incidentCalled waits for the one incident with a title.
func (c *contract) incidentCalled(t *testing.T, title string) (i object) {
	t.Helper()
	eventually(t, "the incident "+title, func() bool {
		items := c.want(t, lead, "GET /v1/incidents?q="+url.QueryEscape(title), nil, 200, "").Items()
		if len(items) > 1 {
			t.Fatalf("%d incidents are called %q", len(items), title)
		}
		if len(items) == 1 {
			i = items[0]
		}
		return i != nil
	})
	return i
}

// eventually waits for something to become true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for !is() {
		if err := client.Pause(ctx, 50*time.Millisecond); err != nil {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
