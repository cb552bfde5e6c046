package incidents

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/incident/hook"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/web/console"
)

type showView struct {
	incident.Incident
	Service   string // "" for one that was deleted
	Opened    console.Moment
	Maker     console.Person
	Acked     console.Moment
	AckedBy   console.Person
	Resolved  console.Moment
	DoneBy    console.Person
	Escalated console.Moment
	Escalates console.Moment // when it will, if nobody acknowledges it
	Lasted    string         // from its beginning to its end, or to now
	Since     string         // of an open one: when it began, for a script that counts
	Labels    []label
	Raw       string // what an integration sent, as JSON
	Waits     []wait
	Timeline  []entry
	Pager     console.Pager
	Respond   bool // the caller may act on it
	Lead      bool // the caller may see what sent it
	Here      string
	Form      console.Form
}

type label struct{ Name, Value string }

// wait is an execution that waits for a confirmation.
type wait struct {
	ID    string
	Text  string
	Since console.Moment
}

type entry struct {
	incident.Entry
	When console.Moment
	By   console.Person
	Tone string
	What string // in words
}

// Execution leads to the execution that an entry tells of, "" for none.
func (e entry) Execution() string {
	if e.ExecutionID == nil {
		return ""
	}
	return "/console/executions/" + *e.ExecutionID
}

// Run leads to the run of a workflow that an entry tells of, "" for none.
func (e entry) Run() string {
	if e.RunID == nil {
		return ""
	}
	return "/console/workflow-runs/" + *e.RunID
}

// kinds are the kinds of entries in words.
var kinds = map[string]string{
	incident.EntryCreated: "Opened", incident.EntryAlert: "Another alert", incident.EntryUpdated: "Changed", incident.EntryAcknowledged: "Acknowledged",
	incident.EntryResolved: "Resolved", incident.EntryReopened: "Reopened", incident.EntryEscalated: "Escalated: nobody acknowledged it in time",
	incident.EntryNote: "Note", incident.EntryExecution: "Execution", incident.EntryStep: "Workflow step",
}

func (p *pages) view(c *console.Call, f console.Form) (showView, error) {
	incidentID := c.R.PathValue("id")
	i, err := p.desk.Get(c.R.Context(), incidentID)
	if err != nil {
		return showView{}, err
	}
	v := showView{
		Incident: i, Opened: c.Ago(i.CreatedAt), Maker: c.By(i.CreatedByID), Acked: c.AgoOr(i.AcknowledgedAt), AckedBy: c.ByOr(i.AcknowledgedByID),
		Resolved: c.AgoOr(i.ResolvedAt), DoneBy: c.ByOr(i.ResolvedByID), Escalated: c.AgoOr(i.EscalatedAt), Escalates: c.AgoOr(i.EscalateAt),
		Respond: c.Can(i.TeamID, principal.Responder), Lead: c.Can(i.TeamID, principal.TeamAdmin), Form: f, Raw: indented(i.Raw),
	}
	if q := c.R.URL.Query(); q.Get("cursor") != "" {
		v.Here = "&cursor=" + q.Get("cursor")
	}
	end := c.Now()
	if i.ResolvedAt != nil {
		end = i.ResolvedAt.Time
	} else {
		v.Since = i.CreatedAt.String()
	}
	v.Lasted = console.Span(end.Sub(i.CreatedAt.Time).Truncate(time.Second))
	if s, err := p.desk.GetService(c.R.Context(), i.ServiceID); err == nil {
		v.Service = s.Name
	} else if !console.Is(err, "not_found") {
		return v, err
	}
	for _, name := range slices.Sorted(maps.Keys(i.Labels)) {
		v.Labels = append(v.Labels, label{name, i.Labels[name]})
	}
	entries, pager, err := console.List(c, p.desk.Cursors, func(page httpapi.Page) ([]incident.Entry, string, error) {
		return p.desk.Timeline(c.R.Context(), incidentID, page)
	})
	v.Pager = pager
	v.Timeline, v.Waits = story(c, entries)
	v.nameSource()
	return v, err
}

// nameSource says which monitoring system it was, where the page would say
// that an integration opened it: of the one that did, the incident knows.
func (v *showView) nameSource() {
	if v.Source.IntegrationID == nil {
		return
	}
	if v.CreatedByID == *v.Source.IntegrationID {
		v.Maker = console.Person{Name: v.From()}
	}
	if v.ResolvedByID != nil && *v.ResolvedByID == *v.Source.IntegrationID {
		v.DoneBy = console.Person{Name: v.From()}
	}
	for n, e := range v.Timeline {
		if e.Actor.ID == *v.Source.IntegrationID {
			v.Timeline[n].By = console.Person{Name: v.From()}
		}
	}
}

