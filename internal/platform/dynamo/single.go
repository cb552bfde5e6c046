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
	_, err := t.Change(ctx, k, u, cond)
	return err
}

// Change is Nudge that tells the attributes that it set as they are now. Its
// *ConditionError has the item as it stands, nil where there is none; it is an
// ErrContended while a transaction is at the item.
func (t Table) Change(ctx context.Context, k Key, u expression.UpdateBuilder, cond expression.ConditionBuilder) (Item, error) {
	e, err := expression.NewBuilder().WithUpdate(u).WithCondition(cond).Build()
	if err != nil {
		return nil, err
	}
	out, err := t.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.Name, Key: k.item(), UpdateExpression: e.Update(), ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(), ReturnValues: types.ReturnValueUpdatedNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, once)
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return nil, &ConditionError{Item: failed.Item}
	}
	if _, met := errors.AsType[*types.TransactionConflictException](err); met {
		return nil, fmt.Errorf("change %s: %w: %w", k.PK, ErrContended, err)
	}
	if err != nil {
		return nil, fmt.Errorf("change %s: %w", k.PK, err)
	}
	return out.Attributes, nil
}

// once is for calls that are not worth waiting for.
func once(o *dynamodb.Options) { o.RetryMaxAttempts = 1 }

// CommitOnce is Commit with one try and no waiting: what meets others is an
// ErrContended at once.
func CommitOnce(ctx context.Context, db *dynamodb.Client, ops ...Op) error {
	in, err := transaction(ops)
	if err != nil {
		return err
	}
	return attempt(ctx, db, in, once)
}
