package partner

import (
	"cmp"
	"context"
	"slices"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// PartnerAccount is an account as staff see it.
type PartnerAccount struct {
	ID        string         `json:"id"`
	TeamID    string         `json:"teamId"`
	Name      string         `json:"name"`
	Email     string         `json:"email"`
	Active    bool           `json:"active"`
	Pages     []AccountPage  `json:"pages" nullable:"false" doc:"its live accesses, oldest first"`
	CreatedAt timestamp.Time `json:"createdAt"`

	rev int64
}

// AccountPage is a page that an account has an access to.
type AccountPage struct {
	StatusPageID string `json:"statusPageId"`
	AccessID     string `json:"accessId"`
}

// shown is an account as staff see it; there tells which pages exist.
func (a Account) shown(there map[string]bool) PartnerAccount {
	v := PartnerAccount{ID: a.ID, TeamID: a.TeamID, Name: a.Name, Email: a.Email, Active: a.Active, Pages: []AccountPage{}, CreatedAt: a.CreatedAt, rev: a.Rev}
	for accessID, pageID := range a.Pages {
		if there[pageID] {
			v.Pages = append(v.Pages, AccountPage{StatusPageID: pageID, AccessID: accessID})
		}
	}
	slices.SortFunc(v.Pages, func(a, b AccountPage) int { return cmp.Compare(a.AccessID, b.AccessID) })
	return v
}

// Accounts lists those of the teams that the caller is TEAM_ADMIN of, newest
// first; all of them to platform admins.
func (s *Service) Accounts(ctx context.Context, page httpapi.Page) ([]PartnerAccount, string, error) {
	who, err := principal.Authenticated(ctx)
	if err != nil {
		return nil, "", err
	}
	var in []string
	if !who.PlatformAdmin {
		for teamID, role := range who.Teams {
			if role == principal.TeamAdmin {
				in = append(in, teamID)
			}
		}
		if len(in) == 0 {
			return nil, "", problem.Denied("This needs the role %s in a team.", principal.TeamAdmin)
		}
	}
	accounts, next, err := s.Store.accounts(ctx, in, page)
	if err != nil {
		return nil, "", err
	}
	list, err := s.showAccounts(ctx, accounts)
	if err != nil {
		return nil, "", err
	}
	return httpapi.Fit(list, next, func(a PartnerAccount) string { return a.ID })
}

// showAccounts leaves out pages that were deleted.
func (s *Service) showAccounts(ctx context.Context, accounts []Account) ([]PartnerAccount, error) {
	there := map[string]bool{}
	var keys []dynamo.Key
	for _, a := range accounts {
		for _, pageID := range a.Pages {
			if _, asked := there[pageID]; !asked {
				there[pageID] = false
				keys = append(keys, status.PageKey(pageID))
			}
		}
	}
	pages, err := dynamo.GetAll[status.Page](ctx, s.Store.Table, keys)
	if err != nil {
		return nil, err
	}
	for _, p := range pages {
		there[p.ID] = true
	}
	list := make([]PartnerAccount, len(accounts))
	for i, a := range accounts {
		list[i] = a.shown(there)
	}
	return list, nil
}

// managed reads an account of a team that the caller may manage.
func (s *Service) managed(ctx context.Context, partnerID string) (Account, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return Account{}, err
	}
	if !id.Valid(id.Partner, partnerID) {
		return Account{}, problem.Missing()
	}
	a, found, err := s.Store.account(ctx, partnerID)
	if err != nil {
		return Account{}, err
	}
	if !found {
		return Account{}, problem.Missing()
	}
	_, err = principal.Require(ctx, a.TeamID, principal.TeamAdmin)
	return a, err
}

// Account reads one account.
func (s *Service) Account(ctx context.Context, partnerID string) (PartnerAccount, error) {
	a, err := s.managed(ctx, partnerID)
	if err != nil {
		return PartnerAccount{}, err
	}
	return s.showAccount(ctx, a)
}

func (s *Service) showAccount(ctx context.Context, a Account) (PartnerAccount, error) {
	list, err := s.showAccounts(ctx, []Account{a})
	if err != nil {
		return PartnerAccount{}, err
	}
	return list[0], nil
}

// Activate switches an account on or off, over all of its pages. Off ends
// every session for good; on makes its tokens live again; nil leaves it.
func (s *Service) Activate(ctx context.Context, partnerID, ifMatch string, active *bool) (PartnerAccount, error) {
	for range rounds {
		a, err := s.managed(ctx, partnerID)
		if err != nil {
			return PartnerAccount{}, err
		}
		if err := httpapi.Match(ifMatch, a.Rev); err != nil {
			return PartnerAccount{}, err
		}
		if active == nil || a.Active == *active {
			return s.showAccount(ctx, a)
		}
		event := "partner.activated"
		a.Active, a.Rev = *active, a.Rev+1
		if !a.Active {
			event = "partner.deactivated"
			a.Epoch++
		}
		err = dynamo.Commit(ctx, s.Store.Table.DB, s.Store.activate(a), s.Audit.Record(ctx, s.Now(), audit.Entry{
			Type: event, Subject: audit.Ref{Kind: "partner", ID: a.ID}, TeamID: a.TeamID,
		}))
		if again(err) {
			continue
		}
		if err != nil {
			return PartnerAccount{}, err
		}
		return s.showAccount(ctx, a)
	}
	return PartnerAccount{}, dynamo.ErrContended
}
