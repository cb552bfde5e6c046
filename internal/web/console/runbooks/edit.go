package runbooks

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
)

// editView is the editor, of a new runbook or of the next version of one.
type editView struct {
	Form     console.Form
	ID       string // "" for a new one
	Next     int    // the version that saving makes
	Action   string
	Script   []line
	Rows     []int
	Full     bool // no more parameters
	Teams    []console.Option
	Services []console.Option
	Targets  []console.Option
	Newer    int // the version that somebody wrote meanwhile
}

// Field names a field of a row of parameters.
func (editView) Field(row int, field string) string { return param(row, field) }

// Wrong reports whether a row has something to be seen to, so that it is unfolded.
func (v editView) Wrong(row int) bool {
	for _, field := range []string{"name", "type", "description", "required", "secret", "default", "enum", "pattern", "maxLength", "template"} {
		if v.Form.Error(param(row, field)) != "" {
			return true
		}
	}
	return v.Form.Get(param(row, "name")) == "" || v.Form.Error(fmt.Sprintf("parameters[%d]", row)) != ""
}

func (p *pages) editor(c *console.Call, f console.Form, r *runbook.RunbookView) (console.Page, error) {
	n, err := p.names(c)
	if err != nil {
		return console.Page{}, err
	}
	v := editView{Form: f, Next: 1, Action: "/console/runbooks", Script: paint(f.Get("language"), f.Get("scriptContent"), c.Now)}
	if at, err := strconv.Atoi(f.Get("wrongLine")); err == nil {
		mark(v.Script, at)
	}
	for i := range rowsOf(f) {
		v.Rows = append(v.Rows, i)
	}
	v.Full = len(v.Rows) >= runbook.MaxParameters
	page := console.Page{Title: "New runbook", Crumbs: crumbs}
	if r == nil {
		if v.Teams, err = n.teamOptions(c, principal.TeamAdmin); err != nil {
			return page, err
		}
	} else {
		base, _ := strconv.Atoi(f.Get("base"))
		v.ID, v.Next, v.Action = r.ID, base+1, "/console/runbooks/"+url.PathEscape(r.ID)+"/edit"
		page.Title, page.Crumbs = fmt.Sprintf("%s: version %d", r.Name, v.Next), below(*r)
	}
	for _, o := range n.options {
		if s := n.services[o.Value]; r == nil || r.TeamID == nil || s.TeamID == *r.TeamID {
			v.Services = append(v.Services, o)
		}
	}
	targets, err := console.All(func(page httpapi.Page) ([]runbook.TargetView, string, error) {
		return p.Library.NamedTargets(c.R.Context(), "", page)
	})
	if err != nil {
		return page, err
	}
	for _, t := range targets {
		if r == nil || t.TeamID == nil || r.TeamID != nil && *t.TeamID == *r.TeamID {
			v.Targets = append(v.Targets, console.Option{Value: t.ID, Name: t.Name})
		}
	}
	slices.SortFunc(v.Targets, byName)
	v.Services = including(v.Services, f.Get("serviceId"), "a service that is not there any more")
	v.Targets = including(v.Targets, f.Get("target.targetId"), "a target that is not there any more")
	page.View = v
	return page, nil
}

// including adds what a form holds already, which would else turn into no choice unseen.
func including(options []console.Option, value, name string) []console.Option {
	if value == "" || slices.ContainsFunc(options, func(o console.Option) bool { return o.Value == value }) {
		return options
	}
	return append(options, console.Option{Value: value, Name: name})
}

// starter is what a new runbook's form begins with.
var starter = runbook.Version{
	Language: runbook.Bash, ScriptContent: "set -euo pipefail\n\n", TimeoutSeconds: 60, Concurrency: 10, RequiresConfirm: true, Risk: "HIGH",
	Target: runbook.Target{Type: runbook.Sandbox, Preset: "generic"},
}

