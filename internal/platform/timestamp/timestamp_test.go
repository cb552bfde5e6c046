package timestamp_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/danielgtaylor/huma/v2"
	"pgregory.net/rapid"

	"pagefree/internal/platform/timestamp"
)

type both struct {
	At   timestamp.Time  `json:"at" dynamodbav:"at"`
	Null *timestamp.Time `json:"null" dynamodbav:"null"`
	Some *timestamp.Time `json:"some" dynamodbav:"some"`
}

func TestTheOneForm(t *testing.T) {
	zone := time.FixedZone("", 2*60*60)
	at := time.Date(2026, 3, 1, 1, 2, 3, 4_999_999, zone)
	v := both{At: timestamp.Of(at), Some: timestamp.Ptr(at)}
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(raw), `{"at":"2026-02-28T23:02:03.004Z","null":null,"some":"2026-02-28T23:02:03.004Z"}`; got != want {
		t.Errorf("JSON: got %s, want %s", got, want)
	}
	item, err := attributevalue.MarshalMap(v)
	if err != nil {
		t.Fatal(err)
	}
	if got := item["at"].(*types.AttributeValueMemberS).Value; got != "2026-02-28T23:02:03.004Z" {
		t.Errorf("DynamoDB: got %s", got)
	}
	var read both
	if err := attributevalue.UnmarshalMap(item, &read); err != nil {
		t.Fatal(err)
	}
	if !read.At.Equal(v.At.Time) || read.Null != nil || read.Some == nil || !read.Some.Equal(v.At.Time) {
		t.Errorf("read back: got %+v", read)
	}
}

func TestReading(t *testing.T) {
	tests := map[string]struct {
		text, want string // "" where it is refused
	}{
		"our own form":         {"2026-02-28T23:02:03.004Z", "2026-02-28T23:02:03.004Z"},
		"no fraction":          {"2026-02-28T23:02:03Z", "2026-02-28T23:02:03.000Z"},
		"an offset":            {"2026-02-28T23:02:03+02:00", "2026-02-28T21:02:03.000Z"},
		"nanoseconds are cut":  {"2026-02-28T23:02:03.999999999Z", "2026-02-28T23:02:03.999Z"},
		"a date":               {"2026-02-28", ""},
		"no zone":              {"2026-02-28T23:02:03", ""},
		"a day that is not":    {"2026-02-30T23:02:03Z", ""},
		"nothing":              {"", ""},
		"past the year 9999":   {"9999-12-31T23:59:59-01:00", ""},
		"before the year 0000": {"0000-01-01T00:00:00+01:00", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			raw, _ := json.Marshal(test.text)
			var fromJSON, fromText, fromItem timestamp.Time
			for form, err := range map[string]error{
				"JSON":     json.Unmarshal(raw, &fromJSON),
				"text":     fromText.UnmarshalText([]byte(test.text)),
				"DynamoDB": fromItem.UnmarshalDynamoDBAttributeValue(&types.AttributeValueMemberS{Value: test.text}),
			} {
				if (err == nil) != (test.want != "") {
					t.Errorf("%s: got %v", form, err)
				}
			}
			for form, got := range map[string]timestamp.Time{"JSON": fromJSON, "text": fromText, "DynamoDB": fromItem} {
				if test.want != "" && got.String() != test.want {
					t.Errorf("%s: got %s, want %s", form, got, test.want)
				}
			}
		})
	}
	var v timestamp.Time
	if err := v.UnmarshalDynamoDBAttributeValue(&types.AttributeValueMemberN{Value: "1"}); err == nil {
		t.Error("a number was taken for a time")
	}
	if err := v.UnmarshalDynamoDBAttributeValue(&types.AttributeValueMemberNULL{Value: true}); err != nil || !v.IsZero() {
		t.Errorf("NULL: got %v, %v", v, err)
	}
}

func TestTextOrderIsTimeOrder(t *testing.T) {
	moment := rapid.Int64Range(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMilli())
	rapid.Check(t, func(t *rapid.T) {
		a, b := time.UnixMilli(moment.Draw(t, "a")), time.UnixMilli(moment.Draw(t, "b"))
		if before := timestamp.Of(a).String() < timestamp.Of(b).String(); before != a.Before(b) {
			t.Fatalf("%v, %v: text says %v", a, b, before)
		}
	})
}

func TestSchema(t *testing.T) {
	registry := huma.NewMapRegistry("#/", huma.DefaultSchemaNamer)
	schema := huma.SchemaFromType(registry, reflect.TypeFor[both]())
	for name, nullable := range map[string]bool{"at": false, "null": true} {
		got := schema.Properties[name]
		if got.Type != "string" || got.Format != "date-time" || got.Nullable != nullable {
			t.Errorf("%s: got %+v, want a date-time that may be null: %v", name, got, nullable)
		}
	}
}
