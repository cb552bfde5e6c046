package e2e

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
)

// signed posts a body by Standard Webhooks.
func (l *loop) signed(hook, secret, id string, at time.Time, body string) client.Answer {
	l.t.Helper()
	s, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		l.t.Fatal(err)
	}
	signature, err := s.Sign(id, at, []byte(body))
	if err != nil {
		l.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(l.t.Context(), "POST", l.stack.URL+hook, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", unix(at))
	req.Header.Set("webhook-signature", signature)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer res.Body.Close()
	return read(l.t, res)
}

// TestTrustOfATrigger: what a trigger can prove bounds the risk that it starts by itself. What is above waits for a person, who is
// told; an API key's word is not enough.
func TestTrustOfATrigger(t *testing.T) {
	t.Parallel()
	l := loopIn(hurriedStacks.world(t))
	low, medium, high := l.fixer("Low", "LOW"), l.fixer("Medium", "MEDIUM"), l.fixer("High", "HIGH")
	bearerHook, bearer := l.integration("generic")
	signedHook, signing := l.integration("standard")
	raisedHook, raised := l.integration("generic", "name", "raised")
	raisedID := raisedHook[strings.LastIndex(raisedHook, "/")+1:]
	l.call(lead, http.StatusForbidden, "PATCH", "/v1/integrations/"+raisedID, object{"unattendedRisk": "HIGH"})
	session, err := client.Client{URL: l.api.URL, HTTP: source("127.0.9.8")}.SignIn(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	l.people.Sessions[admin] = session
	if a := l.call(admin, http.StatusOK, "PATCH", "/v1/integrations/"+raisedID, object{"unattendedRisk": "HIGH"}); a.Text("unattendedRisk") != "HIGH" {
		t.Fatalf("raised: %s", a.Raw)
	}
	key := l.call(lead, http.StatusCreated, "POST", "/v1/api-keys", object{"name": "Bot", "teamId": l.teamID, "role": "RESPONDER"}).Text("key")

	byPerson := func(token string) func(name string) {
		return func(name string) {
			if _, err := l.api.Want(t.Context(), http.StatusCreated, "POST", "/v1/incidents", token, object{
				"title": "It is " + name + ".", "severity": "LOW", "serviceId": l.service, "labels": object{"host": name, "for": name}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	alert := func(name string) object {
		return object{"title": "It is " + name + ".", "dedupKey": name, "labels": object{"host": name, "for": name}}
	}
	tests := map[string]struct {
		runbook string
		begin   func(name string)
		waits   bool
	}{
		"bearer-low":      {low, func(n string) { l.alert(bearerHook, bearer, alert(n)) }, false},
		"bearer-medium":   {medium, func(n string) { l.alert(bearerHook, bearer, alert(n)) }, true},
		"bearer-high":     {high, func(n string) { l.alert(bearerHook, bearer, alert(n)) }, true},
		"raised-high":     {high, func(n string) { l.alert(raisedHook, raised, alert(n)) }, false},
		"signed-medium":   {medium, func(n string) { l.signed(signedHook, signing, "msg_"+n, time.Now(), standardBody(alert(n))) }, false},
		"signed-high":     {high, func(n string) { l.signed(signedHook, signing, "msg_"+n, time.Now(), standardBody(alert(n))) }, true},
		"a-person-high":   {high, byPerson(l.people.Sessions[demo.Responder]), false},
		"a-key-medium":    {medium, byPerson(key), false},
		"a-key-high":      {high, byPerson(key), true},
		"another-bearer":  {low, func(n string) { l.alert(raisedHook, raised, alert(n)) }, false},
		"signed-then-low": {low, func(n string) { l.signed(signedHook, signing, "msg_"+n, time.Now(), standardBody(alert(n))) }, false},
	}
	workflows := map[string]string{}
	for name, tt := range tests {
		workflows[name] = l.workflow(name, nil, []object{{"id": "fix", "type": "runbook", "runbookId": tt.runbook, "parameters": object{"HOST": "{{incident.labels.host}}"}}})
		tt.begin(name)
	}
	for name, tt := range tests {
		i := l.found("It is " + name + ".")
		var e object
		l.until("the execution of "+name, func() bool {
			items := l.call(demo.Responder, http.StatusOK, "GET", "/v1/executions?incidentId="+i["id"].(string), nil).Items()
			if len(items) > 0 {
				e = items[0]
			}
			return len(items) == 1
		})
		id := e["id"].(string)
		if e["triggeredBy"] != "workflow" {
			t.Errorf("%s: triggered by %v", name, e["triggeredBy"])
		}
		if !tt.waits {
			if run := l.runOf(workflows[name]); run.Text("status") != "COMPLETED" {
				t.Errorf("%s: %s", name, run.Raw)
			}
			continue
		}
		reason, _ := e["reason"].(string)
		if e["status"] != "AWAITING_CONFIRMATION" || reason == "" {
			t.Errorf("%s: %v", name, e)
			continue
		}
		l.mailed(demo.Responder, e["runbookName"].(string), "waits for a confirmation") // of its runbook: others may stand in the same mail
		if a, err := l.api.Do(t.Context(), "POST", "/v1/executions/"+id+"/confirm", key, nil); err != nil || a.Status != http.StatusForbidden {
			t.Errorf("%s: an API key confirms: %d %s", name, a.Status, a.Raw)
		}
		l.call(demo.Responder, http.StatusOK, "POST", "/v1/executions/"+id+"/confirm", nil)
		l.call(demo.Responder, http.StatusConflict, "POST", "/v1/executions/"+id+"/confirm", nil)
		if run := l.runOf(workflows[name]); run.Text("status") != "COMPLETED" {
			t.Errorf("%s, confirmed: %s", name, run.Raw)
		}
	}
}

func standardBody(data object) string {
	raw, err := json.Marshal(object{"type": "alert", "timestamp": time.Now().UTC().Format(time.RFC3339), "data": data})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
