package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/oklog/ulid/v2"

	"pagefree/internal/execution/target/sandbox"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
)

// Sandbox runs a script and waits for its end. Its errors tell a request that
// certainly never left (sandbox.ErrNotSent) from one whose fate is unknown.
type Sandbox interface {
	Run(ctx context.Context, req sandbox.Request) (sandbox.Result, error)
}

// Dispatcher takes executions from the queue to their targets, at most once each.
type Dispatcher struct {
	Store    Store
	Runbooks runbook.Store
	Journal  Journal
	Seal     runbook.Verifier
	Sandbox  Sandbox
	Metrics  io.Writer
	Now      func() time.Time
}

// lateness is added to the dispatcher's own end, before the watchdog looks at
// what it claimed: the record of an outcome outlives the invocation by 10 s.
const lateness = 15 * time.Second

// patience is how long after its claim nobody else touches an execution: until
// the invocation that claimed it has certainly ended.
func (d *Dispatcher) patience(ctx context.Context, e Execution) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return time.Duration(e.Timeout)*time.Second + time.Minute
	}
	return time.Until(end) + lateness
}

// Dispatch runs the execution that a message names. A nil error means that the
// message is done with: the execution has an outcome, or belongs to another
// dispatcher. An error brings the message back.
func (d *Dispatcher) Dispatch(ctx context.Context, m Message) error {
	if err := d.dispatch(ctx, m); err != nil {
		return fmt.Errorf("execution %q: %w", m.ExecutionID, err)
	}
	return nil
}

func (d *Dispatcher) dispatch(ctx context.Context, m Message) error {
	e, found, err := d.Store.Execution(ctx, m.ExecutionID)
	if err != nil {
		return err
	}
	if !found {
		return errors.New("it does not exist")
	}
	if e.Status != Pending {
		return nil // a duplicate, or it was cancelled
	}
	rb, ver, err := d.Runbooks.Runnable(ctx, e.RunbookID)
	if err != nil && problem.CodeOf(err) != problem.NotFound {
		return err
	}
	env, refusal := d.refusal(ctx, rb, ver, e)
	if refusal.err != nil {
		return refusal.err
	}
	if refusal.code != "" {
		return d.record(ctx, e, outcome{Status: StatusFailed, Error: refusal.code})
	}
	claimed, ours, err := d.claim(ctx, e, rb)
	if err != nil || !ours {
		return err
	}
	return d.record(ctx, claimed, d.run(ctx, claimed, ver, env))
}

type refusal struct {
	code string // the execution ends FAILED with it
	err  error  // it could not be found out
}

// refusal decides, right before the script is sent, whether it still may be,
// and gives what the script gets.
func (d *Dispatcher) refusal(ctx context.Context, rb runbook.Runbook, ver runbook.Version, e Execution) (map[string]string, refusal) {
	err := runbook.CheckSeal(ctx, d.Seal, rb, ver)
	if err == nil {
		if err := mayStillRun(rb, ver, e); err != nil {
			return nil, refusal{code: string(problem.CodeOf(err))}
		}
	}
	var env map[string]string
	if err == nil {
		env, err = d.underSeal(ctx, ver, e)
	}
	if errors.Is(err, runbook.ErrSealBroken) {
		slog.ErrorContext(ctx, "seal broken", "execution", e.ID, "runbook", e.RunbookID, "version", e.VersionUsed, "cause", err)
		log.Count(d.metrics(), d.Now(), "SealBroken", 1)
		return nil, refusal{code: "seal_broken"}
	}
	return env, refusal{err: err}
}

// underSeal holds an execution against what was sealed: its confirmation, its
// service and its values were right when it was triggered, and lay in the
// table since. What is sent is made of nothing else of it.
func (d *Dispatcher) underSeal(ctx context.Context, ver runbook.Version, e Execution) (map[string]string, error) {
	if ver.RequiresConfirm && e.ConfirmedByID == nil {
		return nil, fmt.Errorf("%w: nobody confirmed it", runbook.ErrSealBroken)
	}
	if ver.ServiceID != nil {
		var inc incident.Incident
		if e.IncidentID != nil {
			var err error
			if inc, _, err = d.Journal.Incidents.Incident(ctx, *e.IncidentID); err != nil {
				return nil, err
			}
		}
		if inc.ServiceID != *ver.ServiceID {
			return nil, fmt.Errorf("%w: it is for another service", runbook.ErrSealBroken)
		}
	}
	var values map[string]any
	if err := json.Unmarshal([]byte(e.Parameters), &values); err != nil {
		return nil, fmt.Errorf("%w: its values are no JSON", runbook.ErrSealBroken)
	}
	return runbook.Environment(ver.Parameters, values)
}

