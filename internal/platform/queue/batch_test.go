package queue_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/aws"
	"pagefree/infra/local/awstest"
	"pagefree/internal/platform/queue"
)

func TestSendAll(t *testing.T) {
	t.Parallel()
	env := awstest.New(t)
	q := queue.Queue{URL: env.QueueURL("LiveQueue"), Client: sqs.NewFromConfig(env.ConfigOf("PublisherFunction"))}
	type message struct{ N float64 }
	var all []message
	for n := range 23 {
		all = append(all, message{float64(n)})
	}
	if err := queue.SendAll(t.Context(), q, all); err != nil {
		t.Fatal(err)
	}
	got := 0
	for got < len(all) {
		out, err := q.Client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.URL, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
		if err != nil {
			t.Fatal(err)
		}
		got += len(out.Messages)
	}
	if n := env.Counts.Number(aws.Call{Operation: "SendMessageBatch"}); n != 3 || got != len(all) {
		t.Errorf("%d messages in %d calls", got, n)
	}
	if err := queue.SendAll(t.Context(), q, []message(nil)); err != nil {
		t.Error(err)
	}
	if err := queue.SendAll(t.Context(), q, []message{{math.NaN()}}); err == nil {
		t.Error("what is no JSON is sent")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := queue.SendAll(ctx, q, all); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
