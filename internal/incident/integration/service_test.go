package integration_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/internal/incident/hook"
	"pagefree/internal/platform/id"
)

func TestAnIntegrationsLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.clock.Now()
	made := w.must(201, "lead", "POST", "/v1/integrations", map[string]any{"name": " Datadog of the shop ", "provider": "datadog", "teamId": w.team, "serviceId": w.svc})
	path := "/v1/integrations/" + made.id()
	if got := made.Header.Get("Location"); got != path {
		t.Errorf("Location: got %q, want %q", got, path)
	}
	secret, url := made.Str("secret"), "https://pagefree.example.com/v1/hooks/"+made.id()
	if raw, err := base64.RawURLEncoding.DecodeString(secret); err != nil || len(raw) != 32 {
		t.Errorf("the secret: got %q", secret)
	}
	p, _ := hook.Of("datadog")
	want := map[string]any{
		"id": made.id(), "name": "Datadog of the shop", "provider": "datadog", "teamId": w.team, "serviceId": w.svc, "trust": "bearer", "unattendedRisk": "LOW",
		"unattended": "Starts runbooks of risk LOW by itself; anything riskier waits for a person.", "url": url, "payloadTemplate": p.Template,
		"createdById": "usr_lead", "createdAt": made.Body["createdAt"], "updatedAt": made.Body["createdAt"],
	}
	read := w.must(200, "lead", "GET", path, nil)
	steps, _ := read.Body["instructions"].([]any)
	if len(steps) != len(p.Instructions) || strings.Contains(read.Text, "{{url}}") || strings.Contains(read.Text, "{{secret}}") || !strings.Contains(read.Text, url) {
		t.Errorf("instructions: got %v", steps)
	}
	if strings.Contains(read.Text, secret) {
		t.Error("a read shows the secret")
	}
	delete(read.Body, "instructions")
	if !reflect.DeepEqual(read.Body, want) {
		t.Errorf("got  %v\nwant %v", read.Body, want)
	}
	etag := read.Header.Get("ETag")
	if got := w.must(200, "lead", "PATCH", path, `{"name":"Monitors"}`, "If-Match", etag).Str("name"); got != "Monitors" {
		t.Errorf("renamed: got %q", got)
	}
	if a := w.as("lead", "PATCH", path, `{"name":"x"}`, "If-Match", etag); a.StatusCode != 412 || a.code() != "precondition_failed" {
		t.Errorf("a stale change: got %d %s", a.StatusCode, a.Text)
	}
	w.must(200, "lead", "PATCH", path, `{"name":"Monitors"}`)
	rotated := w.must(200, "lead", "POST", path+"/rotate-secret", nil)
	w.must(204, "lead", "DELETE", path, nil)
	for name, a := range map[string]answer{
		"read": w.as("lead", "GET", path, nil), "change": w.as("lead", "PATCH", path, `{"name":"x"}`), "rotate": w.as("lead", "POST", path+"/rotate-secret", nil),
		"deliveries": w.as("lead", "GET", path+"/deliveries", nil), "delete again": w.as("lead", "DELETE", path, nil),
	} {
		if a.StatusCode != 404 {
			t.Errorf("%s, once it is deleted: got %d %s", name, a.StatusCode, a.Text)
		}
	}
	if items := w.must(200, "lead", "GET", "/v1/integrations", nil).Items(); len(items) != 0 {
		t.Errorf("a deleted one is listed: %v", items)
	}
	var types []string
	for _, e := range w.recorded(before) {
		types = append(types, e.Type)
		for _, one := range []string{secret, rotated.Str("secret")} {
			for _, v := range e.Detail {
				if s, _ := v.(string); strings.Contains(s, one) {
					t.Errorf("the record shows a secret: %+v", e)
				}
			}
		}
		if e.Subject.Kind != "integration" || e.Subject.ID != made.id() || e.TeamID == nil || *e.TeamID != w.team || e.IP == "" {
			t.Errorf("an event lacks something: %+v", e)
		}
	}
	if want := []string{"integration.created", "integration.updated", "integration.secret_rotated", "integration.deleted"}; !slices.Equal(types, want) {
		t.Errorf("recorded: got %v, want %v", types, want)
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.connect("generic"), w.connect("github")
	theirs := w.must(201, "outsider", "POST", "/v1/integrations", map[string]any{"name": "x", "provider": "generic", "teamId": w.other, "serviceId": w.foreign}).id()
	ids := func(who, query string) []string {
		var out []string
		for _, i := range w.must(200, who, "GET", "/v1/integrations"+query, nil).Items() {
			out = append(out, i["id"].(string))
		}
		return out
	}
	for name, tt := range map[string]struct {
		who, query string
		want       []string
	}{
		"mine":       {"lead", "", []string{second.id, first.id}},
		"by a key":   {"lead's key", "", []string{second.id, first.id}},
		"theirs":     {"outsider", "", []string{theirs}},
		"all":        {"admin", "", []string{theirs, second.id, first.id}},
		"one team's": {"admin", "?teamId=" + w.team, []string{second.id, first.id}},
	} {
		if got := ids(tt.who, tt.query); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
	page := w.must(200, "lead", "GET", "/v1/integrations?limit=1", nil)
	if next := ids("lead", "?limit=1&cursor="+page.Str("nextCursor")); !slices.Equal(next, []string{first.id}) {
		t.Errorf("the second page: got %v", next)
	}
	if a := w.as("lead", "GET", "/v1/integrations?teamId="+w.other, nil); a.StatusCode != 404 {
		t.Errorf("another team's: got %d %s", a.StatusCode, a.Text)
	}
	if a := w.as("responder", "GET", "/v1/integrations?teamId="+w.team, nil); a.StatusCode != 403 {
		t.Errorf("a responder: got %d %s", a.StatusCode, a.Text)
	}
}

func TestWhatAnIntegrationMaySay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	whsec := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	const arn = "arn:aws:sns:eu-central-1:123456789012:alarms"
	tests := map[string]struct {
		set    map[string]any
		status int
		where  string
	}{
		"120 characters":                   {map[string]any{"name": strings.Repeat("é", 120)}, 201, ""},
		"121 characters":                   {map[string]any{"name": strings.Repeat("é", 121)}, 422, "body.name"},
		"a blank name":                     {map[string]any{"name": " "}, 422, "body.name"},
		"two lines":                        {map[string]any{"name": "a\nb"}, 422, "body.name"},
		"an unknown provider":              {map[string]any{"provider": "nagios"}, 422, "body.provider"},
		"another risk":                     {map[string]any{"unattendedRisk": "NONE"}, 422, "body.unattendedRisk"},
		"nulls":                            {map[string]any{"secret": nil, "topicArn": nil, "unattendedRisk": nil}, 201, ""},
		"an unknown member":                {map[string]any{"colour": "red"}, 422, "body.colour"},
		"another team":                     {map[string]any{"teamId": w.other}, 404, ""},
		"another team's service":           {map[string]any{"serviceId": w.foreign}, 404, ""},
		"a service that does not exist":    {map[string]any{"serviceId": id.New(id.Service, w.clock.Now())}, 404, ""},
		"a service id with a key in it":    {map[string]any{"serviceId": "x#svc"}, 404, ""},
		"no service":                       {map[string]any{"serviceId": nil}, 422, "body.serviceId"},
		"a secret":                         {map[string]any{"secret": "0123456789abcdef"}, 201, ""},
		"a secret of 15":                   {map[string]any{"secret": "0123456789abcde"}, 422, "body.secret"},
		"a secret of 256":                  {map[string]any{"secret": strings.Repeat("x", 256)}, 201, ""},
		"a secret of 257":                  {map[string]any{"secret": strings.Repeat("x", 257)}, 422, "body.secret"},
		"a secret with a space":            {map[string]any{"secret": "0123456789 abcdef"}, 422, "body.secret"},
		"a secret with a line feed":        {map[string]any{"secret": "0123456789abcdef\n"}, 422, "body.secret"},
		"a secret that is not ASCII":       {map[string]any{"secret": "0123456789abcdé0"}, 422, "body.secret"},
		"a topic of no cloudwatch":         {map[string]any{"topicArn": arn}, 422, "body.topicArn"},
		"standard, with ours":              {map[string]any{"provider": "standard"}, 201, ""},
		"standard, of 24 bytes":            {map[string]any{"provider": "standard", "secret": whsec(24)}, 201, ""},
		"standard, of 64 bytes":            {map[string]any{"provider": "standard", "secret": whsec(64)}, 201, ""},
		"standard, of 23 bytes":            {map[string]any{"provider": "standard", "secret": whsec(23)}, 422, "body.secret"},
		"standard, of 65 bytes":            {map[string]any{"provider": "standard", "secret": whsec(65)}, 422, "body.secret"},
		"standard, without its prefix":     {map[string]any{"provider": "standard", "secret": whsec(32)[6:]}, 422, "body.secret"},
		"standard, no base64":              {map[string]any{"provider": "standard", "secret": "whsec_" + strings.Repeat("?", 40)}, 422, "body.secret"},
		"pagerduty, with its own":          {map[string]any{"provider": "pagerduty", "secret": "0123456789abcdef"}, 201, ""},
		"pagerduty, with none yet":         {map[string]any{"provider": "pagerduty"}, 201, ""},
		"sentry, with none yet":            {map[string]any{"provider": "sentry"}, 201, ""},
		"sentry, with a short one":         {map[string]any{"provider": "sentry", "secret": "short"}, 422, "body.secret"},
		"cloudwatch":                       {map[string]any{"provider": "cloudwatch", "topicArn": arn}, 201, ""},
		"cloudwatch in China":              {map[string]any{"provider": "cloudwatch", "topicArn": "arn:aws-cn:sns:cn-north-1:123456789012:a_B-1"}, 201, ""},
		"cloudwatch, no topic":             {map[string]any{"provider": "cloudwatch"}, 422, "body.topicArn"},
		"cloudwatch with a secret":         {map[string]any{"provider": "cloudwatch", "topicArn": arn, "secret": "0123456789abcdef"}, 422, "body.secret"},
		"a queue's ARN":                    {map[string]any{"provider": "cloudwatch", "topicArn": "arn:aws:sqs:eu-central-1:123456789012:alarms"}, 422, "body.topicArn"},
		"a FIFO topic":                     {map[string]any{"provider": "cloudwatch", "topicArn": arn + ".fifo"}, 422, "body.topicArn"},
		"a subscription's ARN":             {map[string]any{"provider": "cloudwatch", "topicArn": arn + ":6b0e71bd-7e97-4d97-80ce-4a0994e55286"}, 422, "body.topicArn"},
		"a topic of two lines":             {map[string]any{"provider": "cloudwatch", "topicArn": arn + "\n"}, 422, "body.topicArn"},
		"an account that is no number":     {map[string]any{"provider": "cloudwatch", "topicArn": "arn:aws:sns:eu-central-1:me:alarms"}, 422, "body.topicArn"},
		"a region that is somebody's host": {map[string]any{"provider": "cloudwatch", "topicArn": "arn:aws:sns:eu.evil.com/-central-1:123456789012:alarms"}, 422, "body.topicArn"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			body := map[string]any{"name": "x", "provider": "generic", "teamId": w.team, "serviceId": w.svc}
			maps.Copy(body, tt.set)
			a := w.as("lead", "POST", "/v1/integrations", body)
			if a.StatusCode != tt.status {
				t.Fatalf("got %d %s, want %d", a.StatusCode, a.Text, tt.status)
			}
			given, _ := tt.set["secret"].(string)
			if given != "" && strings.Contains(a.Text, given) {
				t.Errorf("the secret that was given is answered: %s", a.Text)
			}
			if tt.status == 201 && (a.Body["secret"] == nil) != (given != "" || tt.set["topicArn"] != nil || a.Body["secretMissing"] == true) {
				t.Errorf("secret: got %v", a.Body["secret"])
			}
			if tt.status == 422 {
				errors, _ := a.Body["errors"].([]any)
				if len(errors) == 0 || errors[0].(map[string]any)["location"] != tt.where {
					t.Errorf("got %s, want %s", a.Text, tt.where)
				}
			}
		})
	}
	s := w.connect("generic")
	for _, body := range []string{`{"name":""}`, `{"name":"a\u0000b"}`, `{"name":null}`, `{"unattendedRisk":null}`, `{"unattendedRisk":"low"}`, `{"provider":"github"}`, `{"serviceId":"` + w.foreign + `"}`} {
		if a := w.as("lead", "PATCH", s.path(), body); a.StatusCode != 422 {
			t.Errorf("%s: got %d %s, want 422", body, a.StatusCode, a.Text)
		}
	}
	for _, body := range []string{`{"secret":"short"}`, `{"secret":""}`, `{"colour":"red"}`} {
		if a := w.as("lead", "POST", s.path()+"/rotate-secret", body); a.StatusCode != 422 {
			t.Errorf("rotating to %s: got %d %s, want 422", body, a.StatusCode, a.Text)
		}
	}
	topic := w.connect("cloudwatch", "topicArn", arn)
	if a := w.as("lead", "POST", topic.path()+"/rotate-secret", nil); a.StatusCode != 409 || a.code() != "no_secret" {
		t.Errorf("rotating what has no secret: got %d %s", a.StatusCode, a.Text)
	}
}

