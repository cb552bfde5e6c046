package statuspages

import (
	"cmp"
	"slices"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/status"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/pageform"
)

// draft is what every form has that says something of a page: what it can
// touch, and who it can be meant for.
type draft struct {
	Form     console.Form
	First    []status.ViewComponent // what was touched before; Groups are the others
	Groups   []choices
	Partners []status.Named
	Audience []console.Option
	Statuses []console.Option
	Chosen   int // partners that are ticked
}

// choices are the components of a group.
type choices struct {
	Name       string
	Components []status.ViewComponent
}

var audiences = []console.Option{{Value: pageform.All, Name: "Everybody who sees what it touches"}, {Value: pageform.Chosen, Name: "Only those chosen"}}

func (p *pages) draft(c *console.Call, h head, f console.Form) (draft, error) {
	d := draft{Form: f, Audience: audiences, Statuses: statuses, Chosen: len(f.All(pageform.Access))}
	seen, err := p.desk.Preview(c.R.Context(), h.ID)
	if err != nil {
		return d, err
	}
	for _, one := range seen.Components {
		if n := len(d.Groups); n == 0 || d.Groups[n-1].Name != one.Group {
			d.Groups = append(d.Groups, choices{Name: one.Group})
		}
		g := &d.Groups[len(d.Groups)-1]
		g.Components = append(g.Components, one)
	}
	choices, err := p.desk.Choices(c.R.Context(), h.ID)
	d.Partners = choices.Partners
	return d, err
}

// first puts the components that were touched before all others.
func (d *draft) first(before []status.Touched) {
	var groups []choices
	for _, g := range d.Groups {
		rest := choices{Name: g.Name}
		for _, one := range g.Components {
			if slices.ContainsFunc(before, func(t status.Touched) bool { return t.ID == one.ID }) {
				d.First = append(d.First, one)
			} else {
				rest.Components = append(rest.Components, one)
			}
		}
		if len(rest.Components) > 0 {
			groups = append(groups, rest)
		}
	}
	d.Groups = groups
}

type incidentRow struct {
	status.PageIncident
	Began   console.Moment
	Changed console.Moment
}

type incidentsView struct {
	head
	Rows  []incidentRow
	Pager console.Pager
}

func (p *pages) incidents(c *console.Call) error {
	h, err := p.head(c, "Incidents")
	if err != nil {
		return err
	}
	v := incidentsView{head: h}
	items, pager, err := console.List(c, p.desk.Cursors, func(page httpapi.Page) ([]status.PageIncident, string, error) {
		return p.desk.ListIncidents(c.R.Context(), h.ID, page)
	})
	if err != nil {
		return err
	}
	v.Pager = pager
	for _, i := range items {
		v.Rows = append(v.Rows, incidentRow{i, c.Ago(i.CreatedAt), c.Ago(i.UpdatedAt)})
	}
	return c.Show("page-incidents", h.titled("Incidents of "+h.Name, v))
}

type newIncidentView struct {
	head
	draft
	Internal string // the team's incident that it tells of, ""
}

func (p *pages) newIncidentPage(c *console.Call, h head, f console.Form) (console.Page, error) {
	d, err := p.draft(c, h, f)
	return h.titled("Publish an incident", newIncidentView{h, d, f.Get("internalIncidentId")}), err
}

// blankIncident is the form, empty or filled from a proposal. Nothing is said
// before somebody sends it.
func (p *pages) blankIncident(c *console.Call) error {
	h, err := p.responder(c, "Incidents")
	if err != nil {
		return err
	}
	f := console.NewForm(map[string]string{"impact": string(status.ImpactMinor), "status": string(status.Investigating), pageform.Audience: pageform.All})
	if from := c.R.URL.Query().Get("proposal"); from != "" {
		proposals, err := p.desk.Proposals(c.R.Context(), h.ID)
		if err != nil {
			return err
		}
		n := slices.IndexFunc(proposals, func(one status.Proposal) bool { return one.InternalIncidentID == from })
		if n < 0 { // it was published or resolved since
			return c.See(h.At, "")
		}
		one := proposals[n]
		for name, v := range map[string]string{
			"title": one.Title, "impact": string(one.Impact), "status": string(one.Status), "body": one.Body, "internalIncidentId": one.InternalIncidentID,
		} {
			f.Values.Set(name, v)
		}
		for _, t := range one.Components {
			f.Values.Set(pageform.Status+t.ID, string(t.Status))
		}
	}
	page, err := p.newIncidentPage(c, h, f)
	if err != nil {
		return err
	}
	return c.Show("page-incident-new", page)
}

