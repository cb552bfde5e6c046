package runbooks

import (
	"net/http"
	"net/url"
	"strconv"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
)

var targetCrumbs = []console.Crumb{{Name: "Targets", Path: "/console/targets"}}

// place is a named target as pages show it.
type place struct {
	runbook.TargetView
	Team    string
	Serves  string // the definition in a line, "" for none
	Waits   string // the one in review
	Changes []change
	By      console.Person // who approved
	At      console.Moment
	Writer  console.Person
	Written console.Moment
	Changed console.Moment
}

// May reports whether the caller may decide so now.
func (p place) May(verb string) bool {
	for _, a := range p.AllowedActions {
		if a == verb {
			return true
		}
	}
	return false
}

func (p *pages) place(c *console.Call, n *names, t runbook.TargetView) (place, error) {
	id := func(id string) string { return id } // a named target names no other
	out := place{TargetView: t, By: c.ByOr(t.ApprovedByID), At: c.AgoOr(t.ApprovedAt), Changed: c.Ago(t.UpdatedAt)}
	var before runbook.Target
	if t.Target.Value != nil {
		before = *t.Target.Value
		out.Serves = targetText(before, id)
	}
	if w := t.Pending.Value; w != nil {
		out.Waits, out.Writer, out.Written = targetText(w.Target, id), c.By(w.ChangedByID), c.Ago(w.ChangedAt)
		out.Changes = targetChanges(before, w.Target)
	}
	var err error
	out.Team, err = n.teamOf(t.TeamID)
	return out, err
}

type targetsView struct {
	Rows  []place
	Pager console.Pager
}

func (p *pages) targets(c *console.Call) error {
	items, pager, err := console.List(c, p.Library.Cursors, func(page httpapi.Page) ([]runbook.TargetView, string, error) {
		return p.Library.NamedTargets(c.R.Context(), c.R.URL.Query().Get("teamId"), page)
	})
	if err != nil {
		return err
	}
	n, err := p.names(c)
	if err != nil {
		return err
	}
	v := targetsView{Pager: pager}
	for _, t := range items {
		one, err := p.place(c, n, t)
		if err != nil {
			return err
		}
		v.Rows = append(v.Rows, one)
	}
	return c.Show("targets", console.Page{Title: "Targets", View: v})
}

type targetView struct {
	place
	Form   console.Form
	Manage bool
}

func (p *pages) targetPage(c *console.Call, f console.Form) (console.Page, error) {
	t, err := p.Library.Target(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return console.Page{}, err
	}
	n, err := p.names(c)
	if err != nil {
		return console.Page{}, err
	}
	one, err := p.place(c, n, t)
	return console.Page{Title: t.Name, Crumbs: targetCrumbs, View: targetView{one, f, c.Can(team(t.TeamID), principal.TeamAdmin)}}, err
}

func (p *pages) target(c *console.Call) error {
	page, err := p.targetPage(c, console.Form{})
	if err != nil {
		return err
	}
	return c.Show("target", page)
}

type targetFormView struct {
	Form   console.Form
	Action string
	Kind   string // of a target that there is: it cannot change
	Teams  []console.Option
	Leave  string
}

func (p *pages) targetEditor(c *console.Call, f console.Form, t *runbook.TargetView) (console.Page, error) {
	n, err := p.names(c)
	if err != nil {
		return console.Page{}, err
	}
	v := targetFormView{Form: f, Action: "/console/targets", Leave: "/console/targets"}
	page := console.Page{Title: "New target", Crumbs: targetCrumbs}
	if t == nil {
		if v.Teams, err = n.teamOptions(c, principal.TeamAdmin); err != nil {
			return page, err
		}
	} else {
		v.Leave = "/console/targets/" + url.PathEscape(t.ID)
		v.Action, v.Kind = v.Leave+"/edit", kindOf(*t)
		page.Title, page.Crumbs = "Change "+t.Name, append(targetCrumbs[:1:1], console.Crumb{Name: t.Name, Path: v.Leave})
	}
	page.View = v
	return page, nil
}

// definition is what a form of a target begins with: what waits, else what serves.
func definition(t runbook.TargetView) runbook.Target {
	if w := t.Pending.Value; w != nil {
		return w.Target
	}
	if t.Target.Value != nil {
		return *t.Target.Value
	}
	return runbook.Target{}
}

// kindOf is the type of a target; "" of one whose only definition was rejected, which shows none.
func kindOf(t runbook.TargetView) string { return definition(t).Type }

func (p *pages) blankTarget(c *console.Call) error {
	if !c.Who.Best().AtLeast(principal.TeamAdmin) {
		return problem.Denied("This needs the role %s in a team.", principal.TeamAdmin)
	}
	f := console.NewForm(map[string]string{"name": "", "teamId": c.R.URL.Query().Get("teamId")})
	targetForm(f.Values, runbook.Target{Type: runbook.SSM, MaxNodes: 1, Preset: "generic"})
	page, err := p.targetEditor(c, f, nil)
	if err != nil {
		return err
	}
	if v := page.View.(targetFormView); f.Get("teamId") == "" && len(v.Teams) > 0 {
		f.Values.Set("teamId", v.Teams[0].Value)
	}
	return c.Show("target-edit", page)
}

func (p *pages) createTarget(c *console.Call) error {
	f := c.Sent()
	f.Values.Set("target", "")
	body := map[string]any{"name": f.Get("name"), "target": targetOf(f)}
	if t := f.Get("teamId"); t != "" {
		body["teamId"] = t
	}
	n, err := httpapi.Read[runbook.TargetCreation](body)
	var made runbook.TargetView
	if err == nil {
		made, err = p.Library.CreateTarget(c.R.Context(), n)
	}
	if err == nil {
		return c.See("/console/targets/"+made.ID, "submitted")
	}
	return p.targetAgain(c, f, nil, err)
}

