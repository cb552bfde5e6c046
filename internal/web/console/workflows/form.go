package workflows

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
	"pagefree/internal/workflow"
)

// formView is the form of a workflow, new or there already.
type formView struct {
	Form     console.Form
	ID       string // of one that is there
	Path     string
	Version  string // that the form was made from
	Newer    int64  // the version that somebody else wrote meanwhile
	TeamName string
	Teams    []console.Option // to choose from first
	Services []console.Option
	Labels   []rowView
	Steps    []stepForm
	Kinds    []console.Option
	Events   []console.Option
	Paths    []string
	Look     []stepForm // the steps that something is wrong with
}

// rowView is a row of a name and a value; Named is where the service says what is wrong with its value.
type rowView struct {
	At    string // "steps[0].parameters[1]"
	Named string // "steps[0].parameters.HOST"
}

type stepForm struct {
	N          int    // from 0
	Nth        int    // from 1
	At         string // "steps[0]"
	Type       string
	What       string
	First      bool
	Last       bool
	Before     int // the places around it
	After      int
	Books      []console.Option
	Known      []runbook.Parameter // of the chosen runbook
	Parameters []rowView
	Headers    []rowView
	People     []string // whom it tells by id
}

// blank shows the form of a new workflow, for a team that is chosen first.
func (p *pages) blank(c *console.Call) error {
	services, err := p.services(c)
	if err != nil {
		return err
	}
	teams, err := p.teams(c, principal.TeamAdmin, services)
	if err != nil {
		return err
	}
	if !c.Who.Best().AtLeast(principal.TeamAdmin) {
		return problem.Denied("This needs the role %s in a team.", principal.TeamAdmin)
	}
	team := c.R.URL.Query().Get("teamId")
	if team == "" && len(teams) == 1 {
		team = teams[0].Value
	}
	if team == "" {
		return c.Show("which-team", console.Page{Title: "Write a workflow", Crumbs: crumbs, View: formView{Teams: teams}})
	}
	if _, err := principal.Require(c.R.Context(), team, principal.TeamAdmin); err != nil {
		return err
	}
	d := draft{TeamID: team, Enabled: true, On: []string{"incident.created"}, Seconds: "3600", Concurrency: workflow.Queue}
	page, err := p.formPage(c, d, console.Form{Values: d.values()}, formView{})
	if err != nil {
		return err
	}
	return c.Show("workflow-form", page)
}