func (d *Dispatcher) metrics() io.Writer {
	if d.Metrics == nil {
		return os.Stdout
	}
	return d.Metrics
}

// claim makes the execution ours, in one transaction with the check that the
// version that was verified is still the one to run. ours is false when
// somebody else was first.
func (d *Dispatcher) claim(ctx context.Context, e Execution, rb runbook.Runbook) (claimed Execution, ours bool, err error) {
	now := d.Now()
	is, err := e.claim(ulid.Make().String(), now, now.Add(d.patience(ctx, e)))
	if err != nil {
		return Execution{}, false, err
	}
	ops := append(d.Journal.tell(ctx, is, now, "execution.started", map[string]any{"attempt": is.Attempt}),
		d.Store.replace(e, is), d.Runbooks.StillRuns(rb))
	err = d.Store.commit(ctx, append(ops, d.Store.moveDue(e, is)...)...)
	if err == nil {
		return is, true, nil
	}
	// The answer may have been lost, not the write: our own nonce tells.
	seen, found, rerr := d.Store.Execution(ctx, e.ID)
	if rerr == nil && found && seen.Status == Running && seen.Nonce == is.Nonce {
		return is, true, nil
	}
	if _, lost := dynamo.Failed(err); lost && rerr == nil && found && seen.Status != Pending {
		return Execution{}, false, nil
	}
	return Execution{}, false, err // still pending: the message comes back, and everything is checked anew
}

// run sends the script and waits for its end, and turns whatever happens into an outcome.
func (d *Dispatcher) run(ctx context.Context, e Execution, ver runbook.Version, env map[string]string) outcome {
	if ver.Target.Type != runbook.Sandbox {
		return outcome{Status: StatusFailed, Error: "target_unsupported"}
	}
	res, err := d.Sandbox.Run(ctx, sandbox.Request{
		ExecutionID: e.ID, Attempt: e.Attempt, Nonce: e.Nonce, Language: sandbox.Language(ver.Language), Script: ver.ScriptContent,
		Env: env, TimeoutSeconds: ver.TimeoutSeconds,
	})
	if err != nil {
		slog.ErrorContext(ctx, "sandbox", "execution", e.ID, "error", err)
		if errors.Is(err, sandbox.ErrNotSent) {
			return outcome{Status: StatusFailed, Error: "not_sent: the sandbox did not take the script, and it did not run"}
		}
		return outcome{Status: Unknown, Error: "unknown: the sandbox did not say how the script ended; it may have run"}
	}
	return outcomeOf(res)
}

// outcomeOf turns what the sandbox reports into an outcome.
func outcomeOf(res sandbox.Result) outcome {
	o := outcome{
		Status: Completed, ExitCode: res.ExitCode, Error: res.Error,
		Output: Output{Stdout: res.Stdout, Stderr: res.Stderr, StdoutTruncated: res.StdoutTruncated, StderrTruncated: res.StderrTruncated},
	}
	switch {
	case res.TimedOut:
		o.Status, o.ExitCode = Timeout, nil
		if o.Error == "" {
			o.Error = "timeout"
		}
	case res.ExitCode == nil:
		o.Status = StatusFailed
	case *res.ExitCode != 0:
		o.Status = StatusFailed
		if o.Error == "" {
			o.Error = fmt.Sprintf("exit code %d", *res.ExitCode)
		}
	}
	return o
}

var toldAs = map[Status]string{
	Completed: "execution.completed", StatusFailed: "execution.failed", Timeout: "execution.timed_out",
	Unknown: "execution.lost", Cancelled: "execution.cancelled",
}

// record keeps an outcome. It outlives the invocation's deadline by a little:
// an outcome that is known must not become UNKNOWN for want of a second.
func (d *Dispatcher) record(ctx context.Context, e Execution, o outcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	now := d.Now()
	is, err := e.finish(o, now)
	if err != nil {
		return err
	}
	detail := map[string]any{"attempt": is.Attempt}
	if o.ExitCode != nil {
		detail["exitCode"] = *o.ExitCode
	}
	if o.Error != "" {
		detail["error"] = o.Error
	}
	ops := append(d.Journal.tell(ctx, is, now, toldAs[o.Status], detail), d.Store.replace(e, is))
	if o.Output != (Output{}) {
		ops = append(ops, d.Store.putOutput(e, o.Output))
	}
	err = d.Store.commit(ctx, append(ops, d.Store.moveDue(e, is)...)...)
	if _, lost := dynamo.Failed(err); lost {
		slog.WarnContext(ctx, "outcome came late", "execution", e.ID, "status", o.Status)
		return nil // somebody else ended it: what is recorded stands
	}
	if err == nil {
		slog.InfoContext(ctx, "execution ended", "execution", e.ID, "status", o.Status)
	}
	return err
}
