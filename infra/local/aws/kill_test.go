package aws_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	front "pagefree/infra/local/aws"
	queues "pagefree/infra/local/sqs"
	"pagefree/infra/local/template"
)

// A caller's process is killed by whoever runs it; here that is only noted down.
func TestKill(t *testing.T) {
	tests := map[string]struct {
		do   front.Action
		sent int
	}{
		"before": {front.KillBefore, 0},
		"after":  {front.KillAfter, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			service, err := queues.Open(queues.Options{Region: "us-east-1", AccountID: "000000000000"})
			if err != nil {
				t.Fatal(err)
			}
			if err := service.Ensure(&template.Queue{Name: "q", Retention: 1 << 40, MaximumSize: 1024}); err != nil {
				t.Fatal(err)
			}
			arn := service.ARN("q")
			worker := &template.Function{LogicalID: "Worker", Name: "w", ARN: "arn:aws:lambda:us-east-1:000000000000:function:w", Statements: []template.Statement{
				{Effect: "Allow", Actions: []string{"sqs:SendMessage"}, Resources: []string{arn}},
			}}
			killed := make(chan string, 1)
			server, err := front.New(front.Options{
				Template: &template.Template{Region: "us-east-1", AccountID: "000000000000", Functions: map[string]*template.Function{"Worker": worker}},
				SQS:      service,
				Caller: func(key string) (front.Caller, bool) {
					return front.Caller{Function: worker, Instance: "one", RequestID: "r1"}, key == "LOCALone"
				},
				Kill: func(instance string) bool { killed <- instance; return true },
			})
			if err != nil {
				t.Fatal(err)
			}
			listener := httptest.NewServer(server)
			t.Cleanup(listener.Close)
			client := sqs.NewFromConfig(aws.Config{
				Region: "us-east-1", BaseEndpoint: &listener.URL, RetryMaxAttempts: 1,
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{AccessKeyID: "LOCALone", SecretAccessKey: "s"}, nil
				}),
			})
			server.Faults().Add(front.Fault{Function: "Worker", Service: "sqs", Do: test.do})
			_, err = client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String("http://queues/000000000000/q"), MessageBody: aws.String("m")})
			if err == nil || !strings.Contains(err.Error(), "EOF") {
				t.Errorf("got %v, want no answer", err)
			}
			if got := <-killed; got != "one" {
				t.Errorf("killed: got %q, want one", got)
			}
			if visible, _, _ := service.Depth(arn); visible != test.sent {
				t.Errorf("sent: got %d, want %d", visible, test.sent)
			}
			if n := server.Counts().Number(front.Call{Function: "Worker", RequestID: "r1", Operation: "SendMessage"}); n != 1 {
				t.Errorf("counted: got %d, want 1", n)
			}
		})
	}
}
