package ssm

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"pagefree/internal/runbook"
)

// stepName is the document's one step, and a part of the key of its output.
const stepName = "run"

// sentinel is a parameter that nobody gives: its default tells the preamble
// that the agent knows ENV_VAR. No runbook's parameter is named so, since
// those have capitals.
const sentinel = "pagefree"

// given stands before every value, so that "" is left to mean that there is
// none: SSM wants a default for what a command may leave out.
const given = "="

// parameterName is a runbook's parameter in the document: agents take letters
// and digits only. No name of a runbook has a small letter, so none is lost.
func parameterName(name string) string { return strings.ReplaceAll(name, "_", "x") }

// To the agent two exit codes mean something else: 137 that it ended the run
// itself, which SSM then shows as a timeout, and 194 that the node is to be
// restarted and the script run again. And a shell gives 128 and more for a
// script that a signal ended. So the preamble exits with exitTold instead, and
// tells what it was by a last line on stderr.
const (
	exitTold = 79
	exitBad  = 78 // the preamble itself could not go on
	marker   = "pagefree: "
)

// interpreters run a language, as the sandbox does (see sandbox/runner).
var interpreters = map[string]struct{ program, flags, file string }{
	runbook.Bash:       {"bash", "", "script.sh"},
	runbook.Python:     {"python3", " -I -B -u -X utf8", "script.py"},
	runbook.JavaScript: {"node", "", "script.js"},
}

// content is the document of a version: schema 2.2, for Linux. It is the same
// each time it is made of the same version.
func content(v runbook.Version) ([]byte, error) {
	script, err := pack(v.ScriptContent)
	if err != nil {
		return nil, err
	}
	lines, err := preamble(v, script)
	if err != nil {
		return nil, err
	}
	type parameter struct {
		Type              string  `json:"type"`
		Description       string  `json:"description,omitempty"`
		Default           *string `json:"default,omitempty"`
		InterpolationType string  `json:"interpolationType"`
	}
	on, none := "1", ""
	parameters := map[string]parameter{
		sentinel: {Type: "String", Description: "Leave it as it is.", Default: &on, InterpolationType: "ENV_VAR"},
	}
	for _, p := range v.Parameters {
		d := parameter{Type: "String", Description: "PF_" + p.Name, InterpolationType: "ENV_VAR"}
		if optional(p) {
			d.Default = &none
		}
		parameters[parameterName(p.Name)] = d
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err = e.Encode(map[string]any{
		"schemaVersion": "2.2",
		"description":   fmt.Sprintf("PageFree %s version %d. It is sealed: do not change it.", v.RunbookID, v.Version),
		"parameters":    parameters,
		"mainSteps": []any{map[string]any{
			// No precondition: a node that does not meet it skips the step, which SSM counts as a success.
			"action": "aws:runShellScript",
			"name":   stepName,
			// How long it may run; SendCommand's own timeout is for the delivery.
			"inputs": map[string]any{"timeoutSeconds": fmt.Sprint(v.TimeoutSeconds), "runCommand": lines},
		}},
	})
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// optional tells whether a command may leave a parameter out.
func optional(p runbook.Parameter) bool { return !p.Required && p.Default == nil && p.Template == "" }

// pack is a script in gzip and base64: 48 KiB of it would not fit otherwise.
func pack(script string) (string, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := w.Write([]byte(script)); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

// preamble is the shell script that the agent runs, for any POSIX sh. Nothing
// of a value and nothing of the runbook's text stands in it but the packed
// script: {{ }} would be resolved, and quoting be got wrong.
func preamble(v runbook.Version, packed string) ([]string, error) {
	in, ok := interpreters[v.Language]
	if !ok {
		return nil, fmt.Errorf("no interpreter for %q", v.Language)
	}
	lines := []string{
		"#!/bin/sh",
		`fail() { echo "` + marker + `$1" >&2; exit ` + fmt.Sprint(exitBad) + `; }`,
		`[ "${SSM_` + sentinel + `:-}" = 1 ] || fail "this node's SSM agent does not hand over parameters as environment variables: nothing was run; it has to be ` + minAgent + ` or newer"`,
		"unset SSM_" + sentinel,
	}
	for _, p := range v.Parameters {
		from, to := "SSM_"+parameterName(p.Name), "PF_"+p.Name
		lines = append(lines, fmt.Sprintf(`if [ -n "${%[1]s:-}" ]; then export %[2]s="${%[1]s#%[3]s}"; else unset %[2]s; fi; unset %[1]s`, from, to, given))
	}
	lines = append(lines,
		"command -v "+in.program+` >/dev/null || fail "`+in.program+` is not installed on this node: nothing was run"`,
		"umask 077",
		`base=$(mktemp -d) || fail "no temporary directory can be made: nothing was run"`,
		`trap 'rm -rf "$base"' EXIT`,
		`trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM`,
		`mkdir "$base/run" && base64 -d >"$base/packed" <<'PACKED' && gzip -dc <"$base/packed" >"$base/run/`+in.file+`" && cd "$base/run" || fail "the script could not be unpacked: nothing was run"`,
	)
	for len(packed) > lineLength {
		lines, packed = append(lines, packed[:lineLength]), packed[lineLength:]
	}
	return append(lines,
		packed,
		"PACKED",
		`export TMPDIR="$base/run" LANG=C.UTF-8 HOME="${HOME:-$base/run}"`,
		// A shell says on its own stderr that a signal ended its child, which has another.
		`exec 3>&2 2>"$base/said"`,
		"(exec </dev/null 2>&3 3>&-; exec "+in.program+in.flags+" "+in.file+")",
		"code=$?",
		"exec 2>&3 3>&-",
		// A script has ended when its process has. What it left in our process group would hold up the agent.
		`read -r _ _ _ _ group _ </proc/$$/stat`,
		`for stat in /proc/[0-9]*/stat; do if read -r pid _ _ _ other _ <"$stat" && [ "$other" = "$group" ] && [ "$pid" != "$$" ] && [ "$pid" != "$PPID" ]; then kill -s KILL "$pid"; fi; done 2>/dev/null`,
		fmt.Sprintf(`if [ "$code" -gt 128 ] && [ -s "$base/said" ]; then printf '\n%ssignal %%d\n' "$((code - 128))" >&2; exit %d; fi`, marker, exitTold),
		fmt.Sprintf(`case "$code" in 137 | 194) printf '\n%sexit %%d\n' "$code" >&2; exit %d ;; esac`, marker, exitTold),
		`exit "$code"`,
	), nil
}

// lineLength breaks the packed script as base64 is broken elsewhere.
const lineLength = 1000
