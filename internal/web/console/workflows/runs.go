package workflows

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"pagefree/internal/incident"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/web/console"
	"pagefree/internal/workflow"
)

// runRow is a run in a list.
type runRow struct {
	workflow.Run
	Incident string // its title
	Began    console.Moment
	Took     string
	Why      string // how it was set off
	By       console.Person
}

func (p *pages) rowOf(c *console.Call, r workflow.Run, title string) runRow {
	v := runRow{Run: r, Incident: title, Began: c.Ago(r.CreatedAt), Took: took(c, r.StartedAt, r.CompletedAt), By: c.By(r.TriggeredByID)}
	switch {
	case r.TriggeredBy == workflow.ByEvent:
		v.Why = "when the incident was " + nameOf(happened, r.Event, r.Event)
		v.By = console.Person{}
	case v.By == (console.Person{}):
		v.Why = "by hand"
	default:
		v.Why = "by"
	}
	return v
}

// took is how long something took that began, or goes on; "" where it did not begin.
func took(c *console.Call, began, ended *timestamp.Time) string {
	if began == nil {
		return ""
	}
	end := c.Now()
	if ended != nil {
		end = ended.Time
	}
	return console.Span(max(0, end.Sub(began.Time)))
}

// rows are runs with the titles of their incidents, of which known were read already.
func (p *pages) rows(c *console.Call, runs []workflow.Run, known ...incident.Incident) ([]runRow, error) {
	titles := map[string]string{}
	for _, i := range known {
		titles[i.ID] = i.Title
	}
	var out []runRow
	for _, r := range runs {
		title, read := titles[r.IncidentID]
		if !read {
			inc, err := p.Desk.Get(c.R.Context(), r.IncidentID)
			if err != nil && !console.Is(err, problem.NotFound) {
				return nil, err
			}
			title = cmp.Or(inc.Title, "an incident that is not there any more")
			titles[r.IncidentID] = title
		}
		out = append(out, p.rowOf(c, r, title))
	}
	return out, nil
}

// latest are the newest incidents that the caller may see, of a team or of all.
func (p *pages) latest(c *console.Call, teamID string, n int) ([]incident.Incident, error) {
	list, _, err := p.Desk.List(c.R.Context(), incident.Filter{TeamID: teamID}, httpapi.Page{Limit: n})
	return list, err
}

// choices are incidents to choose from, and the one that is chosen already.
func (p *pages) choices(c *console.Call, list []incident.Incident, chosen string) ([]console.Option, error) {
	var out []console.Option
	for _, i := range list {
		out = append(out, console.Option{Value: i.ID, Name: i.Title + " (" + c.Ago(i.CreatedAt).Text + ")"})
	}
	if chosen != "" && !slices.ContainsFunc(list, func(i incident.Incident) bool { return i.ID == chosen }) {
		i, err := p.Desk.Get(c.R.Context(), chosen)
		if err != nil {
			return nil, err
		}
		out = append(out, console.Option{Value: i.ID, Name: i.Title})
	}
	return out, nil
}

// Limits of the list of runs where nothing is chosen: of so many incidents, of each so many runs.
const (
	recentIncidents = 15
	recentRuns      = 10
	toChoose        = 50 // incidents that a form offers
)

type runsView struct {
	Filter    console.Form
	Workflows []console.Option
	Incidents []console.Option
	Rows      []runRow
	Pager     console.Pager
	Any       bool
	One       bool   // of one workflow, or one incident
	Here      string // the list with its filters
}

