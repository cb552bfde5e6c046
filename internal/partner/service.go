package partner

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
	"pagefree/internal/status"
)

// Codes of what this room refuses to staff.
const (
	NameTaken   problem.Code = "name_taken"          // a live access of the page has that partnerName
	EmailTaken  problem.Code = "email_taken"         // the access has a person with that address
	Deactivated problem.Code = "partner_deactivated" // the account is
	TooMany     problem.Code = "too_many"            // of what has a limit
)

// Service is what staff do about partners: every method authorizes, decides,
// and writes the change with its audit event as one.
type Service struct {
	Store   Store
	Audit   audit.Log
	Cursors *httpapi.Cursors
	Mail    Outbox            // takes Invitations
	Limits  ratelimit.Limiter // of invitations
	Now     func() time.Time
}

// rounds bounds how often a change is decided anew after a lost race, or after
// a transaction that met conflicts to its end.
const rounds = 6

// again reports whether a write met somebody else's, so that what it was
// decided on may hold no more.
func again(err error) bool {
	_, lost := dynamo.Failed(err)
	return lost || errors.Is(err, dynamo.ErrContended)
}

// place is an access, its page, and who wants something of it.
type place struct {
	page   status.Page
	access Access
	who    principal.Principal
}

// page reads a page for somebody with the role in its team.
func (s *Service) page(ctx context.Context, pageID string, min principal.Role) (status.Page, principal.Principal, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return status.Page{}, principal.Principal{}, err
	}
	var p status.Page
	if !id.Valid(id.StatusPage, pageID) {
		return p, principal.Principal{}, problem.Missing()
	}
	found, err := s.Store.Table.Get(ctx, status.PageKey(pageID), &p)
	if err != nil {
		return p, principal.Principal{}, err
	}
	if !found {
		return p, principal.Principal{}, problem.Missing()
	}
	who, err := principal.Require(ctx, p.TeamID, min)
	return p, who, err
}

// may reads an access of a page for somebody with the role in its team.
func (s *Service) may(ctx context.Context, pageID, accessID string, min principal.Role) (place, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return place{}, err
	}
	if !id.Valid(id.StatusPage, pageID) || !id.Valid(id.PartnerAccess, accessID) {
		return place{}, problem.Missing()
	}
	var at place
	var there, granted bool
	err := s.Store.Table.ReadAll(ctx,
		dynamo.Read{Key: status.PageKey(pageID), Out: &at.page, Found: &there},
		dynamo.Read{Key: accessKey(pageID, accessID), Out: &at.access, Found: &granted})
	if err != nil {
		return place{}, err
	}
	if !there {
		return place{}, problem.Missing()
	}
	if at.who, err = principal.Require(ctx, at.page.TeamID, min); err != nil {
		return place{}, err
	}
	if !granted {
		return place{}, problem.Missing()
	}
	return at, nil
}

// subject is an access, to the audit trail.
func (a Access) subject() audit.Ref { return audit.Ref{Kind: "access", ID: a.ID} }

// commit writes ops with the audit event of what they do to an access.
func (s *Service) commit(ctx context.Context, a Access, event string, detail map[string]any, ops ...dynamo.Op) error {
	ops = append(ops, s.Audit.Record(ctx, s.Now(), audit.Entry{Type: event, Subject: a.subject(), TeamID: a.TeamID, Detail: detail}))
	return dynamo.Commit(ctx, s.Store.Table.DB, ops...)
}

// components are the ids of those that a page has.
func (s *Service) components(ctx context.Context, p status.Page) (map[string]bool, error) {
	snapshot, found, err := s.Store.snapshot(ctx, p)
	if err != nil {
		return nil, err
	}
	if !found { // deleted at this moment
		return nil, problem.Lost(nil)
	}
	known := map[string]bool{}
	for _, c := range snapshot.Components {
		known[c.ID] = true
	}
	return known, nil
}

