// Package workflows is the console's pages of workflows and their runs: what
// happens by itself when something happens to an incident, and what came of it.
package workflows

import (
	"cmp"
	"context"
	"embed"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"pagefree/internal/incident"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
	"pagefree/internal/workflow"
)

//go:embed *.html
var files embed.FS

// Rooms are the services that these pages call. Desk and Books are read only.
type Rooms struct {
	Flows *workflow.Service
	Desk  *incident.Desk
	Books *runbook.Service
	Team  func(ctx context.Context, teamID string) (name string, found bool, err error)
}

type pages struct {
	*console.Room
	Rooms
}

// Routes adds the pages to api. c may be nil, and r empty, where only the routes are wanted.
func Routes(api *httpapi.API, c *console.Console, r Rooms) {
	p := &pages{c.Room(api, "workflows", files, nil), r}
	p.Get("/console/workflows", p.list)
	p.Post("/console/workflows", p.create)
	p.Get("/console/workflows/new", p.blank)
	p.Get("/console/workflows/{id}", p.show)
	p.Get("/console/workflows/{id}/edit", p.edit)
	p.Post("/console/workflows/{id}/edit", p.replace)
	p.Post("/console/workflows/{id}/enabled", p.enable)
	p.Post("/console/workflows/{id}/delete", p.remove)
	p.Get("/console/workflows/{id}/try", p.try)
	p.Post("/console/workflows/{id}/runs", p.start)
	p.Get("/console/workflow-runs", p.runs)
	p.Get("/console/workflow-runs/for", p.runsFor)
	p.Get("/console/workflow-runs/new", p.choose)
	p.Get("/console/workflow-runs/{id}", p.run)
	p.Get("/console/workflow-runs/{id}/live", p.runLive)
	p.Post("/console/workflow-runs/{id}/cancel", p.cancel)
	p.Post("/console/workflow-runs/{id}/retry", p.retry)
}

var (
	crumbs    = []console.Crumb{{Name: "Workflows", Path: "/console/workflows"}}
	runCrumbs = append(slices.Clone(crumbs), console.Crumb{Name: "Runs", Path: "/console/workflow-runs"})
)

// services are those that the caller may see, by id.
func (p *pages) services(c *console.Call) (map[string]incident.Service, error) {
	list, err := console.All(func(page httpapi.Page) ([]incident.Service, string, error) {
		return p.Desk.ListServices(c.R.Context(), incident.ServiceFilter{}, page)
	})
	byID := map[string]incident.Service{}
	for _, s := range list {
		byID[s.ID] = s
	}
	return byID, err
}

// teams are those in which the caller has at least the role, by name. A
// platform admin has no team of their own: then those that have a service,
// without which there is no incident that a workflow could be about.
func (p *pages) teams(c *console.Call, min principal.Role, services map[string]incident.Service) ([]console.Option, error) {
	ids := map[string]bool{}
	for team, role := range c.Who.Teams {
		if role.AtLeast(min) {
			ids[team] = true
		}
	}
	if c.Who.PlatformAdmin {
		for _, s := range services {
			ids[s.TeamID] = true
		}
	}
	var out []console.Option
	for id := range ids {
		name, found, err := p.Team(c.R.Context(), id)
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, console.Option{Value: id, Name: name})
		}
	}
	slices.SortFunc(out, func(a, b console.Option) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
	})
	return out, nil
}

// nameOf is an option's name, or what there is instead.
func nameOf(options []console.Option, value, otherwise string) string {
	for _, o := range options {
		if o.Value == value {
			return o.Name
		}
	}
	return otherwise
}

type row struct {
	workflow.Workflow
	When    string
	Team    string
	Changed console.Moment
}

type listView struct {
	Filter console.Form
	Teams  []console.Option
	Rows   []row
	Pager  console.Pager
	Any    bool // a filter is set
	May    bool // write workflows
}

func (p *pages) list(c *console.Call) error {
	q := c.R.URL.Query()
	f := workflow.Filter{TeamID: q.Get("teamId"), Q: q.Get("q")}
	if on, err := strconv.ParseBool(q.Get("enabled")); err == nil {
		f.Enabled = &on
	}
	services, err := p.services(c)
	if err != nil {
		return err
	}
	v := listView{Filter: console.Form{Values: q}, Any: f != (workflow.Filter{}), May: c.Who.Best().AtLeast(principal.TeamAdmin)}
	if v.Teams, err = p.teams(c, principal.Observer, services); err != nil {
		return err
	}
	items, pager, err := console.List(c, p.Flows.Cursors, func(page httpapi.Page) ([]workflow.Workflow, string, error) {
		return p.Flows.List(c.R.Context(), f, page)
	})
	if err != nil {
		return err
	}
	v.Pager = pager
	for _, w := range items {
		v.Rows = append(v.Rows, row{w, trigger(w.Trigger, services), nameOf(v.Teams, w.TeamID, "another team"), c.Ago(w.UpdatedAt)})
	}
	if c.HTMX() {
		return c.Fragment("workflow-list", v)
	}
	return c.Show("workflows", console.Page{Title: "Workflows", View: v})
}

