package sqs_test

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

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
