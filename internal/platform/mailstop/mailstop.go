// Package mailstop is the list of addresses that no mail goes to any more,
// since one bounced for good or its reader complained: going on would cost the
// account's name with every receiver. Who sends by itself asks it first. A
// sign-in link is sent all the same: a person asks for it at that moment, it is
// the only way in, and it is how they find out that mail reaches them again.
//
// It stands in the identity table, by the hash of the address: whoever may only
// read the list cannot tell from it whom PageFree knows.
package mailstop

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
)

// Reason is why an address gets no mail.
type Reason string

// The reasons.
const (
	Bounce    Reason = "bounce"    // it does not exist, or refuses us for good
	Complaint Reason = "complaint" // its reader called a mail unwanted
)

// Stop is what is known of an address that gets no mail.
type Stop struct {
	Reason Reason         `json:"reason" dynamodbav:"reason" enum:"bounce,complaint"`
	At     timestamp.Time `json:"at" dynamodbav:"at"`
}

// item is a stop, or one that was lifted and is remembered: what SES tells late
// of the time before does not stop the address again.
type item struct {
	PK       string          `dynamodbav:"pk"`
	SK       string          `dynamodbav:"sk"`
	LiftedAt *timestamp.Time `dynamodbav:"liftedAt,omitempty"`
	Stop
}

// Hash is what stands for an address, which must be normalized.
func Hash(address string) string { return token.Hash(address) }

const prefix = "mailstop#"

func key(address string) dynamo.Key { return dynamo.Key{PK: prefix + Hash(address), SK: "mailstop"} }

// Add is the write of a stop; t is the identity table. It fails where the
// address is stopped already, or was freed since.
func Add(t dynamo.Table, address string, s Stop) dynamo.Op {
	k := key(address)
	return t.Put(item{PK: k.PK, SK: k.SK, Stop: s}, expression.Or(dynamo.Absent(), expression.Name("liftedAt").LessThan(expression.Value(s.At))))
}

// Lift is the write that frees an address. It fails where it is not stopped.
func Lift(t dynamo.Table, address string, at timestamp.Time) dynamo.Op {
	return t.Update(key(address), expression.Set(expression.Name("liftedAt"), expression.Value(at)),
		dynamo.Present().And(expression.Name("liftedAt").AttributeNotExists()))
}

// Look reads whether an address is stopped together with other items of the
// identity table; found tells once that was done.
func Look(address string) (read dynamo.Read, found func() (Stop, bool)) {
	var i item
	there := false
	return dynamo.Read{Key: key(address), Out: &i, Found: &there}, func() (Stop, bool) { return i.Stop, there && i.LiftedAt == nil }
}

// Of are the stops of addresses, by address; who is not in it may be mailed.
func Of(ctx context.Context, t dynamo.Table, addresses ...string) (map[string]Stop, error) {
	stopped := map[string]Stop{}
	if len(addresses) == 0 {
		return stopped, nil
	}
	keys, by := make([]dynamo.Key, 0, len(addresses)), map[string]string{}
	for _, address := range addresses {
		k := key(address)
		if _, twice := by[k.PK]; !twice {
			keys, by[k.PK] = append(keys, k), address
		}
	}
	items, err := dynamo.GetAll[item](ctx, t, keys)
	for _, i := range items {
		if i.LiftedAt == nil {
			stopped[by[i.PK]] = i.Stop
		}
	}
	return stopped, err
}