// TestAGivenSecret: what a sender has set up already fits, GitHub's own example too. Its signature of that example is the
// published one: such a body is no JSON, which is found out after the signature.
func TestAGivenSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("github", "secret", "It's a Secret to Everybody")
	const published = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	if a := s.post("Hello, World!", "X-Hub-Signature-256", published); a.StatusCode != 400 || a.code() != "body_invalid" {
		t.Errorf("got %d %s", a.StatusCode, a.Text)
	}
	if a := s.post("Hello, World?", "X-Hub-Signature-256", published); a.StatusCode != 401 {
		t.Errorf("another body: got %d %s", a.StatusCode, a.Text)
	}
	for secret, status := range map[string]int{"8-of-it.": 200, "7-of-it": 422, " around it": 422, "around it ": 422, "tab\\there": 422, "nöt ASCII": 422} {
		if a := w.as("lead", "POST", s.path()+"/rotate-secret", `{"secret":"`+secret+`"}`); a.StatusCode != status {
			t.Errorf("%q: got %d %s, want %d", secret, a.StatusCode, a.Text, status)
		}
	}
}

// TestRotation: the secret before is taken for 24 hours and not a millisecond more, and none before that.
func TestRotation(t *testing.T) {
	t.Parallel()
	for provider, send := range map[string]func(s sender) answer{
		"generic": func(s sender) answer { return s.bearer(alert("firing", "")) },
		"github": func(s sender) answer {
			return s.github(`{"zen":"Keep it logically awesome.","n":"`+s.w.clock.Now().String()+`"}`, "X-GitHub-Event", "ping")
		},
		"standard": func(s sender) answer {
			now := s.w.door.Now()
			return s.signed("msg_"+id.New("msg", now), `{"type":"ping"}`, now)
		},
	} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first := w.connect(provider)
			takes := func(name string, s sender, want int) {
				t.Helper()
				a := send(s)
				if a.StatusCode != want || want == 401 && a.code() != "signature_invalid" {
					t.Errorf("%s: got %d %s, want %d", name, a.StatusCode, a.Text, want)
				}
			}
			takes("the first", first, 202)
			a := w.must(200, "lead", "POST", first.path()+"/rotate-secret", nil)
			second := sender{w: w, id: first.id, secret: a.Str("secret")}
			until, err := time.Parse(time.RFC3339, a.Str("previousValidUntil"))
			if err != nil || second.secret == "" || second.secret == first.secret {
				t.Fatalf("got %s", a.Text)
			}
			takes("the first, after a rotation", first, 202)
			takes("the second", second, 202)
			at := func(now time.Time) { w.door.Now = func() time.Time { return now } }
			at(until.Add(-time.Millisecond))
			takes("the first, a millisecond before its end", first, 202)
			at(until)
			takes("the first, at its end", first, 401)
			takes("the second, then", second, 202)

			w.door.Now = w.clock.Now
			third := sender{w: w, id: first.id, secret: w.must(200, "lead", "POST", first.path()+"/rotate-secret", nil).Str("secret")}
			fourth := sender{w: w, id: first.id, secret: w.must(200, "lead", "POST", first.path()+"/rotate-secret", nil).Str("secret")}
			takes("the second, after two more", second, 401)
			takes("the third", third, 202)
			takes("the fourth", fourth, 202)
			given := second.secret
			if a := w.must(200, "lead", "POST", first.path()+"/rotate-secret", map[string]any{"secret": given}); a.Body["secret"] != nil || strings.Contains(a.Text, given) {
				t.Errorf("one that was given: got %s", a.Text)
			}
			takes("one that was given", second, 202)
		})
	}
}

