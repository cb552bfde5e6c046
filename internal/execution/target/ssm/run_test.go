package ssm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	nodes "pagefree/infra/local/ssm"
	"pagefree/internal/execution/target"
	"pagefree/internal/runbook"
)

// show prints PF_ variables in each language, an absent one as none.
var show = map[string]string{
	runbook.Bash:       `for n in PF_HOST PF_LOG_LEVEL PF_EMPTY PF_UNSET; do if [ -n "${!n+x}" ]; then printf '%s=[%s]\n' "$n" "${!n}"; else echo "$n none"; fi; done`,
	runbook.Python:     "import os\nfor n in ['PF_HOST', 'PF_LOG_LEVEL', 'PF_EMPTY', 'PF_UNSET']:\n    print(f'{n}=[{os.environ[n]}]' if n in os.environ else n + ' none')",
	runbook.JavaScript: "for (const n of ['PF_HOST', 'PF_LOG_LEVEL', 'PF_EMPTY', 'PF_UNSET']) console.log(n in process.env ? `${n}=[${process.env[n]}]` : n + ' none')",
}

// TestEachLanguageGetsItsValues holds interpolationType ENV_VAR, the mapping of
// SSM_<name> to PF_<NAME>, and that an optional parameter without a value is
// unset, not empty.
func TestEachLanguageGetsItsValues(t *testing.T) {
	w := newWorld(t)
	params := []runbook.Parameter{
		{Name: "HOST", Type: runbook.String, Required: true}, {Name: "LOG_LEVEL", Type: runbook.Integer},
		{Name: "EMPTY", Type: runbook.String}, {Name: "UNSET", Type: runbook.String},
	}
	const host = "a'b\"c $(id) `id` \\n\n=ü; {% %} %s "
	for language, script := range show {
		t.Run(language, func(t *testing.T) {
			w := &world{T: t, env: w.env, target: w.target, publisher: w.publisher, began: w.began}
			r := w.run(version(language, script, params...), map[string]any{"HOST": host, "LOG_LEVEL": float64(3), "EMPTY": ""})
			want := "PF_HOST=[" + host + "]\nPF_LOG_LEVEL=[3]\nPF_EMPTY=[]\nPF_UNSET none\n"
			if !exits(r, target.Completed, 0) || r.Output.Stdout != want || r.Output.Stderr != "" {
				t.Errorf("got  %+v\nwant %q", r, want)
			}
		})
	}
}

// TestScriptFindsWhatTheSandboxHas: a script runs unchanged on either target.
func TestScriptFindsWhatTheSandboxHas(t *testing.T) {
	w := newWorld(t)
	r := w.run(version(runbook.Bash, `echo "$0 $#"; ls -A; touch "$TMPDIR/x"; echo "$LANG"; cat; env | grep -c '^SSM_'`), nil)
	if r.Output.Stdout != "script.sh 0\nscript.sh\nC.UTF-8\n0\n" {
		t.Errorf("got %+v", r)
	}
}

// TestExitCodes: the agent takes 137 for a run that it ended itself, and 194
// for a wish to restart the node; and a signal has no exit code.
func TestExitCodes(t *testing.T) {
	tests := map[string]struct {
		script string
		code   int // -1: none
		error  string
		stderr string
	}{
		"success":                     {"echo fine >&2", 0, "", "fine\n"},
		"a failure":                   {"exit 3", 3, "exit code 3", ""},
		"the code of our own":         {"echo 'pagefree: exit x' >&2; exit 79", 79, "exit code 79", "pagefree: exit x\n"},
		"what the agent would mean":   {"echo e >&2; exit 137", 137, "exit code 137", "e\n"},
		"no restart of the node":      {"exit 194", 194, "exit code 194", ""},
		"no signal":                   {"exit 143", 143, "exit code 143", ""},
		"killed":                      {"printf e >&2; kill -KILL $$", -1, "ended by signal SIGKILL", "e"},
		"terminated":                  {"kill -TERM $$", -1, "ended by signal SIGTERM", ""},
		"a crash":                     {"ulimit -c 0; kill -SEGV $$", -1, "ended by signal SIGSEGV", ""},
		"a crash after much was said": {"head -c 100000 /dev/zero | tr '\\0' x >&2; kill -ABRT $$", -1, "ended by signal SIGABRT", strings.Repeat("x", target.MaxOutput)},
	}
	w := newWorld(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, env: w.env, target: w.target, publisher: w.publisher, began: w.began}
			r := w.run(version(runbook.Bash, tt.script), nil)
			want := target.Failed
			if tt.code == 0 {
				want = target.Completed
			}
			if r.State != want || r.Error != tt.error || r.Output.Stderr != tt.stderr {
				t.Errorf("got %s, %q, %d bytes of stderr (%.100q)", r.State, r.Error, len(r.Output.Stderr), r.Output.Stderr)
			}
			if (tt.code < 0) != (r.ExitCode == nil) || r.ExitCode != nil && *r.ExitCode != tt.code {
				t.Errorf("exit code: got %v, want %d", r.ExitCode, tt.code)
			}
		})
	}
}

