package e2e

import (
	"fmt"
	"strings"
	"testing"

	"pagefree/infra/local/client"
)

// contractValues: what callers give arrives as it is, in every language, or is refused.
func contractValues(t *testing.T, c *contract) {
	declared := []any{
		object{"name": "S", "type": "string"}, object{"name": "I", "type": "integer"}, object{"name": "N", "type": "number"}, object{"name": "B", "type": "boolean"},
		object{"name": "E", "type": "string", "enum": []string{"a", "b c"}}, object{"name": "P", "type": "string", "pattern": "[a-z]+", "maxLength": 5},
		object{"name": "R", "type": "string", "required": true}, object{"name": "D", "type": "string", "default": "as ever"}, object{"name": "H", "type": "string", "secret": true},
	}
	strange := "ü\"'$(id)`id`\n\t\\ ; rm -rf / 🔥 عربى \u202e %s {} !#&|<>*?~"
	given := object{"S": strange, "I": -5, "N": 0.1, "B": false, "E": "b c", "P": "abc", "R": " r ", "H": "hush hush"}
	want := "S=<" + strange + ">\nI=<-5>\nN=<0.1>\nB=<false>\nE=<b c>\nP=<abc>\nR=< r >\nD=<as ever>\n"
	var id string
	for language, script := range map[string]string{
		"BASH":       `for v in S I N B E P R D; do n=PF_$v; if [ -n "${!n+x}" ]; then printf '%s=<%s>\n' "$v" "${!n}"; fi; done; [ -z "${PF_H+x}" ] || echo "${#PF_H}" >&2`,
		"PYTHON":     "import os, sys\nfor v in 'SINBEPRD':\n    if 'PF_' + v in os.environ: print(f'{v}=<' + os.environ['PF_' + v] + '>')\nif 'PF_H' in os.environ: print(len(os.environ['PF_H']), file=sys.stderr)\n",
		"JAVASCRIPT": "for (const v of 'SINBEPRD') if (process.env['PF_' + v] !== undefined) console.log(`${v}=<` + process.env['PF_' + v] + '>')\nif (process.env.PF_H) console.error(process.env.PF_H.length)\n",
	} {
		id = c.ready(t, object{"language": language, "scriptContent": script, "parameters": declared})
		a := c.run(t, responder, object{"runbookId": id, "parameters": given})
		if a.Text("status") != "COMPLETED" || a.Text("stdout") != want || a.Text("stderr") != "9\n" {
			t.Errorf("%s: got %s\nwant %s", language, a.Raw, want)
		}
		if p := a.Body["parameters"].(object); p["H"] != "***" || p["S"] != strange || p["I"] != -5.0 || p["B"] != false || p["D"] != "as ever" || strings.Contains(a.Raw, "hush") {
			t.Errorf("%s: its parameters: %s", language, a.Raw)
		}
		if a := c.run(t, responder, object{"runbookId": id, "parameters": object{"R": ""}}); a.Text("stdout") != "R=<>\nD=<as ever>\n" {
			t.Errorf("%s: what has no value is unset: %s", language, a.Raw)
		}
	}
	post := func(code string, members ...any) scenario {
		return scenario{as: responder, do: "POST /v1/executions", send: object{"runbookId": id, "parameters": with(object{"R": "r"}, members...)}, want: 422, code: code}
	}
	hush := func(do, who string) scenario {
		return scenario{as: who, do: do, want: 200, has: "***", lacks: "hush"}
	}
	c.play(t, map[string]scenario{
		"one is missing":               post("parameter_missing", "R", nil),
		"one is unknown":               post("parameter_unknown", "Z", 1),
		"one in lower case":            post("parameter_unknown", "r", "x"),
		"as the script would see it":   post("parameter_unknown", "PF_S", "x"),
		"a text for an integer":        post("parameter_invalid", "I", "5"),
		"a fraction for an integer":    post("parameter_invalid", "I", 5.5),
		"an integer beyond":            post("parameter_invalid", "I", 1e30),
		"a text for a number":          post("parameter_invalid", "N", "1"),
		"a text for a boolean":         post("parameter_invalid", "B", "true"),
		"a number for a boolean":       post("parameter_invalid", "B", 1),
		"a number for a text":          post("parameter_invalid", "R", 5),
		"an object":                    post("parameter_invalid", "R", object{}),
		"a list":                       post("parameter_invalid", "R", []string{"a"}),
		"what is not in the enum":      post("parameter_invalid", "E", "c"),
		"off the pattern":              post("parameter_invalid", "P", "ABC"),
		"a pattern is for the whole":   post("parameter_invalid", "P", "abc1"),
		"to its very end":              post("parameter_invalid", "P", "abc\n"),
		"too long":                     post("parameter_invalid", "P", "abcdef"),
		"braces":                       post("parameter_invalid", "R", "{{incident.title}}"),
		"NUL":                          post("parameter_invalid", "R", "a\x00b"),
		"beyond any variable":          post("parameter_invalid", "R", strings.Repeat("x", 200_000)),
		"a refusal says no secret":     {as: responder, do: "POST /v1/executions", send: object{"runbookId": id, "parameters": object{"R": "r", "H": "hush{{"}}, want: 422, code: "parameter_invalid", lacks: "hush"},
		"a list for all of them":       {as: responder, do: "POST /v1/executions", send: object{"runbookId": id, "parameters": []string{"R"}}, want: 422, code: "validation_failed"},
		"secrets are masked in lists":  hush("GET /v1/executions?runbookId="+id, observer),
		"and in previews":              {as: responder, do: "POST /v1/executions/preview", send: object{"runbookId": id, "parameters": given}, want: 200, has: `"H":"***"`, lacks: "hush"},
		"and are not in the record":    {as: lead, do: "GET /v1/audit?type=execution.triggered&limit=50", want: 200, lacks: "hush"},
		"a number beyond a number":     {as: responder, do: "POST /v1/executions", send: text(`{"runbookId":"` + id + `","parameters":{"R":"r","N":1e999}}`), want: 422, code: "validation_failed"},
		"an integer written as 5.0":    {as: responder, do: "POST /v1/executions", send: text(`{"runbookId":"` + id + `","parameters":{"R":"r","I":5.0}}`), want: 202, has: `"I":5`},
		"the largest integer, exactly": {as: responder, do: "POST /v1/executions", send: text(`{"runbookId":"` + id + `","parameters":{"R":"r","I":9007199254740991}}`), want: 202, has: `"I":9007199254740991`},
	})
}

