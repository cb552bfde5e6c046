package lambda

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"pagefree/infra/local/template"
)

func newClient(t *testing.T, s *Service) *sdk.Client {
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return sdk.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "LOCALProbe.1", SecretAccessKey: "s"}, nil
		}),
	})
}

// TestSDKInvokes holds the wire protocol against the SDK's own client.
func TestSDKInvokes(t *testing.T) {
	client := newClient(t, newService(t, nil))
	for _, name := range []string{"st-Probe", "arn:aws:lambda:us-east-1:000000000000:function:st-Probe", "000000000000:function:st-Probe"} {
		out, err := client.Invoke(context.Background(), &sdk.InvokeInput{FunctionName: &name, Payload: []byte(`{"Do":"big","N":2}`)})
		if err != nil || string(out.Payload) != `"xx"` || out.FunctionError != nil || aws.ToString(out.ExecutedVersion) != "$LATEST" {
			t.Errorf("%s: got %+v, %v", name, out, err)
		}
	}
	out, err := client.Invoke(context.Background(), &sdk.InvokeInput{
		FunctionName: aws.String("st-Probe"), Payload: []byte(`{"Do":"error","Text":"no"}`), LogType: types.LogTypeTail,
	})
	if err != nil || aws.ToString(out.FunctionError) != "Unhandled" || !strings.Contains(string(out.Payload), `"errorMessage":"no"`) {
		t.Errorf("got %+v, %v", out, err)
	}
	if _, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult)); err != nil {
		t.Error(err)
	}
	dry, err := client.Invoke(context.Background(), &sdk.InvokeInput{FunctionName: aws.String("st-Probe"), InvocationType: types.InvocationTypeDryRun})
	if err != nil || dry.StatusCode != 204 {
		t.Errorf("dry run: got %+v, %v", dry, err)
	}
}

func TestSDKErrors(t *testing.T) {
	s := newService(t, func(f *template.Function, _ *Options) { f.MaxConcurrency = 1 })
	client := newClient(t, s)
	call := func(name string, payload []byte) error {
		_, err := client.Invoke(context.Background(), &sdk.InvokeInput{FunctionName: &name, Payload: payload})
		return err
	}
	if err := call("st-Nobody", nil); !errors.As(err, new(*types.ResourceNotFoundException)) {
		t.Errorf("unknown function: got %v", err)
	}
	if err := call("st-Probe", []byte("{")); !errors.As(err, new(*types.InvalidRequestContentException)) {
		t.Errorf("no JSON: got %v", err)
	}
	if err := call("st-Probe", []byte(`"`+strings.Repeat("x", MaxPayload)+`"`)); !errors.As(err, new(*types.RequestTooLargeException)) {
		t.Errorf("too large: got %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = call("st-Probe", []byte(`{"Do":"sleep","N":400}`))
	}()
	waitFor(t, func() bool { c, _ := s.Caller("LOCALProbe.1"); return c.RequestID != "" })
	if err := call("st-Probe", nil); !errors.As(err, new(*types.TooManyRequestsException)) {
		t.Errorf("over the reserved concurrency: got %v", err)
	}
	<-done
	if _, err := client.ListFunctions(context.Background(), &sdk.ListFunctionsInput{}); err == nil || !strings.Contains(err.Error(), "UnknownOperationException") {
		t.Errorf("an operation that is not served: got %v", err)
	}
}

func TestEventIsRetriedTwice(t *testing.T) {
	s := newService(t, func(_ *template.Function, o *Options) {
		o.RetryAfter = []time.Duration{time.Millisecond, time.Millisecond}
	})
	out, err := newClient(t, s).Invoke(context.Background(), &sdk.InvokeInput{
		FunctionName: aws.String("st-Probe"), Payload: []byte(`{"Do":"error","Text":"again"}`), InvocationType: types.InvocationTypeEvent,
	})
	if err != nil || out.StatusCode != 202 {
		t.Fatalf("got %+v, %v", out, err)
	}
	waitFor(t, func() bool { return strings.Count(strings.Join(s.Logs("Probe"), "\n"), `"errorMessage":"again"`) == 3 })
}
