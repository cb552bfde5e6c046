//go:build linux

package runner

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// said tells whether the runner says, with each result, that something is not enforced here.
func said(r *Runner, what string) bool {
	return strings.Contains(strings.Join(r.Confinement().Missing, "\n"), what)
}

// TestTheDiskIsBounded writes until nothing more goes in. Where that would be the machine's own disk it is said instead.
func TestTheDiskIsBounded(t *testing.T) {
	tests := map[string]string{ // each prints what went in, in MiB or files
		"large files": `
n=0
while [ $n -lt 40 ] && head -c 64M /dev/zero > f$n 2>/dev/null; do n=$((n + 1)); done
du -sm . | cut -f 1`,
		"one file without an end": `head -c 2G /dev/zero > f 2>/dev/null; du -sm f | cut -f 1`,
		"into shared memory":      `n=0; while [ $n -lt 40 ] && head -c 64M /dev/zero > /dev/shm/f$n 2>/dev/null; do n=$((n + 1)); done; du -sm /dev/shm/ | cut -f 1`,
		"empty files": `
for ((n = 0; n < 40000; n++)); do : > f$n || break; done 2>/dev/null
echo $((n / 100))`,
	}
	most := map[string]int{"one file without an end": fileLimit >> 20, "empty files": tmpFiles / 100}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) { // one after the other: what is written is memory
			r := runnerFor(protocol.Bash, walls{})
			if r.Confinement().Refused != "" {
				return // each holds the runner to its refusal
			}
			if !r.walls.Namespaces {
				if !said(r, "disk: ") {
					t.Errorf("the disk has no bounds, and it is not said: %+v", r.Confinement())
				}
				return
			}
			res := runFor(t, r, 30, script)
			exited(t, res, 0)
			limit := most[name]
			if limit == 0 {
				limit = tmpLimit >> 20
			}
			if n, err := strconv.Atoi(strings.TrimSpace(res.Stdout)); err != nil || n > limit || n < limit/2 {
				t.Errorf("%s went in, want nearly %d, and no more", strings.TrimSpace(res.Stdout), limit)
			}
			exited(t, run(t, r, `[ "$(ls -A . /tmp | wc -l)" -le 6 ] && head -c 64M /dev/zero > f`), 0) // the next run has all of it
		})
	}
}

// TestWhatIsNotEnforcedIsSaidOnce: in the log, when the function starts, and then with each result alone.
func TestWhatIsNotEnforcedIsSaidOnce(t *testing.T) {
	t.Parallel()
	for name, without := range modes {
		var log strings.Builder
		r := New(Options{Language: protocol.Bash, launcher: launcher, without: without, Log: logTo(&log)})
		if r.Confinement().Refused != "" {
			continue
		}
		if !said(r, "memory: ") || said(r, "disk: ") == r.walls.Namespaces {
			t.Errorf("%s: got %q", name, r.Confinement().Missing)
		}
		exited(t, run(t, r, "exit 0"), 0)
		res := run(t, r, "exit 1")
		for _, missing := range r.Confinement().Missing {
			quoted, err := json.Marshal(missing)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(log.String(), string(quoted)); n != 1 || !slices.Contains(res.Confinement.Missing, missing) {
				t.Errorf("%s: %q is in the log %d times, and in the result: %q", name, missing, n, res.Confinement.Missing)
			}
		}
	}
}

func TestMemoryOfAProcessIsBounded(t *testing.T) {
	t.Parallel()
	eachLanguage(t, map[protocol.Language]string{
		protocol.Bash:       "x=$(head -c 700M /dev/zero | tr '\\0' x); echo done",
		protocol.Python:     "x = b'x'\nwhile True: x += x",
		protocol.JavaScript: "const all = []; for (;;) all.push(Buffer.alloc(10 << 20, 1))",
	}, func(t *testing.T, r *Runner, script string) {
		res := runFor(t, r, 60, script)
		if res.TimedOut || res.ExitCode != nil && *res.ExitCode == 0 {
			t.Errorf("got %+v, want an end for want of memory", res)
		}
	})
}

