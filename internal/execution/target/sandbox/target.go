package sandbox

import (
	"context"
	"errors"
	"fmt"

	"pagefree/internal/execution/target"
	"pagefree/internal/execution/target/sandbox/protocol"
)

// Runner runs a script and waits for its end, as Client does.
type Runner interface {
	Run(ctx context.Context, req Request) (Result, error)
}

// Target is the sandbox as a target: what is sent has ended when Send returns.
type Target struct{ Runner Runner }

// Send runs a job. Its report is an end; its errors are those of Sender.
func (t Target) Send(ctx context.Context, j target.Job) (target.Report, error) {
	res, err := t.Runner.Run(ctx, Request{
		ExecutionID: j.ExecutionID, Attempt: j.Attempt, Nonce: j.Nonce, Language: Language(j.Language), Script: j.Script,
		Env: j.Env, TimeoutSeconds: int(j.Timeout.Seconds()),
	})
	if refusal, is := errors.AsType[*protocol.NotRun](err); is { // it would be refused again
		return target.Report{}, fmt.Errorf("%w: %w", &target.Refused{Code: "sandbox_refused", Reason: refusal.Reason}, err)
	}
	if err != nil {
		return target.Report{}, err
	}
	return report(res), nil
}

// report is what a sandbox's result says in the words of all targets.
func report(res Result) target.Report {
	r := target.Report{
		State: target.Completed, ExitCode: res.ExitCode, Error: res.Error,
		Output: target.Output{Stdout: res.Stdout, Stderr: res.Stderr, StdoutTruncated: res.StdoutTruncated, StderrTruncated: res.StderrTruncated},
	}
	switch {
	case res.TimedOut:
		r.State, r.ExitCode = target.TimedOut, nil
		if r.Error == "" {
			r.Error = "timeout"
		}
	case res.ExitCode == nil:
		r.State = target.Failed
	case *res.ExitCode != 0:
		r.State = target.Failed
		if r.Error == "" {
			r.Error = fmt.Sprintf("exit code %d", *res.ExitCode)
		}
	}
	return r
}