// TestSecretsAtRest: a bearer's hash, a signer's ciphertext, and neither in plain.
func TestSecretsAtRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, provider := range []string{"generic", "github", "standard"} {
		s := w.connect(provider)
		var item struct {
			Secrets []struct {
				Hash []byte `dynamodbav:"hash"`
				Box  []byte `dynamodbav:"box"`
			} `dynamodbav:"secrets"`
		}
		if _, err := w.all.Get(t.Context(), keyOf("int#"+s.id, "int"), &item); err != nil || len(item.Secrets) != 1 {
			t.Fatalf("%s: got %+v, %v", provider, item, err)
		}
		kept := item.Secrets[0]
		if strings.Contains(string(kept.Hash)+string(kept.Box), s.secret) || (len(kept.Hash) == 32) != (provider == "generic") || (len(kept.Box) > 0) == (provider == "generic") {
			t.Errorf("%s: kept %d bytes of hash, %d of ciphertext", provider, len(kept.Hash), len(kept.Box))
		}
		if provider == "generic" {
			continue
		}
		if value, err := w.service.Key.DecryptFor(t.Context(), "integration", s.id, kept.Box); err == nil {
			t.Errorf("who writes secrets reads %q", value)
		}
		if value, err := w.door.Key.DecryptFor(t.Context(), "integration", s.id, kept.Box); err != nil || string(value) != s.secret {
			t.Errorf("the door: got %q, %v", value, err)
		}
		if value, err := w.door.Key.DecryptFor(t.Context(), "integration", "int_other", kept.Box); err == nil {
			t.Errorf("it opens for another integration: %q", value)
		}
		if _, err := w.door.Key.DecryptFor(t.Context(), "secret", s.id, kept.Box); err == nil {
			t.Error("the door decrypts secrets of runbooks")
		}
		if _, err := w.door.Key.EncryptFor(t.Context(), "integration", s.id, []byte("x")); err == nil {
			t.Error("the door writes secrets")
		}
	}
	gone := w.connect("github")
	w.must(204, "lead", "DELETE", gone.path(), nil)
	var item map[string]any
	if found, err := w.all.Get(t.Context(), keyOf("int#"+gone.id, "int"), &item); err != nil || !found || item["secrets"] != nil {
		t.Errorf("a deleted one keeps its secrets: %v, %v", item, err)
	}
}

