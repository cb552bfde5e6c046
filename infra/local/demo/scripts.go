package demo

import "cmp"

// sample is a runbook of the demo.
type sample struct {
	name, description, language, script string
	parameters                          []map[string]any
	where                               string                     // as a person says it
	target                              func(*demo) map[string]any // default a sandbox
	whole                               bool                       // shown by the whole demo alone
	wait                                bool                       // left waiting for review
	deprecated                          string                     // why it should not be used any more
	risk                                string                     // default LOW
	want                                string                     // in its output
}

var (
	service  = map[string]any{"name": "SERVICE", "type": "string", "maxLength": 120, "template": "{{incident.service.name}}", "description": "the service of the incident"}
	severity = map[string]any{"name": "SEVERITY", "type": "string", "template": "{{lower incident.severity}}"}
	zone     = map[string]any{"name": "ZONE", "type": "string", "template": `{{default incident.labels.zone "unknown"}}`}
	host     = map[string]any{"name": "HOST", "type": "string", "maxLength": 120, "template": "{{incident.labels.host}}"}
	keepDays = map[string]any{"name": "KEEP_DAYS", "type": "integer", "default": 7, "description": "logs younger than this stay"}
	grace    = map[string]any{"name": "GRACE", "type": "integer", "default": 0, "description": "seconds that open requests are given"}
	count    = map[string]any{"name": "COUNT", "type": "integer", "default": 2, "enum": []any{1, 2, 4}, "description": "servers to add"}
	title    = map[string]any{"name": "TITLE", "type": "string", "template": "{{incident.title}}"}
)

// Names by which the demo's own steps call for a sample.
const (
	freeDisk = "Free disk space"
	budget   = "Check the error budget"
	drain    = "Drain a node"
	restart  = "Restart the web server"
	scale    = "Scale out the web pool"
	announce = "Announce in the operations channel"
	waiting  = "Restart the queue workers"
	failover = "Fail over the database"
	reindex  = "Rebuild the search index"

	webNodes      = "web nodes"       // a named target
	channelSecret = "channel-signing" // signs what goes to the operations channel
)

var samples = []sample{
	{
		name: freeDisk, language: "BASH", where: "sandbox", description: "Removes rotated logs that are older than KEEP_DAYS.",
		parameters: []map[string]any{service, zone, keepDays},
		want:       "freed 3 files",
		script: `set -euo pipefail
echo "cleaning $PF_SERVICE in $PF_ZONE, keeping $PF_KEEP_DAYS days"
mkdir logs
for n in 1 2 3; do
  echo old >"logs/app.log.$n"
  touch -d "$((PF_KEEP_DAYS + n)) days ago" "logs/app.log.$n"
done
echo new >logs/app.log
freed=$(find logs -type f -mtime +"$((PF_KEEP_DAYS - 1))" -print -delete | wc -l)
echo "freed $freed files, left: $(ls logs)"
`,
	},
	{
		name: budget, language: "PYTHON", where: "sandbox", description: "How fast the error budget burns, from sampled requests.",
		parameters: []map[string]any{service, severity},
		want:       "burn rate",
		script: `import os, statistics

service = os.environ["PF_SERVICE"]
samples = [(n * 37) % 101 for n in range(200)]
errors = sum(1 for s in samples if s > 95)
print(f"{service}: {errors} errors in {len(samples)} requests, median {statistics.median(samples)} ms")
print(f"burn rate {errors / len(samples) / 0.001:.1f}x, severity {os.environ['PF_SEVERITY']}")
`,
	},
	{
		name: drain, language: "JAVASCRIPT", where: "sandbox", description: "Plans which connections to drain first.",
		parameters: []map[string]any{service, zone},
		want:       "drained",
		script: `const { PF_SERVICE: service, PF_ZONE: zone } = process.env;
const connections = Array.from({ length: 12 }, (_, n) => ({ id: n, age: (n * 7) % 12 }));
connections.sort((a, b) => b.age - a.age);
console.log("draining " + connections.length + " connections of " + service + " in " + zone);
for (const c of connections.slice(0, 3)) console.log("  oldest: connection " + c.id + ", " + c.age + " min");
console.log("drained");
`,
	},
	{
		name: restart, language: "BASH", whole: true, where: "node, by name", description: "Restarts the web server of the node that it runs on.",
		target:     func(d *demo) map[string]any { return map[string]any{"type": "named", "targetId": d.targets[webNodes]} },
		parameters: []map[string]any{service, host, grace},
		want:       "is back",
		script: `set -euo pipefail
echo "web server of $PF_SERVICE on $PF_HOST stops in $PF_GRACE s"
sleep "$PF_GRACE"
echo "the web server is back"
`,
	},
	{
		name: scale, language: "BASH", whole: true, where: "webhook, async", description: "Asks the pool manager for more servers, and waits for its report.",
		target: func(d *demo) map[string]any {
			return map[string]any{"type": "webhook", "url": d.URL + "/_local/echo/202?job=scale-out", "async": true}
		},
		parameters: []map[string]any{service, zone, count},
		want:       "added 2 servers",
	},
	{
		name: announce, language: "BASH", whole: true, where: "webhook, signed", description: "Posts what happened to the operations channel.",
		deprecated: "the pool manager announces by itself now",
		target: func(d *demo) map[string]any {
			return map[string]any{"type": "webhook", "url": d.URL + "/_local/echo/200?channel=operations", "signWith": channelSecret}
		},
		parameters: []map[string]any{title},
	},
	{
		name: failover, language: "PYTHON", whole: true, where: "sandbox", description: "Makes the replica the primary. Nobody undoes that by night.", risk: "HIGH",
		parameters: []map[string]any{service, zone},
		want:       "is the primary",
		script: `import os

print(f"{os.environ['PF_SERVICE']}: replica in {os.environ['PF_ZONE']} stops following")
print("the replica is the primary now")
`,
	},
	{
		name: reindex, language: "BASH", whole: true, where: "sandbox", description: "Rebuilds the search index from its last snapshot.",
		parameters: []map[string]any{service},
		script: `set -euo pipefail
echo "looking for the last snapshot of $PF_SERVICE"
echo "there is none that is younger than a day" >&2
exit 3
`,
	},
	{
		name: waiting, language: "BASH", where: "sandbox", description: "Waits for a second pair of eyes.", wait: true,
		parameters: []map[string]any{service},
		script:     "echo \"restarting workers of $PF_SERVICE\"\n",
	},
}

// patient is version 2 of drain: reviewed, approved and wrong. Nothing closes the connections that it waits for.
const patient = `const { PF_SERVICE: service } = process.env;
console.log("waiting until all connections of " + service + " are closed");
setInterval(() => {}, 1000);
`

// content is the whole of a version.
func (s sample) content(d *demo) map[string]any {
	target := map[string]any{"type": "sandbox"}
	if s.target != nil {
		target = s.target(d)
	}
	c := map[string]any{
		"language": s.language, "parameters": s.parameters, "target": target, "risk": cmp.Or(s.risk, "LOW"), "timeoutSeconds": 30, "changeNote": "first version",
	}
	if s.script != "" {
		c["scriptContent"] = s.script
	}
	return c
}

// how a sample runs, as a person says it.
func (s sample) how() string {
	if s.script == "" {
		return s.where
	}
	return s.where + ", " + s.language
}
