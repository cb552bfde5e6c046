package hook

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pagefree/internal/platform/safehttp"
)

// TestSNS: what a message must be besides signed.
func TestSNS(t *testing.T) {
	const missing, wrong, stale = "401 signature_missing", "401 signature_invalid", "401 timestamp_stale"
	tests := map[string]struct {
		before func(map[string]any) // and then it is signed
		after  func(map[string]any) // it was signed
		body   string
		want   string
	}{
		"as it is sent":          {},
		"with a subject":         {before: func(m map[string]any) { m["Subject"] = "ALARM: x" }},
		"a null subject":         {before: func(m map[string]any) { m["Subject"] = nil }},
		"an unsigned member":     {after: func(m map[string]any) { m["UnsubscribeURL"] = "https://example.com/" }}, // SNS does not sign it, and nobody here follows it
		"a subject put in later": {before: func(m map[string]any) { delete(m, "Subject") }, after: func(m map[string]any) { m["Subject"] = "x" }, want: wrong},
		"a subject taken out":    {after: func(m map[string]any) { delete(m, "Subject") }, want: wrong},
		"another message":        {after: func(m map[string]any) { m["Message"] = "x" }, want: wrong},
		"another id":             {after: func(m map[string]any) { m["MessageId"] = "x" }, want: wrong},
		"another way to part it": {before: func(m map[string]any) {
			m["Message"] = "all is well\nMessageId\n00000000-0000-0000-0000-000000000000"
		}, after: func(m map[string]any) {
			m["Message"], m["MessageId"] = "all is well", "00000000-0000-0000-0000-000000000000\nMessageId\n"+m["MessageId"].(string)
		}, want: wrong},
		"a subject made of the message": {before: func(m map[string]any) { m["Subject"] = "x" }, after: func(m map[string]any) {
			m["Message"], m["MessageId"], m["Subject"] = m["Message"].(string)+"\nMessageId\n"+m["MessageId"].(string), "x", "x\nSubject\nx"
		}, want: wrong},
		"another time":              {after: func(m map[string]any) { m["Timestamp"] = "2026-11-29T12:01:00.001Z" }, want: wrong},
		"another type":              {after: func(m map[string]any) { m["Type"] = snsUnsubscribe }, want: wrong},
		"no type of SNS":            {after: func(m map[string]any) { m["Type"] = "x" }, want: wrong},
		"no signature":              {after: func(m map[string]any) { delete(m, "Signature") }, want: missing},
		"a signature of a number":   {after: func(m map[string]any) { m["Signature"] = 1 }, want: missing},
		"a signature of no base64":  {after: func(m map[string]any) { m["Signature"] = "?" }, want: wrong},
		"version 1":                 {before: func(m map[string]any) { m["SignatureVersion"] = "1" }, want: wrong},
		"no version":                {before: func(m map[string]any) { delete(m, "SignatureVersion") }, want: wrong},
		"another topic":             {before: func(m map[string]any) { m["TopicArn"] = topic + "2" }, want: wrong},
		"the topic elsewhere":       {before: func(m map[string]any) { m["TopicArn"] = strings.Replace(topic, "us-east-1", "eu-west-1", 1) }, want: wrong},
		"another certificate":       {after: func(m map[string]any) { m["SigningCertURL"] = strings.Replace(certificateURL, "0123", "4567", 1) }, want: wrong},
		"certificate elsewhere":     {after: func(m map[string]any) { m["SigningCertURL"] = "https://example.com/SimpleNotificationService-0.pem" }, want: wrong},
		"no time":                   {after: func(m map[string]any) { m["Timestamp"] = "now" }, want: wrong},
		"raw delivery":              {body: `{"AlarmName":"orders-5xx","NewStateValue":"ALARM"}`, want: missing},
		"no JSON":                   {body: "x", want: "400 body_invalid"},
		"no object":                 {body: "[]", want: "422 validation_failed"},
		"a time in another zone":    {after: func(m map[string]any) { m["Timestamp"] = "2026-11-29T13:01:00.000+01:00" }, want: wrong},
		"signed an hour ago":        {after: func(m map[string]any) { m["Timestamp"] = "2026-11-29T11:00:00.000Z" }, want: stale},
		"the wrong sort of message": {before: func(m map[string]any) { m["Message"] = "" }},
	}
	p := of(t, "cloudwatch")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var m map[string]any
			if err := json.Unmarshal(sample(t, "cloudwatch/fired"), &m); err != nil {
				t.Fatal(err)
			}
			if tt.before != nil {
				tt.before(m)
			}
			b, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			b = signer().sign(t, b, noon)
			if tt.after != nil {
				m = nil
				if err := json.Unmarshal(b, &m); err != nil {
					t.Fatal(err)
				}
				tt.after(m)
				if b, err = json.Marshal(m); err != nil {
					t.Fatal(err)
				}
			}
			if tt.body != "" {
				b = []byte(tt.body)
			}
			proof, err := p.Verify(t.Context(), Request{Body: b}, keys("cloudwatch"), noon)
			if got := codeOf(t, err); got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
			if err == nil && proof.ID != m["MessageId"] {
				t.Errorf("got id %q", proof.ID)
			}
		})
	}
	k := keys("cloudwatch")
	k.TopicARN = ""
	if _, err := p.Verify(t.Context(), deliver(t, "cloudwatch", sample(t, "cloudwatch/fired"), "", noon), k, noon); codeOf(t, err) != wrong {
		t.Errorf("an integration without a topic: got %v", err)
	}
	outage := errors.New("outage")
	k = keys("cloudwatch")
	k.Certificates = func(context.Context, string) (*x509.Certificate, error) { return nil, outage }
	if _, err := p.Verify(t.Context(), deliver(t, "cloudwatch", sample(t, "cloudwatch/fired"), "", noon), k, noon); !errors.Is(err, outage) {
		t.Errorf("without a certificate: got %v", err)
	}
}

