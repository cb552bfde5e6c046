// Package settings is the console's pages of what a person and a team want to
// be told of, and where.
package settings

import (
	"embed"

	"pagefree/internal/notify"
	"pagefree/internal/notify/push"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/web/console"
)

//go:embed *.html
var files embed.FS

type pages struct {
	*console.Room
	service *notify.Service
	devices *push.Service
}

// Routes adds the pages to api. c, s and d may be nil where only the routes are wanted.
func Routes(api *httpapi.API, c *console.Console, s *notify.Service, d *push.Service) {
	p := &pages{c.Room(api, "settings", files, nil), s, d}
	p.Get("/console/settings", p.mine)
	p.Post("/console/settings", p.setMine)
	p.Post("/console/settings/resume-mail", p.resume)
	p.Get("/console/settings/devices", p.mine)
	p.Post("/console/settings/devices/{id}/remove", p.forget)
	p.Get("/console/settings/teams/{id}", p.team)
	p.Post("/console/settings/teams/{id}", p.setTeam)
	p.Post("/console/settings/teams/{id}/rotate-secret", p.rotate)
}

type mineView struct {
	Form    console.Form
	Fields  []field
	Rev     string
	Address string
	Stopped string // why no notification is mailed any more
	Since   console.Moment
	Teams   []notify.OfTeam
	Admin   bool
	Devices []device
}

type device struct {
	push.Shown
	Since console.Moment
	Lost  console.Moment // since when it is not reachable
}

func (p *pages) page(c *console.Call, f *console.Form) (console.Page, error) {
	m, err := p.service.Mine(c.R.Context())
	if err != nil {
		return console.Page{}, err
	}
	v := mineView{Fields: fieldsOf[notify.OwnPut](), Rev: m.Revision(), Address: m.Mail.Address, Admin: c.Who.PlatformAdmin}
	if f != nil {
		v.Form = *f
	} else if v.Form, err = filled(v.Fields, m); err != nil {
		return console.Page{}, err
	}
	if stop := m.Mail.Stopped.Value; stop != nil {
		v.Stopped, v.Since = stopped[stop.Reason], c.Ago(stop.At)
	}
	if v.Teams, err = p.service.MyTeams(c.R.Context()); err != nil {
		return console.Page{}, err
	}
	devices, err := p.devices.List(c.R.Context())
	if err != nil {
		return console.Page{}, err
	}
	for _, d := range devices {
		one := device{Shown: d, Since: c.Ago(d.CreatedAt)}
		if d.UnreachableSince != nil {
			one.Lost = c.Ago(*d.UnreachableSince)
		}
		v.Devices = append(v.Devices, one)
	}
	return console.Page{Title: "My settings", View: v}, nil
}

func (p *pages) mine(c *console.Call) error {
	page, err := p.page(c, nil)
	if err != nil {
		return err
	}
	if c.HTMX() { // the list of devices, which push.js changed
		return c.Fragment("devices", page.View)
	}
	return c.Show("settings", page)
}

// forget ends the pushes to a device of the caller's.
func (p *pages) forget(c *console.Call) error {
	if err := p.devices.Remove(c.R.Context(), c.R.PathValue("id")); err != nil {
		return err
	}
	return c.See("/console/settings", "devicegone")
}

func (p *pages) setMine(c *console.Call) error {
	f := c.Sent()
	put, err := httpapi.Read[notify.OwnPut](sent(fieldsOf[notify.OwnPut](), f))
	if err == nil {
		_, err = p.service.PutMine(c.R.Context(), f.Get("rev"), put)
	}
	if err == nil {
		return c.See("/console/settings", "saved")
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	page, err := p.page(c, &with)
	if err != nil {
		return err
	}
	return c.Again("settings", page)
}

func (p *pages) resume(c *console.Call) error {
	if _, err := p.service.ResumeMail(c.R.Context()); err != nil {
		return err
	}
	return c.See("/console/settings", "mailresumed")
}
