package hook

import (
	"cmp"
	"strings"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/trust"
)

// newrelic is a webhook destination of New Relic's workflows: it signs nothing,
// and its payload is a template, ours or New Relic's own.
// Source: docs.newrelic.com, "Webhook integrations for workflows" and "Custom message templates".
var newrelic = Provider{
	Name: "newrelic", Label: "New Relic", Trust: trust.Bearer,
	Verify: bearer(func(_ Request, o object) string {
		issue, state, at := issueID(o), o.loose("state"), o.loose("updatedAt")
		if issue == "" || state == "" || at == "" {
			return ""
		}
		return digest("newrelic", issue, state, at)
	}),
	Parse: parseNewRelic,
	Template: `{
  "issueId": {{ json issueId }},
  "issueUrl": {{ json issuePageUrl }},
  "title": {{ json annotations.title.[0] }},
  {{#if annotations.description}}"description": {{ json annotations.description.[0] }},{{/if}}
  "priority": {{ json priority }},
  "state": {{ json state }},
  "triggerEvent": {{ json triggerEvent }},
  "createdAt": {{ createdAt }},
  "updatedAt": {{ updatedAt }},
  "impactedEntities": {{ json entitiesData.names }},
  "alertPolicyNames": {{ json accumulations.policyName }},
  "alertConditionNames": {{ json accumulations.conditionName }},
  {{#if accumulations.tag}}"tags": {{ json accumulations.tag }},{{/if}}
  "workflowName": {{ json workflowName }}
}
`,
	Instructions: []string{
		"New Relic, Alerts, Destinations, Webhook: endpoint URL {{url}}, authorization Bearer token, token {{secret}}.",
		"Alerts, Workflows: add a workflow for the issues that should open incidents, and notify by this webhook.",
		"Template: paste the payload template. New Relic's own template is understood too.",
		"Under the notification's settings leave issue activated, acknowledged and closed on, so that closing resolves.",
		"New Relic signs nothing: whoever learns the secret can send alerts. Runbooks above LOW therefore wait for a person.",
	},
}

func issueID(o object) string { return o.loose("issueId", "issue_id", "id") }

func parseNewRelic(r Request, body []byte, _ time.Time) (incident.Alert, error) {
	o, err := read(r, body)
	if err != nil {
		return incident.Alert{}, err
	}
	title, state, issue := entry(o, "title"), strings.ToUpper(o.loose("state", "current_state")), issueID(o)
	if title == "" || issue == "" {
		return unknown(o), nil
	}
	a := incident.Alert{
		Action: incident.Fire, Title: title, DedupKey: keyed("newrelic", issue),
		Description: lines(entry(o, "description"), entry(o, "impactedEntities"), o.loose("issueUrl", "issuePageUrl")),
		Severity:    severity(incident.Medium, o.loose("priority"), o.loose("severity")),
		Labels:      map[string]string{},
	}
	accumulated(a.Labels, o.object("tags"))
	put(a.Labels, "policy", entry(o, "alertPolicyNames"), "condition", entry(o, "alertConditionNames"), "entity", entry(o, "impactedEntities"),
		"workflow", o.loose("workflowName"))
	switch state {
	case "CLOSED", "DEACTIVATED", "RESOLVED":
		a.Action, a.Note = incident.Resolve, "New Relic: "+cmp.Or(o.loose("triggerEvent", "trigger"), state)
	}
	return a, nil
}

// entry is a member that is a text or a list of texts, of which the names are joined.
func entry(o object, name string) string {
	var all []string
	for _, v := range o.list(name) {
		if s := scalar(v); s != "" && len(all) < 10 {
			all = append(all, s)
		}
	}
	return cmp.Or(o.loose(name), strings.Join(all, ", "))
}

// accumulated adds tags as New Relic gathers them: a list of values by name.
func accumulated(into map[string]string, tags object) {
	for name, v := range tags {
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		if len(list) > 0 {
			put(into, name, scalar(list[0]))
		}
	}
}