// TestCertificates: which certificates sign.
func TestCertificates(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
	from, until := noon.Add(-time.Hour), noon.Add(time.Hour)
	for name, tt := range map[string]struct {
		c    *x509.Certificate
		want bool
	}{
		"one of SNS":    {signer().certificate, true},
		"one to come":   {&x509.Certificate{PublicKey: signer().certificate.PublicKey, NotBefore: noon.Add(time.Second), NotAfter: until}, false},
		"one of before": {&x509.Certificate{PublicKey: signer().certificate.PublicKey, NotBefore: from, NotAfter: noon.Add(-time.Second)}, false},
		"no RSA":        {&x509.Certificate{PublicKey: &curve.PublicKey, NotBefore: from, NotAfter: until}, false},
		"a short key":   {&x509.Certificate{PublicKey: small, NotBefore: from, NotAfter: until}, false},
	} {
		if got := trusted(tt.c, noon); got != tt.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	for address, want := range map[string]bool{
		certificateURL: true,
		"https://sns.us-east-1.amazonaws.com/a.pem":                                true,
		"http://sns.us-east-1.amazonaws.com/a.pem":                                 false,
		"https://sns.eu-west-1.amazonaws.com/a.pem":                                false,
		"https://sns.s3-us-west-2.amazonaws.com/a.pem":                             false, // a bucket named sns
		"https://sns.us-east-1.amazonaws.com.evil.test/a.pem":                      false,
		"https://sns.us-east-1.amazonaws.com@evil.test/a.pem":                      false,
		"https://evil.test/sns.us-east-1.amazonaws.com/a.pem":                      false,
		"https://sns.us-east-1.amazonaws.com:8443/a.pem":                           false,
		"https://user@sns.us-east-1.amazonaws.com/a.pem":                           false,
		"https://SNS.us-east-1.amazonaws.com/a.pem":                                false,
		"https://sns.us-east-1.amazonaws.com.cn/a.pem":                             false,
		"https://sns.us-east-1.amazonaws.com/a.pem?x":                              false,
		"https://sns.us-east-1.amazonaws.com/a.pem#x":                              false,
		"https://sns.us-east-1.amazonaws.com/a/../b.pem":                           false,
		"https://sns.us-east-1.amazonaws.com/%2e%2e.pem":                           false,
		"https://sns.us-east-1.amazonaws.com/a.pem/":                               false,
		"https://sns.us-east-1.amazonaws.com/a.txt":                                false,
		"https://sns.us-east-1.amazonaws.com/":                                     false,
		"https://sns.us-east-1.amazonaws.com/" + strings.Repeat("a", 600) + ".pem": false,
		"": false,
	} {
		if got := certificateOf(address, topic); got != want {
			t.Errorf("%s: got %v", address, got)
		}
	}
	if china := "arn:aws-cn:sns:cn-north-1:123456789012:a"; !certificateOf("https://sns.cn-north-1.amazonaws.com.cn/a.pem", china) || certificateOf("https://sns.cn-north-1.amazonaws.com/a.pem", china) {
		t.Error("China")
	}
	for arn, want := range map[string]bool{
		topic: true, "arn:aws-us-gov:sns:us-gov-west-1:123456789012:a": true, "arn:aws:sns:ap-southeast-2:123456789012:a.fifo": true,
		"": false, "arn:aws:sqs:us-east-1:123456789012:a": false, "arn:aws:sns:s3-us-west-2.x:123456789012:a": false, "arn:aws:sns:evil.test/:123456789012:a": false,
		"arn:aws:sns:us-east-1:1234:a": false, "arn:aws:sns:us-east-1:123456789012:a b": false, "arn:aws:sns:us-east-1:123456789012:a\n": false, topic + ":c9135db0": false,
		"arn:aws:sns:us-east-1:123456789012:" + strings.Repeat("a", 256): true, "arn:aws:sns:us-east-1:123456789012:" + strings.Repeat("a", 256) + ".fifo": true,
		"arn:aws:sns:us-east-1:123456789012:" + strings.Repeat("a", 257): false,
	} {
		if err := CheckTopic("body.topicArn", arn); (err == nil) != want {
			t.Errorf("%s: got %v", arn, err)
		}
	}
}

func TestConfirmation(t *testing.T) {
	c, ok := ConfirmationOf(sample(t, "cloudwatch/subscription"))
	if want := (Confirmation{TopicARN: topic, Token: "2336412f37fb687f5d51e6e2425dacbba5f3ea0b7f4b6e3b", Region: "us-east-1"}); !ok || c != want {
		t.Errorf("got %+v, %v", c, ok)
	}
	for name, body := range map[string]string{
		"a notification":      string(sample(t, "cloudwatch/fired")),
		"an end":              string(sample(t, "cloudwatch/unsubscription")),
		"a token of a query":  `{"Type":"SubscriptionConfirmation","TopicArn":"` + topic + `","Token":"a&Action=Unsubscribe"}`,
		"no token":            `{"Type":"SubscriptionConfirmation","TopicArn":"` + topic + `"}`,
		"no topic":            `{"Type":"SubscriptionConfirmation","Token":"a"}`,
		"a topic of somebody": `{"Type":"SubscriptionConfirmation","TopicArn":"arn:aws:sns:evil.test/:1:a","Token":"a"}`,
		"no JSON":             "x",
	} {
		if c, ok := ConfirmationOf([]byte(body)); ok {
			t.Errorf("%s: got %+v", name, c)
		}
	}
}

// service is a stand-in for what AWS_ENDPOINT_URL leads to.
func service(t *testing.T, handle func(http.ResponseWriter, *http.Request)) (*Fetcher, *atomic.Int32) {
	t.Helper()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		handle(w, r)
	}))
	t.Cleanup(server.Close)
	return NewFetcher(safehttp.New(safehttp.Options{}), server.URL), &asked
}

