//go:build linux

package runner

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// launcher is the function's real binary, built as it is shipped, which the
// tests have for a supervisor and a launcher.
var launcher string

// Where the tests were started by the tests, these have the launcher and the
// one mode to test.
const (
	launcherVariable = "PAGEFREE_TEST_LAUNCHER"
	modeVariable     = "PAGEFREE_TEST_MODE"
)

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "8") // they wait for a child more than they work
	if launcher = os.Getenv(launcherVariable); launcher != "" {
		maps.DeleteFunc(modes, func(mode string, _ walls) bool { return mode != os.Getenv(modeVariable) })
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "pagefree-launcher-")
	if err != nil {
		panic(err)
	}
	launcher = filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", launcher, "pagefree/functions/sandbox")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build the function: %v\n%s", err, out))
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// modes are the machines that the tests can make of this one.
var modes = map[string]walls{
	"all walls":     {},
	"no namespaces": {Namespaces: true},
}

var runners sync.Map // of language and mode -> func() *Runner

func runnerFor(language protocol.Language, without walls) *Runner {
	key := fmt.Sprint(language, without)
	made, _ := runners.LoadOrStore(key, sync.OnceValue(func() *Runner {
		return New(Options{Language: language, Path: os.Getenv("PATH"), launcher: launcher, without: without})
	}))
	return made.(func() *Runner)()
}

// each runs test with a runner of each mode. Where a mode does not confine
// enough on this machine, it holds the runner to its refusal instead.
func each(t *testing.T, language protocol.Language, test func(*testing.T, *Runner)) {
	for name, without := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runnerFor(language, without)
			c := r.Confinement()
			if c.Refused != "" {
				_, err := r.Run(t.Context(), protocol.Request{Language: language, Script: "exit", TimeoutSeconds: 5})
				var notRun *protocol.NotRun
				if !errors.As(err, &notRun) || notRun.Reason != c.Refused {
					t.Fatalf("got %v, want a refusal: %s", err, c.Refused)
				}
				return
			}
			if !without.Namespaces && len(c.Namespaces) == 0 && !strings.Contains(strings.Join(c.Missing, "\n"), "namespaces: ") {
				t.Fatalf("no namespaces, and no reason given: %+v", c)
			}
			test(t, r)
		})
	}
}

// eachLanguage does the same for each language that has a script.
func eachLanguage(t *testing.T, scripts map[protocol.Language]string, test func(*testing.T, *Runner, string)) {
	for language, script := range scripts {
		t.Run(string(language), func(t *testing.T) {
			each(t, language, func(t *testing.T, r *Runner) { test(t, r, script) })
		})
	}
}

// run runs a script that must start, with 10 s at most.
func run(t *testing.T, r *Runner, script string, env ...string) protocol.Result {
	t.Helper()
	return runFor(t, r, 10, script, env...)
}

func runFor(t *testing.T, r *Runner, seconds int, script string, env ...string) protocol.Result {
	t.Helper()
	req := protocol.Request{
		ExecutionID: "ex_test", Attempt: 1, Nonce: "n", Language: r.options.Language,
		Script: script, Env: map[string]string{}, TimeoutSeconds: seconds,
	}
	for i := 0; i+1 < len(env); i += 2 {
		req.Env[env[i]] = env[i+1]
	}
	res, err := r.Run(context.Background(), req)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	return res
}

// exited fails the test unless the script exited with code.
func exited(t *testing.T, res protocol.Result, code int) {
	t.Helper()
	if res.ExitCode == nil {
		t.Fatalf("no exit code, want %d: %s; stdout %q; stderr %q", code, res.Error, brief(res.Stdout), brief(res.Stderr))
	}
	if *res.ExitCode != code {
		t.Fatalf("exit code %d, want %d; stdout %q; stderr %q", *res.ExitCode, code, brief(res.Stdout), brief(res.Stderr))
	}
}

func brief(s string) string { return s[:min(len(s), 1500)] }

// TestAllOfItAsAnOrdinaryUser starts these tests again as a user without any
// rights, if this one is root: then namespaces take a user namespace, and
// without them the script has the function's own user.
func TestAllOfItAsAnOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // they run as one already
	}
	dir, err := os.MkdirTemp("/var/tmp", "pagefree-tests-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tests := filepath.Join(dir, "tests")
	for from, to := range map[string]string{"/proc/self/exe": tests, launcher: filepath.Join(dir, "bootstrap")} {
		program, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, program, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Parallel() // not before: a file that is written while others fork cannot be started

	// Processes are counted per user, so that a bomb keeps the others from
	// starting any; and a function has one mode, in which it is hidden or its
	// scripts do not see it.
	for mode := range modes {
		for _, some := range []string{"Outlives|Tidy|Taints|Reach|Write|See|Network|Dangerous|Limits|Touched|Fresh|Remove|Flat|Left|Lambda|Disk|Memory", "Bomb", "Counted"} {
			again := exec.Command(tests, "-test.run", some)
			again.Env = append(os.Environ(), launcherVariable+"="+filepath.Join(dir, "bootstrap"), modeVariable+"="+mode, "TMPDIR=/tmp")
			again.Dir = "/"
			again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 61234, Gid: 61234}}
			if out, err := again.CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s", mode, some, err, out)
			}
		}
	}
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }
