package hook

import (
	"cmp"
	"context"
	"strings"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/trust"
)

// github is a webhook of a repository or organization. It signs the body and
// nothing else: X-GitHub-Event and X-GitHub-Delivery are headers that whoever
// sends a body again may change. So what happened is read off the body, and the
// body is what a delivery is known by.
// Source: docs.github.com, "Validating webhook deliveries", "Webhook events and payloads".
var github = Provider{
	Name: "github", Label: "GitHub", Trust: trust.Signed, Media: []string{formType},
	Verify: verifyBody("X-Hub-Signature-256", "sha256=", "github"),
	Parse:  parseGitHub,
	Instructions: []string{
		"GitHub, the repository's (or organization's) Settings, Webhooks, Add webhook: payload URL {{url}}.",
		"Content type: application/json (a form is taken too). Secret: {{secret}}. Leave SSL verification on.",
		"Let me select individual events: Workflow runs and Issues. Others are taken and ignored.",
		"A workflow run that fails opens an incident; the next success of the same workflow and branch resolves it.",
		"An issue with the label incident opens one; closing the issue, or taking the label off, resolves it.",
	},
}

// verifyBody verifies a signature of the body alone: hex of HMAC-SHA256 behind a prefix.
func verifyBody(header, prefix, space string) func(context.Context, Request, Keys, time.Time) (Proof, error) {
	return func(_ context.Context, r Request, k Keys, _ time.Time) (Proof, error) {
		given := r.Header.Get(header)
		if given == "" {
			return Proof{}, missing(header)
		}
		encoded, ok := strings.CutPrefix(given, prefix)
		mac, whole := hexMAC(encoded)
		if !ok || !whole || !signed(mac, k.Secrets, r.Body) {
			return Proof{}, wrongSignature()
		}
		return Proof{ID: digest(space, string(r.Body)), Keep: keepUntimed}, nil
	}
}

// incidentLabel is the label of the issues that are incidents.
const incidentLabel = "incident"

func parseGitHub(r Request, body []byte, _ time.Time) (incident.Alert, error) {
	o, err := read(r, body)
	if err != nil {
		return incident.Alert{}, err
	}
	switch {
	case o.text("zen") != "" && o.text("hook_id") != "":
		return ignored("GitHub's ping: the webhook is connected."), nil
	case o.has("workflow_run"):
		return workflowRun(o), nil
	case o.has("issue") && !o.has("comment"):
		return issue(o), nil
	case o.has("sender") && (o.has("repository") || o.has("organization") || o.has("installation")):
		return ignored("This event of GitHub opens no incident."), nil
	}
	return unknown(o), nil
}

func workflowRun(o object) incident.Alert {
	run, repository := o.object("workflow_run"), o.text("repository", "full_name")
	name, branch, conclusion := cmp.Or(run.text("name"), o.text("workflow", "name")), run.text("head_branch"), run.text("conclusion")
	if o.text("action") != "completed" {
		return ignored("The workflow run is not over yet.")
	}
	a := incident.Alert{
		Title:       name + " failed on " + branch + " of " + repository,
		Description: lines(run.text("display_title"), "Commit "+run.text("head_sha"), run.text("html_url")),
		Severity:    incident.Medium,
		DedupKey:    keyed("github", repository, "workflow", cmp.Or(run.text("workflow_id"), run.text("path"), name), branch),
		Labels: put(map[string]string{}, "repository", repository, "workflow", name, "branch", branch, "conclusion", conclusion,
			"event", run.text("event"), "actor", run.text("actor", "login")),
	}
	switch conclusion {
	case "failure", "timed_out", "startup_failure":
		a.Action = incident.Fire
	case "success":
		a.Action, a.Note = incident.Resolve, name+" succeeded on "+branch+": "+run.text("html_url")
	default:
		return ignored("The workflow run ended as " + cmp.Or(conclusion, "nothing known") + ", which is neither failure nor success.")
	}
	return a
}

func issue(o object) incident.Alert {
	it, repository, action := o.object("issue"), o.text("repository", "full_name"), o.text("action")
	labelled := false
	for _, v := range it.list("labels") {
		if l, ok := v.(map[string]any); ok && strings.EqualFold(object(l).text("name"), incidentLabel) {
			labelled = true
		}
	}
	about := strings.EqualFold(o.text("label", "name"), incidentLabel) // of labeled and unlabeled
	a := incident.Alert{
		Title: it.text("title"), Description: lines(it.text("html_url"), it.text("body")), Severity: incident.Medium,
		DedupKey: keyed("github", repository, "issue", it.text("number")),
		Labels:   put(map[string]string{}, "repository", repository, "issue", it.text("number"), "author", it.text("user", "login")),
	}
	for _, v := range it.list("labels") { // a label severity:high says how bad it is
		if l, ok := v.(map[string]any); ok {
			tags(a.Labels, object(l).text("name"))
		}
	}
	a.Severity = severity(incident.Medium, a.Labels["severity"], a.Labels["priority"])
	open := it.text("state") != "closed"
	switch {
	case labelled && open && (action == "opened" || action == "reopened"), about && open && action == "labeled":
		a.Action = incident.Fire
	case labelled && (action == "closed" || action == "deleted" || action == "transferred"), about && action == "unlabeled":
		a.Action, a.Note = incident.Resolve, "The issue was "+action+" by "+cmp.Or(o.text("sender", "login"), "somebody")+"."
	default:
		return ignored("The issue is no incident by its label, or this changes nothing of that.")
	}
	return a
}
