package bench

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"pagefree/infra/local/demo"
)

// sender is a monitoring system that delivers alerts, each of them another one of the same trouble.
type sender struct {
	provider string
	limit    time.Duration // how long it waits for an answer; 0 where nobody says
	vary     func(body string, n int64) string

	id, hook, secret string // of its integration, whose hook is a path
	sample           string // a body as it sends them
}

// once puts something in the place of a text that a sample has.
func once(old, format string) func(string, int64) string {
	return func(body string, n int64) string { return strings.Replace(body, old, fmt.Sprintf(format, n), 1) }
}

// monitors are the providers, with what each says of its own patience, and what makes a body of it another delivery
// (but for those whose headers do).
func monitors() []*sender {
	return []*sender{
		// "The timeout for any individual request is 15 seconds": docs.datadoghq.com/integrations/webhooks.
		{provider: "datadog", limit: 15 * time.Second, vary: once("7284917350284716123", "72849173%011d")},
		// docs.newrelic.com names none.
		{provider: "newrelic", vary: once(`"updatedAt": 1790000001000`, `"updatedAt": 1790%09d`)},
		// The documentation names none; its code waits for 30 seconds: github.com/grafana/alerting, http.NewTLSClient.
		{provider: "grafana", limit: 30 * time.Second, vary: func(body string, n int64) string {
			at := time.Unix(1790000000+n, 0).UTC().Format(time.RFC3339)
			return strings.Replace(body, `"startsAt": "2026-11-29T12:00:00Z"`, `"startsAt": "`+at+`"`, 1)
		}},
		// None unless webhook_config's timeout is set, but for group_interval: prometheus.io/docs/alerting/latest/configuration.
		{provider: "alertmanager"},
		// 15 seconds: docs.aws.amazon.com/sns, "Make sure your endpoint is ready to process Amazon SNS messages".
		{provider: "cloudwatch", limit: 15 * time.Second},
		// 5 seconds: developer.pagerduty.com, "Webhooks overview", "Webhook behavior".
		{provider: "pagerduty", limit: 5 * time.Second, vary: func(body string, n int64) string {
			body = strings.Replace(body, "01DV7FZP2Z6YQ4K1R3N5T7W9X0", fmt.Sprintf("01DV7FZP2Z6YQ4K1%010d", n), 1)
			return strings.Replace(body, "2026-11-29T12:00:00.000Z", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), 1)
		}},
		// "Respond within 10 seconds": docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks.
		{provider: "github", limit: 10 * time.Second, vary: once(`"id": 30433642`, `"id": %d`)},
		// "your server should respond within 1 second": sentry.io/changelog/2023-10-3-change-to-integration-platform-webhook-handling.
		{provider: "sentry", limit: time.Second, vary: once("e4874d664c3540c1a32eab185f12c5ab", "%032x")},
		// "somewhere between 15 and 30s": github.com/standard-webhooks/standard-webhooks, spec, "Request timeouts".
		{provider: "standard", limit: 15 * time.Second},
		{provider: "generic"}, // whoever writes it says
	}
}

// connect makes the integrations of all providers, and the topic that CloudWatch's alarms come from.
func (w *work) connect(ctx context.Context) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	w.senders = map[string]*sender{}
	for _, s := range monitors() {
		raw, err := os.ReadFile(filepath.Join(root, "events", "hooks", s.provider, "fired.json"))
		if err != nil {
			return err
		}
		s.sample = string(raw)
		if s.vary != nil && s.vary(s.sample, 1) == s.sample {
			return fmt.Errorf("%s: nothing varies in its sample", s.provider)
		}
		body := map[string]any{"name": "Bench " + s.provider, "provider": s.provider, "teamId": w.team, "serviceId": w.service}
		switch s.provider {
		case "pagerduty", "sentry": // they make their secrets themselves
			s.secret = "bench-" + strings.Repeat(s.provider, 4)
			body["secret"] = s.secret
		case "cloudwatch":
			if w.topic, err = w.subscribe(ctx); err != nil {
				return err
			}
			body["topicArn"] = w.topic.arn
		}
		made, err := w.call(ctx, demo.Lead, "POST", "/v1/integrations", body)
		if err != nil {
			return err
		}
		at, err := url.Parse(text(made, "url"))
		if err != nil {
			return err
		}
		s.id, s.hook = text(made, "id"), at.Path
		if s.secret == "" {
			s.secret = text(made, "secret")
		}
		w.senders[s.provider] = s
	}
	return nil
}

// topic is one of the stack's SNS, whose messages come to this process: signed, and not delivered yet.
type topic struct {
	arn      string
	messages chan delivery
	server   *httptest.Server
}

