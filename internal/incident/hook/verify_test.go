package hook

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/trust"
)

func codeOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	p, ok := errors.AsType[*problem.Error](err)
	if !ok {
		t.Fatalf("got %v, which is no problem", err)
	}
	return strconv.Itoa(p.Status) + " " + string(p.Code)
}

func TestNames(t *testing.T) {
	want := map[string]trust.Level{
		"datadog": trust.Bearer, "newrelic": trust.Bearer, "grafana": trust.SignedTime, "alertmanager": trust.Bearer, "cloudwatch": trust.SignedTime,
		"pagerduty": trust.Signed, "github": trust.Signed, "sentry": trust.Signed, "standard": trust.SignedTime, "generic": trust.Bearer,
	}
	if len(Names()) != len(want) {
		t.Fatalf("got %v", Names())
	}
	for _, name := range Names() {
		p := of(t, name)
		if p.Trust != want[name] || p.Label == "" || len(p.Instructions) == 0 {
			t.Errorf("%s: got trust %s, label %q, %d instructions", name, p.Trust, p.Label, len(p.Instructions))
		}
		if given := name == "pagerduty" || name == "sentry" || name == "standard"; p.GivenSecret != given {
			t.Errorf("%s: given secret %v", name, p.GivenSecret)
		}
		told := strings.Join(p.Instructions, "\n") + p.Template
		if !strings.Contains(told, "{{url}}") || strings.Contains(told, "{{secret}}") == (name == "cloudwatch" || name == "pagerduty" || name == "sentry") {
			t.Errorf("%s: the instructions do not say where url and secret go", name)
		}
	}
	if _, ok := Of("rootly"); ok {
		t.Error("an unknown provider is known")
	}
}

// TestVerify: what holds for each provider alike.
func TestVerify(t *testing.T) {
	const missing, wrong, stale = "401 signature_missing", "401 signature_invalid", "401 timestamp_stale"
	signatures := map[string]string{
		"grafana": "X-Grafana-Alerting-Signature", "standard": "webhook-signature", "pagerduty": "X-PagerDuty-Signature",
		"github": "X-Hub-Signature-256", "sentry": "Sentry-Hook-Signature",
	}
	for _, name := range Names() {
		p, body := of(t, name), sample(t, name+"/fired")
		bearer, timed := p.Trust == trust.Bearer, p.Trust == trust.SignedTime
		verify := func(r Request, now time.Time) string {
			_, err := p.Verify(t.Context(), r, keys(name), now)
			return codeOf(t, err)
		}
		check := func(what string, r Request, now time.Time, want string) {
			t.Helper()
			if got := verify(r, now); got != want {
				t.Errorf("%s, %s: got %q, want %q", name, what, got, want)
			}
		}
		good := func() Request { return deliver(t, name, body, "new", noon) }
		check("as it is sent", good(), noon, "")
		check("by the second live secret", deliver(t, name, body, "old", noon), noon, "")

		if name != "cloudwatch" {
			check("by another secret", deliver(t, name, body, "lost", noon), noon, wrong)
			r := good()
			for _, h := range []string{"Authorization", SecretHeader, signatures[name]} {
				r.Header.Del(h)
			}
			check("without a signature", r, noon, missing)
			k := keys(name)
			k.Secrets, k.Hashes = [][]byte{nil, {}}, nil
			empty := deliver(t, name, body, "new", noon)
			if _, err := p.Verify(t.Context(), empty, k, noon); codeOf(t, err) != wrong {
				t.Errorf("%s, without a secret: got %v", name, err)
			}
		}
		if header := signatures[name]; header != "" {
			for what, change := range map[string]func(string) string{
				"an empty prefix":     func(s string) string { return strings.TrimLeft(s, "v1sha256=,") },
				"half of it":          func(s string) string { return s[:len(s)/2] },
				"something behind it": func(s string) string { return s + "00" },
				"no encoding":         func(s string) string { return strings.Repeat("?", len(s)) },
			} {
				r := good()
				changed := change(r.Header.Get(header))
				if changed == r.Header.Get(header) || changed == "" {
					continue
				}
				r.Header.Set(header, changed)
				if what == "an empty prefix" && name != "github" && name != "standard" {
					continue // they have none, or several
				}
				check("a signature with "+what, r, noon, wrong)
			}
		}
		if !bearer {
			r := good()
			for _, i := range []int{0, len(r.Body) / 2, len(r.Body) - 2} {
				changed := r
				changed.Body = bytes.Clone(r.Body)
				changed.Body[i] ^= 1
				if got := verify(changed, noon); got == "" {
					t.Errorf("%s: byte %d was changed, and it is taken", name, i)
				}
			}
		}
		for what, off := range map[string]time.Duration{"old": -Window, "from the future": Window} {
			want := ""
			if timed {
				want = stale
			}
			step := off / Window.Abs() * time.Second
			check("just not too "+what, deliver(t, name, body, "new", noon.Add(off)), noon, "")
			if name != "pagerduty" {
				check("too "+what, deliver(t, name, body, "new", noon.Add(off+step)), noon, want)
			}
		}
		large := good()
		large.Body = bytes.Repeat([]byte(" "), MaxBody+1)
		check("too large", large, noon, "413 body_too_large")
	}
}

