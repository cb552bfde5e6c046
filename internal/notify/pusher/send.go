package pusher

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go" // RFC 8291 and 8292

	"pagefree/internal/notify/push"
	"pagefree/internal/platform/mailaddr"
	"pagefree/internal/platform/safehttp"
)

// send hands a message to the device's push service.
func (p *Pusher) send(ctx context.Context, d push.Device, private []byte, m push.Message) (safehttp.Answer, error) {
	payload, err := m.Note.Payload()
	if err != nil {
		return safehttp.Answer{}, err
	}
	if len(payload) > push.MaxNote {
		return safehttp.Answer{}, errors.New("the note is too long for one record")
	}
	through := &client{to: p.Client}
	b64 := base64.RawURLEncoding.EncodeToString
	urgency := webpush.UrgencyNormal
	if m.Urgent {
		urgency = webpush.UrgencyHigh
	}
	// webpush-go pads the payload in its own buffer where there is room: it gets a copy that nobody else has. Its tokens
	// are good for 12 hours, whatever is asked for.
	resp, err := webpush.SendNotificationWithContext(ctx, bytes.Clone(payload), &webpush.Subscription{
		Endpoint: d.Endpoint, Keys: webpush.Keys{Auth: b64(d.Auth), P256dh: b64(d.P256DH)},
	}, &webpush.Options{
		HTTPClient: through, Subscriber: strings.TrimPrefix(p.Subject, "mailto:"), Topic: topic(m.Note.Tag), Urgency: urgency,
		TTL: max(int(m.Until.Sub(p.Now())/time.Second), 0), VAPIDPublicKey: d.Key, VAPIDPrivateKey: b64(private),
	})
	if err != nil {
		return through.answer, err
	}
	return through.answer, resp.Body.Close()
}

// topic is a tag as push services take it: 32 characters of base64url (RFC
// 8030, 5.4), of which they learn nothing.
func topic(tag string) string {
	sum := sha256.Sum256([]byte(tag))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}

// client sends what webpush-go made through the client that looks at addresses.
type client struct {
	to     *safehttp.Client
	answer safehttp.Answer
}

func (c *client) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c.answer, err = c.to.Do(r.Context(), safehttp.Request{Method: r.Method, URL: r.URL.String(), Header: r.Header, Body: body, Timeout: sendWithin, Limit: 1})
	if c.answer.Status != 0 { // it was heard, even if the rest of the answer was not
		return &http.Response{StatusCode: c.answer.Status, Header: c.answer.Header, Body: http.NoBody}, nil
	}
	return nil, &unreached{err}
}

// unreached is why nobody answered.
type unreached struct{ error }

func (u *unreached) Unwrap() error { return u.error }

// ParseContact reads whom a push service may write to (RFC 8292, 2.1): mailto:
// with an address, or an https: page with a name on the internet. Apple's
// refuses every push of a sender with another one.
func ParseContact(s string) (string, error) {
	wrong := errors.New("it has to be mailto: with an address, or an https: address")
	if address, mail := strings.CutPrefix(s, "mailto:"); mail {
		if _, err := mailaddr.Normalize(address); err != nil {
			return "", wrong
		}
		return s, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.User != nil || !strings.Contains(strings.Trim(u.Hostname(), "."), ".") {
		return "", wrong
	}
	return s, nil
}
