package demo

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
)

// library makes what the lead has to write: services, runbooks, and what these need.
func (d *demo) library(ctx context.Context) error {
	if err := d.named(ctx, "/v1/services", d.services); err != nil {
		return err
	}
	fresh := len(d.services) == 0
	for _, name := range []string{"checkout", "search"} {
		if d.services[name] != "" {
			continue
		}
		a, err := d.as(ctx, Lead, http.StatusCreated, "POST", "/v1/services", map[string]any{"name": name, "teamId": d.team})
		if err != nil {
			return err
		}
		d.services[name] = a.Text("id")
	}
	d.say("services: checkout and search")
	if fresh && d.past != nil {
		me, err := d.as(ctx, Responder, http.StatusOK, "GET", "/v1/me", nil)
		if err != nil {
			return err
		}
		if err := d.past.incidents(ctx, d.team, d.services, me.Text("id")); err != nil {
			return err
		}
		d.say("a week of incidents, as if they had been handled")
	}
	if d.whole {
		if err := d.secret(ctx); err != nil {
			return err
		}
		if err := d.target(ctx); err != nil {
			return err
		}
	}
	if err := d.named(ctx, "/v1/runbooks", d.runbooks); err != nil {
		return err
	}
	for _, s := range samples {
		if s.whole && !d.whole {
			continue
		}
		if err := d.write(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// secret gives the webhooks' signing key a new value at each run: nobody can read the old one, the demo neither.
func (d *demo) secret(ctx context.Context) error {
	known := map[string]string{}
	if err := d.named(ctx, "/v1/secrets", known); err != nil {
		return err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	d.signing = "whsec_" + base64.StdEncoding.EncodeToString(key)
	if id := known[channelSecret]; id != "" {
		_, err := d.as(ctx, Lead, http.StatusOK, "PUT", "/v1/secrets/"+id, map[string]any{"value": d.signing})
		d.say("secret %s: replaced, and never read back", channelSecret)
		return err
	}
	_, err := d.as(ctx, Lead, http.StatusCreated, "POST", "/v1/secrets", map[string]any{"name": channelSecret, "teamId": d.team, "value": d.signing})
	d.say("secret %s: written, and never read back", channelSecret)
	return err
}

// target names the node that runbooks restart.
func (d *demo) target(ctx context.Context) error {
	if err := d.named(ctx, "/v1/targets", d.targets); err != nil {
		return err
	}
	if d.targets[webNodes] != "" {
		d.say("target %q is there already", webNodes)
		return nil
	}
	a, err := d.as(ctx, Lead, http.StatusCreated, "POST", "/v1/targets", map[string]any{
		"name": webNodes, "teamId": d.team, "target": map[string]any{"type": "ssm", "instanceIds": []string{"mi-local"}}})
	d.targets[webNodes] = a.Text("id")
	d.say("lead names a target %q: managed node mi-local, by Systems Manager", webNodes)
	return err
}

// write makes a runbook where it is missing, finds the version that is the demo's, and submits it.
func (d *demo) write(ctx context.Context, s sample) error {
	id := d.runbooks[s.name]
	if id == "" {
		body := s.content(d)
		body["name"], body["description"], body["teamId"] = s.name, s.description, d.team
		a, err := d.as(ctx, Lead, http.StatusCreated, "POST", "/v1/runbooks", body)
		if err != nil {
			return err
		}
		id = a.Text("id")
		d.runbooks[s.name] = id
	} else if err := d.restore(ctx, s, id); err != nil {
		return err
	}
	v, err := d.version(ctx, id, s.content(d), s.wait)
	if err != nil {
		return err
	}
	d.versions[s.name] = v.n
	said := "is there already"
	if v.submitted {
		said = "written and submitted by lead"
	}
	d.say("%-36s %-10s %-15s %s", s.name, s.language, s.where, said)
	return nil
}

// restore undoes what somebody did to a runbook since.
func (d *demo) restore(ctx context.Context, s sample, id string) error {
	a, err := d.as(ctx, Lead, http.StatusOK, "GET", "/v1/runbooks/"+id, nil)
	if err != nil {
		return err
	}
	if is := a.Text("status"); is != "ARCHIVED" && (is != "DEPRECATED" || s.deprecated != "") {
		return nil
	}
	_, err = d.as(ctx, Lead, http.StatusOK, "POST", "/v1/runbooks/"+id+"/restore", nil)
	return err
}

// version is one that runs what it should.
type version struct {
	n         int
	approved  bool
	submitted bool // just now
}

// version finds a version by what it runs, or writes it, and sees that it was submitted. fresh wants one that is not
// approved yet.
func (d *demo) version(ctx context.Context, id string, content map[string]any, fresh bool) (version, error) {
	var v version
	at, status := "/v1/runbooks/"+id+"/versions", ""
	list, err := d.all(ctx, Lead, at)
	if err != nil {
		return v, err
	}
	script, _ := content["scriptContent"].(string) // a webhook needs none
	for _, one := range list {
		// The address of the stack is in some: it may be another today.
		same := one["scriptContent"] == script &&
			one["target"].(map[string]any)["url"] == content["target"].(map[string]any)["url"]
		if is, _ := one["status"].(string); same && is != "REJECTED" && !(fresh && is == "APPROVED") {
			v.n, status = int(one["version"].(float64)), is
			break
		}
	}
	if v.n == 0 {
		a, err := d.as(ctx, Lead, http.StatusCreated, "POST", at, content)
		if err != nil {
			return v, err
		}
		v.n, status = int(a.Body["version"].(float64)), a.Text("status")
	}
	if v.approved = status == "APPROVED"; status == "DRAFT" {
		v.submitted = true
		_, err = d.as(ctx, Lead, http.StatusOK, "POST", fmt.Sprintf("%s/%d/submit", at, v.n), nil)
	}
	return v, err
}

// review is what the second person does, and what the first may not.
func (d *demo) review(ctx context.Context) error {
	own := fmt.Sprintf("/v1/runbooks/%s/versions/%d/approve", d.runbooks[waiting], d.versions[waiting])
	refused, err := d.as(ctx, Lead, http.StatusForbidden, "POST", own, map[string]any{})
	if err != nil {
		return err
	}
	if refused.Text("code") != "self_approval" {
		return fmt.Errorf("lead approved their own runbook: got %s", refused.Raw)
	}
	d.say("lead approves their own %q: refused, %d %s", waiting, refused.Status, refused.Text("code"))
	if d.whole {
		if err := d.approveTarget(ctx); err != nil {
			return err
		}
	}
	for _, s := range samples {
		switch {
		case s.whole && !d.whole:
		case s.wait:
			d.say("%-36s waits for review", s.name)
		default:
			if err := d.approve(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return nil
}

func (d *demo) approveTarget(ctx context.Context) error {
	at := "/v1/targets/" + d.targets[webNodes]
	a, err := d.as(ctx, Reviewer, http.StatusOK, "GET", at, nil)
	if err != nil || a.Body["pending"] == nil {
		return err
	}
	if _, err := d.as(ctx, Reviewer, http.StatusOK, "POST", at+"/approve", map[string]any{}); err != nil {
		return err
	}
	d.say("target %-29q approved and sealed by reviewer", webNodes)
	return nil
}

// approve lets the reviewer approve the demo's version of a sample, and has it serve.
func (d *demo) approve(ctx context.Context, s sample) error {
	at := "/v1/runbooks/" + d.runbooks[s.name]
	n := d.versions[s.name]
	version, err := d.as(ctx, Reviewer, http.StatusOK, "GET", fmt.Sprintf("%s/versions/%d", at, n), nil)
	if err != nil {
		return err
	}
	if version.Text("status") == "PENDING_REVIEW" {
		if _, err := d.as(ctx, Reviewer, http.StatusOK, "POST", fmt.Sprintf("%s/versions/%d/approve", at, n), map[string]any{"note": "read and tried"}); err != nil {
			return err
		}
		d.say("%-36s approved and sealed by reviewer", s.name)
	}
	runbook, err := d.as(ctx, Lead, http.StatusOK, "GET", at, nil)
	if err != nil {
		return err
	}
	if runbook.Body["approvedVersion"] != float64(n) { // another serves since, or an earlier demo was cut short
		if _, err := d.as(ctx, Lead, http.StatusOK, "POST", at+"/rollback", map[string]any{"version": n, "reason": "the demo begins again"}); err != nil {
			return err
		}
	}
	if s.deprecated != "" && runbook.Text("status") != "DEPRECATED" {
		if _, err := d.as(ctx, Lead, http.StatusOK, "POST", at+"/deprecate", map[string]any{"reason": s.deprecated}); err != nil {
			return err
		}
		d.say("%-36s deprecated by lead: %s", s.name, s.deprecated)
	}
	return nil
}
