package sqs_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"pagefree/infra/local/sqs"
)

var onMoto = flag.Bool("moto", false, "run the conformance suite against moto's server instead of our own queues")

// TestConformance says what a queue does, to the SDK's own client. It runs against our queues, in a bubble where time
// costs nothing, and with -args -moto against an implementation that somebody else wrote, in real time.
func TestConformance(t *testing.T) {
	cases := map[string]func(*testing.T, *api.Client){
		"send, receive, delete":           sendReceiveDelete,
		"attributes and their MD5":        messageAttributes,
		"visibility timeout":              visibilityTimeout,
		"change of visibility":            changeVisibility,
		"delay":                           delay,
		"delay of the queue":              queueDelay,
		"long poll is woken by a message": longPollWoken,
		"long poll ends empty":            longPollEmpty,
		"long poll sees a message return": longPollRedelivery,
		"dead letters":                    deadLetters,
		"batches":                         batches,
		"batch errors":                    batchErrors,
		"errors":                          mistakes,
		"limits":                          limits,
		"queue attributes":                queueAttributes,
		"queues come and go":              queueLifecycle,
		"purge":                           purge,
		"receipt handles":                 receiptHandles,
	}
	endpoint := ""
	if *onMoto {
		endpoint = startMoto(t)
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			if *onMoto {
				t.Parallel()
				test(t, client(endpoint, http.DefaultClient))
				return
			}
			synctest.Test(t, func(t *testing.T) {
				service, err := sqs.Open(sqs.Options{Endpoint: "http://queues.test", Region: "us-east-1", AccountID: "000000000000"})
				if err != nil {
					t.Fatal(err)
				}
				test(t, client("http://queues.test", direct{service.Handler()}))
			})
		})
	}
}

// direct is an HTTP client without a network, which a bubble could not wait for.
type direct struct{ handler http.Handler }

func (d direct) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Result(), r.Context().Err()
}

func client(endpoint string, via aws.HTTPClient) *api.Client {
	return api.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &endpoint, HTTPClient: via,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
}

// queue makes a queue of its own for a case.
func queue(t *testing.T, c *api.Client, suffix string, attributes map[string]string) string {
	t.Helper()
	name := strings.NewReplacer("/", "-", "_", "-", ",", "").Replace(t.Name()) + suffix
	out, err := c.CreateQueue(t.Context(), &api.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl
}

func send(t *testing.T, c *api.Client, url, body string) {
	t.Helper()
	if _, err := c.SendMessage(t.Context(), &api.SendMessageInput{QueueUrl: &url, MessageBody: &body}); err != nil {
		t.Fatal(err)
	}
}

// receive polls for up to 10 messages, waiting at most so many seconds.
func receive(t *testing.T, c *api.Client, url string, wait int32) []types.Message {
	t.Helper()
	out, err := c.ReceiveMessage(t.Context(), &api.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: wait,
		MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

func bodies(list []types.Message) []string {
	var all []string
	for _, m := range list {
		all = append(all, *m.Body)
	}
	slices.Sort(all)
	return all
}

func wantBodies(t *testing.T, what string, got []types.Message, want ...string) {
	t.Helper()
	if !slices.Equal(bodies(got), want) {
		t.Fatalf("%s: got %q, want %q", what, bodies(got), want)
	}
}

func wantCode(t *testing.T, what string, err error, want string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != want {
		t.Errorf("%s: got %v, want the code %s", what, err, want)
	}
}

func arn(t *testing.T, c *api.Client, url string) string {
	t.Helper()
	out, err := c.GetQueueAttributes(t.Context(), &api.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes["QueueArn"]
}

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
