//go:build linux

package runner

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// alive counts the processes whose command line holds mark. All of them can
// be seen from here, in whatever namespace they are.
func alive(mark string) (n int) {
	for _, pid := range processes() {
		line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		if err == nil && bytes.Contains(line, []byte(mark)) {
			n++
		}
	}
	return n
}

// timedOut fails the test unless the script was ended in time.
func timedOut(t *testing.T, res protocol.Result, limit time.Duration) {
	t.Helper()
	if !res.TimedOut || res.ExitCode != nil || res.Signal != "" || !strings.Contains(res.Error, "time limit") {
		t.Errorf("got %+v, want a timeout", res)
	}
	took := time.Duration(res.DurationMs) * time.Millisecond
	if took < limit || took > limit+grace+3*time.Second { // of which the machine may take some
		t.Errorf("ended after %v, the limit is %v", took, limit)
	}
}

func TestATimeLimitIsKept(t *testing.T) {
	t.Parallel()
	eachLanguage(t, map[protocol.Language]string{
		protocol.Bash:       "echo begun; sleep 100; echo unreached",
		protocol.Python:     "import time; print('begun'); time.sleep(100)",
		protocol.JavaScript: "console.log('begun'); setInterval(() => {}, 1000)",
	}, func(t *testing.T, r *Runner, script string) {
		res := runFor(t, r, 1, script)
		timedOut(t, res, time.Second)
		if res.Stdout != "begun\n" {
			t.Errorf("got %q, want what was written until then", res.Stdout)
		}
	})
}

func TestIgnoringTheRequestToEndDoesNotHelp(t *testing.T) {
	t.Parallel()
	eachLanguage(t, map[protocol.Language]string{
		protocol.Bash:       "trap '' TERM INT HUP; trap 'echo caught' TERM; while :; do sleep 100; done",
		protocol.Python:     "import signal, time\nfor s in range(1, 32):\n  try: signal.signal(s, signal.SIG_IGN)\n  except OSError: pass\nwhile True: time.sleep(100)",
		protocol.JavaScript: "process.on('SIGTERM', () => {}); for (;;);",
	}, func(t *testing.T, r *Runner, script string) {
		timedOut(t, runFor(t, r, 1, script), time.Second)
	})
}

func TestATidyEndAtTheLimitIsStillATimeout(t *testing.T) {
	t.Parallel()
	each(t, protocol.Bash, func(t *testing.T, r *Runner) {
		res := runFor(t, r, 1, "trap 'echo tidied; exit 0' TERM; sleep 100 & wait")
		timedOut(t, res, time.Second)
		if res.Stdout != "tidied\n" {
			t.Errorf("got %q, want the second that SIGTERM leaves to be used", res.Stdout)
		}
	})
}

func TestNothingOutlivesItsScript(t *testing.T) {
	t.Parallel()
	// MARK is in each command line of what is left behind.
	tests := map[string]string{
		"a background process":    `bash -c 'sleep 100; : MARK' & exit 0`,
		"a session of its own":    `setsid bash -c 'sleep 100; : MARK' & exit 0`,
		"detached twice":          `(setsid bash -c '(setsid bash -c "sleep 100; : MARK" &) ; : MARK' &) ; sleep 0.1; exit 0`,
		"deaf and detached":       `setsid bash -c 'trap "" TERM HUP INT QUIT; while :; do sleep 100; done; : MARK' & sleep 0.1; exit 0`,
		"stopped":                 `setsid bash -c 'kill -STOP $$; : MARK' & sleep 0.1; exit 0`,
		"holding the output open": `setsid bash -c 'exec 3>&1; sleep 100; : MARK' & echo out; exit 0`,
		"writing to the end":      `setsid bash -c 'while :; do echo out; done; : MARK' & sleep 0.1; exit 0`,
		"always another process":  `setsid bash -c 'f() { sleep 0.01; bash -c "$1" "$1" MARK & exit; }; f "$0"' 'sleep 0.01; bash -c "$0" "$0" MARK & exit' MARK & sleep 0.1; exit 0`,
		"another process and session at each moment": `python3 -c '
import os
while True:
    if os.fork(): os._exit(0)
    os.setsid()' MARK & sleep 0.3; exit 0`,
		"without streams and terminal": `setsid bash -c 'sleep 100; : MARK' </dev/null >/dev/null 2>&1 & disown -a; exit 0`,
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			each(t, protocol.Bash, func(t *testing.T, r *Runner) {
				mark := "mark-" + rand.Text()
				res := run(t, r, strings.ReplaceAll(script, "MARK", mark))
				exited(t, res, 0)
				if n := alive(mark); n > 0 {
					t.Errorf("%d processes live on", n)
				}
				if took := time.Duration(res.DurationMs) * time.Millisecond; took > 5*time.Second {
					t.Errorf("the answer took %v", took)
				}
			})
		})
	}
}

