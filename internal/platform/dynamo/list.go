package dynamo

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// maxScanned bounds what one list request reads from each partition: a filter
// that matches little gives a short page with a cursor, not a slow answer.
const maxScanned = 2000

// maxRead bounds what is collected, in bytes: a function has 256 MB, and a
// share of a processor to match. Long items give a short page with a cursor.
const maxRead = 4 << 20

// Query names the partitions that a list is drawn from. With several (the teams of a
// caller) the result is merged; ids are ULIDs, so their order is one of time.
type Query struct {
	Index  string   // the global index, whose hash attribute has the same name; "" reads the table by pk
	Values []string // hash values
	Sort   string   // the sort attribute: "id" of the indexes, "sk" of the table
	Prefix string   // with Sort "sk": only items whose sk begins so
	From   string   // only items that sort at this or later, whatever the direction
	To     string   // only items that sort before this, exclusive, whatever the direction
	Before string   // the position to go on from: only items that come after it in the list, exclusive
	Limit  int
	Oldest bool // oldest first
}

// last sorts after every valid UTF-8 text.
const last = "\U0010FFFF\U0010FFFF"

// bounds are the least and the greatest sort value that the query asks for,
// both included by DynamoDB's Between; "" where there is none. What Before and
// To exclude is dropped when read.
func (q Query) bounds() (low, high string) {
	low = max(q.From, q.Prefix)
	high = q.To
	if q.Prefix != "" && (high == "" || q.Prefix+last < high) {
		high = q.Prefix + last
	}
	switch {
	case q.Before == "":
	case q.Oldest:
		low = max(low, q.Before)
	case high == "" || q.Before < high:
		high = q.Before
	}
	return low, high
}

// List returns up to Limit items that keep accepts, newest first, and the
// position to go on from ("" at the end). sortKey gives the value of Sort of an item.
func List[T any](ctx context.Context, t Table, q Query, sortKey func(T) string, keep func(T) bool) ([]T, string, error) {
	var all []T
	horizon := "" // the nearest position up to which every partition was read
	for _, value := range slices.Compact(slices.Sorted(slices.Values(q.Values))) {
		items, stopped, err := read(ctx, t, q, value, sortKey, keep)
		if err != nil {
			return nil, "", err
		}
		all = append(all, items...)
		if stopped != "" && (horizon == "" || q.after(horizon, stopped)) {
			horizon = stopped
		}
	}
	slices.SortStableFunc(all, func(a, b T) int {
		if q.after(sortKey(b), sortKey(a)) {
			return -1
		}
		if q.after(sortKey(a), sortKey(b)) {
			return 1
		}
		return 0
	})
	if horizon != "" { // beyond it some partition may hold items that were not read
		all = slices.DeleteFunc(all, func(item T) bool { return q.after(sortKey(item), horizon) })
	}
	if len(all) > q.Limit {
		all = all[:q.Limit]
		return all, sortKey(all[q.Limit-1]), nil
	}
	return all, horizon, nil
}

// after reports whether a comes later in the list than b.
func (q Query) after(a, b string) bool {
	if q.Oldest {
		return a > b
	}
	return a < b
}

// read collects one partition; stopped is the last position read when there may be more.
func read[T any](ctx context.Context, t Table, q Query, value string, sortKey func(T) string, keep func(T) bool) (items []T, stopped string, err error) {
	hash := q.Index
	if hash == "" {
		hash = PK
	}
	cond := expression.Key(hash).Equal(expression.Value(value))
	low, high := q.bounds()
	switch {
	case low != "" && high != "" && low > high:
		return nil, "", nil // DynamoDB takes no empty range
	case low != "" && high != "":
		cond = cond.And(expression.Key(q.Sort).Between(expression.Value(low), expression.Value(high)))
	case low != "":
		cond = cond.And(expression.Key(q.Sort).GreaterThanEqual(expression.Value(low)))
	case high != "":
		cond = cond.And(expression.Key(q.Sort).LessThanEqual(expression.Value(high)))
	}
	e, err := expression.NewBuilder().WithKeyCondition(cond).Build()
	if err != nil {
		return nil, "", err
	}
	pageSize := q.Limit + 2
	if keep != nil { // a filter that matches little should not cost a call for each few items
		pageSize = max(pageSize, 200)
	}
	in := &dynamodb.QueryInput{
		TableName: &t.Name, KeyConditionExpression: e.KeyCondition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
		ScanIndexForward: aws.Bool(q.Oldest), Limit: aws.Int32(int32(pageSize)),
	}
	if q.Index != "" {
		in.IndexName = &q.Index
	} else {
		in.ConsistentRead = aws.Bool(true)
	}
	scanned, size := 0, 0
	for {
		out, err := t.DB.Query(ctx, in)
		if err != nil {
			return nil, "", fmt.Errorf("list %s: %w", value, err)
		}
		for _, raw := range out.Items {
			var item T
			if err := attributevalue.UnmarshalMap(raw, &item); err != nil {
				return nil, "", err
			}
			scanned++
			if at := sortKey(item); at == q.Before || at == q.To { // Between includes its bounds
				continue
			}
			stopped = sortKey(item)
			if keep == nil || keep(item) {
				items = append(items, item)
				size += weight(&types.AttributeValueMemberM{Value: raw})
			}
			if len(items) > q.Limit || size > maxRead/len(q.Values) {
				return items, stopped, nil
			}
		}
		if out.LastEvaluatedKey == nil {
			return items, "", nil
		}
		if scanned >= maxScanned {
			return items, stopped, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// weight is about how many bytes a value takes.
func weight(v types.AttributeValue) int {
	n := 1
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		n += len(v.Value)
	case *types.AttributeValueMemberB:
		n += len(v.Value)
	case *types.AttributeValueMemberM:
		for name, member := range v.Value {
			n += len(name) + weight(member)
		}
	case *types.AttributeValueMemberL:
		for _, member := range v.Value {
			n += weight(member)
		}
	}
	return n
}
