package runbooks

import (
	"net/http"
	"net/url"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook/vault"
	"pagefree/internal/web/console"
)

var secretCrumbs = []console.Crumb{{Name: "Secrets", Path: "/console/secrets"}}

// kept is a secret as pages show it: everything but its value.
type kept struct {
	vault.View
	Team    string
	By      console.Person
	Changed console.Moment
}

func (p *pages) kept(c *console.Call, n *names, v vault.View) (kept, error) {
	team, err := n.teamOf(v.TeamID)
	return kept{v, team, c.By(v.UpdatedByID), c.Ago(v.UpdatedAt)}, err
}

type secretsView struct {
	Rows  []kept
	Pager console.Pager
}

func (p *pages) secrets(c *console.Call) error {
	items, pager, err := console.List(c, p.Vault.Cursors, func(page httpapi.Page) ([]vault.View, string, error) {
		return p.Vault.Secrets(c.R.Context(), c.R.URL.Query().Get("teamId"), page)
	})
	if err != nil {
		return err
	}
	n, err := p.names(c)
	if err != nil {
		return err
	}
	v := secretsView{Pager: pager}
	for _, s := range items {
		one, err := p.kept(c, n, s)
		if err != nil {
			return err
		}
		v.Rows = append(v.Rows, one)
	}
	return c.Show("secrets", console.Page{Title: "Secrets", View: v})
}

type secretFormView struct {
	Form  console.Form
	Teams []console.Option
}

func (p *pages) secretEditor(c *console.Call, f console.Form) (console.Page, error) {
	n, err := p.names(c)
	if err != nil {
		return console.Page{}, err
	}
	v := secretFormView{Form: f}
	v.Teams, err = n.teamOptions(c, principal.TeamAdmin)
	return console.Page{Title: "New secret", Crumbs: secretCrumbs, View: v}, err
}

func (p *pages) blankSecret(c *console.Call) error {
	if !c.Who.Best().AtLeast(principal.TeamAdmin) {
		return problem.Denied("This needs the role %s in a team.", principal.TeamAdmin)
	}
	f := console.NewForm(map[string]string{"name": c.R.URL.Query().Get("name"), "teamId": c.R.URL.Query().Get("teamId")})
	page, err := p.secretEditor(c, f)
	if err != nil {
		return err
	}
	if v := page.View.(secretFormView); f.Get("teamId") == "" && len(v.Teams) > 0 {
		f.Values.Set("teamId", v.Teams[0].Value)
	}
	return c.Show("secret-new", page)
}

// forgotten is a form as it is shown again: a value that was typed is not.
func forgotten(f console.Form) console.Form {
	f.Values.Set("value", "")
	return f
}

func (p *pages) createSecret(c *console.Call) error {
	f := c.Sent()
	body := map[string]any{"name": f.Get("name"), "value": f.Get("value")}
	if t := f.Get("teamId"); t != "" {
		body["teamId"] = t
	}
	n, err := httpapi.Read[vault.Creation](body)
	if err == nil {
		_, err = p.Vault.Create(c.R.Context(), n)
	}
	if err == nil {
		return c.See("/console/secrets", "created")
	}
	with, ok := forgotten(f).With(err)
	if !ok {
		return err
	}
	page, err := p.secretEditor(c, with)
	if err != nil {
		return err
	}
	return c.Again("secret-new", page)
}

type secretView struct {
	kept
	Form console.Form
}

func (p *pages) secretPage(c *console.Call, f console.Form) (console.Page, error) {
	v, err := p.Vault.Secret(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return console.Page{}, err
	}
	n, err := p.names(c)
	if err != nil {
		return console.Page{}, err
	}
	one, err := p.kept(c, n, v)
	if f.Values == nil {
		f.Values = url.Values{}
	}
	return console.Page{Title: v.Name, Crumbs: secretCrumbs, View: secretView{one, f}}, err
}

func (p *pages) secret(c *console.Call) error {
	page, err := p.secretPage(c, console.Form{})
	if err != nil {
		return err
	}
	return c.Show("secret", page)
}

func (p *pages) replaceSecret(c *console.Call) error {
	f := c.Sent()
	id := c.R.PathValue("id")
	r, err := httpapi.Read[vault.Replacement](map[string]any{"value": f.Get("value")})
	if err == nil {
		_, err = p.Vault.Replace(c.R.Context(), id, r, matches(f.Get("version")))
	}
	if err == nil {
		return c.See("/console/secrets/"+url.PathEscape(id), "saved")
	}
	return p.secretAgain(c, f, err)
}

func (p *pages) secretAgain(c *console.Call, f console.Form, refused error) error {
	with, ok := forgotten(f).With(refused)
	if !ok {
		return refused
	}
	page, err := p.secretPage(c, with)
	if err != nil {
		return err
	}
	return c.Answer(http.StatusUnprocessableEntity, "secret", page)
}

func (p *pages) deleteSecret(c *console.Call) error {
	err := p.Vault.Delete(c.R.Context(), c.R.PathValue("id"))
	if err == nil {
		return c.See("/console/secrets", "deleted")
	}
	return p.secretAgain(c, c.Sent(), err)
}
