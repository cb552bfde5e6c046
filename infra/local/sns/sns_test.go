package sns_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"pagefree/infra/local/aws"
	"pagefree/infra/local/lambda"
	"pagefree/infra/local/sns"
	"pagefree/infra/local/template"
	"pagefree/internal/incident/hook"
	"pagefree/internal/platform/safehttp"
)

// world is the service behind the port that it has in the stack.
type world struct {
	t        *testing.T
	service  *sns.Service
	endpoint string
}

func open(t *testing.T, o sns.Options) world {
	t.Helper()
	if o.RetryAfter == nil {
		o.RetryAfter = []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond}
	}
	s, err := sns.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	front, err := aws.New(aws.Options{SNS: s})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	return world{t, s, server.URL}
}

// call makes a call of the Query protocol, and returns status and body.
func (w world) call(pairs ...string) (int, string) {
	w.t.Helper()
	form := url.Values{"Version": {"2010-03-31"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=operator/20261129/us-east-1/sns/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// between is the text of the first element of a name.
func between(body, name string) string {
	_, rest, _ := strings.Cut(body, "<"+name+">")
	value, _, _ := strings.Cut(rest, "</"+name+">")
	return value
}

// receiver takes what SNS posts.
type receiver struct {
	*httptest.Server
	got chan hook.Request

	mu       sync.Mutex
	statuses []int // answers to come, then 202
}

func receive(t *testing.T, statuses ...int) *receiver {
	t.Helper()
	r := &receiver{got: make(chan hook.Request, 100), statuses: statuses}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		status := http.StatusAccepted
		if len(r.statuses) > 0 {
			status, r.statuses = r.statuses[0], r.statuses[1:]
		}
		r.mu.Unlock()
		w.WriteHeader(status)
		r.got <- hook.Request{Header: req.Header, Body: body}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) next(t *testing.T) hook.Request {
	t.Helper()
	select {
	case req := <-r.got:
		return req
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		return hook.Request{}
	}
}

// TestAsPageFreeTakesIt: subscribe, confirm, publish, and what is posted is held against its signature by the product,
// which fetches the certificate from this port.
func TestAsPageFreeTakesIt(t *testing.T) {
	w, r := open(t, sns.Options{}), receive(t)
	_, body := w.call("Action", "CreateTopic", "Name", "alarms")
	topic := between(body, "TopicArn")
	if topic != "arn:aws:sns:us-east-1:000000000000:alarms" {
		t.Fatalf("got %s", body)
	}
	if _, body := w.call("Action", "Subscribe", "TopicArn", topic, "Protocol", "http", "Endpoint", r.URL+"/v1/hooks/int_1"); between(body, "SubscriptionArn") != "pending confirmation" {
		t.Fatalf("got %s", body)
	}
	provider, _ := hook.Of("cloudwatch")
	fetcher := hook.NewFetcher(safehttp.New(safehttp.Options{}), w.endpoint)
	verify := func(req hook.Request) error {
		_, err := provider.Verify(t.Context(), req, hook.Keys{TopicARN: topic, Certificates: fetcher.Certificate}, time.Now())
		return err
	}

	asked := r.next(t)
	if err := verify(asked); err != nil {
		t.Fatalf("the confirmation: %v", err)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/plain; charset=UTF-8", "X-Amz-Sns-Message-Type": "SubscriptionConfirmation", "X-Amz-Sns-Topic-Arn": topic, "X-Amz-Sns-Subscription-Arn": "",
	} {
		if got := asked.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if _, body := w.call("Action", "Publish", "TopicArn", topic, "Message", "to nobody yet"); between(body, "MessageId") == "" {
		t.Errorf("got %s", body)
	}
	c, ok := hook.ConfirmationOf(asked.Body)
	if !ok || c.TopicARN != topic || c.Region != "us-east-1" {
		t.Fatalf("got %+v, %v", c, ok)
	}
	if w.service.Subscribed(topic, r.URL+"/v1/hooks/int_1") {
		t.Error("it is subscribed before it has confirmed")
	}
	if err := fetcher.Confirm(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if !w.service.Subscribed(topic, r.URL+"/v1/hooks/int_1") {
		t.Error("it is not subscribed, and has confirmed")
	}
	if err := fetcher.Confirm(t.Context(), hook.Confirmation{TopicARN: topic, Token: "other", Region: "us-east-1"}); err == nil {
		t.Error("another token confirms")
	}

	const words = "Grüße <&>\n\u2028 \"x\" \\ 😀"
	for _, subject := range []string{"", "ALARM: \"orders-5xx\" <in> US East"} {
		_, body = w.call("Action", "Publish", "TopicArn", topic, "Subject", subject, "Message", words)
		got := r.next(t)
		if err := verify(got); err != nil {
			t.Errorf("subject %q: %v", subject, err)
		}
		var m map[string]string
		if err := json.Unmarshal(got.Body, &m); err != nil {
			t.Fatal(err)
		}
		if m["Message"] != words || m["Subject"] != subject || m["MessageId"] != between(body, "MessageId") || m["SignatureVersion"] != "2" ||
			m["Type"] != "Notification" || m["MessageId"] != got.Header.Get("X-Amz-Sns-Message-Id") || got.Header.Get("X-Amz-Sns-Subscription-Arn") == "" {
			t.Errorf("got %s and %v", got.Body, got.Header)
		}
		got.Body = []byte(strings.Replace(string(got.Body), "Gr", "gr", 1))
		if err := verify(got); err == nil {
			t.Error("a changed message is taken")
		}
	}

	// Version 1 is SHA-1, and is refused.
	if status, body := w.call("Action", "SetTopicAttributes", "TopicArn", topic, "AttributeName", "SignatureVersion", "AttributeValue", "1"); status != http.StatusOK {
		t.Fatal(body)
	}
	w.call("Action", "Publish", "TopicArn", topic, "Message", "old")
	if err := verify(r.next(t)); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("version 1: got %v", err)
	}
	if _, body := w.call("Action", "ListSubscriptionsByTopic", "TopicArn", topic); strings.Count(body, "<member>") != 1 || between(body, "Endpoint") != r.URL+"/v1/hooks/int_1" {
		t.Errorf("got %s", body)
	}
	_, body = w.call("Action", "ListSubscriptionsByTopic", "TopicArn", topic)
	w.call("Action", "Unsubscribe", "SubscriptionArn", between(body, "SubscriptionArn"))
	if w.service.Subscribed(topic, r.URL+"/v1/hooks/int_1") {
		t.Error("it is still subscribed")
	}
}

func TestRetries(t *testing.T) {
	tests := map[string]struct {
		statuses []int
		tries    int
	}{
		"taken at once":            {nil, 1},
		"after two failures":       {[]int{500, 503}, 3},
		"after too many requests":  {[]int{429}, 2},
		"given up":                 {[]int{500, 500, 500, 500, 500}, 4},
		"refused, and that is all": {[]int{401}, 1},
		"led elsewhere":            {[]int{302}, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, r := open(t, sns.Options{}), receive(t)
			topic, err := w.service.CreateTopic("alarms")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.service.Subscribe(topic, "http", r.URL); err != nil {
				t.Fatal(err)
			}
			c, ok := hook.ConfirmationOf(r.next(t).Body)
			if !ok {
				t.Fatal("no confirmation")
			}
			if _, err := w.service.Confirm(topic, c.Token); err != nil {
				t.Fatal(err)
			}
			r.mu.Lock()
			r.statuses = tt.statuses
			r.mu.Unlock()
			id, err := w.service.Publish(topic, "", "x")
			if err != nil {
				t.Fatal(err)
			}
			for range tt.tries {
				if got := r.next(t); got.Header.Get("X-Amz-Sns-Message-Id") != id {
					t.Errorf("another message came: %s", got.Body)
				}
			}
			if err := w.service.Close(); err != nil { // waits for what is under way
				t.Fatal(err)
			}
			if n := len(r.got); n != 0 {
				t.Errorf("it was tried %d times more", n)
			}
		})
	}
}

// invoker notes which functions were called.
type invoker struct{ calls []lambda.Request }

func (i *invoker) InvokeAsync(r lambda.Request) (string, error) {
	i.calls = append(i.calls, r)
	return "1", nil
}

const subscribed = `Resources:
  Bounces: {Type: AWS::SNS::Topic}
  Other: {Type: AWS::SNS::Topic, Properties: {TopicName: other}}
  Mail: {Type: AWS::SNS::Subscription, Properties: {TopicArn: !Ref Other, Protocol: email, Endpoint: a@b.test}}
  OneFunction:
    Type: AWS::Serverless::Function
    Properties: {Runtime: provided.al2023, Handler: bootstrap, CodeUri: functions/one, Events: {Bounced: {Type: SNS, Properties: {Topic: !Ref Bounces}}}}
  TwoFunction:
    Type: AWS::Serverless::Function
    Properties: {Runtime: provided.al2023, Handler: bootstrap, CodeUri: functions/two}
  Two: {Type: AWS::SNS::Subscription, Properties: {TopicArn: !Ref Other, Protocol: lambda, Endpoint: !GetAtt TwoFunction.Arn}}
`

func TestFunctions(t *testing.T) {
	tpl, err := template.Parse([]byte(subscribed), template.Options{StackName: "st"})
	if err != nil {
		t.Fatal(err)
	}
	functions := &invoker{}
	w := open(t, sns.Options{Template: tpl, Functions: functions})
	id, err := w.service.Publish(tpl.Topics["Bounces"].ARN, "", `{"notificationType":"Bounce"}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.Publish("arn:aws:sns:us-east-1:000000000000:other", "s", "m"); err != nil {
		t.Fatal(err)
	}
	if len(functions.calls) != 2 || functions.calls[0].Function != "OneFunction" || functions.calls[1].Function != "TwoFunction" {
		t.Fatalf("got %v", functions.calls)
	}
	var event struct {
		Records []struct {
			EventSource, EventVersion, EventSubscriptionArn string
			Sns                                             struct {
				Type, MessageID, TopicArn, Message, Timestamp, SignatureVersion, Signature, SigningCertURL string
				Subject                                                                                    *string
			}
		}
	}
	if err := json.Unmarshal(functions.calls[0].Payload, &event); err != nil {
		t.Fatal(err)
	}
	r := event.Records[0]
	if r.EventSource != "aws:sns" || r.EventVersion != "1.0" || r.Sns.MessageID != id || r.Sns.Message != `{"notificationType":"Bounce"}` || r.Sns.Subject != nil ||
		!strings.HasPrefix(r.EventSubscriptionArn, tpl.Topics["Bounces"].ARN+":") || r.Sns.Signature == "" {
		t.Errorf("got %s", functions.calls[0].Payload)
	}
	if err := json.Unmarshal(functions.calls[1].Payload, &event); err != nil || event.Records[0].Sns.Subject == nil {
		t.Errorf("got %s, %v", functions.calls[1].Payload, err)
	}
}

func TestRefusals(t *testing.T) {
	w := open(t, sns.Options{})
	topic, err := w.service.CreateTopic("alarms")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		pairs  []string
		status int
		code   string
	}{
		"no such action":         {[]string{"Action", "PublishBatch"}, 400, "InvalidAction"},
		"no such topic":          {[]string{"Action", "Publish", "TopicArn", topic + "x", "Message", "m"}, 404, "NotFound"},
		"no message":             {[]string{"Action", "Publish", "TopicArn", topic}, 400, "InvalidParameter"},
		"a message too long":     {[]string{"Action", "Publish", "TopicArn", topic, "Message", strings.Repeat("x", 256<<10+1)}, 400, "InvalidParameter"},
		"a subject too long":     {[]string{"Action", "Publish", "TopicArn", topic, "Message", "m", "Subject", strings.Repeat("x", 101)}, 400, "InvalidParameter"},
		"a subject of two lines": {[]string{"Action", "Publish", "TopicArn", topic, "Message", "m", "Subject", "a\nb"}, 400, "InvalidParameter"},
		"an endpoint elsewhere":  {[]string{"Action", "Subscribe", "TopicArn", topic, "Protocol", "https", "Endpoint", "https://example.com/"}, 400, "InvalidParameter"},
		"another protocol":       {[]string{"Action", "Subscribe", "TopicArn", topic, "Protocol", "https", "Endpoint", "http://127.0.0.1:1/"}, 400, "InvalidParameter"},
		"by mail":                {[]string{"Action", "Subscribe", "TopicArn", topic, "Protocol", "email", "Endpoint", "a@b.test"}, 400, "InvalidParameter"},
		"a topic without a name": {[]string{"Action", "CreateTopic", "Name", "a b"}, 400, "InvalidParameter"},
		"no token":               {[]string{"Action", "ConfirmSubscription", "TopicArn", topic, "Token", ""}, 400, "InvalidParameter"},
		"another attribute":      {[]string{"Action", "SetTopicAttributes", "TopicArn", topic, "AttributeName", "Policy"}, 400, "InvalidParameter"},
	}
	for name, tt := range tests {
		if status, body := w.call(tt.pairs...); status != tt.status || between(body, "Code") != tt.code {
			t.Errorf("%s: got %d %s", name, status, body)
		}
	}
	// Nobody publishes without credentials, and there is no other certificate.
	for path, want := range map[string]int{"/?Action=Publish&TopicArn=" + topic + "&Message=m": http.StatusForbidden, "/SimpleNotificationService-0.pem": http.StatusNotFound} {
		resp, err := http.Get(w.endpoint + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("GET %s: got %d, want %d", path, resp.StatusCode, want)
		}
	}
	fetcher := hook.NewFetcher(safehttp.New(safehttp.Options{}), w.endpoint)
	if _, err := fetcher.Certificate(t.Context(), "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem"); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a certificate that is not there: got %v", err)
	}
}
