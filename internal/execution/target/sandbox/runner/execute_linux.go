package runner

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"pagefree/internal/execution/target/sandbox/protocol"
)

const (
	// startPatience bounds what lies before the script's own time.
	startPatience = 10 * time.Second
	// grace is what a script has between SIGTERM and SIGKILL.
	grace = time.Second
)

// errLost is for a supervisor that went before it said whether the script has
// started, as a script of the same user can make it go.
var errLost = errors.New("the supervisor was lost")

// execute runs the command that of gives, in a work directory with the
// script, for at most limit, and keeps so many bytes of each stream. An error means that it did not start, or, if it
// is no *protocol.NotRun, that nobody knows.
func (r *Runner) execute(ctx context.Context, req protocol.Request, command func() []string, limit time.Duration, keep int) (outcome, error) {
	if left(ctx, limit) <= 0 || ctx.Err() != nil {
		return outcome{}, &protocol.NotRun{Reason: "no time is left"}
	}
	dir, err := workDir(r.options, r.walls)
	if err != nil {
		return outcome{}, &protocol.NotRun{Reason: err.Error()}
	}
	defer func() {
		if err := clean(r.options, r.walls, dir); err != nil {
			r.taint()
			r.options.Log.Error("files of a run could not be removed", "execution", req.ExecutionID, "cause", err)
		}
	}()
	begin := time.Now()
	sup, err := startSupervisor(r.options, spec{
		Walls: r.walls, Lambda: r.options.OnLambda, UID: newUID(),
		Dir: dir, File: r.interpreter.file, Script: []byte(req.Script),
		Argv: command(), Env: r.interpreter.environment(dir, req.Env), Readable: r.interpreter.readable,
		Limits: r.limits(limit),
	})
	if err != nil {
		return outcome{}, &protocol.NotRun{Reason: err.Error()}
	}
	o := outcome{stdout: drain(sup.out, keep), stderr: drain(sup.err, keep)}
	err = r.await(ctx, sup, &o, limit)
	o.took = time.Since(begin)
	o.survivors = max(o.survivors, sup.finish(r.walls))
	<-o.stdout.done
	<-o.stderr.done
	sup.close()
	if !r.walls.Namespaces && (o.exit == nil || o.survivors > 0) {
		r.taint()
	}
	return o, err
}

// await watches a run from its start to its end, and ends it in time.
func (r *Runner) await(ctx context.Context, sup *supervisor, o *outcome, limit time.Duration) error {
	select {
	case said := <-sup.reports:
		if said.Failed != "" {
			return &protocol.NotRun{Reason: said.Failed}
		}
		if !said.Started {
			return errLost
		}
	case <-time.After(startPatience):
		sup.kill(r.walls)
		return errLost
	}
	limit = left(ctx, limit)
	var e *ended
	select {
	case said := <-sup.reports:
		e = said.Ended
	case <-ctx.Done():
		o.problem = "ended: " + context.Cause(ctx).Error()
		sup.kill(r.walls)
		e = sup.ended(grace)
	case <-time.After(limit):
		o.timedOut, o.problem = true, timeout(limit)
		sup.terminate()
		if e = sup.ended(grace); e == nil {
			o.survivors = sup.kill(r.walls)
			e = sup.ended(grace)
		}
	}
	switch {
	case e == nil:
		o.problem = cmp.Or(o.problem, "ended by the loss of its supervisor")
	case o.problem != "": // how it ended is our doing
	case e.Signal != "":
		o.signal, o.problem = e.Signal, "ended by signal "+e.Signal
	default:
		o.exit = &e.Exit
	}
	if e != nil {
		sup.vouched = e.Survivors == 0
		o.survivors = e.Survivors // whatever it was before
	}
	return nil
}

// left is what the context's deadline leaves of limit.
func left(ctx context.Context, limit time.Duration) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(limit, time.Until(deadline)-killMargin)
	}
	return limit
}

// ended waits for the last report, nil if there is none within patience.
func (sup *supervisor) ended(patience time.Duration) *ended {
	select {
	case said := <-sup.reports:
		return said.Ended
	case <-time.After(patience):
		return nil
	}
}

func (r *Runner) taint() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tainted = true
}

// newUID gives a user id that nobody else has, so that a run's processes are
// counted alone, and can neither see nor signal another run's. The range is
// beyond those that systemd and container engines take theirs from.
func newUID() int { return 2_000_000_000 + rand.IntN(1<<24) }

// workDir gives the place of a work directory. With a private root there is
// nothing to make outside of it.
func workDir(o Options, w walls) (string, error) {
	if o.OnLambda && o.wiped != nil {
		return filepath.Join(o.wiped[0], "run"), nil
	}
	if w.Namespaces || o.OnLambda {
		return privateWork, nil
	}
	return os.MkdirTemp(privateTmp, "pagefree-run-")
}
