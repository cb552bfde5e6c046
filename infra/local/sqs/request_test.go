package sqs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Cases of TestConformance: what a request may ask for.

func batches(t *testing.T, c *api.Client) {
	url := queue(t, c, "", nil)
	var entries []types.SendMessageBatchRequestEntry
	for i := range 10 {
		entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprintf("m-%d", i)), MessageBody: aws.String(fmt.Sprint(i))})
	}
	entries[9].DelaySeconds = 901
	sent, err := c.SendMessageBatch(t.Context(), &api.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
	if err != nil || len(sent.Successful) != 9 || len(sent.Failed) != 1 {
		t.Fatalf("got %+v, %v, want 9 sent and one refused", sent, err)
	}
	if f := sent.Failed[0]; *f.Id != "m-9" || *f.Code != "InvalidParameterValue" || !f.SenderFault {
		t.Errorf("refused: got %+v", f)
	}
	got := receive(t, c, url, 1)
	wantBodies(t, "received", got, "0", "1", "2", "3", "4", "5", "6", "7", "8")
	gone := []types.DeleteMessageBatchRequestEntry{{Id: aws.String("bad"), ReceiptHandle: aws.String("nonsense")}}
	for i, m := range got {
		gone = append(gone, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
	}
	deleted, err := c.DeleteMessageBatch(t.Context(), &api.DeleteMessageBatchInput{QueueUrl: &url, Entries: gone})
	if err != nil || len(deleted.Successful) != 9 || len(deleted.Failed) != 1 || *deleted.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Fatalf("deleted: got %+v, %v", deleted, err)
	}
}

func batchErrors(t *testing.T, c *api.Client) {
	url := queue(t, c, "", nil)
	entry := func(id string, size int) types.SendMessageBatchRequestEntry {
		return types.SendMessageBatchRequestEntry{Id: &id, MessageBody: aws.String(strings.Repeat("x", size))}
	}
	var eleven []types.SendMessageBatchRequestEntry
	for i := range 11 {
		eleven = append(eleven, entry(fmt.Sprint(i), 1))
	}
	tests := map[string]struct {
		entries []types.SendMessageBatchRequestEntry
		want    string
	}{
		"eleven":           {eleven, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"},
		"none":             {[]types.SendMessageBatchRequestEntry{}, "AWS.SimpleQueueService.EmptyBatchRequest"},
		"an id twice":      {[]types.SendMessageBatchRequestEntry{entry("a", 1), entry("a", 1)}, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"},
		"a strange id":     {[]types.SendMessageBatchRequestEntry{entry("a b", 1)}, "AWS.SimpleQueueService.InvalidBatchEntryId"},
		"1 MiB and a byte": {[]types.SendMessageBatchRequestEntry{entry("a", 1<<19), entry("b", 1<<19+1)}, "AWS.SimpleQueueService.BatchRequestTooLong"},
	}
	for name, test := range tests {
		_, err := c.SendMessageBatch(t.Context(), &api.SendMessageBatchInput{QueueUrl: &url, Entries: test.entries})
		wantCode(t, name, err, test.want)
	}
	wantBodies(t, "nothing was sent", receive(t, c, url, 0))
}

func mistakes(t *testing.T, c *api.Client) {
	url := queue(t, c, "", nil)
	nowhere := url + "-nowhere"
	const noQueue = "AWS.SimpleQueueService.NonExistentQueue"
	tests := map[string]struct {
		do   func() error
		want string
	}{
		"send to no queue": {func() error {
			_, err := c.SendMessage(t.Context(), &api.SendMessageInput{QueueUrl: &nowhere, MessageBody: aws.String("m")})
			return err
		}, noQueue},
		"receive from no queue": {func() error {
			_, err := c.ReceiveMessage(t.Context(), &api.ReceiveMessageInput{QueueUrl: &nowhere})
			return err
		}, noQueue},
		"URL of no queue": {func() error {
			_, err := c.GetQueueUrl(t.Context(), &api.GetQueueUrlInput{QueueName: aws.String("nowhere")})
			return err
		}, noQueue},
		"delete with nonsense": {func() error {
			_, err := c.DeleteMessage(t.Context(), &api.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: aws.String("nonsense")})
			return err
		}, "ReceiptHandleIsInvalid"},
		"eleven messages": {func() error {
			_, err := c.ReceiveMessage(t.Context(), &api.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 11})
			return err
		}, "InvalidParameterValue"},
		"a wait of 21 s": {func() error {
			_, err := c.ReceiveMessage(t.Context(), &api.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 21})
			return err
		}, "InvalidParameterValue"},
		"a delay of 901 s": {func() error {
			_, err := c.SendMessage(t.Context(), &api.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("m"), DelaySeconds: 901})
			return err
		}, "InvalidParameterValue"},
		"an unknown attribute": {func() error {
			_, err := c.GetQueueAttributes(t.Context(), &api.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"Colour"}})
			return err
		}, "InvalidAttributeName"},
		"a strange name": {func() error {
			_, err := c.CreateQueue(t.Context(), &api.CreateQueueInput{QueueName: aws.String("a b")})
			return err
		}, "InvalidParameterValue"},
		"an attribute without a type": {func() error {
			_, err := c.SendMessage(t.Context(), &api.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("m"), MessageAttributes: map[string]types.MessageAttributeValue{
				"a": {DataType: aws.String("Text"), StringValue: aws.String("v")},
			}})
			return err
		}, "InvalidParameterValue"},
	}
	for name, test := range tests {
		wantCode(t, name, test.do(), test.want)
	}
}

