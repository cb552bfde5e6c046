package dynamo

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// batch is how many items BatchGetItem takes.
const batch = 100

// GetAll reads many items consistently, a hundred a call. What does not exist
// is left out, and the order is not that of the keys.
func GetAll[T any](ctx context.Context, t Table, keys []Key) ([]T, error) {
	var all []T
	err := t.each(ctx, keys, func(raw Item) error {
		var item T
		if err := attributevalue.UnmarshalMap(raw, &item); err != nil {
			return err
		}
		all = append(all, item)
		return nil
	})
	return all, err
}

// Read is one of several items that are read at once.
type Read struct {
	Key   Key
	Out   any   // a pointer to a struct
	Found *bool // set where there is such an item; may be nil
}

// ReadAll reads items of different kinds, a hundred a call, each consistently.
// They are not read at one moment: a transaction may lie between two of them.
func (t Table) ReadAll(ctx context.Context, reads ...Read) error {
	keys := make([]Key, len(reads))
	for i, r := range reads {
		keys[i] = r.Key
	}
	return t.each(ctx, keys, func(raw Item) error {
		k := keyOf(raw)
		for _, r := range reads {
			if r.Key != k {
				continue
			}
			if err := attributevalue.UnmarshalMap(raw, r.Out); err != nil {
				return fmt.Errorf("read %s: %w", k.PK, err)
			}
			if r.Found != nil {
				*r.Found = true
			}
		}
		return nil
	})
}

// keyOf is the key of an item, empty where it is none of our tables'.
func keyOf(item Item) Key {
	text := func(name string) string {
		s, _ := item[name].(*types.AttributeValueMemberS)
		if s == nil {
			return ""
		}
		return s.Value
	}
	return Key{PK: text(PK), SK: text(SK)}
}

// each hands on every item that there is of keys. What a throttled call left
// out is asked for again.
func (t Table) each(ctx context.Context, keys []Key, do func(Item) error) error {
	var waiting []map[string]types.AttributeValue
	seen := make(map[Key]bool, len(keys))
	for _, k := range keys {
		if !seen[k] { // DynamoDB takes a key once
			waiting = append(waiting, k.item())
		}
		seen[k] = true
	}
	for try := 0; len(waiting) > 0; {
		now := waiting[:min(batch, len(waiting))]
		waiting = waiting[len(now):]
		out, err := t.DB.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			t.Name: {Keys: now, ConsistentRead: aws.Bool(true)},
		}})
		if err != nil {
			return fmt.Errorf("get %d items: %w", len(now), err)
		}
		for _, raw := range out.Responses[t.Name] {
			if err := do(raw); err != nil {
				return err
			}
		}
		left := out.UnprocessedKeys[t.Name].Keys
		waiting = append(waiting, left...)
		if len(left) == 0 {
			continue
		}
		if try++; try > 5 {
			return fmt.Errorf("get %d items: throttled", len(keys))
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
	return nil
}
