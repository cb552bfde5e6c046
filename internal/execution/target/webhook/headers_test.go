package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"pagefree/internal/execution/target"
)

// TestHeaders: what a target names is sent, with its secrets, and what is ours besides.
func TestHeaders(t *testing.T) {
	r := receive(t, func(http.ResponseWriter, *http.Request) {})
	j := r.job()
	j.Target.SignWith = ""
	j.Target.Headers = map[string]string{
		"X-Rundeck-Auth-Token": "{{secrets.api}}", "x-two": "a {{secrets.api}} b {{secrets.sign}}", "X-Plain": "{{not a secret", "Content-Type": "text/plain", "USER-AGENT": "me",
	}
	if _, err := r.Send(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	got := r.requests()[0].header
	for name, want := range map[string]string{
		"X-Rundeck-Auth-Token": secretValue, "X-Two": "a " + secretValue + " b " + signing, "X-Plain": "{{not a secret",
		"Content-Type": "application/json", "User-Agent": userAgent, "Accept": "application/json", "X-Pagefree-Execution": executionID,
		"Idempotency-Key": "", "X-Idempotency-Key": "", "Webhook-Id": "", "Webhook-Timestamp": "", "Webhook-Signature": "",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, got.Get(name), want)
		}
	}
}

// TestDepth: what a workflow started says how many stand behind it, and nobody else does.
func TestDepth(t *testing.T) {
	r := receive(t, func(http.ResponseWriter, *http.Request) {})
	for depth, want := range map[int][]string{0: nil, 3: {"3"}} {
		j := r.job()
		j.Depth = depth
		if _, err := r.Send(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		all := r.requests()
		if got := all[len(all)-1].header.Values("X-PageFree-Depth"); !slices.Equal(got, want) {
			t.Errorf("%d: got %q, want %q", depth, got, want)
		}
	}
}

// TestSignature: Standard Webhooks' own verifier accepts what is sent, and nothing else.
func TestSignature(t *testing.T) {
	keys := map[string]func() (*standardwebhooks.Webhook, error){
		signing: func() (*standardwebhooks.Webhook, error) { return standardwebhooks.NewWebhook(signing) },
		"any old text": func() (*standardwebhooks.Webhook, error) {
			return standardwebhooks.NewWebhookRaw([]byte("any old text"))
		},
	}
	for secret, verifier := range keys {
		for _, preset := range []string{generic, awx, rundeck} {
			t.Run(preset+" by "+secret, func(t *testing.T) {
				r := receive(t, func(http.ResponseWriter, *http.Request) {})
				j := r.job()
				j.Target.Preset, j.Secrets["sign"] = preset, secret
				for range 2 {
					if _, err := r.Send(t.Context(), j); err != nil {
						t.Fatal(err)
					}
				}
				j.Attempt++
				if _, err := r.Send(t.Context(), j); err != nil {
					t.Fatal(err)
				}
				v, err := verifier()
				if err != nil {
					t.Fatal(err)
				}
				all := r.requests()
				for _, got := range all {
					if err := v.Verify([]byte(got.body), got.header); err != nil {
						t.Error(err)
					}
				}
				if err := v.Verify([]byte(all[0].body+" "), all[0].header); err == nil {
					t.Error("another body is accepted")
				}
				if other, _ := standardwebhooks.NewWebhookRaw([]byte("another key")); other.Verify([]byte(all[0].body), all[0].header) == nil {
					t.Error("another key is accepted")
				}
				if id := func(i int) string { return all[i].header.Get("Webhook-Id") }; id(0) != executionID+"-2" || id(1) != id(0) || id(2) == id(0) {
					t.Errorf("ids %s, %s, and of another attempt %s", id(0), id(1), id(2))
				}
			})
		}
	}
}

// TestRefusals: what no further try would send is refused before anything leaves, and its value never told.
func TestRefusals(t *testing.T) {
	r := receive(t, func(http.ResponseWriter, *http.Request) {})
	header := func(name, value string) func(*target.Job) {
		return func(j *target.Job) { j.Target.Headers = map[string]string{name: value} }
	}
	secret := func(name, value string) func(*target.Job) { return func(j *target.Job) { j.Secrets[name] = value } }
	url := func(u string) func(*target.Job) { return func(j *target.Job) { j.Target.URL = u } }
	tests := map[string]struct {
		change func(*target.Job)
		code   string
		says   string
	}{
		"no secret for a header":    {header("X-A", "{{secrets.api}}{{secrets.other}}"), secretMissing, "other"},
		"an empty secret":           {secret("api", ""), secretMissing, "api"},
		"no secrets at all":         {func(j *target.Job) { j.Secrets = nil }, secretMissing, ""},
		"no secret to sign with":    {func(j *target.Job) { j.Target.SignWith = "gone" }, secretMissing, "gone"},
		"a line break in a secret":  {secret("api", "hidden-1\nX-Evil: 1"), secretInvalid, "api"},
		"one at its end":            {secret("api", "hidden-1\n"), secretInvalid, "api"},
		"a carriage return":         {secret("api", "hidden-1\r"), secretInvalid, "api"},
		"a NUL":                     {secret("api", "hidden-1\x00"), secretInvalid, "api"},
		"a tab":                     {secret("api", "hidden-1\thidden-1"), secretInvalid, "api"},
		"a key that is not base64":  {secret("sign", "whsec_hidden-1"), secretInvalid, "sign"},
		"an empty key":              {secret("sign", "whsec_"), secretInvalid, "sign"},
		"a line break in a value":   {header("X-A", "hidden-1\nX-Evil: 1"), headerForbidden, ""},
		"an idempotency key":        {header("Idempotency-Key", "hidden-1"), headerForbidden, "Idempotency-Key"},
		"one by another name":       {header("x-IDEMPOTENCY-key", "hidden-1"), headerForbidden, "X-Idempotency-Key"},
		"another host":              {header("host", "hidden-1"), headerForbidden, "Host"},
		"another length":            {header("content-length", "1"), headerForbidden, "Content-Length"},
		"another framing":           {header("Transfer-Encoding", "chunked"), headerForbidden, "Transfer-Encoding"},
		"a signature of their own":  {header("webhook-signature", "hidden-1"), headerForbidden, "Webhook-Signature"},
		"metadata":                  {url("https://169.254.169.254/latest/?key=hidden-1"), "address_forbidden", "public internet"},
		"loopback":                  {url("https://127.1/?key=hidden-1"), "address_forbidden", "public internet"},
		"plain http":                {url("http://example.com/?key=hidden-1"), "address_forbidden", "https"},
		"the stack's other paths":   {url(strings.Replace(r.base, "echo", "mail", 1)), "address_forbidden", "https"},
		"an unknown preset":         {func(j *target.Job) { j.Target.Preset = "jenkins" }, presetUnknown, "jenkins"},
		"a template for Ansible":    {func(j *target.Job) { j.Target.Preset, j.Values["HOST"] = awx, "hidden-1 {{ lookup('pipe','id') }}" }, parameterInvalid, "PF_HOST"},
		"a statement for Ansible":   {func(j *target.Job) { j.Target.Preset, j.Values["HOST"] = awx, "hidden-1 {% for %}" }, parameterInvalid, "PF_HOST"},
		"a value that JSON has not": {func(j *target.Job) { j.Values["HOST"] = func() {} }, parameterInvalid, "JSON"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			j := r.job()
			tt.change(&j)
			got, err := r.Send(t.Context(), j)
			refused, ok := errors.AsType[*target.Refused](err)
			if !ok || refused.Code != tt.code || !strings.Contains(refused.Reason, tt.says) || got.State != "" {
				t.Fatalf("got %+v, %v, want %s", got, err, tt.code)
			}
			if text := fmt.Sprintf("%v %+v", err, got); strings.Contains(text, "hidden-1") || strings.Contains(text, secretValue) {
				t.Errorf("it tells the value: %s", text)
			}
		})
	}
	if n := len(r.requests()); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}
