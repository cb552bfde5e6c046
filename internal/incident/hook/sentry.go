package hook

import (
	"cmp"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/trust"
)

// sentry is the webhook of an internal integration. It signs the body by the
// integration's client secret, and neither Sentry-Hook-Timestamp nor
// Sentry-Hook-Resource: what happened is read off the body.
// Source: docs.sentry.io, "Integration platform: Webhooks".
var sentry = Provider{
	Name: "sentry", Label: "Sentry", Trust: trust.Signed, GivenSecret: true,
	Verify: verifyBody("Sentry-Hook-Signature", "", "sentry"),
	Parse:  parseSentry,
	Instructions: []string{
		"Sentry, Settings, Developer Settings (Custom Integrations), Create New Integration, Internal: webhook URL {{url}}, Alert Rule Action on.",
		"Permissions: Issue & Event, Read. Under Webhooks tick issue, so that resolving resolves; each new issue then opens an incident too.",
		"Save. The Client Secret that Sentry shows has to be this integration's: give it on its page, or by rotate-secret, if it is not.",
		"In the alert rules that should open incidents add the action Send a notification via your integration.",
		"Metric alerts come as critical or warning, and resolve by themselves.",
	},
}

func parseSentry(r Request, body []byte, _ time.Time) (incident.Alert, error) {
	o, err := read(r, body)
	if err != nil {
		return incident.Alert{}, err
	}
	switch data := o.object("data"); {
	case data.has("metric_alert"):
		return metricAlert(o, data), nil
	case data.has("event"):
		return issueAlert(data), nil
	case data.has("issue"):
		return sentryIssue(o, data.object("issue")), nil
	case data.has("installation"), data.has("error"), data.has("seerRun"), data.text("comment_id") != "":
		return ignored("This event of Sentry opens no incident."), nil
	}
	return unknown(o), nil
}

// issueAlert is event_alert: a rule fired for an event of an issue.
func issueAlert(data object) incident.Alert {
	e := data.object("event")
	a := incident.Alert{
		Action: incident.Fire, Title: cmp.Or(e.text("title"), e.text("message"), e.text("metadata", "title")),
		Description: lines(e.text("culprit"), ruled(data.text("triggered_rule")), cmp.Or(e.text("web_url"), e.text("issue_url"))),
		Severity:    severity(incident.High, e.text("level")),
		DedupKey:    keyed("sentry:issue", cmp.Or(e.text("issue_id"), e.text("groupID"))),
		Labels:      map[string]string{},
	}
	tags(a.Labels, e.at("tags"))
	put(a.Labels, "project", cmp.Or(e.text("project_name"), e.text("project")), "environment", e.text("environment"),
		"release", e.text("release"), "platform", e.text("platform"), "rule", data.text("triggered_rule"))
	return a
}

func ruled(rule string) string {
	if rule == "" {
		return ""
	}
	return "Alert rule: " + rule
}

func metricAlert(o, data object) incident.Alert {
	m := data.object("metric_alert")
	a := incident.Alert{
		Action: incident.Fire, Title: cmp.Or(data.text("description_title"), m.text("title"), m.text("alert_rule", "name")),
		Description: lines(data.text("description_text"), data.text("web_url")),
		Severity:    severity(incident.High, o.text("action")),
		DedupKey:    keyed("sentry:metric", cmp.Or(m.text("id"), m.text("identifier"))),
		Labels: put(map[string]string{}, "rule", m.text("alert_rule", "name"), "environment", m.text("alert_rule", "environment"),
			"dataset", m.text("alert_rule", "dataset")),
	}
	if projects := m.list("projects"); len(projects) > 0 {
		put(a.Labels, "project", scalar(projects[0]))
	}
	if o.text("action") == "resolved" {
		a.Action, a.Note = incident.Resolve, "Sentry: "+cmp.Or(data.text("description_text"), "resolved")
	}
	return a
}

func sentryIssue(o, it object) incident.Alert {
	a := incident.Alert{
		Title: it.text("title"), Description: lines(it.text("culprit"), cmp.Or(it.text("web_url"), it.text("permalink"))),
		Severity: severity(incident.High, it.text("level")), DedupKey: keyed("sentry:issue", it.text("id")),
		Labels: put(map[string]string{}, "issue", it.text("shortId"), "project", cmp.Or(it.text("project", "slug"), it.text("project", "name")),
			"platform", it.text("platform")),
	}
	switch action := o.text("action"); action {
	case "created", "unresolved":
		a.Action = incident.Fire
	case "resolved", "archived", "ignored":
		a.Action, a.Note = incident.Resolve, "Sentry: "+action+" by "+cmp.Or(o.text("actor", "name"), "Sentry itself")
	default:
		return ignored("Sentry's issue " + action + " changes nothing here.")
	}
	return a
}
