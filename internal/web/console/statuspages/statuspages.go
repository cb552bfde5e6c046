// Package statuspages is the console's status pages: what a team tells others
// of how its things do, and how that looks. Partners, who see it, are pages of
// another function (see the package partners beside this one).
package statuspages

import (
	"cmp"
	"context"
	"embed"
	"html/template"
	"slices"
	"time"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/status"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/pageform"
	"pagefree/internal/web/statuspage"
)

//go:embed *.html
var files embed.FS

// TeamName is what a team is called, and false for one that does not exist.
type TeamName func(ctx context.Context, teamID string) (name string, found bool, err error)

type pages struct {
	*console.Room
	at    origin.Origin
	desk  *status.Service
	teams TeamName
}

const root = "/console/status-pages"

// Routes adds the pages to api. at is where readers reach status pages; c, s
// and teams may be nil where only the routes are wanted.
func Routes(api *httpapi.API, c *console.Console, at origin.Origin, s *status.Service, teams TeamName) {
	p := &pages{c.Room(api, "status-pages", files, template.FuncMap{"markdown": statuspage.Markdown}), at, s, teams}
	p.Get(root, p.list)
	p.Get(root+"/new", p.blank)
	p.Post(root, p.create)
	p.Get(root+"/{id}", p.show)

	p.Get(root+"/{id}/settings", p.settings)
	p.Post(root+"/{id}/settings", p.saveSettings)
	p.Upload(root+"/{id}/logo", "logo", status.MaxLogo, p.setLogo)
	p.Post(root+"/{id}/logo/remove", p.removeLogo)
	p.Post(root+"/{id}/shared-token", p.share)
	p.Post(root+"/{id}/shared-token/end", p.unshare)
	p.Post(root+"/{id}/delete", p.remove)

	p.Get(root+"/{id}/components/new", p.blankComponent)
	p.Post(root+"/{id}/components", p.addComponent)
	p.Post(root+"/{id}/statuses", p.setStatuses)
	p.Get(root+"/{id}/components/{componentId}", p.component)
	p.Post(root+"/{id}/components/{componentId}", p.saveComponent)
	p.Post(root+"/{id}/components/{componentId}/up", p.up)
	p.Post(root+"/{id}/components/{componentId}/down", p.down)
	p.Post(root+"/{id}/components/{componentId}/remove", p.removeComponent)

	p.Get(root+"/{id}/incidents", p.incidents)
	p.Get(root+"/{id}/incidents/new", p.blankIncident)
	p.Post(root+"/{id}/incidents", p.publish)
	p.Get(root+"/{id}/incidents/{incidentId}", p.incident)
	p.Post(root+"/{id}/incidents/{incidentId}/updates", p.say)
	p.Get(root+"/{id}/incidents/{incidentId}/edit", p.editIncident)
	p.Post(root+"/{id}/incidents/{incidentId}/edit", p.saveIncident)

	p.Get(root+"/{id}/maintenances", p.maintenances)
	p.Get(root+"/{id}/maintenances/new", p.blankMaintenance)
	p.Post(root+"/{id}/maintenances", p.schedule)
	p.Get(root+"/{id}/maintenances/{maintenanceId}", p.maintenance)
	p.Post(root+"/{id}/maintenances/{maintenanceId}/updates", p.sayOf)
	p.Get(root+"/{id}/maintenances/{maintenanceId}/edit", p.editMaintenance)
	p.Post(root+"/{id}/maintenances/{maintenanceId}/edit", p.replan)
	p.Post(root+"/{id}/maintenances/{maintenanceId}/cancel", p.cancel)
}

// row is a page in the list.
type row struct {
	status.Page
	Team      string
	Indicator status.Impact // "" where the list is too long to look at each
	Summary   string
	Changed   console.Moment
}

type listView struct {
	Rows  []row
	Pager console.Pager
	Teams bool // whether they are of several teams
	May   bool // make one
}

// maxLooked is how many pages a list may have for each to be read.
const maxLooked = 20