// TestForkBombsOfOtherLanguages are as TestAForkBombIsContained, without a shell.
func TestForkBombsOfOtherLanguages(t *testing.T) {
	t.Parallel()
	eachLanguage(t, map[protocol.Language]string{
		protocol.Python: "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass",
		protocol.JavaScript: `const { spawn } = require('child_process');
const more = () => { try { spawn('sleep', ['100', process.env.PF_MARK]).on('error', () => {}); } catch {} setImmediate(more); }; more();`,
	}, func(t *testing.T, r *Runner, script string) {
		mark := "mark-" + rand.Text()
		res := runFor(t, r, 2, script, "PF_MARK", mark)
		if res.ExitCode != nil && *res.ExitCode == 0 {
			t.Errorf("got %+v, want an end by force", res)
		}
		if took := time.Duration(res.DurationMs) * time.Millisecond; took > 10*time.Second {
			t.Errorf("the answer took %v", took)
		}
		if n := alive(mark); n > 0 {
			t.Errorf("%d processes live on", n)
		}
		exited(t, run(t, r, map[protocol.Language]string{protocol.Python: "pass", protocol.JavaScript: ""}[r.options.Language]), 0)
	})
}

func TestDetachedChildrenOfOtherLanguagesDoNotOutlive(t *testing.T) {
	t.Parallel()
	eachLanguage(t, map[protocol.Language]string{
		protocol.Python: `import os, subprocess, sys
subprocess.Popen(['bash', '-c', 'trap "" TERM HUP; sleep 100; : ' + os.environ['PF_MARK']], start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    os.execvp('bash', ['bash', '-c', 'sleep 100; : ' + os.environ['PF_MARK']])
import time; time.sleep(0.3)`,
		protocol.JavaScript: `const { spawn } = require('child_process');
spawn('bash', ['-c', 'trap "" TERM HUP; sleep 100; : ' + process.env.PF_MARK], { detached: true, stdio: 'ignore' }).unref();
setTimeout(() => process.exit(0), 300);`,
	}, func(t *testing.T, r *Runner, script string) {
		mark := "mark-" + rand.Text()
		exited(t, run(t, r, script, "PF_MARK", mark), 0)
		if n := alive(mark); n > 0 {
			t.Errorf("%d processes live on", n)
		}
	})
}

// TestEndlessOutputTakesNoMemory lets scripts of each language write to both
// streams at once, for as long as they may. It is not parallel: it counts what
// this process allocates.
func TestEndlessOutputTakesNoMemory(t *testing.T) {
	for language, script := range map[protocol.Language]string{
		protocol.Bash:       "head -c 10G /dev/zero & head -c 10G /dev/zero >&2; wait",
		protocol.Python:     "import os\nb = b'x' * (1 << 20)\nwhile True: os.write(1, b); os.write(2, b)",
		protocol.JavaScript: "const fs = require('fs'), b = Buffer.alloc(1 << 16, 'x'); for (;;) for (const fd of [1, 2]) try { fs.writeSync(fd, b); } catch {}",
	} {
		for mode, without := range modes {
			t.Run(string(language)+", "+mode, func(t *testing.T) {
				r := runnerFor(language, without)
				if r.Confinement().Refused != "" {
					return // each holds the runner to its refusal
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				res := runFor(t, r, 1, script)
				runtime.ReadMemStats(&after)
				if res.ExitCode != nil && *res.ExitCode != 0 || res.ExitCode == nil && !res.TimedOut {
					t.Errorf("ended otherwise: %v %q", res.Signal, res.Error)
				}
				if len(res.Stdout) != protocol.MaxOutputBytes || len(res.Stderr) != protocol.MaxOutputBytes || !res.StdoutTruncated || !res.StderrTruncated {
					t.Errorf("%d and %d bytes kept, truncated %v and %v", len(res.Stdout), len(res.Stderr), res.StdoutTruncated, res.StderrTruncated)
				}
				if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
					t.Errorf("allocated %d bytes for it", grown)
				}
			})
		}
	}
}

