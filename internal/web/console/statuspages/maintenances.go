package statuspages

import (
	"cmp"
	"time"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/pageform"
)

type maintenanceRow struct {
	status.PlannedMaintenance
	From, To string // in the page's zone
}

type maintenancesView struct {
	head
	Rows  []maintenanceRow
	Pager console.Pager
}

func (p *pages) maintenances(c *console.Call) error {
	h, err := p.head(c, "Maintenances")
	if err != nil {
		return err
	}
	items, pager, err := console.List(c, p.desk.Cursors, func(page httpapi.Page) ([]status.PlannedMaintenance, string, error) {
		return p.desk.ListMaintenances(c.R.Context(), h.ID, page)
	})
	if err != nil {
		return err
	}
	v := maintenancesView{head: h, Pager: pager}
	for _, m := range items {
		v.Rows = append(v.Rows, maintenanceRow{m, pageform.Said(m.StartsAt, h.Zone), pageform.Said(m.EndsAt, h.Zone)})
	}
	return c.Show("maintenances", h.titled("Maintenances of "+h.Name, v))
}

type planView struct {
	head
	draft
	ID      string // "" for a new one
	Running bool   // its beginning cannot move
}

func (p *pages) planPage(c *console.Call, h head, of status.PlannedMaintenance, f console.Form) (console.Page, error) {
	d, err := p.draft(c, h, f)
	v := planView{head: h, draft: d, ID: of.ID, Running: of.ID != "" && of.Status != status.Scheduled}
	above := []console.Crumb{{Name: "Maintenances", Path: h.At + "/maintenances"}}
	title := "Plan a maintenance"
	if of.ID != "" {
		title = "Change a maintenance"
		above = append(above, console.Crumb{Name: of.Title, Path: h.At + "/maintenances/" + of.ID})
	}
	return h.titled(title, v, above...), err
}

func (p *pages) blankMaintenance(c *console.Call) error {
	h, err := p.responder(c, "Maintenances")
	if err != nil {
		return err
	}
	next := c.Now().In(h.Zone).Truncate(time.Hour).Add(24 * time.Hour)
	page, err := p.planPage(c, h, status.PlannedMaintenance{}, console.NewForm(map[string]string{
		"startsAt": pageform.InZone(timestamp.Of(next), h.Zone), "endsAt": pageform.InZone(timestamp.Of(next.Add(time.Hour)), h.Zone), pageform.Audience: pageform.All,
	}))
	if err != nil {
		return err
	}
	return c.Show("maintenance-form", page)
}

// plan reads the form of a maintenance as the body of the API. of is what it
// was, whose times stay exactly where the form has them still.
func plan(f console.Form, zone *time.Location, of status.PlannedMaintenance) (map[string]any, error) {
	body := map[string]any{"title": f.Get("title"), "body": f.Get("body"), "components": append([]string{}, f.All(pageform.Components)...)}
	var err error
	if body["audience"], err = pageform.Addressed(f); err != nil {
		return nil, err
	}
	for name, was := range map[string]timestamp.Time{"startsAt": of.StartsAt, "endsAt": of.EndsAt} {
		if of.ID != "" && (f.Get(name) == pageform.InZone(was, zone) || name == "startsAt" && f.Get(name) == "") {
			continue
		}
		if body[name], err = pageform.Time(f, name, zone); err != nil {
			return nil, err
		}
	}
	return body, nil
}

func (p *pages) schedule(c *console.Call) error {
	h, err := p.responder(c, "Maintenances")
	if err != nil {
		return err
	}
	f := c.Sent()
	body, err := plan(f, h.Zone, status.PlannedMaintenance{})
	var n status.NewMaintenance
	if err == nil {
		n, err = httpapi.Read[status.NewMaintenance](body)
	}
	var made status.PlannedMaintenance
	if err == nil {
		made, err = p.desk.Schedule(c.R.Context(), h.ID, n)
	}
	if err == nil {
		return c.See(h.At+"/maintenances/"+made.ID, "created")
	}
	return p.planAgain(c, h, status.PlannedMaintenance{}, err)
}

func (p *pages) planAgain(c *console.Call, h head, of status.PlannedMaintenance, refused error) error {
	with, ok := c.Sent().With(refused)
	if !ok {
		return refused
	}
	page, err := p.planPage(c, h, of, pageform.Stale(with, refused, httpapi.Revision(of.Rev)))
	if err != nil {
		return err
	}
	return c.Again("maintenance-form", page)
}

type maintenanceView struct {
	head
	draft
	Maintenance status.PlannedMaintenance
	From, To    string
	Starts      console.Moment
	By          console.Person
	Everyone    bool // or For alone
	For         []string
	Over        []string // names of the components
	There       []string // ids of those that the page has still
	Updates     []update
	Edits       []edit
	Open        bool // it may change
	May         []console.Option
}

