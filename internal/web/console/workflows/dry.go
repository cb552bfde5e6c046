package workflows

import (
	"cmp"
	"net/http"

	"pagefree/internal/platform/principal"
	"pagefree/internal/web/console"
	"pagefree/internal/workflow"
)

type tryView struct {
	workflow.Workflow
	Incidents []console.Option
	Chosen    string
	Title     string // of the incident
	Dry       *workflow.DryRun
	Doing     []dryStep
	Form      console.Form
}

type dryStep struct {
	workflow.DryStep
	N      int
	What   string
	Gets   []pair
	Skips  bool // its condition does not hold
	Unsure bool // whether it holds is not known yet
}

// try shows what a workflow would do for an incident, and from there it is started.
func (p *pages) try(c *console.Call) error {
	v, err := p.tryView(c, c.R.URL.Query().Get("incidentId"), console.Form{})
	if err != nil {
		return err
	}
	if c.HTMX() {
		return c.Fragment("dry", v)
	}
	return c.Show("try", v.page())
}

func (v tryView) page() console.Page {
	return console.Page{Title: "Try " + v.Name, View: v, Crumbs: append(crumbs[:1:1], console.Crumb{Name: v.Name, Path: "/console/workflows/" + v.ID})}
}

func (p *pages) tryView(c *console.Call, incidentID string, f console.Form) (tryView, error) {
	w, err := p.Flows.Get(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return tryView{}, err
	}
	if _, err := principal.Require(c.R.Context(), w.TeamID, principal.Responder); err != nil {
		return tryView{}, err
	}
	v := tryView{Workflow: w, Chosen: incidentID, Form: f}
	list, err := p.latest(c, w.TeamID, toChoose)
	if err != nil {
		return v, err
	}
	if v.Incidents, err = p.choices(c, list, incidentID); err != nil || incidentID == "" {
		return v, err
	}
	dry, err := p.Flows.Try(c.R.Context(), w.ID, incidentID)
	if err != nil {
		return v, err
	}
	v.Dry, v.Title = &dry, nameOf(v.Incidents, incidentID, "")
	doing, err := p.doing(c, w)
	if err != nil {
		return v, err
	}
	for n, s := range dry.Steps {
		v.Doing = append(v.Doing, dryStep{DryStep: s, N: n + 1, What: cmp.Or(doing[s.ID], nameOf(kinds, s.Type, s.Type)), Gets: sorted(s.Parameters, shown),
			Skips: s.If != nil && !*s.If, Unsure: s.If == nil})
	}
	return v, nil
}

// start runs a workflow for an incident.
func (p *pages) start(c *console.Call) error {
	incidentID := c.Sent().Get("incidentId")
	r, err := p.Flows.Start(c.R.Context(), c.R.PathValue("id"), incidentID, 0)
	if err == nil {
		return c.See("/console/workflow-runs/"+r.ID, "")
	}
	with, ok := c.Sent().With(err)
	if !ok || c.HTMX() {
		return err
	}
	v, err := p.tryView(c, "", with)
	if err != nil {
		return err
	}
	return c.Answer(http.StatusUnprocessableEntity, "try", v.page())
}
