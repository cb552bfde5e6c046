// Package people is the console's pages of people, teams and API keys: who is
// there, who may what in which team, and which programs act for them.
package people

import (
	"cmp"
	"embed"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"pagefree/internal/identity"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/web/console"
)

//go:embed *.html
var files embed.FS

type pages struct {
	*console.Room
	service *identity.Service
	cursors *httpapi.Cursors
}

// Routes adds the pages to api. c, s and cursors may be nil where only the
// routes are wanted.
func Routes(api *httpapi.API, c *console.Console, s *identity.Service, cursors *httpapi.Cursors) {
	p := &pages{c.Room(api, "people", files, nil), s, cursors}
	p.Get("/console/people", p.list)
	p.Post("/console/people", p.create)
	p.Get("/console/people/new", p.blank)
	p.Get("/console/people/names", p.names)
	p.Get("/console/people/{id}", p.show)
	p.Post("/console/people/{id}", p.change)
	p.Post("/console/people/{id}/deactivate", p.deactivate)
	p.Post("/console/people/{id}/activate", p.activate)

	p.Get("/console/teams", p.teams)
	p.Post("/console/teams", p.createTeam)
	p.Get("/console/teams/new", p.blankTeam)
	p.Get("/console/teams/{id}", p.team)
	p.Post("/console/teams/{id}/members", p.add)
	p.Post("/console/teams/{id}/members/{userId}", p.role)
	p.Post("/console/teams/{id}/members/{userId}/remove", p.remove)

	k := &pages{c.Room(api, "api-keys", files, nil), s, cursors}
	k.Get("/console/api-keys", k.keys)
	k.Post("/console/api-keys", k.createKey)
	k.Get("/console/api-keys/new", k.blankKey)
	k.Post("/console/api-keys/{id}/revoke", k.revoke)
}

type userRow struct {
	identity.User
	Since console.Moment
}

type listView struct {
	Filter console.Form
	Rows   []userRow
	Pager  console.Pager
}

// list is everybody, which is for platform admins; others have their teams.
func (p *pages) list(c *console.Call) error {
	if !c.Who.PlatformAdmin {
		return c.See("/console/teams", "")
	}
	q := c.R.URL.Query()
	users, pager, err := console.List(c, p.cursors, func(page httpapi.Page) ([]identity.User, string, error) {
		return p.service.FindUsers(c.R.Context(), q.Get("q"), page)
	})
	if err != nil {
		return err
	}
	v := listView{Filter: console.Form{Values: q}, Pager: pager}
	for _, u := range users {
		v.Rows = append(v.Rows, userRow{u, c.Ago(u.CreatedAt)})
	}
	if c.HTMX() {
		return c.Fragment("people-list", v)
	}
	return c.Show("people", console.Page{Title: "People", View: v})
}

// names tells scripts who the people on a page are, by their ids.
func (p *pages) names(c *console.Call) error {
	ids := slices.DeleteFunc(strings.Split(c.R.URL.Query().Get("ids"), ","), func(s string) bool { return s == "" })
	names, err := p.service.Names(c.R.Context(), ids)
	if err != nil {
		return err
	}
	c.W.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(c.W).Encode(names)
}

// newUser and changedUser are what the forms hold, under the rules of the
// API's bodies.
type newUser struct {
	Email         string `json:"email" minLength:"3" maxLength:"320"`
	Name          string `json:"name" minLength:"1" maxLength:"120"`
	PlatformAdmin bool   `json:"platformAdmin,omitempty"`
}

func userOf(f console.Form) map[string]any {
	return map[string]any{"email": f.Get("email"), "name": f.Get("name"), "platformAdmin": f.Has("platformAdmin", "true")}
}

var peopleCrumbs = []console.Crumb{{Name: "People", Path: "/console/people"}}

func newPerson(f console.Form) console.Page {
	return console.Page{Title: "Add a person", Crumbs: peopleCrumbs, View: f}
}

func (p *pages) blank(c *console.Call) error {
	if _, err := principal.RequireAdmin(c.R.Context()); err != nil {
		return err
	}
	return c.Show("person-new", newPerson(console.NewForm(nil)))
}

