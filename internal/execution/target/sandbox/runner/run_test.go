//go:build linux

package runner

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pagefree/internal/execution/target/sandbox/protocol"
	"pagefree/internal/platform/text"
)

func TestExitCodesAreExact(t *testing.T) {
	t.Parallel()
	eachLanguage(t, map[protocol.Language]string{
		protocol.Bash:       "exit $PF_CODE",
		protocol.Python:     "import os, sys; sys.exit(int(os.environ['PF_CODE']))",
		protocol.JavaScript: "process.exit(Number(process.env.PF_CODE))",
	}, func(t *testing.T, r *Runner, script string) {
		for code, value := range map[int]string{0: "0", 7: "7", 255: "255"} {
			res := run(t, r, script, "PF_CODE", value)
			exited(t, res, code)
			if res.Error != "" || res.Signal != "" || res.TimedOut {
				t.Errorf("code %d: error %q, signal %q, timedOut %v, want none", code, res.Error, res.Signal, res.TimedOut)
			}
		}
	})
}

func TestUncaughtErrorsFail(t *testing.T) {
	t.Parallel()
	eachLanguage(t, map[protocol.Language]string{
		protocol.Bash:       "set -e; false; echo unreached",
		protocol.Python:     "raise ValueError('broken')",
		protocol.JavaScript: "throw new Error('broken')",
	}, func(t *testing.T, r *Runner, script string) {
		exited(t, run(t, r, script), 1)
	})
}

func TestAnEndBySignalHasNoExitCode(t *testing.T) {
	t.Parallel()
	eachLanguage(t, map[protocol.Language]string{
		protocol.Bash:       "kill -SEGV $$",
		protocol.Python:     "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
		protocol.JavaScript: "process.kill(process.pid, 'SIGSEGV'); setInterval(() => {}, 1000)",
	}, func(t *testing.T, r *Runner, script string) {
		res := run(t, r, script)
		if res.ExitCode != nil || res.Signal != "SIGSEGV" || !strings.Contains(res.Error, "SIGSEGV") || res.TimedOut {
			t.Fatalf("got %+v, want an end by SIGSEGV", res)
		}
	})
}

func TestParametersArriveVerbatim(t *testing.T) {
	t.Parallel()
	values := []string{
		"", " ", "plain", "it's \"quoted\"", "two\nlines\n", "$(touch /tmp/run/pwned)", "`id`", "${HOME}", "$PATH",
		"; exit 9", "a && b | c > d", "\\n \\\\ \t", "-n", "--help", "*", "~", "%s %d %n", "{{incident.title}}",
		"größe 😀 \u202e", "\x01\x7f", "\r\n", strings.Repeat("x", 60_000),
	}
	var env []string
	for i, value := range values {
		env = append(env, fmt.Sprintf("PF_V%d", i), value)
	}
	env = append(env, "PF_N", strconv.Itoa(len(values)))
	eachLanguage(t, map[protocol.Language]string{
		protocol.Bash:       `for ((i = 0; i < PF_N; i++)); do v=PF_V$i; printf '%s\0' "${!v}"; done; [ ! -e pwned ]`,
		protocol.Python:     "import os, sys\nfor i in range(int(os.environ['PF_N'])): sys.stdout.write(os.environ[f'PF_V{i}'] + '\\0')",
		protocol.JavaScript: "for (let i = 0; i < process.env.PF_N; i++) process.stdout.write(process.env['PF_V' + i] + '\\0')",
	}, func(t *testing.T, r *Runner, script string) {
		res := run(t, r, script, env...)
		exited(t, res, 0)
		got := strings.Split(res.Stdout, "\x00")
		for i, want := range values {
			if i >= len(got) || got[i] != want {
				t.Fatalf("value %d is not %q in %q", i, brief(want), brief(res.Stdout))
			}
		}
	})
}

func TestTheEnvironmentIsClean(t *testing.T) {
	t.Parallel()
	eachLanguage(t, map[protocol.Language]string{
		protocol.Bash:       `env -0 | tr '\0' '\n'`,
		protocol.Python:     `import os; print("\n".join(k + "=" + v for k, v in os.environ.items()))`,
		protocol.JavaScript: `for (const [k, v] of Object.entries(process.env)) console.log(k + "=" + v)`,
	}, func(t *testing.T, r *Runner, script string) {
		res := run(t, r, script, "PF_REGION", "eu")
		exited(t, res, 0)
		var names []string
		values := map[string]string{}
		for line := range strings.Lines(res.Stdout) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			if name == "_" || name == "PWD" || name == "SHLVL" || name == "OLDPWD" || name == "LC_CTYPE" {
				continue // an interpreter's own
			}
			names = append(names, name)
			values[name] = value
		}
		slices.Sort(names)
		if want := []string{"HOME", "LANG", "PATH", "PF_REGION", "TMPDIR"}; !slices.Equal(names, want) {
			t.Errorf("got %v, want %v", names, want)
		}
		if values["HOME"] != values["TMPDIR"] || values["LANG"] != "C.UTF-8" || values["PF_REGION"] != "eu" {
			t.Errorf("got %v", values)
		}
	})
}