// TestDocumentTimeout: executionTimeout is the document's, told apart from the
// delivery's, and its end is a TIMEOUT without an exit code.
func TestDocumentTimeout(t *testing.T) {
	w := newWorld(t, func(o *nodes.Options) { o.Second = 200 * time.Millisecond })
	v := version(runbook.Python, "import time\nprint('begun')\ntime.sleep(600)")
	v.TimeoutSeconds = 5
	r := w.run(v, nil)
	if r.State != target.TimedOut || r.ExitCode != nil || r.Error != "ended by the time limit" || r.Output.Stdout != "begun\n" {
		t.Errorf("got %+v", r)
	}
}

// TestAsAnAgentRunsIt starts the document as an agent does, without the walls
// that the local nodes have: in a process group of its own, waiting for the end
// of its output. What the script left in that group is killed, or the agent
// would wait for it until the time limit, and its files are gone.
func TestAsAnAgentRunsIt(t *testing.T) {
	for name, script := range map[string]string{
		"it ends":   "sleep 300 & echo $! >&2; pwd",
		"it exits":  "sleep 300 & echo $! >&2; pwd; exit 5",
		"it breaks": "sleep 300 & echo $! >&2; pwd; kill -KILL $$",
	} {
		t.Run(name, func(t *testing.T) {
			packed, err := pack(script)
			if err != nil {
				t.Fatal(err)
			}
			lines, err := preamble(version(runbook.Bash, script), packed)
			if err != nil {
				t.Fatal(err)
			}
			path, tmp := filepath.Join(t.TempDir(), "_script.sh"), t.TempDir()
			if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o700); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", path)
			cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "TMPDIR=" + tmp, "SSM_" + sentinel + "=1"}
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			var stdout, stderr strings.Builder
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			_ = cmd.Run() // it returns when sleep has closed the output
			if !strings.HasPrefix(stdout.String(), tmp) {
				t.Errorf("it ran in %q, %s", stdout.String(), stderr.String())
			}
			first, _, _ := strings.Cut(stderr.String(), "\n")
			pid, err := strconv.Atoi(first)
			if err != nil {
				t.Fatal(err)
			}
			if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !strings.Contains(string(state), ") Z ") {
				t.Errorf("it lives on: %s", state)
			}
			if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestAgentWithoutVariables: an agent that does not know ENV_VAR runs the
// document with nothing set, and the preamble ends it before the script.
func TestAgentWithoutVariables(t *testing.T) {
	w := newWorld(t, func(o *nodes.Options) { o.Nodes = []nodes.Node{{ID: "mi-old", Agent: "3.2.2303.0"}} })
	d := w.publish(version(runbook.Bash, "echo ran", runbook.Parameter{Name: "HOST", Type: runbook.String}))
	out, err := w.target.SSM.SendCommand(t.Context(), &ssm.SendCommandInput{DocumentName: &d.Name, DocumentVersion: &d.Version, InstanceIds: []string{"mi-old"}})
	if err != nil {
		t.Fatal(err)
	}
	r := w.await(target.Sent{Ref: *out.Command.CommandId})
	if !exits(r, target.Failed, exitBad) || r.Output.Stdout != "" || !strings.Contains(r.Output.Stderr, "nothing was run") {
		t.Errorf("got %+v", r)
	}
}

// TestPreambleHasNoReference: SSM would resolve {{, whatever stands around it.
func TestPreambleHasNoReference(t *testing.T) {
	body, err := content(version(runbook.Bash, "echo {{ssm:x}}", runbook.Parameter{Name: "A", Type: runbook.String, Description: "{{ssm:y}}"}))
	if err != nil || strings.Contains(string(body), "{{") {
		t.Errorf("got %s, %v", body, err)
	}
}

// TestOutput: SSM shows 24,000 and 8,000 characters, the bucket has all, and
// an execution keeps 65,536 bytes of UTF-8.
func TestOutput(t *testing.T) {
	const script = `import sys
n, m = %d, %d
sys.stdout.write("ü" * n)
sys.stderr.write("e" * m)`
	tests := map[string]struct {
		n, m         int
		bucket       bool
		full         bool // the bucket takes nothing
		stdout       int  // bytes
		stderr       int
		cutOut, cutE bool
		read         int // from the bucket
	}{
		"little is read from SSM":         {n: 1000, m: 1000, bucket: true, stdout: 2000, stderr: 1000},
		"more is read from the bucket":    {n: 30_000, m: 9_000, bucket: true, stdout: 60_000, stderr: 9_000, read: 2},
		"as much as is kept":              {n: 32_768, m: 65_536, bucket: true, stdout: 65_536, stderr: 65_536, read: 2},
		"too much is cut":                 {n: 32_769, m: 65_537, bucket: true, stdout: 65_536, stderr: 65_536, cutOut: true, cutE: true, read: 2},
		"without a bucket SSM's part":     {n: 30_000, m: 9_000, stdout: 48_000, stderr: 8_000, cutOut: true, cutE: true},
		"a node that may not write there": {n: 30_000, m: 10, bucket: true, full: true, stdout: 48_000, stderr: 10, cutOut: true, read: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *nodes.Options) {
				if tt.full {
					o.Put = func(string, string, []byte) error { return context.DeadlineExceeded }
				}
			})
			if !tt.bucket {
				w.target.Bucket = ""
			}
			r := w.run(version(runbook.Python, fmt.Sprintf(script, tt.n, tt.m)), nil)
			o := r.Output
			if r.State != target.Completed || len(o.Stdout) != tt.stdout || len(o.Stderr) != tt.stderr || o.StdoutTruncated != tt.cutOut || o.StderrTruncated != tt.cutE {
				t.Errorf("got %s %s: %d %v, %d %v", r.State, r.Error, len(o.Stdout), o.StdoutTruncated, len(o.Stderr), o.StderrTruncated)
			}
			if strings.Trim(o.Stdout, "ü") != "" || strings.Trim(o.Stderr, "e") != "" {
				t.Error("it is not what was written")
			}
			if got := w.env.Counts.Number(objectReads); got != tt.read {
				t.Errorf("read %d objects, want %d", got, tt.read)
			}
		})
	}
}

