package sqs_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Cases of TestConformance: how a message comes, goes and comes again.

func sendReceiveDelete(t *testing.T, c *api.Client) {
	url := queue(t, c, "", nil)
	send(t, c, url, "eins ✓")
	got := receive(t, c, url, 1)
	wantBodies(t, "first", got, "eins ✓")
	if n := got[0].Attributes["ApproximateReceiveCount"]; n != "1" {
		t.Errorf("receive count: got %s, want 1", n)
	}
	for _, name := range []string{"SentTimestamp", "ApproximateFirstReceiveTimestamp", "SenderId"} {
		if got[0].Attributes[name] == "" {
			t.Errorf("no %s", name)
		}
	}
	wantBodies(t, "in flight", receive(t, c, url, 0))
	for range 2 { // the second time it is gone, which is no error
		if _, err := c.DeleteMessage(t.Context(), &api.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: got[0].ReceiptHandle}); err != nil {
			t.Fatal(err)
		}
	}
}

func messageAttributes(t *testing.T, c *api.Client) {
	url := queue(t, c, "", nil)
	out, err := c.SendMessage(t.Context(), &api.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("m"), MessageAttributes: map[string]types.MessageAttributeValue{
		"kind":   {DataType: aws.String("String"), StringValue: aws.String("käse")},
		"number": {DataType: aws.String("Number.int"), StringValue: aws.String("42")},
		"blob":   {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 2, 255}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	const want = "78e1da0564769c46a3f5176a0a170640"
	if got := aws.ToString(out.MD5OfMessageAttributes); got != want {
		t.Errorf("MD5 of what was sent: got %s, want %s", got, want)
	}
	got := receive(t, c, url, 1)
	if len(got) != 1 || aws.ToString(got[0].MD5OfMessageAttributes) != want {
		t.Fatalf("MD5 of what was received: got %v, want %s", got, want)
	}
	if v := got[0].MessageAttributes["blob"]; string(v.BinaryValue) != "\x00\x01\x02\xff" || *v.DataType != "Binary" {
		t.Errorf("blob: got %+v", v)
	}
	if v := got[0].MessageAttributes["kind"]; aws.ToString(v.StringValue) != "käse" {
		t.Errorf("kind: got %+v", v)
	}
}

func visibilityTimeout(t *testing.T, c *api.Client) {
	url := queue(t, c, "", map[string]string{"VisibilityTimeout": "1"})
	send(t, c, url, "m")
	first := receive(t, c, url, 1)
	wantBodies(t, "first", first, "m")
	wantBodies(t, "hidden", receive(t, c, url, 0))
	second := receive(t, c, url, 5)
	wantBodies(t, "after its timeout", second, "m")
	if n := second[0].Attributes["ApproximateReceiveCount"]; n != "2" {
		t.Errorf("receive count: got %s, want 2", n)
	}
	if *first[0].ReceiptHandle == *second[0].ReceiptHandle {
		t.Error("both receipts have the same handle")
	}
	if *first[0].MessageId != *second[0].MessageId {
		t.Error("the message has another id")
	}
}

func changeVisibility(t *testing.T, c *api.Client) {
	url := queue(t, c, "", map[string]string{"VisibilityTimeout": "600"})
	send(t, c, url, "m")
	got := receive(t, c, url, 1)
	if _, err := c.ChangeMessageVisibility(t.Context(), &api.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 0}); err != nil {
		t.Fatal(err)
	}
	got = receive(t, c, url, 2)
	wantBodies(t, "given back", got, "m")
	out, err := c.ChangeMessageVisibilityBatch(t.Context(), &api.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
		{Id: aws.String("good"), ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 1},
		{Id: aws.String("bad"), ReceiptHandle: aws.String("nonsense"), VisibilityTimeout: 1},
	}})
	if err != nil || len(out.Successful) != 1 || *out.Successful[0].Id != "good" || len(out.Failed) != 1 || *out.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Fatalf("batch: got %+v, %v", out, err)
	}
	wantBodies(t, "after the shorter timeout", receive(t, c, url, 5), "m")
	_, err = c.ChangeMessageVisibility(t.Context(), &api.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 43_201})
	wantCode(t, "more than 12 h", err, "InvalidParameterValue")
}

func delay(t *testing.T, c *api.Client) {
	url := queue(t, c, "", nil)
	if _, err := c.SendMessage(t.Context(), &api.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("late"), DelaySeconds: 1}); err != nil {
		t.Fatal(err)
	}
	send(t, c, url, "now")
	wantBodies(t, "at once", receive(t, c, url, 0), "now")
	wantBodies(t, "after its delay", receive(t, c, url, 5), "late")
}

func queueDelay(t *testing.T, c *api.Client) {
	url := queue(t, c, "", map[string]string{"DelaySeconds": "1"})
	send(t, c, url, "m")
	wantBodies(t, "at once", receive(t, c, url, 0))
	wantBodies(t, "after the queue's delay", receive(t, c, url, 5), "m")
}

func longPollWoken(t *testing.T, c *api.Client) {
	url := queue(t, c, "", nil)
	got := make(chan []types.Message)
	go func() { got <- receive(t, c, url, 20) }()
	wantBodies(t, "a short poll beside it", receive(t, c, url, 0))
	start := time.Now()
	send(t, c, url, "m")
	wantBodies(t, "woken", <-got, "m")
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("woken after %v", took)
	}
}

func longPollEmpty(t *testing.T, c *api.Client) {
	url := queue(t, c, "", map[string]string{"ReceiveMessageWaitTimeSeconds": "1"})
	for name, wait := range map[string]int32{"of the request": 1, "of the queue": 0} {
		start := time.Now()
		wantBodies(t, name, receive(t, c, url, wait))
		if took := time.Since(start); took < time.Second || took > 4*time.Second {
			t.Errorf("wait %s: took %v, want 1 s", name, took)
		}
	}
}

func longPollRedelivery(t *testing.T, c *api.Client) {
	url := queue(t, c, "", nil)
	send(t, c, url, "m")
	out, err := c.ReceiveMessage(t.Context(), &api.ReceiveMessageInput{QueueUrl: &url, VisibilityTimeout: 1})
	if err != nil || len(out.Messages) != 1 {
		t.Fatalf("got %v, %v", out, err)
	}
	wantBodies(t, "came back while we waited", receive(t, c, url, 10), "m")
}

func deadLetters(t *testing.T, c *api.Client) {
	dead := queue(t, c, "-dead", nil)
	url := queue(t, c, "", map[string]string{
		"VisibilityTimeout": "600", "RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"2"}`, arn(t, c, dead)),
	})
	send(t, c, url, "poison")
	for range 2 {
		got := receive(t, c, url, 2)
		wantBodies(t, "before", got, "poison")
		if _, err := c.ChangeMessageVisibility(t.Context(), &api.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 0}); err != nil {
			t.Fatal(err)
		}
	}
	wantBodies(t, "third receipt", receive(t, c, url, 1))
	wantBodies(t, "dead letter", receive(t, c, dead, 2), "poison")
	wantBodies(t, "nothing is left", receive(t, c, url, 0))
}
