package hook

import (
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/trust"
)

// alertmanager is Prometheus' own: version 4 of its webhook, which it can send
// with a bearer secret and does not sign.
// Source: prometheus.io/docs/alerting/latest/configuration/#webhook_config.
var alertmanager = Provider{
	Name: "alertmanager", Label: "Alertmanager", Trust: trust.Bearer,
	// repeat_interval sends a body again that is the same to the byte: nothing tells it from a resend.
	Verify: bearer(nil),
	Parse: func(r Request, body []byte, _ time.Time) (incident.Alert, error) {
		o, err := read(r, body)
		if err != nil {
			return incident.Alert{}, err
		}
		return group(o, "alertmanager"), nil
	},
	Template: `receivers:
  - name: pagefree
    webhook_configs:
      - url: "{{url}}"
        send_resolved: true
        http_config:
          authorization:
            type: Bearer
            credentials: "{{secret}}"
`,
	Instructions: []string{
		"Add to alertmanager.yml, under receivers: name: pagefree, webhook_configs: url: {{url}}, send_resolved: true.",
		"Under its http_config: authorization: type: Bearer, credentials: {{secret}} (or credentials_file).",
		"Route alerts to the receiver pagefree. One group (group_by) is one incident.",
		"The label severity of the rules (critical, error, warning, info) becomes the incident's.",
		"Alertmanager signs nothing: whoever learns the secret can send alerts. Runbooks above LOW therefore wait for a person.",
	},
}
