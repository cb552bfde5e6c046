package hook

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// noon is now, to which the sample bodies are fresh.
var noon = time.Date(2026, 11, 29, 12, 1, 0, 0, time.UTC)

// samples is where the bodies lie that providers send.
const samples = "../../../events/hooks"

// sample is a body, by provider/case.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(samples, name+".json"))
	if os.IsNotExist(err) {
		b, err = os.ReadFile(filepath.Join(samples, name+".txt"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// all are the names of the samples of a provider.
func all(t testing.TB, provider string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(samples, provider))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, provider+"/"+strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())))
	}
	return out
}

func of(t testing.TB, name string) Provider {
	t.Helper()
	p, ok := Of(name)
	if !ok {
		t.Fatalf("no provider %s", name)
	}
	return p
}

// secret is what each provider's integration has in these tests, and old what it had before.
func secretOf(provider, which string) []byte {
	if provider == "standard" {
		sum := sha256.Sum256([]byte(which))
		return []byte("whsec_" + base64.StdEncoding.EncodeToString(sum[:]))
	}
	return []byte(which + "-secret-of-" + provider)
}

const topic = "arn:aws:sns:us-east-1:123456789012:alarms"

// keys are what an integration has live: two secrets.
func keys(provider string) Keys {
	k := Keys{TopicARN: topic, Certificates: func(_ context.Context, url string) (*x509.Certificate, error) {
		if url != certificateURL {
			return nil, invalid("There is no certificate at %s.", url)
		}
		return signer().certificate, nil
	}}
	for _, which := range []string{"new", "old"} {
		s := secretOf(provider, which)
		k.Secrets, k.Hashes = append(k.Secrets, s), append(k.Hashes, sha256.Sum256(s))
	}
	return k
}

func mac(secret []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, secret)
	for _, p := range parts {
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

// deliver makes a delivery as the provider sends it at a time, signed by one of
// the secrets. cloudwatch and pagerduty have the time in their body.
func deliver(t testing.TB, provider string, body []byte, which string, at time.Time) Request {
	t.Helper()
	secret, h := secretOf(provider, which), http.Header{"Content-Type": {"application/json"}}
	if bytes.HasPrefix(body, []byte("payload=")) || provider == "datadog" && !bytes.HasPrefix(body, []byte("{")) {
		h.Set("Content-Type", formType)
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	switch provider {
	case "datadog", "newrelic", "alertmanager":
		h.Set("Authorization", "Bearer "+string(secret))
	case "generic":
		h.Set(SecretHeader, string(secret))
	case "grafana":
		h.Set("X-Grafana-Alerting-Timestamp", stamp)
		h.Set("X-Grafana-Alerting-Signature", hex.EncodeToString(mac(secret, stamp, ":", string(body))))
	case "standard":
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(string(secret), "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		h.Set("webhook-id", "msg_"+hex.EncodeToString(mac(nil, string(body)))[:20])
		h.Set("webhook-timestamp", stamp)
		h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac(key, h.Get("webhook-id"), ".", stamp, ".", string(body))))
	case "pagerduty":
		body = bytes.ReplaceAll(body, []byte("2026-11-29T12:00:00.000Z"), []byte(at.UTC().Format("2006-01-02T15:04:05.000Z")))
		h.Set("X-PagerDuty-Signature", "v1="+hex.EncodeToString(mac([]byte("before"), string(body)))+",v1="+hex.EncodeToString(mac(secret, string(body))))
	case "github":
		h.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac(secret, string(body))))
	case "sentry":
		h.Set("Sentry-Hook-Signature", hex.EncodeToString(mac(secret, string(body))))
	case "cloudwatch":
		h.Set("Content-Type", "text/plain; charset=UTF-8")
		body = signer().sign(t, body, at)
	}
	return Request{Header: h, Body: body}
}

const certificateURL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"

// sns stands for the service: a key and its certificate.
type sns struct {
	key         *rsa.PrivateKey
	certificate *x509.Certificate
}

var signer = sync.OnceValue(func() sns { return newSNS(noon.Add(-time.Hour), noon.Add(1000*time.Hour)) })

func newSNS(from, until time.Time) sns {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	blank := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, blank, blank, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return sns{key, c}
}

// sign fills what a sample leaves to the service: time, certificate, signature.
// The canonical text is written out here by the documentation, not by what is tested.
func (s sns) sign(t testing.TB, body []byte, at time.Time) []byte {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(body, &o); err != nil {
		t.Fatal(err)
	}
	if o["SigningCertURL"] == nil || slices.Contains([]any{"{{signature}}"}, o["Signature"]) {
		o["SigningCertURL"] = certificateURL
	}
	o["Timestamp"] = at.UTC().Format("2006-01-02T15:04:05.000Z")
	text := "Message\n" + o["Message"].(string) + "\nMessageId\n" + o["MessageId"].(string) + "\n"
	if o["Type"] == "Notification" {
		if subject, ok := o["Subject"].(string); ok {
			text += "Subject\n" + subject + "\n"
		}
		text += "Timestamp\n" + o["Timestamp"].(string) + "\n"
	} else {
		text += "SubscribeURL\n" + o["SubscribeURL"].(string) + "\nTimestamp\n" + o["Timestamp"].(string) + "\nToken\n" + o["Token"].(string) + "\n"
	}
	text += "TopicArn\n" + o["TopicArn"].(string) + "\nType\n" + o["Type"].(string) + "\n"
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	o["Signature"] = base64.StdEncoding.EncodeToString(signature)
	out, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return out
}
