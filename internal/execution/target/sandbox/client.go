package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptrace"
	"slices"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// Client invokes the sandbox functions, synchronously.
type Client struct {
	Invoke    *lambda.Client
	Functions map[Language]string // name or ARN by language
}

// Run runs a script and waits for its end: as long as its time limit, and a
// few seconds more for a cold start and the kill. An error is ErrNotSent or
// ErrUnknown, with its cause. A script that failed is no error.
func (c Client) Run(ctx context.Context, req Request) (Result, error) {
	req.Mode = protocol.Run
	return c.call(ctx, req)
}

// Check parses a script behind the same walls and runs nothing of it. The
// errors are those of Run; either way it may be tried again.
func (c Client) Check(ctx context.Context, language Language, script string) (Verdict, error) {
	res, err := c.call(ctx, Request{Language: language, Script: script, Mode: protocol.Check})
	if err != nil {
		return Verdict{}, err
	}
	if res.Check == nil {
		return Verdict{}, fmt.Errorf("%w: the function did not answer the check", ErrUnknown)
	}
	return *res.Check, nil
}

func (c Client) call(ctx context.Context, req Request) (Result, error) {
	function, ok := c.Functions[req.Language]
	if !ok {
		return Result{}, fmt.Errorf("%w: no function runs %q", ErrNotSent, req.Language)
	}
	// The function would refuse it, too, but that is a call and an alarm.
	if err := req.Validate(req.Language); err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	payload, err := json.Marshal(req)
	if err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	// Before there is a connection, nothing can have been sent.
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	out, err := c.Invoke.Invoke(ctx, &lambda.InvokeInput{
		FunctionName:   aws.String(function),
		InvocationType: types.InvocationTypeRequestResponse,
		Payload:        payload,
	}, once)
	if err != nil {
		if !connected.Load() || neverStarted(err) {
			return Result{}, fmt.Errorf("%w: %w", ErrNotSent, err)
		}
		return Result{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if out.FunctionError != nil {
		return Result{}, functionError(out.Payload)
	}
	var res Result
	if err := json.Unmarshal(out.Payload, &res); err != nil {
		return Result{}, fmt.Errorf("%w: read the answer: %w", ErrUnknown, err)
	}
	return res, nil
}

// once turns off the SDK's own retries.
func once(o *lambda.Options) {
	o.Retryer = aws.NopRetryer{}
	o.RetryMaxAttempts = 1
}

// setUpErrors are answers of the 500s that say why Lambda could not start a
// function. Source: the errors of Invoke in the Lambda API reference.
var setUpErrors = []string{
	"EC2AccessDeniedException", "EC2ThrottledException", "EC2UnexpectedException", "ENILimitReachedException",
	"InvalidRuntimeException", "InvalidSecurityGroupIDException", "InvalidSubnetIDException", "InvalidZipFileException",
	"KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException",
	"SubnetIPAddressLimitReachedException",
}

// neverStarted tells whether an answer says that no function was started: it
// was throttled, forbidden, too large, unknown, or could not be set up.
// Anything else of the 500s leaves it open.
func neverStarted(err error) bool {
	var api smithy.APIError
	if errors.As(err, &api) && slices.Contains(setUpErrors, api.ErrorCode()) {
		return true
	}
	var answer *awshttp.ResponseError
	return errors.As(err, &answer) && answer.HTTPStatusCode() >= 400 && answer.HTTPStatusCode() < 500
}

// functionError reads the error of a function. It ran nothing only if it says
// so itself; one that exited or was timed out says nothing.
func functionError(payload []byte) error {
	var said struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(payload, &said); err != nil {
		return fmt.Errorf("%w: the function failed, and its error cannot be read: %w", ErrUnknown, err)
	}
	if said.Type == protocol.NotRunType {
		return fmt.Errorf("%w: %w", ErrNotSent, &protocol.NotRun{Reason: said.Message})
	}
	return fmt.Errorf("%w: the function failed: %s: %s", ErrUnknown, cmp.Or(said.Type, "no type"), said.Message)
}
