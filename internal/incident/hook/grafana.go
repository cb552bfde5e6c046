package hook

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/trust"
)

// grafana is Grafana Alerting's webhook contact point, from 12.0 on, with its
// HMAC signature. Without a timestamp header it would sign the body alone, and
// what was sent once would be good for ever: the header is required.
// Source: grafana/alerting, http/hmac.go: hex of HMAC-SHA256 over unix seconds, a colon, the body.
var grafana = Provider{
	Name: "grafana", Label: "Grafana", Trust: trust.SignedTime,
	Verify: verifyGrafana,
	Parse: func(r Request, body []byte, _ time.Time) (incident.Alert, error) {
		o, err := read(r, body)
		if err != nil {
			return incident.Alert{}, err
		}
		if common := o.object("commonLabels"); common.text("alertname") == "TestAlert" && common.text("instance") == "Grafana" {
			return ignored("A test of the contact point."), nil
		}
		return group(o, "grafana"), nil
	},
	Instructions: []string{
		"Grafana, Alerting, Contact points, Add: integration Webhook, URL {{url}}, HTTP method POST.",
		"Under HMAC Signature: secret {{secret}}, header X-Grafana-Alerting-Signature.",
		"Timestamp header: X-Grafana-Alerting-Timestamp. It is required: without it the time is not signed.",
		"Leave the title and message as they are; a label severity (critical, error, warning, info) on the rules becomes the incident's.",
		"Route alerts to the contact point by a notification policy. One group of alerts is one incident, and resolves when all of them do.",
	},
}

func verifyGrafana(_ context.Context, r Request, k Keys, now time.Time) (Proof, error) {
	// The documentation names the first; Grafana's code has had the second as its default.
	signature := cmp.Or(r.Header.Get("X-Grafana-Alerting-Signature"), r.Header.Get("X-Grafana-Alert-Signature"))
	stamp := r.Header.Get("X-Grafana-Alerting-Timestamp")
	switch {
	case signature == "":
		return Proof{}, missing("X-Grafana-Alerting-Signature")
	case stamp == "":
		return Proof{}, missing("X-Grafana-Alerting-Timestamp: set the contact point's timestamp header")
	}
	at, ok := unix(stamp)
	if !ok {
		return Proof{}, invalid("X-Grafana-Alerting-Timestamp is not a number of seconds.")
	}
	mac, ok := hexMAC(signature)
	if !ok || !signed(mac, k.Secrets, []byte(stamp+":"), r.Body) {
		return Proof{}, wrongSignature()
	}
	if err := timely(at, now, Window, Window); err != nil {
		return Proof{}, err
	}
	o, err := unpacked(r)
	if err != nil {
		return Proof{}, err
	}
	// Grafana signs each try of a delivery anew, at its own time, so the time is
	// no part of the id. An alert that fires again has another startsAt.
	alerts, err := json.Marshal(o.list("alerts"))
	if o.text("groupKey") == "" || err != nil {
		return Proof{ID: digest("grafana", string(r.Body)), Keep: keepWindow}, nil
	}
	return Proof{ID: digest("grafana", o.text("groupKey"), o.text("status"), string(alerts)), Keep: keepWindow}, nil
}