// TestASecretThatComesLater: who makes its own secret, and shows it only once it has the address, is connected before; nothing
// is taken until the secret is there, and then by that alone.
func TestASecretThatComesLater(t *testing.T) {
	t.Parallel()
	body := `{"action":"created","data":{"installation":{}}}`
	for provider, header := range map[string][2]string{"pagerduty": {"X-PagerDuty-Signature", "v1="}, "sentry": {"Sentry-Hook-Signature", ""}} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			made := w.must(201, "lead", "POST", "/v1/integrations", map[string]any{"name": provider, "provider": provider, "teamId": w.team, "serviceId": w.svc})
			s := sender{w: w, id: made.id()}
			for name, a := range map[string]answer{"made": made, "read": w.must(200, "lead", "GET", s.path(), nil)} {
				first := fmt.Sprint(a.Body["instructions"].([]any)[0])
				if a.Body["secretMissing"] != true || a.Body["secret"] != nil || !strings.Contains(first, s.path()+"/rotate-secret") {
					t.Errorf("%s: got %s", name, a.Text)
				}
			}
			send := func(key string) answer {
				h := hmac.New(sha256.New, []byte(key))
				h.Write([]byte(body))
				return s.post(body, header[0], header[1]+hex.EncodeToString(h.Sum(nil)))
			}
			if a := s.post(body); a.StatusCode != 401 || a.code() != "signature_missing" {
				t.Errorf("unsigned: got %d %s", a.StatusCode, a.Text)
			}
			theirs := "made-by-the-sender-" + provider
			for _, key := range []string{"", theirs} {
				if a := send(key); a.StatusCode != 401 || a.code() != "signature_invalid" {
					t.Errorf("signed by %q before: got %d %s", key, a.StatusCode, a.Text)
				}
			}
			if a := w.as("lead", "POST", s.path()+"/rotate-secret", nil); a.StatusCode != 422 {
				t.Errorf("rotated without it: got %d %s", a.StatusCode, a.Text)
			}
			a := w.must(200, "lead", "POST", s.path()+"/rotate-secret", map[string]any{"secret": theirs})
			if until, there := a.Body["previousValidUntil"]; !there || until != nil || a.Body["secret"] != nil {
				t.Errorf("got %s", a.Text)
			}
			if a := send(""); a.StatusCode != 401 {
				t.Errorf("signed by nothing after: got %d %s", a.StatusCode, a.Text)
			}
			if a := send(theirs); a.StatusCode != 202 {
				t.Errorf("signed: got %d %s", a.StatusCode, a.Text)
			}
			if a := w.must(200, "lead", "GET", s.path(), nil); a.Body["secretMissing"] != nil || strings.Contains(a.Text, theirs) {
				t.Errorf("then: got %s", a.Text)
			}
		})
	}
}
