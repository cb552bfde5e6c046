// Package pusher sends notes to devices: it signs and encrypts them
// (webpush-go), and hands them to the browsers' push services.
//
// Each message is for one device and is sent at least once until its time is
// over. A message that comes twice is sent once, but for a function that dies
// between a push service's answer and writing it down; then the device replaces
// the note by itself, since both have one tag. Of two notes of a tag the later
// event's is the one that stays, in whichever order they come. A device whose
// push service says that it is gone is removed.
//
// It knows nothing of incidents: what a note says, others wrote into it.
package pusher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/notify/push"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
)

const (
	sendWithin = 10 * time.Second // a push service's answer
	lease      = 60 * time.Second // longer than one message may take
	longest    = 15 * time.Minute // that a try is put off at once
	keepMark   = 90 * 24 * 3600   // seconds: an incident may stay open for long
	firstPause = 20 * time.Second // after a failure without Retry-After; twice as long after each more
)

// Pusher handles messages of the queue of pushes.
type Pusher struct {
	Store   push.Store
	Marks   Marks
	Key     *secret.Key // it only decrypts
	Client  *safehttp.Client
	Subject string // whom a push service may write to: mailto:... or https://...
	Audit   audit.Log
	Now     func() time.Time

	mu   sync.Mutex
	keys map[string][]byte // private ones, by the public one
}

// Handle sends one message, or finds that nobody needs it any more. received is
// how often it came, from 1. An error that is a *queue.Later says when it is to come again.
func (p *Pusher) Handle(ctx context.Context, m push.Message, received int) error {
	if !id.Valid(id.User, m.UserID) || !id.Valid(id.Device, m.DeviceID) || !id.Valid(id.Event, m.EventID) || m.Note.Tag == "" || len(m.Note.Tag) > 200 {
		return errors.New("this is no push")
	}
	if !p.Now().Before(m.Until.Time) {
		slog.InfoContext(ctx, "not pushed: its time is over", "device", m.DeviceID, "event", m.EventID)
		return nil
	}
	devices, err := p.Store.Devices(ctx, m.UserID)
	if err != nil {
		return err
	}
	d, found := devices.Find(m.DeviceID)
	if !found { // it was removed, or its person was
		return nil
	}
	if d.Expired(p.Now()) {
		return p.gone(ctx, m, "expired")
	}
	private, found, err := p.private(ctx, d.Key)
	if err != nil {
		return err
	}
	if !found {
		return p.gone(ctx, m, "its key was replaced long ago")
	}
	if d.Rests(p.Now()) {
		slog.InfoContext(ctx, "not pushed: the device is not reachable", "device", m.DeviceID, "event", m.EventID, "since", d.FailingSince)
		return nil
	}
	was, err := p.Marks.claim(ctx, m, p.Now())
	if err != nil || was != send {
		return err
	}
	answer, err := p.send(ctx, d, private, m)
	_, inside := errors.AsType[*safehttp.Forbidden](err)
	_, unanswered := errors.AsType[*unreached](err)
	wait := retryAfter(answer.Header.Get("Retry-After"), p.Now())
	switch {
	case inside: // its name leads into a network of somebody's, whatever it did when it was written down
		return p.gone(ctx, m, "its address is not on the public internet")
	case unanswered && ctx.Err() == nil:
		return p.failed(ctx, d, m, received, 0, err)
	case err != nil:
		return p.later(ctx, m, received, 0, err)
	case answer.Status == http.StatusNotFound || answer.Status == http.StatusGone:
		return p.gone(ctx, m, fmt.Sprintf("its push service answers %d", answer.Status))
	case answer.Status == http.StatusTooManyRequests: // we are too many, and the device is there
		return p.later(ctx, m, received, wait, fmt.Errorf("push service: http %d", answer.Status))
	case answer.Status < 200 || answer.Status > 299: // a 3xx too: it is never followed
		return p.failed(ctx, d, m, received, wait, fmt.Errorf("push service: http %d", answer.Status))
	}
	if d.Failures > 0 {
		p.tried(ctx, d, m, push.Device.Reached)
	}
	return p.Marks.done(ctx, m, p.Now())
}

// failed counts a try that reached nobody, of a device as it was read before it.
// Another one follows, unless the device failed for long: then it rests, and the
// message is given up; or it ends.
func (p *Pusher) failed(ctx context.Context, d push.Device, m push.Message, received int, wait time.Duration, why error) error {
	now := p.Now()
	if d.Tired() && now.Sub(d.FailingSince.Time) >= push.Unreachable {
		return p.gone(ctx, m, "it could not be reached for 30 days")
	}
	tired := d.Tired()
	p.tried(ctx, d, m, func(d push.Device) push.Device {
		d = d.Failed(now, wait)
		tired = d.Tired()
		return d
	})
	if !tired {
		return p.later(ctx, m, received, wait, why)
	}
	slog.WarnContext(ctx, "push given up: the device was not reachable for long, and rests", "device", m.DeviceID, "event", m.EventID, "since", d.FailingSince, "error", why)
	return p.Marks.release(ctx, m)
}

// tried writes down how a try went. Where that fails one try is not counted.
func (p *Pusher) tried(ctx context.Context, d push.Device, m push.Message, became func(push.Device) push.Device) {
	if err := p.Store.Tried(ctx, m.UserID, d, became); err != nil {
		slog.WarnContext(ctx, "try of a device not written down", "device", m.DeviceID, "error", err)
	}
}

// gone removes a device that gets no more pushes.
func (p *Pusher) gone(ctx context.Context, m push.Message, reason string) error {
	_, err := p.Store.Remove(ctx, m.UserID, m.DeviceID, p.Audit.Record(ctx, p.Now(), audit.Entry{
		Type: "device.removed", Subject: audit.Ref{Kind: "device", ID: m.DeviceID}, Actor: audit.Ref{Kind: "system", ID: "pusher"}, Detail: map[string]any{"reason": reason},
	}))
	return err
}

// later lets another try have the message, after what the push service asks
// for, or longer after each failure. Where its time is over by then it is given up.
func (p *Pusher) later(ctx context.Context, m push.Message, received int, wait time.Duration, why error) error {
	if wait <= 0 {
		wait = firstPause << min(max(received-1, 0), 5)
	}
	if err := p.Marks.release(ctx, m); err != nil {
		why = errors.Join(why, err)
	}
	if !p.Now().Add(wait).Before(m.Until.Time) {
		slog.ErrorContext(ctx, "push given up: its time is over before the push service takes it", "device", m.DeviceID, "event", m.EventID, "wait", wait, "error", why)
		return nil
	}
	return &queue.Later{Wait: min(wait, longest), Err: why}
}

// retryAfter reads the header: seconds, or a date (RFC 9110, 10.2.3). 0 is none.
func retryAfter(header string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// private is the private key of a public one of ours; false where it signs no more.
func (p *Pusher) private(ctx context.Context, public string) ([]byte, bool, error) {
	pair, found, err := p.Store.Read(ctx, public, p.Now())
	if err != nil || !found {
		return nil, false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if key, known := p.keys[public]; known {
		return key, true, nil
	}
	key, err := p.Key.DecryptFor(ctx, secret.Push, public, pair.Private)
	if err != nil {
		return nil, false, err
	}
	if p.keys == nil {
		p.keys = map[string][]byte{}
	}
	p.keys[public] = key
	return key, true, nil
}