func (p *pages) blank(c *console.Call) error {
	if !c.Who.Best().AtLeast(principal.TeamAdmin) {
		return problem.Denied("This needs the role %s in a team.", principal.TeamAdmin)
	}
	f := contentForm(starter)
	f.Values.Set("name", "")
	f.Values.Set("description", "")
	f.Values.Set("teamId", c.R.URL.Query().Get("teamId"))
	f.Values.Set("serviceId", c.R.URL.Query().Get("serviceId"))
	page, err := p.editor(c, f, nil)
	if err != nil {
		return err
	}
	if v := page.View.(editView); f.Get("teamId") == "" && len(v.Teams) > 0 {
		f.Values.Set("teamId", v.Teams[0].Value)
	}
	return c.Show("runbook-edit", page)
}

// edit shows the newest version as what the next one begins with; what its
// parser found, at its line.
func (p *pages) edit(c *console.Call) error {
	r, err := p.managed(c)
	if err != nil {
		return err
	}
	v, err := p.Library.Version(c.R.Context(), r.ID, r.CurrentVersion)
	if err != nil {
		return err
	}
	f := contentForm(v.Version)
	f.Values.Set("base", numeral(r.CurrentVersion))
	if v.Target.Type != runbook.Webhook {
		f.Values.Set("target.preset", "generic")
	}
	if v.Check != nil && !v.Check.OK {
		f.Values.Set("wrongLine", numeral(v.Check.Line))
		f.Wrong = map[string]string{"scriptContent": doesNotParse(*v.Check)}
	}
	page, err := p.editor(c, f, &r)
	if err != nil {
		return err
	}
	return c.Show("runbook-edit", page)
}

func doesNotParse(c runbook.Check) string {
	if c.Line == 0 {
		return "The script does not parse: " + c.Message
	}
	return fmt.Sprintf("Line %d does not parse: %s", c.Line, c.Message)
}

// reshaped does what a form's other buttons say: a row more, or one less.
// Nothing is saved by them.
func reshaped(f console.Form) bool {
	rows := rowsOf(f)
	switch {
	case f.Values.Has("add"):
		if rows < runbook.MaxParameters {
			f.Values.Set("rows", numeral(rows+1))
			f.Values.Set(param(rows, "type"), runbook.String)
		}
		return true
	case f.Values.Has("remove"):
		at, err := strconv.Atoi(f.Get("remove"))
		if err == nil && at >= 0 && at < rows {
			without(f.Values, at, rows)
		}
		return true
	}
	return false
}

// without takes a row out of a form: those behind it move up.
func without(values url.Values, at, rows int) {
	for i := at; i < rows; i++ {
		for _, field := range []string{"name", "type", "description", "required", "secret", "default", "enum", "pattern", "maxLength", "template"} {
			if next, is := values[param(i+1, field)]; is && i+1 < rows {
				values[param(i, field)] = next
			} else {
				delete(values, param(i, field))
			}
		}
	}
	values.Set("rows", numeral(rows-1))
}

// sent is the form of the editor, with a field for all that can be wrong.
func sent(c *console.Call) console.Form {
	f := c.Sent()
	for i := range rowsOf(f) {
		f.Values.Set(fmt.Sprintf("parameters[%d]", i), "")
		for _, box := range []string{"required", "secret"} {
			if !f.Values.Has(param(i, box)) {
				f.Values.Set(param(i, box), "")
			}
		}
	}
	for _, whole := range []string{"parameters", "target"} {
		f.Values.Set(whole, "")
	}
	delete(f.Values, "wrongLine")
	return f
}

