package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"pagefree/infra/local/awstest"
	"pagefree/internal/platform/queue"
)

type message struct{ Name string }

func batch(bodies ...string) events.SQSEvent {
	var e events.SQSEvent
	for i, body := range bodies {
		e.Records = append(e.Records, events.SQSMessage{MessageId: string(rune('a' + i)), Body: body})
	}
	return e
}

func TestEach(t *testing.T) {
	handle := func(_ context.Context, m message) error {
		switch m.Name {
		case "fail":
			return errors.New("no")
		case "panic":
			panic("no")
		case "out of bounds":
			_ = []int{}[len(m.Name)]
		}
		return nil
	}
	tests := map[string]struct {
		batch events.SQSEvent
		want  []string
	}{
		"nothing at all":                      {batch(), nil},
		"all well":                            {batch(`{"Name":"x"}`, `{"Name":"y"}`), nil},
		"a failure stays alone":               {batch(`{"Name":"x"}`, `{"Name":"fail"}`, `{"Name":"y"}`), []string{"b"}},
		"a panic too":                         {batch(`{"Name":"panic"}`, `{"Name":"y"}`, `{"Name":"out of bounds"}`), []string{"a", "c"}},
		"what is no message":                  {batch(`{`, `{"Name":"y"}`, ``), []string{"a", "c"}},
		"all fail, each named in their order": {batch(`{"Name":"fail"}`, `{"Name":"panic"}`, `[]`), []string{"a", "b", "c"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := queue.Each(t.Context(), test.batch, handle)
			var got []string
			for _, f := range answer.BatchItemFailures {
				got = append(got, f.ItemIdentifier)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			raw, err := json.Marshal(answer)
			if err != nil {
				t.Fatal(err)
			}
			var wire struct{ BatchItemFailures *[]any }
			if err := json.Unmarshal(raw, &wire); err != nil || wire.BatchItemFailures == nil {
				t.Errorf("Lambda takes a null list for a failure of all: %s", raw)
			}
		})
	}
}

func TestEachWorksSideBySideAndWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done atomic.Int32
		began := time.Now()
		queue.Each(t.Context(), batch(`{}`, `{}`, `{}`, `{}`, `{}`), func(context.Context, message) error {
			time.Sleep(time.Minute)
			done.Add(1)
			return nil
		})
		if took := time.Since(began); took != time.Minute || done.Load() != 5 {
			t.Errorf("got %d done in %v, want 5 in a minute", done.Load(), took)
		}
	})
}

func TestSend(t *testing.T) {
	env := awstest.New(t)
	client := sqs.NewFromConfig(env.Config)
	q := queue.Queue{URL: env.QueueURL("MailQueue"), Client: client}
	if err := q.Send(t.Context(), message{Name: "é"}); err != nil {
		t.Fatal(err)
	}
	got, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.URL, WaitTimeSeconds: 1})
	if err != nil || len(got.Messages) != 1 || *got.Messages[0].Body != `{"Name":"é"}` {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := q.Send(t.Context(), make(chan int)); err == nil {
		t.Error("what is no JSON was sent")
	}
	q.URL += "x"
	if err := q.Send(t.Context(), message{}); err == nil {
		t.Error("a queue that does not exist took a message")
	}
}

func TestSendAll(t *testing.T) {
	env := awstest.New(t)
	client := sqs.NewFromConfig(env.Config)
	q := queue.Queue{URL: env.QueueURL("PushQueue"), Client: client}
	var all []any
	for n := range 23 {
		all = append(all, message{Name: string(rune('a' + n))})
	}
	if err := q.SendAll(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	if err := q.SendAll(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for {
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.URL, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			got[*m.Body] = true
		}
		if len(out.Messages) == 0 {
			break
		}
	}
	if len(got) != len(all) {
		t.Errorf("got %d messages, want %d", len(got), len(all))
	}
	if err := q.SendAll(t.Context(), []any{make(chan int)}); err == nil {
		t.Error("what is no JSON was sent")
	}
}

// TestEachLater: a message that is put off is visible again when the handler said, and not when the queue would have it.
func TestEachLater(t *testing.T) {
	env := awstest.New(t)
	client := sqs.NewFromConfig(env.Config)
	q := queue.Queue{URL: env.QueueURL("PushQueue"), Client: client}
	receive := func() events.SQSEvent {
		t.Helper()
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.URL, MaxNumberOfMessages: 10,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount}})
		if err != nil {
			t.Fatal(err)
		}
		var e events.SQSEvent
		for _, m := range out.Messages {
			e.Records = append(e.Records, events.SQSMessage{MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body, Attributes: m.Attributes})
		}
		return e
	}
	if err := q.SendAll(t.Context(), []any{message{"at once"}, message{"in a while"}, message{"fail"}, message{"well"}}); err != nil {
		t.Fatal(err)
	}
	handle := func(_ context.Context, m message, received int) error {
		if received != 1 {
			t.Errorf("%s: received %d times", m.Name, received)
		}
		switch m.Name {
		case "at once":
			return &queue.Later{Err: errors.New("busy")}
		case "in a while":
			return &queue.Later{Wait: time.Minute, Err: errors.New("busy")}
		case "fail":
			return errors.New("no")
		}
		return nil
	}
	if answer := queue.EachLater(t.Context(), q, receive(), handle); len(answer.BatchItemFailures) != 3 {
		t.Errorf("got %+v", answer)
	}
	again := receive()
	if len(again.Records) != 1 || again.Records[0].Body != `{"Name":"at once"}` || again.Records[0].Attributes["ApproximateReceiveCount"] != "2" {
		t.Errorf("got %+v", again)
	}
	if none := queue.EachLater(t.Context(), q, events.SQSEvent{}, handle); none.BatchItemFailures == nil {
		t.Error("the list of failures is null")
	}
}