func TestSeveralNodes(t *testing.T) {
	w := newWorld(t)
	v := version(runbook.Bash, `echo "$AWS_SSM_INSTANCE_ID"; [ "$AWS_SSM_INSTANCE_ID" = "$PF_FAILS" ] && exit 4; exit 0`, runbook.Parameter{Name: "FAILS", Type: runbook.String})
	v.Target = runbook.Target{Type: runbook.SSM, Tags: map[string][]string{"env": {"local"}}, MaxNodes: 2}
	const both = "== mi-local (%s)\nmi-local\n== mi-local-2 (%s)\nmi-local-2\n"

	r := w.run(v, nil)
	if r.State != target.Completed || r.ExitCode != nil || r.Output.Stdout != fmt.Sprintf(both, "Success", "Success") || len(r.Invocations) != 2 {
		t.Errorf("got %+v", r)
	}
	r = w.run(v, map[string]any{"FAILS": "mi-local-2"})
	if r.State != target.Failed || r.ExitCode != nil || r.Error != "mi-local-2: exit code 4" || r.Output.Stdout != fmt.Sprintf(both, "Success", "Failed") {
		t.Errorf("one failed: got %+v", r)
	}
	if i := r.Invocations[1]; i.NodeID != "mi-local-2" || i.Status != "Failed" || i.ExitCode == nil || *i.ExitCode != 4 {
		t.Errorf("got %+v", r.Invocations)
	}

	// One after the other, and no more after the first error.
	v.Target.MaxConcurrency, v.Target.MaxErrors, v.Version = "1", "0", 2
	v.RunbookID += "x"
	v.Version = 1
	r = w.run(v, map[string]any{"FAILS": "mi-local"})
	if r.State != target.Failed || r.Invocations[1].Status != "Terminated" {
		t.Errorf("got %+v", r)
	}
}

func TestJoin(t *testing.T) {
	long := stream{head: []byte(strings.Repeat("x", target.MaxOutput))}
	o := join([]invocation{{id: "i-1", details: "Success", stdout: long}, {id: "i-2", details: "Failed", stdout: long, stderr: stream{head: []byte("e")}}})
	if len(o.Stdout) > target.MaxOutput || !o.StdoutTruncated || o.StderrTruncated {
		t.Errorf("got %d bytes, truncated %v, %v", len(o.Stdout), o.StdoutTruncated, o.StderrTruncated)
	}
	if o.Stderr != "== i-1 (Success)\n== i-2 (Failed)\ne\n" || !strings.Contains(o.Stdout, "\n== i-2 (Failed)\nx") {
		t.Errorf("got %q", o.Stderr)
	}
	many := make([]invocation, 1000)
	for i := range many {
		many[i] = invocation{id: fmt.Sprintf("i-%04d", i), details: "Success", stdout: stream{head: []byte("x")}}
	}
	if o := join(many); !o.StdoutTruncated || len(o.Stdout) > target.MaxOutput || strings.Count(o.Stdout, "== ") != readNodes {
		t.Errorf("got %d bytes", len(o.Stdout))
	}
}

// TestParametersStandInTheHistory: this is why a secret never goes there.
func TestParametersStandInTheHistory(t *testing.T) {
	w := newWorld(t)
	s := w.send(w.job(version(runbook.Bash, "true", runbook.Parameter{Name: "HOST", Type: runbook.String}), map[string]any{"HOST": "web-1"}))
	out, err := w.target.SSM.ListCommands(t.Context(), &ssm.ListCommandsInput{CommandId: aws.String(s.Ref)})
	if err != nil || len(out.Commands) != 1 || out.Commands[0].Parameters["HOST"][0] != "=web-1" {
		t.Errorf("got %+v, %v", out, err)
	}
}
