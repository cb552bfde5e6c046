package stream

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/internal/platform/dynamo"
)

func TestEvent(t *testing.T) {
	const raw = `{"Records":[{"eventID":"1","eventName":"MODIFY","eventSource":"aws:dynamodb","dynamodb":{
		"ApproximateCreationDateTime":1.795252443E9,"Keys":{"pk":{"S":"team#a"},"sk":{"S":"aud_1"}},"SequenceNumber":"7","SizeBytes":9,
		"NewImage":{"s":{"S":""},"n":{"N":"1.50"},"b":{"B":"+w=="},"yes":{"BOOL":true},"no":{"BOOL":false},"null":{"NULL":true},
			"m":{"M":{"x":{"L":[{"N":"1"},{"M":{}}]}}},"empty":{"L":[]},"ss":{"SS":["a"]},"ns":{"NS":["1"]},"bs":{"BS":["AQ=="]}},
		"OldImage":null}}]}`
	var e Event
	if err := json.Unmarshal([]byte(raw), &e); err != nil {
		t.Fatal(err)
	}
	r := e.Records[0]
	if r.EventName != Modify || r.Key() != (dynamo.Key{PK: "team#a", SK: "aud_1"}) || r.Change.SequenceNumber != "7" || r.Change.OldImage != nil {
		t.Errorf("got %+v", r)
	}
	want := Image{
		"s": &types.AttributeValueMemberS{}, "n": &types.AttributeValueMemberN{Value: "1.50"}, "b": &types.AttributeValueMemberB{Value: []byte{0xfb}},
		"yes": &types.AttributeValueMemberBOOL{Value: true}, "no": &types.AttributeValueMemberBOOL{}, "null": &types.AttributeValueMemberNULL{Value: true},
		"m": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"x": &types.AttributeValueMemberL{Value: []types.AttributeValue{
			&types.AttributeValueMemberN{Value: "1"}, &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{}}}}}},
		"empty": &types.AttributeValueMemberL{Value: []types.AttributeValue{}}, "ss": &types.AttributeValueMemberSS{Value: []string{"a"}},
		"ns": &types.AttributeValueMemberNS{Value: []string{"1"}}, "bs": &types.AttributeValueMemberBS{Value: [][]byte{{1}}},
	}
	if !reflect.DeepEqual(r.Change.NewImage, want) {
		t.Errorf("got %#v, want %#v", r.Change.NewImage, want)
	}
	var item struct {
		S string
		N float64
		M map[string][]any
	}
	if err := attributevalue.UnmarshalMap(r.Change.NewImage, &item); err != nil || item.N != 1.5 || len(item.M["x"]) != 2 {
		t.Errorf("got %+v, %v", item, err)
	}
}

func TestWhatIsNoImage(t *testing.T) {
	for name, raw := range map[string]string{
		"an unknown type": `{"a":{"X":"1"}}`, "no type": `{"a":{}}`, "no object": `{"a":"b"}`, "bytes that are none": `{"a":{"B":"?"}}`,
		"in a list": `{"a":{"L":[{"X":1}]}}`, "in a map": `{"a":{"M":{"b":{"S":1}}}}`, "a list": `[]`,
	} {
		var m Image
		if err := json.Unmarshal([]byte(raw), &m); err == nil {
			t.Errorf("%s: got %v, want an error", name, m)
		}
	}
}

func TestKeyOfAnotherTable(t *testing.T) {
	r := Record{Change: Change{Keys: Image{"id": &types.AttributeValueMemberS{Value: "1"}}}}
	if got := r.Key(); got != (dynamo.Key{}) {
		t.Errorf("got %+v", got)
	}
}

// The list of failures is never null, so that an answer of nobody is not taken for one.
func TestAnswers(t *testing.T) {
	for want, a := range map[string]Answer{
		`{"batchItemFailures":[]}`:                        Done(),
		`{"batchItemFailures":[{"itemIdentifier":"12"}]}`: Failed(Record{Change: Change{SequenceNumber: "12"}}),
	} {
		if got, err := json.Marshal(a); err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}

func FuzzImage(f *testing.F) {
	f.Add(`{"a":{"M":{"b":{"L":[{"BS":["AQ=="]}]}}}}`)
	f.Fuzz(func(t *testing.T, raw string) {
		var m Image
		if json.Unmarshal([]byte(raw), &m) == nil {
			for name, v := range m {
				if v == nil {
					t.Errorf("%s: attribute %q is nil", raw, name)
				}
			}
		}
	})
}
