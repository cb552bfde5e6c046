package engine

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/infra/local/template"
)

func start(t *testing.T, o Options) (*Engine, *dynamodb.Client) {
	t.Helper()
	e, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e, dynamodb.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(e.Endpoint()),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
}

func s(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }

func index(name, hash string) template.Index {
	return template.Index{Name: name, Projection: "ALL", Keys: []template.KeyElement{{Name: hash, Type: "HASH"}, {Name: "id", Type: "RANGE"}}}
}

var example = template.Table{
	Name:         "Example",
	Attributes:   map[string]string{"pk": "S", "sk": "S", "byTeam": "S", "byKind": "S", "id": "S"},
	Keys:         []template.KeyElement{{Name: "pk", Type: "HASH"}, {Name: "sk", Type: "RANGE"}},
	Indexes:      []template.Index{index("byTeam", "byTeam"), index("byKind", "byKind")},
	TTLAttribute: "ttl", StreamView: "NEW_AND_OLD_IMAGES", StreamConsumed: true,
}

func TestTables(t *testing.T) {
	_, db := start(t, FromEnv())
	for range 2 { // the second time they are there
		if err := Create(t.Context(), db, &example); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: &example.Name,
		Item:      map[string]types.AttributeValue{"pk": s("a"), "sk": s("b"), "byTeam": s("team"), "id": s("1"), "more": s("x")},
	}); err != nil {
		t.Fatal(err)
	}
	out, err := db.Query(t.Context(), &dynamodb.QueryInput{
		TableName: &example.Name, IndexName: aws.String("byTeam"), KeyConditionExpression: aws.String("byTeam = :t"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":t": s("team")},
	})
	if err != nil || len(out.Items) != 1 || out.Items[0]["more"] == nil {
		t.Fatalf("by index: got %v, %v, want the whole item", out, err)
	}
	ttl, err := db.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &example.Name})
	if err != nil || aws.ToString(ttl.TimeToLiveDescription.AttributeName) != "ttl" {
		t.Fatalf("expiry: got %+v, %v", ttl, err)
	}
	table, err := db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &example.Name})
	if err != nil || table.Table.LatestStreamArn == nil {
		t.Fatalf("stream: got %+v, %v", table, err)
	}
}

// A table that is older than who reads its stream gets one.
func TestAStreamComesLater(t *testing.T) {
	_, db := start(t, FromEnv())
	quiet := example
	quiet.StreamConsumed = false
	for _, table := range []*template.Table{&quiet, &example} {
		if err := Create(t.Context(), db, table); err != nil {
			t.Fatal(err)
		}
		out, err := db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table.Name})
		if err != nil || (out.Table.LatestStreamArn != nil) != table.StreamConsumed {
			t.Fatalf("a stream: got %+v, %v, want it: %v", out.Table.LatestStreamArn, err, table.StreamConsumed)
		}
	}
}

// The product leans on a transaction's token for ten minutes; it is the engine that keeps this promise.
func TestTransactionToken(t *testing.T) {
	_, db := start(t, FromEnv())
	if err := Create(t.Context(), db, &example); err != nil {
		t.Fatal(err)
	}
	add := func(attribute string) error {
		_, err := db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{
			ClientRequestToken: aws.String("same"),
			TransactItems: []types.TransactWriteItem{{Update: &types.Update{
				TableName: &example.Name, Key: map[string]types.AttributeValue{"pk": s("n"), "sk": s("n")},
				UpdateExpression:          aws.String("ADD #n :one"),
				ExpressionAttributeNames:  map[string]string{"#n": attribute},
				ExpressionAttributeValues: map[string]types.AttributeValue{":one": &types.AttributeValueMemberN{Value: "1"}},
			}}},
		})
		return err
	}
	for range 3 {
		if err := add("count"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &example.Name, Key: map[string]types.AttributeValue{"pk": s("n"), "sk": s("n")}})
	if n, ok := got.Item["count"].(*types.AttributeValueMemberN); err != nil || !ok || n.Value != "1" {
		t.Errorf("same token three times: got %v, %v, want a count of 1", got.Item, err)
	}
	if mismatch := (*types.IdempotentParameterMismatchException)(nil); !errors.As(add("other"), &mismatch) {
		t.Errorf("same token, other items: want IdempotentParameterMismatchException")
	}
}

func TestDataStays(t *testing.T) {
	o := FromEnv()
	if o.Endpoint != "" {
		t.Log("an external engine keeps its own data")
		return
	}
	o.Dir = t.TempDir()
	key := map[string]types.AttributeValue{"pk": s("a"), "sk": s("b")}
	e, db := start(t, o)
	if err := Create(t.Context(), db, &example); err != nil {
		t.Fatal(err)
	}
	if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &example.Name, Item: key}); err != nil {
		t.Fatal(err)
	}
	e.Close() // it is killed, not asked
	_, db = start(t, o)
	out, err := db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &example.Name, Key: key})
	if err != nil || out.Item == nil {
		t.Fatalf("after a restart: got %v, %v, want the item", out, err)
	}
}

func TestDoneTellsOfADeath(t *testing.T) {
	o := FromEnv()
	if o.Endpoint != "" {
		t.Log("an external engine is not ours to watch")
		return
	}
	e, _ := start(t, o)
	if err := syscall.Kill(e.proc.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-e.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the engine was killed and Done did not say so")
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	bare := t.TempDir()
	if err := os.MkdirAll(bare+"/infra/local", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bare+"/infra/local/package.json", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(bare)
	tests := map[string]struct {
		give Options
		want string
	}{
		"no binary":      {Options{Kind: Dynoxide}, "npm ci"},
		"no jar":         {Options{Kind: DynamoDBLocal}, "mvn "},
		"no endpoint":    {Options{Kind: External}, "DYNAMODB_ENDPOINT"},
		"unknown engine": {Options{Kind: "mysql"}, "dynoxide"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := Start(t.Context(), test.give); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error that names %q", err, test.want)
			}
		})
	}
}
