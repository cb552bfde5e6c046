package push

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/devices"
	"pagefree/internal/platform/dynamo"
)

// Store keeps devices and keys in the identity table.
//
//	push#<user>          devices  all of a person's, in one item
//	pushend#<endpoint>   device   whose it is
//	vapid#keys           vapid    the pairs that sign
type Store struct{ Identity dynamo.Table }

// rounds of what many write to at once.
const rounds = 8

// owner is whose an endpoint is. It may outlive the device that it names.
type owner struct {
	PK       string `dynamodbav:"pk"`
	SK       string `dynamodbav:"sk"`
	UserID   string `dynamodbav:"userId"`
	DeviceID string `dynamodbav:"deviceId"`
}

func ownerKey(endpoint string) dynamo.Key {
	return dynamo.Key{PK: "pushend#" + hashed(endpoint), SK: "device"}
}

// Devices reads those of a person.
func (s Store) Devices(ctx context.Context, userID string) (Devices, error) {
	k := devices.Key(userID)
	d := Devices{PK: k.PK, SK: k.SK}
	_, err := s.Identity.Get(ctx, k, &d)
	return d, err
}

func (s Store) owner(ctx context.Context, endpoint string) (owner, bool, error) {
	var o owner
	found, err := s.Identity.Get(ctx, ownerKey(endpoint), &o)
	return o, found, err
}

// put is the write of what became of devices that were read at d.Rev.
func (s Store) put(d Devices) dynamo.Op {
	d.Rev++
	return s.Identity.Put(d, at(d.Rev-1))
}

// own is the write that an endpoint is a person's. It fails where it is another's than was read.
func (s Store) own(endpoint, userID, deviceID string, was owner, found bool) dynamo.Op {
	k := ownerKey(endpoint)
	cond := dynamo.Absent()
	if found {
		cond = dynamo.Is("userId", was.UserID).And(dynamo.Is("deviceId", was.DeviceID))
	}
	return s.Identity.Put(owner{PK: k.PK, SK: k.SK, UserID: userID, DeviceID: deviceID}, cond)
}

// disown is the removal of whose an endpoint is, if it is still this device's.
func (s Store) disown(endpoint string) dynamo.Op {
	return s.Identity.Delete(ownerKey(endpoint), expression.Or(dynamo.Absent(), dynamo.Present()))
}

// Remove takes a device from a person, with other writes in the same
// transaction, and reports whether it was there. The writes that with makes
// come after.
func (s Store) Remove(ctx context.Context, userID, deviceID string, with ...dynamo.Op) (bool, error) {
	removed := false
	err := again(func() error {
		d, err := s.Devices(ctx, userID)
		if err != nil {
			return err
		}
		one, found := d.Find(deviceID)
		if removed = found; !found {
			return nil
		}
		return dynamo.Commit(ctx, s.Identity.DB, append([]dynamo.Op{s.put(d.without(deviceID)), s.disown(one.Endpoint)}, with...)...)
	})
	return removed && err == nil, err
}

// Tried writes down what became of a device by a try to reach it, unless it was
// removed or subscribed anew since it was read for that.
func (s Store) Tried(ctx context.Context, userID string, was Device, became func(Device) Device) error {
	return again(func() error {
		d, err := s.Devices(ctx, userID)
		if err != nil {
			return err
		}
		is, found := d.Find(was.ID)
		if !found || is.UpdatedAt != was.UpdatedAt {
			return nil
		}
		d, _ = d.with(became(is))
		return dynamo.Commit(ctx, s.Identity.DB, s.put(d))
	})
}

// again repeats a change that lost a race against another one.
func again(change func() error) error {
	for range rounds {
		err := change()
		if _, lost := dynamo.Failed(err); !lost && !errors.Is(err, dynamo.ErrContended) {
			return err
		}
	}
	return dynamo.ErrContended
}
