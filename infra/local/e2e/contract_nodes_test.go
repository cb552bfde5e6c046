package e2e

import (
	"strings"
	"testing"
)

// contractNodes: runbooks that run on managed nodes.
func contractNodes(t *testing.T, c *contract) {
	node := func(members ...any) object {
		return with(object{"target": object{"type": "ssm", "instanceIds": []any{"mi-local"}}, "timeoutSeconds": 30}, members...)
	}
	for language, script := range map[string]string{
		"BASH":       "echo \"$PF_WHO on $(test -n \"${PF_NOT+x}\" && echo set || echo unset)\" && echo oops >&2\n",
		"PYTHON":     "import os, sys\nprint(os.environ['PF_WHO'], 'on', 'set' if 'PF_NOT' in os.environ else 'unset')\nprint('oops', file=sys.stderr)\n",
		"JAVASCRIPT": "console.log(process.env.PF_WHO + ' on ' + ('PF_NOT' in process.env ? 'set' : 'unset')); console.error('oops')\n",
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			id := c.ready(t, node("language", language, "scriptContent", script, "parameters", []any{
				object{"name": "WHO", "type": "string", "required": true, "maxLength": 100}, object{"name": "NOT", "type": "string", "maxLength": 100}}))
			a := c.run(t, responder, object{"runbookId": id, "incidentId": c.incident, "parameters": object{"WHO": "it's $(id) `x` \"q\""}})
			if a.Text("status") != "COMPLETED" || a.Body["exitCode"] != 0.0 || a.Text("stdout") != "it's $(id) `x` \"q\" on unset\n" || a.Text("stderr") != "oops\n" {
				t.Errorf("got %s", a.Raw)
			}
		})
	}
	t.Run("ends", func(t *testing.T) {
		t.Parallel()
		failed := c.run(t, responder, object{"runbookId": c.ready(t, node("scriptContent", "exit 3\n"))})
		if failed.Text("status") != "FAILED" || failed.Body["exitCode"] != 3.0 {
			t.Errorf("got %s", failed.Raw)
		}
		slow := c.run(t, responder, object{"runbookId": c.ready(t, node("scriptContent", "sleep 60\n", "timeoutSeconds", 5))})
		if slow.Text("status") != "TIMEOUT" || slow.Body["exitCode"] != nil {
			t.Errorf("got %s", slow.Raw)
		}
		long := c.run(t, responder, object{"runbookId": c.ready(t, node("scriptContent", "head -c 100000 /dev/zero | tr '\\0' x\n"))})
		if long.Text("status") != "COMPLETED" || len(long.Text("stdout")) != 65_536 || long.Body["stdoutTruncated"] != true {
			t.Errorf("got %s, %d bytes, truncated %v", long.Text("status"), len(long.Text("stdout")), long.Body["stdoutTruncated"])
		}
	})
	t.Run("several nodes", func(t *testing.T) {
		t.Parallel()
		tags := object{"type": "ssm", "tags": object{"env": []any{"local"}}, "maxNodes": 2}
		a := c.run(t, responder, object{"runbookId": c.ready(t, node("target", tags, "scriptContent", "echo here\n"))})
		if nodes, _ := a.Body["invocations"].([]any); a.Text("status") != "COMPLETED" || len(nodes) != 2 || strings.Count(a.Text("stdout"), "here") != 2 {
			t.Errorf("got %s", a.Raw)
		}
		few := c.run(t, responder, object{"runbookId": c.ready(t, node("target", with(tags, "maxNodes", 1)))})
		if few.Text("status") != "FAILED" || !strings.HasPrefix(few.Text("error"), "too_many_nodes") {
			t.Errorf("got %s", few.Raw)
		}
	})
	t.Run("preview names the nodes", func(t *testing.T) {
		t.Parallel()
		id := c.ready(t, node("target", object{"type": "ssm", "instanceIds": []any{"mi-local", "mi-offline"}, "maxNodes": 2}))
		a := c.want(t, responder, "POST /v1/executions/preview", object{"runbookId": id}, 200, "")
		online := map[string]any{}
		for _, n := range a.Body["nodes"].([]any) {
			online[n.(object)["id"].(string)] = n.(object)["online"]
		}
		if len(online) != 2 || online["mi-local"] != true || online["mi-offline"] != false {
			t.Errorf("got %s", a.Raw)
		}
	})
	t.Run("cancel", func(t *testing.T) {
		t.Parallel()
		id := c.ready(t, node("scriptContent", "sleep 30\n"))
		ex := c.want(t, responder, "POST /v1/executions", object{"runbookId": id}, 202, "").Text("id")
		c.reaches(t, ex, func(o object) bool { return o["status"] == "RUNNING" })
		if a := c.want(t, responder, "POST /v1/executions/"+ex+"/cancel", nil, 200, ""); a.Text("cancelRequestedAt") == "" {
			t.Errorf("got %s", a.Raw)
		}
		if a := c.ended(t, responder, ex); a.Text("status") != "CANCELLED" {
			t.Errorf("got %s", a.Raw)
		}
	})
	t.Run("a named target, ssm", func(t *testing.T) {
		t.Parallel()
		to := c.want(t, lead, "POST /v1/targets", object{"name": c.name("nodes"), "teamId": c.team, "target": object{"type": "ssm", "instanceIds": []any{"mi-local"}}}, 201, "").Text("id")
		id := c.ready(t, node("target", object{"type": "named", "targetId": to}, "scriptContent", "echo named\n"))
		if a := c.run(t, responder, object{"runbookId": id}); a.Text("status") != "FAILED" || !strings.HasPrefix(a.Text("error"), "not_approved") {
			t.Errorf("before its approval: got %s", a.Raw)
		}
		c.want(t, reviewer, "POST /v1/targets/"+to+"/approve", nil, 200, "")
		if a := c.run(t, responder, object{"runbookId": id}); a.Text("status") != "COMPLETED" || a.Text("stdout") != "named\n" {
			t.Errorf("got %s", a.Raw)
		}
		c.want(t, lead, "PUT /v1/targets/"+to, object{"target": object{"type": "ssm", "instanceIds": []any{"mi-local-2"}}}, 200, "")
		a := c.run(t, responder, object{"runbookId": id})
		if ids := a.Body["target"].(object)["instanceIds"].([]any); a.Text("status") != "COMPLETED" || ids[0] != "mi-local" {
			t.Errorf("while a change waits, the approved one serves: got %s", a.Raw)
		}
	})
}