func (p *pages) list(c *console.Call) error {
	items, pager, err := console.List(c, p.desk.Cursors, func(page httpapi.Page) ([]status.Page, string, error) {
		return p.desk.List(c.R.Context(), "", page)
	})
	if err != nil {
		return err
	}
	v := listView{Pager: pager, May: c.Who.Best().AtLeast(principal.TeamAdmin)}
	names := map[string]string{}
	for _, one := range items {
		if _, asked := names[one.TeamID]; !asked {
			if names[one.TeamID], err = p.teamName(c, one.TeamID); err != nil {
				return err
			}
		}
		r := row{Page: one, Team: names[one.TeamID], Changed: c.Ago(one.UpdatedAt)}
		if len(items) <= maxLooked {
			seen, err := p.desk.Preview(c.R.Context(), one.ID)
			switch {
			case err == nil:
				r.Indicator, r.Summary = seen.Indicator, seen.Summary
			case !console.Is(err, "not_found"): // deleted at this moment
				return err
			}
		}
		v.Rows = append(v.Rows, r)
	}
	v.Teams = len(names) > 1
	return c.Show("status-pages", console.Page{Title: "Status pages", View: v})
}

func (p *pages) teamName(c *console.Call, teamID string) (string, error) {
	name, found, err := p.teams(c.R.Context(), teamID)
	if !found {
		name = "a deleted team"
	}
	return name, err
}

type newView struct {
	Form  console.Form
	Teams []console.Option // that the caller may make pages of; none where they have to name one
}

var crumbs = []console.Crumb{{Name: "Status pages", Path: root}}

func (p *pages) blankPage(c *console.Call, f console.Form) (console.Page, error) {
	v := newView{Form: f}
	for teamID, role := range c.Who.Teams {
		if !c.Who.PlatformAdmin && !role.AtLeast(principal.TeamAdmin) {
			continue
		}
		name, err := p.teamName(c, teamID)
		if err != nil {
			return console.Page{}, err
		}
		v.Teams = append(v.Teams, console.Option{Value: teamID, Name: name})
	}
	slices.SortFunc(v.Teams, func(a, b console.Option) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
	})
	if c.Who.PlatformAdmin { // who may name any team
		v.Teams = nil
	}
	return console.Page{Title: "Make a status page", Crumbs: crumbs, View: v}, nil
}

func (p *pages) blank(c *console.Call) error {
	page, err := p.blankPage(c, console.NewForm(map[string]string{"teamId": c.R.URL.Query().Get("teamId"), "timeZone": "UTC"}))
	if err != nil {
		return err
	}
	return c.Show("status-page-new", page)
}

