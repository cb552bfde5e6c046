package partners

import (
	"cmp"

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
	Rows  []account
	Pager console.Pager
}

// accounts are the partners of all pages: one for an address and team.
func (p *pages) accounts(c *console.Call) error {
	items, pager, err := console.List(c, p.desk.Cursors, func(page httpapi.Page) ([]partner.PartnerAccount, string, error) {
		return p.desk.Accounts(c.R.Context(), page)
	})
	if err != nil {
		return err
	}
	v := accountsView{Pager: pager}
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
