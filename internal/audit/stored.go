package audit

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/internal/platform/dynamo"
)

// stored is an item that may be no event: one that cannot be read must keep
// nobody from sealing, listing or exporting all the others.
type stored struct {
	id    string
	key   dynamo.Key
	event Event
	err   error
}

// UnmarshalDynamoDBAttributeValue keeps what is wrong with the item.
func (e *stored) UnmarshalDynamoDBAttributeValue(av types.AttributeValue) error {
	m, ok := av.(*types.AttributeValueMemberM)
	if !ok {
		return fmt.Errorf("an item is a map, not %T", av)
	}
	text := func(name string) string {
		v, _ := m.Value[name].(*types.AttributeValueMemberS)
		if v == nil {
			return ""
		}
		return v.Value
	}
	e.id, e.key = text("id"), dynamo.Key{PK: text(dynamo.PK), SK: text(dynamo.SK)}
	e.event, e.err = eventOf(m.Value, e.key)
	return nil
}

// byID and bySK are the places of an item in an index and in a partition.
func byID(e stored) string { return e.id }
func bySK(e stored) string { return e.key.SK }

// place is the one of the two that a query sorts by.
func place(q dynamo.Query) func(stored) string {
	if q.Sort == dynamo.SK {
		return bySK
	}
	return byID
}

// readable are the events among items. The others are told to the log: the
// sealer, whose task it is, sounds the alarm.
func readable(ctx context.Context, items []stored) []Event {
	events := make([]Event, 0, len(items))
	for _, e := range items {
		if e.err != nil {
			slog.ErrorContext(ctx, "an audit event cannot be read", "pk", e.key.PK, "sk", e.key.SK, "error", e.err)
			continue
		}
		events = append(events, e.event)
	}
	return events
}

// storedBlock is an item that may be no block; then it counts as missing.
type storedBlock struct {
	block blockItem
	err   error
}

// UnmarshalDynamoDBAttributeValue keeps what is wrong with the item.
func (b *storedBlock) UnmarshalDynamoDBAttributeValue(av types.AttributeValue) error {
	b.err = attributevalue.Unmarshal(av, &b.block)
	if b.err == nil && len(b.block.Teams) != len(b.block.Entries) {
		b.err = fmt.Errorf("it has %d events of %d teams", len(b.block.Entries), len(b.block.Teams))
	}
	return nil
}

// blocksAt reads blocks by number. Those that are not there, or cannot be read, are left out.
func blocksAt(ctx context.Context, t dynamo.Table, numbers []int64) ([]blockItem, error) {
	keys := make([]dynamo.Key, len(numbers))
	for i, n := range numbers {
		keys[i] = blockKey(n)
	}
	found, err := dynamo.GetAll[storedBlock](ctx, t, keys)
	var blocks []blockItem
	for _, b := range found {
		if b.err != nil {
			slog.ErrorContext(ctx, "a block cannot be read", "error", b.err)
			continue
		}
		blocks = append(blocks, b.block)
	}
	return blocks, err
}
