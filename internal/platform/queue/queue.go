// Package queue sends to SQS and handles what Lambda gets from it: messages
// side by side, each failing alone.
package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
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
