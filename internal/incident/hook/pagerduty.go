package hook

import (
	"cmp"
	"context"
	"strings"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/trust"
)

// pagerduty is PagerDuty's webhook subscription, version 3. It signs the body
// and no time of the delivery: event.occurred_at, which is in the body, bounds
// how old it may be.
// Source: developer.pagerduty.com, "Webhooks v3" and "Verifying signatures".
var pagerduty = Provider{
	Name: "pagerduty", Label: "PagerDuty", Trust: trust.Signed, GivenSecret: true,
	Verify: verifyPagerDuty,
	Parse:  parsePagerDuty,
	Instructions: []string{
		"PagerDuty, Integrations, Generic Webhooks (v3), New Webhook: URL {{url}}, scope the service or team.",
		"Events: incident.triggered, incident.escalated, incident.reopened and incident.resolved at the least.",
		"PagerDuty shows its secret once, when the webhook is added: give it to this integration, on its page or by rotate-secret.",
		"Send Test Event says Webhook sent successfully; the delivery stands under this integration's deliveries as ignored.",
		"The priority P1 to P5 becomes the severity; without one, high urgency is HIGH and low is LOW.",
	},
}

const (
	pagerDutyPast   = 24 * time.Hour // how long PagerDuty tries to deliver
	pagerDutyFuture = Window
)

func verifyPagerDuty(_ context.Context, r Request, k Keys, now time.Time) (Proof, error) {
	header := r.Header.Get("X-PagerDuty-Signature")
	if header == "" {
		return Proof{}, missing("X-PagerDuty-Signature")
	}
	ok := false
	for i, one := range strings.Split(header, ",") {
		encoded, v1 := strings.CutPrefix(strings.TrimSpace(one), "v1=")
		mac, whole := hexMAC(encoded)
		if !v1 || !whole || i >= maxSignatures {
			continue
		}
		if signed(mac, k.Secrets, r.Body) {
			ok = true
		}
	}
	if !ok {
		return Proof{}, wrongSignature()
	}
	o, err := unpacked(r)
	if err != nil {
		return Proof{}, err
	}
	at, err := time.Parse(time.RFC3339, o.text("event", "occurred_at"))
	id := o.text("event", "id")
	if err != nil || id == "" {
		// It is signed, and not of version 3. X-Webhook-Id is not signed: anybody could change it to send it again.
		return Proof{ID: digest("pagerduty", string(r.Body)), Keep: keepUntimed}, nil
	}
	if err := timely(at, now, pagerDutyPast, pagerDutyFuture); err != nil {
		return Proof{}, err
	}
	return Proof{ID: id, Keep: pagerDutyPast + pagerDutyFuture}, nil
}

func parsePagerDuty(r Request, body []byte, _ time.Time) (incident.Alert, error) {
	o, err := read(r, body)
	if err != nil {
		return incident.Alert{}, err
	}
	kind, data := o.text("event", "event_type"), o.object("event", "data")
	switch {
	case kind == "":
		return unknown(o), nil
	case kind == "pagey.ping":
		return ignored("A test event of PagerDuty."), nil
	case !strings.HasPrefix(kind, "incident."):
		return ignored("PagerDuty's " + kind + " says nothing of an incident's beginning or end."), nil
	}
	a := incident.Alert{
		Title: data.text("title"), Description: lines(data.text("html_url")), DedupKey: keyed("pagerduty", data.text("id")),
		Severity: severity(incident.High, data.text("priority", "summary"), data.text("urgency")),
		Labels: put(map[string]string{}, "pagerduty", data.text("id"), "service", data.text("service", "summary"), "urgency", data.text("urgency"),
			"priority", data.text("priority", "summary"), "number", data.text("number"), "escalation_policy", data.text("escalation_policy", "summary")),
	}
	a.At = moment(o.text("event", "occurred_at"))
	switch kind {
	case "incident.triggered", "incident.escalated", "incident.reopened", "incident.unacknowledged":
		a.Action = incident.Fire
		if a.DedupKey == "" || a.Title == "" {
			return unknown(o), nil
		}
	case "incident.resolved":
		a.Action, a.Note = incident.Resolve, "PagerDuty: resolved by "+cmp.Or(o.text("event", "agent", "summary"), "PagerDuty itself")
		if a.DedupKey == "" {
			return unknown(o), nil
		}
	default:
		return ignored("PagerDuty's " + kind + " changes nothing here."), nil
	}
	return a, nil
}