func (p *pages) publish(c *console.Call) error {
	f := c.Sent()
	pageID := c.R.PathValue("id")
	audience, err := pageform.Addressed(f)
	var n status.NewIncident
	if err == nil {
		n, err = httpapi.Read[status.NewIncident](map[string]any{
			"title": f.Get("title"), "impact": f.Get("impact"), "status": f.Get("status"), "body": f.Get("body"), "components": pageform.Touched(f),
			"audience": audience, "internalIncidentId": orNull(f.Get("internalIncidentId")),
		})
	}
	var made status.PageIncident
	if err == nil {
		made, err = p.desk.Publish(c.R.Context(), pageID, n)
	}
	if err == nil {
		return c.See(root+"/"+pageID+"/incidents/"+made.ID, "published")
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	h, err := p.responder(c, "Incidents")
	if err != nil {
		return err
	}
	page, err := p.newIncidentPage(c, h, with)
	if err != nil {
		return err
	}
	return c.Again("page-incident-new", page)
}

type incidentView struct {
	head
	draft
	Incident status.PageIncident
	Began    console.Moment
	Resolved console.Moment
	By       console.Person
	Internal string
	Everyone bool     // or For alone
	For      []string // names of who it is meant for
	Touched  []touched
	Updates  []update
	Edits    []edit
	May      []console.Option // the statuses that an update may give it
}

type touched struct {
	Name   string
	Status status.ComponentStatus
}

type update struct {
	Status  string
	Body    string
	When    console.Moment
	Said    string // the time in the page's zone
	By      console.Person
	Touched []touched
}

type edit struct {
	Field string
	When  console.Moment
	By    console.Person
}

func (p *pages) incident(c *console.Call) error {
	h, err := p.head(c, "Incidents")
	if err != nil {
		return err
	}
	return p.showIncident(c, h, console.Form{}, c.Show)
}

// showIncident shows an incident, and the form of its next update as f has it.
func (p *pages) showIncident(c *console.Call, h head, f console.Form, show func(string, console.Page) error) error {
	i, err := p.desk.GetIncident(c.R.Context(), h.ID, c.R.PathValue("incidentId"))
	if err != nil {
		return err
	}
	if f.Values == nil {
		f = console.NewForm(map[string]string{"status": string(i.Status)})
	}
	v := incidentView{head: h, Incident: i, Began: c.Ago(i.CreatedAt), Resolved: c.AgoOr(i.ResolvedAt), By: c.By(i.CreatedByID), Internal: text(i.InternalIncidentID)}
	if v.draft, err = p.draft(c, h, f); err != nil {
		return err
	}
	names := v.names()
	v.Everyone, v.For = i.Audience.Value == nil, v.meantFor(i.Audience.Value)
	v.Touched = named(i.Components, names)
	for _, u := range i.Updates {
		v.Updates = append(v.Updates, update{string(u.Status), u.Body, c.Ago(u.At), pageform.Said(u.At, h.Zone), c.By(u.ByID), named(u.Components, names)})
	}
	for _, e := range i.Edits {
		v.Edits = append(v.Edits, edit{e.Field, c.Ago(e.At), c.By(e.ByID)})
	}
	v.first(i.Components) // after all that names them
	v.May = console.Options(words(following(i.Status))...)
	return show("page-incident", h.titled(i.Title, v, console.Crumb{Name: "Incidents", Path: h.At + "/incidents"}))
}

// following are the statuses that an update may give an incident.
func following(s status.IncidentStatus) []status.IncidentStatus {
	open := []status.IncidentStatus{status.Investigating, status.Identified, status.Monitoring, status.Resolved}
	switch s {
	case status.Postmortem:
		return []status.IncidentStatus{status.Postmortem}
	case status.Resolved:
		return append(open, status.Postmortem)
	}
	return open
}

// names are those of the page's components, by id.
func (d draft) names() map[string]string {
	names := map[string]string{}
	for _, g := range d.Groups {
		for _, one := range g.Components {
			names[one.ID] = one.Name
		}
	}
	return names
}

// meantFor are the names of an audience that is not everybody; none is nobody.
func (d draft) meantFor(a *status.Audience) []string {
	if a == nil {
		return nil
	}
	out := []string{}
	for _, accessID := range a.PartnerAccessIDs {
		name := "a partner whose access was revoked"
		if n := slices.IndexFunc(d.Partners, func(one status.Named) bool { return one.ID == accessID }); n >= 0 {
			name = d.Partners[n].Name
		}
		out = append(out, name)
	}
	return out
}

func named(list []status.Touched, names map[string]string) []touched {
	var out []touched
	for _, t := range list {
		out = append(out, touched{cmp.Or(names[t.ID], "a component that was removed"), t.Status})
	}
	return out
}

func (p *pages) say(c *console.Call) error {
	f := c.Sent()
	pageID, incidentID := c.R.PathValue("id"), c.R.PathValue("incidentId")
	n, err := httpapi.Read[status.NewUpdate](map[string]any{"status": f.Get("status"), "body": f.Get("body"), "components": pageform.Touched(f)})
	if err == nil {
		_, err = p.desk.Say(c.R.Context(), pageID, incidentID, n)
	}
	if err == nil {
		return c.See(root+"/"+pageID+"/incidents/"+incidentID, "published")
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	h, err := p.responder(c, "Incidents")
	if err != nil {
		return err
	}
	return p.showIncident(c, h, with, c.Again)
}

type editIncidentView struct {
	head
	draft
	Incident status.PageIncident
}

func (p *pages) editIncidentPage(c *console.Call, f console.Form, refused error) (console.Page, error) {
	h, err := p.responder(c, "Incidents")
	if err != nil {
		return console.Page{}, err
	}
	i, err := p.desk.GetIncident(c.R.Context(), h.ID, c.R.PathValue("incidentId"))
	if err != nil {
		return console.Page{}, err
	}
	if f.Values == nil {
		f = console.NewForm(map[string]string{"title": i.Title, "impact": string(i.Impact), "rev": httpapi.Revision(i.Rev)})
		setAudience(f, i.Audience.Value)
	}
	f = pageform.Stale(f, refused, httpapi.Revision(i.Rev))
	d, err := p.draft(c, h, f)
	above := []console.Crumb{{Name: "Incidents", Path: h.At + "/incidents"}, {Name: i.Title, Path: h.At + "/incidents/" + i.ID}}
	return h.titled("Change an incident", editIncidentView{h, d, i}, above...), err
}

// setAudience fills the fields of an audience.
func setAudience(f console.Form, a *status.Audience) {
	f.Values.Set(pageform.Audience, pageform.All)
	if a != nil {
		f.Values.Set(pageform.Audience, pageform.Chosen)
		f.Values[pageform.Access] = slices.Clone(a.PartnerAccessIDs)
	}
}

func (p *pages) editIncident(c *console.Call) error {
	page, err := p.editIncidentPage(c, console.Form{}, nil)
	if err != nil {
		return err
	}
	return c.Show("page-incident-edit", page)
}

func (p *pages) saveIncident(c *console.Call) error {
	f := c.Sent()
	pageID, incidentID := c.R.PathValue("id"), c.R.PathValue("incidentId")
	audience, err := pageform.Addressed(f)
	var by status.IncidentPatch
	if err == nil {
		by, err = httpapi.Read[status.IncidentPatch](map[string]any{"title": f.Get("title"), "impact": f.Get("impact"), "audience": audience})
	}
	if err == nil {
		_, err = p.desk.Edit(c.R.Context(), pageID, incidentID, f.Get("rev"), by)
	}
	if err == nil {
		return c.See(root+"/"+pageID+"/incidents/"+incidentID, "saved")
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	page, err := p.editIncidentPage(c, with, err)
	if err != nil {
		return err
	}
	return c.Again("page-incident-edit", page)
}
