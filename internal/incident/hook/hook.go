// Package hook knows the monitoring systems that send alerts: what each really
// signs, and what its bodies say. One provider is one file with a verifier and
// a parser; neither does any I/O, but for the certificate of an SNS message.
package hook

import (
	"context"
	"crypto/x509"
	"net/http"
	"slices"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/trust"
)

// MaxBody bounds a delivery as it was sent, and once unpacked, in bytes.
const MaxBody = 1 << 20

// Codes of refusals, all 401.
const (
	SignatureMissing problem.Code = "signature_missing"
	SignatureInvalid problem.Code = "signature_invalid" // a wrong bearer secret too
	TimestampStale   problem.Code = "timestamp_stale"
)

// Window is how far a signed time may lie from now, either way.
const Window = 5 * time.Minute

// Request is one delivery as it came: the body byte for byte, neither unpacked
// nor decoded.
type Request struct {
	Header http.Header
	Body   []byte
}

// Keys are what a delivery is held against.
type Keys struct {
	Secrets      [][]byte       // of providers that sign: live secrets as people paste them, newest first; two during a rotation
	Hashes       [][32]byte     // of bearer providers: SHA-256 of the live secrets
	TopicARN     string         // of cloudwatch
	Certificates CertificateFor // of cloudwatch
}

// CertificateFor fetches the certificate at a SigningCertURL that was checked already.
type CertificateFor func(ctx context.Context, url string) (*x509.Certificate, error)

// Proof is what a verified delivery is known by.
type Proof struct {
	// ID is the same for the very same delivery, however often it is sent; ""
	// where nothing tells a resend from a repeated alert.
	ID string
	// Keep is how long a replay of it could pass the time bound: the id is
	// remembered for so long.
	Keep time.Duration
}

// Confirmation is a subscription that SNS asks to confirm.
type Confirmation struct{ TopicARN, Token, Region string }

// Provider is one monitoring system.
type Provider struct {
	Name  string
	Label string // its name to people
	Trust trust.Level
	// GivenSecret tells that the sender makes the secret, and staff enter it.
	GivenSecret bool
	// Media are the media types of its bodies besides JSON.
	Media []string
	// Verify tells whether a delivery is the provider's. Its errors are 401
	// problems with the codes above; a 413; what Unpack and Parse would say of a
	// body that has to be read for it; or a 503, where what it needs is not there.
	Verify func(ctx context.Context, r Request, k Keys, now time.Time) (Proof, error)
	// Parse reads a verified, unpacked body. A shape that it does not know is
	// an alert with Raw; what is no JSON is a 400, JSON that is no object a 422.
	Parse func(r Request, body []byte, now time.Time) (incident.Alert, error)
	// Template is the payload to paste at the provider, where it has none of its own.
	Template string
	// Instructions are the steps at the provider, one line each; {{url}} and {{secret}} stand for what they are.
	Instructions []string
}

// providers, in the order of the contract.
var providers = []Provider{datadog, newrelic, grafana, alertmanager, cloudwatch, pagerduty, github, sentry, standard, generic}

// Of returns a provider by its name. Its Verify is never asked about more than
// MaxBody, and what its Parse returns keeps within the limits of an incident.
func Of(name string) (Provider, bool) {
	i := slices.IndexFunc(providers, func(p Provider) bool { return p.Name == name })
	if i < 0 {
		return Provider{}, false
	}
	p := providers[i]
	verify, parse := p.Verify, p.Parse
	p.Verify = func(ctx context.Context, r Request, k Keys, now time.Time) (Proof, error) {
		if len(r.Body) > MaxBody {
			return Proof{}, errTooLarge()
		}
		proof, err := verify(ctx, r, k, now)
		if err != nil {
			return Proof{}, err
		}
		proof.ID = identifier(proof.ID)
		return proof, nil
	}
	p.Parse = func(r Request, body []byte, now time.Time) (incident.Alert, error) {
		a, err := parse(r, body, now)
		if err != nil {
			return incident.Alert{}, err
		}
		return bounded(a, p), nil
	}
	return p, true
}

// Names lists the providers.
func Names() []string {
	var out []string
	for _, p := range providers {
		out = append(out, p.Name)
	}
	return out
}
