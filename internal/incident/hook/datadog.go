package hook

import (
	"cmp"
	"strings"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/text"
	"pagefree/internal/platform/trust"
)

// datadog signs nothing: the secret travels as a custom header. Its payload is
// what people paste there, ours or their own with the same variables.
// Source: docs.datadoghq.com/integrations/webhooks.
var datadog = Provider{
	Name: "datadog", Label: "Datadog", Trust: trust.Bearer, Media: []string{formType},
	Verify: bearer(func(_ Request, o object) string {
		id, transition := o.loose("id"), o.loose("alert_transition", "transition")
		if id == "" || transition == "" {
			return ""
		}
		return digest("datadog", id, transition)
	}),
	Parse: parseDatadog,
	Template: `{
  "id": "$ID",
  "title": "$EVENT_TITLE",
  "body": "$TEXT_ONLY_MSG",
  "date": "$DATE",
  "alert_id": "$ALERT_ID",
  "alert_cycle_key": "$ALERT_CYCLE_KEY",
  "alert_transition": "$ALERT_TRANSITION",
  "alert_type": "$ALERT_TYPE",
  "alert_priority": "$ALERT_PRIORITY",
  "alert_metric": "$ALERT_METRIC",
  "alert_scope": "$ALERT_SCOPE",
  "alert_status": "$ALERT_STATUS",
  "aggreg_key": "$AGGREG_KEY",
  "hostname": "$HOSTNAME",
  "tags": "$TAGS",
  "link": "$LINK",
  "org": "$ORG_NAME"
}
`,
	Instructions: []string{
		"Datadog, Integrations, Webhooks, New: name it pagefree and enter the URL {{url}}.",
		"Payload: paste the payload template. It may stay JSON, or be encoded as form.",
		`Custom headers: {"Authorization": "Bearer {{secret}}"}`,
		"In the message of each monitor that should open incidents write @webhook-pagefree, outside of {{#is_alert}}, so that recoveries come too.",
		"Datadog signs nothing: whoever learns the secret can send alerts. Runbooks above LOW therefore wait for a person.",
	},
}

// bracketed is the beginning of a title: [Triggered on {host:a}] Title.
var bracketed = text.Pattern(`^\[((?:Re-)?(?:Triggered|No Data|Warn)|Renotify|Recovered)(?: on ([^\]]*))?\]\s*(.*)$`)

func parseDatadog(r Request, body []byte, _ time.Time) (incident.Alert, error) {
	o, err := read(r, body)
	if err != nil {
		return incident.Alert{}, err
	}
	title := o.loose("title", "event_title", "alert_title")
	if title == "" {
		return unknown(o), nil
	}
	transition := o.loose("alert_transition", "transition")
	bare, scope := title, o.loose("alert_scope", "scope")
	if m := bracketed().FindStringSubmatch(strings.TrimPrefix(title, "[TEST] ")); m != nil {
		transition, scope, bare = cmp.Or(transition, m[1]), cmp.Or(scope, m[2]), m[3]
	}
	if strings.HasPrefix(title, "[TEST]") || strings.HasPrefix(bare, "[TEST]") {
		return ignored("A test notification of a Datadog monitor."), nil
	}
	kind := strings.ToLower(o.loose("alert_type"))
	a := incident.Alert{
		Action: incident.Fire, Title: bare, Labels: map[string]string{},
		Description: lines(o.loose("body", "text_only_msg", "event_msg", "message"), o.loose("alert_status"), o.loose("link")),
		// The cycle key is one for all of an alert's life; without it the monitor and what it fired for tell.
		DedupKey: cmp.Or(keyed("datadog", o.loose("alert_cycle_key", "cycle_key")), keyed("datadog", o.loose("alert_id"), cmp.Or(scope, "*")),
			keyed("datadog", o.loose("aggreg_key"))),
	}
	fallback := incident.Medium
	if strings.Contains(transition, "Warn") {
		kind = "warning"
	}
	a.Severity = severity(fallback, o.loose("alert_priority"), o.loose("severity"), kind, o.loose("priority"))
	tags(a.Labels, scope)
	tags(a.Labels, o.at("tags"))
	tags(a.Labels, o.loose("tags"))
	put(a.Labels, "host", o.loose("hostname"), "metric", o.loose("alert_metric"), "monitor", o.loose("alert_id"), "org", o.loose("org"))
	switch t := strings.ToLower(transition); {
	case strings.Contains(t, "recovered"), t == "" && kind == "success":
		a.Action, a.Note = incident.Resolve, "Datadog: "+cmp.Or(transition, "recovered")
	}
	return a, nil
}