func (p *pages) create(c *console.Call) error {
	f := c.Sent()
	n, err := httpapi.Read[status.NewPage](map[string]any{
		"name": f.Get("name"), "slug": f.Get("slug"), "teamId": f.Get("teamId"), "description": f.Get("description"), "timeZone": f.Get("timeZone"),
	})
	var made status.Page
	if err == nil {
		made, err = p.desk.Create(c.R.Context(), n)
	}
	if err == nil {
		return c.See(root+"/"+made.ID, "created")
	}
	if console.Is(err, "not_found") {
		err = wrongTeam
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	page, err := p.blankPage(c, with)
	if err != nil {
		return err
	}
	return c.Again("status-page-new", page)
}

// head is what stands over every side of a page.
type head struct {
	status.Page
	At      string // the page's own path in the console
	Public  string // where readers see it
	Tabs    []pageform.Tab
	Zone    *time.Location
	Respond bool // publish
	Admin   bool // change it
}

func (p *pages) head(c *console.Call, here string) (head, error) {
	page, err := p.desk.Get(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return head{}, err
	}
	admin := c.Can(page.TeamID, principal.TeamAdmin)
	return head{
		Page: page, At: root + "/" + page.ID, Public: p.at.Path("/status/" + page.Slug), Tabs: pageform.Tabs(page.ID, here, admin),
		Zone: pageform.Zone(page.TimeZone), Respond: c.Can(page.TeamID, principal.Responder), Admin: admin,
	}, nil
}

// titled is a page of the console about one status page.
func (h head) titled(title string, view any, more ...console.Crumb) console.Page {
	above := append(slices.Clone(crumbs), console.Crumb{Name: h.Name, Path: h.At})
	return console.Page{Title: title, Crumbs: append(above, more...), View: view}
}

type showView struct {
	head
	Indicator    status.Impact
	Summary      string
	Incidents    []openIncident
	Maintenances []coming
	Groups       []group
	Proposals    []proposal
}

type openIncident struct {
	status.ViewIncident
	Changed console.Moment
}

type coming struct {
	status.ViewMaintenance
	From, To string // in the page's zone
}

type proposal struct {
	status.Proposal
	Names []string // of the components
}

// group are components that stand together.
type group struct {
	Name string
	Rows []componentRow
}

type componentRow struct {
	status.PageComponent
	Service string
}

func (p *pages) show(c *console.Call) error {
	h, err := p.head(c, "Page")
	if err != nil {
		return err
	}
	v, err := p.overview(c, h)
	if err != nil {
		return err
	}
	return c.Show("status-page", console.Page{Title: h.Name, Crumbs: crumbs, View: v})
}

func (p *pages) overview(c *console.Call, h head) (showView, error) {
	ctx := c.R.Context()
	seen, err := p.desk.Preview(ctx, h.ID)
	if err != nil {
		return showView{}, err
	}
	v := showView{head: h, Indicator: seen.Indicator, Summary: seen.Summary}
	for _, i := range seen.Incidents {
		v.Incidents = append(v.Incidents, openIncident{i, c.Ago(i.UpdatedAt)})
	}
	for _, m := range seen.Maintenances {
		if m.Status != status.Cancelled {
			v.Maintenances = append(v.Maintenances, coming{m, pageform.Said(m.StartsAt, h.Zone), pageform.Said(m.EndsAt, h.Zone)})
		}
	}
	if v.Groups, err = p.components(c, h, seen); err != nil || !h.Respond {
		return v, err
	}
	proposals, err := p.desk.Proposals(ctx, h.ID)
	names := map[string]string{}
	for _, one := range seen.Components {
		names[one.ID] = one.Name
	}
	for _, one := range proposals {
		of := proposal{Proposal: one}
		for _, t := range one.Components {
			of.Names = append(of.Names, names[t.ID])
		}
		v.Proposals = append(v.Proposals, of)
	}
	return v, err
}

// components are those of a page in its order, with what only staff know of them.
func (p *pages) components(c *console.Call, h head, seen status.View) ([]group, error) {
	ctx := c.R.Context()
	all, err := console.All(func(page httpapi.Page) ([]status.PageComponent, string, error) {
		return p.desk.ListComponents(ctx, h.ID, page)
	})
	if err != nil {
		return nil, err
	}
	own := map[string]status.PageComponent{}
	serves := false
	for _, one := range all {
		own[one.ID] = one
		serves = serves || one.ServiceID != nil
	}
	services := map[string]string{}
	if serves {
		choices, err := p.desk.Choices(ctx, h.ID)
		if err != nil {
			return nil, err
		}
		for _, s := range choices.Services {
			services[s.ID] = s.Name
		}
	}
	var groups []group
	for _, shown := range seen.Components {
		one, there := own[shown.ID]
		if !there { // removed at this moment
			continue
		}
		r := componentRow{PageComponent: one}
		if one.ServiceID != nil {
			r.Service = cmp.Or(services[*one.ServiceID], "a deleted service")
		}
		if n := len(groups); n == 0 || groups[n-1].Name != shown.Group {
			groups = append(groups, group{Name: shown.Group})
		}
		g := &groups[len(groups)-1]
		g.Rows = append(g.Rows, r)
	}
	return groups, nil
}
