// Package runner runs a script of a stranger's making in a child process,
// with as many walls around it as the machine allows, and reports exactly how
// it ended.
//
// A run takes three processes, all of the same binary. The function starts a
// supervisor, in namespaces of its own where that works; the supervisor lays
// out a root and a work directory and starts the launcher; the launcher gives
// up its rights and becomes the interpreter. When the interpreter ends, so
// does everything below the supervisor.
//
// What it promises:
//   - nothing of the script ran if the error is a *protocol.NotRun;
//   - a run ends one second after its time limit at the latest, and nothing
//     that it started lives on;
//   - the script sees no environment but PATH, HOME, LANG, TMPDIR and its own
//     PF_ variables, an empty work directory but for itself, and no network;
//   - what cannot be enforced on this machine is found out at start, logged
//     once and told with each result; where that is too much, nothing runs.
package runner

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// Options says what to run, and where.
type Options struct {
	// Language is the only one that is run.
	Language protocol.Language
	// Path is searched for the interpreter, after the system's directories.
	Path string
	// OnLambda is set on AWS Lambda itself and nowhere else. There the
	// function's own virtual machine, without rights and without a network by
	// the template, is a wall that nobody can build from the inside: scripts
	// run even where nothing else holds. All of /tmp is wiped after each run.
	OnLambda bool
	// Node makes a Runner for Shell, as the local stack's managed nodes have
	// it: the shell may start every interpreter that this machine has.
	Node bool
	// Log gets one line at start, and one for each run that went wrong.
	Log *slog.Logger

	launcher string   // executable that calls Launch; by default this one
	without  walls    // tests: what to do without
	wiped    []string // tests: what is wiped in place of Lambda's directories; the first has the work directory
}

// Runner runs scripts of one language. It is safe for concurrent use; on
// Lambda one run follows the other, since they share /tmp.
type Runner struct {
	options     Options
	walls       walls
	interpreter interpreter
	confinement protocol.Confinement
	oneByOne    sync.Mutex

	mu      sync.Mutex
	tainted bool
}

// walls are what a run is given, as the probe found it to work. The zero
// value is none at all.
type walls struct {
	Namespaces bool `json:"namespaces"` // net, pid, mnt, ipc, uts, with a private root
	UserNS     bool `json:"userNS"`     // they need a user namespace, since we are not root
	OwnUser    bool `json:"ownUser"`    // a user id of its own, since we are root
	Landlock   int  `json:"landlock"`   // ABI version
	Seccomp    bool `json:"seccomp"`
}

// New finds out what can be enforced here, and says so in the log. It never
// fails: where scripts cannot be run it makes a Runner that refuses each one,
// and says why.
func New(o Options) *Runner {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Runner{options: o}
	r.walls, r.confinement = raise(o)
	if r.confinement.Refused == "" {
		var err error
		if r.interpreter, err = findInterpreter(o.Language, o.Path); err != nil {
			r.confinement.Refused = err.Error()
		} else if o.Node {
			r.interpreter = r.interpreter.withOthers(o.Path)
		}
	}
	if r.confinement.Refused != "" {
		o.Log.Error("scripts are refused here", "language", o.Language, "confinement", r.confinement)
	} else {
		o.Log.Info("scripts are confined", "language", o.Language, "confinement", r.confinement)
	}
	return r
}

// Confinement says what stands around a script here.
func (r *Runner) Confinement() protocol.Confinement { return r.confinement }

// Tainted tells whether a run had to be killed where the kernel does not
// vouch that all of it is gone. The process had better start afresh before
// the next one.
func (r *Runner) Tainted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tainted
}

// killMargin is how long before the context's own deadline a run is ended, so
// that there is time left to kill it and to answer.
const killMargin = 3 * time.Second

// Run does what req asks for. The error is a *protocol.NotRun where the
// script certainly did not start; with any other it may have.
func (r *Runner) Run(ctx context.Context, req protocol.Request) (protocol.Result, error) {
	if r.confinement.Refused != "" {
		return protocol.Result{}, &protocol.NotRun{Reason: r.confinement.Refused}
	}
	if err := req.Validate(r.options.Language); err != nil {
		return protocol.Result{}, err
	}
	if r.options.OnLambda {
		r.oneByOne.Lock()
		defer r.oneByOne.Unlock()
	}
	if req.Mode == protocol.Check {
		return r.check(ctx, req)
	}
	limit := time.Duration(req.TimeoutSeconds) * time.Second
	o, err := r.execute(ctx, req, r.interpreter.run, limit, protocol.MaxOutputBytes)
	if err != nil {
		return protocol.Result{}, err
	}
	res := protocol.Result{
		ExitCode:    o.exit,
		Signal:      o.signal,
		TimedOut:    o.timedOut,
		Error:       o.problem,
		DurationMs:  o.took.Milliseconds(),
		Confinement: r.confinement,
	}
	res.Stdout, res.StdoutTruncated = o.stdout.text()
	res.Stderr, res.StderrTruncated = o.stderr.text()
	if o.exit == nil || o.survivors > 0 {
		r.options.Log.Warn("a script did not end by itself", "execution", req.ExecutionID, "attempt", req.Attempt,
			"signal", o.signal, "timedOut", o.timedOut, "problem", o.problem, "survivors", o.survivors)
	}
	return res, nil
}

// outcome is how a process that was started has ended.
type outcome struct {
	exit      *int   // nil unless it exited by itself, in time
	signal    string // as in "SIGSEGV"
	timedOut  bool
	problem   string // why there is no exit code, in words
	survivors int    // processes that could not be killed
	took      time.Duration
	stdout    *capture
	stderr    *capture
}

// timeout is the words for a run that was ended by its time limit.
func timeout(limit time.Duration) string {
	return fmt.Sprintf("ended by the time limit of %v", limit.Round(time.Second))
}
