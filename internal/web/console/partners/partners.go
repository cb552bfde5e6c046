// Package partners is the console's partners: who else may look at a team's
// status pages, what they see, and the end of it.
package partners

import (
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"pagefree/internal/partner"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/pageform"
	"pagefree/internal/web/statuspage"
)

//go:embed *.html
var files embed.FS

type pages struct {
	*console.Room
	at   origin.Origin
	desk *partner.Service
}

const (
	root       = "/console/status-pages/{id}"
	ofPage     = root + "/partners"
	ofAccess   = ofPage + "/{accessId}"
	ofAccounts = "/console/partners"
)

// Routes adds the pages to api. at is where partners reach status pages; c and
// s may be nil where only the routes are wanted.
func Routes(api *httpapi.API, c *console.Console, at origin.Origin, s *partner.Service) {
	p := &pages{c.Room(api, "status-pages", files, template.FuncMap{"markdown": statuspage.Markdown}), at, s}
	p.Post(root+"/audience-preview", p.preview)
	p.Get(ofPage, p.list)
	p.Get(ofPage+"/new", p.blank)
	p.Post(ofPage, p.grant)
	p.Get(ofAccess, p.show)
	p.Get(ofAccess+"/edit", p.edit)
	p.Post(ofAccess+"/edit", p.save)
	p.Get(ofAccess+"/accesses", p.looks)
	p.Get(ofAccess+"/sessions", p.sessions)
	p.Post(ofAccess+"/people", p.addPerson)
	p.Post(ofAccess+"/people/{personId}/remove", p.removePerson)
	p.Post(ofAccess+"/people/{personId}/invite", p.invite)
	p.Post(ofAccess+"/mail", p.mail)
	p.Post(ofAccess+"/regenerate-token", p.regenerate)
	p.Post(ofAccess+"/feed-token", p.issueFeed)
	p.Post(ofAccess+"/feed-token/end", p.endFeed)
	p.Post(ofAccess+"/revoke", p.revoke)

	a := &pages{c.Room(api, "partners", files, template.FuncMap{"markdown": statuspage.Markdown}), at, s}
	a.Get(ofAccounts, a.accounts)
	a.Post(ofAccounts+"/{id}/deactivate", a.deactivate)
	a.Post(ofAccounts+"/{id}/activate", a.activate)
}

// head is what stands over every side of a page.
type head struct {
	partner.Page
	At      string // the page's own path in the console
	Tabs    []pageform.Tab
	Zone    *time.Location
	Respond bool
	Admin   bool
}

func (p *pages) head(c *console.Call) (head, error) {
	page, err := p.desk.PageOf(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return head{}, err
	}
	admin := c.Can(page.TeamID, principal.TeamAdmin)
	return head{page, "/console/status-pages/" + page.ID, pageform.Tabs(page.ID, "Partners", admin), pageform.Zone(page.TimeZone), c.Can(page.TeamID, principal.Responder), admin}, nil
}

// admin is the head for who may manage partners. The services refuse the same.
func (p *pages) admin(c *console.Call) (head, error) {
	h, err := p.head(c)
	if err == nil && !h.Admin {
		err = problem.Denied("Only admins of the team manage partners.")
	}
	return h, err
}

// titled is a page of the console about a page's partners.
func (h head) titled(title string, view any, more ...console.Crumb) console.Page {
	above := []console.Crumb{{Name: "Status pages", Path: "/console/status-pages"}, {Name: h.Name, Path: h.At}, {Name: "Partners", Path: h.At + "/partners"}}
	return console.Page{Title: title, Crumbs: append(above, more...), View: view}
}

// row is an access as a list shows it.
type row struct {
	partner.PartnerAccess
	State  state
	Sees   string
	Last   console.Moment
	Expiry console.Moment
}

// state is how an access stands, in a word and its colour.
type state struct {
	Word string
	Tone string
}

func stateOf(a partner.PartnerAccess, now time.Time) state {
	switch {
	case a.RevokedAt != nil:
		return state{"Revoked", "gap"}
	case !a.IsActive:
		return state{"Deactivated", "part"}
	case a.ExpiresAt != nil && !now.Before(a.ExpiresAt.Time):
		return state{"Expired", "slow"}
	}
	return state{"Active", "ok"}
}

