package push

import (
	"context"
	"slices"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// Service is what people do with their devices.
type Service struct {
	Store    Store
	Keys     Maker
	CheckURL func(string) error // a 422 for what is never called
	Audit    audit.Log
	Now      func() time.Time
}

// Shown is a device as its owner sees it.
type Shown struct {
	ID        string         `json:"id"`
	Name      string         `json:"name" doc:"the browser and the system, as it named itself"`
	CreatedAt timestamp.Time `json:"createdAt"`
	UpdatedAt timestamp.Time `json:"updatedAt"`
	Current   bool           `json:"currentKey" doc:"false: it was made with a key that was replaced; it ends unless it subscribes anew"`

	UnreachableSince *timestamp.Time `json:"unreachableSince,omitempty" doc:"its push service takes nothing since then: it is tried once an hour, and gone after 30 days"`
}

// PublicKey is what a browser subscribes with.
type PublicKey struct {
	Key string `json:"key" doc:"an uncompressed point of P-256 in base64url: the applicationServerKey"`
}

// person is the caller, who has to be one: a key has no device.
func person(ctx context.Context) (principal.Principal, error) {
	p, err := principal.Authenticated(ctx)
	if err == nil && p.Kind != principal.User {
		err = problem.Denied("Only a person gets pushes, not an API key.")
	}
	return p, err
}

// Key is the public key to subscribe with. The first who asks makes it.
func (s *Service) Key(ctx context.Context) (PublicKey, error) {
	if _, err := person(ctx); err != nil {
		return PublicKey{}, err
	}
	r, err := s.Keys.ring(ctx)
	return PublicKey{Key: r.Present.Public}, err
}

// List are the caller's devices, newest first.
func (s *Service) List(ctx context.Context) ([]Shown, error) {
	p, err := person(ctx)
	if err != nil {
		return nil, err
	}
	d, err := s.Store.Devices(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	out := []Shown{}
	if len(d.List) == 0 {
		return out, nil
	}
	r, err := s.Keys.ring(ctx)
	for _, one := range slices.Backward(d.List) {
		out = append(out, one.shown(r))
	}
	return out, err
}

// Get is one device of the caller's.
func (s *Service) Get(ctx context.Context, deviceID string) (Shown, error) {
	list, err := s.List(ctx)
	if err != nil {
		return Shown{}, err
	}
	i := slices.IndexFunc(list, func(one Shown) bool { return one.ID == deviceID })
	if i < 0 {
		return Shown{}, problem.Missing()
	}
	return list[i], nil
}

func (d Device) shown(r ring) Shown {
	shown := Shown{ID: d.ID, Name: d.Name, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt, Current: d.Key == r.Present.Public}
	if d.Tired() {
		shown.UnreachableSince = d.FailingSince
	}
	return shown
}

// Subscribe makes a browser a device of the caller's, and reports whether it
// was not yet one. One that was another's is theirs no more. Codes: address_forbidden.
func (s *Service) Subscribe(ctx context.Context, in Subscription) (shown Shown, fresh bool, err error) {
	p, err := person(ctx)
	if err != nil {
		return Shown{}, false, err
	}
	one, err := in.device()
	if err != nil {
		return Shown{}, false, err
	}
	if err := s.CheckURL(in.Endpoint); err != nil {
		return Shown{}, false, err
	}
	now := s.Now()
	if one.Expired(now) {
		return Shown{}, false, problem.InvalidField("body.expirationTime", "is over")
	}
	r, err := s.Keys.ring(ctx)
	if err != nil {
		return Shown{}, false, err
	}
	if _, known := r.find(in.ApplicationServerKey, now); in.ApplicationServerKey != "" && !known {
		return Shown{}, false, problem.InvalidField("body.applicationServerKey", "is none of our keys; subscribe with that of GET /v1/push/key")
	}
	one.Name, one.UpdatedAt = named(principal.OriginOf(ctx).UserAgent), timestamp.Of(now)
	err = again(func() (err error) {
		one, fresh, err = s.subscribe(ctx, p.ID, one, in.ApplicationServerKey, r.Present.Public)
		return err
	})
	return one.shown(r), fresh, err
}

// subscribe is one try: all that belongs to it is written, or nothing.
func (s *Service) subscribe(ctx context.Context, userID string, one Device, key, present string) (Device, bool, error) {
	was, owned, err := s.Store.owner(ctx, one.Endpoint)
	if err != nil {
		return Device{}, false, err
	}
	mine, err := s.Store.Devices(ctx, userID)
	if err != nil {
		return Device{}, false, err
	}
	old, again := mine.at(one.Endpoint)
	one.ID, one.CreatedAt, one.Key = old.ID, old.CreatedAt, old.Key
	if !again {
		one.ID, one.CreatedAt, one.Key = id.New(id.Device, one.UpdatedAt.Time), one.UpdatedAt, present
	}
	if key != "" {
		one.Key = key
	}
	mine, gone := mine.with(one)
	ops := []dynamo.Op{
		s.Store.Identity.Check(dynamo.Key{PK: "usr#" + userID, SK: "user"}, dynamo.Is("active", true)),
		s.Store.put(mine), s.Store.own(one.Endpoint, userID, one.ID, was, owned),
	}
	record := func(kind, deviceID string, detail map[string]any) {
		ops = append(ops, s.Audit.Record(ctx, s.Now(), audit.Entry{Type: kind, Subject: audit.Ref{Kind: "device", ID: deviceID}, Detail: detail}))
	}
	for _, d := range gone {
		ops = append(ops, s.Store.disown(d.Endpoint))
		record("device.removed", d.ID, map[string]any{"reason": "the person has too many"})
	}
	if owned && was.UserID != userID {
		theirs, err := s.Store.Devices(ctx, was.UserID)
		if err != nil {
			return Device{}, false, err
		}
		if _, there := theirs.at(one.Endpoint); there {
			ops = append(ops, s.Store.put(theirs.without(was.DeviceID)))
			record("device.moved", was.DeviceID, map[string]any{"from": was.UserID, "to": one.ID})
		}
	}
	if !again {
		record("device.added", one.ID, map[string]any{"name": one.Name})
	}
	err = dynamo.Commit(ctx, s.Store.Identity.DB, ops...)
	if lost, is := dynamo.Failed(err); is && lost.Index == 0 { // deactivated since the authorizer looked
		return Device{}, false, problem.Denied("Your account is not active.")
	}
	return one, !again, err
}

// Unsubscribe ends the caller's device by its endpoint. Somebody else's is not found.
func (s *Service) Unsubscribe(ctx context.Context, endpoint string) error {
	p, err := person(ctx)
	if err != nil {
		return err
	}
	d, err := s.Store.Devices(ctx, p.ID)
	if err != nil {
		return err
	}
	one, found := d.at(endpoint)
	if !found {
		return problem.Missing()
	}
	return s.remove(ctx, p.ID, one.ID)
}

// Remove ends a device of the caller's.
func (s *Service) Remove(ctx context.Context, deviceID string) error {
	p, err := person(ctx)
	if err != nil {
		return err
	}
	if !id.Valid(id.Device, deviceID) {
		return problem.Missing()
	}
	return s.remove(ctx, p.ID, deviceID)
}

func (s *Service) remove(ctx context.Context, userID, deviceID string) error {
	removed, err := s.Store.Remove(ctx, userID, deviceID,
		s.Audit.Record(ctx, s.Now(), audit.Entry{Type: "device.removed", Subject: audit.Ref{Kind: "device", ID: deviceID}}))
	if err == nil && !removed {
		err = problem.Missing()
	}
	return err
}
