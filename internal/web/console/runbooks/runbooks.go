// Package runbooks is the console's pages of what may run, and where: the
// library of runbooks, their editor, the queue of reviews, named targets and
// secrets.
package runbooks

import (
	"cmp"
	"context"
	"embed"
	"html/template"
	"slices"
	"strconv"

	"pagefree/internal/incident"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
	"pagefree/internal/runbook/vault"
	"pagefree/internal/web/console"
)

//go:embed *.html
var files embed.FS

// Services are those that a runbook may be bound to; an *incident.Desk reads them.
type Services interface {
	ListServices(ctx context.Context, f incident.ServiceFilter, page httpapi.Page) ([]incident.Service, string, error)
}

// Rooms are what the pages show and act on.
type Rooms struct {
	Library  *runbook.Service
	Vault    *vault.Service
	Services Services
	// TeamName is a team's name, and false for a team that there is not.
	TeamName func(ctx context.Context, teamID string) (string, bool, error)
}

// kinds are the types of a parameter.
var kinds = []console.Option{{Value: runbook.String, Name: "text"}, {Value: runbook.Integer, Name: "whole number"}, {Value: runbook.Number, Name: "number"}, {Value: runbook.Boolean, Name: "true or false"}}

// funcs are what only these pages' templates need.
var funcs = template.FuncMap{
	"add":      func(a, b int) int { return a + b },
	"language": language,
	"languages": func() []console.Option {
		return []console.Option{{Value: runbook.Bash, Name: "Bash"}, {Value: runbook.Python, Name: "Python"}, {Value: runbook.JavaScript, Name: "JavaScript"}}
	},
	"kinds": func() []console.Option { return kinds },
	"presets": func() []console.Option {
		return []console.Option{{Value: "generic", Name: "any receiver"}, {Value: "awx", Name: "AWX"}, {Value: "rundeck", Name: "Rundeck"}}
	},
	"targetType": targetType,
	"targetTypes": func(named bool) []console.Option {
		types := []string{runbook.Sandbox, runbook.SSM, runbook.Webhook}
		if named {
			types = append(types, runbook.Named)
		}
		var options []console.Option
		for _, t := range types {
			options = append(options, console.Option{Value: t, Name: targetType(t)})
		}
		return options
	},
}

func targetType(t string) string {
	switch t {
	case runbook.Sandbox:
		return "Sandbox"
	case runbook.SSM:
		return "Nodes of SSM"
	case runbook.Webhook:
		return "Webhook"
	case runbook.Named:
		return "A named target"
	}
	return t
}

// pages are those of one section.
type pages struct {
	*console.Room
	Rooms
}

// Routes adds the pages to api. c may be nil, and rooms empty, where only the routes are wanted.
func Routes(api *httpapi.API, c *console.Console, rooms Rooms) {
	section := func(name string) *pages { return &pages{c.Room(api, name, files, funcs), rooms} }
	p := section("runbooks")
	p.Get("/console/runbooks", p.list)
	p.Post("/console/runbooks", p.create)
	p.Get("/console/runbooks/new", p.blank)
	p.Post("/console/runbooks/paint", p.paint)
	p.Get("/console/runbooks/{id}", p.show)
	p.Get("/console/runbooks/{id}/edit", p.edit)
	p.Post("/console/runbooks/{id}/edit", p.save)
	p.Get("/console/runbooks/{id}/words", p.words)
	p.Post("/console/runbooks/{id}/words", p.describe)
	p.Post("/console/runbooks/{id}/rollback", p.rollback)
	p.Post("/console/runbooks/{id}/deprecate", p.deprecate)
	p.Post("/console/runbooks/{id}/archive", p.archive)
	p.Post("/console/runbooks/{id}/restore", p.restore)
	p.Get("/console/runbooks/{id}/versions/{n}", p.version)
	p.Post("/console/runbooks/{id}/versions/{n}/submit", p.submit)
	p.Post("/console/runbooks/{id}/versions/{n}/approve", p.approve)
	p.Post("/console/runbooks/{id}/versions/{n}/reject", p.reject)

	r := section("reviews")
	r.Get("/console/reviews", r.reviews)

	t := section("targets")
	t.Get("/console/targets", t.targets)
	t.Post("/console/targets", t.createTarget)
	t.Get("/console/targets/new", t.blankTarget)
	t.Get("/console/targets/{id}", t.target)
	t.Get("/console/targets/{id}/edit", t.editTarget)
	t.Post("/console/targets/{id}/edit", t.changeTarget)
	t.Post("/console/targets/{id}/approve", t.approveTarget)
	t.Post("/console/targets/{id}/reject", t.rejectTarget)
	t.Post("/console/targets/{id}/delete", t.deleteTarget)

	s := section("secrets")
	s.Get("/console/secrets", s.secrets)
	s.Post("/console/secrets", s.createSecret)
	s.Get("/console/secrets/new", s.blankSecret)
	s.Get("/console/secrets/{id}", s.secret)
	s.Post("/console/secrets/{id}", s.replaceSecret)
	s.Post("/console/secrets/{id}/delete", s.deleteSecret)
}

