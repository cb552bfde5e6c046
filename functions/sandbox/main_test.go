//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/internal/execution/target/sandbox/protocol"
)

const secret = "a-secret-of-the-function"

func TestOnlyLambdaItselfIsTakenForLambda(t *testing.T) {
	lambda := map[string]string{"LAMBDA_TASK_ROOT": "/var/task", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}
	with := func(name, value string) map[string]string {
		env := map[string]string{name: value}
		for k, v := range lambda {
			if k != name {
				env[k] = v
			}
		}
		return env
	}
	tests := map[string]struct {
		env        map[string]string
		executable string
		uid        int
		want       bool
	}{
		"Lambda":                      {lambda, "/var/task/bootstrap", 993, true},
		"provisioned":                 {with("AWS_LAMBDA_INITIALIZATION_TYPE", "provisioned-concurrency"), "/var/task/bootstrap", 993, true},
		"the local stack":             {lambda, "/home/me/pagefree/.local/build/SandboxBashFunction/bootstrap", 1000, false},
		"sam local":                   {with("AWS_SAM_LOCAL", "true"), "/var/task/bootstrap", 993, false},
		"a container's root":          {lambda, "/var/task/bootstrap", 0, false},
		"another task root":           {with("LAMBDA_TASK_ROOT", "/srv"), "/var/task/bootstrap", 993, false},
		"a shell":                     {with("AWS_LAMBDA_INITIALIZATION_TYPE", ""), "/var/task/bootstrap", 993, false},
		"the execution env by itself": {map[string]string{"AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"}, "/usr/bin/x", 993, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := onLambda(func(k string) string { return test.env[k] }, test.executable, test.uid); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestOverTheRuntimeAPI starts the binary as Lambda does, with the arguments
// that a wrapper of a managed runtime gets.
func TestOverTheRuntimeAPI(t *testing.T) {
	tests := map[protocol.Language]string{
		protocol.Bash:       `printf '<%s>' "$PF_NAME"; cat /proc/[0-9]*/environ 2>/dev/null; exit 3`,
		protocol.Python:     `import os, sys; sys.stdout.write('<' + os.environ['PF_NAME'] + '>'); sys.exit(3)`,
		protocol.JavaScript: `process.stdout.write('<' + process.env.PF_NAME + '>'); process.exitCode = 3`,
	}
	for language, script := range tests {
		t.Run(string(language), func(t *testing.T) {
			t.Parallel()
			f := startFunction(t, bootstrap, language)
			if refused(t, f, language) {
				return
			}
			res := f.run(t, protocol.Request{Language: language, Script: script, TimeoutSeconds: 20, Env: map[string]string{"PF_NAME": "größe & <b>"}})
			if res.ExitCode == nil || *res.ExitCode != 3 || !strings.HasPrefix(res.Stdout, "<größe & <b>>") {
				t.Fatalf("got %+v", res)
			}
			if strings.Contains(res.Stdout, secret) {
				t.Error("the function's environment was read")
			}
			if res.Confinement.Lambda {
				t.Error("this is not Lambda")
			}

			_, failure := f.invoke(t, protocol.Request{Language: "COBOL", Script: "x", TimeoutSeconds: 5})
			if failure["errorType"] != protocol.NotRunType {
				t.Errorf("got %v, want a NotRun", failure)
			}
			check := f.run(t, protocol.Request{Language: language, Script: "(", Mode: protocol.Check})
			if check.Check == nil || check.Check.OK {
				t.Errorf("got %+v, want a syntax error", check.Check)
			}

			timedOut := f.run(t, protocol.Request{Language: language, Script: endless[language], TimeoutSeconds: 1})
			if !timedOut.TimedOut || timedOut.ExitCode != nil {
				t.Errorf("got %+v, want a timeout", timedOut)
			}
			if res := f.run(t, protocol.Request{Language: language, Script: "", TimeoutSeconds: 5}); res.ExitCode == nil {
				t.Errorf("after a timeout: %+v", res)
			}
			if n := strings.Count(f.logs(), `"confinement":`); n < 1 || n > 2 {
				t.Errorf("the confinement was logged %d times:\n%s", n, f.logs())
			}
		})
	}
}

var endless = map[protocol.Language]string{
	protocol.Bash:       "while :; do sleep 1; done",
	protocol.Python:     "while True: pass",
	protocol.JavaScript: "for (;;);",
}

// TestWithoutALanguageItRefuses holds a function that was deployed wrong.
func TestWithoutALanguageItRefuses(t *testing.T) {
	t.Parallel()
	f := startFunction(t, bootstrap, "")
	_, failure := f.invoke(t, protocol.Request{Language: protocol.Bash, Script: "true", TimeoutSeconds: 5})
	if failure["errorType"] != protocol.NotRunType {
		t.Errorf("got %v, want a NotRun", failure)
	}
}

// TestAsOnLambda runs the binary where nothing works but what Lambda has: at
// its place, as a user without rights, with namespaces, seccomp and Landlock
// forbidden, and with a /tmp that outlives runs. It takes a mount namespace,
// for the function's /tmp would be the machine's, and that is not ours to
// wipe. The runner's TestOnLambdaWithNoWallAtAll does as much without one, in
// a directory of its own; what only this one shows is the function's place,
// and that it starts afresh.
func TestAsOnLambda(t *testing.T) {
	if !slices.Contains(namespaces(t), "mnt") {
		t.Log("no mount namespaces here: the whole function as on Lambda was not tried")
		return
	}
	f := startFunction(t, likeLambda, protocol.Bash)
	pid := f.pid()
	mark := "mark-" + strings.ReplaceAll(t.Name(), "/", "-")
	run := func(script string) protocol.Result {
		t.Helper()
		return f.run(t, protocol.Request{Language: protocol.Bash, Script: script, TimeoutSeconds: 2})
	}
	res := run(`
cat /proc/[0-9]*/environ 2>/dev/null | grep -ac ` + secret + `
printf '%s ' "$PWD" *
(umask 777; mkdir /tmp/locked); mkdir -p /tmp/a/b; echo x > /tmp/a/b/c; echo x > /var/tmp/y; ipcmk -M 4096 > /dev/null
setsid bash -c 'sleep 100; : ` + mark + `' & exit 5`)
	if res.ExitCode == nil || *res.ExitCode != 5 || res.Stdout != "0\n/tmp/run script.sh " {
		t.Fatalf("got %+v", res)
	}
	c := res.Confinement
	if !c.Lambda || c.Seccomp || c.Landlock != 0 || len(c.Namespaces) != 0 || c.OwnUser || c.Refused != "" {
		t.Fatalf("got %+v, want Lambda alone", c)
	}
	for _, missing := range []string{"namespaces: ", "seccomp: ", "landlock: ", "the Runtime API can be reached"} {
		if !strings.Contains(strings.Join(c.Missing, "\n"), missing) {
			t.Errorf("it is not said that there is no %s: %q", missing, c.Missing)
		}
	}
	if alive(mark) {
		t.Error("a process lives on")
	}
	if res := run(`ls -A /tmp /var/tmp; ipcs -m | grep -c " $UID \| $(id -un 2>/dev/null || id -u) "`); res.Stdout != "/tmp:\nrun\n\n/var/tmp:\n0\n" {
		t.Errorf("this was left by the first run: %q", res.Stdout)
	}
	if f.starts() != 1 {
		t.Errorf("started afresh %d times, without a reason", f.starts()-1)
	}

	if res := run("trap '' TERM; setsid bash -c 'trap \"\" TERM; while :; do sleep 1; done; : " + mark + "' & while :; do sleep 1; done"); !res.TimedOut {
		t.Errorf("got %+v, want a timeout", res)
	}
	if alive(mark) {
		t.Error("a process lives on")
	}
	if res := run("exit 6"); res.ExitCode == nil || *res.ExitCode != 6 {
		t.Errorf("after a timeout: %+v", res)
	}
	if f.starts() != 2 || f.pid() != pid {
		t.Errorf("started %d times, as %d and %d; want a second start of the same process", f.starts(), pid, f.pid())
	}

	res = run("setsid bash -c 'sleep 100; : " + mark + "' & sleep 0.5; kill -KILL $PPID; sleep 100")
	if res.ExitCode != nil || !strings.Contains(res.Error, "supervisor") {
		t.Errorf("got %+v, want the loss of the supervisor", res)
	}
	if alive(mark) {
		t.Error("a process lives on")
	}
	if res := run("exit 7"); res.ExitCode == nil || *res.ExitCode != 7 || f.starts() != 3 {
		t.Errorf("after that: %+v, %d starts", res, f.starts())
	}
	if strings.Contains(f.logs(), secret) {
		t.Error("a secret was logged")
	}
}

// TestAKilledFunctionTakesItsScriptAlong: the local stack, and Lambda, kill a
// function that exceeds its own time limit.
func TestAKilledFunctionTakesItsScriptAlong(t *testing.T) {
	programs := []string{bootstrap}
	if slices.Contains(namespaces(t), "mnt") {
		programs = append(programs, likeLambda)
	}
	for i, program := range programs {
		f := startFunction(t, program, protocol.Bash)
		if program == bootstrap && refused(t, f, protocol.Bash) {
			return
		}
		mark := fmt.Sprintf("mark-of-the-killed-%d-%d", os.Getpid(), i)
		event, err := json.Marshal(protocol.Request{Language: protocol.Bash, TimeoutSeconds: 60,
			Script: "setsid bash -c 'sleep 50; : " + mark + "' & sleep 50"})
		if err != nil {
			t.Fatal(err)
		}
		f.requests <- string(event)
		until(t, "the script runs", func() bool { return alive(mark) })
		f.cmd.Process.Kill()
		until(t, "it is gone", func() bool { return !alive(mark) })
	}
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for this in vain: %s", what)
		}
	}
}

// refused tells whether scripts are refused on this machine, which has to be
// in the log.
func refused(t *testing.T, f *runningFunction, language protocol.Language) bool {
	t.Helper()
	_, failure := f.invoke(t, protocol.Request{Language: language, Script: "", TimeoutSeconds: 20})
	if failure == nil {
		return false
	}
	if failure["errorType"] != protocol.NotRunType || !strings.Contains(f.logs(), "scripts are refused here") {
		t.Errorf("got %v, want a refusal:\n%s", failure, f.logs())
	}
	return true
}

// namespaces are those that the function can have on this machine.
func namespaces(t *testing.T) []string {
	t.Helper()
	f := startFunction(t, bootstrap, protocol.Bash)
	if refused(t, f, protocol.Bash) {
		return nil
	}
	c := f.run(t, protocol.Request{Language: protocol.Bash, Script: "", TimeoutSeconds: 20}).Confinement
	if len(c.Namespaces) == 0 && !strings.Contains(strings.Join(c.Missing, "\n"), "namespaces: ") {
		t.Errorf("no namespaces, and no reason given: %+v", c)
	}
	return c.Namespaces
}

// alive tells whether a process has mark in its command line.
func alive(mark string) bool {
	dirs, _ := os.ReadDir("/proc")
	for _, d := range dirs {
		line, err := os.ReadFile("/proc/" + d.Name() + "/cmdline")
		if err == nil && strings.Contains(string(line), mark) {
			return true
		}
	}
	return false
}

func decode[T any](t *testing.T, body []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}
