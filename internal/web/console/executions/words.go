package executions

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"pagefree/internal/execution"
	"pagefree/internal/execution/target"
	"pagefree/internal/runbook"
)

// causes say what the codes mean with which an execution's error begins.
var causes = map[string]string{
	"seal_broken":        "What is stored is not what was approved. Nothing was sent. Tell a platform admin.",
	"not_approved":       "What should run was no longer approved. Nothing was sent.",
	"runbook_archived":   "The runbook was archived before it ran. Nothing was sent.",
	"rate_exceeded":      "The runbook ran as often as it may in this hour. Nothing was sent.",
	"too_many_nodes":     "More nodes matched than the runbook admits. Nothing was sent.",
	"no_nodes":           "No node matched. Nothing was sent.",
	"node_unsupported":   "A node cannot run this script. Nothing was sent.",
	"agent_too_old":      "A node's agent is too old for this script. Nothing was sent.",
	"document_missing":   "The approved script is not where the nodes read it. Nothing was sent. Approve it again.",
	"address_forbidden":  "The address of the webhook is one that PageFree does not call. Nothing was sent.",
	"secret_missing":     "A secret that the target names does not exist. Nothing was sent.",
	"target_unsupported": "Nothing here runs on this kind of target. Nothing was sent.",
	"sandbox_refused":    "The sandbox refused the script. It did not run.",
	"not_sent":           "The target did not take the script. It did not run.",
	"timeout":            "It took longer than its time limit.",
	"unknown":            "Nobody can tell how it ended. It may have run: look at the target before you run it again.",
}

// wordsOf says in a sentence why an execution did not complete, "" where it did or goes on.
func wordsOf(v execution.View) string {
	if v.Error == nil || *v.Error == "" {
		switch {
		case v.Status == execution.StatusFailed && v.ExitCode != nil:
			return fmt.Sprintf("The script ended with exit code %d.", *v.ExitCode)
		case v.Status == execution.Unknown:
			return causes["unknown"]
		case v.Status == execution.Cancelled && v.Reason != nil:
			return *v.Reason
		}
		return ""
	}
	code, _, _ := strings.Cut(*v.Error, ":")
	switch {
	case causes[code] != "":
		return causes[code]
	case v.Status == execution.Timeout:
		return causes["timeout"]
	case v.Status == execution.Cancelled:
		return "It was stopped."
	case strings.HasPrefix(*v.Error, "exit code "):
		return "The script ended with " + *v.Error + "."
	}
	return *v.Error
}

// where says what a target is.
func where(t runbook.Target) string {
	switch t.Type {
	case runbook.Sandbox:
		return "the sandbox"
	case runbook.SSM:
		if len(t.InstanceIDs) > 0 {
			return strings.Join(t.InstanceIDs, ", ")
		}
		var tags []string
		for name, values := range t.Tags {
			tags = append(tags, name+" = "+strings.Join(values, " or "))
		}
		slices.Sort(tags)
		return "nodes tagged " + strings.Join(tags, " and ")
	case runbook.Webhook:
		return receiver(t)
	}
	return "a named target"
}

// receiver names whom a webhook goes to, by its host.
func receiver(t runbook.Target) string {
	host := "a webhook"
	if u, err := url.Parse(t.URL); err == nil && u.Host != "" {
		host = u.Host
	}
	switch t.Preset {
	case "awx":
		return "AWX at " + host
	case "rundeck":
		return "Rundeck at " + host
	}
	return host
}

// does is what the button that starts something says.
func does(t runbook.Target, nodes []target.Node) string {
	switch t.Type {
	case runbook.SSM:
		switch n := len(nodes); {
		case n == 1:
			return "Run on " + nodes[0].ID
		case n > 1:
			return fmt.Sprintf("Run on %d nodes", n)
		}
		return "Run on " + where(t)
	case runbook.Webhook:
		return "Run on " + where(t)
	case runbook.Sandbox:
		return "Run in the sandbox"
	}
	return "Run on a named target"
}

// minute is what is said of a pause, with its time as people write one.
func minute(said string) string {
	before, rest, since := strings.Cut(said, " since ")
	at, why, ok := strings.Cut(rest, "Z: ")
	t, err := time.Parse(time.RFC3339Nano, at+"Z")
	if !since || !ok || err != nil {
		return said
	}
	return before + " since " + t.Format("15:04 UTC on 2 Jan") + ": " + why
}

// value is a parameter and what it is, as a page shows it.
type value struct {
	Name, Text string
	External   bool // it came from outside, with an alert
	Fixed      bool // the runbook fills it
	Unset      bool
}

// text is a value as a script gets it; the secret ones are masked already.
func text(v any) string {
	switch v.(type) {
	case string, bool, float64, int, int64, json.Number:
		return runbook.EnvValue(v)
	}
	return fmt.Sprint(v)
}
