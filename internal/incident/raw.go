package incident

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/internal/platform/text"
)

const (
	// MaxRaw bounds the JSON of what is kept of a body whose shape was unknown, in bytes.
	MaxRaw = 64 << 10
	// maxRawDepth bounds how deep it nests; what lies deeper is a text. Some
	// readers of JSON give up at a thousand levels, and at the whole list with it.
	maxRawDepth = 200
)

// Raw is a JSON object as somebody sent it. It is stored as text: DynamoDB takes
// neither every number, nor every name, nor more than 32 levels.
type Raw map[string]any

// cut is the one member of a Raw that was too long: how its JSON began.
const cut = "truncated"

// bounded is r, readable, or how it began where it is longer than MaxRaw.
func (r Raw) bounded() Raw {
	if len(r) == 0 {
		return nil
	}
	r = readable(map[string]any(r), 0).(map[string]any)
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

// readable is a value as every reader of JSON takes it: nested maxRawDepth deep
// at most, and with no number that a float64 does not reach.
func readable(v any, depth int) any {
	switch v := v.(type) {
	case map[string]any:
		if depth == maxRawDepth {
			return asText(v)
		}
		out := make(map[string]any, len(v))
		for name, member := range v {
			out[name] = readable(member, depth+1)
		}
		return out
	case []any:
		if depth == maxRawDepth {
			return asText(v)
		}
		out := make([]any, len(v))
		for i, element := range v {
			out[i] = readable(element, depth+1)
		}
		return out
	case json.Number:
		if _, err := v.Float64(); err != nil {
			return v.String()
		}
	}
	return v
}

func asText(v any) any {
	b, err := encode(v)
	if err != nil {
		return nil
	}
	return string(b)
}

func (r Raw) encode() ([]byte, error) { return encode(map[string]any(r)) }

// encode is JSON without a longer form for <, > and &.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
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

// UnmarshalDynamoDBAttributeValue reads it, each number as it was written.
func (r *Raw) UnmarshalDynamoDBAttributeValue(v types.AttributeValue) error {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		d := json.NewDecoder(strings.NewReader(v.Value))
		d.UseNumber()
		return d.Decode((*map[string]any)(r))
	case *types.AttributeValueMemberM: // of a release that stored it so
		return attributevalue.Unmarshal(v, (*map[string]any)(r))
	case *types.AttributeValueMemberNULL:
		*r = nil
		return nil
	}
	return fmt.Errorf("a raw body stored as %T", v)
}
