//go:build linux

package runner

import (
	"strings"
	"testing"

	"pagefree/internal/execution/target/sandbox/protocol"
)

func TestCheckParsesAndRunsNothing(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		language protocol.Language
		script   string
		ok       bool
		line     int
		message  string // part of it
	}{
		"bash: fine":                   {protocol.Bash, "if true; then\n echo hi\nfi\n", true, 0, ""},
		"bash: it is not run":          {protocol.Bash, "exit 9", true, 0, ""},
		"bash: an unknown command":     {protocol.Bash, "no-such-command", true, 0, ""},
		"bash: a stray brace":          {protocol.Bash, "echo a\necho b\n}\n", false, 3, "syntax error near unexpected token `}'"},
		"bash: no end":                 {protocol.Bash, "if true; then\n echo hi\n", false, 3, "unexpected end of file"},
		"bash: an open quote":          {protocol.Bash, "echo 'a\n", false, 1, "unexpected EOF"},
		"bash: in CRLF":                {protocol.Bash, "if true; then\r\n echo\r\nfi\r\n", false, 4, "unexpected end of file"},
		"python: fine":                 {protocol.Python, "def f():\n    return 1\n", true, 0, ""},
		"python: it is not run":        {protocol.Python, "raise SystemExit(9)", true, 0, ""},
		"python: warns, and is fine":   {protocol.Python, `print("\d")`, true, 0, ""},
		"python: an open bracket":      {protocol.Python, "a = 1\nb = (\n", false, 2, "SyntaxError: '(' was never closed"},
		"python: indented wrong":       {protocol.Python, "if 1:\n    a\n  b\n", false, 3, "IndentationError: "},
		"python: nested beyond reason": {protocol.Python, strings.Repeat("(", 3000), false, 1, "Error"},
		"python: an unknown encoding":  {protocol.Python, "# coding: klingon\n", false, 0, "klingon"},
		"node: fine":                   {protocol.JavaScript, "const a = async () => { await 1 }\n", true, 0, ""},
		"node: it is not run":          {protocol.JavaScript, "process.exit(9)", true, 0, ""},
		"node: a stray brace":          {protocol.JavaScript, "let a = 1\nlet b = 2\n}\n", false, 3, "SyntaxError: Unexpected token '}'"},
		"node: twice declared":         {protocol.JavaScript, "let a = 1\nlet a = 2\n", false, 2, "SyntaxError: Identifier 'a'"},
		"node: an error of its own":    {protocol.JavaScript, "// Error: not this\nlet a = ;", false, 2, "SyntaxError: Unexpected token ';'"},
		"nothing":                      {protocol.Bash, "", true, 0, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			each(t, test.language, func(t *testing.T, r *Runner) {
				res, err := r.Run(t.Context(), protocol.Request{Language: test.language, Script: test.script, Mode: protocol.Check})
				if err != nil || res.Check == nil {
					t.Fatalf("got %+v, %v", res, err)
				}
				got := *res.Check
				if got.OK != test.ok || got.Line != test.line || !strings.Contains(got.Message, test.message) {
					t.Errorf("got %+v, want %v, line %d, %q", got, test.ok, test.line, test.message)
				}
				if got.OK && got.Message != "" {
					t.Errorf("a message with nothing wrong: %q", got.Message)
				}
			})
		})
	}
}

func TestCheckGetsNoParameters(t *testing.T) {
	t.Parallel()
	each(t, protocol.Bash, func(t *testing.T, r *Runner) {
		req := protocol.Request{Language: protocol.Bash, Script: "true", Mode: protocol.Check, Env: map[string]string{"PF_A": "x"}}
		if res, err := r.Run(t.Context(), req); err != nil || !res.Check.OK {
			t.Fatalf("got %+v, %v", res.Check, err)
		}
	})
}

// FuzzComplaint: what a parser says quotes a stranger's script.
func FuzzComplaint(f *testing.F) {
	f.Add("", "script.sh: line 3: syntax error near unexpected token `}'\n")
	f.Add(`{"line": 2, "message": "SyntaxError: no"}`, "")
	f.Add("", "/tmp/run/script.js:99999999999999999999\n}\n^\nSyntaxError: Unexpected token '}'\n")
	f.Fuzz(func(t *testing.T, stdout, stderr string) {
		for _, language := range []protocol.Language{protocol.Bash, protocol.Python, protocol.JavaScript} {
			line, message := complaint(interpreter{language: language}, stdout, stderr)
			if message == "" || line < 0 || line > 1<<60 {
				t.Errorf("%s: line %d: %q", language, line, message)
			}
		}
	})
}