// TestProof: what tells a delivery from another, and for how long it has to be remembered.
func TestProof(t *testing.T) {
	tests := map[string]struct {
		same bool // the same body, sent again a minute later, is known by the same id
		keep time.Duration
	}{
		"datadog": {true, keepResend}, "newrelic": {true, keepResend}, "grafana": {true, keepWindow}, "cloudwatch": {true, keepWindow},
		"pagerduty": {true, 24*time.Hour + 5*time.Minute}, "github": {true, keepUntimed}, "sentry": {true, keepUntimed}, "standard": {true, keepWindow},
		"alertmanager": {false, 0}, "generic": {false, keepResend},
	}
	for name, tt := range tests {
		p := of(t, name)
		proof := func(body string, at time.Time) Proof {
			t.Helper()
			got, err := p.Verify(t.Context(), deliver(t, name, sample(t, name+"/"+body), "new", at), keys(name), at)
			if err != nil {
				t.Fatalf("%s/%s: %v", name, body, err)
			}
			return got
		}
		first, again, other := proof("fired", noon), proof("fired", noon.Add(time.Minute)), proof("resolved", noon)
		if tt.same != (first.ID != "" && first.ID == again.ID) {
			t.Errorf("%s: sent twice: %q and %q", name, first.ID, again.ID)
		}
		if tt.same && first.ID == other.ID {
			t.Errorf("%s: another delivery has the same id %q", name, first.ID)
		}
		if first.Keep != tt.keep {
			t.Errorf("%s: kept %v, want %v", name, first.Keep, tt.keep)
		}
		if len(first.ID) > 128 {
			t.Errorf("%s: an id of %d bytes", name, len(first.ID))
		}
	}
}

// TestUnsignedIDs: an id that is not signed, in a header, makes no other delivery of a replay.
func TestUnsignedIDs(t *testing.T) {
	for name, headers := range map[string][]string{
		"github": {"X-GitHub-Delivery", "X-GitHub-Event"}, "pagerduty": {"X-Webhook-Id"}, "sentry": {"Request-ID", "Sentry-Hook-Timestamp", "Sentry-Hook-Resource"},
	} {
		p, r := of(t, name), deliver(t, name, sample(t, name+"/fired"), "new", noon)
		before, err := p.Verify(t.Context(), r, keys(name), noon)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range headers {
			r.Header.Set(h, "something else")
		}
		after, err := p.Verify(t.Context(), r, keys(name), noon)
		if err != nil || before != after {
			t.Errorf("%s: got %v, %v, want %v", name, after, err, before)
		}
		a, err := p.Parse(r, r.Body, noon)
		if err != nil || a.Action != "fire" || a.Raw != nil {
			t.Errorf("%s: %+v, %v: what happened hangs on a header that is not signed", name, a, err)
		}
	}
}

