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

// Shards spreads the due items of a lane over partitions of the table.
const Shards = 8

// Longest is how far ahead a queue can be told of an item: SQS delays a message
// for 15 minutes at most. What is due later is found by a sweep.
const Longest = 15 * time.Minute

// Lane keeps apart what different functions sweep. It begins the partition keys
// of its items, so that roles can be narrowed to it.
type Lane string

// The lanes. Executions is swept by the watchdog; those of the status table
// stand in it too.
const (
	Executions Lane = "due"
	React      Lane = "react"  // events to match, workflow runs to go on, escalations: the reactor
	Alerts     Lane = "alert"  // deliveries of integrations to make incidents of
	Notices    Lane = "notice" // mails and digests to send
	Failed     Lane = "failed" // what was given up; nobody sweeps it
)

// Item is one thing that must happen at At, or later.
type Item struct {
	PK      string         `dynamodbav:"pk"`
	SK      string         `dynamodbav:"sk"`
	Kind    string         `dynamodbav:"kind"`    // which room handles it, and how
	Subject string         `dynamodbav:"subject"` // the id of what it is about
	At      timestamp.Time `dynamodbav:"at"`
	Tries   int            `dynamodbav:"tries"`           // how often it could not be handled
	Later   int64          `dynamodbav:"later,omitempty"` // Unix seconds: after a try that failed, the next one comes no sooner
}

// New returns an item of the lane Executions.
func New(kind, subject string, at time.Time) Item { return Executions.New(kind, subject, at) }

// New returns the item of a kind for a subject. A subject has one item of a
// kind at a time; its key can be made again from the lane and the three arguments.
func (l Lane) New(kind, subject string, at time.Time) Item {
	h := fnv.New32a()
	h.Write([]byte(subject))
	when := timestamp.Of(at)
	return Item{
		PK: l.partition(int(h.Sum32() % Shards)), SK: when.String() + "#" + kind + "#" + subject,
		Kind: kind, Subject: subject, At: when,
	}
}

func (l Lane) partition(shard int) string { return fmt.Sprintf("%s#%d", l, shard) }

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

// Before returns up to limit items of a shard of the lane Executions that are due at now, oldest first.
func Before(ctx context.Context, t dynamo.Table, shard int, now time.Time, limit int) ([]Item, error) {
	return Executions.Before(ctx, t, shard, now, limit)
}

// Before returns up to limit items of a shard of the lane that are due at now, oldest first.
func (l Lane) Before(ctx context.Context, t dynamo.Table, shard int, now time.Time, limit int) ([]Item, error) {
	return l.read(ctx, t, shard, now, limit, nil)
}

func (l Lane) read(ctx context.Context, t dynamo.Table, shard int, now time.Time, limit int, keep func(Item) bool) ([]Item, error) {
	q := dynamo.Query{
		Values: []string{l.partition(shard)}, Sort: dynamo.SK, Limit: limit, Oldest: true,
		To: timestamp.Of(now).String() + "\uffff", // after every item of this millisecond
	}
	items, _, err := dynamo.List(ctx, t, q, func(i Item) string { return i.SK }, keep)
	return items, err
}
