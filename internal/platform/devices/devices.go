// Package devices names where the devices lie that a person gets pushes on, so
// that the room of people ends them with the person, and the room that tells
// people keeps them.
package devices

import (
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
)

// Key is the item of all devices of a person, in the identity table.
func Key(userID string) dynamo.Key { return dynamo.Key{PK: "push#" + userID, SK: "devices"} }

// End is the write that takes all of them, for the transaction that ends the
// person. It holds where there are none.
func End(identity dynamo.Table, userID string) dynamo.Op {
	return identity.Delete(Key(userID), expression.Or(dynamo.Absent(), dynamo.Present()))
}
