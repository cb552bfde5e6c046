// Package audit is the console's pages of the record: who did what, when and
// from where.
package audit

import (
	"embed"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"pagefree/internal/audit"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/web/console"
)

//go:embed *.html
var files embed.FS

type pages struct {
	*console.Room
	record *audit.Reader
}

// Routes adds the pages to api. c and r may be nil where only the routes are wanted.
func Routes(api *httpapi.API, c *console.Console, r *audit.Reader) {
	p := &pages{c.Room(api, "audit", files, nil), r}
	p.Get("/console/audit", p.list)
	p.Get("/console/audit/of", p.of)
}

// row is an event as a page shows it.
type row struct {
	audit.Event
	When    console.Moment
	What    string // "Runbook approved"
	Actor   thing
	Subject thing
	Detail  []pair
}

// thing is who did something, or what it was done to.
type thing struct {
	console.Person        // a user
	Kind           string // in words, of all others
	Path           string // its page, "" where it has none
	Only           string // the record of it alone
	Called         string // its name, where the page knows it
}

type pair struct{ Name, Value string }

// homes are the pages of things, by the kind of their ids.
var homes = map[string]string{
	id.Runbook: "/console/runbooks/", id.Execution: "/console/executions/", id.Incident: "/console/incidents/", id.Service: "/console/services/",
	id.User: "/console/people/", id.Team: "/console/teams/", id.Target: "/console/targets/", id.Integration: "/console/integrations/",
	id.Workflow: "/console/workflows/", id.WorkflowRun: "/console/workflow-runs/", id.StatusPage: "/console/status-pages/",
	id.Partner: "/console/partners?q=", // all are on one page
}

// pathOf is the page of a thing, "" where it has none.
func pathOf(ref string) string {
	kind, _, _ := strings.Cut(ref, "_")
	if home := homes[kind]; home != "" && id.Valid(kind, ref) {
		return home + ref
	}
	return ""
}

func thingOf(c *console.Call, ref audit.Ref, as string) thing {
	t := thing{Kind: sentence(ref.Kind), Path: pathOf(ref.ID), Only: "/console/audit?" + url.Values{as: {ref.ID}}.Encode()}
	if id.Valid(id.User, ref.ID) {
		t.Person = c.By(ref.ID)
		t.ID = ref.ID
		return t
	}
	t.ID = ref.ID
	return t
}

// sentence is a name of the record as people read it: "workflow.run_started" is "Workflow run started".
func sentence(s string) string {
	s = strings.NewReplacer("apikey", "API key", "api_key", "API key", ".", " ", "_", " ").Replace(s)
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func rows(c *console.Call, events []audit.Event) []row {
	var out []row
	called := names(events)
	for _, e := range events {
		r := row{Event: e, When: c.Ago(e.At), What: sentence(e.Type), Actor: thingOf(c, e.Actor, "actor"), Subject: thingOf(c, e.Subject, "subject")}
		r.Actor.Called, r.Subject.Called = called[e.Actor.ID], called[e.Subject.ID]
		for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
			r.Detail = append(r.Detail, pair{name, shown(e.Detail[name])})
		}
		out = append(out, r)
	}
	return out
}

// names are what things are called, by their ids, as far as the events
// themselves say so: whoever may read the record reads it there too. Events
// come newest first, and the newest name is what a thing is called.
func names(events []audit.Event) map[string]string {
	called := map[string]string{}
	for _, e := range events {
		for _, name := range []string{"name", "partnerName"} {
			if text, is := e.Detail[name].(string); is && text != "" && called[e.Subject.ID] == "" {
				called[e.Subject.ID] = text
			}
		}
	}
	return called
}

// shown is a member of an event's detail: a text as it is, all else as JSON.
func shown(v any) string {
	if s, is := v.(string); is {
		return s
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(raw)
}

type listView struct {
	Form   console.Form
	Rows   []row
	Pager  console.Pager
	Any    bool
	Export string
}

func (p *pages) list(c *console.Call) error {
	form := console.Form{Values: c.R.URL.Query()}
	v := listView{Form: form, Export: "/v1/audit/export?limit=200"}
	f, err := filter(form)
	if err == nil {
		v.Any = f != audit.Filter{}
		var events []audit.Event
		events, v.Pager, err = console.List(c, p.record.Cursors, func(page httpapi.Page) ([]audit.Event, string, error) {
			return p.record.List(c.R.Context(), f, page)
		})
		v.Rows = rows(c, events)
	}
	if err != nil {
		with, ok := located(form, err)
		if !ok {
			return err
		}
		v.Form = with
		return c.Again("audit", console.Page{Title: "Audit", View: v})
	}
	q := url.Values{"limit": {"200"}}
	if !f.From.IsZero() {
		q.Set("from", f.From.Format(time.RFC3339Nano))
	}
	if !f.To.IsZero() {
		q.Set("to", f.To.Format(time.RFC3339Nano))
	}
	v.Export = "/v1/audit/export?" + q.Encode()
	if c.HTMX() {
		return c.Fragment("audit-list", v)
	}
	return c.Show("audit", console.Page{Title: "Audit", View: v})
}

// located is a form with what is wrong in its query, where the service names the parameter.
func located(f console.Form, err error) (console.Form, bool) {
	with, ok := f.With(err)
	with.Text = strings.Replace(with.Text, "Query.", "", 1)
	return with, ok
}

const maxFilter = 80 // bytes of an id or a type

// filter reads the filters of the query. Times are UTC, and to is to the end of its minute.
func filter(form console.Form) (audit.Filter, error) {
	f := audit.Filter{Actor: strings.TrimSpace(form.Get("actor")), Subject: strings.TrimSpace(form.Get("subject")), Type: strings.TrimSpace(form.Get("type"))}
	var wrong []problem.Field
	for name, v := range map[string]string{"actor": f.Actor, "subject": f.Subject, "type": f.Type} {
		if len(v) > maxFilter || !utf8.ValidString(v) {
			wrong = append(wrong, problem.Field{Location: "body." + name, Message: "an id or a type has at most 80 characters"})
		}
	}
	at := func(name string, until time.Duration) time.Time {
		text := form.Get(name)
		if text == "" {
			return time.Time{}
		}
		if t, err := time.Parse("2006-01-02T15:04", text); err == nil {
			return t.Add(until)
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			wrong = append(wrong, problem.Field{Location: "body." + name, Message: "write a time like 2026-11-29T17:45, in UTC"})
		}
		return t.UTC()
	}
	f.From, f.To = at("from", 0), at("to", time.Minute-time.Millisecond)
	if wrong != nil {
		return f, problem.Invalid(wrong...)
	}
	return f, nil
}

// of is a panel of another page: the newest of the record of a thing. Whoever
// may not read the record gets nothing, and is told nothing.
func (p *pages) of(c *console.Call) error {
	subject := c.R.URL.Query().Get("subject")
	if !c.Who.Best().AtLeast(principal.TeamAdmin) || subject == "" || len(subject) > maxFilter || !utf8.ValidString(subject) {
		return c.Fragment("audit-of", listView{})
	}
	events, _, err := p.record.List(c.R.Context(), audit.Filter{Subject: subject}, httpapi.Page{Limit: 8})
	if err != nil {
		return err
	}
	return c.Fragment("audit-of", listView{Rows: rows(c, events), Export: "/console/audit?" + url.Values{"subject": {subject}}.Encode()})
}
