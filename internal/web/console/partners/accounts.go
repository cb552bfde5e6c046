package partners

import (
	"cmp"
	"slices"

	"pagefree/internal/partner"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/web/console"
)

type account struct {
	partner.PartnerAccount
	On    []named
	Since console.Moment
}

// named is a page that an account sees.
type named struct {
	Name string
	Path string // of its access
}

type accountsView struct {
	Filter console.Form
	Any    bool // a filter is set
	Rows   []account
	Pager  console.Pager
}

// accounts are the partners of all pages: one for an address and team.
func (p *pages) accounts(c *console.Call) error {
	q := c.R.URL.Query()
	v := accountsView{Filter: console.Form{Values: q}, Any: q.Get("q") != ""}
	read := func(page httpapi.Page) ([]partner.PartnerAccount, string, error) {
		return p.desk.Accounts(c.R.Context(), page)
	}
	var items []partner.PartnerAccount
	var err error
	if v.Any {
		items, err = console.All(read)
	} else {
		items, v.Pager, err = console.List(c, p.desk.Cursors, read)
	}
	if err != nil {
		return err
	}
	items = slices.DeleteFunc(items, func(a partner.PartnerAccount) bool {
		return q.Get("q") != a.ID && !fits(q.Get("q"), a.Name, a.Email) // the audit record leads here by an id
	})
	names := map[string]string{}
	for _, a := range items {
		one := account{PartnerAccount: a, Since: c.Ago(a.CreatedAt)}
		for _, at := range a.Pages {
			if _, asked := names[at.StatusPageID]; !asked {
				page, err := p.desk.NameOf(c.R.Context(), at.StatusPageID)
				if err != nil && !console.Is(err, "not_found") { // deleted at this moment
					return err
				}
				names[at.StatusPageID] = page.Name
			}
			one.On = append(one.On, named{cmp.Or(names[at.StatusPageID], "a deleted page"), "/console/status-pages/" + at.StatusPageID + "/partners/" + at.AccessID})
		}
		v.Rows = append(v.Rows, one)
	}
	if c.HTMX() {
		return c.Fragment("account-list", v)
	}
	return c.Show("accounts", console.Page{Title: "Partners", View: v})
}

func (p *pages) deactivate(c *console.Call) error { return p.switched(c, false, "deactivated") }
func (p *pages) activate(c *console.Call) error   { return p.switched(c, true, "activated") }

func (p *pages) switched(c *console.Call, on bool, did string) error {
	if _, err := p.desk.Activate(c.R.Context(), c.R.PathValue("id"), "", &on); err != nil {
		return err
	}
	return c.See(ofAccounts, did)
}
