// Package timestamp is the one form of a time in PageFree: UTC, milliseconds,
// RFC 3339. JSON and DynamoDB hold the same text, and it sorts as time does.
package timestamp

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/danielgtaylor/huma/v2"
)

// Layout is RFC 3339 with milliseconds always written, so that text order is time order.
const Layout = "2006-01-02T15:04:05.000Z"

// Time is a moment, in UTC and whole milliseconds.
type Time struct{ time.Time }

// Of returns t in PageFree's precision.
func Of(t time.Time) Time { return Time{t.UTC().Truncate(time.Millisecond)} }

// Ptr is Of for fields that may be null.
func Ptr(t time.Time) *Time {
	v := Of(t)
	return &v
}

// String is the wire form.
func (t Time) String() string { return t.UTC().Format(Layout) }

// MarshalJSON writes the wire form.
func (t Time) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// UnmarshalJSON reads any RFC 3339 time.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	return t.parse(s)
}

// MarshalText is String; without it the embedded time.Time's would be used, in another precision.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads any RFC 3339 time, as of a query parameter.
func (t *Time) UnmarshalText(b []byte) error { return t.parse(string(b)) }

// errNoTime does not repeat the text: it may be long, or anything.
var errNoTime = errors.New("this is no RFC 3339 time")

func (t *Time) parse(s string) error {
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return errNoTime
	}
	if y := v.UTC().Year(); y < 0 || y > 9999 { // an offset can lead out of the four digits that text order needs
		return errNoTime
	}
	*t = Of(v)
	return nil
}

// MarshalDynamoDBAttributeValue stores the wire form.
func (t Time) MarshalDynamoDBAttributeValue() (types.AttributeValue, error) {
	return &types.AttributeValueMemberS{Value: t.String()}, nil
}

// UnmarshalDynamoDBAttributeValue reads the stored form; NULL is the zero time.
func (t *Time) UnmarshalDynamoDBAttributeValue(av types.AttributeValue) error {
	switch v := av.(type) {
	case *types.AttributeValueMemberS:
		return t.parse(v.Value)
	case *types.AttributeValueMemberNULL:
		*t = Time{}
		return nil
	}
	return fmt.Errorf("a time is stored as a string, not %T", av)
}

// TransformSchema describes the wire form to the OpenAPI document. What huma
// makes of a text type is kept, so that a pointer may be null.
func (Time) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Format = "date-time"
	return s
}

var _ huma.SchemaTransformer = Time{}
