// Package webhook is the target that asks somebody else to do the work: it
// posts a job to a URL in the shape that the receiver knows (a generic one,
// AWX's job templates, Rundeck's jobs). Package notice reads what AWX and
// Rundeck tell of its end.
//
// A request is sent once. What certainly never left is target.ErrNotSent, what
// may have arrived and was not answered is target.ErrUnknown or a timeout.
// No header, secret, token, parameter or query stands in what it reports; what
// the receiver echoes of token, secrets and secret parameters is masked.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"pagefree/internal/execution/target"
	"pagefree/internal/platform/safehttp"
)

// Presets of a target, as the HTTP contract names them.
const (
	generic = "generic"
	awx     = "awx"
	rundeck = "rundeck"
)

// acceptWithin is how long an asynchronous receiver may take to accept a job.
const acceptWithin = 30 * time.Second

// Codes of refusals, besides address_forbidden.
const (
	secretMissing    = "secret_missing"
	secretInvalid    = "secret_invalid"
	headerForbidden  = "header_forbidden"
	parameterInvalid = "parameter_invalid"
	presetUnknown    = "preset_unknown"
)

// Sender sends jobs to webhooks.
type Sender struct {
	Client *safehttp.Client
	Now    func() time.Time // for the signature
}

var _ target.Sender = Sender{}

// Send posts a job. A synchronous one is over when the answer is there; an
// asynchronous one is RUNNING once it was accepted, and its callback ends it.
func (s Sender) Send(ctx context.Context, j target.Job) (target.Report, error) {
	body, err := requestBody(j)
	if err != nil {
		return target.Report{}, err
	}
	header, err := headers(j, body, s.Now())
	if err != nil {
		return target.Report{}, err
	}
	within := j.Timeout
	if j.Target.Async {
		within = min(within, acceptWithin)
	}
	hide := masker(j)
	answer, err := s.Client.Do(ctx, safehttp.Request{
		URL: j.Target.URL, Header: header, Body: body, Timeout: within,
		Limit: target.MaxOutput + hide.Longest(), // so that no secret lies across the cut
	})
	if err != nil {
		return unanswered(ctx, j, answer, err, within, hide)
	}
	return answered(j, answer, hide), nil
}

// unanswered tells what no answer, or half of one, says of a job.
func unanswered(ctx context.Context, j target.Job, a safehttp.Answer, err error, within time.Duration, hide target.Mask) (target.Report, error) {
	if f, ok := errors.AsType[*safehttp.Forbidden](err); ok {
		return target.Report{}, &target.Refused{Code: string(safehttp.AddressForbidden), Reason: f.Reason}
	}
	switch {
	case errors.Is(err, safehttp.ErrNotSent):
		return target.Report{}, fmt.Errorf("%w: %w", target.ErrNotSent, err)
	case a.Status != 0 && (a.Status < 200 || a.Status > 299 || j.Target.Async):
		return answered(j, a, hide), nil // the status alone decides
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && !j.Target.Async:
		return target.Report{
			State: target.TimedOut, Output: output(a, hide),
			Error: fmt.Sprintf("the receiver did not answer within %d s", int(within.Seconds())),
		}, nil
	}
	return target.Report{}, fmt.Errorf("%w: %w", target.ErrUnknown, err)
}

// accepts are the statuses by which a receiver takes an asynchronous job: 202
// by the contract, and what AWX (201 with the job) and Rundeck (200 with the
// execution) answer a launch by.
var accepts = map[string][]int{
	generic: {http.StatusAccepted},
	awx:     {http.StatusOK, http.StatusCreated, http.StatusAccepted},
	rundeck: {http.StatusOK, http.StatusCreated, http.StatusAccepted},
}

// answered tells what an answer says of a job.
func answered(j target.Job, a safehttp.Answer, hide target.Mask) target.Report {
	failed := target.Report{State: target.Failed, Error: fmt.Sprintf("http %d", a.Status), Output: output(a, hide)}
	if a.Status < 200 || a.Status > 299 {
		return failed
	}
	said := readLaunch(a.Body)
	if j.Target.Preset == awx && said.ignored() {
		return target.Report{
			State: target.Unknown, Ref: said.ref(), Output: failed.Output,
			Error: "AWX started the job without its variables: let the template prompt for them on launch (ask_variables_on_launch)",
		}
	}
	if !j.Target.Async {
		return target.Report{State: target.Completed, Ref: said.ref(), Output: failed.Output}
	}
	if !slices.Contains(accepts[j.Target.Preset], a.Status) {
		failed.Error += ": the job was not accepted" + map[string]string{generic: ", which is said by 202"}[j.Target.Preset]
		return failed
	}
	return target.Report{State: target.Running, Ref: said.ref()}
}
