// Package executions is the console's pages of what runs: choosing a runbook,
// seeing what it will do, running it, and what came of it; and the switch that
// stops all of that.
package executions

import (
	"cmp"
	"context"
	"embed"
	"html/template"
	"slices"
	"time"

	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
)

//go:embed *.html
var files embed.FS

// Desk is what the pages are made of.
type Desk struct {
	Executions *execution.Service
	Library    *runbook.Service // it is only read
	Incidents  *incident.Desk   // it is only read
	// Team is a team's name, "" for one that is not known.
	Team func(ctx context.Context, teamID string) (string, error)
}

type pages struct {
	*console.Room
	Desk
}

// Routes adds the pages to api. c may be nil and d zero where only the routes are wanted.
func Routes(api *httpapi.API, c *console.Console, d Desk) {
	p := &pages{c.Room(api, "executions", files, template.FuncMap{"number": func(i int) int { return i + 1 }}), d}
	p.Get("/console/executions", p.list)
	p.Post("/console/executions", p.start)
	p.Get("/console/executions/new", p.blank)
	p.Post("/console/executions/preview", p.preview)
	p.Get("/console/executions/for", p.forIncident)
	p.Get("/console/executions/of", p.ofRunbook)
	p.Get("/console/executions/{id}", p.show)
	p.Get("/console/executions/{id}/live", p.live)
	p.Get("/console/executions/{id}/output.txt", p.download)
	p.Post("/console/executions/{id}/confirm", p.confirm)
	p.Post("/console/executions/{id}/cancel", p.cancel)
	p.Get("/console/automation/banner", p.banner)
	p.Get("/console/automation/pause", p.pauses)
	p.Post("/console/automation/pause", p.pause)
	p.Post("/console/automation/resume", p.resume)
}

var crumbs = []console.Crumb{{Name: "Executions", Path: "/console/executions"}}

// statuses are all of them, in the order of a life.
var statuses = []execution.Status{
	execution.AwaitingConfirmation, execution.Pending, execution.Running, execution.Completed, execution.StatusFailed,
	execution.Timeout, execution.Cancelled, execution.Unknown,
}

// row is an execution in a list.
type row struct {
	execution.View
	Begun console.Moment
	By    console.Person
	Took  string // how long its last attempt took
	Since string // of one that runs: when its attempt began, for a script that counts
	Words string // why it did not complete
}

func rowOf(c *console.Call, v execution.View) row {
	r := row{View: v, Begun: c.Ago(v.CreatedAt), By: c.By(v.TriggeredByID), Words: wordsOf(v)}
	if tries := v.Tries(); len(tries) > 0 {
		last := tries[len(tries)-1]
		switch {
		case last.EndedAt != nil:
			r.Took = console.Span(last.EndedAt.Sub(last.StartedAt.Time))
		case v.Status == execution.Running:
			r.Since, r.Took = last.StartedAt.String(), console.Span(c.Now().Sub(last.StartedAt.Time).Truncate(time.Second))
		}
	}
	return r
}

func rowsOf(c *console.Call, views []execution.View) []row {
	rows := make([]row, len(views))
	for i, v := range views {
		rows[i] = rowOf(c, v)
	}
	return rows
}

type listView struct {
	Filter   console.Form
	Statuses []console.Option
	Runbooks []console.Option
	Incident *incident.Incident // the filter's
	Rows     []row
	Pager    console.Pager
	Any      bool   // a filter is set
	May      bool   // run something
	Pauses   bool   // the caller may pause something
	Here     string // the list with its filters
}

func (p *pages) list(c *console.Call) error {
	q := c.R.URL.Query()
	f := execution.Filter{RunbookID: q.Get("runbookId"), IncidentID: q.Get("incidentId")}
	for _, s := range q["status"] {
		if s != "" {
			f.Status = append(f.Status, execution.Status(s))
		}
	}
	v := listView{Filter: console.Form{Values: q}, Any: f.RunbookID != "" || f.IncidentID != "" || len(f.Status) > 0,
		May: c.Who.Best().AtLeast(principal.Responder), Pauses: c.Who.Best().AtLeast(principal.TeamAdmin), Here: c.R.URL.RequestURI()}
	for _, s := range statuses {
		v.Statuses = append(v.Statuses, console.Options(string(s))...)
	}
	views, pager, err := console.List(c, p.Executions.Cursors, func(page httpapi.Page) ([]execution.View, string, error) {
		return p.Executions.List(c.R.Context(), f, page)
	})
	if err != nil {
		return err
	}
	v.Rows, v.Pager = rowsOf(c, views), pager
	if c.HTMX() {
		return c.Fragment("execution-list", v)
	}
	if v.Incident, err = p.incident(c, f.IncidentID); err != nil {
		return err
	}
	books, err := console.All(func(page httpapi.Page) ([]runbook.RunbookView, string, error) {
		return p.Library.Runbooks(c.R.Context(), runbook.Filter{}, page)
	})
	if err != nil {
		return err
	}
	slices.SortFunc(books, byName)
	for _, b := range books {
		v.Runbooks = append(v.Runbooks, console.Option{Value: b.ID, Name: b.Name})
	}
	return c.Show("executions", console.Page{Title: "Executions", View: v, Live: true})
}

func byName(a, b runbook.RunbookView) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
}

// incident reads one that a page only names: nil for none, and for one that the caller may not see.
func (p *pages) incident(c *console.Call, incidentID string) (*incident.Incident, error) {
	if incidentID == "" || !id.Valid(id.Incident, incidentID) {
		return nil, nil
	}
	i, err := p.Incidents.Get(c.R.Context(), incidentID)
	if console.Is(err, "not_found") {
		return nil, nil
	}
	return &i, err
}