func (p *pages) create(c *console.Call) error {
	f := sent(c)
	if reshaped(f) {
		return p.reshape(c, f, nil)
	}
	body := contentOf(f)
	body["name"], body["description"] = f.Get("name"), f.Get("description")
	if t := f.Get("teamId"); t != "" {
		body["teamId"] = t
	}
	n, err := httpapi.Read[runbook.Creation](body)
	var made runbook.RunbookView
	if err == nil {
		made, err = p.Library.Create(c.R.Context(), n)
	}
	if err != nil {
		return p.retry(c, f, nil, err)
	}
	return p.saved(c, made.ID, made.CurrentVersion, f.Get("then") == "submit")
}

func (p *pages) save(c *console.Call) error {
	f := sent(c)
	r, err := p.managed(c)
	if err != nil {
		return err
	}
	if reshaped(f) {
		return p.reshape(c, f, &r)
	}
	base, err := strconv.Atoi(f.Get("base"))
	if err != nil || base < 1 {
		return problem.New(http.StatusBadRequest, "body_invalid", "The form does not say which version it was made from.")
	}
	content, err := httpapi.Read[runbook.Content](contentOf(f))
	var v runbook.VersionView
	if err == nil {
		v, err = p.Library.AddVersionAfter(c.R.Context(), r.ID, base, content)
	}
	if err != nil {
		return p.retry(c, f, &r, err)
	}
	return p.saved(c, r.ID, v.Version.Version, f.Get("then") == "submit")
}

// saved leads to the version that was written, and submits it first if that was
// asked for. One whose script does not parse is a draft, and back in the editor.
func (p *pages) saved(c *console.Call, id string, n int, submit bool) error {
	at := fmt.Sprintf("/console/runbooks/%s/versions/%d", id, n)
	if !submit {
		return c.See(at, "drafted")
	}
	_, err := p.Library.Submit(c.R.Context(), id, n)
	switch {
	case err == nil:
		return c.See(at, "submitted")
	case console.Is(err, runbook.ScriptInvalid):
		return c.See("/console/runbooks/"+id+"/edit", "unparsed")
	case console.Is(err, problem.Unavailable), console.Is(err, problem.InvalidTransition), console.Is(err, problem.Conflict):
		return c.See(at, "unsubmitted")
	}
	return err
}

func (p *pages) reshape(c *console.Call, f console.Form, r *runbook.RunbookView) error {
	page, err := p.editor(c, f, r)
	if err != nil {
		return err
	}
	return c.Show("runbook-edit", page)
}

// retry shows the editor once more with all that was typed, and what is wrong with it.
func (p *pages) retry(c *console.Call, f console.Form, r *runbook.RunbookView, refused error) error {
	with, ok := f.With(refused)
	newer := 0
	switch {
	case console.Is(refused, problem.PreconditionFailed) && r != nil:
		now, err := p.managed(c) // as it is by now
		if err != nil {
			return err
		}
		newer = now.CurrentVersion
		with.Text = fmt.Sprintf("Version %d appeared while you wrote. Nothing of yours is lost: look at what changed, then save again as version %d.", newer, newer+1)
		with.Values.Set("base", numeral(newer))
	case console.Is(refused, problem.NotFound):
		with, ok = f, true
		with.Text = "The team, the service or the named target that you chose is not there any more. Choose another one."
	}
	if !ok {
		return refused
	}
	page, err := p.editor(c, with, r)
	if err != nil {
		return err
	}
	v := page.View.(editView)
	v.Newer = newer
	page.View = v
	return c.Again("runbook-edit", page)
}

// said is a form with a refusal above it.
func said(f console.Form, err error) console.Form {
	if e, is := errors.AsType[*problem.Error](err); is {
		f.Text = e.Detail
	}
	return f
}

// paint colours what somebody types, for the pane behind it. Colouring takes
// long, and nobody else has an editor.
func (p *pages) paint(c *console.Call) error {
	if !c.Who.Best().AtLeast(principal.TeamAdmin) {
		return problem.Denied("This needs the role %s in a team.", principal.TeamAdmin)
	}
	f := c.Sent()
	return c.Fragment("painted", paint(f.Get("language"), f.Get("scriptContent"), c.Now))
}
