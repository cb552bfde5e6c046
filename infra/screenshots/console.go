package main

import (
	"context"
	"net/http"
	"strings"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
)

// cleanup is the runbook of the demo that is shown, in the words of its list.
const cleanup = "Free disk space"

// console photographs the work of people: an incident, what they see before a runbook runs, and a review.
func console(ctx context.Context, c *camera, url string, r demo.Result) error {
	api := client.Client{URL: url}
	review, err := better(ctx, api, r)
	if err != nil {
		return err
	}
	incident := url + "/console/incidents/" + r.IncidentID
	run := url + "/console/executions/new?incidentId=" + r.IncidentID + "&runbookId=" + r.RunbookIDs[cleanup]
	return c.photograph(
		view{name: "incident.png", at: incident, width: 1280, height: 1120, whom: r.Sessions[demo.Responder], wait: ".fits li"},
		view{name: "incident-phone.png", at: incident, width: 390, height: 1120, dark: true, wait: ".fits li"},
		view{name: "preview.png", at: run, width: 1280, height: 980},
		view{name: "review.png", at: url + review, width: 1280, height: 980, whom: r.Sessions[demo.Reviewer]},
	)
}

// better has lead write and submit another version of the cleanup, and returns where it is reviewed.
func better(ctx context.Context, api client.Client, r demo.Result) (string, error) {
	at := "/v1/runbooks/" + r.RunbookIDs[cleanup] + "/versions"
	was, err := api.Want(ctx, http.StatusOK, "GET", at+"/1", r.Sessions[demo.Lead], nil)
	if err != nil {
		return "", err
	}
	content := map[string]any{"changeNote": "Shows how full the disk is first, and leaves the log alone that is open."}
	for _, name := range []string{"language", "parameters", "target", "timeoutSeconds", "risk"} {
		content[name] = was.Body[name]
	}
	content["maxRetries"], content["idempotent"] = 1, true
	content["scriptContent"] = strings.NewReplacer(
		"keeping $PF_KEEP_DAYS days\"\n", "keeping $PF_KEEP_DAYS days\"\ndf -h .\n",
		"find logs -type f -mtime", "find logs -type f -name 'app.log.*' -mtime",
	).Replace(was.Text("scriptContent"))
	if _, err = api.Want(ctx, http.StatusCreated, "POST", at, r.Sessions[demo.Lead], content); err != nil {
		return "", err
	}
	_, err = api.Want(ctx, http.StatusOK, "POST", at+"/2/submit", r.Sessions[demo.Lead], nil)
	return "/console/runbooks/" + r.RunbookIDs[cleanup] + "/versions/2", err
}