func TestBearer(t *testing.T) {
	p := of(t, "generic")
	secret := string(secretOf("generic", "new"))
	tests := map[string]struct {
		header http.Header
		want   string
	}{
		"a bearer":                  {http.Header{"Authorization": {"Bearer " + secret}}, ""},
		"in another case":           {http.Header{"Authorization": {"bearer " + secret}}, ""},
		"two spaces":                {http.Header{"Authorization": {"Bearer  " + secret}}, ""},
		"in our header":             {http.Header{"X-Pagefree-Secret": {secret}}, ""},
		"beside Basic":              {http.Header{"Authorization": {"Basic YTpi"}, "X-Pagefree-Secret": {secret}}, ""},
		"Basic alone":               {http.Header{"Authorization": {"Basic YTpi"}}, "401 signature_missing"},
		"a bearer of nothing":       {http.Header{"Authorization": {"Bearer "}}, "401 signature_missing"},
		"no scheme":                 {http.Header{"Authorization": {secret}}, "401 signature_missing"},
		"one byte less":             {http.Header{"Authorization": {"Bearer " + secret[1:]}}, "401 signature_invalid"},
		"the hash itself":           {http.Header{"Authorization": {"Bearer " + hash(secret)}}, "401 signature_invalid"},
		"a wrong bearer beside one": {http.Header{"Authorization": {"Bearer x"}, "X-Pagefree-Secret": {secret}}, "401 signature_invalid"},
	}
	for name, tt := range tests {
		_, err := p.Verify(t.Context(), Request{Header: tt.header, Body: []byte(`{"title":"a"}`)}, keys("generic"), noon)
		if got := codeOf(t, err); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	r := deliver(t, "generic", []byte(`{"title":"a"}`), "new", noon)
	r.Header.Set("Idempotency-Key", "one")
	first, err := p.Verify(t.Context(), r, keys("generic"), noon)
	if err != nil || first.ID == "" {
		t.Errorf("with a key: got %v, %v", first, err)
	}
	if _, err := p.Verify(t.Context(), Request{}, keys("generic"), noon); codeOf(t, err) != "401 signature_missing" {
		t.Errorf("no headers at all: got %v", err)
	}
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestPagerDutyTime(t *testing.T) {
	p := of(t, "pagerduty")
	for what, tt := range map[string]struct {
		off  time.Duration
		want string
	}{
		"a day old":               {-24 * time.Hour, ""},
		"more than a day old":     {-24*time.Hour - time.Second, "401 timestamp_stale"},
		"five minutes ahead":      {5 * time.Minute, ""},
		"more than that":          {5*time.Minute + time.Second, "401 timestamp_stale"},
		"six minutes old is fine": {-6 * time.Minute, ""},
	} {
		_, err := p.Verify(t.Context(), deliver(t, "pagerduty", sample(t, "pagerduty/fired"), "new", noon.Add(tt.off)), keys("pagerduty"), noon)
		if got := codeOf(t, err); got != tt.want {
			t.Errorf("%s: got %q, want %q", what, got, tt.want)
		}
	}
	// What is signed, and of no version that has an id and a time, is known by its bytes.
	proof, err := p.Verify(t.Context(), deliver(t, "pagerduty", sample(t, "pagerduty/unknown"), "new", noon), keys("pagerduty"), noon)
	if err != nil || proof.ID == "" || proof.Keep != keepUntimed {
		t.Errorf("of another version: got %v, %v", proof, err)
	}
}

func TestStandardHeaders(t *testing.T) {
	p, body := of(t, "standard"), sample(t, "standard/fired")
	tests := map[string]struct {
		change func(http.Header)
		want   string
	}{
		"as svix-*": {func(h http.Header) {
			for _, name := range []string{"id", "timestamp", "signature"} {
				h.Set("svix-"+name, h.Get("webhook-"+name))
				h.Del("webhook-" + name)
			}
		}, ""},
		"one of several": {func(h http.Header) { h.Set("webhook-signature", "v1,AAAA "+h.Get("webhook-signature")+" v2,x") }, ""},
		"behind too many": {func(h http.Header) {
			h.Set("webhook-signature", strings.Repeat("v1,AAAA ", 100)+h.Get("webhook-signature"))
		}, "401 signature_invalid"},
		"v1a alone": {func(h http.Header) {
			h.Set("webhook-signature", "v1a,"+strings.TrimPrefix(h.Get("webhook-signature"), "v1,"))
		}, "401 signature_invalid"},
		"no version":               {func(h http.Header) { h.Set("webhook-signature", strings.TrimPrefix(h.Get("webhook-signature"), "v1,")) }, "401 signature_invalid"},
		"no id":                    {func(h http.Header) { h.Del("webhook-id") }, "401 signature_missing"},
		"no time":                  {func(h http.Header) { h.Del("webhook-timestamp") }, "401 signature_missing"},
		"another id":               {func(h http.Header) { h.Set("webhook-id", "msg_2") }, "401 signature_invalid"},
		"another time":             {func(h http.Header) { h.Set("webhook-timestamp", strconv.FormatInt(noon.Unix()+1, 10)) }, "401 signature_invalid"},
		"a time in milliseconds":   {func(h http.Header) { h.Set("webhook-timestamp", strconv.FormatInt(noon.UnixMilli(), 10)) }, "401 signature_invalid"},
		"a time that is no number": {func(h http.Header) { h.Set("webhook-timestamp", "+"+h.Get("webhook-timestamp")) }, "401 signature_invalid"},
		"a time beyond numbers":    {func(h http.Header) { h.Set("webhook-timestamp", strings.Repeat("9", 40)) }, "401 signature_invalid"},
	}
	for name, tt := range tests {
		r := deliver(t, "standard", body, "new", noon)
		tt.change(r.Header)
		_, err := p.Verify(t.Context(), r, keys("standard"), noon)
		if got := codeOf(t, err); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestGrafanaHeaders(t *testing.T) {
	p := of(t, "grafana")
	r := deliver(t, "grafana", sample(t, "grafana/fired"), "new", noon)
	r.Header.Del("X-Grafana-Alerting-Timestamp")
	r.Header.Set("X-Grafana-Alerting-Signature", hex.EncodeToString(mac(secretOf("grafana", "new"), string(r.Body))))
	if _, err := p.Verify(t.Context(), r, keys("grafana"), noon); codeOf(t, err) != "401 signature_missing" {
		t.Errorf("the body alone is signed: got %v", err)
	}
	r = deliver(t, "grafana", sample(t, "grafana/fired"), "new", noon)
	r.Header.Set("X-Grafana-Alert-Signature", r.Header.Get("X-Grafana-Alerting-Signature"))
	r.Header.Del("X-Grafana-Alerting-Signature")
	if _, err := p.Verify(t.Context(), r, keys("grafana"), noon); err != nil {
		t.Errorf("under the name that is in Grafana's code: %v", err)
	}
}

// TestEncodings: a signature is over the bytes as they were sent.
func TestEncodings(t *testing.T) {
	body := sample(t, "github/fired")
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(body)
	_ = z.Close()
	p := of(t, "github")
	r := deliver(t, "github", zipped.Bytes(), "new", noon)
	r.Header.Set("Content-Encoding", "gzip")
	if _, err := p.Verify(t.Context(), r, keys("github"), noon); err != nil {
		t.Fatal(err)
	}
	if got, err := Unpack(r); err != nil || !bytes.Equal(got, body) {
		t.Errorf("unpacked: %v", err)
	}
	// PagerDuty's time is in the body: it is read behind the signature.
	zipped.Reset()
	z = gzip.NewWriter(&zipped)
	_, _ = z.Write(sample(t, "pagerduty/fired"))
	_ = z.Close()
	r = deliver(t, "pagerduty", zipped.Bytes(), "new", noon)
	r.Header.Set("Content-Encoding", "gzip")
	if proof, err := of(t, "pagerduty").Verify(t.Context(), r, keys("pagerduty"), noon); err != nil || proof.ID != "01DV7FZP2Z6YQ4K1R3N5T7W9X0" {
		t.Errorf("packed: got %v, %v", proof, err)
	}

	bomb := func(size int) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		for range size / 1024 {
			_, _ = z.Write(bytes.Repeat([]byte(" "), 1024))
		}
		_ = z.Close()
		return b.Bytes()
	}
	tests := map[string]struct {
		encoding string
		body     []byte
		want     string
	}{
		"none":                {"", body, ""},
		"identity":            {"identity", body, ""},
		"another":             {"br", body, "415 unsupported_media_type"},
		"two":                 {"gzip, gzip", body, "415 unsupported_media_type"},
		"not what it says":    {"gzip", body, "400 body_invalid"},
		"cut":                 {"gzip", bomb(4096)[:20], "400 body_invalid"},
		"exactly full":        {"gzip", bomb(MaxBody), ""},
		"a little too large":  {"gzip", bomb(MaxBody + 1024), "413 body_too_large"},
		"much larger than it": {"gzip", bomb(20 << 20), "413 body_too_large"},
	}
	for name, tt := range tests {
		_, err := Unpack(Request{Header: http.Header{"Content-Encoding": {tt.encoding}}, Body: tt.body})
		if got := codeOf(t, err); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// TestPublishedVectors are what the schemes' own documentation publishes.
func TestPublishedVectors(t *testing.T) {
	at := time.Unix(1614265330, 0)
	tests := map[string]struct {
		provider, secret, body string
		header                 http.Header
	}{
		// standard-webhooks/standard-webhooks, and Svix' own documentation, whose scheme it was.
		"Standard Webhooks": {"standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", `{"test": 2432232314}`, http.Header{
			"Webhook-Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, "Webhook-Timestamp": {"1614265330"}, "Webhook-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}}},
		"Svix": {"standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", `{"test": 2432232314}`, http.Header{
			"Svix-Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, "Svix-Timestamp": {"1614265330"}, "Svix-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}}},
		"without the prefix": {"standard", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", `{"test": 2432232314}`, http.Header{
			"Webhook-Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, "Webhook-Timestamp": {"1614265330"}, "Webhook-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}}},
		// docs.github.com, "Validating webhook deliveries".
		"GitHub": {"github", "It's a Secret to Everybody", "Hello, World!", http.Header{
			"X-Hub-Signature-256": {"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}}},
	}
	for name, tt := range tests {
		r := Request{Header: tt.header, Body: []byte(tt.body)}
		p := of(t, tt.provider)
		if _, err := p.Verify(t.Context(), r, Keys{Secrets: [][]byte{[]byte(tt.secret)}}, at); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r.Body[len(r.Body)-1] ^= 1
		if _, err := p.Verify(t.Context(), r, Keys{Secrets: [][]byte{[]byte(tt.secret)}}, at); err == nil {
			t.Errorf("%s: a changed body is taken", name)
		}
	}
}

func TestIdentifier(t *testing.T) {
	for in, plain := range map[string]bool{"": true, "msg_1": true, strings.Repeat("a", 128): true, strings.Repeat("a", 129): false, "a b": false, "ä": false, "a\n": false} {
		if got := identifier(in); (got == in) != plain || len(got) > 128 {
			t.Errorf("%q: got %q", in, got)
		}
	}
	if digest("ab", "c") == digest("a", "bc") {
		t.Error("the hash does not tell where one text ends")
	}
	if !slices.Contains(Names(), "generic") {
		t.Error("no generic")
	}
}