// contractTemplates: a template is filled from the incident when the runbook is triggered, and nobody changes it.
func contractTemplates(t *testing.T, c *contract) {
	title := `disk "full" $(id) 'x' 🔥`
	incident := c.want(t, responder, "POST /v1/incidents", object{"title": title, "severity": "HIGH", "serviceId": c.service, "labels": object{"zone": "eu-1"}}, 201, "").Text("id")
	template := func(of string, more ...any) []any {
		return []any{with(object{"name": "T", "type": "string", "template": of}, more...)}
	}
	id := c.ready(t, object{"scriptContent": "printf '%s' \"$PF_T\"\n", "parameters": template(`{{incident.title}}|{{incident.labels.zone}}|{{lower incident.severity}}|{{incident.id}}|{{incident.status}}|{{incident.team.id}}|{{incident.service.id}}|{{default incident.labels.none "nil"}}`)})
	a := c.run(t, responder, object{"runbookId": id, "incidentId": incident})
	want := strings.Join([]string{title, "eu-1", "high", incident, "TRIGGERED", c.team, c.service, "nil"}, "|")
	if a.Text("stdout") != want || a.Body["parameters"].(object)["T"] != want {
		t.Errorf("got %s, want %s", a.Raw, want)
	}
	unresolved := c.ready(t, object{"parameters": template("{{incident.labels.none}}")})
	number := c.ready(t, object{"parameters": template("{{incident.title}}", "type", "integer")})
	c.play(t, map[string]scenario{
		"given by the caller":   {as: responder, do: "POST /v1/executions", send: object{"runbookId": id, "incidentId": incident, "parameters": object{"T": "x"}}, want: 422, code: "parameter_fixed"},
		"given the very value":  {as: responder, do: "POST /v1/executions", send: object{"runbookId": id, "incidentId": incident, "parameters": object{"T": want}}, want: 422, code: "parameter_fixed"},
		"without a value":       {as: responder, do: "POST /v1/executions", send: object{"runbookId": unresolved, "incidentId": incident}, want: 422, code: "template_unresolved"},
		"without an incident":   {as: responder, do: "POST /v1/executions", send: object{"runbookId": id}, want: 422, code: "template_unresolved"},
		"of another type":       {as: responder, do: "POST /v1/executions", send: object{"runbookId": number, "incidentId": incident}, want: 422, code: "parameter_invalid"},
		"in a preview, as well": {as: responder, do: "POST /v1/executions/preview", send: object{"runbookId": unresolved, "incidentId": incident}, want: 422, code: "template_unresolved"},
	})
}