func (p *pages) create(c *console.Call) error {
	f := c.Sent()
	n, err := httpapi.Read[newUser](userOf(f))
	var made identity.User
	if err == nil {
		made, err = p.service.CreateUser(c.R.Context(), n.Email, n.Name, n.PlatformAdmin, true)
	}
	if err == nil {
		return c.See("/console/people/"+made.ID, "added")
	}
	if console.Is(err, identity.EmailTaken) {
		return c.Again("person-new", newPerson(f.Mark("email", err)))
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	return c.Again("person-new", newPerson(with))
}

type personView struct {
	identity.Known
	Since  console.Moment
	Mine   bool // it is the caller
	Admin  bool // the caller may change it
	Form   console.Form
	Rev    string
	Manage []identity.MyTeam // teams that the caller may change the person's role in
}

// person is the page of a person; f is the form as it was sent, if it was.
func (p *pages) person(c *console.Call, f *console.Form) (console.Page, error) {
	k, err := p.service.Person(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return console.Page{}, err
	}
	v := personView{Known: k, Since: c.Ago(k.CreatedAt), Mine: k.ID == c.Who.ID, Admin: c.Who.PlatformAdmin, Rev: httpapi.Revision(k.Rev)}
	if f != nil {
		v.Form = *f
		v.Form.Text = said(f.Text, k.Teams)
	} else {
		v.Form = console.NewForm(map[string]string{"name": k.Name, "email": k.Email})
		if k.PlatformAdmin {
			v.Form.Values.Set("platformAdmin", "true")
		}
	}
	crumbs := peopleCrumbs
	if !v.Admin {
		crumbs = teamCrumbs
	}
	return console.Page{Title: k.Name, Crumbs: crumbs, View: v}, nil
}

// said is a sentence of the service with the names of teams for their ids, and
// the role as people read it.
func said(text string, teams []identity.MyTeam) string {
	for _, t := range teams {
		text = strings.ReplaceAll(text, "The team "+t.ID, t.Name)
	}
	return strings.ReplaceAll(text, "TEAM_ADMIN", "team admin")
}

func (p *pages) show(c *console.Call) error {
	page, err := p.person(c, nil)
	if err != nil {
		return err
	}
	return c.Show("person-page", page)
}

func (p *pages) change(c *console.Call) error {
	f := c.Sent()
	n, err := httpapi.Read[newUser](userOf(f))
	if err == nil {
		_, err = p.service.ChangeUser(c.R.Context(), c.R.PathValue("id"), f.Get("rev"),
			identity.UserChange{Email: &n.Email, Name: &n.Name, PlatformAdmin: &n.PlatformAdmin})
	}
	if err == nil {
		return c.See("/console/people/"+c.R.PathValue("id"), "saved")
	}
	if console.Is(err, identity.EmailTaken) {
		with := f.Mark("email", err)
		return p.personAgain(c, with)
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	return p.personAgain(c, with)
}

func (p *pages) personAgain(c *console.Call, f console.Form) error {
	page, err := p.person(c, &f)
	if err != nil {
		return err
	}
	return c.Again("person-page", page)
}

func (p *pages) deactivate(c *console.Call) error { return p.activity(c, false, "deactivated") }
func (p *pages) activate(c *console.Call) error   { return p.activity(c, true, "activated") }

func (p *pages) activity(c *console.Call, active bool, did string) error {
	id := c.R.PathValue("id")
	_, err := p.service.ChangeUser(c.R.Context(), id, "", identity.UserChange{Active: &active})
	if err == nil {
		return c.See("/console/people/"+id, did)
	}
	with, ok := c.Sent().With(err)
	if !ok {
		return err
	}
	page, broken := p.person(c, nil)
	if broken != nil {
		return broken
	}
	v := page.View.(personView)
	v.Form.Text = said(with.Text, v.Teams)
	page.View = v
	return c.Answer(http.StatusConflict, "person-page", page)
}

func byName(a, b identity.Team) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
}
