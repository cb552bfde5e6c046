// Package streams reads the DynamoDB streams of the engine for the pollers. Records stay the JSON that they are on the
// wire, which is also what Lambda hands to a function.
package streams

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Reader reads from an engine. It needs no credentials: this is a loopback port.
type Reader struct {
	Endpoint string // http://host:port of the engine itself
	client   http.Client
}

// Record is one change, as the engine tells of it.
type Record struct {
	EventID   string `json:"eventID"`
	EventName string `json:"eventName"`
	DynamoDB  struct {
		SequenceNumber              string
		ApproximateCreationDateTime float64 // seconds
	} `json:"dynamodb"`
	Raw json.RawMessage `json:"-"` // the whole record
}

// At is when the change was made, to the second.
func (r Record) At() time.Time { return time.Unix(int64(r.DynamoDB.ApproximateCreationDateTime), 0) }

// ErrNoStream tells that a table has no stream.
var ErrNoStream = errors.New("the table has no stream")

// Stream is the stream of one table.
type Stream struct {
	reader *Reader
	ARN    string // the engine's own
}

// Of finds a table's stream.
func (r *Reader) Of(ctx context.Context, table string) (*Stream, error) {
	var out struct {
		Table struct{ LatestStreamArn string }
	}
	if err := r.call(ctx, "DynamoDB_20120810.DescribeTable", map[string]any{"TableName": table}, &out); err != nil {
		return nil, err
	}
	if out.Table.LatestStreamArn == "" {
		return nil, fmt.Errorf("%s: %w", table, ErrNoStream)
	}
	return &Stream{reader: r, ARN: out.Table.LatestStreamArn}, nil
}

// Shards lists the stream's shards, parents before their children. Dynoxide has one.
func (s *Stream) Shards(ctx context.Context) ([]string, error) {
	var ids []string
	in := map[string]any{"StreamArn": s.ARN}
	for {
		var out struct {
			StreamDescription struct {
				Shards               []struct{ ShardId string }
				LastEvaluatedShardId string
			}
		}
		if err := s.reader.call(ctx, "DynamoDBStreams_20120810.DescribeStream", in, &out); err != nil {
			return nil, err
		}
		for _, shard := range out.StreamDescription.Shards {
			ids = append(ids, shard.ShardId)
		}
		if out.StreamDescription.LastEvaluatedShardId == "" {
			return ids, nil
		}
		in["ExclusiveStartShardId"] = out.StreamDescription.LastEvaluatedShardId
	}
}

// Iterator is a place in a shard: after a sequence number, or, for "", at its beginning.
func (s *Stream) Iterator(ctx context.Context, shard, after string) (string, error) {
	in := map[string]any{"StreamArn": s.ARN, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
	if after != "" {
		in["ShardIteratorType"], in["SequenceNumber"] = "AFTER_SEQUENCE_NUMBER", after
	}
	var out struct{ ShardIterator string }
	err := s.reader.call(ctx, "DynamoDBStreams_20120810.GetShardIterator", in, &out)
	return out.ShardIterator, err
}

// Records reads on. An empty next says that the shard has ended.
func (s *Stream) Records(ctx context.Context, iterator string) (records []Record, next string, err error) {
	var out struct {
		Records           []json.RawMessage
		NextShardIterator string
	}
	if err := s.reader.call(ctx, "DynamoDBStreams_20120810.GetRecords", map[string]any{"ShardIterator": iterator}, &out); err != nil {
		return nil, "", err
	}
	for _, raw := range out.Records {
		record := Record{Raw: raw}
		if err := json.Unmarshal(raw, &record); err != nil {
			return nil, "", err
		}
		records = append(records, record)
	}
	return records, out.NextShardIterator, nil
}

func (r *Reader) call(ctx context.Context, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", target)
	req.Header.Set("X-Amz-Date", now.Format("20060102T150405Z"))
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/"+now.Format("20060102")+"/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=none")
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d %.300s", target, res.StatusCode, answer)
	}
	return json.Unmarshal(answer, out)
}
