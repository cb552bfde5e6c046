package dynamo

import (
	"context"
	"errors"
	"fmt"

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
