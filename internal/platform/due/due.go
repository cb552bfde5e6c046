// Package due keeps what must still happen as items: put in the transaction of
// their cause, removed when done, swept each minute. Queues and streams only
// hurry what stands here.
package due

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/timestamp"
)

// Shards spreads due items over partitions of the table.
const Shards = 8

// Item is one thing that must happen at At, or later.
type Item struct {
	PK      string         `dynamodbav:"pk"`
	SK      string         `dynamodbav:"sk"`
	Kind    string         `dynamodbav:"kind"`    // which room handles it, and how
	Subject string         `dynamodbav:"subject"` // the id of what it is about
	At      timestamp.Time `dynamodbav:"at"`
	Tries   int            `dynamodbav:"tries"`
}

// New returns the item of a kind for a subject. A subject has one item of a
// kind at a time; its key can be made again from the three arguments.
func New(kind, subject string, at time.Time) Item {
	h := fnv.New32a()
	h.Write([]byte(subject))
	when := timestamp.Of(at)
	return Item{
		PK: fmt.Sprintf("due#%d", h.Sum32()%Shards), SK: when.String() + "#" + kind + "#" + subject,
		Kind: kind, Subject: subject, At: when,
	}
}

// Key is the primary key of the item.
func (i Item) Key() dynamo.Key { return dynamo.Key{PK: i.PK, SK: i.SK} }

// Put is the write of the item, for the transaction of its cause.
func Put(t dynamo.Table, i Item) dynamo.Op {
	return t.Put(i, expression.Or(dynamo.Absent(), dynamo.Present()))
}

// Done is the removal of the item, for the transaction of its effect. It holds
// whether or not the item is still there.
func Done(t dynamo.Table, i Item) dynamo.Op {
	return t.Delete(i.Key(), expression.Or(dynamo.Absent(), dynamo.Present()))
}

// Before returns up to limit items of a shard that are due at now, oldest first.
func Before(ctx context.Context, t dynamo.Table, shard int, now time.Time, limit int) ([]Item, error) {
	q := dynamo.Query{
		Values: []string{fmt.Sprintf("due#%d", shard)}, Sort: dynamo.SK, Limit: limit, Oldest: true,
		To: timestamp.Of(now).String() + "\uffff", // after every item of this millisecond
	}
	items, _, err := dynamo.List(ctx, t, q, func(i Item) string { return i.SK }, nil)
	return items, err
}
