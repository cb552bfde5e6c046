package sqs_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"pagefree/infra/local/sqs"
	"pagefree/infra/local/template"
)

func open(t *testing.T, dir string) (*sqs.Service, *api.Client) {
	t.Helper()
	s, err := sqs.Open(sqs.Options{Dir: dir, Endpoint: "http://queues.test", Region: "us-east-1", AccountID: "000000000000"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, client("http://queues.test", direct{s.Handler()})
}

// What AWS does and moto does not, or not so.
func TestOwnBehaviour(t *testing.T) {
	tests := map[string]func(*testing.T, *sqs.Service, *api.Client){
		"an old receipt does not delete": func(t *testing.T, _ *sqs.Service, c *api.Client) {
			url := queue(t, c, "", map[string]string{"VisibilityTimeout": "1"})
			send(t, c, url, "m")
			old := receive(t, c, url, 0)
			wantBodies(t, "again", receive(t, c, url, 2), "m")
			if _, err := c.DeleteMessage(t.Context(), &api.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: old[0].ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
			wantBodies(t, "after the old receipt's delete", receive(t, c, url, 2), "m")
		},
		"a message that is not in flight cannot be hidden": func(t *testing.T, _ *sqs.Service, c *api.Client) {
			url := queue(t, c, "", map[string]string{"VisibilityTimeout": "1"})
			send(t, c, url, "m")
			got := receive(t, c, url, 0)
			time.Sleep(2 * time.Second)
			_, err := c.ChangeMessageVisibility(t.Context(), &api.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 5})
			wantCode(t, "hide", err, "AWS.SimpleQueueService.MessageNotInflight")
		},
		"12 h with a consumer are the end": func(t *testing.T, _ *sqs.Service, c *api.Client) {
			url := queue(t, c, "", map[string]string{"VisibilityTimeout": "43200"})
			send(t, c, url, "m")
			got := receive(t, c, url, 0)
			time.Sleep(time.Hour)
			_, err := c.ChangeMessageVisibility(t.Context(), &api.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 43_200})
			wantCode(t, "hide for 13 h", err, "InvalidParameterValue")
		},
		"retention ends a message": func(t *testing.T, _ *sqs.Service, c *api.Client) {
			url := queue(t, c, "", map[string]string{"MessageRetentionPeriod": "60"})
			send(t, c, url, "m")
			time.Sleep(time.Minute)
			wantBodies(t, "after a minute", receive(t, c, url, 0))
		},
		"a purge a minute": func(t *testing.T, _ *sqs.Service, c *api.Client) {
			url := queue(t, c, "", nil)
			time.Sleep(time.Minute)
			_, err := c.PurgeQueue(t.Context(), &api.PurgeQueueInput{QueueUrl: &url})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.PurgeQueue(t.Context(), &api.PurgeQueueInput{QueueUrl: &url})
			wantCode(t, "at once again", err, "AWS.SimpleQueueService.PurgeQueueInProgress")
		},
		"characters that XML has not": func(t *testing.T, _ *sqs.Service, c *api.Client) {
			url := queue(t, c, "", nil)
			_, err := c.SendMessage(t.Context(), &api.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("\x00")})
			wantCode(t, "NUL", err, "InvalidMessageContents")
		},
		"eleven attributes": func(t *testing.T, _ *sqs.Service, c *api.Client) {
			url := queue(t, c, "", nil)
			in := &api.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("m"), MessageAttributes: map[string]types.MessageAttributeValue{}}
			for i := range 11 {
				in.MessageAttributes[fmt.Sprint(i)] = types.MessageAttributeValue{DataType: aws.String("Number"), StringValue: aws.String("1")}
			}
			_, err := c.SendMessage(t.Context(), in)
			wantCode(t, "eleven", err, "InvalidParameterValue")
		},
		"a deleted queue ends its long polls": func(t *testing.T, _ *sqs.Service, c *api.Client) {
			url := queue(t, c, "", nil)
			ended := make(chan error)
			go func() {
				_, err := c.ReceiveMessage(t.Context(), &api.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
				ended <- err
			}()
			synctest.Wait()
			if _, err := c.DeleteQueue(t.Context(), &api.DeleteQueueInput{QueueUrl: &url}); err != nil {
				t.Fatal(err)
			}
			wantCode(t, "the poll", <-ended, "AWS.SimpleQueueService.NonExistentQueue")
		},
		"a poller that has gone takes nothing": func(t *testing.T, s *sqs.Service, c *api.Client) {
			url := queue(t, c, "", nil)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() {
				_, err := s.ReceiveMessage(ctx, &api.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
				ended <- err
			}()
			synctest.Wait()
			cancel()
			if err := <-ended; err == nil {
				t.Error("the poll that was given up: got no error")
			}
			send(t, c, url, "m")
			wantBodies(t, "the next poll", receive(t, c, url, 0), "m")
		},
		"dead letters go back where they came from": redriveBack,
		"there are no FIFO queues": func(t *testing.T, _ *sqs.Service, c *api.Client) {
			_, err := c.CreateQueue(t.Context(), &api.CreateQueueInput{QueueName: aws.String("q"), Attributes: map[string]string{"FifoQueue": "true"}})
			wantCode(t, "FIFO", err, "InvalidAttributeName")
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := open(t, "")
				test(t, s, c)
			})
		})
	}
}

