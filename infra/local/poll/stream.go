package poll

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/uuid"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/streams"
	"pagefree/infra/local/template"
)

// Between two looks at a stream that has nothing, and between two tries of a batch that fails, at most.
const (
	streamIdle  = 100 * time.Millisecond
	streamRetry = 2 * time.Second
)

// stream is one event source mapping from a table's stream. Its shards are read in turn by one reader, so that a batch is
// over before the next one starts, as for each shard in the cloud.
type stream struct {
	*Poller
	function *template.Function
	source   template.StreamSource
	table    string
	filters  []filter
	place    *place
	failures string // queue for what could not be handled, empty for none
}

func (p *Poller) newStream(f *template.Function, source template.StreamSource) (*stream, error) {
	s := &stream{Poller: p, function: f, source: source}
	for _, t := range p.opts.Template.Tables {
		if t.StreamARN == source.StreamARN {
			s.table = t.Name
		}
	}
	for _, q := range p.opts.Template.Queues {
		if q.ARN == source.OnFailureARN {
			s.failures = q.URL
		}
	}
	if source.OnFailureARN != "" && s.failures == "" {
		return nil, fmt.Errorf("destination %s is no queue of this template", source.OnFailureARN)
	}
	if source.StartingPosition != "TRIM_HORIZON" {
		return nil, fmt.Errorf("the local stack does not start at %q", source.StartingPosition)
	}
	for _, pattern := range source.Filters {
		f, err := parseFilter(pattern)
		if err != nil {
			return nil, err
		}
		s.filters = append(s.filters, f)
	}
	var err error
	s.place, err = openPlace(p.opts.Dir, f.LogicalID+"-"+source.Name)
	return s, err
}

// read follows the stream until the poller is closed.
func (s *stream) read(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.follow(ctx)
		if ctx.Err() == nil && err != nil {
			s.opts.Log.Error("stream", "function", s.function.LogicalID, "table", s.table, "cause", err.Error())
			pause(ctx, time.Second)
		}
	}
}

