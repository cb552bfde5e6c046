package incidents

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"pagefree/internal/incident"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/web/console"
)

func (p *pages) serviceRoutes(c *console.Console, api *httpapi.API) {
	s := &pages{c.Room(api, "services", files, nil), p.desk, p.team}
	s.Get("/console/services", s.services)
	s.Post("/console/services", s.addService)
	s.Get("/console/services/new", s.blankService)
	s.Get("/console/services/{id}", s.service)
	s.Get("/console/services/{id}/edit", s.editService)
	s.Post("/console/services/{id}/edit", s.changeService)
	s.Post("/console/services/{id}/delete", s.deleteService)
}

var serviceCrumbs = []console.Crumb{{Name: "Services", Path: "/console/services"}}

// serviceRow is a service in a list.
type serviceRow struct {
	incident.Service
	Team string
	Open []countOf // its open incidents, worst first
}

type servicesView struct {
	Filter console.Form
	Teams  []console.Option // of the services that are listed
	Rows   []serviceRow
	Pager  console.Pager
	Any    bool
	May    bool // make one
}

func (p *pages) services(c *console.Call) error {
	q := c.R.URL.Query()
	f := incident.ServiceFilter{TeamID: q.Get("teamId"), Q: q.Get("q")}
	list, pager, err := console.List(c, p.desk.Cursors, func(page httpapi.Page) ([]incident.Service, string, error) {
		return p.desk.ListServices(c.R.Context(), f, page)
	})
	if err != nil {
		return err
	}
	v := servicesView{Filter: console.Form{Values: q}, Pager: pager, Any: f != incident.ServiceFilter{}, May: c.Who.Best().AtLeast(principal.TeamAdmin)}
	open, err := p.open(c, incident.Filter{TeamID: f.TeamID})
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, s := range list {
		if _, known := names[s.TeamID]; !known {
			if names[s.TeamID], err = p.team(c.R.Context(), s.TeamID); err != nil {
				return err
			}
		}
		v.Rows = append(v.Rows, serviceRow{s, cmp.Or(names[s.TeamID], "a team"), open[s.ID]})
	}
	if c.HTMX() {
		return c.Fragment("service-list", v)
	}
	if v.Teams, err = p.teams(c, principal.Observer); err != nil {
		return err
	}
	return c.Show("services", console.Page{Title: "Services", View: v})
}

// open counts the open incidents by service and severity.
func (p *pages) open(c *console.Call, f incident.Filter) (map[string][]countOf, error) {
	items, err := p.desk.Unresolved(c.R.Context(), f)
	counts := map[string][]countOf{}
	for _, i := range items {
		at := slices.IndexFunc(counts[i.ServiceID], func(n countOf) bool { return n.Severity == i.Severity })
		if at < 0 {
			counts[i.ServiceID] = append(counts[i.ServiceID], countOf{i.Severity, 1})
			continue
		}
		counts[i.ServiceID][at].N++
	}
	return counts, err
}

// teams are those in which the caller has a role. A platform admin's are those
// that have services, and the caller's own.
func (p *pages) teams(c *console.Call, min principal.Role) ([]console.Option, error) {
	var ids []string
	for team, role := range c.Who.Teams {
		if role.AtLeast(min) {
			ids = append(ids, team)
		}
	}
	if c.Who.PlatformAdmin {
		all, err := console.All(func(page httpapi.Page) ([]incident.Service, string, error) {
			return p.desk.ListServices(c.R.Context(), incident.ServiceFilter{}, page)
		})
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			ids = append(ids, s.TeamID)
		}
	}
	slices.Sort(ids)
	var options []console.Option
	for _, team := range slices.Compact(ids) {
		name, err := p.team(c.R.Context(), team)
		if err != nil {
			return nil, err
		}
		options = append(options, console.Option{Value: team, Name: cmp.Or(name, team)})
	}
	slices.SortFunc(options, func(a, b console.Option) int { return cmp.Compare(a.Name, b.Name) })
	return options, nil
}

type serviceView struct {
	incident.Service
	Team  string
	Maker console.Person
	Made  console.Moment
	Rows  []row
	May   bool // change it
	Opens bool // open an incident of it
	Text  string
}

func (p *pages) serviceView(c *console.Call) (serviceView, error) {
	s, err := p.desk.GetService(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return serviceView{}, err
	}
	v := serviceView{Service: s, Maker: c.By(s.CreatedByID), Made: c.Ago(s.CreatedAt), May: c.Can(s.TeamID, principal.TeamAdmin), Opens: c.Can(s.TeamID, principal.Responder)}
	if v.Team, err = p.team(c.R.Context(), s.TeamID); err != nil {
		return v, err
	}
	items, _, err := p.desk.List(c.R.Context(), incident.Filter{ServiceID: s.ID}, httpapi.Page{Limit: 10})
	for _, i := range items {
		v.Rows = append(v.Rows, row{Incident: i, Service: s.Name, Opened: c.Ago(i.CreatedAt), By: c.ByOr(i.AcknowledgedByID)})
	}
	return v, err
}