var crumbs = []console.Crumb{{Name: "Runbooks", Path: "/console/runbooks"}}

// below are the crumbs of a page about a runbook.
func below(r runbook.RunbookView) []console.Crumb {
	return append(slices.Clone(crumbs), console.Crumb{Name: r.Name, Path: "/console/runbooks/" + r.ID})
}

// number reads a version's number in its one form; any other path names nothing.
func number(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || strconv.Itoa(n) != text {
		return 0, problem.Missing()
	}
	return n, nil
}

// names are those of teams and services, read once for a request.
type names struct {
	services map[string]incident.Service
	options  []console.Option // of services, by name
	teams    map[string]string
	team     func(teamID string) (string, bool, error)
}

func (p *pages) names(c *console.Call) (*names, error) {
	services, err := console.All(func(page httpapi.Page) ([]incident.Service, string, error) {
		return p.Services.ListServices(c.R.Context(), incident.ServiceFilter{}, page)
	})
	n := &names{services: map[string]incident.Service{}, teams: map[string]string{}, team: func(id string) (string, bool, error) {
		return p.TeamName(c.R.Context(), id)
	}}
	for _, s := range services {
		n.services[s.ID] = s
		n.options = append(n.options, console.Option{Value: s.ID, Name: s.Name})
	}
	slices.SortFunc(n.options, byName)
	return n, err
}

func byName(a, b console.Option) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
}

// service is the name of one, "" for none.
func (n *names) service(id *string) string {
	if id == nil {
		return ""
	}
	return cmp.Or(n.services[*id].Name, "a deleted service")
}

// teamOf is the name of a team; nil is what belongs to all.
func (n *names) teamOf(id *string) (string, error) {
	if id == nil {
		return "Global", nil
	}
	if name, known := n.teams[*id]; known {
		return name, nil
	}
	name, found, err := n.team(*id)
	if !found {
		name = "a deleted team"
	}
	n.teams[*id] = name
	return name, err
}

// teamOptions are the teams of the caller in which they have a role, and for
// platform admins those of every service that there is.
func (n *names) teamOptions(c *console.Call, min principal.Role) ([]console.Option, error) {
	var ids []string
	for id, role := range c.Who.Teams {
		if role.AtLeast(min) || c.Who.PlatformAdmin {
			ids = append(ids, id)
		}
	}
	if c.Who.PlatformAdmin {
		for _, s := range n.services {
			ids = append(ids, s.TeamID)
		}
	}
	slices.Sort(ids)
	var options []console.Option
	for _, id := range slices.Compact(ids) {
		name, err := n.teamOf(&id)
		if err != nil {
			return nil, err
		}
		options = append(options, console.Option{Value: id, Name: name})
	}
	slices.SortFunc(options, byName)
	if c.Who.PlatformAdmin && min == principal.TeamAdmin { // to own something new
		options = append(options, console.Option{Name: "Global: for every team"})
	}
	return options, nil
}

// row is a runbook in the library.
type row struct {
	runbook.RunbookView
	Service string
	Team    string
	Waits   bool // a newer version than the approved one
	Changed console.Moment
}

type listView struct {
	Filter   console.Form
	Services []console.Option
	Teams    []console.Option
	Rows     []row
	Pager    console.Pager
	Any      bool // a filter is set
	May      bool // make one
}

func (p *pages) list(c *console.Call) error {
	q := c.R.URL.Query()
	f := runbook.Filter{TeamID: q.Get("teamId"), ServiceID: q.Get("serviceId"), Query: q.Get("q"), Status: runbook.Status(q.Get("status")), Language: q.Get("language")}
	n, err := p.names(c)
	if err != nil {
		return err
	}
	v := listView{Filter: console.Form{Values: q}, Services: n.options, Any: f != runbook.Filter{}, May: c.Who.Best().AtLeast(principal.TeamAdmin)}
	if v.Teams, err = n.teamOptions(c, principal.Observer); err != nil {
		return err
	}
	items, pager, err := console.List(c, p.Library.Cursors, func(page httpapi.Page) ([]runbook.RunbookView, string, error) {
		return p.Library.Runbooks(c.R.Context(), f, page)
	})
	if err != nil {
		return err
	}
	v.Pager = pager
	for _, r := range items {
		team, err := n.teamOf(r.TeamID)
		if err != nil {
			return err
		}
		v.Rows = append(v.Rows, row{RunbookView: r, Service: n.service(r.ServiceID), Team: team, Changed: c.Ago(r.UpdatedAt),
			Waits: r.ApprovedVersion != nil && *r.ApprovedVersion != r.CurrentVersion})
	}
	if c.HTMX() {
		return c.Fragment("runbook-list", v)
	}
	return c.Show("runbooks", console.Page{Title: "Runbooks", View: v})
}
