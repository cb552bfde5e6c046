package dynamo

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Nudge changes one item outside of any transaction: half the price, one try,
// no waiting. It is for what may be lost, such as a time of last use; when its
// condition does not hold, that is a *ConditionError.
func (t Table) Nudge(ctx context.Context, k Key, u expression.UpdateBuilder, cond expression.ConditionBuilder) error {
	e, err := expression.NewBuilder().WithUpdate(u).WithCondition(cond).Build()
	if err != nil {
		return err
	}
	_, err = t.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.Name, Key: k.item(), UpdateExpression: e.Update(), ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
	}, func(o *dynamodb.Options) { o.RetryMaxAttempts = 1 })
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return &ConditionError{Item: failed.Item}
	}
	if err != nil {
		return fmt.Errorf("nudge %s: %w", k.PK, err)
	}
	return nil
}

// batch is how many items BatchGetItem takes.
const batch = 100

// GetAll reads many items consistently, a hundred a call. What does not exist
// is left out, and the order is not that of the keys.
func GetAll[T any](ctx context.Context, t Table, keys []Key) ([]T, error) {
	var all []T
	var waiting []map[string]types.AttributeValue
	for _, k := range keys {
		waiting = append(waiting, k.item())
	}
	for try := 0; len(waiting) > 0; {
		now := waiting[:min(batch, len(waiting))]
		waiting = waiting[len(now):]
		out, err := t.DB.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			t.Name: {Keys: now, ConsistentRead: aws.Bool(true)},
		}})
		if err != nil {
			return nil, fmt.Errorf("get %d items: %w", len(now), err)
		}
		for _, raw := range out.Responses[t.Name] {
			var item T
			if err := attributevalue.UnmarshalMap(raw, &item); err != nil {
				return nil, err
			}
			all = append(all, item)
		}
		left := out.UnprocessedKeys[t.Name].Keys
		waiting = append(waiting, left...)
		if len(left) == 0 {
			continue
		}
		if try++; try > 5 {
			return nil, fmt.Errorf("get %d items: throttled", len(keys))
		}
		if err := pause(ctx, try); err != nil {
			return nil, err
		}
	}
	return all, nil
}
