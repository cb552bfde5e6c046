// Package demo fills a fresh local stack with people, services, an incident
// and runbooks, then handles the incident before the reader's eyes: all of it
// through the public HTTP API, checking every answer.
package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pagefree/infra/local/client"
)

// Options say where the stack is and where to tell what happens.
type Options struct {
	URL  string // of the API, without a slash at the end
	Mail string // of the local stack that has the mailbox; default URL
	Out  io.Writer
}

// Result is what somebody needs to go on by themselves.
type Result struct {
	Sessions   map[string]string // of the people who acted, by address
	IncidentID string
	RunbookIDs map[string]string // by name
}

type demo struct {
	client.Client
	out      io.Writer
	began    time.Time
	sessions map[string]string
	team     string
	services map[string]string
	incident string
	runbooks map[string]string
}

// Run makes the demo data where it is missing, and runs one runbook of each
// language for the demo incident. It may be repeated on the same stack.
func Run(ctx context.Context, o Options) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	d := &demo{
		Client: client.Client{URL: o.URL, Mail: o.Mail, HTTP: &http.Client{Timeout: 40 * time.Second}}, out: o.Out, began: time.Now(),
		sessions: map[string]string{}, services: map[string]string{}, runbooks: map[string]string{},
	}
	for _, step := range []func(context.Context) error{d.people, d.catalog, d.library, d.remedy} {
		if err := step(ctx); err != nil {
			return Result{}, err
		}
	}
	return Result{Sessions: d.sessions, IncidentID: d.incident, RunbookIDs: d.runbooks}, nil
}

// say prints one line with the time since the demo began.
func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "%6.2f s  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}

// Those of the demo's people who act in it.
const (
	Admin     = "admin@pagefree.test" // the first admin
	Lead      = "lead@pagefree.test"
	Reviewer  = "reviewer@pagefree.test"
	Responder = "responder@pagefree.test"
)

const (
	observer = "observer@pagefree.test"
	outsider = "outsider@pagefree.test"
)

