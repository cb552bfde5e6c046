package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// clientOf gives a Client of the endpoint, with the SDK's usual retries.
func clientOf(endpoint string) Client {
	return Client{
		Invoke: lambda.NewFromConfig(aws.Config{
			Region:       "eu-central-1",
			BaseEndpoint: aws.String(endpoint),
			Credentials:  credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
		}),
		Functions: map[Language]string{Bash: "sandbox-bash"},
	}
}

// lambdaService answers every request with answer, and counts them.
func lambdaService(t *testing.T, answer http.HandlerFunc) (Client, *atomic.Int32) {
	t.Helper()
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return clientOf(server.URL), &calls
}

var request = Request{ExecutionID: "ex_1", Attempt: 1, Nonce: "n", Language: Bash, Script: "echo hi", TimeoutSeconds: 60}

func apiError(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Errortype", code)
		w.WriteHeader(status)
		io.WriteString(w, `{"message":"as it says"}`)
	}
}

func functionFails(payload string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		io.WriteString(w, payload)
	}
}

// cut ends the connection without an answer, once the request has come.
func cut(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

func TestRunGivesTheResult(t *testing.T) {
	t.Parallel()
	var got struct {
		path, kind string
		body       map[string]any
	}
	client, calls := lambdaService(t, func(w http.ResponseWriter, r *http.Request) {
		got.path, got.kind = r.URL.Path, r.Header.Get("X-Amz-Invocation-Type")
		json.NewDecoder(r.Body).Decode(&got.body)
		io.WriteString(w, `{"exitCode":3,"stdout":"hi\n","stderr":"","timedOut":false,"durationMs":12,"confinement":{"seccomp":true}}`)
	})
	res, err := client.Run(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if res.ExitCode == nil || *res.ExitCode != 3 || res.Stdout != "hi\n" || res.DurationMs != 12 || !res.Confinement.Seccomp {
		t.Errorf("got %+v", res)
	}
	if got.path != "/2015-03-31/functions/sandbox-bash/invocations" || got.kind != "RequestResponse" {
		t.Errorf("asked %s as %s", got.path, got.kind)
	}
	if got.body["script"] != "echo hi" || got.body["mode"] != "run" || got.body["nonce"] != "n" || calls.Load() != 1 {
		t.Errorf("sent %v, %d times", got.body, calls.Load())
	}
}

func TestCheckGivesTheVerdict(t *testing.T) {
	t.Parallel()
	client, _ := lambdaService(t, func(w http.ResponseWriter, r *http.Request) {
		var req Request
		if json.NewDecoder(r.Body).Decode(&req); req.Mode != protocol.Check {
			t.Errorf("sent mode %q", req.Mode)
		}
		io.WriteString(w, `{"exitCode":null,"check":{"ok":false,"line":2,"message":"no"}}`)
	})
	if got, err := client.Check(t.Context(), Bash, "x\n("); err != nil || got != (Verdict{Line: 2, Message: "no"}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestErrorsTellWhetherItMayHaveRun(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"throttled":                     {apiError(429, "TooManyRequestsException"), ErrNotSent},
		"no such function":              {apiError(404, "ResourceNotFoundException"), ErrNotSent},
		"forbidden":                     {apiError(403, "AccessDeniedException"), ErrNotSent},
		"expired credentials":           {apiError(403, "ExpiredTokenException"), ErrNotSent},
		"too large":                     {apiError(413, "RequestTooLargeException"), ErrNotSent},
		"being created":                 {apiError(409, "ResourceConflictException"), ErrNotSent},
		"no address for it":             {apiError(502, "SubnetIPAddressLimitReachedException"), ErrNotSent},
		"its variables cannot be read":  {apiError(502, "KMSAccessDeniedException"), ErrNotSent},
		"an internal error":             {apiError(500, "ServiceException"), ErrUnknown},
		"a gateway's error":             {apiError(502, ""), ErrUnknown},
		"unavailable":                   {apiError(503, "ServiceUnavailableException"), ErrUnknown},
		"the connection ends":           {cut, ErrUnknown},
		"it refused":                    {functionFails(`{"errorType":"NotRun","errorMessage":"no bash here"}`), ErrNotSent},
		"it exited":                     {functionFails(`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: x Error: Runtime exited"}`), ErrUnknown},
		"it was timed out":              {functionFails(`{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: x Error: Task timed out after 3.00 seconds"}`), ErrUnknown},
		"it was timed out, older":       {functionFails(`{"errorMessage":"2026-01-01 Task timed out after 3.00 seconds"}`), ErrUnknown},
		"it panicked":                   {functionFails(`{"errorType":"errorString","errorMessage":"NotRun"}`), ErrUnknown},
		"it failed in no known way":     {functionFails(`oops`), ErrUnknown},
		"an answer that cannot be read": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{") }, ErrUnknown},
		"half an answer, then no more": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			io.WriteString(w, "{")
		}, ErrUnknown},
		"an answer without any contents": {func(http.ResponseWriter, *http.Request) {}, ErrUnknown},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, calls := lambdaService(t, test.answer)
			_, err := client.Run(t.Context(), request)
			other := ErrUnknown
			if test.want == ErrUnknown {
				other = ErrNotSent
			}
			if !errors.Is(err, test.want) || errors.Is(err, other) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if calls.Load() != 1 {
				t.Errorf("%d requests, want one", calls.Load())
			}
		})
	}
}

