package runbooks

import (
	"cmp"
	"fmt"
	"net/http"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
)

// waiting is a version, or a target, in the queue of reviews.
type waiting struct {
	runbook.Review
	Path    string
	Name    string
	Team    string
	Service string
	By      console.Person
	Since   console.Moment
}

type reviewsView struct {
	Rows  []waiting
	Pager console.Pager
}

// reviews are what waits for the caller: nothing that they wrote or submitted.
func (p *pages) reviews(c *console.Call) error {
	items, pager, err := console.List(c, p.Library.Cursors, func(page httpapi.Page) ([]runbook.Review, string, error) {
		return p.Library.Reviews(c.R.Context(), page)
	})
	if err != nil {
		return err
	}
	n, err := p.names(c)
	if err != nil {
		return err
	}
	v := reviewsView{Pager: pager}
	for _, r := range items {
		w := waiting{Review: r, Path: fmt.Sprintf("/console/runbooks/%s/versions/%d", r.RunbookID, r.Version), Name: r.RunbookName,
			Service: n.service(r.ServiceID), By: c.By(r.SubmittedByID), Since: c.Ago(r.SubmittedAt)}
		if r.TargetID != "" {
			w.Path, w.Name = "/console/targets/"+r.TargetID, r.TargetName
		}
		if w.Team, err = n.teamOf(r.TeamID); err != nil {
			return err
		}
		v.Rows = append(v.Rows, w)
	}
	return c.Show("reviews", console.Page{Title: "Reviews", View: v})
}

// versionView is one version: what it changes, and what the caller may decide.
type versionView struct {
	head
	Form   console.Form
	Shown  content
	Diff   diffView
	Others []console.Option // versions to compare with
	Submit bool
	Decide bool // approve
	Reject bool
	Own    bool // it waits, and the caller may not approve what they wrote or submitted
	Stale  bool // it waited, and a newer version was written
}

func (p *pages) versionOf(c *console.Call, f console.Form) (versionView, error) {
	v := versionView{Form: f}
	number, err := number(c.R.PathValue("n"))
	if err != nil {
		return v, err
	}
	n, err := p.names(c)
	if err != nil {
		return v, err
	}
	if v.head, err = p.head(c, n); err != nil {
		return v, err
	}
	one, err := p.Library.Version(c.R.Context(), v.ID, number)
	if err != nil {
		return v, err
	}
	v.Shown = p.content(c, n, one)
	from := before(v.Approved(), number)
	for i := min(number+20, v.CurrentVersion); i > max(0, number-20); i-- {
		if i != number {
			name := fmt.Sprintf("version %d", i)
			if i == v.Approved() {
				name += ", which runs"
			}
			v.Others = append(v.Others, console.Option{Value: numeral(i), Name: name})
		}
	}
	if q := c.R.URL.Query(); q.Get("from") != "" {
		if from, err = numberOrNone(q.Get("from")); err != nil {
			return v, err
		}
	}
	if v.Diff, err = p.diff(c, n, v.ID, from, number); err != nil {
		return v, err
	}
	newest, waits := number == v.CurrentVersion, one.Status == runbook.PendingReview
	v.Submit = newest && one.Status == runbook.Draft && v.May("submit")
	v.Decide = newest && waits && v.May("approve")
	v.Reject = waits && (newest && v.May("reject") || !newest && v.Manage && v.Status != runbook.Archived)
	v.Own = newest && waits && v.Manage && v.Status != runbook.Archived && !v.Decide
	v.Stale = waits && !newest
	return v, nil
}

// before is what a version is compared with: what runs, as that is what it
// would replace; else the one before it; else nothing.
func before(approved, n int) int {
	if approved > 0 && approved != n {
		return approved
	}
	return n - 1
}

func numberOrNone(text string) (int, error) {
	if text == "0" {
		return 0, nil
	}
	return number(text)
}

func versionPage(v versionView) console.Page {
	return console.Page{Title: fmt.Sprintf("%s, version %d", v.Name, v.Shown.Version.Version), Crumbs: below(v.RunbookView), View: v}
}

func (p *pages) version(c *console.Call) error {
	v, err := p.versionOf(c, console.Form{})
	if err != nil {
		return err
	}
	return c.Show("version", versionPage(v))
}

// decided leads to the version after an act, or shows it with why it was not done.
func (p *pages) decided(c *console.Call, refused error, did string) error {
	if refused == nil {
		return c.See(fmt.Sprintf("/console/runbooks/%s/versions/%s", c.R.PathValue("id"), c.R.PathValue("n")), did)
	}
	f := c.Sent()
	for _, name := range []string{"note", "reason", "scriptContent"} { // what a refusal may name
		if !f.Values.Has(name) {
			f.Values.Set(name, "")
		}
	}
	with, ok := f.With(refused)
	if console.Is(refused, runbook.SelfApproval) || console.Is(refused, problem.Unavailable) {
		with, ok = said(f, refused), true
	}
	if !ok || c.HTMX() {
		return refused
	}
	v, err := p.versionOf(c, with)
	if err != nil {
		return err
	}
	return c.Answer(http.StatusUnprocessableEntity, "version", versionPage(v))
}

func (p *pages) submit(c *console.Call) error {
	n, err := number(c.R.PathValue("n"))
	if err == nil {
		_, err = p.Library.Submit(c.R.Context(), c.R.PathValue("id"), n)
	}
	return p.decided(c, err, "submitted")
}

// approve says which version was seen by its path. That is enough: a version
// never changes, and the service refuses all but the newest.
func (p *pages) approve(c *console.Call) error {
	n, err := number(c.R.PathValue("n"))
	if err == nil {
		_, err = p.Library.Approve(c.R.Context(), c.R.PathValue("id"), n, c.Sent().Get("note"))
	}
	return p.decided(c, err, "approved")
}

func (p *pages) reject(c *console.Call) error {
	n, err := number(c.R.PathValue("n"))
	if err == nil {
		_, err = p.Library.Reject(c.R.Context(), c.R.PathValue("id"), n, cmp.Or(c.Sent().Get("reason"), c.Sent().Get("note")))
	}
	return p.decided(c, err, "rejected")
}
