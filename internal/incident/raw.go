package incident

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/internal/platform/text"
)

// MaxRaw bounds the JSON of what is kept of a body whose shape was unknown, in bytes.
const MaxRaw = 64 << 10

// Raw is a JSON object as somebody sent it. It is stored as text: DynamoDB takes
// neither every number, nor every name, nor more than 32 levels.
type Raw map[string]any

// cut is the one member of a Raw that was too long: how its JSON began.
const cut = "truncated"

// bounded is r, or how it began where it is longer than MaxRaw.
func (r Raw) bounded() Raw {
	if len(r) == 0 {
		return nil
	}
	whole, err := r.encode()
	if err != nil {
		return Raw{cut: ""}
	}
	if len(whole) <= MaxRaw {
		return r
	}
	for limit := MaxRaw - 64; ; limit /= 2 { // as a string it may take six times as much
		begin, _ := text.Clip(whole[:limit], true, limit)
		short := Raw{cut: begin}
		if got, err := short.encode(); err == nil && len(got) <= MaxRaw {
			return short
		}
	}
}

// encode is JSON without a longer form for <, > and &.
func (r Raw) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(map[string]any(r))
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// MarshalDynamoDBAttributeValue stores it as text.
func (r Raw) MarshalDynamoDBAttributeValue() (types.AttributeValue, error) {
	if r == nil {
		return &types.AttributeValueMemberNULL{Value: true}, nil
	}
	b, err := r.encode()
	return &types.AttributeValueMemberS{Value: string(b)}, err
}

// UnmarshalDynamoDBAttributeValue reads it.
func (r *Raw) UnmarshalDynamoDBAttributeValue(v types.AttributeValue) error {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return json.Unmarshal([]byte(v.Value), (*map[string]any)(r))
	case *types.AttributeValueMemberM: // of a release that stored it so
		return attributevalue.Unmarshal(v, (*map[string]any)(r))
	case *types.AttributeValueMemberNULL:
		*r = nil
		return nil
	}
	return fmt.Errorf("a raw body stored as %T", v)
}
