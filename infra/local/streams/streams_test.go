package streams

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/infra/local/engine"
	"pagefree/infra/local/template"
)

func TestRead(t *testing.T) {
	e, err := engine.Start(t.Context(), engine.FromEnv())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	db := dynamodb.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(e.Endpoint()), Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
	})})
	named := func(name string, streamed bool) *template.Table {
		return &template.Table{Name: name, Attributes: map[string]string{"pk": "S"}, Keys: []template.KeyElement{{Name: "pk", Type: "HASH"}}, StreamView: "NEW_AND_OLD_IMAGES", StreamConsumed: streamed}
	}
	if err := engine.Create(t.Context(), db, named("Told", true), named("Quiet", false)); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"a", "b", "c"} {
		if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("Told"), Item: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: k}}}); err != nil {
			t.Fatal(err)
		}
	}
	r := &Reader{Endpoint: e.Endpoint()}
	of, err := r.Of(t.Context(), "Told")
	if err != nil {
		t.Fatal(err)
	}
	shards, err := of.Shards(t.Context())
	if err != nil || len(shards) == 0 {
		t.Fatalf("got %q, %v", shards, err)
	}
	read := func(after string) []Record {
		t.Helper()
		at, err := of.Iterator(t.Context(), shards[0], after)
		if err != nil {
			t.Fatal(err)
		}
		records, next, err := of.Records(t.Context(), at)
		if err != nil || next == "" {
			t.Fatalf("got %v, next %q", err, next)
		}
		return records
	}
	all := read("")
	if len(all) != 3 || all[0].EventName != "INSERT" || all[0].At().Year() < 2000 || len(all[0].Raw) == 0 {
		t.Fatalf("got %+v", all)
	}
	if rest := read(all[1].DynamoDB.SequenceNumber); len(rest) != 1 || rest[0].EventID != all[2].EventID {
		t.Errorf("after the second: got %+v", rest)
	}
	if _, err := r.Of(t.Context(), "Quiet"); !errors.Is(err, ErrNoStream) {
		t.Errorf("a table without one: got %v", err)
	}
	if _, err := r.Of(t.Context(), "None"); err == nil {
		t.Error("no table: got no error")
	}
	if _, _, err := of.Records(t.Context(), "nonsense"); err == nil {
		t.Error("an iterator of nobody: got no error")
	}
	if _, err := (&Reader{Endpoint: "http://127.0.0.1:1"}).Of(t.Context(), "Told"); err == nil {
		t.Error("no engine: got no error")
	}
}