// story are the entries as a page shows them, newest first. Of an execution
// that went on since, that it waited for its turn and ran is left out: what
// became of it tells so. Beside it stand those that wait for a confirmation.
func story(c *console.Call, entries []incident.Entry) (shown []entry, waits []wait) {
	at := map[string]int{} // of an execution's newest entry
	for _, e := range entries {
		line := entry{e, c.Ago(e.At), by(c, e), toneOf(e), kinds[e.Kind]}
		if e.Kind == incident.EntryStep { // its words are the workflow's
			line.Text = console.Plain(e.Text)
		}
		if e.ExecutionID == nil {
			shown = append(shown, line)
			continue
		}
		line.Text, _, _ = strings.Cut(line.Text, ": "+e.Status)
		newest, later := at[*e.ExecutionID]
		switch {
		case !later:
			at[*e.ExecutionID] = len(shown)
			if e.Status == "AWAITING_CONFIRMATION" {
				waits = append(waits, wait{*e.ExecutionID, line.Text, line.When})
			}
		case e.Status == "PENDING" || e.Status == "RUNNING":
			if shown[newest].By.Name == system { // who began it says more
				shown[newest].By = line.By
			}
			continue
		}
		shown = append(shown, line)
	}
	return shown, waits
}

// system is who does what nobody asked for.
const system = "PageFree"

// by is who did what an entry tells of.
func by(c *console.Call, e incident.Entry) console.Person {
	if e.Actor.ID == "" {
		return console.Person{Name: system}
	}
	return c.By(e.Actor.ID)
}

// toneOf colours an entry by what became of the incident or the execution.
func toneOf(e incident.Entry) string {
	if e.Kind == incident.EntryEscalated {
		return "down"
	}
	if e.Status != "" {
		return console.Tone(e.Status)
	}
	return ""
}

// indented is JSON for people, "" for nothing.
func indented(raw incident.Raw) string {
	if len(raw) == 0 {
		return ""
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if e.Encode(map[string]any(raw)) != nil { // it came as JSON
		return ""
	}
	return b.String()
}

// Integration leads to what sent it, "" for nobody, and to whoever may not see it.
func (v showView) Integration() string {
	if !v.Lead || v.Source.IntegrationID == nil || !id.Valid(id.Integration, *v.Source.IntegrationID) {
		return ""
	}
	return "/console/integrations/" + *v.Source.IntegrationID
}

// From names what opened it.
func (v showView) From() string {
	switch kind := v.Source.Kind; kind {
	case "manual":
		return "by hand"
	case "api":
		return "an API key"
	default:
		of, _ := hook.Of(kind)
		return cmp.Or(of.Label, kind)
	}
}

// Proof says what was proved of who sent it.
func (v showView) Proof() string {
	switch v.Source.Trust {
	case "signed_time":
		return "signed, with its time"
	case "signed":
		return "signed"
	case "bearer":
		return "proved by a secret alone"
	}
	return ""
}

func (p *pages) show(c *console.Call) error {
	v, err := p.view(c, console.Form{})
	if err != nil {
		return err
	}
	return c.Show("incident", p.page(v))
}

func (p *pages) page(v showView) console.Page {
	return console.Page{Title: v.Title, Crumbs: crumbs, View: v, Live: true, Keep: true}
}

// live are the parts of the page that follow changes: its head, or with part=timeline that.
func (p *pages) live(c *console.Call) error {
	part := "incident-head"
	if q := c.R.URL.Query(); q.Get("part") == "timeline" {
		part = "incident-timeline"
	}
	q := c.R.URL.Query()
	q.Del("part")
	c.R.URL.Path, c.R.URL.RawQuery = strings.TrimSuffix(c.R.URL.Path, "/live"), q.Encode() // its links lead through the page
	v, err := p.view(c, console.Form{})
	if err != nil {
		return err
	}
	return c.Fragment(part, v)
}

func (p *pages) acknowledge(c *console.Call) error {
	i, err := p.desk.Acknowledge(c.R.Context(), c.R.PathValue("id"))
	return p.acted(c, i, err, "acknowledged")
}

func (p *pages) resolve(c *console.Call) error {
	i, err := p.desk.Resolve(c.R.Context(), c.R.PathValue("id"), strings.TrimSpace(c.Sent().Get("note")))
	return p.acted(c, i, err, "resolved")
}

func (p *pages) reopen(c *console.Call) error {
	i, err := p.desk.Reopen(c.R.Context(), c.R.PathValue("id"))
	return p.acted(c, i, err, "reopened")
}

func (p *pages) acted(c *console.Call, i incident.Incident, err error, did string) error {
	if err != nil {
		return p.again(c, err)
	}
	return c.See("/console/incidents/"+i.ID, did)
}

func (p *pages) note(c *console.Call) error {
	if _, err := p.desk.Note(c.R.Context(), c.R.PathValue("id"), c.Sent().Get("text")); err != nil {
		return p.again(c, err)
	}
	return c.See("/console/incidents/"+c.R.PathValue("id"), "noted")
}

// again shows the incident as it is now, with why the act was not done.
func (p *pages) again(c *console.Call, refused error) error {
	with, ok := c.Sent().With(refused)
	if !ok || c.HTMX() {
		return refused
	}
	v, err := p.view(c, with)
	if err != nil {
		return err
	}
	return c.Answer(http.StatusUnprocessableEntity, "incident", p.page(v))
}
