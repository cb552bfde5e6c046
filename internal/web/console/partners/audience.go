package partners

import (
	"strings"

	"pagefree/internal/partner"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/status"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/pageform"
)

type previewView struct {
	head
	Wrong    string
	Audience partner.Audience
	Title    string
	Body     string
}

// preview tells who would see what a form says, and shows how it reads. It
// changes nothing: it is a POST because what is written may be long, and is
// nobody's business in a log of addresses.
func (p *pages) preview(c *console.Call) error {
	f := c.Sent()
	pageID := c.R.PathValue("id")
	v := previewView{Title: f.Get("title"), Body: f.Get("body")}
	touched := pageform.Touched(f)
	for _, id := range f.All(pageform.Components) { // a maintenance names them alone
		touched = append(touched, map[string]any{"id": id, "status": string(status.UnderMaintenance)})
	}
	audience, err := pageform.Addressed(f)
	var d partner.Draft
	if err == nil {
		d, err = httpapi.Read[partner.Draft](map[string]any{"components": touched, "audience": audience})
	}
	if err == nil {
		if incidentID := f.Get("incidentId"); incidentID != "" {
			v.Audience, err = p.desk.AudienceOfUpdate(c.R.Context(), pageID, incidentID, d)
		} else {
			v.Audience, err = p.desk.AudienceOf(c.R.Context(), pageID, d)
		}
	}
	if err != nil {
		with, ok := f.With(err)
		if !ok {
			return err
		}
		v.Wrong = strings.Join(append(values(with.Wrong), with.Text), " ")
	}
	if len(v.Body) > status.MaxBody {
		v.Wrong, v.Body = "The text is longer than 32 KiB.", ""
	}
	if c.HTMX() {
		return c.Fragment("audience", v)
	}
	if v.head, err = p.head(c); err != nil {
		return err
	}
	return c.Show("audience-page", console.Page{Title: "Preview", Crumbs: []console.Crumb{{Name: "Status pages", Path: "/console/status-pages"}, {Name: v.head.Name, Path: v.At}}, View: v})
}

func values(m map[string]string) []string {
	var out []string
	for _, v := range m {
		out = append(out, v)
	}
	return out
}
