package settings

import (
	"net/http"
	"slices"
	"strings"

	"pagefree/internal/notify"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/web/console"
)

type teamView struct {
	notify.Teams
	Name    string
	Hook    *notify.ShownWebhook // nil for none
	Off     console.Moment       // since when the webhook is switched off
	Both    console.Moment       // until when the secret before signs too
	Form    console.Form
	Fields  []field
	Events  []console.Option
	Formats []console.Option
	Rev     string
	Lead    bool
	Stopped []stoppedMember
	Secret  string // shown once
}

type stoppedMember struct {
	notify.StoppedMember
	Why   string
	Since console.Moment
}

// formats in the words of who chooses one.
var formats = []console.Option{{Value: notify.Standard, Name: "Signed events (Standard Webhooks)"}, {Value: notify.Slack, Name: "Slack"}}

// view is a team's settings as they are, or as t says they have become.
func (p *pages) view(c *console.Call, t *notify.Teams) (teamView, error) {
	id := c.R.PathValue("id")
	name, err := p.service.TeamName(c.R.Context(), id)
	if err != nil {
		return teamView{}, err
	}
	if t == nil {
		now, err := p.service.Team(c.R.Context(), id)
		if err != nil {
			return teamView{}, err
		}
		t = &now
	}
	v := teamView{Teams: *t, Name: name, Hook: t.Webhook.Value, Fields: fieldsOf[notify.TeamPut](), Formats: formats, Rev: t.Revision(), Lead: c.Can(id, principal.TeamAdmin)}
	if v.Form, err = filled(v.Fields, t); err != nil {
		return v, err
	}
	for _, e := range notify.Offered() {
		v.Events = append(v.Events, console.Option{Value: e, Name: e})
	}
	v.Form.Values.Set("webhook.url", "") // so that what is wrong with it has its place
	v.Form.Values["webhook.events"] = nil
	if v.Hook != nil {
		v.Form.Values.Set("webhook.url", v.Hook.URL)
		v.Form.Values.Set("webhook.format", v.Hook.Format)
		v.Form.Values["webhook.events"] = slices.Clone(v.Hook.Events)
		v.Secret, v.Both = v.Hook.Secret, c.AgoOr(v.Hook.PreviousSecretUntil)
		if v.Hook.Disabled != nil {
			v.Off = c.Ago(v.Hook.Disabled.At)
		}
	}
	for _, m := range t.MailStopped {
		v.Stopped = append(v.Stopped, stoppedMember{m, stopped[m.Reason], c.Ago(m.At)})
	}
	return v, nil
}

func teamPage(v teamView) console.Page {
	return console.Page{Title: "Notifications of " + v.Name, Crumbs: []console.Crumb{{Name: "Teams", Path: "/console/teams"}, {Name: v.Name, Path: "/console/teams/" + v.TeamID}}, View: v}
}

func (p *pages) team(c *console.Call) error {
	v, err := p.view(c, nil)
	if err != nil {
		return err
	}
	return c.Show("team-settings", teamPage(v))
}

func (p *pages) setTeam(c *console.Call) error {
	f := c.Sent()
	if _, err := principal.RequirePerson(c.R.Context(), c.R.PathValue("id"), principal.TeamAdmin); err != nil {
		return err // before what is wrong with the form
	}
	body := sent(fieldsOf[notify.TeamPut](), f)
	if url := f.Get("webhook.url"); url != "" {
		hook := map[string]any{"url": url, "format": f.Get("webhook.format")}
		if events := f.All("webhook.events"); len(events) > 0 {
			hook["events"] = events
		}
		body["webhook"] = hook
	}
	put, err := httpapi.Read[notify.TeamPut](body)
	var now notify.Teams
	if err == nil {
		now, err = p.service.PutTeam(c.R.Context(), c.R.PathValue("id"), f.Get("rev"), put)
	}
	if err == nil {
		if now.Webhook.Value == nil || now.Webhook.Value.Secret == "" {
			return c.See("/console/settings/teams/"+now.TeamID, "saved")
		}
		v, err := p.view(c, &now) // the one page that shows the secret
		if err != nil {
			return err
		}
		return c.Show("team-settings", teamPage(v))
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	v, err := p.view(c, nil)
	if err != nil {
		return err
	}
	v.Form = with
	return c.Again("team-settings", teamPage(v))
}

// At is the revision of the settings, as a form has it in its address.
func (v teamView) At() string { return strings.Trim(v.Rev, `"`) }

// secret makes another one, but by a form that was sent before, as by a reload
// of the page that shows it: the one that the receiver knows would sign no more.
func (p *pages) secret(c *console.Call) (notify.NewSecret, error) {
	id := c.R.PathValue("id")
	if _, err := principal.RequirePerson(c.R.Context(), id, principal.TeamAdmin); err != nil {
		return notify.NewSecret{}, err
	}
	if at := c.R.URL.Query().Get("rev"); at != "" {
		t, err := p.service.Team(c.R.Context(), id)
		if err == nil && strings.Trim(t.Revision(), `"`) != at {
			err = problem.Again(true)
		}
		if err != nil {
			return notify.NewSecret{}, err
		}
	}
	return p.service.RotateSecret(c.R.Context(), id)
}

func (p *pages) rotate(c *console.Call) error {
	fresh, err := p.secret(c)
	with, ok := c.Sent().With(err)
	if err != nil && !ok {
		return err
	}
	v, broken := p.view(c, nil)
	if broken != nil {
		return broken
	}
	if err != nil {
		v.Form.Text = with.Text
		return c.Answer(http.StatusConflict, "team-settings", teamPage(v))
	}
	v.Secret, v.Both = fresh.Secret, c.Ago(fresh.PreviousValidUntil)
	return c.Show("team-settings", teamPage(v))
}