func TestAForkBombIsContained(t *testing.T) {
	t.Parallel()
	each(t, protocol.Bash, func(t *testing.T, r *Runner) {
		mark := "mark-" + rand.Text()
		bomb := `bash -c 'f() { f | f & f; }; f; : ` + mark + `' 2>/dev/null; while :; do sleep 1; done`
		done := make(chan protocol.Result, 1)
		go func() {
			defer close(done) // runFor may end this goroutine
			done <- runFor(t, r, 2, bomb)
		}()
		most := 0
		for {
			select {
			case res := <-done:
				timedOut(t, res, 2*time.Second)
				if n := alive(mark); n > 0 {
					t.Errorf("%d processes live on", n)
				}
				if most == 0 || most > taskLimit {
					t.Errorf("%d processes at a time, want 1 to %d", most, taskLimit)
				}
				return
			case <-time.After(50 * time.Millisecond):
				most = max(most, alive(mark))
			}
		}
	})
}

func TestTheCallersDeadlineEndsARunInTime(t *testing.T) {
	t.Parallel()
	each(t, protocol.Bash, func(t *testing.T, r *Runner) {
		ctx, cancel := context.WithTimeout(t.Context(), killMargin+time.Second)
		defer cancel()
		res, err := r.Run(ctx, protocol.Request{Language: protocol.Bash, Script: "sleep 100", TimeoutSeconds: 60})
		if err != nil {
			t.Fatal(err)
		}
		if ctx.Err() != nil {
			t.Error("the answer came after the deadline")
		}
		timedOut(t, res, 0)
	})
}

func TestWithoutTimeNothingIsRun(t *testing.T) {
	t.Parallel()
	each(t, protocol.Bash, func(t *testing.T, r *Runner) {
		ctx, cancel := context.WithTimeout(t.Context(), killMargin/2)
		defer cancel()
		_, err := r.Run(ctx, protocol.Request{Language: protocol.Bash, Script: "true", TimeoutSeconds: 60})
		var notRun *protocol.NotRun
		if !errors.As(err, &notRun) {
			t.Fatalf("got %v, want a NotRun", err)
		}
	})
}

func TestACancelledCallEndsTheRun(t *testing.T) {
	t.Parallel()
	each(t, protocol.Bash, func(t *testing.T, r *Runner) {
		mark := "mark-" + rand.Text()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for alive(mark) == 0 && ctx.Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
			cancel()
		}()
		res, err := r.Run(ctx, protocol.Request{Language: protocol.Bash, Script: "bash -c 'sleep 100; : " + mark + "'", TimeoutSeconds: 60})
		if err != nil || res.ExitCode != nil || res.TimedOut || !strings.Contains(res.Error, "canceled") {
			t.Fatalf("got %+v, %v", res, err)
		}
		if n := alive(mark); n > 0 {
			t.Errorf("%d processes live on", n)
		}
	})
}

func TestAKilledRunTaintsOnlyWhereTheKernelDoesNotVouch(t *testing.T) {
	t.Parallel()
	for name, without := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := New(Options{Language: protocol.Bash, launcher: launcher, without: without})
			if r.Confinement().Refused != "" {
				return
			}
			exited(t, run(t, r, "true"), 0)
			if r.Tainted() {
				t.Error("tainted by a run that ended by itself")
			}
			timedOut(t, runFor(t, r, 1, "sleep 100"), time.Second)
			if want := len(r.Confinement().Namespaces) == 0; r.Tainted() != want {
				t.Errorf("tainted %v, want %v", r.Tainted(), want)
			}
		})
	}
}

// TestAHuntThatTheMachineHeldUp: time that passed without a look is no reason to give up; looks without an end are.
func TestAHuntThatTheMachineHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		if survivors := hunt(func() ([]process, bool) {
			time.Sleep(2 * killPatience)
			looks++
			return nil, looks == 3
		}); survivors != 0 {
			t.Errorf("gave up after %d looks", looks)
		}
		looks = 0
		if survivors := hunt(func() ([]process, bool) { looks++; return nil, false }); survivors != 1 || looks < killRounds {
			t.Errorf("%d survivors after %d looks", survivors, looks)
		}
	})
}