func TestTheWorkDirectoryIsFresh(t *testing.T) {
	t.Parallel()
	each(t, protocol.Bash, func(t *testing.T, r *Runner) {
		const script = `
[ "$PWD" = "$HOME" ] && [ "$PWD" = "$TMPDIR" ] || exit 2
[ "$(ls -A)" = script.sh ] || { ls -lA; exit 3; }
[ "$(umask)" = 0077 ] || exit 4
read -r line && exit 5                       # stdin is empty
mkdir a b && echo x > a/f && mv a/f b/g || exit 6
echo kept > leftover && mktemp > /dev/null || exit 7
echo seen > /dev/stderr || exit 8
cat <(echo substituted) || exit 9
(umask 777; mkdir locked)
exit 0`
		for range 2 {
			res := run(t, r, script)
			exited(t, res, 0)
			if res.Stdout != "substituted\n" || res.Stderr != "seen\n" {
				t.Errorf("got %q and %q", res.Stdout, res.Stderr)
			}
		}
	})
}

func TestScriptsOfAllForms(t *testing.T) {
	t.Parallel()
	filler := func(comment, end string) string {
		return comment + strings.Repeat("x", protocol.MaxScriptBytes-len(comment)-len(end)) + end
	}
	tests := map[string]struct {
		language       protocol.Language
		script, stdout string
	}{
		"bash: no newline at the end":       {protocol.Bash, "echo done", "done\n"},
		"bash: nothing at all":              {protocol.Bash, "", ""},
		"bash: characters beyond ASCII":     {protocol.Bash, "echo größe 😀", "größe 😀\n"},
		"bash: the largest":                 {protocol.Bash, filler("# ", "\necho end"), "end\n"},
		"bash: CRLF is kept, as reviewed":   {protocol.Bash, "echo one\r\n", "one\r\n"},
		"bash: a shebang is a comment":      {protocol.Bash, "#!/bin/false\necho $0", "script.sh\n"},
		"python: no newline at the end":     {protocol.Python, "print('done')", "done\n"},
		"python: CRLF":                      {protocol.Python, "if True:\r\n    print('one')\r\n", "one\n"},
		"python: characters beyond ASCII":   {protocol.Python, "print('größe 😀')", "größe 😀\n"},
		"python: the largest":               {protocol.Python, filler("# ", "\nprint('end')"), "end\n"},
		"python: nothing from the work dir": {protocol.Python, "import sys, os; print(os.getcwd() in sys.path, '' in sys.path, sys.flags.isolated)", "False False 1\n"},
		"node: no newline at the end":       {protocol.JavaScript, "console.log('done')", "done\n"},
		"node: CRLF":                        {protocol.JavaScript, "const a = `x`\r\nconsole.log(a)\r\n", "x\n"},
		"node: characters beyond ASCII":     {protocol.JavaScript, "console.log('größe 😀')", "größe 😀\n"},
		"node: the largest":                 {protocol.JavaScript, filler("// ", "\nconsole.log('end')"), "end\n"},
		"node: promises are waited for":     {protocol.JavaScript, "setTimeout(() => console.log('later'), 20)", "later\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			each(t, test.language, func(t *testing.T, r *Runner) {
				res := run(t, r, test.script)
				exited(t, res, 0)
				if res.Stdout != test.stdout || res.Stderr != "" {
					t.Errorf("got %q and %q, want %q", brief(res.Stdout), brief(res.Stderr), test.stdout)
				}
			})
		})
	}
}

// TestLinesThatAreNotSeenRun is why runbooks refuse them (text.HidesLines): interpreters end a line, and with it a
// comment, where a reader sees no end.
func TestLinesThatAreNotSeenRun(t *testing.T) {
	t.Parallel()
	for language, script := range map[protocol.Language]string{
		protocol.Python:     "# a comment\rprint('ran')",
		protocol.JavaScript: "// a comment\u2028console.log('ran')\u2029// and\rconsole.log('ran')",
	} {
		t.Run(string(language), func(t *testing.T) {
			each(t, language, func(t *testing.T, r *Runner) {
				if res := run(t, r, script); !strings.HasPrefix(res.Stdout, "ran\n") || !text.HidesLines(script) {
					t.Errorf("got %q, %q", res.Stdout, res.Stderr)
				}
			})
		})
	}
}

func TestWhatIsRefusedIsNotRun(t *testing.T) {
	t.Parallel()
	each(t, protocol.Bash, func(t *testing.T, r *Runner) {
		tests := map[string]protocol.Request{
			"a NUL":              {Language: protocol.Bash, Script: "echo \x00", TimeoutSeconds: 5},
			"another language":   {Language: protocol.Python, Script: "1", TimeoutSeconds: 5},
			"too much to start":  {Language: protocol.Bash, Script: "true", TimeoutSeconds: 5, Env: tooMuch()},
			"a foreign variable": {Language: protocol.Bash, Script: "true", TimeoutSeconds: 5, Env: map[string]string{"BASH_ENV": "x"}},
		}
		for name, req := range tests {
			_, err := r.Run(t.Context(), req)
			var notRun *protocol.NotRun
			if !errors.As(err, &notRun) {
				t.Errorf("%s: got %v, want a NotRun", name, err)
			}
		}
	})
}

// tooMuch fits every limit of ours, and together is beyond the kernel's.
func tooMuch() map[string]string {
	env := map[string]string{}
	for i := range protocol.MaxVariables {
		env["PF_V"+string(rune('A'+i/26))+string(rune('A'+i%26))] = strings.Repeat("x", protocol.MaxVariableBytes-100)
	}
	return env
}