func (p *pages) service(c *console.Call) error {
	v, err := p.serviceView(c)
	if err != nil {
		return err
	}
	return c.Show("service", servicePage(v))
}

func servicePage(v serviceView) console.Page {
	return console.Page{Title: v.Name, Crumbs: serviceCrumbs, View: v}
}

// serviceForm is what a form of a service shows.
type serviceForm struct {
	editView
	Teams []console.Option
}

func (p *pages) serviceNew(c *console.Call, f console.Form) (console.Page, error) {
	teams, err := p.teams(c, principal.TeamAdmin)
	return console.Page{Title: "New service", Crumbs: serviceCrumbs, View: serviceForm{editView{Form: f}, teams}}, err
}

func (p *pages) blankService(c *console.Call) error {
	if !c.Who.Best().AtLeast(principal.TeamAdmin) {
		return problem.Denied("Services are made by the admins of their team.")
	}
	page, err := p.serviceNew(c, console.NewForm(map[string]string{"teamId": c.R.URL.Query().Get("teamId")}))
	if err != nil {
		return err
	}
	return c.Show("service-form", page)
}

// minutes is the field of when an incident escalates: nil where it is empty.
func minutes(f console.Form) any {
	if f.Get("escalateAfterMinutes") == "" {
		return nil
	}
	return f.Number("escalateAfterMinutes")
}

func (p *pages) addService(c *console.Call) error {
	f := c.Sent()
	n, err := httpapi.Read[incident.NewService](map[string]any{
		"name": f.Get("name"), "teamId": f.Get("teamId"), "description": f.Get("description"), "escalateAfterMinutes": minutes(f),
	})
	var made incident.Service
	if err == nil && n.TeamID == "" {
		err = problem.InvalidField("body.teamId", "choose the team that runs it")
	}
	if err == nil {
		made, err = p.desk.CreateService(c.R.Context(), n)
	}
	if err == nil {
		return c.See("/console/services/"+made.ID, "created")
	}
	with, ok := named(f, err)
	if !ok {
		return err
	}
	page, err := p.serviceNew(c, with)
	if err != nil {
		return err
	}
	return c.Again("service-form", page)
}

// named is the form with what is wrong in it; that a name is taken stands at the name.
func named(f console.Form, err error) (console.Form, bool) {
	with, ok := f.With(err)
	if ok && console.Is(err, "name_taken") {
		with.Wrong["name"], with.Text = with.Text, "Some fields need another look."
	}
	return with, ok
}

func formOfService(s incident.Service) console.Form {
	after := ""
	if s.EscalateAfterMinutes != nil {
		after = strconv.Itoa(*s.EscalateAfterMinutes)
	}
	return console.NewForm(map[string]string{"rev": httpapi.Revision(s.Rev), "name": s.Name, "description": s.Description, "escalateAfterMinutes": after})
}

func (p *pages) editService(c *console.Call) error {
	s, err := p.desk.GetService(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	if _, err := principal.Require(c.R.Context(), s.TeamID, principal.TeamAdmin); err != nil {
		return err
	}
	return c.Show("service-form", serviceEdit(serviceForm{editView: editView{Form: formOfService(s), ID: s.ID, Name: s.Name}}))
}

func serviceEdit(v serviceForm) console.Page {
	return console.Page{Title: "Edit " + v.Name, Crumbs: append(serviceCrumbs[:1:1], console.Crumb{Name: v.Name, Path: "/console/services/" + v.ID}), View: v}
}

func (p *pages) changeService(c *console.Call) error {
	f, serviceID := c.Sent(), c.R.PathValue("id")
	patch, err := httpapi.Read[incident.ServicePatch](map[string]any{
		"name": f.Get("name"), "description": f.Get("description"), "escalateAfterMinutes": minutes(f),
	})
	if err == nil {
		_, err = p.desk.UpdateService(c.R.Context(), serviceID, revisionOf(f), patch)
	}
	if err == nil {
		return c.See("/console/services/"+serviceID, "saved")
	}
	with, ok := named(f, err)
	if !ok {
		return err
	}
	s, rerr := p.desk.GetService(c.R.Context(), serviceID)
	if rerr != nil {
		return rerr
	}
	v := serviceForm{editView: editView{Form: with, ID: s.ID, Name: s.Name}}
	if console.Is(err, problem.PreconditionFailed) {
		v.Now = since(with, formOfService(s), "name", "description", "escalateAfterMinutes")
		v.Form.Values.Set("rev", httpapi.Revision(s.Rev))
	}
	return c.Again("service-form", serviceEdit(v))
}

func (p *pages) deleteService(c *console.Call) error {
	err := p.desk.DeleteService(c.R.Context(), c.R.PathValue("id"))
	if err == nil {
		return c.See("/console/services", "deleted")
	}
	with, ok := c.Sent().With(err)
	if !ok {
		return err
	}
	v, rerr := p.serviceView(c)
	if rerr != nil {
		return rerr
	}
	v.Text = with.Text
	return c.Answer(http.StatusConflict, "service", servicePage(v))
}
