package hook

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/safehttp"
)

// Limits of what is fetched from SNS.
const (
	fetchTimeout    = 4 * time.Second // the delivery waits for it, and SNS 15 s for that
	maxCertificate  = 16 << 10        // bytes
	keptCertificate = 6 * time.Hour
	maxKept         = 8 // SNS has one certificate for a region at a time
)

// Fetcher gets what a message of SNS leads to: certificates, which it keeps,
// and the confirmation of a subscription. It is safe for concurrent use.
type Fetcher struct {
	get func(ctx context.Context, url string) (status int, body []byte, err error)

	mu   sync.Mutex
	kept map[string]kept
}

type kept struct {
	certificate *x509.Certificate
	until       time.Time
}

// NewFetcher fetches by a client that knows the public internet alone.
// endpoint, where it is not empty, stands for every host of AWS, as
// AWS_ENDPOINT_URL does for the SDK: the local stack. What may be fetched is
// judged by the URL itself in any case.
func NewFetcher(client *safehttp.Client, endpoint string) *Fetcher {
	f := &Fetcher{kept: map[string]kept{}, get: func(ctx context.Context, url string) (int, []byte, error) {
		answer, err := client.Do(ctx, safehttp.Request{Method: http.MethodGet, URL: url, Timeout: fetchTimeout, Limit: maxCertificate})
		return answer.Status, answer.Body, err
	}}
	if endpoint != "" {
		f.get = instead(endpoint)
	}
	return f
}

// instead gets the same paths from another address.
func instead(endpoint string) func(context.Context, string) (int, []byte, error) {
	client := &http.Client{
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, address string) (int, []byte, error) {
		u, err := url.Parse(address)
		if err != nil {
			return 0, nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(endpoint, "/")+u.RequestURI(), nil)
		if err != nil {
			return 0, nil, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxCertificate))
		return resp.StatusCode, body, err
	}
}

// Certificate is a CertificateFor. An address at which SNS has nothing is a 401
// signature_invalid; that SNS cannot be reached is a 503, which it tries again.
func (f *Fetcher) Certificate(ctx context.Context, url string) (*x509.Certificate, error) {
	now := time.Now()
	f.mu.Lock()
	k, ok := f.kept[url]
	f.mu.Unlock()
	if ok && now.Before(k.until) {
		return k.certificate, nil
	}
	status, body, err := f.get(ctx, url)
	switch {
	case err != nil || status >= 500 || status == http.StatusTooManyRequests:
		return nil, unreachable("certificate", status, err)
	case status != http.StatusOK:
		return nil, invalid("There is no certificate at SigningCertURL.")
	}
	block, _ := pem.Decode(bytes.TrimSpace(body))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, invalid("What is at SigningCertURL is no certificate.")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, invalid("What is at SigningCertURL is no certificate.")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.kept) >= maxKept {
		clear(f.kept)
	}
	f.kept[url] = kept{certificate, now.Add(keptCertificate)}
	return certificate, nil
}

// Confirm confirms a subscription. The address is made here, of the topic that
// was registered and the token: where the message says to go is not looked at.
func (f *Fetcher) Confirm(ctx context.Context, c Confirmation) error {
	host, _ := snsHost(c.TopicARN)
	if host == "" || !snsToken().MatchString(c.Token) {
		return fmt.Errorf("confirm: %q is no topic, or its token is none", c.TopicARN)
	}
	query := url.Values{"Action": {"ConfirmSubscription"}, "TopicArn": {c.TopicARN}, "Token": {c.Token}}
	status, _, err := f.get(ctx, "https://"+host+"/?"+query.Encode())
	if err == nil && status == http.StatusOK {
		return nil
	}
	return unreachable("confirm "+c.TopicARN, status, err)
}

func unreachable(what string, status int, cause error) error {
	if cause == nil {
		cause = fmt.Errorf("%s: status %d", what, status)
	}
	e := problem.New(http.StatusServiceUnavailable, problem.Unavailable, "SNS cannot be reached. Send it again.")
	e.Header = http.Header{"Retry-After": {"5"}}
	e.Cause = cause
	return e
}