// TestSecretsOfTheMachineAreOutOfReach tries from each language what TestTheFunctionsMemoryIsOutOfReach and
// TestFilesOfTheMachineAreOutOfReach try from Python.
func TestSecretsOfTheMachineAreOutOfReach(t *testing.T) {
	t.Parallel()
	eachLanguage(t, map[protocol.Language]string{
		protocol.Bash: `for f in /proc/$PPID/environ /proc/$PF_PID/environ /proc/1/environ /proc/$PF_PID/cmdline/../environ /etc/shadow /etc/gshadow /proc/$PPID/mem /proc/$PPID/root/etc/shadow; do
  { head -c 1 "$f" >/dev/null && echo "done: $f"; } 2>/dev/null
done; exit 0`,
		protocol.JavaScript: "const fs = require('fs');\nfor (const f of [`/proc/${process.ppid}/environ`, `/proc/${process.env.PF_PID}/environ`, '/proc/1/environ', '/etc/shadow', '/etc/gshadow', `/proc/${process.ppid}/mem`, `/proc/${process.ppid}/root/etc/shadow`])\n  try { fs.readFileSync(f); console.log('done:', f); } catch {}",
	}, func(t *testing.T, r *Runner, script string) {
		res := run(t, r, script, "PF_PID", strconv.Itoa(os.Getpid()))
		exited(t, res, 0)
		if res.Stdout != "" {
			t.Error(res.Stdout)
		}
	})
}

// TestOnLambdaWithNoWallAtAll is a run as it is where the kernel gives nothing: what is left is clearing up, and not
// to be looked into. functions/sandbox tries the same with the whole function, which takes a mount namespace.
func TestOnLambdaWithNoWallAtAll(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		return // Lambda never is: TestAllOfItAsAnOrdinaryUser comes back here
	}
	tmp := t.TempDir()
	r := New(Options{
		Language: protocol.Bash, OnLambda: true, launcher: launcher, wiped: []string{tmp},
		without: walls{Namespaces: true, Landlock: 1, Seccomp: true},
	})
	c := r.Confinement()
	if !c.Lambda || c.Seccomp || c.Landlock != 0 || len(c.Namespaces) != 0 || c.OwnUser || c.Refused != "" {
		t.Fatalf("got %+v, want Lambda alone", c)
	}
	if !said(r, "sockets can be made") || !said(r, "the Runtime API can be reached") || !said(r, "processes of the same user can be signalled") {
		t.Errorf("it is not said what is missing: %q", c.Missing)
	}
	mark := "mark-" + rand.Text()
	visible := "$PF_PID"
	if _, also := modes["all walls"]; also { // its runners show this process for moments, see startCommand
		visible = "none"
	}
	res := run(t, r, `
printf '%s ' "$PWD" *
head -c 1 /proc/`+visible+`/environ /proc/$PPID/environ 2>/dev/null
(umask 777; mkdir ../locked); mkdir -p ../a/b; echo x > ../a/b/c
setsid bash -c 'sleep 100; : '$PF_MARK & exit 5`, "PF_MARK", mark, "PF_PID", strconv.Itoa(os.Getpid()))
	exited(t, res, 5)
	if want := filepath.Join(tmp, "run") + " script.sh "; res.Stdout != want {
		t.Errorf("got %q, want %q", res.Stdout, want)
	}
	if n := alive(mark); n > 0 {
		t.Errorf("%d processes live on", n)
	}
	if r.Tainted() {
		t.Error("tainted by a run that ended by itself")
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if res := run(t, r, "ls -A ..; setsid bash -c 'sleep 100; : '$PF_MARK & sleep 0.3; kill -KILL $PPID; sleep 100", "PF_MARK", mark); res.ExitCode != nil || !strings.Contains(res.Error, "supervisor") || res.Stdout != "run\n" {
		t.Errorf("got %+v, want the loss of the supervisor", res)
	}
	if n := alive(mark); n > 0 {
		t.Errorf("%d processes live on without a supervisor", n)
	}
	if !r.Tainted() {
		t.Error("not tainted by the loss of a supervisor")
	}
}