func limits(t *testing.T, c *api.Client) {
	url := queue(t, c, "", nil)
	_, err := c.SendMessage(t.Context(), &api.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", 1<<20))})
	if err != nil {
		t.Errorf("1 MiB: %v", err)
	}
	_, err = c.SendMessage(t.Context(), &api.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", 1<<20+1))})
	wantCode(t, "1 MiB and a byte", err, "InvalidParameterValue")
	small := queue(t, c, "-small", map[string]string{"MaximumMessageSize": "1024"})
	_, err = c.SendMessage(t.Context(), &api.SendMessageInput{QueueUrl: &small, MessageBody: aws.String(strings.Repeat("x", 1025))})
	wantCode(t, "more than the queue's own limit", err, "InvalidParameterValue")
	for size, want := range map[string]string{"1023": "InvalidAttributeValue", "1048577": "InvalidAttributeValue"} {
		_, err = c.CreateQueue(t.Context(), &api.CreateQueueInput{QueueName: aws.String("never"), Attributes: map[string]string{"MaximumMessageSize": size}})
		wantCode(t, "a limit of "+size, err, want)
	}
}

func queueAttributes(t *testing.T, c *api.Client) {
	url := queue(t, c, "", nil)
	all := func() map[string]string {
		out, err := c.GetQueueAttributes(t.Context(), &api.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"}})
		if err != nil {
			t.Fatal(err)
		}
		return out.Attributes
	}
	want := map[string]string{
		"VisibilityTimeout": "30", "DelaySeconds": "0", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0",
		"MaximumMessageSize": "1048576", "ApproximateNumberOfMessages": "0",
	}
	for name, value := range want {
		if got := all()[name]; got != value {
			t.Errorf("%s: got %s, want %s", name, got, value)
		}
	}
	if _, err := c.SetQueueAttributes(t.Context(), &api.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"VisibilityTimeout": "77"}}); err != nil {
		t.Fatal(err)
	}
	if got := all()["VisibilityTimeout"]; got != "77" {
		t.Errorf("set: got %s, want 77", got)
	}
	send(t, c, url, "a")
	send(t, c, url, "b")
	if _, err := c.SendMessage(t.Context(), &api.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("late"), DelaySeconds: 900}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReceiveMessage(t.Context(), &api.ReceiveMessageInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"ApproximateNumberOfMessages": "1", "ApproximateNumberOfMessagesNotVisible": "1", "ApproximateNumberOfMessagesDelayed": "1"} {
		if got := all()[name]; got != value {
			t.Errorf("%s: got %s, want %s", name, got, value)
		}
	}
}

func queueLifecycle(t *testing.T, c *api.Client) {
	url := queue(t, c, "", map[string]string{"VisibilityTimeout": "40"})
	if again := queue(t, c, "", map[string]string{"VisibilityTimeout": "40"}); again != url {
		t.Errorf("made twice: got %s, want %s", again, url)
	}
	name := url[strings.LastIndexByte(url, '/')+1:]
	_, err := c.CreateQueue(t.Context(), &api.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"VisibilityTimeout": "41"}})
	wantCode(t, "made otherwise", err, "QueueAlreadyExists")
	list, err := c.ListQueues(t.Context(), &api.ListQueuesInput{QueueNamePrefix: &name})
	if err != nil || !slices.Equal(list.QueueUrls, []string{url}) {
		t.Errorf("list: got %v, %v, want %s", list, err, url)
	}
	if _, err := c.DeleteQueue(t.Context(), &api.DeleteQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetQueueUrl(t.Context(), &api.GetQueueUrlInput{QueueName: &name})
	wantCode(t, "deleted", err, "AWS.SimpleQueueService.NonExistentQueue")
}

func purge(t *testing.T, c *api.Client) {
	url := queue(t, c, "", nil)
	send(t, c, url, "m")
	if _, err := c.PurgeQueue(t.Context(), &api.PurgeQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	wantBodies(t, "purged", receive(t, c, url, 0))
}

func receiptHandles(t *testing.T, c *api.Client) {
	url := queue(t, c, "", map[string]string{"VisibilityTimeout": "1"})
	send(t, c, url, "m")
	wantBodies(t, "first", receive(t, c, url, 1), "m")
	got := receive(t, c, url, 5)
	wantBodies(t, "again", got, "m")
	if _, err := c.DeleteMessage(t.Context(), &api.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: got[0].ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	wantBodies(t, "deleted by its latest receipt", receive(t, c, url, 2))
}