func (p *pages) row(c *console.Call, a partner.PartnerAccess) row {
	r := row{PartnerAccess: a, State: stateOf(a, c.Now()), Last: c.AgoOr(a.LastAccessAt), Expiry: c.AgoOr(a.ExpiresAt), Sees: "everything"}
	switch n := len(a.ComponentIDs); {
	case a.ComponentIDs == nil:
	case n == 0:
		r.Sees = "nothing"
	case n == 1:
		r.Sees = "1 component"
	default:
		r.Sees = plural(n, "component")
	}
	return r
}

type listView struct {
	head
	Filter console.Form
	Any    bool // a filter is set
	Rows   []row
	Pager  console.Pager
}

func (p *pages) list(c *console.Call) error {
	h, err := p.head(c)
	if err != nil {
		return err
	}
	q := c.R.URL.Query()
	v := listView{head: h, Filter: console.Form{Values: q}, Any: q.Get("q") != "" || q.Get("state") != ""}
	read := func(page httpapi.Page) ([]partner.PartnerAccess, string, error) {
		return p.desk.Accesses(c.R.Context(), h.ID, page)
	}
	var items []partner.PartnerAccess
	if v.Any { // the service knows no filter, and a page has not many
		items, err = console.All(read)
	} else {
		items, v.Pager, err = console.List(c, p.desk.Cursors, read)
	}
	if err != nil {
		return err
	}
	for _, a := range items {
		r := p.row(c, a)
		if fits(q.Get("q"), a.PartnerName, a.ContactEmail) && (q.Get("state") == "" || q.Get("state") == r.State.Word) {
			v.Rows = append(v.Rows, r)
		}
	}
	if c.HTMX() {
		return c.Fragment("partner-list", v)
	}
	return c.Show("partners", console.Page{Title: "Partners of " + h.Name, Crumbs: h.titled("", nil).Crumbs[:2], View: v})
}

// fits reports whether one of the texts has what is searched for in it, in any case.
func fits(q string, texts ...string) bool {
	q = strings.ToLower(strings.TrimSpace(q))
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), q) })
}

// grantView is the form of an access, a new one or one that is there.
type grantView struct {
	head
	AccessID string // "" for a new one
	Form     console.Form
	Options  []console.Option
	Folded   bool // nothing that is folded was filled in, or is wrong
}

// What a partner sees, in the field sees.
const (
	seesAll    = "all"
	seesChosen = "chosen"
)

func (p *pages) formPage(h head, accessID string, f console.Form) console.Page {
	v := grantView{head: h, AccessID: accessID, Form: f, Options: []console.Option{
		{Value: seesAll, Name: "Everything on the page, also what comes later"}, {Value: seesChosen, Name: "Only the components chosen"},
	}}
	v.Folded = f.Get("ipAllowlist") == "" && f.Get("expiresAt") == "" && f.Error("ipAllowlist") == "" && f.Error("expiresAt") == ""
	if accessID != "" {
		return h.titled("Change an access", v, console.Crumb{Name: f.Get("was"), Path: h.At + "/partners/" + accessID})
	}
	return h.titled("Let a partner see "+h.Name, v)
}

func (p *pages) blank(c *console.Call) error {
	h, err := p.admin(c)
	if err != nil {
		return err
	}
	return c.Show("grant", p.formPage(h, "", console.NewForm(map[string]string{"sees": seesAll})))
}

// terms reads the form of an access as the body of the API.
func terms(f console.Form, zone *time.Location) (map[string]any, error) {
	body := map[string]any{"partnerName": f.Get("partnerName"), "contactEmail": f.Get("contactEmail"), "ipAllowlist": strings.Fields(strings.ReplaceAll(f.Get("ipAllowlist"), ",", " "))}
	switch chosen := f.All("components"); {
	case f.Get("sees") == seesChosen:
		body["componentIds"] = append([]string{}, chosen...)
	case len(chosen) > 0:
		return nil, problem.InvalidField("body.sees", "you chose components, but they see everything: choose \"Only the components chosen\", or untick them")
	default:
		body["componentIds"] = nil
	}
	if f.Get("expiresAt") == "" {
		body["expiresAt"] = nil
		return body, nil
	}
	at, err := pageform.Time(f, "expiresAt", zone)
	body["expiresAt"] = at
	return body, err
}

// again shows the form of an access with what is wrong in it.
func (p *pages) again(c *console.Call, h head, accessID, rev string, refused error) error {
	with, ok := c.Sent().With(refused)
	if !ok {
		return refused
	}
	if console.Is(refused, partner.NameTaken) { // which a reload of the answer to a grant comes to, too
		with.Wrong["partnerName"], with.Text = with.Text, "Nothing was done."
	}
	return c.Again("grant", p.formPage(h, accessID, pageform.Stale(with, refused, rev)))
}