func TestARefusalKeepsItsReason(t *testing.T) {
	t.Parallel()
	client, _ := lambdaService(t, functionFails(`{"errorType":"NotRun","errorMessage":"bash is not installed here"}`))
	_, err := client.Run(t.Context(), request)
	var notRun *protocol.NotRun
	if !errors.As(err, &notRun) || notRun.Reason != "bash is not installed here" {
		t.Errorf("got %v", err)
	}
}

func TestWhatNeverLeft(t *testing.T) {
	t.Parallel()
	client, calls := lambdaService(t, func(http.ResponseWriter, *http.Request) {})
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	with := func(change func(*Request)) Request {
		r := request
		change(&r)
		return r
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	tests := map[string]struct {
		client Client
		ctx    context.Context
		req    Request
	}{
		"nobody listens":           {clientOf("http://" + closed.Addr().String()), t.Context(), request},
		"no such host":             {clientOf("http://lambda.invalid"), t.Context(), request},
		"cancelled before":         {client, cancelled, request},
		"a language without":       {client, t.Context(), with(func(r *Request) { r.Language = Python })},
		"a NUL":                    {client, t.Context(), with(func(r *Request) { r.Script = "\x00" })},
		"a script that is too big": {client, t.Context(), with(func(r *Request) { r.Script = strings.Repeat("x", 50_000) })},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := test.client.Run(test.ctx, test.req)
			if !errors.Is(err, ErrNotSent) || errors.Is(err, ErrUnknown) {
				t.Errorf("got %v, want %v", err, ErrNotSent)
			}
		})
	}
	if calls.Load() != 0 {
		t.Errorf("%d requests left", calls.Load())
	}
}

func TestGivingUpWaitingLeavesItOpen(t *testing.T) {
	t.Parallel()
	came := make(chan struct{})
	client, _ := lambdaService(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // so that the server sees the connection end
		close(came)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() { <-came; cancel() }()
	if _, err := client.Run(ctx, request); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v, want %v", err, ErrUnknown)
	}
}

// TestAKeptConnectionIsNoReasonToSendTwice: net/http sends some requests
// again when a connection that it had kept turns out to be closed.
func TestAKeptConnectionIsNoReasonToSendTwice(t *testing.T) {
	t.Parallel()
	var second atomic.Bool
	client, calls := lambdaService(t, func(w http.ResponseWriter, r *http.Request) {
		if second.Swap(true) {
			cut(w, r)
			return
		}
		io.WriteString(w, `{"exitCode":0}`)
	})
	if _, err := client.Run(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Run(t.Context(), request); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v, want %v", err, ErrUnknown)
	}
	if calls.Load() != 2 {
		t.Errorf("%d requests for two runs", calls.Load())
	}
}
