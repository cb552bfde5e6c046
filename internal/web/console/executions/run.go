package executions

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"

	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
)

// Running something takes one page: the form of the parameters, and below it
// the preview with the button that starts what it shows. With a script the
// preview is swapped in beside the form; without one the page comes anew. A
// secret stands nowhere but in the field that it was typed into: no page ever
// holds one, so that without a script it is typed once more for the start.
//
// Two hidden fields go with it. key makes a form start one execution, however
// often it is sent. seen names what the last preview showed: what would run
// otherwise is previewed again instead of started.

type runView struct {
	Form     console.Form
	Runbook  runbook.RunbookView
	Version  runbook.Version
	Incident *incident.Incident
	Params   []param
	Paused   string
	Preview  *preview
	Key      string
	Ready    bool                // it can be previewed as it is
	Open     []incident.Incident // without an incident: those that it may be run for
	Notice   string
}

// param is a field of the form.
type param struct {
	runbook.Parameter
	Field    string // its name in the form
	Kind     string // fixed, secret, choice, number, lines or text
	Options  []console.Option
	Value    string
	Missing  string // why a fixed one has no value
	Error    string
	Must     bool // it needs a value that it does not have by itself
	Hints    []string
	External bool
}

const fieldPrefix = "parameters."

// opened reads what the form is about.
func (p *pages) opened(c *console.Call, runbookID, incidentID string) (runView, error) {
	ctx := c.R.Context()
	var v runView
	var err error
	if incidentID != "" {
		inc, err := p.Incidents.Get(ctx, incidentID)
		if err != nil {
			return v, err
		}
		v.Incident = &inc
	}
	if v.Runbook, err = p.Library.Runbook(ctx, runbookID); err != nil {
		return v, err
	}
	asked, err := p.Executions.Ask(ctx, runbookID, optional(incidentID))
	if err != nil {
		return v, err
	}
	v.Version, v.Paused, v.Ready = asked.Version, minute(asked.Paused), true
	for _, of := range asked.Version.Parameters {
		f := field(of)
		f.External = v.Incident != nil && v.Incident.Source.External && of.Template != ""
		if of.Template != "" {
			f.Missing = asked.Missing[of.Name]
			if filled, ok := asked.Filled[of.Name]; ok {
				f.Value = text(filled)
			}
		}
		if f.Must || f.Missing != "" {
			v.Ready = false
		}
		v.Params = append(v.Params, f)
	}
	return v, nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// field is how a parameter is asked for.
func field(of runbook.Parameter) param {
	f := param{Parameter: of, Field: fieldPrefix + of.Name, Kind: "text", Must: of.Required && of.Default == nil && of.Template == ""}
	if of.Default != nil && !of.Secret {
		f.Value = text(of.Default)
	}
	switch {
	case of.Template != "":
		f.Kind = "fixed"
	case of.Secret:
		f.Kind = "secret"
		if of.Default != nil {
			f.Hints = append(f.Hints, "Left empty it is what the runbook says.")
		}
	case len(of.Enum) > 0:
		f.Kind = "choice"
		for _, e := range of.Enum {
			f.Options = append(f.Options, console.Option{Value: text(e), Name: text(e)})
		}
	case of.Type == runbook.Boolean:
		f.Kind = "choice"
		f.Options = []console.Option{{Value: "true", Name: "true"}, {Value: "false", Name: "false"}}
	case of.Type == runbook.Integer || of.Type == runbook.Number:
		f.Kind = "number"
	case of.MaxLength == nil && of.Pattern == "" || of.MaxLength != nil && *of.MaxLength > 200:
		f.Kind = "lines"
	}
	if f.Kind == "fixed" {
		return f
	}
	if of.Type == runbook.Integer {
		f.Hints = append(f.Hints, "A whole number.")
	}
	if of.Pattern != "" {
		f.Hints = append(f.Hints, "All of it has to match "+of.Pattern)
	}
	if of.MaxLength != nil {
		f.Hints = append(f.Hints, "At most "+strconv.Itoa(*of.MaxLength)+" characters.")
	}
	return f
}

// request is what the form asks to run. An empty field is no value: the
// runbook's default is taken then, or none.
func (v runView) request(f console.Form) execution.Request {
	r := execution.Request{RunbookID: v.Runbook.ID, Parameters: map[string]any{}, IdempotencyKey: v.Key}
	if v.Incident != nil {
		r.IncidentID = &v.Incident.ID
	}
	for _, of := range v.Params {
		if text := f.Get(of.Field); text != "" && of.Template == "" {
			r.Parameters[of.Name] = typed(of.Type, text)
		}
	}
	return r
}

// typed reads a field's text as JSON would have held it. What cannot be read
// stays a text, of which the service says what is wrong.
func typed(as, text string) any {
	switch as {
	case runbook.Boolean:
		if b, err := strconv.ParseBool(text); err == nil && (text == "true" || text == "false") {
			return b
		}
	case runbook.Integer, runbook.Number:
		text = strings.TrimSpace(text)
		if n, err := strconv.ParseFloat(text, 64); err == nil && strings.Trim(text, "0123456789+-.eE") == "" {
			return n
		}
	}
	return text
}

// fill puts what was typed, and what is wrong with it, into the fields. A secret is not put anywhere.
func (v *runView) fill(f console.Form) {
	v.Form = f
	for i := range v.Params {
		of := &v.Params[i]
		if of.Kind == "fixed" {
			of.Missing = firstOf(f.Error(of.Field), of.Missing)
			continue
		}
		of.Error = f.Error(of.Field)
		if of.Kind == "secret" {
			of.Value = ""
		} else if _, sent := f.Values[of.Field]; sent {
			of.Value = f.Get(of.Field)
		}
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// blank is the form as it begins; without a runbook it is what to choose from.
func (p *pages) blank(c *console.Call) error {
	q := c.R.URL.Query()
	if q.Get("runbookId") == "" {
		var inc *incident.Incident
		if q.Get("incidentId") != "" {
			is, err := p.Incidents.Get(c.R.Context(), q.Get("incidentId"))
			if err != nil {
				return err
			}
			inc = &is
		}
		return p.choose(c, inc)
	}
	v, err := p.opened(c, q.Get("runbookId"), q.Get("incidentId"))
	bound := q.Get("incidentId") == "" && console.Is(err, "service_mismatch")
	if err != nil && !bound {
		return err
	}
	if v.Incident == nil {
		if err := p.openFor(c, &v); err != nil {
			return err
		}
	}
	if bound {
		return c.Show("which", v.page())
	}
	v.Key = rand.Text()
	if v.Ready { // it needs nobody's word
		if err := p.look(c, &v, v.request(console.Form{})); err != nil && !console.Is(err, runbook.ParameterInvalid) {
			return err
		}
	}
	return c.Show("run", v.page())
}

// offered is how many open incidents a form without one leads to.
const offered = 8

// openFor adds the incidents that are open and that the runbook fits.
func (p *pages) openFor(c *console.Call, v *runView) error {
	f := incident.Filter{}
	if v.Runbook.ServiceID != nil {
		f.ServiceID = *v.Runbook.ServiceID
	}
	if v.Runbook.TeamID != nil {
		f.TeamID = *v.Runbook.TeamID
	}
	open, err := p.Incidents.Unresolved(c.R.Context(), f)
	v.Open = open[:min(len(open), offered)]
	return err
}

// Service is the id of the service that the runbook is bound to, "" for none.
func (v runView) Service() string {
	if v.Runbook.ServiceID == nil {
		return ""
	}
	return *v.Runbook.ServiceID
}

func (v runView) page() console.Page {
	return console.Page{Title: "Run " + v.Runbook.Name, Crumbs: above(v.Incident), View: v}
}

// sent reads a form that came back.
func (p *pages) sent(c *console.Call) (runView, console.Form, error) {
	f := c.Sent()
	v, err := p.opened(c, f.Get("runbookId"), f.Get("incidentId"))
	if v.Key = f.Get("key"); len(v.Key) < 16 || len(v.Key) > 64 {
		v.Key = rand.Text()
		f.Values.Del("seen") // a form without a key starts nothing
	}
	return v, f, err
}

// preview shows what would run, and runs nothing.
func (p *pages) preview(c *console.Call) error {
	v, f, err := p.sent(c)
	if err != nil {
		return err
	}
	err = p.look(c, &v, v.request(f))
	if err == nil {
		v.fill(f)
		return p.swap(c, http.StatusOK, v)
	}
	return p.wrong(c, v, f, err)
}

// wrong shows the form with what is wrong in it.
func (p *pages) wrong(c *console.Call, v runView, f console.Form, err error) error {
	with, ok := f.With(err)
	if !ok {
		return err
	}
	v.Preview = nil
	v.fill(with)
	return p.swap(c, http.StatusUnprocessableEntity, v)
}

// swap answers the page, or to a script the part with the preview and what is
// said at each field.
func (p *pages) swap(c *console.Call, status int, v runView) error {
	if c.HTMX() {
		return c.Fragment("run-part", v)
	}
	return c.Answer(status, "run", v.page())
}

// start runs what the preview showed.
func (p *pages) start(c *console.Call) error {
	v, f, err := p.sent(c)
	if err != nil {
		return err
	}
	r := v.request(f)
	if err := p.look(c, &v, r); err != nil {
		return p.wrong(c, v, f, err)
	}
	if f.Get("seen") != v.Preview.Seen {
		v.Notice = "This is what would run. It is not what you looked at before: look again, then run it."
		v.fill(f)
		return p.swap(c, http.StatusConflict, v)
	}
	is, _, err := p.Executions.Trigger(c.R.Context(), r)
	switch {
	case console.Is(err, "idempotency_mismatch"):
		v.Key, v.Notice = rand.Text(), "This form has started an execution already, with other values. To start another one, run it again."
		v.fill(f)
		return p.swap(c, http.StatusConflict, v)
	case console.Is(err, execution.AutomationPaused):
		why, _ := f.With(err)
		v.Paused = minute(why.Text)
		v.fill(f)
		return p.swap(c, http.StatusConflict, v)
	case err != nil:
		return p.wrong(c, v, f, err)
	}
	return c.See("/console/executions/"+is.ID, "started")
}