// Grant lets a partner see a page. The answer is the only one that holds the token.
func (s *Service) Grant(ctx context.Context, pageID string, g Grant) (GrantedAccess, error) {
	for range rounds {
		page, who, err := s.page(ctx, pageID, principal.TeamAdmin)
		if err != nil {
			return GrantedAccess{}, err
		}
		var known map[string]bool
		if g.ComponentIDs.Value != nil {
			if known, err = s.components(ctx, page); err != nil {
				return GrantedAccess{}, err
			}
		}
		now := s.Now()
		a, err := g.access(known, now)
		if err != nil {
			return GrantedAccess{}, err
		}
		secret := token.New(token.Partner)
		a.ID, a.StatusPageID, a.TeamID = id.New(id.PartnerAccess, now), page.ID, page.TeamID
		a.TokenHash, a.TokenPrefix = token.Hash(secret), secret[:token.PrefixLength]
		a.CreatedByID, a.CreatedAt, a.Rev, a.People = who.UserID, timestamp.Of(now), 1, 1
		contact := Person{ID: id.New(id.PartnerPerson, now), AccessID: a.ID, Email: a.ContactEmail, CreatedAt: a.CreatedAt}
		a.ContactID = contact.ID
		if err := s.nameIsFree(ctx, a); err != nil {
			return GrantedAccess{}, err
		}
		account, ops, err := s.admit(ctx, a, now)
		if err != nil {
			return GrantedAccess{}, err
		}
		a.PartnerID = account.ID
		ops = append(ops,
			s.Store.Table.Check(status.PageKey(page.ID), dynamo.Present()),
			s.Store.takeName(a), s.Store.createAccess(a), seat.Issue(s.Store.Table, a.TokenHash, a.pass(seat.ByToken)))
		ops = append(ops, s.Store.seatPerson(a, contact)...)
		err = s.commit(ctx, a, "partner.granted",
			map[string]any{"statusPageId": a.StatusPageID, "partnerId": a.PartnerID, "partnerName": a.PartnerName, "prefix": a.TokenPrefix}, ops...)
		if again(err) {
			continue
		}
		return GrantedAccess{PartnerAccess: a.shown(account, contact), Token: secret}, err
	}
	return GrantedAccess{}, dynamo.ErrContended
}

// nameIsFree is a 409 where another live access of the page has the name.
func (s *Service) nameIsFree(ctx context.Context, a Access) error {
	var at nameItem
	taken, err := s.Store.Table.Get(ctx, a.nameKey(), &at)
	if err == nil && taken && at.AccessID != a.ID {
		err = problem.New(http.StatusConflict, NameTaken, "Another partner of this page is called so. Choose another name, or revoke that access first.")
	}
	return err
}

// admit finds the account of an access's address, or makes it, and returns the
// writes that add the access to it.
func (s *Service) admit(ctx context.Context, a Access, now time.Time) (Account, []dynamo.Op, error) {
	account, found, err := s.Store.accountOf(ctx, a.TeamID, a.ContactEmail)
	switch {
	case err != nil:
		return Account{}, nil, err
	case !found:
		account = Account{
			ID: id.New(id.Partner, now), TeamID: a.TeamID, Name: a.PartnerName, Email: a.ContactEmail, Active: true,
			CreatedAt: timestamp.Of(now), Rev: 1, Pages: map[string]string{a.ID: a.StatusPageID},
		}
		return account, s.Store.open(account), nil
	case !account.Active:
		return Account{}, nil, deactivated()
	case len(account.Pages) >= maxPages:
		return Account{}, nil, problem.New(http.StatusConflict, TooMany, "The account of this address has %d accesses already.", maxPages)
	}
	return account, []dynamo.Op{s.Store.join(account.ID, a.ID, a.StatusPageID)}, nil
}

func deactivated() *problem.Error {
	return problem.New(http.StatusConflict, Deactivated, "The account of this partner is deactivated. Activate it first.")
}

