package demo

// sample is a runbook of the demo.
type sample struct {
	name, description, language, script string
	parameters                          []map[string]any
	wait                                bool // left waiting for review
	want                                string
}

var (
	service  = map[string]any{"name": "SERVICE", "type": "string", "template": "{{incident.service.name}}", "description": "the service of the incident"}
	severity = map[string]any{"name": "SEVERITY", "type": "string", "template": "{{lower incident.severity}}"}
	zone     = map[string]any{"name": "ZONE", "type": "string", "template": `{{default incident.labels.zone "unknown"}}`}
	keepDays = map[string]any{"name": "KEEP_DAYS", "type": "integer", "default": 7, "description": "logs younger than this stay"}
)

var samples = []sample{
	{
		name: "Free disk space", language: "BASH", description: "Removes rotated logs that are older than KEEP_DAYS.",
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
		name: "Check the error budget", language: "PYTHON", description: "How fast the error budget burns, from sampled requests.",
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
		name: "Drain a node", language: "JAVASCRIPT", description: "Plans which connections to drain first.",
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
		name: "Restart the queue workers", language: "BASH", description: "Waits for a second pair of eyes.", wait: true,
		parameters: []map[string]any{service},
		script:     "echo \"restarting workers of $PF_SERVICE\"\n",
	},
}