// onceView is an access in the one answer that shows its token.
type onceView struct {
	head
	Access  partner.PartnerAccess
	Token   string
	Curl    string
	Again   bool // there was a token before, which is dead
	Address string
}

// granted answers with the token itself: it is in no address, and nowhere else.
func (p *pages) granted(c *console.Call, h head, a partner.GrantedAccess, again bool) error {
	v := onceView{head: h, Access: a.PartnerAccess, Token: a.Token, Again: again, Address: p.at.URL("/status/" + h.Slug)}
	v.Curl = "curl -H 'Authorization: Bearer " + a.Token + "' " + v.Address
	return c.Answer(http.StatusOK, "granted", h.titled(a.PartnerName, v))
}

func (p *pages) grant(c *console.Call) error {
	h, err := p.admin(c)
	if err != nil {
		return err
	}
	body, err := terms(c.Sent(), h.Zone)
	if ids, some := body["componentIds"].([]string); err == nil && some && len(ids) == 0 && len(h.Components) > 0 { // they would look at an empty page
		err = problem.InvalidField("body.sees", "tick at least one component below, or let them see everything")
	}
	var g partner.Grant
	if err == nil {
		g, err = httpapi.Read[partner.Grant](body)
	}
	var made partner.GrantedAccess
	if err == nil {
		made, err = p.desk.Grant(c.R.Context(), h.ID, g)
	}
	if err != nil {
		return p.again(c, h, "", "", err)
	}
	return p.granted(c, h, made, false)
}

func (p *pages) edit(c *console.Call) error {
	h, a, err := p.access(c)
	if err != nil {
		return err
	}
	f := console.NewForm(map[string]string{
		"partnerName": a.PartnerName, "contactEmail": a.ContactEmail, "ipAllowlist": strings.Join(a.IPAllowlist, "\n"), "sees": seesAll, "rev": a.Revision(), "was": a.PartnerName,
	})
	if a.ComponentIDs != nil {
		f.Values.Set("sees", seesChosen)
		f.Values["components"] = a.ComponentIDs
	}
	if a.ExpiresAt != nil {
		f.Values.Set("expiresAt", pageform.InZone(*a.ExpiresAt, h.Zone))
	}
	return c.Show("grant", p.formPage(h, a.ID, f))
}

// access reads an access for who may manage it.
func (p *pages) access(c *console.Call) (head, partner.PartnerAccess, error) {
	h, err := p.admin(c)
	if err != nil {
		return h, partner.PartnerAccess{}, err
	}
	a, err := p.desk.Access(c.R.Context(), h.ID, c.R.PathValue("accessId"))
	return h, a, err
}

func (p *pages) save(c *console.Call) error {
	h, a, err := p.access(c)
	if err != nil {
		return err
	}
	f := c.Sent()
	body, err := terms(f, h.Zone)
	var by partner.AccessPatch
	if err == nil {
		if a.ExpiresAt != nil && f.Get("expiresAt") == pageform.InZone(*a.ExpiresAt, h.Zone) { // it stays exactly where it is
			delete(body, "expiresAt")
		}
		kept(body, a, h)
		by, err = httpapi.Read[partner.AccessPatch](body)
	}
	if err == nil {
		_, err = p.desk.Update(c.R.Context(), h.ID, a.ID, f.Get("rev"), by)
	}
	if err != nil {
		return p.again(c, h, a.ID, a.Revision(), err)
	}
	return c.See(h.At+"/partners/"+a.ID, "saved")
}

// kept adds the chosen components that left the page since: a form shows none
// of them, and saving it does not take them away.
func kept(body map[string]any, a partner.PartnerAccess, h head) {
	chosen, ok := body["componentIds"].([]string)
	if !ok {
		return
	}
	there := map[string]bool{}
	for _, one := range h.Components {
		there[one.ID] = true
	}
	for _, id := range a.ComponentIDs {
		if !there[id] {
			chosen = append(chosen, id)
		}
	}
	body["componentIds"] = chosen
}

// said is a time in the page's zone, "" for none.
func (h head) said(t *timestamp.Time) string {
	if t == nil {
		return ""
	}
	return pageform.Said(*t, h.Zone)
}
