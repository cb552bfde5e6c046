package execution

import (
	"context"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"pagefree/internal/audit"
	"pagefree/internal/execution/target"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/text"
	"pagefree/internal/platform/token"
)

// Callbacks takes what receivers of webhooks report. Its callers have no
// principal: they have the token of one attempt of one execution.
type Callbacks struct {
	Recorder
	Rates ratelimit.Tier // of those with the right token, by execution and by address
}

// Reported is what became of an attempt in the words of its receiver.
type Reported struct {
	ExecutionID string
	Token       string
	State       target.State // Running, Completed or Failed, for AWX and Rundeck also Cancelled
	Ref         string       // what the receiver calls its job; "" leaves what is known
	ExitCode    *int
	Error       string
	Output      *Output // nil: nothing was said of it
}

// Take records a report. ignored tells that it came too late to matter: the
// attempt was over, and what is on record stands.
func (c *Callbacks) Take(ctx context.Context, r Reported) (ignored bool, err error) {
	if kind, ok := token.KindOf(r.Token); !ok || kind != token.Callback {
		return false, unknownToken()
	}
	if !id.Valid(id.Execution, r.ExecutionID) {
		return false, problem.Missing()
	}
	r = r.withoutToken()
	counted := false
	for try := 1; ; try++ {
		e, found, err := c.Store.Execution(ctx, r.ExecutionID)
		if err != nil {
			return false, err
		}
		if !found {
			return false, problem.Missing()
		}
		of, known := e.holds(token.Hash(r.Token))
		if !known {
			c.refused(ctx, e)
			return false, unknownToken()
		}
		if !counted {
			counted = true
			if err := httpapi.Counted(ctx, c.Rates.Admit(ctx, e.ID, principal.OriginOf(ctx).IP)); err != nil {
				return false, err
			}
		}
		live := e.Status == Running && of == len(e.Attempts)-1
		if live {
			err = c.apply(ctx, e, r)
		} else {
			err = c.late(ctx, e, of, r)
		}
		if _, lost := dynamo.Failed(err); !lost || try == races || !pause(ctx, try) {
			return !live && err == nil, lostRace(err)
		}
	}
}

// withoutToken masks the token in what a receiver says: a job that prints its
// variables would show everybody who sees the execution how to end it.
func (r Reported) withoutToken() Reported {
	hide := target.NewMask(r.Token)
	r.Error = hide.Apply(r.Error, false)
	if r.Output != nil {
		o := Output(hide.Output(target.Output(*r.Output)))
		r.Output = &o
	}
	return r
}

func unknownToken() error {
	e := problem.NoPrincipal()
	e.Detail = "This needs the token that came with the delivery."
	return e
}

// maxRefused bounds how many refusals of an execution's callbacks are put on
// record: whoever knows its id could fill the record otherwise.
const maxRefused = 10

// refused puts on record that somebody called back with a token that is not
// the execution's. The answer stands, recorded or not.
func (c *Callbacks) refused(ctx context.Context, e Execution) {
	event := c.Journal.Audit.Record(ctx, c.Now(), audit.Entry{
		Type: "execution.callback_refused", Subject: audit.Ref{Kind: "execution", ID: e.ID}, TeamID: e.TeamID, Outcome: audit.Refused,
		Detail: map[string]any{"status": string(e.Status)},
	})
	err := c.Store.commit(ctx, c.Store.countRefusal(e), event)
	if _, enough := dynamo.Failed(err); err != nil && !enough {
		slog.ErrorContext(ctx, "a refused callback was not recorded", "execution", e.ID, "error", err)
	}
}

// holds finds the attempt that a token's hash belongs to.
func (e Execution) holds(hash string) (attempt int, known bool) {
	for i, a := range e.Attempts {
		if a.Callback != "" && subtle.ConstantTimeCompare([]byte(a.Callback), []byte(hash)) == 1 {
			return i, true
		}
	}
	return 0, false
}

// late puts on record what came too late for an attempt, each kind of report
// once: an audit event is kept for good, and a receiver that does not stop, or
// that was taken over, would write them without end.
func (c *Callbacks) late(ctx context.Context, e Execution, attempt int, r Reported) error {
	if slices.Contains(e.Attempts[attempt].Late, r.State) {
		return nil
	}
	is := e
	is.Rev++
	is.Attempts = slices.Clone(e.Attempts)
	a := &is.Attempts[attempt]
	a.Late = append(slices.Clone(a.Late), r.State)
	return c.Store.commit(ctx, c.Store.replace(e, is), c.Journal.Audit.Record(ctx, c.Now(), audit.Entry{
		Type: "execution.callback_ignored", Subject: audit.Ref{Kind: "execution", ID: e.ID}, TeamID: e.TeamID, Outcome: audit.Refused,
		Detail: map[string]any{"reported": string(r.State), "status": string(e.Status)},
	}))
}

func (c *Callbacks) apply(ctx context.Context, e Execution, r Reported) error {
	if r.State == target.Running {
		return c.progress(ctx, e, r)
	}
	report := target.Report{State: r.State, Ref: r.Ref, ExitCode: r.ExitCode, Error: r.Error}
	if r.ExitCode != nil && *r.ExitCode != 0 && report.State == target.Completed {
		report.State = target.Failed
	}
	if report.State == target.Failed && report.Error == "" {
		report.Error = "the receiver reported a failure"
		if r.ExitCode != nil {
			report.Error = fmt.Sprintf("exit code %d", *r.ExitCode)
		}
	}
	_, err := c.settle(ctx, e, endedBy(e, report), r.Output)
	return err
}

// progress shows what a running job wrote so far.
func (c *Callbacks) progress(ctx context.Context, e Execution, r Reported) error {
	a := e.attempt()
	known := a.Accepted && (r.Ref == "" || r.Ref == a.Ref)
	if known && r.Output == nil {
		return nil
	}
	if r.Ref == "" {
		r.Ref = a.Ref
	}
	is, err := advance(e, accepted{ref: r.Ref, look: e.deadline()}, c.Now())
	if err != nil {
		return err
	}
	return c.commit(ctx, write{was: e, is: is, output: r.Output})
}

// clipped is output that a caller gave, as it is kept.
func clipped(stdout, stderr *string) *Output {
	if stdout == nil && stderr == nil {
		return nil
	}
	var o Output
	if stdout != nil {
		o.Stdout, o.StdoutTruncated = text.Clip([]byte(*stdout), false, target.MaxOutput)
	}
	if stderr != nil {
		o.Stderr, o.StderrTruncated = text.Clip([]byte(*stderr), false, target.MaxOutput)
	}
	return &o
}

// maxCallbackError bounds what a receiver says of a failure, in bytes.
const maxCallbackError = 2000

// report reads the body of POST /v1/callbacks/{id}.
func (b callbackBody) report(executionID, bearer string) (Reported, error) {
	r := Reported{ExecutionID: executionID, Token: bearer, State: target.State(b.Status), ExitCode: b.ExitCode, Output: clipped(b.Stdout, b.Stderr)}
	r.Error, _ = text.Clip([]byte(b.Error), false, maxCallbackError)
	if r.State == target.Running && (b.ExitCode != nil || b.Error != "") {
		return r, problem.New(http.StatusUnprocessableEntity, problem.ValidationFailed, "What still runs has no exitCode and no error.")
	}
	return r, nil
}