func (p *pages) targetAgain(c *console.Call, f console.Form, t *runbook.TargetView, refused error) error {
	with, ok := f.With(refused)
	if !ok {
		return refused
	}
	page, err := p.targetEditor(c, with, t)
	if err != nil {
		return err
	}
	return c.Again("target-edit", page)
}

// managedTarget reads the target of a page that only who manages it has a use for.
func (p *pages) managedTarget(c *console.Call) (runbook.TargetView, error) {
	t, err := p.Library.Target(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return t, err
	}
	_, err = principal.Require(c.R.Context(), team(t.TeamID), principal.TeamAdmin)
	return t, err
}

func (p *pages) editTarget(c *console.Call) error {
	t, err := p.managedTarget(c)
	if err != nil {
		return err
	}
	f := console.NewForm(map[string]string{"name": t.Name, "rev": strconv.FormatInt(t.Rev(), 10)})
	d := definition(t)
	if d.Preset == "" {
		d.Preset = "generic"
	}
	targetForm(f.Values, d)
	page, err := p.targetEditor(c, f, &t)
	if err != nil {
		return err
	}
	return c.Show("target-edit", page)
}

func (p *pages) changeTarget(c *console.Call) error {
	f := c.Sent()
	f.Values.Set("target", "")
	t, err := p.managedTarget(c)
	if err != nil {
		return err
	}
	change, err := httpapi.Read[runbook.TargetChange](map[string]any{"name": f.Get("name"), "target": targetOf(f)})
	if err == nil {
		_, err = p.Library.ChangeTarget(c.R.Context(), t.ID, change, matches(f.Get("rev")))
	}
	if err == nil {
		return c.See("/console/targets/"+t.ID, "saved")
	}
	if console.Is(err, problem.PreconditionFailed) {
		f.Values.Set("rev", strconv.FormatInt(t.Rev(), 10))
	}
	return p.targetAgain(c, f, &t, err)
}

// decidedTarget leads to the target after a decision, or shows it with why it was not done.
func (p *pages) decidedTarget(c *console.Call, refused error, did string) error {
	if refused == nil {
		return c.See("/console/targets/"+c.R.PathValue("id"), did)
	}
	with, ok := c.Sent().With(refused)
	if console.Is(refused, runbook.SelfApproval) {
		with, ok = said(c.Sent(), refused), true
	}
	if !ok || c.HTMX() {
		return refused
	}
	page, err := p.targetPage(c, with)
	if err != nil {
		return err
	}
	return c.Answer(http.StatusUnprocessableEntity, "target", page)
}

// approveTarget states the revision that was seen: what was written since is not approved unseen.
func (p *pages) approveTarget(c *console.Call) error {
	_, err := p.Library.ApproveTarget(c.R.Context(), c.R.PathValue("id"), seen(c.Sent().Get("rev")))
	return p.decidedTarget(c, err, "approved")
}

func (p *pages) rejectTarget(c *console.Call) error {
	_, err := p.Library.RejectTarget(c.R.Context(), c.R.PathValue("id"), c.Sent().Get("reason"), seen(c.Sent().Get("rev")))
	return p.decidedTarget(c, err, "rejected")
}

// seen is matches for a decision.
func seen(rev string) func(int64) error {
	return func(is int64) error {
		if matches(rev)(is) != nil {
			return problem.New(http.StatusPreconditionFailed, problem.PreconditionFailed, "It was changed while you read it. This is what it is now: look at it once more.")
		}
		return nil
	}
}

func (p *pages) deleteTarget(c *console.Call) error {
	err := p.Library.DeleteTarget(c.R.Context(), c.R.PathValue("id"))
	if err == nil {
		return c.See("/console/targets", "deleted")
	}
	return p.decidedTarget(c, err, "")
}

// targetChanges lists what differs between two definitions, by what a form calls it.
func targetChanges(from, to runbook.Target) []change {
	var all []change
	add := func(what, old, new string, danger bool, why string) {
		if old == new {
			return
		}
		c := change{What: what, Old: old, New: new}
		if danger && from.Type != "" {
			c.Danger = why
		}
		all = append(all, c)
	}
	lines := func(t runbook.Target) (ids, tags, headers string) {
		f := console.NewForm(nil)
		targetForm(f.Values, t)
		return f.Get("target.instanceIds"), f.Get("target.tags"), f.Get("target.headers")
	}
	oldIDs, oldTags, oldHeaders := lines(from)
	newIDs, newTags, newHeaders := lines(to)
	nodes := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	add("Type", from.Type, to.Type, false, "")
	add("Nodes", oldIDs, newIDs, true, "It runs on other nodes.")
	add("Tags", oldTags, newTags, true, "It runs on other nodes.")
	add("At most nodes", nodes(from.MaxNodes), nodes(to.MaxNodes), to.MaxNodes > from.MaxNodes, "It runs on more nodes.")
	add("At once", from.MaxConcurrency, to.MaxConcurrency, true, "More or fewer nodes run at once.")
	add("Errors before it ends", from.MaxErrors, to.MaxErrors, true, "It goes on after more or fewer errors.")
	add("Address", from.URL, to.URL, true, "It is sent somewhere else.")
	add("Made for", from.Preset, to.Preset, false, "")
	if from.Async != to.Async {
		add("Completed by a callback", yes(from.Async), yes(to.Async), false, "")
	}
	add("Headers", oldHeaders, newHeaders, true, "It is sent with other headers.")
	add("Signed with", from.SignWith, to.SignWith, from.SignWith != "", "It is signed by something else, or not at all.")
	return all
}
