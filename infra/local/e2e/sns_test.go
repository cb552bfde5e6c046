package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/demo"
)

// ear is an address that confirms what it is subscribed to, and keeps what it is sent.
type ear struct {
	*httptest.Server
	heard chan string
}

func newEar(t *testing.T, l *loop) *ear {
	e := &ear{heard: make(chan string, 10)}
	e.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		var m struct{ Type, TopicArn, Token string }
		if err != nil || json.Unmarshal(raw, &m) != nil {
			t.Errorf("heard %q, %v", raw, err)
			return
		}
		if m.Type == "Notification" {
			e.heard <- string(raw)
			return
		}
		if _, err := l.stack.SNS().Confirm(m.TopicArn, m.Token); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(e.Close)
	return e
}

// TestSNS: a topic asks the hook of its integration, which fetches the certificate, verifies, and confirms; its alarms open
// and resolve an incident. What is altered, of another topic, or signed by SHA-1 is refused.
func TestSNS(t *testing.T) {
	t.Parallel()
	l := loopIn(hurriedStacks.world(t))
	topics := l.stack.SNS()
	must := func(s string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	alarms, others := must(topics.CreateTopic("alarms")), must(topics.CreateTopic("others"))
	hook, secret := l.integration("cloudwatch", "topicArn", alarms)
	if secret != "" {
		t.Error("it has a secret")
	}
	ear := newEar(t, l)
	for _, topic := range []string{alarms, others} {
		for _, endpoint := range []string{l.stack.URL + hook, ear.URL} {
			must(topics.Subscribe(topic, "http", endpoint))
		}
	}
	l.until("the subscriptions", func() bool {
		return topics.Subscribed(alarms, l.stack.URL+hook) && topics.Subscribed(alarms, ear.URL) && topics.Subscribed(others, ear.URL)
	})

	// publish lets a topic tell of an alarm, and returns the message as it went out.
	publish := func(topic, name, state string) string {
		t.Helper()
		must(topics.Publish(topic, name+" in US East", fmt.Sprintf(`{"AlarmName":%q,"AlarmArn":"arn:aws:cloudwatch:us-east-1:000000000000:alarm:%s","NewStateValue":%q,"NewStateReason":"1 datapoint","Region":"US East (N. Virginia)"}`, name, name, state)))
		select {
		case m := <-ear.heard:
			return m
		case <-time.After(30 * time.Second):
			t.Fatal("nothing was heard of the topic")
			return ""
		}
	}
	post := func(body string) (int, map[string]any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", l.stack.URL+hook, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "text/plain; charset=UTF-8") // as SNS sends
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, got
	}

	fired := publish(alarms, "DiskFull", "ALARM")
	i := l.found("DiskFull")
	if i["severity"] != "HIGH" || i["source"].(object)["kind"] != "cloudwatch" {
		t.Errorf("got %v", i)
	}
	if status, got := post(fired); status != http.StatusAccepted || got["duplicate"] != true || got["incidentId"] != i["id"] {
		t.Errorf("the same again: got %d %v", status, got)
	}
	foreign := publish(others, "Foreign", "ALARM")
	if err := topics.SignBy(alarms, "1"); err != nil {
		t.Fatal(err)
	}
	weak := publish(alarms, "Weak", "ALARM")
	for name, body := range map[string]string{
		"altered":                               strings.Replace(fired, "DiskFull", "DiskFine", 1),
		"of another topic":                      foreign,
		"another topic, and said to be of this": strings.ReplaceAll(foreign, others, alarms),
		"by version 1":                          weak,
		"by version 1, and said to be 2":        strings.Replace(weak, `"SignatureVersion" : "1"`, `"SignatureVersion" : "2"`, 1),
		"another certificate":                   strings.Replace(fired, "https://sns.us-east-1.amazonaws.com/", l.stack.URL+"/", 1),
	} {
		if status, got := post(body); status != http.StatusUnauthorized || got["code"] != "signature_invalid" {
			t.Errorf("%s: got %d %v", name, status, got)
		}
	}
	if err := topics.SignBy(alarms, "2"); err != nil {
		t.Fatal(err)
	}
	publish(alarms, "DiskFull", "OK")
	l.until("its end", func() bool {
		return l.call(demo.Responder, http.StatusOK, "GET", "/v1/incidents/"+i["id"].(string), nil).Body["status"] == "RESOLVED"
	})
	if all := l.call(demo.Responder, http.StatusOK, "GET", "/v1/incidents?limit=200&serviceId="+l.service, nil).Items(); len(all) != 1 {
		t.Errorf("%d incidents: %v", len(all), all)
	}
	if topics.Subscribed(others, l.stack.URL+hook) {
		t.Error("it confirmed the subscription to another topic")
	}
}
