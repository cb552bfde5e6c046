// Package settings is the console's pages of what a person and a team want to
// be told of, and where.
package settings

import (
	"embed"

	"pagefree/internal/notify"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/web/console"
)

//go:embed *.html
var files embed.FS

type pages struct {
	*console.Room
	service *notify.Service
}

// Routes adds the pages to api. c and s may be nil where only the routes are wanted.
func Routes(api *httpapi.API, c *console.Console, s *notify.Service) {
	p := &pages{c.Room(api, "settings", files, nil), s}
	p.Get("/console/settings", p.mine)
	p.Post("/console/settings", p.setMine)
	p.Post("/console/settings/resume-mail", p.resume)
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
	return console.Page{Title: "My settings", View: v}, nil
}

func (p *pages) mine(c *console.Call) error {
	page, err := p.page(c, nil)
	if err != nil {
		return err
	}
	return c.Show("settings", page)
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
