package statuspages

import (
	"net/http"
	"strconv"
	"strings"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
	"pagefree/internal/status"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/pageform"
	"pagefree/internal/web/statuspage"
)

type settingsView struct {
	head
	Form    console.Form
	Logo    string // the picture's path, "" without
	LogoErr string
	Rev     string
}

func (p *pages) settingsPage(c *console.Call, f console.Form, refused error, logo string) (console.Page, error) {
	h, err := p.admin(c)
	if err != nil {
		return console.Page{}, err
	}
	for i := range h.Tabs {
		h.Tabs[i].Here = h.Tabs[i].Name == "Settings"
	}
	rev := httpapi.Revision(h.Rev)
	if f.Values == nil {
		f = console.NewForm(map[string]string{
			"name": h.Name, "slug": h.Slug, "description": h.Description, "timeZone": h.TimeZone, "accentColor": text(h.AccentColor),
			"sessionDays": strconv.FormatFloat(h.SessionDays, 'f', -1, 64), "rev": rev,
		})
	}
	v := settingsView{head: h, Form: pageform.Stale(f, refused, rev), LogoErr: logo, Rev: strings.Trim(rev, `"`)}
	if h.Page.Logo != nil {
		v.Logo = p.at.Path(statuspage.LogoPath(*h.Page.Logo))
	}
	return h.titled("Settings of "+h.Name, v), nil
}

func (p *pages) settings(c *console.Call) error {
	page, err := p.settingsPage(c, console.Form{}, nil, "")
	if err != nil {
		return err
	}
	return c.Show("page-settings", page)
}

func (p *pages) saveSettings(c *console.Call) error {
	f := c.Sent()
	pageID := c.R.PathValue("id")
	var days any = f.Get("sessionDays")
	if n, err := strconv.ParseFloat(strings.TrimSpace(f.Get("sessionDays")), 64); err == nil {
		days = n
	}
	by, err := httpapi.Read[status.PagePatch](map[string]any{
		"name": f.Get("name"), "slug": f.Get("slug"), "description": f.Get("description"), "timeZone": f.Get("timeZone"), "accentColor": orNull(f.Get("accentColor")),
		"sessionDays": days,
	})
	if err == nil {
		_, err = p.desk.Update(c.R.Context(), pageID, f.Get("rev"), by)
	}
	if err == nil {
		return c.See(root+"/"+pageID+"/settings", "saved")
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	page, err := p.settingsPage(c, with, err, "")
	if err != nil {
		return err
	}
	return c.Again("page-settings", page)
}

var errNoLogo = problem.InvalidField("body", "choose a file first")

// setLogo takes the picture out of a form, as a browser sends it without any script.
func (p *pages) setLogo(c *console.Call) error {
	pageID := c.R.PathValue("id")
	var err error = errNoLogo
	if file := c.File(); len(file.Data) > 0 {
		_, err = p.desk.SetLogo(c.R.Context(), pageID, "", file.Type, file.Data)
	}
	if err == nil {
		return c.See(root+"/"+pageID+"/settings#logo", "saved")
	}
	with, ok := c.Sent().With(err)
	if !ok && !console.Is(err, "unsupported_media_type") {
		return err
	}
	if !ok {
		with.Text = "A logo is a PNG or a JPEG."
	}
	page, err := p.settingsPage(c, console.Form{}, nil, with.Text)
	if err != nil {
		return err
	}
	return c.Again("page-settings", page)
}

func (p *pages) removeLogo(c *console.Call) error {
	if err := p.desk.RemoveLogo(c.R.Context(), c.R.PathValue("id")); err != nil {
		return err
	}
	return c.See(root+"/"+c.R.PathValue("id")+"/settings#logo", "removed")
}

type tokenView struct {
	head
	Address string // with the token in it
}

// share makes the token for everybody, and shows it in the answer itself: it is
// in no address, and nowhere else. Sent again, as by a reload, it makes no
// second one: the form says of which state of the page it is.
func (p *pages) share(c *console.Call) error {
	h, err := p.admin(c)
	if err != nil {
		return err
	}
	if strings.Trim(httpapi.Revision(h.Rev), `"`) != c.R.URL.Query().Get("rev") {
		return errShownAlready
	}
	secret, err := p.desk.ShareToken(c.R.Context(), h.ID)
	if err != nil {
		return err
	}
	return c.Answer(http.StatusOK, "page-token", h.titled("The token for everybody", tokenView{h, p.at.URL("/status/" + h.Slug + "?token=" + secret)}))
}

var errShownAlready = problem.New(http.StatusConflict, "conflict", "The page changed since this form was shown. If you just made a token, it was shown that one time and works; make another if it was lost.")

func (p *pages) unshare(c *console.Call) error {
	off := false
	if _, err := p.desk.Update(c.R.Context(), c.R.PathValue("id"), "", status.PagePatch{SharedToken: &off}); err != nil {
		return err
	}
	return c.See(root+"/"+c.R.PathValue("id")+"/settings#shared", "removed")
}

func (p *pages) remove(c *console.Call) error {
	if err := p.desk.Delete(c.R.Context(), c.R.PathValue("id")); err != nil {
		return err
	}
	return c.See(root, "deleted")
}