// subscribe makes a topic and confirms the subscription to it.
func (w *work) subscribe(ctx context.Context) (*topic, error) {
	t := &topic{messages: make(chan delivery, 1)}
	t.server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			t.messages <- delivery{header: r.Header, body: string(body)}
		}
	}))
	sns := w.stack.SNS()
	var err error
	if t.arn, err = sns.CreateTopic("bench-alarms"); err == nil {
		_, err = sns.Subscribe(t.arn, "http", t.server.URL)
	}
	if err != nil {
		return t, err
	}
	asked, err := t.next(ctx)
	if err != nil {
		return t, err
	}
	var message struct{ Token string }
	if err := json.Unmarshal([]byte(asked.body), &message); err != nil {
		return t, err
	}
	_, err = sns.Confirm(t.arn, message.Token)
	return t, err
}

// next is the next message of a topic.
func (t *topic) next(ctx context.Context) (delivery, error) {
	select {
	case d := <-t.messages:
		return d, nil
	case <-ctx.Done():
		return delivery{}, ctx.Err()
	case <-time.After(stalled):
		return delivery{}, fmt.Errorf("%s sends no message", t.arn)
	}
}

// delivery is a request that a provider sends.
type delivery struct {
	header http.Header
	body   string
}

// another makes one more delivery of the sender's sample.
func (w *work) another(ctx context.Context, s *sender) (delivery, error) {
	if s.provider == "cloudwatch" {
		var of struct{ Subject, Message string }
		if err := json.Unmarshal([]byte(s.sample), &of); err != nil {
			return delivery{}, err
		}
		if _, err := w.stack.SNS().Publish(w.topic.arn, of.Subject, of.Message); err != nil {
			return delivery{}, err
		}
		return w.topic.next(ctx)
	}
	body, n := s.sample, w.sent.Add(1)
	if s.vary != nil {
		body = s.vary(body, n)
	}
	return s.sign(body, n), nil
}

// sign makes a delivery of a body, as the provider sends it now.
func (s *sender) sign(body string, n int64) delivery {
	h := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"bench"}}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	switch s.provider {
	case "grafana":
		h.Set("X-Grafana-Alerting-Timestamp", stamp)
		h.Set("X-Grafana-Alerting-Signature", hex.EncodeToString(mac([]byte(s.secret), stamp, ":", body)))
	case "pagerduty":
		h.Set("X-PagerDuty-Signature", "v1="+hex.EncodeToString(mac([]byte(s.secret), body)))
	case "github":
		h.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac([]byte(s.secret), body)))
	case "sentry":
		h.Set("Sentry-Hook-Signature", hex.EncodeToString(mac([]byte(s.secret), body)))
	case "standard":
		key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.secret, "whsec_")) // else the signature is wrong
		id := fmt.Sprint("msg_bench", n)
		h.Set("Webhook-Id", id)
		h.Set("Webhook-Timestamp", stamp)
		h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac(key, id, ".", stamp, ".", body)))
	default:
		h.Set("Authorization", "Bearer "+s.secret)
	}
	return delivery{header: h, body: body}
}

func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

// deliver sends a delivery and wants it accepted. It tells when its first byte was sent, and how long it took from
// there until the answer was read.
func (w *work) deliver(ctx context.Context, origin string, s *sender, d delivery) (began time.Time, took time.Duration, err error) {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { began = time.Now() }})
	req, err := http.NewRequestWithContext(ctx, "POST", origin+s.hook, strings.NewReader(d.body))
	if err != nil {
		return began, 0, err
	}
	req.Header = d.header.Clone()
	if origin == w.stack.APIURL {
		req.Header.Set("X-Pagefree-Origin", w.stack.Secret("OriginSecret"))
		req.Header.Set("X-Pagefree-Viewer", "127.0.0.1")
	}
	res, err := readers.Do(req)
	if err != nil {
		return began, 0, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	took = time.Since(began)
	if err == nil && (res.StatusCode != http.StatusAccepted || !bytes.Contains(raw, []byte(`"duplicate":false`))) {
		err = fmt.Errorf("%s: a delivery is answered %d %.300s", s.provider, res.StatusCode, raw)
	}
	return began, took, err
}

// send makes one more delivery of a provider and delivers it, as from outside.
func (w *work) send(ctx context.Context, provider string) (time.Duration, error) {
	s := w.senders[provider]
	d, err := w.another(ctx, s)
	if err != nil {
		return 0, err
	}
	_, took, err := w.deliver(ctx, w.stack.URL, s, d)
	return took, err
}
