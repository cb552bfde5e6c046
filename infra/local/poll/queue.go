package poll

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/template"
)

// queue is one event source mapping.
type queue struct {
	*Poller
	function string // logical id
	url      string
	source   template.QueueSource
}

func newQueue(p *Poller, function, url string, source template.QueueSource) *queue {
	return &queue{Poller: p, function: function, url: url, source: source}
}

// maxReceive is SQS's own limit, and longPoll its longest wait.
const (
	maxReceive = 10
	longPoll   = 20 * time.Second
)

// take waits for a batch. Without a batching window whatever is there first is a batch.
func (q *queue) take(ctx context.Context) ([]types.Message, error) {
	var batch []types.Message
	var closes time.Time
	for len(batch) < q.source.BatchSize {
		wait := longPoll
		if len(batch) > 0 {
			if wait = min(longPoll, time.Until(closes)); wait <= 0 {
				break
			}
		}
		out, err := q.opts.Queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &q.url, MaxNumberOfMessages: int32(min(maxReceive, q.source.BatchSize-len(batch))), WaitTimeSeconds: int32(wait / time.Second),
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}, MessageAttributeNames: []string{"All"},
		})
		if err != nil {
			return batch, err
		}
		if len(batch) == 0 {
			closes = time.Now().Add(q.source.Window)
		}
		batch = append(batch, out.Messages...)
		if len(out.Messages) == 0 || q.source.Window == 0 {
			break
		}
	}
	return batch, nil
}

// handle calls the function with a batch and deletes what it handled.
func (q *queue) handle(ctx context.Context, batch []types.Message) error {
	payload, err := json.Marshal(q.event(batch))
	if err != nil {
		return err
	}
	result, err := q.opts.Functions.Invoke(ctx, lambda.Request{Function: q.function, Payload: payload, TraceID: batch[0].Attributes["AWSTraceHeader"]})
	if err != nil {
		return err
	}
	if result.FunctionError != "" {
		return fmt.Errorf("the function failed: %s", result.Payload)
	}
	failed := map[string]bool{}
	if q.source.ReportBatchItemFailures {
		if failed, err = failures(result.Payload, batch); err != nil {
			return fmt.Errorf("the whole batch counts as failed: %w", err)
		}
	}
	return q.remove(ctx, batch, failed)
}

// remove deletes the messages that did not fail.
func (q *queue) remove(ctx context.Context, batch []types.Message, failed map[string]bool) error {
	var entries []types.DeleteMessageBatchRequestEntry
	for i, m := range batch {
		if !failed[*m.MessageId] {
			entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
		}
	}
	for len(entries) > 0 {
		n := min(maxReceive, len(entries))
		out, err := q.opts.Queues.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &q.url, Entries: entries[:n]})
		if err != nil {
			return err
		}
		if len(out.Failed) > 0 {
			return fmt.Errorf("%d messages could not be deleted: %s", len(out.Failed), aws.ToString(out.Failed[0].Message))
		}
		entries = entries[n:]
	}
	return nil
}

// failures reads which messages of a batch failed.
func failures(payload []byte, batch []types.Message) (map[string]bool, error) {
	names := make([]string, len(batch))
	for i, m := range batch {
		names[i] = *m.MessageId
	}
	return reported(payload, names)
}

// reported reads a function's batch response as Lambda does: nothing, null and an empty list are a success of all; what
// is malformed, or names what is not in the batch, is a failure of all.
func reported(payload []byte, names []string) (map[string]bool, error) {
	var response *struct {
		BatchItemFailures []struct {
			ItemIdentifier string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(payload, &response); err != nil {
		return nil, err
	}
	failed := map[string]bool{}
	if response == nil {
		return failed, nil
	}
	for _, f := range response.BatchItemFailures {
		if f.ItemIdentifier == "" {
			return nil, errors.New("an itemIdentifier is empty")
		}
		if !slices.Contains(names, f.ItemIdentifier) {
			return nil, fmt.Errorf("nothing in the batch is %q", f.ItemIdentifier)
		}
		failed[f.ItemIdentifier] = true
	}
	return failed, nil
}

// event is a function's input from a queue.
type event struct {
	Records []record
}

type record struct {
	MessageID              string               `json:"messageId"`
	ReceiptHandle          string               `json:"receiptHandle"`
	Body                   string               `json:"body"`
	Attributes             map[string]string    `json:"attributes"`
	MessageAttributes      map[string]attribute `json:"messageAttributes"`
	MD5OfMessageAttributes *string              `json:"md5OfMessageAttributes,omitempty"`
	MD5OfBody              string               `json:"md5OfBody"`
	EventSource            string               `json:"eventSource"`
	EventSourceARN         string               `json:"eventSourceARN"`
	AWSRegion              string               `json:"awsRegion"`
}

type attribute struct {
	StringValue      *string  `json:"stringValue,omitempty"`
	BinaryValue      []byte   `json:"binaryValue,omitempty"`
	StringListValues []string `json:"stringListValues"`
	BinaryListValues [][]byte `json:"binaryListValues"`
	DataType         string   `json:"dataType"`
}

func (q *queue) event(batch []types.Message) event {
	e := event{Records: []record{}}
	for _, m := range batch {
		r := record{
			MessageID: aws.ToString(m.MessageId), ReceiptHandle: aws.ToString(m.ReceiptHandle), Body: aws.ToString(m.Body), Attributes: m.Attributes,
			MessageAttributes: map[string]attribute{}, MD5OfMessageAttributes: m.MD5OfMessageAttributes, MD5OfBody: aws.ToString(m.MD5OfBody),
			EventSource: "aws:sqs", EventSourceARN: q.source.QueueARN, AWSRegion: q.opts.Template.Region,
		}
		for name, a := range m.MessageAttributes {
			r.MessageAttributes[name] = attribute{
				StringValue: a.StringValue, BinaryValue: a.BinaryValue, DataType: aws.ToString(a.DataType),
				StringListValues: []string{}, BinaryListValues: [][]byte{},
			}
		}
		e.Records = append(e.Records, r)
	}
	return e
}
