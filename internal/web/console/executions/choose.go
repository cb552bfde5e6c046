package executions

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
)

// fit is a runbook that may be run for an incident.
type fit struct {
	runbook.RunbookView
	Why    string // it fits: "for this service"
	Record *record
	Run    string // the path of running it
}

// record is how a runbook did lately.
type record struct {
	Good, Of int // how many of the last that ended completed; cancelled ones do not count
	Last     *row
}

// Rate says how often it works.
func (r record) Rate() string {
	switch {
	case r.Of == 0:
		return "never ran"
	case r.Of == 1 && r.Good == 1:
		return "worked once"
	case r.Of == 1:
		return "failed once"
	}
	return fmt.Sprintf("worked %d of %d times", r.Good, r.Of)
}

// lately is how many executions a record is made of.
const lately = 20

func (p *pages) record(c *console.Call, runbookID string) ([]execution.View, record, error) {
	views, _, err := p.Executions.List(c.R.Context(), execution.Filter{RunbookID: runbookID}, httpapi.Page{Limit: lately})
	var r record
	for i, v := range views {
		if i == 0 {
			last := rowOf(c, v)
			r.Last = &last
		}
		if v.Status.Final() && v.Status != execution.Cancelled {
			r.Of++
			if v.Status == execution.Completed {
				r.Good++
			}
		}
	}
	return views, r, err
}

// fitting are the runbooks that the caller may run for an incident, those of
// its service first, then the team's, then global ones; deprecated ones last
// of each. Without an incident they are those that need none.
func (p *pages) fitting(c *console.Call, inc *incident.Incident, q string) ([]fit, error) {
	all, err := console.All(func(page httpapi.Page) ([]runbook.RunbookView, string, error) {
		return p.Library.Runbooks(c.R.Context(), runbook.Filter{Query: q}, page)
	})
	if err != nil {
		return nil, err
	}
	var fits []fit
	for _, b := range all {
		if !slices.Contains(b.AllowedActions, "execute") {
			continue
		}
		f := fit{RunbookView: b, Run: "/console/executions/new?runbookId=" + b.ID}
		switch {
		case inc == nil && b.ServiceID != nil:
			continue
		case inc == nil && b.TeamID == nil:
			f.Why = "for every team"
		case inc == nil:
		case b.ServiceID != nil && *b.ServiceID != inc.ServiceID || b.TeamID != nil && *b.TeamID != inc.TeamID:
			continue
		case b.ServiceID != nil:
			f.Why = "for this service"
		case b.TeamID == nil:
			f.Why = "for every team"
		default:
			f.Why = "for every service of the team"
		}
		if inc != nil {
			f.Run += "&incidentId=" + inc.ID
		}
		fits = append(fits, f)
	}
	slices.SortFunc(fits, func(a, b fit) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), byName(a.RunbookView, b.RunbookView))
	})
	return fits, nil
}

func (f fit) rank() int {
	n := 0
	switch {
	case f.ServiceID != nil:
	case f.TeamID != nil:
		n = 2
	default:
		n = 4
	}
	if f.Status == runbook.Deprecated {
		n++
	}
	return n
}

// maxRecords bounds for how many runbooks of a list it is read how they did: one query each.
const maxRecords = 12

func (p *pages) records(c *console.Call, fits []fit) error {
	n := min(len(fits), maxRecords)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range fits[:n] {
		wg.Go(func() {
			_, r, err := p.record(c, fits[i].ID)
			fits[i].Record, errs[i] = &r, err
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

type chooseView struct {
	Incident *incident.Incident
	Q        string
	Fits     []fit
	Text     string // why another choice is needed
}

func (p *pages) choose(c *console.Call, inc *incident.Incident) error {
	v := chooseView{Incident: inc, Q: c.R.URL.Query().Get("q")}
	var err error
	if v.Fits, err = p.fitting(c, inc, v.Q); err != nil {
		return err
	}
	if err := p.records(c, v.Fits); err != nil {
		return err
	}
	if c.HTMX() {
		return c.Fragment("choices", v)
	}
	return c.Show("choose", console.Page{Title: "Run a runbook", Crumbs: above(inc), View: v})
}

// above leads back to the incident for which something is run.
func above(inc *incident.Incident) []console.Crumb {
	if inc == nil {
		return crumbs
	}
	return []console.Crumb{{Name: "Incidents", Path: "/console/incidents"}, {Name: inc.Title, Path: "/console/incidents/" + inc.ID}}
}

// best is how many runbooks an incident's page offers.
const best = 5

type forView struct {
	Incident incident.Incident
	Fits     []fit
	More     int // how many fit beyond these
	Rows     []row
	Older    bool // there are more executions than Rows
	May      bool
}

// forIncident is the part of an incident's page about executions.
func (p *pages) forIncident(c *console.Call) error {
	inc, err := p.Incidents.Get(c.R.Context(), c.R.URL.Query().Get("incidentId"))
	if err != nil {
		return err
	}
	v := forView{Incident: inc, May: c.Can(inc.TeamID, principal.Responder)}
	views, next, err := p.Executions.List(c.R.Context(), execution.Filter{IncidentID: inc.ID}, httpapi.Page{Limit: 6})
	if err != nil {
		return err
	}
	v.Rows, v.Older = rowsOf(c, views), next != ""
	if v.May {
		fits, err := p.fitting(c, &inc, "")
		if err != nil {
			return err
		}
		v.Fits = fits[:min(len(fits), best)]
		v.More = len(fits) - len(v.Fits)
		if err := p.records(c, v.Fits); err != nil {
			return err
		}
	}
	return c.Fragment("for-incident", v)
}

type ofView struct {
	RunbookID string
	Record    record
	Rows      []row
}

// ofRunbook is the part of a runbook's page about executions.
func (p *pages) ofRunbook(c *console.Call) error {
	runbookID := c.R.URL.Query().Get("runbookId")
	if !id.Valid(id.Runbook, runbookID) {
		return problem.Missing()
	}
	if _, err := p.Library.Runbook(c.R.Context(), runbookID); err != nil {
		return err
	}
	views, r, err := p.record(c, runbookID)
	if err != nil {
		return err
	}
	return c.Fragment("of-runbook", ofView{runbookID, r, rowsOf(c, views[:min(len(views), 8)])})
}

// serving is the part of a service's page about its runbooks.
func (p *pages) serving(c *console.Call) error {
	s, err := p.Incidents.GetService(c.R.Context(), c.R.URL.Query().Get("serviceId"))
	if err != nil {
		return err
	}
	books, err := console.All(func(page httpapi.Page) ([]runbook.RunbookView, string, error) {
		return p.Library.Runbooks(c.R.Context(), runbook.Filter{ServiceID: s.ID}, page)
	})
	if err != nil {
		return err
	}
	var fits []fit
	for _, b := range books {
		if b.Status != runbook.Archived {
			fits = append(fits, fit{RunbookView: b})
		}
	}
	slices.SortFunc(fits, func(a, b fit) int { return byName(a.RunbookView, b.RunbookView) })
	if err := p.records(c, fits); err != nil {
		return err
	}
	return c.Fragment("serving", fits)
}
