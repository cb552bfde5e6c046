package demo

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
)

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
func (d *demo) people(ctx context.Context) (err error) {
	if d.sessions[Admin], err = d.SignIn(ctx, Admin); err != nil {
		return err
	}
	d.say("%s signs in by a mailed link", Admin)

	users := map[string]string{}
	existing, err := d.all(ctx, Admin, "/v1/users")
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
		a, err := d.as(ctx, Admin, http.StatusCreated, "POST", "/v1/users", map[string]any{"email": email, "name": strings.ToUpper(name[:1]) + name[1:]})
		if err != nil {
			return err
		}
		users[email] = a.Text("id")
	}
	if d.team, err = d.makeTeam(ctx, "Platform", users, map[string]string{
		Lead: "TEAM_ADMIN", Reviewer: "TEAM_ADMIN", Responder: "RESPONDER", observer: "OBSERVER"}); err != nil {
		return err
	}
	d.say("team Platform: lead and reviewer (TEAM_ADMIN), responder, observer")
	if _, err = d.makeTeam(ctx, "Elsewhere", users, map[string]string{outsider: "TEAM_ADMIN"}); err != nil {
		return err
	}
	d.say("team Elsewhere: outsider, who sees nothing of the first")
	if err := d.signIn(ctx, Lead, Reviewer, Responder); err != nil {
		return err
	}
	d.say("lead, reviewer and responder sign in")
	return d.resume(ctx)
}

// signIn follows the links of several people at once.
func (d *demo) signIn(ctx context.Context, people ...string) error {
	tokens, errs := make([]string, len(people)), make([]error, len(people))
	var all sync.WaitGroup
	for i, email := range people {
		all.Go(func() { tokens[i], errs[i] = d.SignIn(ctx, email) })
	}
	all.Wait()
	for i, email := range people {
		d.sessions[email] = tokens[i]
	}
	return errors.Join(errs...)
}

func (d *demo) makeTeam(ctx context.Context, name string, users, roles map[string]string) (string, error) {
	teams, err := d.all(ctx, Admin, "/v1/teams")
	if err != nil {
		return "", err
	}
	for _, t := range teams {
		if t["name"] == name {
			return t["id"].(string), nil
		}
	}
	a, err := d.as(ctx, Admin, http.StatusCreated, "POST", "/v1/teams", map[string]any{"name": name})
	if err != nil {
		return "", err
	}
	id := a.Text("id")
	for email, role := range roles {
		if _, err := d.as(ctx, Admin, http.StatusOK, "PUT", "/v1/teams/"+id+"/members/"+users[email], map[string]any{"role": role}); err != nil {
			return "", err
		}
	}
	// Whoever makes a team is in it; the admin of the demo manages and does not respond.
	_, err = d.as(ctx, Admin, http.StatusNoContent, "DELETE", "/v1/teams/"+id+"/members/"+users[Admin], nil)
	return id, err
}

// resume lets go of a brake that somebody pulled and kept: nothing would run.
func (d *demo) resume(ctx context.Context) error {
	paused, err := d.all(ctx, Admin, "/v1/automation/pause")
	if err != nil {
		return err
	}
	for _, p := range paused {
		team := map[string]any{}
		if p["teamId"] != nil {
			team["teamId"] = p["teamId"]
		}
		if _, err := d.as(ctx, Admin, http.StatusNoContent, "POST", "/v1/automation/resume", team); err != nil {
			return err
		}
		d.say("automation was paused (%v): admin resumes it", p["reason"])
	}
	return nil
}
