// Package protocol is what the dispatcher and the sandbox functions say to
// each other: one request, one answer, both JSON. It links nothing beyond the
// standard library, so that neither side pays for the other's dependencies.
package protocol

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Language names the interpreter of a script. A sandbox function runs one.
type Language string

// The languages of runbooks, as the API spells them.
const (
	Bash       Language = "BASH"
	Python     Language = "PYTHON"
	JavaScript Language = "JAVASCRIPT"
)

// Known tells whether l is one of the languages above.
func (l Language) Known() bool { return l == Bash || l == Python || l == JavaScript }

// Mode says what to do with a script.
type Mode string

// The modes. The zero Mode means Run.
const (
	Run   Mode = "run"
	Check Mode = "check" // parse, run nothing
)

// Limits of a request. A request beyond one of them is not run.
const (
	MaxScriptBytes    = 48 << 10  // api.md: scriptContent
	MaxVariables      = 64        // 32 parameters of a runbook, and room for our own
	MaxVariableBytes  = 128 << 10 // name, '=', value and NUL; MAX_ARG_STRLEN of execve(2)
	MaxTimeoutSeconds = 300       // api.md: timeoutSeconds
)

// MaxOutputBytes is what is kept of each stream: the beginning, cut at a
// character's boundary.
const MaxOutputBytes = 64 << 10

// Request asks for one run, or one check, of a script.
type Request struct {
	ExecutionID string            `json:"executionId"` // for the logs only
	Attempt     int               `json:"attempt"`     // from 1
	Nonce       string            `json:"nonce"`       // of the claim that sent this
	Language    Language          `json:"language"`
	Script      string            `json:"script"` // UTF-8 without NUL, at most MaxScriptBytes
	Env         map[string]string `json:"env,omitempty"`
	// TimeoutSeconds is 1 to MaxTimeoutSeconds. A check has a limit of its own.
	TimeoutSeconds int  `json:"timeoutSeconds"`
	Mode           Mode `json:"mode,omitempty"`
}

// Result is the answer. A run sets all but Check, a check Check alone.
type Result struct {
	// ExitCode is null when a signal or the time limit ended the script.
	ExitCode *int `json:"exitCode"`
	// Signal names what ended the script, as in "SIGSEGV". Empty otherwise,
	// and after a timeout.
	Signal string `json:"signal,omitempty"`
	// Stdout and Stderr are valid UTF-8 of at most MaxOutputBytes each.
	// Invalid bytes are shown as U+FFFD, NUL stays.
	Stdout          string `json:"stdout"`
	Stderr          string `json:"stderr"`
	StdoutTruncated bool   `json:"stdoutTruncated"`
	StderrTruncated bool   `json:"stderrTruncated"`
	TimedOut        bool   `json:"timedOut"`
	// Error says in words why there is no exit code. Empty when there is one.
	Error       string      `json:"error,omitempty"`
	DurationMs  int64       `json:"durationMs"`
	Confinement Confinement `json:"confinement"`
	Check       *Verdict    `json:"check,omitempty"`
}

// Verdict is what a parser said of a script. Line counts from 1; 0 is unknown.
type Verdict struct {
	OK      bool   `json:"ok"`
	Line    int    `json:"line,omitempty"`
	Message string `json:"message,omitempty"`
}

// Confinement says which walls stand around a script where it runs, as probed
// when the function started.
type Confinement struct {
	// Lambda: the function's own virtual machine, without rights and without
	// a network by the template, is the outer wall.
	Lambda bool `json:"lambda"`
	// Namespaces of its own: net, pid, mnt, ipc, uts, user. With mnt come a
	// private root of read-only system directories, and a /tmp of its own.
	Namespaces []string `json:"namespaces"`
	// OwnUser: the script has another user id than the function.
	OwnUser bool `json:"ownUser"`
	// Landlock is the kernel's ABI version that is enforced, 0 for none.
	Landlock int  `json:"landlock"`
	Seccomp  bool `json:"seccomp"`
	// Limits are the rlimits that are set.
	Limits []string `json:"limits"`
	// Missing says in words what cannot be enforced here.
	Missing []string `json:"missing"`
	// Refused is set where scripts cannot be confined enough: none is run.
	Refused string `json:"refused,omitempty"`
}

// NotRun is the error of a function that ran nothing of the script. Its name
// travels as the errorType of the function's error, and the client knows it.
type NotRun struct{ Reason string }

func (e *NotRun) Error() string { return e.Reason }

// NotRunType is the errorType under which NotRun crosses the Runtime API.
const NotRunType = "NotRun"

// variable is PF_ and a parameter's name of api.md. It is compiled when one is
// needed: most who link this never ask, and each would pay for it at its start.
var variable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^PF_[A-Z][A-Z0-9_]{0,39}$`) })

// Validate returns a *NotRun for a request that a function of language
// accepts must not run.
func (r Request) Validate(accepts Language) error {
	refuse := func(format string, args ...any) error {
		return &NotRun{Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case !r.Language.Known():
		return refuse("unknown language %q", r.Language)
	case r.Language != accepts:
		return refuse("this function runs %s, not %s", accepts, r.Language)
	case r.Mode != "" && r.Mode != Run && r.Mode != Check:
		return refuse("unknown mode %q", r.Mode)
	case len(r.Script) > MaxScriptBytes:
		return refuse("the script has %d bytes, the limit is %d", len(r.Script), MaxScriptBytes)
	case strings.ContainsRune(r.Script, 0):
		return refuse("the script holds a NUL")
	case len(r.Env) > MaxVariables:
		return refuse("%d variables, the limit is %d", len(r.Env), MaxVariables)
	case r.Mode != Check && (r.TimeoutSeconds < 1 || r.TimeoutSeconds > MaxTimeoutSeconds):
		return refuse("a time limit of %d s is not within 1 and %d", r.TimeoutSeconds, MaxTimeoutSeconds)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Env)) {
		value := r.Env[name] // never shown: it may be a secret
		switch {
		case !variable().MatchString(name):
			return refuse("%q is not the name of a parameter", name)
		case strings.ContainsRune(value, 0):
			return refuse("the value of %s holds a NUL", name)
		case len(name)+len(value)+2 > MaxVariableBytes:
			return refuse("the value of %s has %d bytes, which is too long for a variable", name, len(value))
		}
	}
	return nil
}
