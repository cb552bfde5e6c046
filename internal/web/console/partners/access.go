package partners

import (
	"fmt"
	"net/http"

	"pagefree/internal/partner"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
	"pagefree/internal/web/console"
)

func plural(n int, noun string) string { return fmt.Sprintf("%d %ss", n, noun) }

// accessView is one access with what belongs to it.
type accessView struct {
	head
	Access   row
	Names    []string // of the components that are chosen
	Until    string   // when it expires, in the page's zone
	Granted  console.Moment
	By       console.Person
	Revoked  console.Moment
	RevokeBy console.Person
	People   []person
	Looks    []look
	Sessions []session
	Form     console.Form // of another person
	Rev      string       // of the access, for forms that make a token
	Usable   bool         // it was not revoked
	Receipt  *receipt
}

type person struct {
	partner.PartnerPerson
	Invited console.Moment
	Came    console.Moment // signed in first
	Stopped string         // why no news is mailed to them
}

type look struct {
	partner.LookEntry
	When console.Moment
	Tone string
	Who  string
}

type session struct {
	partner.SignedIn
	Began console.Moment
	Ends  console.Moment
}

// receipt is what the end of an access did.
type receipt struct {
	At    console.Moment
	Exact string
	Ended int
}

// few is how much of a long list one access shows.
const few = 10

func (p *pages) show(c *console.Call) error {
	h, a, err := p.access(c)
	if err != nil {
		return err
	}
	return p.showAccess(c, h, a, console.Form{}, nil, c.Show)
}

func (p *pages) showAccess(c *console.Call, h head, a partner.PartnerAccess, f console.Form, r *receipt, show func(string, console.Page) error) error {
	ctx := c.R.Context()
	v := accessView{
		head: h, Access: p.row(c, a), Until: h.said(a.ExpiresAt), Granted: c.Ago(a.CreatedAt), By: c.By(a.CreatedByID), Revoked: c.AgoOr(a.RevokedAt), RevokeBy: c.ByOr(a.RevokedByID),
		Form: f, Rev: rev(a), Usable: a.RevokedAt == nil, Receipt: r,
	}
	names := map[string]string{}
	for _, one := range h.Components {
		names[one.ID] = one.Name
	}
	for _, id := range a.ComponentIDs {
		if name, there := names[id]; there {
			v.Names = append(v.Names, name)
		}
	}
	people, err := console.All(func(page httpapi.Page) ([]partner.PartnerPerson, string, error) {
		return p.desk.People(ctx, h.ID, a.ID, page)
	})
	if err != nil {
		return err
	}
	mails := map[string]string{}
	for _, one := range people {
		mails[one.ID] = one.Email
		if one.RevokedAt != nil {
			continue
		}
		of := person{PartnerPerson: one, Invited: c.AgoOr(one.InvitedAt), Came: c.AgoOr(one.AcceptedAt)}
		if one.MailStopped != nil {
			of.Stopped = string(one.MailStopped.Reason)
		}
		v.People = append(v.People, of)
	}
	looks, _, err := p.desk.History(ctx, h.ID, a.ID, httpapi.Page{Limit: few})
	if err != nil {
		return err
	}
	v.Looks = looksOf(c, looks, mails)
	sessions, _, err := p.desk.Sessions(ctx, h.ID, a.ID, httpapi.Page{Limit: few})
	if err != nil {
		return err
	}
	v.Sessions = sessionsOf(c, sessions)
	return show("access", h.titled(a.PartnerName, v))
}

// rev is the revision of an access, as forms have it in their address.
func rev(a partner.PartnerAccess) string { return a.Revision()[1 : len(a.Revision())-1] }

func looksOf(c *console.Call, list []partner.LookEntry, mails map[string]string) []look {
	var out []look
	for _, l := range list {
		one := look{LookEntry: l, When: c.Ago(l.At), Tone: "down", Who: mails[l.PersonID]}
		if l.Outcome == partner.Served || l.Outcome == partner.Named {
			one.Tone = "ok"
		}
		out = append(out, one)
	}
	return out
}

func sessionsOf(c *console.Call, list []partner.SignedIn) []session {
	var out []session
	for _, one := range list {
		out = append(out, session{one, c.Ago(one.CreatedAt), c.Ago(one.ExpiresAt)})
	}
	return out
}

type historyView struct {
	head
	Access   partner.PartnerAccess
	Looks    []look
	Sessions []session
	Pager    console.Pager
}

// above leads from what belongs to an access back to it.
func above(h head, a partner.PartnerAccess) console.Crumb {
	return console.Crumb{Name: a.PartnerName, Path: h.At + "/partners/" + a.ID}
}

func (p *pages) looks(c *console.Call) error {
	h, a, err := p.access(c)
	if err != nil {
		return err
	}
	list, pager, err := console.List(c, p.desk.Cursors, func(page httpapi.Page) ([]partner.LookEntry, string, error) {
		return p.desk.History(c.R.Context(), h.ID, a.ID, page)
	})
	if err != nil {
		return err
	}
	return c.Show("access-looks", h.titled("Looks of "+a.PartnerName, historyView{head: h, Access: a, Looks: looksOf(c, list, nil), Pager: pager}, above(h, a)))
}