// ending is how a script ends.
type ending struct {
	language, script string
	seconds          int
	status           string
	exit             any // nil for none
	says             string
	check            func(client.Answer) bool
}

// contractOutcomes: exit codes, signals, time limits.
func contractOutcomes(t *testing.T, c *contract) {
	c.endings(t, map[string]ending{
		"0":                        {script: "true\n", status: "COMPLETED", exit: 0.0},
		"7, and both streams":      {script: "echo out; echo err >&2; exit 7\n", status: "FAILED", exit: 7.0, says: "7", check: streams("out\n", "err\n")},
		"255":                      {script: "exit 255\n", status: "FAILED", exit: 255.0},
		"256 is 0":                 {script: "exit 256\n", status: "COMPLETED", exit: 0.0},
		"143 without a signal":     {script: "exit 143\n", status: "FAILED", exit: 143.0},
		"no such command":          {script: "no_such_command\n", status: "FAILED", exit: 127.0},
		"SIGKILL":                  {script: "echo before; kill -9 $$\n", status: "FAILED", says: "SIGKILL", check: streams("before\n", "")},
		"SIGTERM":                  {script: "kill -TERM $$\n", status: "FAILED", says: "SIGTERM"},
		"SIGSEGV in Python":        {language: "PYTHON", script: "import os\nos.kill(os.getpid(), 11)\n", status: "FAILED", says: "SIGSEGV"},
		"the time limit":           {script: "echo before; sleep 60\n", seconds: 5, status: "TIMEOUT", says: "", check: streams("before\n", "")},
		"what was left behind":     {script: "(sleep 25; echo late) & echo now\n", status: "COMPLETED", exit: 0.0, check: streams("now\n", "")},
		"sys.exit":                 {language: "PYTHON", script: "import sys\nprint('é', file=sys.stderr)\nsys.exit(3)\n", status: "FAILED", exit: 3.0, check: streams("", "é\n")},
		"an exception":             {language: "PYTHON", script: "raise ValueError('boom')\n", status: "FAILED", exit: 1.0, check: func(a client.Answer) bool { return strings.Contains(a.Text("stderr"), "boom") }},
		"process.exitCode":         {language: "JAVASCRIPT", script: "console.log('hé 🚒')\nconsole.error('e')\nprocess.exitCode = 4\n", status: "FAILED", exit: 4.0, check: streams("hé 🚒\n", "e\n")},
		"a throw":                  {language: "JAVASCRIPT", script: "throw new Error('boom')\n", status: "FAILED", exit: 1.0, check: func(a client.Answer) bool { return strings.Contains(a.Text("stderr"), "boom") }},
		"require and a promise":    {language: "JAVASCRIPT", script: "const fs = require('fs')\nPromise.resolve(fs.existsSync('/')).then(console.log)\n", status: "COMPLETED", exit: 0.0, check: streams("true\n", "")},
		"48 KiB, to the last line": {script: "echo begin\n#" + strings.Repeat("x", 48*1024-len("echo begin\n#\necho end\n")) + "\necho end\n", status: "COMPLETED", exit: 0.0, check: streams("begin\nend\n", "")},
		"no line end":              {script: "printf a", status: "COMPLETED", exit: 0.0, check: streams("a", "")},
		"no credential of anybody": {script: "env | grep -ci -e aws -e secret -e token; true\n", status: "COMPLETED", exit: 0.0, check: streams("0\n", "")},
		"no network":               {language: "PYTHON", script: "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 22), 2)\n    print('reached')\nexcept OSError as e:\n    print('refused')\n", status: "COMPLETED", exit: 0.0, check: streams("refused\n", "")},
		"an empty folder":          {script: "ls -A | grep -v ^script | wc -l | tr -d ' '; touch mine && echo written\n", status: "COMPLETED", exit: 0.0, check: streams("0\nwritten\n", "")},
	})
}

