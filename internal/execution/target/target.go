// Package target is what the places where scripts run have in common: what
// they are asked, and what they report. Each place is a package below.
//
// A job is sent once. Whoever sends it tells apart a request that certainly
// never left (ErrNotSent) from one whose fate is unknown (ErrUnknown); every
// other end is a Report.
package target

import (
	"context"
	"errors"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/runbook"
)

var (
	// ErrNotSent: nothing of the job has run, and it may be sent again.
	ErrNotSent = errors.New("the script was not run")
	// ErrUnknown: the job may have run, whole, in part or not at all.
	ErrUnknown = errors.New("whether the script ran is unknown")
)

// Refused is a job that certainly did not run, and that no further try would
// run either. Code is what the execution's error begins with, such as
// address_forbidden or too_many_nodes.
type Refused struct {
	Code   string
	Reason string // for people; no secret and no parameter stands in it
}

func (r *Refused) Error() string {
	if r.Reason == "" {
		return r.Code
	}
	return r.Code + ": " + r.Reason
}

// Job is one attempt of one execution.
type Job struct {
	ExecutionID  string
	Attempt      int    // from 1
	Nonce        string // of the claim: another one with each attempt
	Depth        int    // how many workflows stand behind it
	Runbook      Runbook
	Incident     *incident.Incident
	Language     string // as in runbook.Version
	Script       string
	Values       map[string]any    // by parameter name, typed: string, float64, bool
	Env          map[string]string // the same as PF_<NAME>
	Confidential []string          // values of secret parameters, as in Env: what comes back of them is masked
	Timeout      time.Duration     // 5 s to 300 s
	Target       runbook.Target    // never a named one
	Document     *runbook.Document // for ssm
	Callback     Callback          // for webhook
	Secrets      map[string]string // by name: those that Target's headers and SignWith name
}

// Runbook is what a job tells of the runbook that it belongs to.
type Runbook struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version int    `json:"version"`
}

// Callback is where a webhook's receiver reports to, and by which token.
type Callback struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

// State is how far a job has come.
type State string

// The states of a Report. All but Running are an end.
const (
	Running   State = "RUNNING"
	Completed State = "COMPLETED"
	Failed    State = "FAILED"
	TimedOut  State = "TIMEOUT"
	Cancelled State = "CANCELLED"
	Unknown   State = "UNKNOWN"
)

// Report is what a target says of a job.
type Report struct {
	State       State
	Ref         string // what the target calls it: an SSM command id, the id of an AWX job
	ExitCode    *int   // null where there is none: webhooks, timeouts, ends by a signal
	Error       string // in words why it did not complete; begins with a code where the contract has one
	Output      Output
	Invocations []Invocation // of several nodes, one each
}

// Output is what a job wrote: valid UTF-8 of at most MaxOutput bytes a stream.
type Output struct {
	Stdout, Stderr                   string
	StdoutTruncated, StderrTruncated bool
}

// Invocation is what became of a job on one node.
type Invocation struct {
	NodeID   string `json:"nodeId" dynamodbav:"nodeId"`
	Status   string `json:"status" dynamodbav:"status"` // the target's own word for it, such as Success or Undeliverable
	ExitCode *int   `json:"exitCode" dynamodbav:"exitCode"`
}

// Node is where an ssm job would run.
type Node struct {
	ID           string `json:"id"`
	Online       bool   `json:"online"`
	AgentVersion string `json:"agentVersion"`
}

// Sender sends a job, in one attempt, and reports its end or that it goes on.
// Its errors are ErrNotSent, ErrUnknown or a *Refused, wrapped with a cause
// that holds neither secrets nor parameters.
type Sender interface {
	Send(ctx context.Context, j Job) (Report, error)
}

// Sent names a job that was sent, to ask what became of it.
type Sent struct {
	ExecutionID string
	Attempt     int
	Ref         string // "" where the claim is known and the answer of the target is not
	Document    *runbook.Document
	Target      runbook.Target
	Since       time.Time // of the claim
	Timeout     time.Duration
}

// Tracker follows jobs that go on by themselves.
type Tracker interface {
	// Look reports what became of a job. found is false where the target knows
	// of none, which proves nothing: it may still come to know of it.
	Look(ctx context.Context, s Sent) (r Report, found bool, err error)
	// Cancel asks the target to stop a job. That it stopped, Look tells.
	Cancel(ctx context.Context, s Sent) error
}

// MaxOutput is what is kept of each stream, in bytes; text.Clip cuts to it.
const MaxOutput = 64 << 10
