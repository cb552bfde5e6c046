package hook

import (
	"strings"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/trust"
)

// generic is for whatever can post JSON: scripts, cron jobs, systems that this
// package does not know.
var generic = Provider{
	Name: "generic", Label: "Generic webhook", Trust: trust.Bearer,
	// Nothing in a body tells a resend from an alert that repeats. A sender that
	// cares says so itself.
	Verify: bearer(func(r Request, _ object) string {
		if key := r.Header.Get("Idempotency-Key"); key != "" {
			return "key:" + key
		}
		return ""
	}),
	Parse: func(r Request, body []byte, _ time.Time) (incident.Alert, error) {
		o, err := read(r, body)
		if err != nil {
			return incident.Alert{}, err
		}
		return plain(o), nil
	},
	Template: `{
  "title": "Disk almost full",
  "description": "/var on db-1 has 3 % left",
  "severity": "warning",
  "dedupKey": "disk:db-1:/var",
  "labels": {"host": "db-1"},
  "status": "firing"
}
`,
	Instructions: []string{
		"POST JSON to {{url}} with the header Authorization: Bearer {{secret}} (or X-PageFree-Secret: {{secret}}).",
		"The body is the payload: title is required; description, severity, dedupKey, labels and status (firing or resolved) are optional.",
		"Send the same dedupKey again to count one more alert of the open incident, and with status resolved to resolve it.",
		"A sender that repeats a request after a timeout adds the same Idempotency-Key to both, so that it counts once.",
	},
}

// plain reads the contract's own shape:
// {title,description?,severity?,dedupKey?,labels?,status:"firing"|"resolved"}.
func plain(o object) incident.Alert {
	if !o.has("data") || o.text("title") != "" {
		return plainly(o, o)
	}
	return plainly(o.object("data"), o)
}

// plainly reads an alert off o, which stands in whole.
func plainly(o, whole object) incident.Alert {
	key, resolved := o.text("dedupKey"), false
	switch status := strings.ToLower(o.text("status")); status {
	case "resolved", "resolve", "ok", "closed", "recovered":
		resolved = true
	}
	title, isText := o["title"].(string)
	switch {
	case resolved && key == "":
		if isText {
			return ignored("It says resolved, and names no dedupKey to tell which incident.")
		}
		return unknown(whole)
	case !resolved && (!isText || strings.TrimSpace(title) == ""):
		return unknown(whole)
	}
	a := incident.Alert{
		Action: incident.Fire, Title: title, Description: o.text("description"), DedupKey: key,
		Severity: severity(incident.Medium, o.text("severity"), o.text("priority")), Labels: map[string]string{},
	}
	tags(a.Labels, o["tags"])
	tags(a.Labels, o["labels"])
	if resolved {
		a.Action, a.Note = incident.Resolve, o.text("description")
	}
	return a
}
