// Package integrations is the console's pages of the monitoring systems that
// send alerts: connect one, see what to paste there, and what it sent.
package integrations

import (
	"cmp"
	"context"
	"embed"
	"net/http"
	"slices"
	"strconv"

	"pagefree/internal/incident"
	"pagefree/internal/incident/hook"
	"pagefree/internal/incident/integration"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/trust"
	"pagefree/internal/web/console"
)

//go:embed *.html
var files embed.FS

// Rooms are the services that these pages call. Of Desk they read services.
type Rooms struct {
	Links *integration.Service
	Desk  *incident.Desk
	Team  func(ctx context.Context, teamID string) (name string, found bool, err error)
}

type pages struct {
	*console.Room
	Rooms
}

// Routes adds the pages to api. c may be nil, and r empty, where only the routes are wanted.
func Routes(api *httpapi.API, c *console.Console, r Rooms) {
	p := &pages{c.Room(api, "integrations", files, nil), r}
	p.Get("/console/integrations", p.list)
	p.Post("/console/integrations", p.create)
	p.Get("/console/integrations/new", p.blank)
	p.Get("/console/integrations/{id}", p.show)
	p.Get("/console/integrations/{id}/deliveries", p.deliveries)
	p.Post("/console/integrations/{id}/settings", p.update)
	p.Post("/console/integrations/{id}/secret", p.rotate)
	p.Post("/console/integrations/{id}/delete", p.remove)
}

var crumbs = []console.Crumb{{Name: "Integrations", Path: "/console/integrations"}}

// provider is a monitoring system as people choose it.
type provider struct {
	Name, Label, About string
	Sender             string // where things are pasted: the label, where it names one
	Proof              string // what its deliveries prove, in words
	ByTopic            bool   // it is known by an SNS topic, and has no secret
	Theirs             bool   // the sender makes the secret
	Early              bool   // and one that we make does as well
	Risk               trust.Risk
}

// abouts say what each provider sends.
var abouts = map[string]string{
	"datadog":      "Monitors of Datadog, by a webhook with a payload of ours.",
	"newrelic":     "Issues of New Relic, by a webhook destination and a workflow there.",
	"grafana":      "Alerts of Grafana, by a webhook contact point that signs what it sends.",
	"alertmanager": "Alerts of Prometheus, by a webhook receiver of Alertmanager.",
	"cloudwatch":   "Alarms of CloudWatch, by an SNS topic. There is no secret: SNS signs with a certificate.",
	"pagerduty":    "Incidents of PagerDuty, by a webhook subscription (V3). PagerDuty makes the secret.",
	"github":       "Workflow runs and issues of GitHub, by a webhook of a repository or an organization.",
	"sentry":       "Issues and metric alerts of Sentry, by an internal integration. Sentry makes the secret.",
	"standard":     "Any sender that signs by Standard Webhooks.",
	"generic":      "Everything else that can send JSON over HTTPS with a header.",
}

var proofs = map[trust.Level]string{
	trust.SignedTime: "signed, with its time", trust.Signed: "signed", trust.Bearer: "a secret that travels with each delivery",
}

func providerOf(name string) (provider, bool) {
	p, found := hook.Of(name)
	sender := p.Label
	if p.Name == "generic" || p.Name == "standard" {
		sender = "the sender"
	}
	return provider{Name: p.Name, Label: p.Label, Sender: sender, About: abouts[p.Name], Proof: proofs[p.Trust], ByTopic: p.Name == "cloudwatch",
		Theirs: p.GivenSecret, Early: p.Name == "standard", Risk: p.Trust.Unattended()}, found
}

func providers() []provider {
	var all []provider
	for _, name := range hook.Names() {
		p, _ := providerOf(name)
		all = append(all, p)
	}
	return all
}

// services are those that alerts can be about: of the teams that the caller
// administers. Where these are several, each is named with its team.
func (p *pages) services(c *console.Call) (byID map[string]incident.Service, options []console.Option, err error) {
	list, err := console.All(func(page httpapi.Page) ([]incident.Service, string, error) {
		return p.Desk.ListServices(c.R.Context(), incident.ServiceFilter{}, page)
	})
	if err != nil {
		return nil, nil, err
	}
	byID, teams := map[string]incident.Service{}, map[string]string{}
	for _, s := range list {
		byID[s.ID] = s
		if _, known := teams[s.TeamID]; known || !c.Can(s.TeamID, principal.TeamAdmin) {
			continue
		}
		if teams[s.TeamID], _, err = p.Team(c.R.Context(), s.TeamID); err != nil {
			return nil, nil, err
		}
	}
	for _, s := range list {
		if team, mine := teams[s.TeamID]; mine && len(teams) > 1 {
			options = append(options, console.Option{Value: s.ID, Name: s.Name + " (" + team + ")"})
		} else if mine {
			options = append(options, console.Option{Value: s.ID, Name: s.Name})
		}
	}
	slices.SortFunc(options, func(a, b console.Option) int { return cmp.Compare(a.Name, b.Name) })
	return byID, options, nil
}

