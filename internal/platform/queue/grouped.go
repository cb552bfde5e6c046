package queue

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/aws/aws-lambda-go/events"
)

// Grouped is Each for messages of which some write to the same items: those
// that share a group are handled one after the other, and groups side by side.
// It promises no order between batches.
func Grouped[M any](ctx context.Context, batch events.SQSEvent, group func(M) string, handle func(context.Context, M) error) events.SQSEventResponse {
	groups := map[string][]events.SQSMessage{}
	for _, record := range batch.Records {
		var message M
		name := "message " + record.MessageId // what cannot be read stands alone
		if json.Unmarshal([]byte(record.Body), &message) == nil {
			name = "group " + group(message)
		}
		groups[name] = append(groups[name], record)
	}
	failed := map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, records := range groups {
		wg.Go(func() {
			for _, record := range records {
				for _, f := range Each(ctx, events.SQSEvent{Records: []events.SQSMessage{record}}, handle).BatchItemFailures {
					mu.Lock()
					failed[f.ItemIdentifier] = true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, record := range batch.Records {
		if failed[record.MessageId] {
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: record.MessageId})
		}
	}
	return answer
}
