package streamindex

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"pagefree/infra/local/engine"
	"pagefree/infra/local/template"
)

var table = template.Table{
	Name: "Streamed", Attributes: map[string]string{"pk": "S"}, Keys: []template.KeyElement{{Name: "pk", Type: "HASH"}},
	StreamView: "NEW_AND_OLD_IMAGES", StreamConsumed: true,
}

// The engine is Dynoxide here, whatever PAGEFREE_ENGINE says: the index is about it alone.
func start(t *testing.T, dir string) aws.Config {
	t.Helper()
	e, err := engine.Start(t.Context(), engine.Options{Kind: engine.Dynoxide, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(e.Endpoint()),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}
}

func put(t *testing.T, db *dynamodb.Client, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{
			TableName: &table.Name, Item: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: fmt.Sprint(i)}},
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheEngineUsesTheIndex(t *testing.T) {
	dir := t.TempDir()
	db := dynamodb.NewFromConfig(start(t, dir))
	if err := engine.Create(t.Context(), db, &table); err != nil {
		t.Fatal(err)
	}
	put(t, db, 0, 5)
	for range 2 {
		if err := Create(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
	file, err := open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var id, parent, unused int
	var plan string
	if err := file.QueryRowContext(t.Context(), `EXPLAIN QUERY PLAN SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 FROM _stream_records WHERE table_name = ?`, table.Name).Scan(&id, &parent, &unused, &plan); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(plan, "SEARCH") || !strings.Contains(plan, "pagefree_stream_sequence") {
		t.Errorf("plan: got %q, want a search of the index", plan)
	}
}

func TestTheStreamGoesOn(t *testing.T) {
	dir := t.TempDir()
	config := start(t, dir)
	db := dynamodb.NewFromConfig(config)
	if err := engine.Create(t.Context(), db, &table); err != nil {
		t.Fatal(err)
	}
	put(t, db, 0, 5)
	if err := Create(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	put(t, db, 5, 10)
	described, err := db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table.Name})
	if err != nil {
		t.Fatal(err)
	}
	streams := dynamodbstreams.NewFromConfig(config)
	stream, err := streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: described.Table.LatestStreamArn})
	if err != nil {
		t.Fatal(err)
	}
	from, err := streams.GetShardIterator(t.Context(), &dynamodbstreams.GetShardIteratorInput{
		StreamArn: described.Table.LatestStreamArn, ShardId: stream.StreamDescription.Shards[0].ShardId, ShardIteratorType: streamtypes.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := streams.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: from.ShardIterator})
	if err != nil || len(got.Records) != 10 {
		t.Fatalf("got %d records, %v, want 10", len(got.Records), err)
	}
	for i, r := range got.Records {
		if key := r.Dynamodb.Keys["pk"].(*streamtypes.AttributeValueMemberS).Value; key != fmt.Sprint(i) {
			t.Errorf("record %d: got key %s", i, key)
		}
	}
}

// TestTrim: a day later only the newest record is left, and the stream goes on after it.
func TestTrim(t *testing.T) {
	dir := t.TempDir()
	db := dynamodb.NewFromConfig(start(t, dir))
	if err := engine.Create(t.Context(), db, &table); err != nil {
		t.Fatal(err)
	}
	left := func() string {
		file, err := open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		var n, first, last int
		if err := file.QueryRowContext(t.Context(), `SELECT COUNT(*), MIN(CAST(sequence_number AS INTEGER)), MAX(CAST(sequence_number AS INTEGER)) FROM _stream_records`).Scan(&n, &first, &last); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d from %d to %d", n, first, last)
	}
	put(t, db, 0, 5)
	for _, step := range []struct {
		later time.Duration
		want  string
	}{{23 * time.Hour, "5 from 1 to 5"}, {25 * time.Hour, "1 from 5 to 5"}} {
		if err := Trim(t.Context(), dir, time.Now().Add(step.later)); err != nil {
			t.Fatal(err)
		}
		if got := left(); got != step.want {
			t.Errorf("%v later: got %s, want %s", step.later, got, step.want)
		}
	}
	put(t, db, 5, 7)
	if got := left(); got != "3 from 5 to 7" {
		t.Errorf("then: got %s", got)
	}
}

func TestNoEngine(t *testing.T) {
	if err := Create(t.Context(), t.TempDir()); err == nil {
		t.Error("a folder without an engine's file: got no error")
	}
	if err := Trim(t.Context(), t.TempDir(), time.Now()); err == nil {
		t.Error("a folder without an engine's file: got no error")
	}
}