// people signs the first admin in, who makes the others and their teams.
func (d *demo) people(ctx context.Context) error {
	token, err := d.SignIn(ctx, Admin)
	if err != nil {
		return err
	}
	d.sessions[Admin] = token
	d.say("%s signed in by a mailed link", Admin)

	users := map[string]string{}
	existing, err := d.all(ctx, "/v1/users", token)
	if err != nil {
		return err
	}
	for _, u := range existing {
		users[u["email"].(string)] = u["id"].(string)
	}
	for _, email := range []string{Lead, Reviewer, Responder, observer, outsider} {
		if users[email] != "" {
			continue
		}
		name, _, _ := strings.Cut(email, "@")
		a, err := d.Want(ctx, http.StatusCreated, "POST", "/v1/users", token, map[string]any{"email": email, "name": strings.ToUpper(name[:1]) + name[1:]})
		if err != nil {
			return err
		}
		users[email] = a.Text("id")
	}
	if d.team, err = d.makeTeam(ctx, "Platform", users, map[string]string{
		Lead: "TEAM_ADMIN", Reviewer: "TEAM_ADMIN", Responder: "RESPONDER", observer: "OBSERVER"}); err != nil {
		return err
	}
	if _, err = d.makeTeam(ctx, "Elsewhere", users, map[string]string{outsider: "TEAM_ADMIN"}); err != nil {
		return err
	}
	d.say("two teams: lead, reviewer, responder and observer in one, outsider in the other")
	for _, email := range []string{Lead, Reviewer, Responder} {
		if d.sessions[email], err = d.SignIn(ctx, email); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) makeTeam(ctx context.Context, name string, users, roles map[string]string) (string, error) {
	token := d.sessions[Admin]
	teams, err := d.all(ctx, "/v1/teams", token)
	if err != nil {
		return "", err
	}
	for _, t := range teams {
		if t["name"] == name {
			return t["id"].(string), nil
		}
	}
	a, err := d.Want(ctx, http.StatusCreated, "POST", "/v1/teams", token, map[string]any{"name": name})
	if err != nil {
		return "", err
	}
	id := a.Text("id")
	for email, role := range roles {
		if _, err := d.Want(ctx, http.StatusOK, "PUT", "/v1/teams/"+id+"/members/"+users[email], token, map[string]any{"role": role}); err != nil {
			return "", err
		}
	}
	// Whoever makes a team is in it; the admin of the demo manages and does not respond.
	_, err = d.Want(ctx, http.StatusNoContent, "DELETE", "/v1/teams/"+id+"/members/"+users[Admin], token, nil)
	return id, err
}

// catalog makes two services and an incident.
func (d *demo) catalog(ctx context.Context) error {
	known, err := d.all(ctx, "/v1/services?teamId="+d.team, d.sessions[Lead])
	if err != nil {
		return err
	}
	for _, s := range known {
		d.services[s["name"].(string)] = s["id"].(string)
	}
	for _, name := range []string{"checkout", "search"} {
		if d.services[name] != "" {
			continue
		}
		a, err := d.Want(ctx, http.StatusCreated, "POST", "/v1/services", d.sessions[Lead], map[string]any{"name": name, "teamId": d.team})
		if err != nil {
			return err
		}
		d.services[name] = a.Text("id")
	}
	a, err := d.Do(ctx, "POST", "/v1/incidents", d.sessions[Responder], map[string]any{
		"title": "Checkout answers slowly: disk of web-3 is full", "severity": "HIGH", "serviceId": d.services["checkout"],
		"description": "95th percentile above 4 s for ten minutes.", "labels": map[string]string{"zone": "eu-1", "host": "web-3"}, "dedupKey": "checkout-disk",
	})
	if err != nil {
		return err
	}
	if a.Status != http.StatusCreated && a.Status != http.StatusOK {
		return fmt.Errorf("make an incident: %d %s", a.Status, a.Raw)
	}
	d.incident = a.Text("id")
	d.say("incident %s: %s", d.incident, a.Text("title"))
	return nil
}

// library writes, submits and approves the runbooks, each by two people.
func (d *demo) library(ctx context.Context) error {
	known, err := d.all(ctx, "/v1/runbooks?teamId="+d.team, d.sessions[Lead])
	if err != nil {
		return err
	}
	for _, rb := range known {
		d.runbooks[rb["name"].(string)] = rb["id"].(string)
	}
	for i, s := range samples {
		if d.runbooks[s.name] != "" {
			continue
		}
		a, err := d.Want(ctx, http.StatusCreated, "POST", "/v1/runbooks", d.sessions[Lead], map[string]any{
			"name": s.name, "description": s.description, "teamId": d.team, "language": s.language, "scriptContent": s.script,
			"parameters": s.parameters, "target": map[string]any{"type": "sandbox"}, "risk": "LOW", "timeoutSeconds": 30, "changeNote": "first version",
		})
		if err != nil {
			return err
		}
		id := a.Text("id")
		d.runbooks[s.name] = id
		version := "/v1/runbooks/" + id + "/versions/1"
		if _, err := d.Want(ctx, http.StatusOK, "POST", version+"/submit", d.sessions[Lead], nil); err != nil {
			return err
		}
		if i == 0 {
			refused, err := d.Want(ctx, http.StatusForbidden, "POST", version+"/approve", d.sessions[Lead], map[string]any{})
			if err != nil {
				return err
			}
			d.say("%s may not approve what they wrote: %d %s", Lead, refused.Status, refused.Text("code"))
		}
		if s.wait {
			d.say("%q waits for review", s.name)
			continue
		}
		if _, err := d.Want(ctx, http.StatusOK, "POST", version+"/approve", d.sessions[Reviewer], map[string]any{"note": "read and tried"}); err != nil {
			return err
		}
		d.say("%q (%s) written by lead, approved and sealed by reviewer", s.name, s.language)
	}
	return nil
}

// remedy runs one runbook of each language for the incident.
func (d *demo) remedy(ctx context.Context) error {
	for _, s := range samples {
		if s.wait {
			continue
		}
		a, err := d.Want(ctx, http.StatusAccepted, "POST", "/v1/executions", d.sessions[Responder], map[string]any{
			"runbookId": d.runbooks[s.name], "incidentId": d.incident})
		if err != nil {
			return err
		}
		id := a.Text("id")
		d.say("%s runs %q: %s %s", Responder, s.name, id, a.Text("status"))
		if a, err = d.finished(ctx, id); err != nil {
			return err
		}
		if got := a.Text("status"); got != "COMPLETED" || !strings.Contains(a.Text("stdout"), s.want) {
			return fmt.Errorf("%s ended %s, want COMPLETED with %q in its output: %s", s.name, got, s.want, a.Raw)
		}
		d.say("  %s, exit code %v", a.Text("status"), a.Body["exitCode"])
		for line := range strings.Lines(a.Text("stdout")) {
			fmt.Fprintf(d.out, "          | %s\n", strings.TrimRight(line, "\n"))
		}
	}
	timeline, err := d.all(ctx, "/v1/incidents/"+d.incident+"/timeline", d.sessions[Responder])
	if err != nil {
		return err
	}
	trail, err := d.all(ctx, "/v1/audit?from="+url.QueryEscape(d.began.UTC().Add(-time.Second).Format(time.RFC3339)), d.sessions[Lead])
	if err != nil {
		return err
	}
	d.say("on record: %d entries in the incident's timeline, %d audit events of this team since the demo began", len(timeline), len(trail))
	if len(timeline) == 0 || len(trail) == 0 {
		return fmt.Errorf("nothing was recorded")
	}
	return nil
}

// finished waits for the end of an execution.
func (d *demo) finished(ctx context.Context, id string) (client.Answer, error) {
	for {
		a, err := d.Want(ctx, http.StatusOK, "GET", "/v1/executions/"+id, d.sessions[Responder], nil)
		if err != nil {
			return a, err
		}
		switch a.Text("status") {
		case "PENDING", "RUNNING":
		default:
			return a, nil
		}
		if err := client.Pause(ctx, 50*time.Millisecond); err != nil {
			return a, fmt.Errorf("%s is still %s: %w", id, a.Text("status"), err)
		}
	}
}

// all reads a list to its end.
func (d *demo) all(ctx context.Context, path, token string) ([]map[string]any, error) {
	var out []map[string]any
	cursor := ""
	for {
		p := path
		if cursor != "" {
			sep := "?"
			if strings.Contains(path, "?") {
				sep = "&"
			}
			p += sep + "cursor=" + url.QueryEscape(cursor)
		}
		a, err := d.Want(ctx, http.StatusOK, "GET", p, token, nil)
		if err != nil {
			return nil, err
		}
		out = append(out, a.Items()...)
		if cursor = a.Text("nextCursor"); cursor == "" {
			return out, nil
		}
	}
}