type row struct {
	integration.View
	Label   string
	Service string
	Made    console.Moment
}

func (p *pages) list(c *console.Call) error {
	byID, _, err := p.services(c)
	if err != nil {
		return err
	}
	items, pager, err := console.List(c, p.Links.Cursors, func(page httpapi.Page) ([]integration.View, string, error) {
		return p.Links.List(c.R.Context(), "", page)
	})
	if err != nil {
		return err
	}
	var rows []row
	for _, i := range items {
		of, _ := providerOf(i.Provider)
		rows = append(rows, row{i, cmp.Or(of.Label, i.Provider), cmp.Or(byID[i.ServiceID].Name, "a deleted service"), c.Ago(i.CreatedAt)})
	}
	return c.Show("integrations", console.Page{Title: "Integrations", View: map[string]any{"Rows": rows, "Pager": pager}})
}

type formView struct {
	Form      console.Form
	Provider  provider
	Providers []provider // to choose from first
	Services  []console.Option
	Risks     []console.Option
}

func (p *pages) form(c *console.Call, of provider, f console.Form) (console.Page, error) {
	_, services, err := p.services(c)
	return console.Page{Title: "Connect " + of.Label, Crumbs: append(crumbs[:1:1], console.Crumb{Name: "New", Path: "/console/integrations/new"}),
		View: formView{Form: f, Provider: of, Services: services, Risks: risks(c, of.Risk)}}, err
}

// risks are the ceilings that the caller may choose, below one and at it: only
// a platform admin goes above.
func risks(c *console.Call, most trust.Risk) []console.Option {
	var out []console.Option
	for _, r := range []console.Option{{Value: "LOW", Name: "Low: anything riskier waits for a person"}, {Value: "MEDIUM", Name: "Low and medium"}, {Value: "HIGH", Name: "Any risk"}} {
		if c.Who.PlatformAdmin || most.Covers(trust.Risk(r.Value)) {
			out = append(out, r)
		}
	}
	return out
}

func (p *pages) blank(c *console.Call) error {
	if !c.Who.Best().AtLeast(principal.TeamAdmin) {
		return problem.Denied("This needs the role %s in a team.", principal.TeamAdmin)
	}
	q := c.R.URL.Query()
	of, found := providerOf(q.Get("provider"))
	if !found {
		return c.Show("which-provider", console.Page{Title: "Connect a monitoring system", Crumbs: crumbs, View: formView{Providers: providers()}})
	}
	page, err := p.form(c, of, console.NewForm(map[string]string{"name": of.Label, "serviceId": q.Get("serviceId"), "unattendedRisk": string(of.Risk), "once": c.Once()}))
	if err != nil {
		return err
	}
	return c.Show("integration-new", page)
}