func redriveBack(t *testing.T, s *sqs.Service, c *api.Client) {
	dead := queue(t, c, "-dead", nil)
	from := arn(t, c, dead)
	url := queue(t, c, "", map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1}`, from)})
	send(t, c, url, "poison")
	id := *receive(t, c, url, 0)[0].MessageId
	time.Sleep(time.Minute)
	wantBodies(t, "dead", receive(t, c, url, 0))
	if visible, _, _ := s.Depth(from); visible != 1 {
		t.Fatalf("depth of the dead-letter queue: got %d, want 1", visible)
	}
	if _, err := c.StartMessageMoveTask(t.Context(), &api.StartMessageMoveTaskInput{SourceArn: &from}); err != nil {
		t.Fatal(err)
	}
	got := receive(t, c, url, 0)
	wantBodies(t, "back", got, "poison")
	if *got[0].MessageId == id || got[0].Attributes["ApproximateReceiveCount"] != "1" {
		t.Errorf("redriven: got %+v, want a new message", got[0])
	}
	tasks, err := c.ListMessageMoveTasks(t.Context(), &api.ListMessageMoveTasksInput{SourceArn: &from})
	if err != nil || len(tasks.Results) != 1 || tasks.Results[0].ApproximateNumberOfMessagesMoved != 1 {
		t.Errorf("tasks: got %+v, %v", tasks, err)
	}
	alive := s.ARN(url[strings.LastIndexByte(url, '/')+1:])
	_, err = c.StartMessageMoveTask(t.Context(), &api.StartMessageMoveTaskInput{SourceArn: &alive})
	wantCode(t, "a queue that is nobody's dead-letter queue", err, "InvalidParameterValue")
}

func TestQueuesOfTheTemplate(t *testing.T) {
	dir := t.TempDir()
	s, c := open(t, dir)
	declared := template.Queue{Name: "jobs", Visibility: time.Minute, Retention: time.Hour, MaximumSize: 1 << 18}
	for _, visibility := range []time.Duration{time.Minute, time.Minute, time.Second} { // made, left alone, changed
		declared.Visibility = visibility
		if err := s.Ensure(&declared); err != nil {
			t.Fatal(err)
		}
	}
	url := s.URL("jobs")
	out, err := c.GetQueueAttributes(t.Context(), &api.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"VisibilityTimeout"}})
	if err != nil || out.Attributes["VisibilityTimeout"] != "1" {
		t.Errorf("got %+v, %v, want a visibility of 1 s", out, err)
	}
	if err := s.Ensure(&template.Queue{Name: "jobs.fifo", FIFO: true}); err == nil {
		t.Error("a FIFO queue: got no error")
	}
}

func TestMessagesStay(t *testing.T) {
	dir := t.TempDir()
	s, c := open(t, dir)
	url := queue(t, c, "", map[string]string{"VisibilityTimeout": "600"})
	for _, body := range []string{"taken", "deleted", "waiting"} {
		send(t, c, url, body)
	}
	take := func(c *api.Client) types.Message {
		out, err := c.ReceiveMessage(t.Context(), &api.ReceiveMessageInput{QueueUrl: &url})
		if err != nil || len(out.Messages) != 1 {
			t.Fatalf("got %v, %v, want a message", out, err)
		}
		return out.Messages[0]
	}
	taken, gone := take(c), take(c)
	if _, err := c.DeleteMessage(t.Context(), &api.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: gone.ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	torn, err := os.OpenFile(filepath.Join(dir, "sqs.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := torn.WriteString(`{"Op":"put","Queue":`); err != nil {
		t.Fatal(err)
	}
	if err := torn.Close(); err != nil {
		t.Fatal(err)
	}

	s, c = open(t, dir)
	if visible, inFlight, _ := s.Depth(arn(t, c, url)); visible != 1 || inFlight != 1 {
		t.Errorf("after a restart: got %d visible and %d in flight, want 1 and 1", visible, inFlight)
	}
	if _, err := c.DeleteMessage(t.Context(), &api.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: taken.ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	if m := take(c); *m.Body != "waiting" {
		t.Errorf("got %s, want the message that waited", *m.Body)
	}
	_, c = open(t, dir)
	wantBodies(t, "all are taken or deleted", receive(t, c, url, 0))
}

// TestKilled kills a process that sends as fast as it can, and looks for each message that was acknowledged to it.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("SQS_TEST_SENDER"); dir != "" {
		_, c := open(t, dir)
		url := queue(t, c, "", nil)
		for i := 0; ; i++ {
			body := fmt.Sprintf("%d %s", i, strings.Repeat("x", 1000))
			send(t, c, url, body)
			fmt.Printf("acknowledged %d\n", i)
		}
	}
	dir := t.TempDir()
	sender := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	sender.Env = append(os.Environ(), "SQS_TEST_SENDER="+dir)
	stdout, err := sender.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sender.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged := 0
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if bytes.HasPrefix(lines.Bytes(), []byte("acknowledged")) {
			acknowledged++
		}
		if acknowledged == 200 {
			if err := sender.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = sender.Wait() // it was killed
	s, c := open(t, dir)
	url := queue(t, c, "", nil)
	if visible, _, _ := s.Depth(arn(t, c, url)); visible < acknowledged || acknowledged < 200 {
		t.Errorf("got %d messages, want the %d that were acknowledged", visible, acknowledged)
	}
}

func TestConsumersShareTheMessages(t *testing.T) {
	s, c := open(t, t.TempDir())
	url := queue(t, c, "", nil)
	const messages = 200
	var consumers sync.WaitGroup
	got := make(chan string, 2*messages)
	for range 8 {
		consumers.Go(func() {
			for {
				out, err := s.ReceiveMessage(t.Context(), &api.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 3, WaitTimeSeconds: 1})
				if err != nil || len(out.Messages) == 0 {
					return
				}
				for _, m := range out.Messages {
					got <- *m.Body
					if _, err := s.DeleteMessage(t.Context(), &api.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for i := range messages {
		send(t, c, url, fmt.Sprint(i))
	}
	consumers.Wait()
	close(got)
	seen := map[string]int{}
	for body := range got {
		seen[body]++
	}
	if len(seen) != messages {
		t.Errorf("got %d different messages, want %d", len(seen), messages)
	}
	for body, n := range seen {
		if n != 1 {
			t.Errorf("message %s came %d times", body, n)
		}
	}
}
