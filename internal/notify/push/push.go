// Package push keeps the devices that people get pushes on, and the keys that
// PageFree is known by to the services that deliver them (RFC 8030, 8291 and
// 8292). Sending is package pusher's, which alone can read a private key.
//
// It promises that a device belongs to one person, the one who subscribed it
// last, and ends with them; that nobody has more than MaxDevices; and that keys
// are made once, however many ask at the same time.
package push

import (
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// MaxDevices is how many devices a person has; with one more the oldest goes.
const MaxDevices = 20

// Device is a subscription of a browser, whole, as it is stored.
type Device struct {
	ID        string          `dynamodbav:"id"` // dev_...
	Name      string          `dynamodbav:"name"`
	Endpoint  string          `dynamodbav:"endpoint"` // whoever knows it and the keys can push; it is shown to nobody
	P256DH    []byte          `dynamodbav:"p256dh"`   // the browser's public key, 65 bytes
	Auth      []byte          `dynamodbav:"auth"`     // what it shares with us, 16 bytes
	ExpiresAt *timestamp.Time `dynamodbav:"expiresAt"`
	Key       string          `dynamodbav:"key"` // ours that it was made for: the public one
	CreatedAt timestamp.Time  `dynamodbav:"createdAt"`
	UpdatedAt timestamp.Time  `dynamodbav:"updatedAt"`

	Failures     int             `dynamodbav:"failures,omitempty"` // in a row, of tries to reach it
	FailingSince *timestamp.Time `dynamodbav:"failingSince"`       // the first of them
	RestsUntil   *timestamp.Time `dynamodbav:"restsUntil"`         // of one that fails for long: not tried before that
}

// Expired reports whether the browser said that the subscription ends before now.
func (d Device) Expired(now time.Time) bool {
	return d.ExpiresAt != nil && !now.Before(d.ExpiresAt.Time)
}

// A device that failed so often in a row, and for so long, rests after each
// more: a push service that is away for a while loses nobody anything, and an
// endpoint that never answers costs one try an hour. After Unreachable it is gone.
const (
	tiredAfter  = 10
	tiredFor    = 30 * time.Minute
	rest        = time.Hour
	Unreachable = 30 * 24 * time.Hour
)

// Failed is the device after one more try that failed; who was asked may have
// said how long to wait.
func (d Device) Failed(now time.Time, wait time.Duration) Device {
	d.Failures++
	if d.FailingSince == nil {
		d.FailingSince = timestamp.Ptr(now)
	}
	if d.Failures >= tiredAfter && now.Sub(d.FailingSince.Time) >= tiredFor {
		d.RestsUntil = timestamp.Ptr(now.Add(max(rest, min(wait, 24*rest))))
	}
	return d
}

// Reached is the device after a try that succeeded.
func (d Device) Reached() Device {
	d.Failures, d.FailingSince, d.RestsUntil = 0, nil, nil
	return d
}

// Tired reports whether the device failed for long, when it was tried last.
func (d Device) Tired() bool { return d.RestsUntil != nil }

// Rests reports whether it is not to be tried at a time.
func (d Device) Rests(now time.Time) bool { return d.Tired() && now.Before(d.RestsUntil.Time) }

// Devices are all of a person, oldest first, in one item: so that who tells
// somebody reads them beside their settings, and a limit holds.
type Devices struct {
	PK   string   `dynamodbav:"pk"`
	SK   string   `dynamodbav:"sk"`
	List []Device `dynamodbav:"devices"`
	Rev  int64    `dynamodbav:"rev"`
}

// Find is a device by its id.
func (d Devices) Find(id string) (Device, bool) {
	i := slices.IndexFunc(d.List, func(one Device) bool { return one.ID == id })
	if i < 0 {
		return Device{}, false
	}
	return d.List[i], true
}

func (d Devices) at(endpoint string) (Device, bool) {
	i := slices.IndexFunc(d.List, func(one Device) bool { return one.Endpoint == endpoint })
	if i < 0 {
		return Device{}, false
	}
	return d.List[i], true
}

func (d Devices) without(id string) Devices {
	d.List = slices.DeleteFunc(slices.Clone(d.List), func(one Device) bool { return one.ID == id })
	return d
}

// with is d and one more, in its place where it was there before, and what had to go for it.
func (d Devices) with(one Device) (next Devices, gone []Device) {
	d.List = slices.Clone(d.List)
	if i := slices.IndexFunc(d.List, func(old Device) bool { return old.ID == one.ID }); i >= 0 {
		d.List[i] = one
		return d, nil
	}
	d.List = append(d.List, one)
	if over := len(d.List) - MaxDevices; over > 0 {
		gone, d.List = d.List[:over:over], d.List[over:]
	}
	return d, gone
}

// hashed names an endpoint in keys: it is long, and a secret.
func hashed(endpoint string) string {
	sum := sha256.Sum256([]byte(endpoint))
	return hex.EncodeToString(sum[:])
}

// Subscription is the browser's PushSubscription, as its toJSON gives it.
type Subscription struct {
	Endpoint       string   `json:"endpoint" minLength:"1" maxLength:"2048" doc:"https, on the public internet"`
	ExpirationTime *float64 `json:"expirationTime,omitempty" nullable:"true" minimum:"0" maximum:"8640000000000000" doc:"milliseconds since 1970, or null"`
	Keys           Keys     `json:"keys"`

	ApplicationServerKey string `json:"applicationServerKey,omitempty" maxLength:"120" doc:"the key of GET /v1/push/key that it was made with; without it the present one"`
}

// Keys are those of the browser, in base64url without padding.
type Keys struct {
	P256DH string `json:"p256dh" minLength:"1" maxLength:"120" doc:"its public key: an uncompressed point of P-256"`
	Auth   string `json:"auth" minLength:"1" maxLength:"40" doc:"its secret of 16 bytes"`
}

// device is the subscription as it is stored, or a 422.
func (s Subscription) device() (Device, error) {
	d := Device{Endpoint: s.Endpoint}
	var err error
	if d.P256DH, err = base64.RawURLEncoding.DecodeString(s.Keys.P256DH); err != nil || !point(d.P256DH) {
		return Device{}, problem.InvalidField("body.keys.p256dh", "is no uncompressed point of P-256 in base64url")
	}
	if d.Auth, err = base64.RawURLEncoding.DecodeString(s.Keys.Auth); err != nil || len(d.Auth) != 16 {
		return Device{}, problem.InvalidField("body.keys.auth", "is not 16 bytes in base64url")
	}
	if s.ExpirationTime != nil {
		d.ExpiresAt = timestamp.Ptr(time.UnixMilli(int64(*s.ExpirationTime)))
	}
	return d, nil
}

// point reports whether b is an uncompressed point of P-256, and none that
// gives a key away (crypto/ecdh refuses what is not on the curve, and infinity).
func point(b []byte) bool {
	_, err := ecdh.P256().NewPublicKey(b)
	return err == nil && len(b) == 65
}

// Note is what a device shows. It is all that leaves for it, encrypted.
type Note struct {
	Title string         `json:"title"`
	Body  string         `json:"body"`
	URL   string         `json:"url"`  // a path of ours
	Tag   string         `json:"tag"`  // what replaces what: the newer of a tag stands alone
	Kind  string         `json:"kind"` // incident, execution, review or message
	ID    string         `json:"id"`   // of what it is about
	At    timestamp.Time `json:"at"`

	Silent bool `json:"silent,omitempty"` // it replaces what is there, and makes no sound
}

// MaxNote is how many bytes of JSON a note may have: what one record of 4,096
// bytes holds beside its header of 86, a delimiter and a tag of 16 (RFC 8188).
const MaxNote = 4096 - 86 - 1 - 16

// Payload is the JSON of a note, at most MaxNote bytes.
func (n Note) Payload() ([]byte, error) { return json.Marshal(n) }

// Message is a note for one device, as it waits in the queue.
type Message struct {
	UserID   string         `json:"userId"`
	DeviceID string         `json:"deviceId"`
	EventID  string         `json:"eventId"` // evt_...: what happened later has a later one
	Until    timestamp.Time `json:"until"`   // after that nobody needs it
	Urgent   bool           `json:"urgent"`
	Closes   bool           `json:"closes,omitempty"`  // only for who saw the note of this tag that it ends
	Bounded  bool           `json:"bounded,omitempty"` // at most one a minute of this tag
	Note     Note           `json:"note"`
}