// edit shows the form of a workflow that is there.
func (p *pages) edit(c *console.Call) error {
	w, err := p.Flows.Get(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	if _, err := principal.Require(c.R.Context(), w.TeamID, principal.TeamAdmin); err != nil {
		return err
	}
	d := of(w.Definition)
	page, err := p.formPage(c, d, console.Form{Values: d.values()}, formView{ID: w.ID, Version: strconv.FormatInt(w.Version, 10)})
	if err != nil {
		return err
	}
	return c.Show("workflow-form", page)
}

// create writes a new workflow, or shows its form with a step more or less.
func (p *pages) create(c *console.Call) error {
	d := read(c.Sent())
	if _, err := principal.Require(c.R.Context(), d.TeamID, principal.TeamAdmin); err != nil {
		return err
	}
	if do := c.Sent().Get("do"); do != "" && do != "save" {
		return p.changed(c, d, do, formView{})
	}
	body, err := d.body(p.known(c))
	var is workflow.Draft
	if err == nil {
		is, err = httpapi.Read[workflow.Draft](body)
	}
	var made workflow.Workflow
	if err == nil {
		made, err = p.Flows.Create(c.R.Context(), is)
	}
	if err != nil {
		return p.again(c, d, err, formView{})
	}
	return c.See("/console/workflows/"+made.ID, "created")
}

// replace writes the next version, or shows the form with a step more or less.
func (p *pages) replace(c *console.Call) error {
	w, err := p.Flows.Get(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	if _, err := principal.Require(c.R.Context(), w.TeamID, principal.TeamAdmin); err != nil {
		return err
	}
	d, do := read(c.Sent()), c.Sent().Get("do")
	d.TeamID = w.TeamID
	v := formView{ID: w.ID, Version: c.Sent().Get("version")}
	guard := revision(c.Sent())
	if over, is := strings.CutPrefix(do, "over:"); is { // what somebody else wrote was seen to be there
		guard, do = revision(console.NewForm(map[string]string{"version": over})), "save"
	}
	if do != "" && do != "save" {
		return p.changed(c, d, do, v)
	}
	body, err := d.body(p.known(c))
	var is workflow.Draft
	if err == nil {
		is, err = httpapi.Read[workflow.Draft](body)
	}
	if err == nil {
		_, err = p.Flows.Replace(c.R.Context(), w.ID, guard, workflow.Edit{Draft: is})
	}
	if console.Is(err, problem.PreconditionFailed) {
		v.Newer = w.Version
	}
	if err != nil {
		return p.again(c, d, err, v)
	}
	return c.See("/console/workflows/"+w.ID, "saved")
}

// changed shows the form as a button of it made it.
func (p *pages) changed(c *console.Call, d draft, do string, v formView) error {
	n := d.act(do)
	if verb, _, _ := strings.Cut(do, ":"); verb == "more" && n >= 0 && d.Steps[n].Type == workflow.Runbook {
		d.Steps[n].require(p.known(c)(d.Steps[n].RunbookID))
	}
	page, err := p.formPage(c, d, console.Form{Values: d.values()}, v)
	if err != nil {
		return err
	}
	return c.Show("workflow-form", page)
}

// again shows the form with what is wrong in it, and all that was typed.
func (p *pages) again(c *console.Call, d draft, refused error, v formView) error {
	f := console.Form{Values: d.values()}
	with, ok := f.With(refused)
	switch {
	case ok:
	case console.Is(refused, problem.NotFound):
		with = f
		with.Text = "A service, a runbook or a person that it names is not there, or belongs to another team. Choose another."
	default:
		return refused
	}
	page, err := p.formPage(c, d, with, v)
	if err != nil {
		return err
	}
	return c.Again("workflow-form", page)
}

// known reads the parameters of the approved version of runbooks, each once a request.
func (p *pages) known(c *console.Call) func(runbookID string) []runbook.Parameter {
	seen := map[string][]runbook.Parameter{}
	return func(runbookID string) []runbook.Parameter {
		if got, is := seen[runbookID]; is || !id.Valid(id.Runbook, runbookID) {
			return got
		}
		seen[runbookID] = nil
		rb, err := p.Books.Runbook(c.R.Context(), runbookID)
		if err != nil || rb.ApprovedVersion == nil { // the service says whether it may be named
			return nil
		}
		if v, err := p.Books.Version(c.R.Context(), runbookID, *rb.ApprovedVersion); err == nil {
			seen[runbookID] = v.Parameters
		}
		return seen[runbookID]
	}
}

// formPage is the page of a form.
func (p *pages) formPage(c *console.Call, d draft, f console.Form, v formView) (console.Page, error) {
	page := console.Page{Title: "Write a workflow", Crumbs: crumbs}
	v.Form, v.Kinds, v.Events, v.Path = f, kinds, happened, "/console/workflows"
	if v.ID != "" {
		v.Path = "/console/workflows/" + v.ID + "/edit"
		page.Title, page.Crumbs = "Edit "+d.Name, append(crumbs[:1:1], console.Crumb{Name: d.Name, Path: "/console/workflows/" + v.ID})
	}
	services, err := p.services(c)
	if err != nil {
		return page, err
	}
	var found bool
	if v.TeamName, found, err = p.Team(c.R.Context(), d.TeamID); err != nil {
		return page, err
	}
	if !found {
		return page, problem.Missing()
	}
	for _, s := range services {
		if s.TeamID == d.TeamID {
			v.Services = append(v.Services, console.Option{Value: s.ID, Name: s.Name})
		}
	}
	for _, chosen := range d.Services { // one that was deleted stays until it is unticked
		if _, there := services[chosen]; !there {
			v.Services = append(v.Services, console.Option{Value: chosen, Name: "a deleted service"})
		}
	}
	slices.SortFunc(v.Services, byName)
	v.Labels = rowsOf("trigger.labels", d.Labels)
	if v.Steps, err = p.stepForms(c, d); err != nil {
		return page, err
	}
	for _, step := range v.Steps {
		for field := range f.Wrong {
			if field == step.At || strings.HasPrefix(field, step.At+".") {
				v.Look = append(v.Look, step)
				break
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(runbook.TemplateScope().Fields)) {
		if !strings.HasPrefix(path, "runbook.") {
			v.Paths = append(v.Paths, path)
		}
	}
	page.View = v
	return page, nil
}

func byName(a, b console.Option) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
}

// rowsOf are the rows that there are, and two empty ones.
func rowsOf(at string, list []pair) []rowView {
	var out []rowView
	for n := range len(list) + 2 {
		r := rowView{At: at + "[" + strconv.Itoa(n) + "]"}
		if n < len(list) {
			r.Named = at + "." + list[n].Name
		}
		out = append(out, r)
	}
	return out
}

func (p *pages) stepForms(c *console.Call, d draft) ([]stepForm, error) {
	var out []stepForm
	var books []console.Option
	known := p.known(c)
	for n, s := range d.Steps {
		at := place(n)
		of := stepForm{N: n, Nth: n + 1, At: at, Type: s.Type, What: nameOf(kinds, s.Type, s.Type), First: n == 0, Last: n == len(d.Steps)-1, Before: n - 1, After: n + 1,
			Parameters: rowsOf(at+".parameters", s.Parameters), Headers: rowsOf(at+".headers", s.Headers)}
		if s.Type == workflow.Runbook {
			if books == nil {
				var err error
				if books, err = p.books(c, d.TeamID); err != nil {
					return nil, err
				}
			}
			of.Books = books
			if s.RunbookID != "" && nameOf(books, s.RunbookID, "") == "" {
				name, err := p.bookName(c, s.RunbookID)
				if err != nil {
					return nil, err
				}
				of.Books = append(books[:len(books):len(books)], console.Option{Value: s.RunbookID, Name: name + " (not approved)"})
			}
			of.Known = known(s.RunbookID)
		}
		for _, to := range s.To {
			if to != workflow.Team && to != workflow.Responders {
				of.People = append(of.People, to)
			}
		}
		out = append(out, of)
	}
	return out, nil
}

// books are the approved runbooks that a team's workflow may run.
func (p *pages) books(c *console.Call, teamID string) ([]console.Option, error) {
	list, err := console.All(func(page httpapi.Page) ([]runbook.RunbookView, string, error) {
		return p.Books.Runbooks(c.R.Context(), runbook.Filter{Status: runbook.Approved}, page)
	})
	out := []console.Option{}
	for _, rb := range list {
		if rb.TeamID == nil {
			out = append(out, console.Option{Value: rb.ID, Name: rb.Name + " (of all teams)"})
		} else if *rb.TeamID == teamID {
			out = append(out, console.Option{Value: rb.ID, Name: rb.Name})
		}
	}
	slices.SortFunc(out, byName)
	return out, err
}
