// Package stream reads batches of a DynamoDB stream as Lambda hands them over.
//
// A batch comes in the order of its shard, at least once. The event does not
// say which shard, so a consumer cannot remember a position: it has to know by
// the item itself whether it was handled.
package stream

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/internal/platform/dynamo"
)

// What happened to an item.
const (
	Insert = "INSERT"
	Modify = "MODIFY"
	Remove = "REMOVE"
)

// Event is a function's input from a stream.
type Event struct{ Records []Record }

// Record is one change of an item.
type Record struct {
	EventName string `json:"eventName"` // Insert, Modify or Remove
	Change    Change `json:"dynamodb"`
}

// Change holds the item's key, and how it was and is.
type Change struct {
	Keys           Image
	NewImage       Image // nil when removed
	OldImage       Image // nil when inserted
	SequenceNumber string
}

// Key is the item's key, empty where it is none of our tables'.
func (r Record) Key() dynamo.Key {
	var k struct {
		PK string `dynamodbav:"pk"`
		SK string `dynamodbav:"sk"`
	}
	_ = attributevalue.UnmarshalMap(r.Change.Keys, &k) // empty, as said
	return dynamo.Key{PK: k.PK, SK: k.SK}
}

// Answer tells Lambda which records have to come again: the first of the list
// and all after it. Failed makes one.
type Answer struct {
	BatchItemFailures []Failure `json:"batchItemFailures"`
}

// Failure names a record by its sequence number.
type Failure struct {
	ItemIdentifier string `json:"itemIdentifier"`
}

// Done is the answer when everything was handled. The list is never null.
func Done() Answer { return Answer{BatchItemFailures: []Failure{}} }

// Failed is the answer when a record, and all after it, have to come again.
func Failed(r Record) Answer {
	return Answer{BatchItemFailures: []Failure{{ItemIdentifier: r.Change.SequenceNumber}}}
}

// Image is an item in DynamoDB's own JSON: {"pk": {"S": "..."}}.
type Image dynamo.Item

// UnmarshalJSON reads every type of DynamoDB; an unknown one is an error.
func (m *Image) UnmarshalJSON(b []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil || raw == nil {
		return err
	}
	*m = Image{}
	for name, value := range raw {
		v, err := attribute(value)
		if err != nil {
			return fmt.Errorf("attribute %s: %w", name, err)
		}
		(*m)[name] = v
	}
	return nil
}

func attribute(b []byte) (types.AttributeValue, error) {
	var v struct {
		S    *string
		N    *string
		B    *string
		BOOL *bool
		NULL *bool
		M    *Image
		L    *[]json.RawMessage
		SS   []string
		NS   []string
		BS   [][]byte
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, err
	}
	switch {
	case v.S != nil:
		return &types.AttributeValueMemberS{Value: *v.S}, nil
	case v.N != nil:
		return &types.AttributeValueMemberN{Value: *v.N}, nil
	case v.B != nil:
		raw, err := base64.StdEncoding.DecodeString(*v.B)
		return &types.AttributeValueMemberB{Value: raw}, err
	case v.BOOL != nil:
		return &types.AttributeValueMemberBOOL{Value: *v.BOOL}, nil
	case v.NULL != nil:
		return &types.AttributeValueMemberNULL{Value: *v.NULL}, nil
	case v.M != nil:
		return &types.AttributeValueMemberM{Value: *v.M}, nil
	case v.L != nil:
		list := &types.AttributeValueMemberL{Value: []types.AttributeValue{}}
		for _, raw := range *v.L {
			item, err := attribute(raw)
			if err != nil {
				return nil, err
			}
			list.Value = append(list.Value, item)
		}
		return list, nil
	case v.SS != nil:
		return &types.AttributeValueMemberSS{Value: v.SS}, nil
	case v.NS != nil:
		return &types.AttributeValueMemberNS{Value: v.NS}, nil
	case v.BS != nil:
		return &types.AttributeValueMemberBS{Value: v.BS}, nil
	}
	return nil, fmt.Errorf("an unknown type: %.40s", b)
}
