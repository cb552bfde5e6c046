package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// SendAll puts messages, as JSON, into the queue: ten a call. An error leaves
// open which of them are there.
func SendAll[M any](ctx context.Context, q Queue, messages []M) error {
	for chunk := range slices.Chunk(messages, 10) {
		in := &sqs.SendMessageBatchInput{QueueUrl: &q.URL}
		for i, m := range chunk {
			body, err := json.Marshal(m)
			if err != nil {
				return err
			}
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(string(body))})
		}
		out, err := q.Client.SendMessageBatch(ctx, in)
		if err != nil {
			return fmt.Errorf("send %d messages to queue: %w", len(chunk), err)
		}
		if len(out.Failed) > 0 {
			return fmt.Errorf("send %d messages to queue: %d failed, the first with %s", len(chunk), len(out.Failed), aws.ToString(out.Failed[0].Code))
		}
	}
	return nil
}