// runs lists the runs of a workflow or of an incident, or of the newest
// incidents where neither is chosen.
func (p *pages) runs(c *console.Call) error {
	ctx, q := c.R.Context(), c.R.URL.Query()
	flow, inc, status := q.Get("workflowId"), q.Get("incidentId"), q.Get("status")
	v := runsView{Filter: console.Form{Values: q}, Any: flow+inc+status != "", One: flow+inc != "", Here: c.R.URL.RequestURI()}
	flows, err := console.All(func(page httpapi.Page) ([]workflow.Workflow, string, error) {
		return p.Flows.List(ctx, workflow.Filter{}, page)
	})
	if err != nil {
		return err
	}
	for _, w := range flows {
		v.Workflows = append(v.Workflows, console.Option{Value: w.ID, Name: w.Name})
	}
	slices.SortFunc(v.Workflows, func(a, b console.Option) int { return cmp.Compare(a.Name, b.Name) })
	incidents, err := p.latest(c, "", toChoose)
	if err != nil {
		return err
	}
	if v.Incidents, err = p.choices(c, incidents, inc); err != nil {
		return err
	}
	var list []workflow.Run
	switch {
	case inc != "":
		list, v.Pager, err = console.List(c, p.Flows.Cursors, func(page httpapi.Page) ([]workflow.Run, string, error) { return p.Flows.RunsFor(ctx, inc, page) })
	case flow != "":
		list, v.Pager, err = console.List(c, p.Flows.Cursors, func(page httpapi.Page) ([]workflow.Run, string, error) { return p.Flows.RunsOf(ctx, flow, page) })
	default:
		list, err = p.recent(c, incidents[:min(len(incidents), recentIncidents)])
	}
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(r workflow.Run) bool {
		return flow != "" && r.WorkflowID != flow || status != "" && string(r.Status) != status
	})
	if v.Rows, err = p.rows(c, list, incidents...); err != nil {
		return err
	}
	if c.HTMX() {
		return c.Fragment("run-list", v)
	}
	return c.Show("runs", console.Page{Title: "Workflow runs", Crumbs: crumbs, View: v, Live: true})
}

// recent are the runs for incidents, newest first.
func (p *pages) recent(c *console.Call, incidents []incident.Incident) ([]workflow.Run, error) {
	type part struct {
		runs []workflow.Run
		err  error
	}
	parts := make(chan part, len(incidents))
	for _, i := range incidents {
		go func() {
			runs, _, err := p.Flows.RunsFor(c.R.Context(), i.ID, httpapi.Page{Limit: recentRuns})
			parts <- part{runs, err}
		}()
	}
	var all []workflow.Run
	var failed error
	for range incidents {
		got := <-parts
		all = append(all, got.runs...)
		failed = cmp.Or(failed, got.err)
	}
	slices.SortFunc(all, func(a, b workflow.Run) int { return strings.Compare(b.ID, a.ID) })
	return all, failed
}

type forView struct {
	IncidentID string
	Rows       []runRow
	May        bool
}

// runsFor is the panel of an incident's page: its runs, and how to start one.
func (p *pages) runsFor(c *console.Call) error {
	inc, err := p.Desk.Get(c.R.Context(), c.R.URL.Query().Get("incidentId"))
	if err != nil {
		return err
	}
	runs, _, err := p.Flows.RunsFor(c.R.Context(), inc.ID, httpapi.Page{Limit: 20})
	if err != nil {
		return err
	}
	v := forView{IncidentID: inc.ID, May: c.Can(inc.TeamID, principal.Responder)}
	for _, r := range runs {
		v.Rows = append(v.Rows, p.rowOf(c, r, inc.Title))
	}
	return c.Fragment("runs-for", v)
}

type chooseView struct {
	Incident incident.Incident
	Rows     []row
	Admin    bool
}

// choose offers the workflows of an incident's team.
func (p *pages) choose(c *console.Call) error {
	inc, err := p.Desk.Get(c.R.Context(), c.R.URL.Query().Get("incidentId"))
	if err != nil {
		return err
	}
	if _, err := principal.Require(c.R.Context(), inc.TeamID, principal.Responder); err != nil {
		return err
	}
	services, err := p.services(c)
	if err != nil {
		return err
	}
	flows, err := console.All(func(page httpapi.Page) ([]workflow.Workflow, string, error) {
		return p.Flows.List(c.R.Context(), workflow.Filter{TeamID: inc.TeamID}, page)
	})
	if err != nil {
		return err
	}
	v := chooseView{Incident: inc, Admin: c.Can(inc.TeamID, principal.TeamAdmin)}
	for _, w := range flows {
		v.Rows = append(v.Rows, row{Workflow: w, When: trigger(w.Trigger, services)})
	}
	return c.Show("choose", console.Page{Title: "Start a workflow", View: v,
		Crumbs: []console.Crumb{{Name: "Incidents", Path: "/console/incidents"}, {Name: inc.Title, Path: "/console/incidents/" + inc.ID}}})
}