// contractOutput: 65,536 bytes of each stream, the beginning, whole characters, nothing added.
func contractOutput(t *testing.T, c *contract) {
	const limit = 65536
	python := func(script string, check func(client.Answer) bool) ending {
		return ending{language: "PYTHON", script: "import sys\nout = sys.stdout.buffer.write\nerr = sys.stderr.buffer.write\n" + script + "\n", status: "COMPLETED", exit: 0.0, check: check}
	}
	c.endings(t, map[string]ending{
		"as much as is kept":     python("out(b'a' * 65536)", kept(strings.Repeat("a", limit), false, "", false)),
		"a byte more":            python("out(b'a' * 65537)", kept(strings.Repeat("a", limit), true, "", false)),
		"each by itself":         python("out(b'a' * 10); err(b'b' * 65537)", kept(strings.Repeat("a", 10), false, strings.Repeat("b", limit), true)),
		"a character at the end": python("out(('a' * 65534 + 'é').encode())", kept(strings.Repeat("a", limit-2)+"é", false, "", false)),
		"one across it":          python("out(('a' * 65535 + 'éz').encode())", kept(strings.Repeat("a", limit-1), true, "", false)),
		"an emoji across it":     python("out(('a' * 65533 + '🔥').encode())", kept(strings.Repeat("a", limit-3), true, "", false)),
		"megabytes":              python("for _ in range(3000): out(b'a' * 1000); err(b'b' * 1000)", kept(strings.Repeat("a", limit), true, strings.Repeat("b", limit), true)),
		"what is no UTF-8":       python("out(b'a\\xff\\xfeb\\x00c')", kept("a\ufffd\ufffdb\x00c", false, "", false)),
		"what looks like a tag":  python("out(b'<script>&amp;\\u2028</script>')", kept(`<script>&amp;\u2028</script>`, false, "", false)),
	})
}

func streams(out, err string) func(client.Answer) bool {
	return func(a client.Answer) bool { return a.Text("stdout") == out && a.Text("stderr") == err }
}

func kept(out string, outCut bool, err string, errCut bool) func(client.Answer) bool {
	return func(a client.Answer) bool {
		return a.Text("stdout") == out && a.Text("stderr") == err && a.Body["stdoutTruncated"] == outCut && a.Body["stderrTruncated"] == errCut
	}
}

// endings runs scripts side by side, and compares how they end.
func (c *contract) endings(t *testing.T, tests map[string]ending) {
	t.Helper()
	started := map[string]string{}
	for name, e := range tests {
		members := object{"scriptContent": e.script, "language": "BASH", "timeoutSeconds": 20}
		if e.language != "" {
			members["language"] = e.language
		}
		if e.seconds > 0 {
			members["timeoutSeconds"] = e.seconds
		}
		started[name] = c.want(t, responder, "POST /v1/executions", object{"runbookId": c.ready(t, members)}, 202, "").Text("id")
	}
	for name, e := range tests {
		a := c.ended(t, responder, started[name])
		if fmt.Sprint(a.Text("status"), a.Body["exitCode"]) != fmt.Sprint(e.status, e.exit) || !strings.Contains(a.Text("error"), e.says) || (e.status == "COMPLETED") != (a.Body["error"] == nil) || e.check != nil && !e.check(a) {
			t.Errorf("%s: got %s", name, clip(a.Raw))
		}
	}
}