func (p *pages) maintenance(c *console.Call) error {
	h, err := p.head(c, "Maintenances")
	if err != nil {
		return err
	}
	return p.showMaintenance(c, h, console.Form{}, c.Show)
}

func (p *pages) showMaintenance(c *console.Call, h head, f console.Form, show func(string, console.Page) error) error {
	m, err := p.desk.GetMaintenance(c.R.Context(), h.ID, c.R.PathValue("maintenanceId"))
	if err != nil {
		return err
	}
	if f.Values == nil {
		f = console.NewForm(map[string]string{"status": string(m.Status)})
	}
	v := maintenanceView{head: h, Maintenance: m, From: pageform.Said(m.StartsAt, h.Zone), To: pageform.Said(m.EndsAt, h.Zone), Starts: c.Ago(m.StartsAt), By: c.By(m.CreatedByID)}
	if m.CompletedAt != nil && m.CompletedAt.Before(m.EndsAt.Time) {
		v.To = pageform.Said(*m.CompletedAt, h.Zone)
	}
	if v.draft, err = p.draft(c, h, f); err != nil {
		return err
	}
	v.Everyone, v.For = m.Audience.Value == nil, v.meantFor(m.Audience.Value)
	names := v.names()
	for _, id := range m.Components {
		if names[id] != "" {
			v.There = append(v.There, id)
		}
		v.Over = append(v.Over, cmp.Or(names[id], "a component that was removed"))
	}
	for _, u := range m.Updates {
		v.Updates = append(v.Updates, update{string(u.Status), u.Body, c.Ago(u.At), pageform.Said(u.At, h.Zone), c.By(u.ByID), nil})
	}
	for _, e := range m.Edits {
		v.Edits = append(v.Edits, edit{e.Field, c.Ago(e.At), c.By(e.ByID)})
	}
	v.Open = m.Status != status.Completed && m.Status != status.Cancelled
	v.May = console.Options(string(status.InProgress), string(status.Verifying), string(status.Completed))
	if m.Status == status.Scheduled {
		v.May = console.Options(string(status.Scheduled))
	}
	return show("maintenance", h.titled(m.Title, v, console.Crumb{Name: "Maintenances", Path: h.At + "/maintenances"}))
}

func (p *pages) sayOf(c *console.Call) error {
	h, err := p.responder(c, "Maintenances")
	if err != nil {
		return err
	}
	f := c.Sent()
	maintenanceID := c.R.PathValue("maintenanceId")
	n, err := httpapi.Read[status.NewMaintenanceUpdate](map[string]any{"status": f.Get("status"), "body": f.Get("body")})
	if err == nil {
		_, err = p.desk.SayOf(c.R.Context(), h.ID, maintenanceID, n)
	}
	if err == nil {
		return c.See(h.At+"/maintenances/"+maintenanceID, "published")
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	return p.showMaintenance(c, h, with, c.Again)
}

func (p *pages) editMaintenance(c *console.Call) error {
	h, m, err := p.planned(c)
	if err != nil {
		return err
	}
	f := console.NewForm(map[string]string{
		"title": m.Title, "body": m.Body, "startsAt": pageform.InZone(m.StartsAt, h.Zone), "endsAt": pageform.InZone(m.EndsAt, h.Zone), "rev": httpapi.Revision(m.Rev),
	})
	f.Values[pageform.Components] = m.Components
	setAudience(f, m.Audience.Value)
	page, err := p.planPage(c, h, m, f)
	if err != nil {
		return err
	}
	return c.Show("maintenance-form", page)
}

func (p *pages) planned(c *console.Call) (head, status.PlannedMaintenance, error) {
	h, err := p.responder(c, "Maintenances")
	if err != nil {
		return h, status.PlannedMaintenance{}, err
	}
	m, err := p.desk.GetMaintenance(c.R.Context(), h.ID, c.R.PathValue("maintenanceId"))
	return h, m, err
}

func (p *pages) replan(c *console.Call) error {
	h, m, err := p.planned(c)
	if err != nil {
		return err
	}
	f := c.Sent()
	body, err := plan(f, h.Zone, m)
	var by status.MaintenancePatch
	if err == nil {
		by, err = httpapi.Read[status.MaintenancePatch](body)
	}
	if err == nil {
		_, err = p.desk.Replan(c.R.Context(), h.ID, m.ID, f.Get("rev"), by)
	}
	if err == nil {
		return c.See(h.At+"/maintenances/"+m.ID, "saved")
	}
	return p.planAgain(c, h, m, err)
}

func (p *pages) cancel(c *console.Call) error {
	pageID, maintenanceID := c.R.PathValue("id"), c.R.PathValue("maintenanceId")
	if _, err := p.desk.Cancel(c.R.Context(), pageID, maintenanceID); err != nil {
		return err
	}
	return c.See(root+"/"+pageID+"/maintenances/"+maintenanceID, "cancelled")
}
