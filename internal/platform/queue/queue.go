// Package queue sends to SQS and handles what Lambda gets from it: messages
// side by side, each failing alone.
package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Queue is one SQS queue.
type Queue struct {
	URL    string
	Client *sqs.Client
}

// Send puts a message, as JSON, into the queue.
func (q Queue) Send(ctx context.Context, message any) error { return q.SendLater(ctx, message, 0) }

// SendLater puts a message into the queue that nobody gets before wait is
// over: whole seconds, rounded up, 900 at most.
func (q Queue) SendLater(ctx context.Context, message any, wait time.Duration) error {
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	text := string(body)
	if _, err := q.Client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q.URL, MessageBody: &text, DelaySeconds: int32((wait + time.Second - 1) / time.Second)}); err != nil {
		return fmt.Errorf("send to queue: %w", err)
	}
	return nil
}

// Later is a failure that says when the message should come back.
type Later struct {
	Wait time.Duration // whole seconds, rounded up; 12 hours at most
	Err  error
}

func (l *Later) Error() string { return l.Err.Error() }

// Unwrap is why it failed.
func (l *Later) Unwrap() error { return l.Err }

// EachLater is Each for handlers that know how often a message came, from 1,
// and that may say by a *Later when it is to come back. It ends in the
// dead-letter queue after as many tries as any other.
func EachLater[M any](ctx context.Context, q Queue, batch events.SQSEvent, handle func(ctx context.Context, message M, received int) error) events.SQSEventResponse {
	answer := events.SQSEventResponse{BatchItemFailures: make([]events.SQSBatchItemFailure, 0, len(batch.Records))}
	failed := make([][]events.SQSBatchItemFailure, len(batch.Records))
	var wg sync.WaitGroup
	for i, record := range batch.Records {
		received, err := strconv.Atoi(record.Attributes["ApproximateReceiveCount"])
		if err != nil {
			received = 1
		}
		wg.Go(func() {
			failed[i] = Each(ctx, events.SQSEvent{Records: []events.SQSMessage{record}}, func(ctx context.Context, message M) error {
				err := handle(ctx, message, received)
				if later, is := errors.AsType[*Later](err); is {
					err = errors.Join(err, q.putOff(ctx, record.ReceiptHandle, later.Wait))
				}
				return err
			}).BatchItemFailures
		})
	}
	wg.Wait()
	for _, one := range failed {
		answer.BatchItemFailures = append(answer.BatchItemFailures, one...)
	}
	return answer
}

func (q Queue) putOff(ctx context.Context, receipt string, wait time.Duration) error {
	_, err := q.Client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &q.URL, ReceiptHandle: &receipt, VisibilityTimeout: int32((min(wait, 12*time.Hour) + time.Second - 1) / time.Second),
	})
	if err != nil {
		return fmt.Errorf("put off: %w", err)
	}
	return nil
}

// SendAll puts messages, as JSON, into the queue, ten a call. An error says
// that some of them may not be there.
func (q Queue) SendAll(ctx context.Context, messages []any) error {
	for some := range slices.Chunk(messages, 10) {
		in := &sqs.SendMessageBatchInput{QueueUrl: &q.URL}
		for i, message := range some {
			body, err := json.Marshal(message)
			if err != nil {
				return err
			}
			text, name := string(body), strconv.Itoa(i)
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: &name, MessageBody: &text})
		}
		out, err := q.Client.SendMessageBatch(ctx, in)
		if err != nil {
			return fmt.Errorf("send to queue: %w", err)
		}
		if n := len(out.Failed); n > 0 {
			return fmt.Errorf("send to queue: %d of %d were not taken", n, len(some))
		}
	}
	return nil
}

// Each handles every message of a batch at once. A message whose handler
// fails or panics comes back after its visibility timeout and ends in the
// dead-letter queue; it never touches its neighbours. The list of failures is
// never null: Lambda would take that for a failure of all.
func Each[M any](ctx context.Context, batch events.SQSEvent, handle func(context.Context, M) error) events.SQSEventResponse {
	failed := make([]bool, len(batch.Records))
	var wg sync.WaitGroup
	for i, record := range batch.Records {
		wg.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					failed[i] = true
					slog.ErrorContext(ctx, "message handler panicked", "message", record.MessageId, "value", fmt.Sprint(v), "stack", string(debug.Stack()))
				}
			}()
			var message M
			err := json.Unmarshal([]byte(record.Body), &message)
			if err == nil {
				err = handle(ctx, message)
			}
			if err != nil {
				failed[i] = true
				slog.ErrorContext(ctx, "message not handled", "message", record.MessageId, "error", err)
			}
		})
	}
	wg.Wait()
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i, record := range batch.Records {
		if failed[i] {
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: record.MessageId})
		}
	}
	return answer
}