func TestFetcher(t *testing.T) {
	good := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signer().certificate.Raw})
	tests := map[string]struct {
		handle func(http.ResponseWriter, *http.Request)
		want   string
		asked  int32 // for two questions
	}{
		"a certificate": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(good) }, "", 1},
		"none":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, "401 signature_invalid", 2},
		"an outage":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "503 unavailable", 2},
		"too many":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, "503 unavailable", 2},
		"led elsewhere": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other.pem", http.StatusFound) }, "401 signature_invalid", 2},
		"no PEM":        {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, "401 signature_invalid", 2},
		"a key": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}))
		}, "401 signature_invalid", 2},
		"no certificate in it": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))
		}, "401 signature_invalid", 2},
		"more than one wants": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.Repeat(" ", maxCertificate)))
			_, _ = w.Write(good)
		}, "401 signature_invalid", 2},
	}
	for name, tt := range tests {
		f, asked := service(t, tt.handle)
		for range 2 {
			_, err := f.Certificate(t.Context(), certificateURL)
			if got := codeOf(t, err); got != tt.want {
				t.Errorf("%s: got %q, want %q", name, got, tt.want)
			}
		}
		if got := asked.Load(); got != tt.asked {
			t.Errorf("%s: asked %d times, want %d", name, got, tt.asked)
		}
	}
	f, _ := service(t, tests["a certificate"].handle)
	for i := range 100 {
		if _, err := f.Certificate(t.Context(), certificateURL+strings.Repeat("x", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.kept); n > maxKept {
		t.Errorf("%d certificates are kept", n)
	}
	// Without an endpoint, the client that knows the public internet alone goes: not to this machine.
	f = NewFetcher(safehttp.New(safehttp.Options{}), "")
	if _, err := f.Certificate(t.Context(), "https://127.0.0.1/a.pem"); codeOf(t, err) != "503 unavailable" {
		t.Errorf("loopback: got %v", err)
	}
}

func TestConfirm(t *testing.T) {
	var got string
	status := http.StatusOK
	f, asked := service(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Method + " " + r.URL.RequestURI()
		w.WriteHeader(status)
	})
	c := Confirmation{TopicARN: topic, Token: "a1", Region: "us-east-1"}
	if err := f.Confirm(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if want := "GET /?Action=ConfirmSubscription&Token=a1&TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A123456789012%3Aalarms"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	status = http.StatusBadRequest
	if err := f.Confirm(t.Context(), c); codeOf(t, err) != "503 unavailable" {
		t.Errorf("refused: got %v", err)
	}
	before := asked.Load()
	for _, c := range []Confirmation{{}, {TopicARN: topic}, {TopicARN: topic, Token: "a&b"}, {TopicARN: "arn:aws:sns:evil.test/:1:a", Token: "a"}} {
		if err := f.Confirm(t.Context(), c); err == nil {
			t.Errorf("%+v is confirmed", c)
		}
	}
	if asked.Load() != before {
		t.Error("something was asked for what is no confirmation")
	}
}
