package runbooks

import (
	"cmp"
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

// head is what every page about a runbook shows of it.
type head struct {
	runbook.RunbookView
	Team    string
	Service string
	By      console.Person
	At      console.Moment // of the approval
	Manage  bool           // the caller is TEAM_ADMIN of its team
}

// May reports whether the caller may do something now.
func (h head) May(verb string) bool { return slices.Contains(h.AllowedActions, verb) }

// Approved is the number of the version that runs, 0 for none.
func (h head) Approved() int {
	if h.ApprovedVersion == nil {
		return 0
	}
	return *h.ApprovedVersion
}

func (p *pages) head(c *console.Call, n *names) (head, error) {
	r, err := p.Library.Runbook(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return head{}, err
	}
	h := head{RunbookView: r, Service: n.service(r.ServiceID), By: c.ByOr(r.ApprovedByID), At: c.AgoOr(r.ApprovedAt), Manage: c.Can(team(r.TeamID), principal.TeamAdmin)}
	h.Team, err = n.teamOf(r.TeamID)
	return h, err
}

func team(id *string) string {
	if id == nil {
		return ""
	}
	return *id
}

// content is a version as pages show it.
type content struct {
	runbook.VersionView
	Script  []line
	On      string // its target in a line
	Service string
	Hour    string // runs in an hour
	By      console.Person
	Made    console.Moment
	Sent    console.Person
	Judge   console.Person
	Judged  console.Moment
}

// Rule is what a parameter takes beside its type.
func (content) Rule(p runbook.Parameter) string { return rule(p) }

func (p *pages) content(c *console.Call, n *names, v runbook.VersionView) content {
	out := content{
		VersionView: v, Script: paint(v.Language, v.ScriptContent, c.Now), On: p.speak(c, n).target(v.Target), Service: n.service(v.ServiceID), Hour: perHour(v.MaxRunsPerHour),
		By: c.By(v.CreatedByID), Made: c.Ago(v.CreatedAt), Sent: c.ByOr(v.SubmittedByID), Judge: c.ByOr(v.ReviewedByID), Judged: c.AgoOr(v.ReviewedAt),
	}
	if v.Check != nil && !v.Check.OK {
		mark(out.Script, v.Check.Line)
	}
	return out
}

// mark shows the line at which a parser stopped.
func mark(script []line, n int) {
	if n >= 1 && n <= len(script) {
		script[n-1].Wrong = true
	}
}

// speak reads settings to people: services and targets by name where the caller may know them.
func (p *pages) speak(c *console.Call, n *names) speak {
	return speak{service: n.service, target: func(t runbook.Target) string {
		return targetText(t, func(id string) string {
			if c.Who.Best().AtLeast(principal.TeamAdmin) {
				if named, err := p.Library.Target(c.R.Context(), id); err == nil {
					return named.Name
				}
			}
			return id
		})
	}}
}

type showView struct {
	head
	Form     console.Form
	Shown    content // the approved version, else the newest
	Versions []content
	Pager    console.Pager
	From, To int // of a diff that was asked for
	Diff     *diffView
}

func (p *pages) view(c *console.Call, f console.Form) (showView, error) {
	n, err := p.names(c)
	if err != nil {
		return showView{}, err
	}
	v := showView{Form: f}
	if v.head, err = p.head(c, n); err != nil {
		return v, err
	}
	id := v.ID
	shown, err := p.Library.Version(c.R.Context(), id, cmp.Or(v.Approved(), v.CurrentVersion))
	if err != nil {
		return v, err
	}
	v.Shown = p.content(c, n, shown)
	versions, pager, err := console.List(c, p.Library.Cursors, func(page httpapi.Page) ([]runbook.VersionView, string, error) {
		return p.Library.Versions(c.R.Context(), id, page)
	})
	if err != nil {
		return v, err
	}
	v.Pager = pager
	for _, one := range versions {
		one.ScriptContent, one.Target = "", runbook.Target{} // a list of versions shows neither, and reads no target for it
		v.Versions = append(v.Versions, p.content(c, n, one))
	}
	q := c.R.URL.Query()
	v.To, v.From = v.CurrentVersion, v.CurrentVersion-1
	if v.Approved() > 0 && v.Approved() != v.CurrentVersion {
		v.From = v.Approved()
	}
	if q.Has("from") || q.Has("to") {
		if v.From, err = number(q.Get("from")); err != nil {
			return v, err
		}
		if v.To, err = number(q.Get("to")); err != nil {
			return v, err
		}
		d, err := p.diff(c, n, id, v.From, v.To)
		if err != nil {
			return v, err
		}
		v.Diff = &d
	}
	return v, nil
}

// diffView is what differs between two versions.
type diffView struct {
	From, To int
	Rows     []pair
	Changes  []change
}

// Dangers counts the changes that deserve a second look.
func (d diffView) Dangers() int {
	n := 0
	for _, c := range d.Changes {
		if c.Danger != "" {
			n++
		}
	}
	return n
}

// diff compares two versions; from 0 is nothing.
func (p *pages) diff(c *console.Call, n *names, id string, from, to int) (diffView, error) {
	d := diffView{From: from, To: to}
	after, err := p.Library.Version(c.R.Context(), id, to)
	if err != nil {
		return d, err
	}
	var before runbook.VersionView
	if from > 0 {
		if before, err = p.Library.Version(c.R.Context(), id, from); err != nil {
			return d, err
		}
	}
	d.Rows = compare(before.ScriptContent, after.ScriptContent)
	d.Changes = changes(before.Version, after.Version, p.speak(c, n))
	return d, nil
}

func (p *pages) show(c *console.Call) error {
	v, err := p.view(c, console.Form{})
	if err != nil {
		return err
	}
	return c.Show("runbook", console.Page{Title: v.Name, Crumbs: crumbs, View: v})
}

// acted leads to the runbook after an act, or shows it with why it was not done.
func (p *pages) acted(c *console.Call, refused error, did string) error {
	id := c.R.PathValue("id")
	if refused == nil {
		return c.See("/console/runbooks/"+url.PathEscape(id), did)
	}
	with, ok := c.Sent().With(refused)
	if !ok || c.HTMX() {
		return refused
	}
	v, err := p.view(c, with)
	if err != nil {
		return err
	}
	return c.Answer(http.StatusUnprocessableEntity, "runbook", console.Page{Title: v.Name, Crumbs: crumbs, View: v})
}

func (p *pages) rollback(c *console.Call) error {
	n, err := number(c.R.URL.Query().Get("version"))
	if err == nil {
		_, err = p.Library.Rollback(c.R.Context(), c.R.PathValue("id"), n, c.Sent().Get("reason"))
	}
	return p.acted(c, err, "rolledback")
}

func (p *pages) deprecate(c *console.Call) error {
	_, err := p.Library.Deprecate(c.R.Context(), c.R.PathValue("id"), c.Sent().Get("reason"))
	return p.acted(c, err, "deprecated")
}

func (p *pages) archive(c *console.Call) error {
	_, err := p.Library.Archive(c.R.Context(), c.R.PathValue("id"), c.Sent().Get("reason"))
	return p.acted(c, err, "archived")
}

func (p *pages) restore(c *console.Call) error {
	_, err := p.Library.Restore(c.R.Context(), c.R.PathValue("id"))
	return p.acted(c, err, "restored")
}

type wordsView struct {
	Form console.Form
	ID   string
}

func (p *pages) words(c *console.Call) error {
	r, err := p.managed(c)
	if err != nil {
		return err
	}
	f := console.NewForm(map[string]string{"name": r.Name, "description": r.Description, "rev": strconv.FormatInt(r.Rev(), 10)})
	return c.Show("runbook-words", console.Page{Title: "Name and description of " + r.Name, Crumbs: below(r), View: wordsView{f, r.ID}})
}

// managed reads the runbook of a page that only who manages it has a use for.
func (p *pages) managed(c *console.Call) (runbook.RunbookView, error) {
	r, err := p.Library.Runbook(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return r, err
	}
	_, err = principal.Require(c.R.Context(), team(r.TeamID), principal.TeamAdmin)
	return r, err
}

func (p *pages) describe(c *console.Call) error {
	f := c.Sent()
	w, err := httpapi.Read[runbook.Words](map[string]any{"name": f.Get("name"), "description": f.Get("description")})
	if err == nil {
		_, err = p.Library.Describe(c.R.Context(), c.R.PathValue("id"), w, matches(f.Get("rev")))
	}
	if err == nil {
		return c.See("/console/runbooks/"+c.R.PathValue("id"), "saved")
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	stale := console.Is(err, problem.PreconditionFailed)
	r, err := p.managed(c)
	if err != nil {
		return err
	}
	if stale {
		with.Values.Set("rev", strconv.FormatInt(r.Rev(), 10))
	}
	return c.Again("runbook-words", console.Page{Title: "Name and description of " + r.Name, Crumbs: below(r), View: wordsView{with, r.ID}})
}

// matches is the If-Match of a form: the revision that it was filled from.
func matches(rev string) func(int64) error {
	return func(is int64) error {
		if rev != strconv.FormatInt(is, 10) {
			return problem.New(http.StatusPreconditionFailed, problem.PreconditionFailed, "Somebody changed this since you opened it. See what it is now; saving again replaces that by yours.")
		}
		return nil
	}
}
