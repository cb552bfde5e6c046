package people

import (
	"net/http"
	"strconv"
	"time"

	"pagefree/internal/identity"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/web/console"
)

var keyCrumbs = []console.Crumb{{Name: "API keys", Path: "/console/api-keys"}}

type keyRow struct {
	identity.APIKey
	Team    string
	By      console.Person
	Made    console.Moment
	Expires console.Moment
	Over    bool // its time is over
}

type keysView struct {
	Rows  []keyRow
	Pager console.Pager
}

func (p *pages) keys(c *console.Call) error {
	keys, pager, err := console.List(c, p.cursors, func(page httpapi.Page) ([]identity.APIKey, string, error) {
		return p.service.APIKeys(c.R.Context(), page)
	})
	if err != nil {
		return err
	}
	all, err := p.allTeams(c)
	if err != nil {
		return err
	}
	named := map[string]string{}
	for _, t := range all {
		named[t.ID] = t.Name
	}
	v := keysView{Pager: pager}
	for _, k := range keys {
		row := keyRow{APIKey: k, Team: named[k.TeamID], By: c.By(k.CreatedByID), Made: c.Ago(k.CreatedAt), Expires: c.AgoOr(k.ExpiresAt)}
		row.Over = k.ExpiresAt != nil && !c.Now().Before(k.ExpiresAt.Time)
		v.Rows = append(v.Rows, row)
	}
	return c.Show("keys", console.Page{Title: "API keys", View: v})
}

type newKeyView struct {
	Form  console.Form
	Teams []console.Option
	Roles []console.Option
	Until []console.Option
}

// until is how long a new key may work, in days.
var until = []console.Option{{Value: "7", Name: "7 days"}, {Value: "30", Name: "30 days"}, {Value: "90", Name: "90 days"}, {Value: "365", Name: "1 year"}, {Value: "never", Name: "Until it is revoked"}}

func (p *pages) keyPage(c *console.Call, f console.Form) (console.Page, error) {
	if !c.Who.Best().AtLeast(principal.TeamAdmin) {
		return console.Page{}, problem.Denied("Team admins make API keys. Ask one of your team.")
	}
	all, err := p.allTeams(c)
	if err != nil {
		return console.Page{}, err
	}
	v := newKeyView{Form: f, Roles: roleOptions(), Until: until}
	for _, t := range all {
		if c.Can(t.ID, principal.TeamAdmin) {
			v.Teams = append(v.Teams, console.Option{Value: t.ID, Name: t.Name})
		}
	}
	return console.Page{Title: "Make an API key", Crumbs: keyCrumbs, View: v}, nil
}

func (p *pages) blankKey(c *console.Call) error {
	page, err := p.keyPage(c, console.NewForm(map[string]string{"teamId": c.R.URL.Query().Get("teamId"), "role": string(principal.Responder), "expiresAt": "90", "once": c.Once()}))
	if err != nil {
		return err
	}
	return c.Show("key-new", page)
}

type newKey struct {
	Name   string         `json:"name" minLength:"1" maxLength:"120"`
	TeamID string         `json:"teamId" minLength:"1" maxLength:"64"`
	Role   principal.Role `json:"role" enum:"OBSERVER,RESPONDER,TEAM_ADMIN"`
}

// ends is when a key's time is over, by the form's word for it.
func ends(word string, now time.Time) (*timestamp.Time, error) {
	for _, o := range until {
		if o.Value != word {
			continue
		}
		if days, err := strconv.Atoi(word); err == nil {
			return timestamp.Ptr(now.AddDate(0, 0, days)), nil
		}
		return nil, nil
	}
	return nil, problem.InvalidField("body.expiresAt", "is not one of those offered")
}

func (p *pages) createKey(c *console.Call) error {
	f := c.Sent()
	n, err := httpapi.Read[newKey](map[string]any{"name": f.Get("name"), "teamId": f.Get("teamId"), "role": f.Get("role")})
	var over *timestamp.Time
	if err == nil {
		over, err = ends(f.Get("expiresAt"), c.Now())
	}
	var made identity.NewAPIKey
	if err == nil {
		made, err = p.service.CreateAPIKeyBy(c.R.Context(), f.Get("once"), n.Name, n.TeamID, n.Role, over)
	}
	if err == nil {
		return c.Answer(http.StatusCreated, "key-made", console.Page{Title: made.Name, Crumbs: keyCrumbs, View: made})
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	if console.Is(err, problem.AlreadyMade) { // by a reload of the page that showed the key, as a rule
		with.Values.Set("once", c.Once())
	}
	page, err := p.keyPage(c, with)
	if err != nil {
		return err
	}
	return c.Again("key-new", page)
}

func (p *pages) revoke(c *console.Call) error {
	if err := p.service.RevokeAPIKey(c.R.Context(), c.R.PathValue("id")); err != nil {
		return err
	}
	return c.See("/console/api-keys", "keyrevoked")
}
