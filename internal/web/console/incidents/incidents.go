// Package incidents is the console's pages of incidents and services: what is
// open and how bad, an incident with its timeline, and what people do there.
package incidents

import (
	"cmp"
	"context"
	"embed"
	"slices"

	"pagefree/internal/incident"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/web/console"
)

//go:embed *.html
var files embed.FS

type pages struct {
	*console.Room
	desk *incident.Desk
	team func(ctx context.Context, teamID string) (string, error)
}

// Routes adds the pages to api. c, d and team may be nil where only the routes
// are wanted. team is a team's name, "" for one that is not known.
func Routes(api *httpapi.API, c *console.Console, d *incident.Desk, team func(ctx context.Context, teamID string) (string, error)) {
	p := &pages{c.Room(api, "incidents", files, nil), d, team}
	p.Get("/console", func(c *console.Call) error { return c.See("/console/incidents", "") })
	p.Get("/console/{rest...}", func(*console.Call) error { return problem.Missing() }) // what no room has, as a page
	p.Get("/console/incidents", p.list)
	p.Post("/console/incidents", p.create)
	p.Get("/console/incidents/new", p.blank)
	p.Get("/console/incidents/{id}", p.show)
	p.Get("/console/incidents/{id}/live", p.live)
	p.Post("/console/incidents/{id}/acknowledge", p.acknowledge)
	p.Post("/console/incidents/{id}/resolve", p.resolve)
	p.Post("/console/incidents/{id}/reopen", p.reopen)
	p.Post("/console/incidents/{id}/notes", p.note)
	p.Get("/console/incidents/{id}/edit", p.edit)
	p.Post("/console/incidents/{id}/edit", p.change)
	p.serviceRoutes(c, api)
}

// row is an incident in a list.
type row struct {
	incident.Incident
	Service string
	Opened  console.Moment
	By      console.Person // who works on it
}

type listView struct {
	Filter   console.Form
	Services []console.Option
	Open     []row // worst first
	Rows     []row // the rest, newest first
	Pager    console.Pager
	Counts   []countOf
	Any      bool   // a filter is set
	May      bool   // open incidents by hand
	Here     string // the list with its filters
}

type countOf struct {
	Severity incident.Severity
	N        int
}

// names are the services that the caller may see, by id.
func (p *pages) names(c *console.Call) (map[string]string, []console.Option, error) {
	services, err := console.All(func(page httpapi.Page) ([]incident.Service, string, error) {
		return p.desk.ListServices(c.R.Context(), incident.ServiceFilter{}, page)
	})
	names := map[string]string{}
	var options []console.Option
	for _, s := range services {
		names[s.ID] = s.Name
		options = append(options, console.Option{Value: s.ID, Name: s.Name})
	}
	slices.SortFunc(options, func(a, b console.Option) int { return cmp.Compare(a.Name, b.Name) })
	return names, options, err
}

func (p *pages) list(c *console.Call) error {
	q := c.R.URL.Query()
	f := incident.Filter{ServiceID: q.Get("serviceId"), Q: q.Get("q")}
	for _, s := range q["status"] {
		if s != "" {
			f.Status = append(f.Status, incident.Status(s))
		}
	}
	for _, s := range q["severity"] {
		if s != "" {
			f.Severity = append(f.Severity, incident.Severity(s))
		}
	}
	names, options, err := p.names(c)
	if err != nil {
		return err
	}
	v := listView{Filter: console.Form{Values: q}, Services: options, May: c.Who.Best().AtLeast(principal.Responder), Here: c.R.URL.RequestURI(),
		Any: f.ServiceID != "" || f.Q != "" || len(f.Status)+len(f.Severity) > 0}
	asked := func(of ...incident.Status) bool {
		return len(f.Status) == 0 || slices.ContainsFunc(of, func(s incident.Status) bool { return slices.Contains(f.Status, s) })
	}
	rowOf := func(i incident.Incident) row {
		return row{Incident: i, Service: cmp.Or(names[i.ServiceID], "a deleted service"), Opened: c.Ago(i.CreatedAt), By: c.ByOr(i.AcknowledgedByID)}
	}
	if q.Get("cursor") == "" && asked(incident.Triggered, incident.Acknowledged) { // however old, they come first
		open, err := p.desk.Unresolved(c.R.Context(), f)
		if err != nil {
			return err
		}
		counts := map[incident.Severity]int{}
		for _, i := range open {
			v.Open = append(v.Open, rowOf(i))
			counts[i.Severity]++
		}
		for _, s := range severities {
			if counts[s] > 0 {
				v.Counts = append(v.Counts, countOf{s, counts[s]})
			}
		}
	}
	if asked(incident.Resolved) {
		f.Status = []incident.Status{incident.Resolved}
		items, pager, err := console.List(c, p.desk.Cursors, func(page httpapi.Page) ([]incident.Incident, string, error) {
			return p.desk.List(c.R.Context(), f, page)
		})
		if err != nil {
			return err
		}
		for _, i := range items {
			v.Rows = append(v.Rows, rowOf(i))
		}
		v.Pager = pager
	}
	if c.HTMX() {
		return c.Fragment("incident-list", v)
	}
	return c.Show("incidents", console.Page{Title: "Incidents", View: v, Live: true})
}

var severities = []incident.Severity{incident.Critical, incident.High, incident.Medium, incident.Low}

type formView struct {
	Form     console.Form
	Services []console.Option
}

func (p *pages) form(c *console.Call, f console.Form) (console.Page, error) {
	_, options, err := p.names(c)
	return console.Page{Title: "Open an incident", Crumbs: crumbs, View: formView{f, options}}, err
}

var crumbs = []console.Crumb{{Name: "Incidents", Path: "/console/incidents"}}

func (p *pages) blank(c *console.Call) error {
	page, err := p.form(c, console.NewForm(map[string]string{"severity": "HIGH", "serviceId": c.R.URL.Query().Get("serviceId")}))
	if err != nil {
		return err
	}
	return c.Show("incident-new", page)
}

func (p *pages) create(c *console.Call) error {
	f := c.Sent()
	n, err := httpapi.Read[incident.NewIncident](map[string]any{
		"title": f.Get("title"), "description": f.Get("description"), "severity": f.Get("severity"), "serviceId": f.Get("serviceId"),
	})
	var made incident.Incident
	if err == nil {
		made, _, err = p.desk.Create(c.R.Context(), n)
	}
	if err == nil {
		return c.See("/console/incidents/"+made.ID, "created")
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	page, err := p.form(c, with)
	if err != nil {
		return err
	}
	return c.Again("incident-new", page)
}