func (p *pages) sessions(c *console.Call) error {
	h, a, err := p.access(c)
	if err != nil {
		return err
	}
	list, pager, err := console.List(c, p.desk.Cursors, func(page httpapi.Page) ([]partner.SignedIn, string, error) {
		return p.desk.Sessions(c.R.Context(), h.ID, a.ID, page)
	})
	if err != nil {
		return err
	}
	return c.Show("access-sessions", h.titled("Sessions of "+a.PartnerName, historyView{head: h, Access: a, Sessions: sessionsOf(c, list), Pager: pager}, above(h, a)))
}

// acted leads to the access after an act on it, or shows it with why not.
func (p *pages) acted(c *console.Call, err error, did string) error {
	if err == nil {
		return c.See("/console/status-pages/"+c.R.PathValue("id")+"/partners/"+c.R.PathValue("accessId"), did)
	}
	with, ok := c.Sent().With(err)
	if !ok {
		return err
	}
	h, a, gone := p.access(c)
	if gone != nil {
		return gone
	}
	return p.showAccess(c, h, a, with, nil, c.Again)
}

func (p *pages) addPerson(c *console.Call) error {
	f := c.Sent()
	n, err := httpapi.Read[partner.NewPerson](map[string]any{"email": f.Get("email"), "name": f.Get("name")})
	if err == nil {
		_, err = p.desk.AddPerson(c.R.Context(), c.R.PathValue("id"), c.R.PathValue("accessId"), n)
	}
	return p.acted(c, err, "added")
}

func (p *pages) removePerson(c *console.Call) error {
	return p.acted(c, p.desk.RemovePerson(c.R.Context(), c.R.PathValue("id"), c.R.PathValue("accessId"), c.R.PathValue("personId")), "removed")
}

func (p *pages) invite(c *console.Call) error {
	_, err := p.desk.Invite(c.R.Context(), c.R.PathValue("id"), c.R.PathValue("accessId"), c.R.PathValue("personId"))
	return p.acted(c, err, "invited")
}

func (p *pages) mail(c *console.Call) error {
	on := c.Sent().Get("mail") == "on"
	_, err := p.desk.Update(c.R.Context(), c.R.PathValue("id"), c.R.PathValue("accessId"), "", partner.AccessPatch{Mail: &on})
	return p.acted(c, err, "saved")
}

// fresh refuses a form that makes a token and was sent before, as by a reload
// of the answer: it says of which revision of the access it is.
func fresh(c *console.Call, a partner.PartnerAccess) error {
	if c.R.URL.Query().Get("rev") != rev(a) {
		return problem.New(http.StatusConflict, problem.Conflict, "The access changed since this form was shown. If you just made a token, it was shown that one time and works; make another if it was lost.")
	}
	return nil
}

func (p *pages) regenerate(c *console.Call) error {
	h, a, err := p.access(c)
	if err == nil {
		err = fresh(c, a)
	}
	if err != nil {
		return err
	}
	made, err := p.desk.Regenerate(c.R.Context(), h.ID, a.ID)
	if err != nil {
		return p.acted(c, err, "")
	}
	return p.granted(c, h, made, true)
}

type feedView struct {
	head
	Access  partner.PartnerAccess
	Address string // with the token in it
}

func (p *pages) issueFeed(c *console.Call) error {
	h, a, err := p.access(c)
	if err == nil {
		err = fresh(c, a)
	}
	if err != nil {
		return err
	}
	made, err := p.desk.IssueFeed(c.R.Context(), h.ID, a.ID)
	if err != nil {
		return p.acted(c, err, "")
	}
	return c.Answer(http.StatusOK, "feed", h.titled("Feed of "+a.PartnerName, feedView{h, a, p.at.URL(made.Path)}, above(h, a)))
}

func (p *pages) endFeed(c *console.Call) error {
	return p.acted(c, p.desk.WithdrawFeed(c.R.Context(), c.R.PathValue("id"), c.R.PathValue("accessId")), "removed")
}

// revoke ends an access, and answers with the receipt. Sent again, it leads to
// the record: nothing ends twice.
func (p *pages) revoke(c *console.Call) error {
	h, a, err := p.access(c)
	if err != nil {
		return err
	}
	if a.RevokedAt != nil {
		return p.acted(c, nil, "")
	}
	r, err := p.desk.Revoke(c.R.Context(), h.ID, a.ID)
	if err != nil {
		return err
	}
	if h, a, err = p.access(c); err != nil {
		return err
	}
	return p.showAccess(c, h, a, console.Form{}, &receipt{c.Ago(r.RevokedAt), h.said(&r.RevokedAt), r.SessionsEnded}, c.Show)
}
