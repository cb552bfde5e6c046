package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestRequestsThatAreNotRun(t *testing.T) {
	valid := func() Request {
		return Request{Language: Bash, Script: "true", TimeoutSeconds: 60, Env: map[string]string{"PF_NAME": "v"}}
	}
	tests := map[string]struct {
		change func(*Request)
		want   string // part of the reason; empty: accepted
	}{
		"a plain one":                {func(*Request) {}, ""},
		"the largest script":         {func(r *Request) { r.Script = strings.Repeat("#", MaxScriptBytes) }, ""},
		"an empty script":            {func(r *Request) { r.Script = "" }, ""},
		"the longest name":           {func(r *Request) { r.Env = map[string]string{"PF_" + strings.Repeat("A", 40): ""} }, ""},
		"a check without a limit":    {func(r *Request) { r.Mode, r.TimeoutSeconds = Check, 0 }, ""},
		"a script one byte over":     {func(r *Request) { r.Script = strings.Repeat("#", MaxScriptBytes+1) }, "49153 bytes"},
		"a NUL in the script":        {func(r *Request) { r.Script = "echo \x00" }, "NUL"},
		"a NUL in a value":           {func(r *Request) { r.Env["PF_NAME"] = "a\x00b" }, "NUL"},
		"another function's script":  {func(r *Request) { r.Language = Python }, "runs BASH, not PYTHON"},
		"no language":                {func(r *Request) { r.Language = "" }, "unknown language"},
		"a language in lower case":   {func(r *Request) { r.Language = "bash" }, "unknown language"},
		"an unknown mode":            {func(r *Request) { r.Mode = "debug" }, "unknown mode"},
		"no time":                    {func(r *Request) { r.TimeoutSeconds = 0 }, "0 s"},
		"too much time":              {func(r *Request) { r.TimeoutSeconds = 301 }, "301 s"},
		"a variable of the linker":   {func(r *Request) { r.Env = map[string]string{"LD_PRELOAD": "x"} }, "LD_PRELOAD"},
		"a name with an equals sign": {func(r *Request) { r.Env = map[string]string{"PF_A=B": "x"} }, "PF_A=B"},
		"a name on two lines":        {func(r *Request) { r.Env = map[string]string{"PF_A\n": "x"} }, "PF_A"},
		"a name that is too long":    {func(r *Request) { r.Env = map[string]string{"PF_" + strings.Repeat("A", 41): ""} }, "not the name"},
		"a value that is too long":   {func(r *Request) { r.Env["PF_NAME"] = strings.Repeat("v", MaxVariableBytes) }, "too long"},
		"too many variables": {func(r *Request) {
			for i := range MaxVariables + 1 {
				r.Env[fmt.Sprintf("PF_N%d", i)] = ""
			}
		}, "variables"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			req := valid()
			test.change(&req)
			err := req.Validate(Bash)
			if test.want == "" {
				if err != nil {
					t.Fatalf("got %v, want it accepted", err)
				}
				return
			}
			var notRun *NotRun
			if !errors.As(err, &notRun) || !strings.Contains(notRun.Reason, test.want) {
				t.Fatalf("got %v, want a NotRun about %q", err, test.want)
			}
		})
	}
}

func TestReasonsNeverShowAValue(t *testing.T) {
	req := Request{Language: Bash, TimeoutSeconds: 5, Env: map[string]string{"PF_TOKEN": "hunter2\x00"}}
	if err := req.Validate(Bash); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("got %v, want a refusal without the value", err)
	}
}

func TestResultKeepsNULAndANullExitCode(t *testing.T) {
	got, err := json.Marshal(Result{Stdout: "a\x00b"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"exitCode":null`, `"stdout":"a\u0000b"`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
}