// stepRun is a step of a run as its page shows it.
type stepRun struct {
	workflow.StepRun
	N      int
	What   string
	Took   string
	Since  string // RFC 3339, while it goes on
	Began  console.Moment
	Input  []pair
	Output []pair
	Ran    string // the execution
}

type runView struct {
	runRow
	Doing   []stepRun
	Live    bool // something may still happen
	Again   bool // it may begin again where it failed
	From    string
	Respond bool
	Form    console.Form
}

func (p *pages) runView(c *console.Call, f console.Form) (runView, error) {
	r, err := p.Flows.Run(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return runView{}, err
	}
	rows, err := p.rows(c, []workflow.Run{r})
	if err != nil {
		return runView{}, err
	}
	v := runView{runRow: rows[0], Live: !r.Status.Final(), Respond: c.Can(r.TeamID, principal.Responder), Form: f}
	v.Again = !v.Live && r.Status != workflow.Completed
	doing := map[string]string{}
	w, err := p.Flows.Get(c.R.Context(), r.WorkflowID)
	switch {
	case err == nil && w.Version == r.WorkflowVersion: // what it says now is what ran
		if doing, err = p.doing(c, w); err != nil {
			return v, err
		}
	case err != nil && !console.Is(err, problem.NotFound):
		return v, err
	}
	for n, s := range r.Steps {
		of := stepRun{StepRun: s, N: n + 1, What: cmp.Or(doing[s.ID], nameOf(kinds, s.Type, s.Type)), Took: took(c, s.StartedAt, s.CompletedAt), Began: c.AgoOr(s.StartedAt),
			Input: sorted(s.Input, shown), Output: sorted(s.Output, shown)}
		if s.ExecutionID != nil {
			of.Ran = *s.ExecutionID
		}
		if s.StartedAt != nil && s.CompletedAt == nil && v.Live {
			of.Since = s.StartedAt.String()
		}
		if v.From == "" && (s.Status == workflow.Failed || s.Status == workflow.TimedOut || s.Status == workflow.Cancelled) {
			v.From = s.ID
		}
		v.Doing = append(v.Doing, of)
	}
	return v, nil
}

// shown is a value that a step got or gave: a text as it is, all else as JSON.
func shown(v any) string {
	if s, is := v.(string); is {
		return s
	}
	if raw, err := json.MarshalIndent(v, "", "  "); err == nil {
		return string(raw)
	}
	return ""
}

func (v runView) page() console.Page {
	return console.Page{Title: v.WorkflowName + " for " + v.Incident, Crumbs: runCrumbs, View: v, Live: v.Live}
}

func (p *pages) run(c *console.Call) error {
	v, err := p.runView(c, console.Form{})
	if err != nil {
		return err
	}
	return c.Show("run", v.page())
}

func (p *pages) runLive(c *console.Call) error {
	v, err := p.runView(c, console.Form{})
	if err != nil {
		return err
	}
	return c.Fragment("run-live", v)
}

func (p *pages) cancel(c *console.Call) error {
	_, err := p.Flows.Cancel(c.R.Context(), c.R.PathValue("id"))
	return p.ran(c, err, "cancelled")
}

func (p *pages) retry(c *console.Call) error {
	_, err := p.Flows.Retry(c.R.Context(), c.R.PathValue("id"))
	return p.ran(c, err, "retried")
}

// ran leads back to the run, or shows it as it is now with why nothing was done.
func (p *pages) ran(c *console.Call, err error, did string) error {
	if err == nil {
		return c.See("/console/workflow-runs/"+c.R.PathValue("id"), did)
	}
	with, ok := c.Sent().With(err)
	if !ok || c.HTMX() {
		return err
	}
	v, err := p.runView(c, with)
	if err != nil {
		return err
	}
	return c.Answer(http.StatusUnprocessableEntity, "run", v.page())
}
