package ssm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"pagefree/internal/execution/target"
	"pagefree/internal/runbook"
)

// maxIDs is how many nodes SendCommand takes by id.
const maxIDs = 50

// Send asks SSM to run a job, once, and reports that it goes on. The nodes are
// counted before: more than the target's maxNodes, none at all, or one whose
// agent is too old, and nothing is sent.
//
// A node that is offline is sent to. What SSM says of a node lags by minutes,
// the one that just comes back is often the one to mend, and SSM delivers
// within Delivery or says that it could not. The preview shows who is offline.
func (t Target) Send(ctx context.Context, j target.Job) (target.Report, error) {
	if j.Document == nil {
		return target.Report{}, &target.Refused{Code: "document_missing", Reason: "the approved version has no SSM document"}
	}
	parameters, err := commandParameters(j.Values)
	if err != nil {
		return target.Report{}, err
	}
	nodes, err := t.list(ctx, j.Target)
	if err != nil {
		return target.Report{}, fmt.Errorf("%w: look at the nodes: %w", target.ErrNotSent, err)
	}
	if err := mayRun(j.Target, nodes); err != nil {
		return target.Report{}, err
	}
	in := &ssm.SendCommandInput{
		DocumentName: &j.Document.Name, DocumentVersion: &j.Document.Version,
		DocumentHash: &j.Document.Hash, DocumentHashType: types.DocumentHashTypeSha256,
		Comment: aws.String(comment(j.ExecutionID, j.Attempt)), Parameters: parameters,
		// How long it may take to deliver. How long it may run stands in the document.
		TimeoutSeconds: aws.Int32(int32(Delivery / time.Second)),
	}
	if t.Bucket != "" {
		in.OutputS3BucketName, in.OutputS3KeyPrefix = &t.Bucket, &t.Prefix
	}
	if j.Target.MaxConcurrency != "" {
		in.MaxConcurrency = &j.Target.MaxConcurrency
	}
	if j.Target.MaxErrors != "" {
		in.MaxErrors = &j.Target.MaxErrors
	}
	address(in, j.Target, nodes)
	return t.send(ctx, in)
}

// address names the nodes. Those that tags match are named by their ids, where
// SSM takes so many: between counting and sending, others may get the tag.
func address(in *ssm.SendCommandInput, to runbook.Target, nodes []node) {
	if len(to.Tags) == 0 {
		in.InstanceIds = to.InstanceIDs
		return
	}
	if len(nodes) <= maxIDs {
		for _, n := range nodes {
			in.InstanceIds = append(in.InstanceIds, n.ID)
		}
		return
	}
	for _, key := range slices.Sorted(maps.Keys(to.Tags)) {
		in.Targets = append(in.Targets, types.Target{Key: aws.String("tag:" + key), Values: to.Tags[key]})
	}
}

// mayRun refuses what must not be sent. A node that was named and that SSM does
// not list is left to SendCommand, whose word on it is the last one.
func mayRun(to runbook.Target, nodes []node) error {
	most := max(to.MaxNodes, 1)
	count := max(len(nodes), len(to.InstanceIDs))
	switch {
	case count > most:
		return &target.Refused{Code: "too_many_nodes", Reason: fmt.Sprintf("more than %d would run it", most)}
	case count == 0:
		return &target.Refused{Code: "no_nodes", Reason: "no managed node has these tags"}
	}
	for _, n := range nodes {
		if n.platform != types.PlatformTypeLinux { // it would skip the step, and SSM call that a success
			return &target.Refused{Code: "node_unsupported", Reason: n.ID + " is no Linux machine"}
		}
		if older(n.AgentVersion, minAgent) {
			return &target.Refused{Code: "agent_too_old", Reason: fmt.Sprintf("the SSM agent of %s is %s, and has to be %s or newer", n.ID, n.AgentVersion, minAgent)}
		}
	}
	return nil
}