// Access reads an access.
func (s *Service) Access(ctx context.Context, pageID, accessID string) (PartnerAccess, error) {
	at, err := s.may(ctx, pageID, accessID, principal.TeamAdmin)
	if err != nil {
		return PartnerAccess{}, err
	}
	return s.show(ctx, at.access)
}

func (s *Service) show(ctx context.Context, a Access) (PartnerAccess, error) {
	list, err := s.showAll(ctx, []Access{a})
	if err != nil {
		return PartnerAccess{}, err
	}
	return list[0], nil
}

// showAll adds to accesses what their accounts and first persons say.
func (s *Service) showAll(ctx context.Context, list []Access) ([]PartnerAccess, error) {
	accounts, contacts := make([]Account, len(list)), make([]Person, len(list))
	var reads []dynamo.Read
	for i, a := range list {
		reads = append(reads,
			dynamo.Read{Key: accountKey(a.PartnerID), Out: &accounts[i]},
			dynamo.Read{Key: personKey(a.ID, a.ContactID), Out: &contacts[i]})
	}
	if err := s.Store.Table.ReadAll(ctx, reads...); err != nil {
		return nil, err
	}
	out := make([]PartnerAccess, len(list))
	for i, a := range list {
		out[i] = a.shown(accounts[i], contacts[i])
	}
	return out, nil
}

// Accesses lists those of a page, newest first, the revoked ones too.
func (s *Service) Accesses(ctx context.Context, pageID string, page httpapi.Page) ([]PartnerAccess, string, error) {
	if _, _, err := s.page(ctx, pageID, principal.Observer); err != nil {
		return nil, "", err
	}
	list, next, err := s.Store.accesses(ctx, pageID, page, nil)
	if err != nil {
		return nil, "", err
	}
	shown, err := s.showAll(ctx, list)
	if err != nil {
		return nil, "", err
	}
	return httpapi.Fit(shown, next, func(a PartnerAccess) string { return a.ID })
}

// Revoke ends an access for good. Repeated, it says again when that was.
func (s *Service) Revoke(ctx context.Context, pageID, accessID string) (Revocation, error) {
	for range rounds {
		at, err := s.may(ctx, pageID, accessID, principal.TeamAdmin)
		if err != nil {
			return Revocation{}, err
		}
		if at.access.RevokedAt != nil {
			return Revocation{RevokedAt: *at.access.RevokedAt}, nil
		}
		is := at.access
		is.RevokedAt, is.RevokedByID, is.Rev = timestamp.Ptr(s.Now()), at.who.UserID, is.Rev+1
		err = s.commit(ctx, is, "partner.revoked", map[string]any{"statusPageId": is.StatusPageID, "partnerId": is.PartnerID},
			s.Store.revoke(is), s.Store.dropName(is), s.Store.leave(is.PartnerID, is.ID))
		if again(err) {
			continue
		}
		if err != nil {
			return Revocation{}, err
		}
		ended, err := s.lost(ctx, at) // as it was before
		s.forget(ctx, is.ID)
		return Revocation{RevokedAt: *is.RevokedAt, SessionsEnded: ended}, err
	}
	return Revocation{}, dynamo.ErrContended
}

// forget removes the places of a revoked access from what sign-in finds. The
// access decides, so that what is left over opens nothing.
func (s *Service) forget(ctx context.Context, accessID string) {
	people, err := s.Store.seated(ctx, accessID)
	var ops []dynamo.Op
	for _, p := range people {
		ops = append(ops, s.Store.Table.Delete(viewerKey(p.Email, accessID), either()))
	}
	for some := range slices.Chunk(ops, atOnce) {
		err = errors.Join(err, dynamo.Commit(ctx, s.Store.Table.DB, some...))
	}
	if err != nil {
		slog.WarnContext(ctx, "places of a revoked access are left over", "access", accessID, "error", err)
	}
}
