package statuspages

import (
	"strings"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
	"pagefree/internal/status"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/pageform"
)

var (
	wrongTeam    = problem.InvalidField("body.teamId", "there is no such team that you may make pages of")
	wrongService = problem.InvalidField("body.serviceId", "the team has no such service any more")
)

type componentView struct {
	head
	ID       string // "" for a new one
	Form     console.Form
	Services []console.Option
	Statuses []console.Option
}

var statuses = console.Options(words(status.ComponentStatuses)...)

func words[T ~string](all []T) []string {
	out := make([]string, len(all))
	for i, one := range all {
		out[i] = string(one)
	}
	return out
}

func (p *pages) componentPage(c *console.Call, h head, componentID string, f console.Form) (console.Page, error) {
	choices, err := p.desk.Choices(c.R.Context(), h.ID)
	v := componentView{head: h, ID: componentID, Form: f, Statuses: statuses}
	for _, s := range choices.Services {
		v.Services = append(v.Services, console.Option{Value: s.ID, Name: s.Name})
	}
	title := "Add a component"
	if componentID != "" {
		title = "Change a component"
	}
	return h.titled(title, v), err
}

func (p *pages) blankComponent(c *console.Call) error {
	h, err := p.admin(c)
	if err != nil {
		return err
	}
	page, err := p.componentPage(c, h, "", console.NewForm(map[string]string{"status": string(status.Operational), "group": c.R.URL.Query().Get("group")}))
	if err != nil {
		return err
	}
	return c.Show("component-form", page)
}

// admin is the head for who may change the page. The services refuse the same;
// a form that nobody may send is not shown.
func (p *pages) admin(c *console.Call) (head, error) {
	h, err := p.head(c, "Page")
	if err == nil && !h.Admin {
		err = problem.Denied("Only admins of the team change this page.")
	}
	return h, err
}

// responder is the head for who may publish on the page.
func (p *pages) responder(c *console.Call, here string) (head, error) {
	h, err := p.head(c, here)
	if err == nil && !h.Respond {
		err = problem.Denied("Only responders of the team publish on this page.")
	}
	return h, err
}

func (p *pages) addComponent(c *console.Call) error {
	f := c.Sent()
	n, err := httpapi.Read[status.NewComponent](map[string]any{
		"name": f.Get("name"), "description": f.Get("description"), "status": f.Get("status"), "group": orNull(f.Get("group")), "serviceId": orNull(f.Get("serviceId")),
	})
	if err == nil {
		_, err = p.desk.CreateComponent(c.R.Context(), c.R.PathValue("id"), n)
	}
	return p.savedComponent(c, "", err, "added")
}

// orNull is a text that is left empty, as the API has it.
func orNull(s string) any {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	return s
}

// savedComponent leads to the page, or shows the form again with what is wrong.
func (p *pages) savedComponent(c *console.Call, componentID string, refused error, did string) error {
	f := c.Sent()
	if refused == nil {
		return c.See(root+"/"+c.R.PathValue("id")+"#components", did)
	}
	h, err := p.admin(c)
	if err != nil {
		return err
	}
	if console.Is(refused, problem.NotFound) && f.Get("serviceId") != "" {
		refused = wrongService
	}
	with, ok := f.With(refused)
	if !ok {
		return refused
	}
	if one, err := p.desk.GetComponent(c.R.Context(), h.ID, componentID); err == nil {
		with = pageform.Stale(with, refused, httpapi.Revision(one.Rev))
	}
	page, err := p.componentPage(c, h, componentID, with)
	if err != nil {
		return err
	}
	return c.Again("component-form", page)
}

func (p *pages) component(c *console.Call) error {
	h, err := p.admin(c)
	if err != nil {
		return err
	}
	one, err := p.desk.GetComponent(c.R.Context(), h.ID, c.R.PathValue("componentId"))
	if err != nil {
		return err
	}
	f := console.NewForm(map[string]string{
		"name": one.Name, "description": one.Description, "status": string(one.Status), "group": text(one.Group), "serviceId": text(one.ServiceID),
		"rev": httpapi.Revision(one.Rev),
	})
	page, err := p.componentPage(c, h, one.ID, f)
	if err != nil {
		return err
	}
	return c.Show("component-form", page)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (p *pages) saveComponent(c *console.Call) error {
	f := c.Sent()
	componentID := c.R.PathValue("componentId")
	by, err := httpapi.Read[status.ComponentPatch](map[string]any{
		"name": f.Get("name"), "description": f.Get("description"), "status": f.Get("status"), "group": orNull(f.Get("group")), "serviceId": orNull(f.Get("serviceId")),
	})
	if err == nil {
		_, err = p.desk.UpdateComponent(c.R.Context(), c.R.PathValue("id"), componentID, f.Get("rev"), by)
	}
	return p.savedComponent(c, componentID, err, "saved")
}

func (p *pages) up(c *console.Call) error   { return p.move(c, true) }
func (p *pages) down(c *console.Call) error { return p.move(c, false) }

func (p *pages) move(c *console.Call, up bool) error {
	if err := p.desk.Move(c.R.Context(), c.R.PathValue("id"), c.R.PathValue("componentId"), up); err != nil {
		return err
	}
	return c.See(root+"/"+c.R.PathValue("id")+"#"+c.R.PathValue("componentId"), "")
}

func (p *pages) removeComponent(c *console.Call) error {
	if err := p.desk.DeleteComponent(c.R.Context(), c.R.PathValue("id"), c.R.PathValue("componentId")); err != nil {
		return err
	}
	return c.See(root+"/"+c.R.PathValue("id")+"#components", "removed")
}

// setStatuses gives components the statuses that were chosen, all at once. What
// somebody else changed since the page was read is not set back: only what was
// chosen anew counts.
func (p *pages) setStatuses(c *console.Call) error {
	f := c.Sent()
	var touched []status.Touched
	for _, t := range pageform.Touched(f) {
		componentID, is := t["id"].(string), t["status"].(string)
		if is != f.Get("was."+componentID) {
			touched = append(touched, status.Touched{ID: componentID, Status: status.ComponentStatus(is)})
		}
	}
	if err := p.desk.SetStatuses(c.R.Context(), c.R.PathValue("id"), touched); err != nil {
		return err
	}
	return c.See(root+"/"+c.R.PathValue("id")+"#components", "saved")
}