// commandParameters are the values under the names and in the form of the
// document. What could be taken for a reference is refused once more: SSM
// itself would put a stored secret in its place.
func commandParameters(values map[string]any) (map[string][]string, error) {
	out := map[string][]string{}
	for name, v := range values {
		text := runbook.EnvValue(v)
		if strings.Contains(text, "{{") {
			return nil, &target.Refused{Code: string(runbook.ParameterInvalid), Reason: name + " holds {{, which SSM would resolve"}
		}
		out[parameterName(name)] = []string{given + text}
	}
	return out, nil
}

func (t Target) send(ctx context.Context, in *ssm.SendCommandInput) (target.Report, error) {
	// Before there is a connection, nothing can have been sent.
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	out, err := t.SSM.SendCommand(ctx, in, once)
	if err != nil {
		return target.Report{}, judge(err, connected.Load())
	}
	if out.Command == nil || aws.ToString(out.Command.CommandId) == "" {
		return target.Report{}, fmt.Errorf("%w: the answer names no command", target.ErrUnknown)
	}
	return target.Report{State: target.Running, Ref: *out.Command.CommandId}, nil
}

// once turns off the SDK's own retries.
func once(o *ssm.Options) {
	o.Retryer = aws.NopRetryer{}
	o.RetryMaxAttempts = 1
}

// refusals are answers after which no further try would run the job either.
// Source: the errors of SendCommand in the API's model. A hash that differs is
// an InvalidDocument, too. What SSM says besides is not shown: it may quote a
// parameter.
var refusals = map[string]target.Refused{
	"InvalidInstanceId":       {Code: "node_unknown", Reason: "a node is not registered with Systems Manager, or in no state to run anything"},
	"DuplicateInstanceId":     {Code: "node_unknown", Reason: "a node is named twice"},
	"UnsupportedPlatformType": {Code: "node_unsupported", Reason: "a node is no Linux machine"},
	"InvalidDocument":         {Code: "document_missing", Reason: "SSM has no such document, or with another content than was approved"},
	"InvalidDocumentVersion":  {Code: "document_missing", Reason: "SSM no longer has the version of the document that was approved"},
	"InvalidParameters":       {Code: "ssm_refused", Reason: "the parameters do not fit the document (InvalidParameters)"},
	"MaxDocumentSizeExceeded": {Code: "ssm_refused", Reason: "document and parameters are larger than 64 KB (MaxDocumentSizeExceeded)"},
	"InvalidOutputFolder":     {Code: "ssm_refused", Reason: "the bucket for output is not there (InvalidOutputFolder)"},
	"ValidationException":     {Code: "ssm_refused", Reason: "the request is malformed (ValidationException)"},
	"AccessDeniedException":   {Code: "ssm_refused", Reason: "PageFree has no right to send it there (AccessDeniedException)"},
}

// judge tells apart what an error of SendCommand says of the job.
func judge(err error, connected bool) error {
	if !connected {
		return fmt.Errorf("%w: %w", target.ErrNotSent, err)
	}
	code := ""
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	var answer *awshttp.ResponseError
	if !errors.As(err, &answer) || answer.HTTPStatusCode() < 400 || answer.HTTPStatusCode() >= http.StatusInternalServerError {
		return fmt.Errorf("%w: %s", target.ErrUnknown, brief(err, code))
	}
	if r, ok := refusals[code]; ok {
		return &r
	}
	return fmt.Errorf("%w: SSM answered %d %s", target.ErrNotSent, answer.HTTPStatusCode(), code) // ThrottlingException, ExpiredTokenException
}

// brief is an error without the words of the service.
func brief(err error, code string) string {
	if code != "" {
		return "SSM answered " + code
	}
	return err.Error()
}

// Cancel asks SSM to end a command, on all its nodes.
func (t Target) Cancel(ctx context.Context, s target.Sent) error {
	ref := s.Ref
	if ref == "" {
		c, err := t.find(ctx, s)
		if err != nil {
			return err
		}
		if c == nil {
			return fmt.Errorf("cancel %s: SSM knows of no command yet", comment(s.ExecutionID, s.Attempt))
		}
		ref = *c.CommandId
	}
	if _, err := t.SSM.CancelCommand(ctx, &ssm.CancelCommandInput{CommandId: &ref}); err != nil {
		return fmt.Errorf("cancel command %s: %w", ref, err)
	}
	return nil
}
