// Package dynamo is the little that PageFree's stores need above the SDK:
// tables by name, consistent reads, writes that always carry a condition, and
// transactions that tell a lost race (somebody wrote first) from a
// TransactionConflict (try again).
package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Names of the key attributes of every table.
const (
	PK = "pk"
	SK = "sk"
)

// Item is a stored item.
type Item = map[string]types.AttributeValue

// Table is one DynamoDB table.
type Table struct {
	Name string
	DB   *dynamodb.Client
}

// Key is the primary key of an item.
type Key struct{ PK, SK string }

func (k Key) item() Item {
	return Item{PK: &types.AttributeValueMemberS{Value: k.PK}, SK: &types.AttributeValueMemberS{Value: k.SK}}
}

// Get reads an item consistently into out, a pointer to a struct, or to an Item
// for all that stands in it, and reports whether there was one.
func (t Table) Get(ctx context.Context, k Key, out any) (bool, error) {
	got, err := t.DB.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.Name, Key: k.item(), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return false, fmt.Errorf("get %s: %w", k.PK, err)
	}
	if got.Item == nil {
		return false, nil
	}
	if whole, as := out.(*Item); as {
		*whole = got.Item
		return true, nil
	}
	return true, attributevalue.UnmarshalMap(got.Item, out)
}

// ConditionError is a write that was not done because its condition did not
// hold: somebody else was first.
type ConditionError struct {
	Index int  // which operation of the transaction, from 0
	Item  Item // the item as it is now, where the operation asked for it
}

func (e *ConditionError) Error() string {
	return fmt.Sprintf("the condition of write %d does not hold", e.Index)
}

// ErrContended is a transaction that met others at each of its tries. Nothing
// was written; it may be tried again.
var ErrContended = errors.New("transaction conflict")

// Failed reports whether err is a condition that did not hold, and of which
// operation of the transaction (the first, if several).
func Failed(err error) (*ConditionError, bool) { return errors.AsType[*ConditionError](err) }

// Op is one write of a transaction.
type Op struct {
	item types.TransactWriteItem
	err  error
}

// Put writes an item (a struct, or an Item as it was read) under a condition.
func (t Table) Put(item any, cond expression.ConditionBuilder) Op {
	av, whole := item.(Item)
	if !whole {
		var err error
		if av, err = attributevalue.MarshalMap(item); err != nil {
			return Op{err: err}
		}
	}
	e, err := expression.NewBuilder().WithCondition(cond).Build()
	if err != nil {
		return Op{err: err}
	}
	return Op{item: types.TransactWriteItem{Put: &types.Put{
		TableName: &t.Name, Item: av, ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}
}

// Create writes an item that must not exist yet.
func (t Table) Create(item any) Op { return t.Put(item, Absent()) }

// Update changes an item under a condition.
func (t Table) Update(k Key, u expression.UpdateBuilder, cond expression.ConditionBuilder) Op {
	e, err := expression.NewBuilder().WithUpdate(u).WithCondition(cond).Build()
	if err != nil {
		return Op{err: err}
	}
	return Op{item: types.TransactWriteItem{Update: &types.Update{
		TableName: &t.Name, Key: k.item(), UpdateExpression: e.Update(), ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}
}

// Delete removes an item under a condition.
func (t Table) Delete(k Key, cond expression.ConditionBuilder) Op {
	e, err := expression.NewBuilder().WithCondition(cond).Build()
	if err != nil {
		return Op{err: err}
	}
	return Op{item: types.TransactWriteItem{Delete: &types.Delete{
		TableName: &t.Name, Key: k.item(), ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}
}

// Check makes the transaction depend on an item that it does not change.
func (t Table) Check(k Key, cond expression.ConditionBuilder) Op {
	e, err := expression.NewBuilder().WithCondition(cond).Build()
	if err != nil {
		return Op{err: err}
	}
	return Op{item: types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &t.Name, Key: k.item(), ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}
}

// Absent is the condition that no item has the key.
func Absent() expression.ConditionBuilder { return expression.Name(PK).AttributeNotExists() }

// Present is the condition that an item has the key.
func Present() expression.ConditionBuilder { return expression.Name(PK).AttributeExists() }

// Is is the condition that an attribute has a value.
func Is(name string, value any) expression.ConditionBuilder {
	return expression.Name(name).Equal(expression.Value(value))
}

// Commit writes all of ops or none. A condition that does not hold is a
// *ConditionError; a TransactionConflict or a throttle is tried again with
// jitter, six times in some two seconds, and is then an ErrContended.
func Commit(ctx context.Context, db *dynamodb.Client, ops ...Op) error {
	in, err := transaction(ops)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		err := attempt(ctx, db, in)
		if !errors.Is(err, ErrContended) {
			return err
		}
		if try == 5 {
			return fmt.Errorf("after %d tries: %w", try+1, err)
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

func transaction(ops []Op) (*dynamodb.TransactWriteItemsInput, error) {
	in := &dynamodb.TransactWriteItemsInput{}
	for _, op := range ops {
		if op.err != nil {
			return nil, op.err
		}
		in.TransactItems = append(in.TransactItems, op.item)
	}
	return in, nil
}

// attempt tries a transaction once. What may pass is an ErrContended.
func attempt(ctx context.Context, db *dynamodb.Client, in *dynamodb.TransactWriteItemsInput, options ...func(*dynamodb.Options)) error {
	_, err := db.TransactWriteItems(ctx, in, options...)
	if err == nil {
		return nil
	}
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		if _, inProgress := errors.AsType[*types.TransactionInProgressException](err); !inProgress {
			return fmt.Errorf("transaction: %w", err)
		}
	} else if lost := lostRace(cancelled); lost != nil {
		return lost
	} else if !passing(cancelled) {
		return fmt.Errorf("transaction: %w", err)
	}
	return fmt.Errorf("%w: %w", ErrContended, err)
}

func lostRace(e *types.TransactionCanceledException) *ConditionError {
	for i, reason := range e.CancellationReasons {
		if aws.ToString(reason.Code) == "ConditionalCheckFailed" {
			return &ConditionError{Index: i, Item: reason.Item}
		}
	}
	return nil
}

// passing reports whether everything that cancelled the transaction may be gone at the next try.
func passing(e *types.TransactionCanceledException) bool {
	for _, reason := range e.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case "", "None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
		default:
			return false
		}
	}
	return len(e.CancellationReasons) > 0
}

// pause waits a random time below 30, 60, 120... ms, so that those who clashed once do not clash again.
func pause(ctx context.Context, try int) error {
	t := time.NewTimer(time.Duration(rand.Int64N(int64(30*time.Millisecond) << try)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Decode reads an item as it was returned with a ConditionError.
func Decode(item Item, out any) error { return attributevalue.UnmarshalMap(item, out) }