func (p *pages) create(c *console.Call) error {
	f := c.Sent()
	of, found := providerOf(f.Get("provider"))
	if !found {
		return problem.InvalidField("body.provider", "this provider is not known")
	}
	service, err := p.Desk.GetService(c.R.Context(), f.Get("serviceId"))
	if console.Is(err, problem.NotFound) {
		err = problem.InvalidField("body.serviceId", "choose a service of your teams")
	}
	var made integration.View
	if err == nil {
		body := map[string]any{"name": f.Get("name"), "provider": of.Name, "teamId": service.TeamID, "serviceId": service.ID}
		for _, name := range []string{"secret", "topicArn", "unattendedRisk"} {
			if v := f.Get(name); v != "" {
				body[name] = v
			}
		}
		var n integration.New
		if n, err = httpapi.Read[integration.New](body); err == nil {
			n.Form = f.Get("once")
			made, err = p.Links.Create(c.R.Context(), n)
		}
	}
	if err == nil { // not led elsewhere: its secret is shown this once
		return p.answer(c, http.StatusCreated, made, showView{Fresh: true, Secret: made.Secret})
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	with.Values.Del("secret")                 // it is typed once more, and stands in no page
	if console.Is(err, problem.AlreadyMade) { // by a reload of the page that showed its secret, as a rule
		with.Values.Set("once", c.Once())
	}
	page, err := p.form(c, of, with)
	if err != nil {
		return err
	}
	return c.Again("integration-new", page)
}

type showView struct {
	integration.View
	Of         provider
	Fresh      bool    // it was made just now
	Secret     *string // that was made just now
	Until      console.Moment
	Rotated    bool
	Service    string
	Team       string
	Made       console.Moment
	By         console.Person
	Steps      []string
	Form       console.Form
	Risks      []console.Option
	Deliveries []deliveryRow
	Pager      console.Pager
}

type deliveryRow struct {
	integration.Delivery
	When     console.Moment
	Incident string
}

// answer shows an integration; v says what happened to it just now.
func (p *pages) answer(c *console.Call, status int, i integration.View, v showView) error {
	v.View = i
	v.Of, _ = providerOf(i.Provider)
	v.Of.Label, v.Of.Sender = cmp.Or(v.Of.Label, i.Provider), cmp.Or(v.Of.Sender, "the sender")
	v.Made, v.By, v.Risks, v.Steps = c.Ago(i.CreatedAt), c.By(i.CreatedByID), risks(c, i.UnattendedRisk), i.Instructions
	if i.SecretMissing && len(v.Steps) > 0 { // the page has a field for that
		v.Steps = v.Steps[1:]
	}
	if v.Form.Values == nil {
		v.Form = console.NewForm(nil)
	}
	for name, is := range map[string]string{"name": i.Name, "unattendedRisk": string(i.UnattendedRisk)} {
		if _, typed := v.Form.Values[name]; !typed { // another form of the page was sent
			v.Form.Values.Set(name, is)
		}
	}
	s, err := p.Desk.GetService(c.R.Context(), i.ServiceID)
	if err != nil && !console.Is(err, problem.NotFound) {
		return err
	}
	v.Service = cmp.Or(s.Name, "a deleted service")
	if v.Team, _, err = p.Team(c.R.Context(), i.TeamID); err != nil {
		return err
	}
	if err := p.came(c, &v); err != nil {
		return err
	}
	return c.Answer(status, "integration", console.Page{Title: i.Name, Crumbs: crumbs, View: v})
}

// came reads the deliveries of an integration.
func (p *pages) came(c *console.Call, v *showView) error {
	list, pager, err := console.List(c, p.Links.Cursors, func(page httpapi.Page) ([]integration.Delivery, string, error) {
		page.Limit = 20
		return p.Links.Deliveries(c.R.Context(), v.ID, page)
	})
	v.Pager = pager
	for _, d := range list {
		r := deliveryRow{Delivery: d, When: c.Ago(d.At)}
		if d.IncidentID != nil {
			r.Incident = *d.IncidentID
		}
		v.Deliveries = append(v.Deliveries, r)
	}
	return err
}

func (p *pages) show(c *console.Call) error {
	i, err := p.Links.Get(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	return p.answer(c, http.StatusOK, i, showView{})
}

// deliveries is the part of the page that tells what came, to be looked at again.
func (p *pages) deliveries(c *console.Call) error {
	v := showView{}
	v.ID = c.R.PathValue("id")
	if err := p.came(c, &v); err != nil {
		return err
	}
	return c.Fragment("deliveries", v)
}

func (p *pages) update(c *console.Call) error {
	f := c.Sent()
	changed, err := httpapi.Read[integration.Patch](map[string]any{"name": f.Get("name"), "unattendedRisk": f.Get("unattendedRisk")})
	if err == nil {
		rev, _ := strconv.ParseInt(f.Get("rev"), 10, 64) // none is no revision that there is
		_, err = p.Links.Update(c.R.Context(), c.R.PathValue("id"), httpapi.Revision(rev), changed)
	}
	if err != nil {
		return p.again(c, err)
	}
	return c.See("/console/integrations/"+c.R.PathValue("id"), "saved")
}

// rotate replaces the secret, by one that the sender made where a form has it.
func (p *pages) rotate(c *console.Call) error {
	i, err := p.Links.Get(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	if at := c.R.URL.Query().Get("rev"); at != "" && at != strconv.FormatInt(i.Rev, 10) { // by a reload of the page that showed it: the sender's would be dead
		return p.again(c, problem.Again(true))
	}
	var given *string
	if v := c.Sent().Get("secret"); v != "" {
		given = &v
	}
	r, err := p.Links.Rotate(c.R.Context(), i.ID, given)
	if err != nil {
		return p.again(c, err)
	}
	if given != nil {
		return c.See("/console/integrations/"+i.ID, "rotated")
	}
	if i, err = p.Links.Get(c.R.Context(), i.ID); err != nil {
		return err
	}
	return p.answer(c, http.StatusOK, i, showView{Rotated: true, Secret: r.Secret, Until: c.AgoOr(r.PreviousValidUntil)})
}

func (p *pages) remove(c *console.Call) error {
	if err := p.Links.Delete(c.R.Context(), c.R.PathValue("id")); err != nil {
		return p.again(c, err)
	}
	return c.See("/console/integrations", "deleted")
}

// again shows the integration as it is now, with why nothing was done. A
// secret that was typed is not written back.
func (p *pages) again(c *console.Call, refused error) error {
	with, ok := c.Sent().With(refused)
	if !ok || c.HTMX() {
		return refused
	}
	i, err := p.Links.Get(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	with.Values.Del("secret")
	return p.answer(c, http.StatusUnprocessableEntity, i, showView{Form: with})
}
