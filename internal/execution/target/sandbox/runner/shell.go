package runner

import (
	"context"
	"path/filepath"
	"time"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// Shell is a script for sh, as an agent on a managed node runs it. It is for
// the local stack's nodes alone, and for a Runner that was made with
// Options.Node: names of variables and sizes are the caller's to check.
type Shell struct {
	Script string
	Env    map[string]string // beside PATH, HOME, LANG and TMPDIR
	Limit  time.Duration
	Keep   int // bytes of each stream
}

// Ended is how a Shell ended. One of Exit, Signal, TimedOut and Problem is set.
type Ended struct {
	Exit           *int
	Signal         string // as in "SIGSEGV"
	TimedOut       bool
	Problem        string // why there is no exit code, in words
	Stdout, Stderr []byte
}

// Shell runs a script behind the same walls as Run. The error is a
// *protocol.NotRun where it certainly did not start.
func (r *Runner) Shell(ctx context.Context, s Shell) (Ended, error) {
	if r.confinement.Refused != "" {
		return Ended{}, &protocol.NotRun{Reason: r.confinement.Refused}
	}
	req := protocol.Request{Script: s.Script, Env: s.Env}
	o, err := r.execute(ctx, req, r.interpreter.shell, s.Limit, s.Keep)
	if err != nil {
		return Ended{}, err
	}
	<-o.stdout.done
	<-o.stderr.done
	return Ended{Exit: o.exit, Signal: o.signal, TimedOut: o.timedOut, Problem: o.problem, Stdout: o.stdout.kept, Stderr: o.stderr.kept}, nil
}

// shell is the command line of a node's script.
func (in interpreter) shell() []string { return []string{"/bin/sh", in.file} }

// withOthers lets scripts find and read the interpreters of all languages.
func (in interpreter) withOthers(path string) interpreter {
	for _, language := range []protocol.Language{protocol.Python, protocol.JavaScript} {
		other, err := findInterpreter(language, path)
		if err != nil {
			continue // a script that needs it fails, as on a node that lacks it
		}
		in.paths = append(in.paths, filepath.Dir(other.program))
		in.readable = append(in.readable, other.readable...)
	}
	return in
}