func (s *stream) follow(ctx context.Context) error {
	of, err := s.opts.Streams.Of(ctx, s.table)
	if err != nil {
		return err
	}
	s.place.begin(of.ARN)
	iterators := map[string]string{}
	for {
		s.awake(ctx)
		shards, err := of.Shards(ctx)
		if err != nil {
			return err
		}
		idle := true
		for _, shard := range shards {
			if _, open := iterators[shard]; !open {
				if iterators[shard], err = of.Iterator(ctx, shard, s.place.after(shard)); err != nil {
					return err
				}
			}
			for iterators[shard] != "" {
				batch, next, err := s.take(ctx, of, iterators[shard])
				if err != nil {
					return err
				}
				iterators[shard] = next
				if len(batch) == 0 {
					break
				}
				idle = false
				if err := s.hand(ctx, shard, batch); err != nil {
					return err
				}
			}
		}
		if idle {
			if pause(ctx, streamIdle); ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
}

// take reads what there is, and waits for more as long as the window says.
func (s *stream) take(ctx context.Context, of *streams.Stream, iterator string) ([]streams.Record, string, error) {
	batch, next, err := of.Records(ctx, iterator)
	if err != nil || len(batch) == 0 {
		return nil, next, err
	}
	for closes := time.Now().Add(s.source.Window); len(batch) < s.source.BatchSize && next != "" && time.Now().Before(closes); {
		pause(ctx, min(streamIdle, time.Until(closes)))
		more, following, err := of.Records(ctx, next)
		if err != nil {
			return nil, "", err
		}
		batch, next = append(batch, more...), following
	}
	return batch, next, ctx.Err()
}

// hand gives the function what passes the filters, a batch at a time, and moves on.
func (s *stream) hand(ctx context.Context, shard string, records []streams.Record) error {
	var batch []streams.Record
	for i, r := range records {
		passes, err := s.passes(r)
		if err != nil {
			return err
		}
		if passes {
			batch = append(batch, r)
		}
		if len(batch) < s.source.BatchSize && i < len(records)-1 {
			continue
		}
		if len(batch) > 0 {
			if err := s.deliver(ctx, shard, batch); err != nil {
				return err
			}
		}
		batch = nil
		if err := s.place.move(shard, r.DynamoDB.SequenceNumber); err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) passes(r streams.Record) (bool, error) {
	if len(s.filters) == 0 {
		return true, nil
	}
	var record map[string]any
	if err := json.Unmarshal(r.Raw, &record); err != nil {
		return false, err
	}
	return slices.ContainsFunc(s.filters, func(f filter) bool { return f.fits(record) }), nil
}

// deliver calls the function until it has handled the batch, or it is given up. Without a report, or where the report
// names the first record, a batch that may be split is split in halves; that is not one of its tries.
func (s *stream) deliver(ctx context.Context, shard string, batch []streams.Record) error {
	for try := 0; ; {
		failed, cause := s.call(ctx, batch)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if failed < 0 {
			return nil
		}
		s.opts.Log.Error("stream", "function", s.function.LogicalID, "records", len(batch)-failed, "cause", cause.Error())
		if failed > 0 {
			batch, try = batch[failed:], 0 // it got on
			continue
		}
		if s.source.BisectBatchOnError && len(batch) > 1 {
			half := len(batch) / 2
			if err := s.deliver(ctx, shard, batch[:half]); err != nil {
				return err
			}
			batch, try = batch[half:], 0
			continue
		}
		if try++; s.source.MaximumRetryAttempts >= 0 && try > s.source.MaximumRetryAttempts {
			return s.giveUp(ctx, shard, batch, try)
		}
		pause(ctx, min(50*time.Millisecond<<min(try, 10), streamRetry))
	}
}

// call invokes the function, and says at which record it has to go on: below zero, nowhere.
func (s *stream) call(ctx context.Context, batch []streams.Record) (failed int, cause error) {
	payload, err := s.event(batch)
	if err != nil {
		return 0, err
	}
	result, err := s.opts.Functions.Invoke(ctx, lambda.Request{Function: s.function.LogicalID, Payload: payload})
	if err != nil {
		return 0, err
	}
	if result.FunctionError != "" {
		return 0, fmt.Errorf("the function failed: %s", result.Payload)
	}
	if !s.source.ReportBatchItemFailures {
		return -1, nil
	}
	names := make([]string, len(batch))
	for i, r := range batch {
		names[i] = r.DynamoDB.SequenceNumber
	}
	reported, err := reported(result.Payload, names)
	if err != nil {
		return 0, fmt.Errorf("the whole batch counts as failed: %w", err)
	}
	for i, name := range names {
		if reported[name] {
			return i, errors.New("the function reported a failure")
		}
	}
	return -1, nil
}

// event is a function's input from a stream: the engine's records, with the region and the stream that the template names.
func (s *stream) event(batch []streams.Record) ([]byte, error) {
	region, err := json.Marshal(s.opts.Template.Region)
	if err != nil {
		return nil, err
	}
	arn, err := json.Marshal(s.source.StreamARN)
	if err != nil {
		return nil, err
	}
	records := make([]map[string]json.RawMessage, len(batch))
	for i, r := range batch {
		if err := json.Unmarshal(r.Raw, &records[i]); err != nil {
			return nil, err
		}
		records[i]["awsRegion"], records[i]["eventSourceARN"] = region, arn
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	err = e.Encode(map[string]any{"Records": records})
	return bytes.TrimRight(buf.Bytes(), "\n"), err
}

// giveUp tells the destination which records were not handled, as Lambda does: not what stood in them.
func (s *stream) giveUp(ctx context.Context, shard string, batch []streams.Record, tries int) error {
	if s.failures == "" {
		return nil
	}
	first, last := batch[0], batch[len(batch)-1]
	at := func(r streams.Record) string { return r.At().UTC().Format("2006-01-02T15:04:05Z") }
	message, err := json.Marshal(map[string]any{
		"requestContext": map[string]any{
			"requestId": uuid.NewString(), "functionArn": s.function.ARN, "condition": "RetryAttemptsExhausted", "approximateInvokeCount": tries,
		},
		"responseContext": map[string]any{"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
		"version":         "1.0", "timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"DDBStreamBatchInfo": map[string]any{
			"shardId": shard, "startSequenceNumber": first.DynamoDB.SequenceNumber, "endSequenceNumber": last.DynamoDB.SequenceNumber,
			"approximateArrivalOfFirstRecord": at(first), "approximateArrivalOfLastRecord": at(last),
			"batchSize": len(batch), "streamArn": s.source.StreamARN,
		},
	})
	if err != nil {
		return err
	}
	text := string(message)
	_, err = s.opts.Queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &s.failures, MessageBody: &text})
	return err
}
