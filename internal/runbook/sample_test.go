package runbook

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/internal/platform/dynamo"
)

// TestVersionsSealedByAnOlderReleaseRun reads rows as releases have left them,
// sealed by testKey. A sample is never changed, only followed by another: a
// test that fails here tells of runbooks that would stop running after an upgrade.
func TestVersionsSealedByAnOlderReleaseRun(t *testing.T) {
	raw, err := os.ReadFile("testdata/sealed-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var samples []struct {
		Name  string           `json:"name"`
		ID    string           `json:"id"`
		Runs  int              `json:"runs"`
		Hash  string           `json:"contentHash"`
		Items []map[string]any `json:"items"` // the head, a pointer, the version, in DynamoDB's own JSON
	}
	if err := json.Unmarshal(raw, &samples); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	for _, sample := range samples {
		t.Run(sample.Name, func(t *testing.T) {
			for _, item := range sample.Items {
				put := &dynamodb.PutItemInput{TableName: &w.store.Table.Name, Item: attributes(item)}
				if _, err := w.store.Table.DB.PutItem(t.Context(), put); err != nil {
					t.Fatal(err)
				}
			}
			r, v, err := w.store.Runnable(t.Context(), sample.ID)
			if err != nil || v.Version != sample.Runs || r.MayRun() != nil {
				t.Fatalf("runnable: got version %d, %v", v.Version, err)
			}
			if err := CheckSeal(t.Context(), testKey, r, v); err != nil {
				t.Errorf("the seal: %v", err)
			}
			if *v.ContentHash != sample.Hash {
				t.Errorf("the hash: got %s, want %s", *v.ContentHash, sample.Hash)
			}
			v.TimeoutSeconds++
			if err := CheckSeal(t.Context(), testKey, r, v); !errors.Is(err, ErrSealBroken) {
				t.Errorf("changed: got %v", err)
			}
		})
	}
	if len(samples) < 3 {
		t.Errorf("got %d samples", len(samples))
	}
}

// attributes reads an item in DynamoDB's JSON, such as {"pk":{"S":"rb#1"}}.
func attributes(in map[string]any) dynamo.Item {
	item := dynamo.Item{}
	for name, v := range in {
		item[name] = attribute(v.(map[string]any))
	}
	return item
}

func attribute(in map[string]any) types.AttributeValue {
	for kind, v := range in {
		switch kind {
		case "S":
			return &types.AttributeValueMemberS{Value: v.(string)}
		case "N":
			return &types.AttributeValueMemberN{Value: v.(string)}
		case "BOOL":
			return &types.AttributeValueMemberBOOL{Value: v.(bool)}
		case "NULL":
			return &types.AttributeValueMemberNULL{Value: true}
		case "B":
			b, err := base64.StdEncoding.DecodeString(v.(string))
			if err != nil {
				panic(err)
			}
			return &types.AttributeValueMemberB{Value: b}
		case "M":
			return &types.AttributeValueMemberM{Value: attributes(v.(map[string]any))}
		case "L":
			list := &types.AttributeValueMemberL{}
			for _, e := range v.([]any) {
				list.Value = append(list.Value, attribute(e.(map[string]any)))
			}
			return list
		}
	}
	panic(fmt.Sprintf("%v is no attribute", in))
}
