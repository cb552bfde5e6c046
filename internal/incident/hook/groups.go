package hook

import (
	"cmp"
	"fmt"
	"strings"

	"pagefree/internal/incident"
	"pagefree/internal/platform/text"
)

// group reads a notification of Alertmanager, or of Grafana, which sends the
// same with a title of its own: alerts of one group, which are one incident.
func group(o object, space string) incident.Alert {
	key, status := o.text("groupKey"), o.text("status")
	if key == "" || status == "" {
		return unknown(o)
	}
	common, annotations := o.object("commonLabels"), o.object("commonAnnotations")
	name := cmp.Or(common.text("alertname"), o.text("groupLabels", "alertname"))
	summary := annotations.text("summary")
	a := incident.Alert{
		Action: incident.Fire, DedupKey: keyed(space, key), Labels: map[string]string{},
		Severity:    groupSeverity(o),
		Description: lines(annotations.text("description"), o.text("message"), members(o), o.text("externalURL")),
	}
	switch title := withoutCount(o.text("title")); {
	case title != "":
		a.Title = title
	case name != "" && summary != "":
		a.Title = name + ": " + summary
	default:
		a.Title = cmp.Or(name, summary, first(o, "alertname"), "Alerts of "+key)
	}
	tags(a.Labels, map[string]any(o.object("groupLabels")))
	tags(a.Labels, map[string]any(common))
	if status == "resolved" {
		a.Action, a.Note = incident.Resolve, "All alerts of the group are resolved."
	}
	return a
}

// withoutCount takes off what Grafana's own title begins with, [FIRING:2] or [RESOLVED],
// which is of the moment and not of the incident.
func withoutCount(title string) string {
	rest, found := strings.CutPrefix(title, "[")
	if state, rest, ok := strings.Cut(rest, "]"); found && ok && (strings.HasPrefix(state, "FIRING") || strings.HasPrefix(state, "RESOLVED")) {
		return strings.TrimSpace(rest)
	}
	return title
}

// groupSeverity is what all alerts of a group have in common, else the worst that one of them has.
func groupSeverity(o object) incident.Severity {
	of := func(labels object) incident.Severity {
		return severity("", labels.text("severity"), labels.text("priority"), labels.text("level"))
	}
	if s := of(o.object("commonLabels")); s != "" {
		return s
	}
	rank := map[incident.Severity]int{incident.Low: 1, incident.Medium: 2, incident.High: 3, incident.Critical: 4}
	worst := incident.Severity("")
	for _, v := range o.list("alerts") {
		alert, _ := v.(map[string]any)
		if s := of(object(alert).object("labels")); rank[s] > rank[worst] {
			worst = s
		}
	}
	return cmp.Or(worst, severity(incident.Medium, o.text("commonAnnotations", "severity")))
}

// first is a label of the first alert.
func first(o object, label string) string {
	if list := o.list("alerts"); len(list) > 0 {
		alert, _ := list[0].(map[string]any)
		return object(alert).text("labels", label)
	}
	return ""
}

// members lists the first alerts of a group, a line each.
func members(o object) string {
	const most = 20
	var b strings.Builder
	list := o.list("alerts")
	for i, v := range list {
		if i == most {
			fmt.Fprintf(&b, "... and %d more\n", len(list)-most)
			break
		}
		alert := object{}
		if m, ok := v.(map[string]any); ok {
			alert = m
		}
		name := cmp.Or(alert.text("labels", "alertname"), "alert")
		for _, label := range []string{"instance", "job", "namespace", "pod", "service"} {
			if value := alert.text("labels", label); value != "" {
				name += " " + label + "=" + value
			}
		}
		words := cmp.Or(alert.text("annotations", "summary"), alert.text("annotations", "description"), alert.text("valueString"))
		fmt.Fprintf(&b, "- %s %s", alert.text("status"), clip(name, 200))
		if words != "" {
			b.WriteString(": " + clip(words, 300))
		}
		b.WriteString("\n")
	}
	return strings.TrimSpace(b.String())
}

// clip is one line of at most limit bytes.
func clip(s string, limit int) string {
	s, _ = text.Clip([]byte(line(s)), false, limit)
	return s
}