type showView struct {
	workflow.Workflow
	When    string
	Team    string
	Limit   string // how long a run may take
	Doing   []stepView
	Changed console.Moment
	By      console.Person
	Runs    []runRow
	Admin   bool
	Respond bool
	Form    console.Form // what was not done
}

func (p *pages) view(c *console.Call, f console.Form) (showView, error) {
	w, err := p.Flows.Get(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return showView{}, err
	}
	services, err := p.services(c)
	if err != nil {
		return showView{}, err
	}
	v := showView{Workflow: w, When: trigger(w.Trigger, services), Changed: c.Ago(w.UpdatedAt), By: c.By(w.UpdatedByID),
		Limit: lasting(w.TimeLimitSeconds),
		Admin: c.Can(w.TeamID, principal.TeamAdmin), Respond: c.Can(w.TeamID, principal.Responder), Form: f}
	if v.Team, _, err = p.Team(c.R.Context(), w.TeamID); err != nil {
		return v, err
	}
	for n, s := range w.Steps {
		of := stepView{Step: s, N: n + 1, What: what(s)}
		if s.Type == workflow.Runbook {
			if of.Book, err = p.bookName(c, s.RunbookID); err != nil {
				return v, err
			}
		}
		of.Fields = fields(s)
		v.Doing = append(v.Doing, of)
	}
	runs, _, err := p.Flows.RunsOf(c.R.Context(), w.ID, httpapi.Page{Limit: 10})
	if err != nil {
		return v, err
	}
	v.Runs, err = p.rows(c, runs)
	return v, err
}

// bookName is a runbook's name, or that there is none (any more) for the caller.
func (p *pages) bookName(c *console.Call, runbookID string) (string, error) {
	rb, err := p.Books.Runbook(c.R.Context(), runbookID)
	if console.Is(err, problem.NotFound) {
		return "a runbook that is not there", nil
	}
	return rb.Name, err
}

// doing is what the steps of a workflow do, in words, by their ids: runbooks with their names.
func (p *pages) doing(c *console.Call, w workflow.Workflow) (map[string]string, error) {
	all := map[string]string{}
	for _, s := range w.Steps {
		all[s.ID] = what(s)
		if s.Type != workflow.Runbook {
			continue
		}
		book, err := p.bookName(c, s.RunbookID)
		if err != nil {
			return nil, err
		}
		all[s.ID] = "Run " + book
	}
	return all, nil
}

func (p *pages) show(c *console.Call) error {
	v, err := p.view(c, console.Form{})
	if err != nil {
		return err
	}
	return c.Show("workflow", console.Page{Title: v.Name, Crumbs: crumbs, View: v})
}

// enable switches a workflow on or off, as it was when the page was read.
func (p *pages) enable(c *console.Call) error {
	w, err := p.Flows.Get(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	on := c.Sent().Get("enabled") == "true"
	_, err = p.Flows.Replace(c.R.Context(), w.ID, revision(c.Sent()), workflow.Edit{Draft: draftOf(w.Definition, &on)})
	return p.acted(c, w.ID, err)
}

// draftOf is a definition as it can be written again.
func draftOf(d workflow.Definition, enabled *bool) workflow.Draft {
	return workflow.Draft{Name: d.Name, TeamID: d.TeamID, Enabled: enabled, Trigger: d.Trigger, Steps: d.Steps,
		TimeLimitSeconds: d.TimeLimitSeconds, Concurrency: d.Concurrency}
}

// revision is the version that a form was made from; a form without one is of none.
func revision(f console.Form) string {
	n, err := strconv.ParseInt(f.Get("version"), 10, 64)
	if err != nil {
		return httpapi.Revision(0)
	}
	return httpapi.Revision(n)
}

// acted leads back to the workflow, or shows it with why nothing was done.
func (p *pages) acted(c *console.Call, id string, err error) error {
	if err == nil {
		return c.See("/console/workflows/"+id, "saved")
	}
	with, ok := c.Sent().With(err)
	if !ok || c.HTMX() {
		return err
	}
	v, err := p.view(c, with)
	if err != nil {
		return err
	}
	return c.Answer(http.StatusUnprocessableEntity, "workflow", console.Page{Title: v.Name, Crumbs: crumbs, View: v})
}

func (p *pages) remove(c *console.Call) error {
	if err := p.Flows.Delete(c.R.Context(), c.R.PathValue("id")); err != nil {
		return p.acted(c, c.R.PathValue("id"), err)
	}
	return c.See("/console/workflows", "deleted")
}

// sorted are a map's names and values, by name.
func sorted[V any](m map[string]V, text func(V) string) []pair {
	var out []pair
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, pair{name, text(m[name])})
	}
	return out
}

func same(s string) string { return s }

// either joins words: "a, b or c".
func either(words []string) string { return joined(words, " or ") }

func joined(words []string, by string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + by + words[n-1]
	}
	return strings.Join(words, "")
}
