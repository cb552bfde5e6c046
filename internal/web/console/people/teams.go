package people

import (
	"net/http"
	"slices"

	"pagefree/internal/identity"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/web/console"
)

var teamCrumbs = []console.Crumb{{Name: "Teams", Path: "/console/teams"}}

type teamRow struct {
	identity.Team
	Role  principal.Role // of the caller; none for a platform admin, who is in all of them
	Since console.Moment
}

type teamsView struct {
	Admin bool // a platform admin
	Rows  []teamRow
	Pager console.Pager
}

func (p *pages) teams(c *console.Call) error {
	list, pager, err := console.List(c, p.cursors, func(page httpapi.Page) ([]identity.Team, string, error) {
		return p.service.Teams(c.R.Context(), page)
	})
	if err != nil {
		return err
	}
	v := teamsView{Admin: c.Who.PlatformAdmin, Pager: pager}
	for _, t := range list {
		v.Rows = append(v.Rows, teamRow{t, c.Who.Teams[t.ID], c.Ago(t.CreatedAt)})
	}
	return c.Show("teams", console.Page{Title: "Teams", View: v})
}

type newTeam struct {
	Name string `json:"name" minLength:"1" maxLength:"120"`
}

func newTeamPage(f console.Form) console.Page {
	return console.Page{Title: "Make a team", Crumbs: teamCrumbs, View: f}
}

func (p *pages) blankTeam(c *console.Call) error {
	if _, err := principal.RequireAdmin(c.R.Context()); err != nil {
		return err
	}
	return c.Show("team-new", newTeamPage(console.NewForm(nil)))
}

func (p *pages) createTeam(c *console.Call) error {
	f := c.Sent()
	n, err := httpapi.Read[newTeam](map[string]any{"name": f.Get("name")})
	var made identity.Team
	if err == nil {
		made, err = p.service.CreateTeam(c.R.Context(), n.Name)
	}
	if err == nil {
		return c.See("/console/teams/"+made.ID, "created")
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	return c.Again("team-new", newTeamPage(with))
}

type memberRow struct {
	identity.Member
	Since console.Moment
	Me    bool
	Roles []roleOption
}

type roleOption struct {
	console.Option
	Is bool
}

type teamView struct {
	identity.Team
	Rows  []memberRow
	Pager console.Pager
	Lead  bool // the caller manages its members
	Form  console.Form
	Roles []console.Option
	Wrong string // why a role was not changed
}

// roles in the order of what they may.
var roles = []principal.Role{principal.Observer, principal.Responder, principal.TeamAdmin}

// may says what each role is for, where one is chosen.
var may = map[principal.Role]string{
	principal.Observer: "Observer: sees", principal.Responder: "Responder: sees and runs", principal.TeamAdmin: "Team admin: manages and approves",
}

func roleOptions() []console.Option {
	var all []console.Option
	for _, r := range roles {
		all = append(all, console.Option{Value: string(r), Name: may[r]})
	}
	return all
}

// teamPage is a team with its members; wrong is why something was not done.
func (p *pages) teamPage(c *console.Call, f console.Form, wrong string) (console.Page, error) {
	id := c.R.PathValue("id")
	t, err := p.service.Team(c.R.Context(), id)
	if err != nil {
		return console.Page{}, err
	}
	members, pager, err := console.List(c, p.cursors, func(page httpapi.Page) ([]identity.Member, string, error) {
		return p.service.Members(c.R.Context(), id, page)
	})
	if err != nil {
		return console.Page{}, err
	}
	v := teamView{Team: t, Pager: pager, Lead: c.Can(id, principal.TeamAdmin), Form: f, Roles: roleOptions(), Wrong: said(wrong, []identity.MyTeam{{ID: t.ID, Name: t.Name}})}
	for _, m := range members {
		row := memberRow{Member: m, Since: c.Ago(m.Since), Me: m.UserID == c.Who.ID}
		for _, o := range console.Options(string(principal.Observer), string(principal.Responder), string(principal.TeamAdmin)) {
			row.Roles = append(row.Roles, roleOption{o, o.Value == string(m.Role)})
		}
		v.Rows = append(v.Rows, row)
	}
	return console.Page{Title: t.Name, Crumbs: teamCrumbs, View: v}, nil
}

func (p *pages) team(c *console.Call) error {
	page, err := p.teamPage(c, console.NewForm(map[string]string{"role": string(principal.Responder)}), "")
	if err != nil {
		return err
	}
	return c.Show("team-page", page)
}

type newMember struct {
	Email string         `json:"email" minLength:"3" maxLength:"320"`
	Role  principal.Role `json:"role" enum:"OBSERVER,RESPONDER,TEAM_ADMIN"`
}

// here is the team's page that an act leads back to.
func here(c *console.Call) string { return "/console/teams/" + c.R.PathValue("id") }

func (p *pages) add(c *console.Call) error {
	f := c.Sent()
	n, err := httpapi.Read[newMember](map[string]any{"email": f.Get("email"), "role": f.Get("role")})
	if _, barred := principal.RequirePerson(c.R.Context(), c.R.PathValue("id"), principal.TeamAdmin); barred != nil {
		return barred // before what is wrong with the form
	}
	if err == nil {
		_, err = p.service.AddMember(c.R.Context(), c.R.PathValue("id"), n.Email, n.Role)
	}
	if err == nil {
		return c.See(here(c), "added")
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	page, err := p.teamPage(c, with, "")
	if err != nil {
		return err
	}
	return c.Again("team-page", page)
}

type newRole struct {
	Role principal.Role `json:"role" enum:"OBSERVER,RESPONDER,TEAM_ADMIN"`
}

func (p *pages) role(c *console.Call) error {
	n, err := httpapi.Read[newRole](map[string]any{"role": c.Sent().Get("role")})
	if err == nil {
		_, err = p.service.PutMember(c.R.Context(), c.R.PathValue("id"), c.R.PathValue("userId"), c.Sent().Get("rev"), n.Role)
	}
	return p.changed(c, err, "saved")
}

func (p *pages) remove(c *console.Call) error {
	err := p.service.RemoveMember(c.R.Context(), c.R.PathValue("id"), c.R.PathValue("userId"), "")
	if err == nil && c.R.PathValue("userId") == c.Who.ID && !c.Who.PlatformAdmin {
		return c.See("/console/teams", "removed") // they may not see the team any more
	}
	return p.changed(c, err, "removed")
}

// changed leads back to the team, or says there why not.
func (p *pages) changed(c *console.Call, err error, did string) error {
	if err == nil {
		return c.See(here(c), did)
	}
	with, ok := c.Sent().With(err)
	if !ok || c.HTMX() {
		return err
	}
	page, err := p.teamPage(c, console.NewForm(map[string]string{"role": string(principal.Responder)}), with.Whole())
	if err != nil {
		return err
	}
	return c.Answer(http.StatusConflict, "team-page", page)
}

// allTeams are the caller's teams, by name: of a platform admin all.
func (p *pages) allTeams(c *console.Call) ([]identity.Team, error) {
	all, err := console.All(func(page httpapi.Page) ([]identity.Team, string, error) { return p.service.Teams(c.R.Context(), page) })
	slices.SortFunc(all, byName)
	return all, err
}
