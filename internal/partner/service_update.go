package partner

import (
	"context"
	"net/http"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
)

// Update changes an access. A stale ifMatch is a 412.
func (s *Service) Update(ctx context.Context, pageID, accessID, ifMatch string, p AccessPatch) (PartnerAccess, error) {
	for range rounds {
		at, err := s.may(ctx, pageID, accessID, principal.TeamAdmin)
		if err != nil {
			return PartnerAccess{}, err
		}
		if err := httpapi.Match(ifMatch, at.access.Rev); err != nil {
			return PartnerAccess{}, err
		}
		var known map[string]bool
		if p.ComponentIDs.Value != nil {
			if known, err = s.components(ctx, at.page); err != nil {
				return PartnerAccess{}, err
			}
		}
		now := s.Now()
		is, changed, err := at.access.patched(p, known, now)
		if err != nil {
			return PartnerAccess{}, err
		}
		if len(changed) == 0 {
			return s.show(ctx, is)
		}
		is.Rev++
		ops, err := s.change(ctx, at.access, &is, now)
		if err != nil {
			return PartnerAccess{}, err
		}
		err = s.commit(ctx, is, "partner.updated", map[string]any{"changed": changed}, ops...)
		if again(err) {
			continue
		}
		if err != nil {
			return PartnerAccess{}, err
		}
		return s.show(ctx, is)
	}
	return PartnerAccess{}, dynamo.ErrContended
}

// change are the writes that make an access from what it was; it fills in what
// of is follows from another address.
func (s *Service) change(ctx context.Context, was Access, is *Access, now time.Time) ([]dynamo.Op, error) {
	var ops []dynamo.Op
	people := 0
	if is.nameKey() != was.nameKey() {
		if err := s.nameIsFree(ctx, *is); err != nil {
			return nil, err
		}
		ops = append(ops, s.Store.takeName(*is), s.Store.dropName(was))
	}
	switch {
	case is.ContactEmail != was.ContactEmail:
		moving, delta, err := s.move(ctx, was, is, now)
		if err != nil {
			return nil, err
		}
		ops, people = append(ops, moving...), delta
	case is.PartnerName != was.PartnerName: // the account has the name of its access until somebody tells them apart
		account, _, err := s.Store.account(ctx, was.PartnerID)
		if err != nil {
			return nil, err
		}
		if account.Name == was.PartnerName {
			ops = append(ops, s.Store.rename(account.ID, account.Name, is.PartnerName))
		}
	}
	return append(ops, s.Store.alter(*is, people)), nil
}

// move are the writes that take an access from the account and the first
// person that it has to those of its new address. delta is how many more
// people there are then.
func (s *Service) move(ctx context.Context, was Access, is *Access, now time.Time) (ops []dynamo.Op, delta int, err error) {
	account, joining, err := s.admit(ctx, *is, now)
	if err != nil {
		return nil, 0, err
	}
	at := timestamp.Of(now)
	is.PartnerID, is.MovedAt = account.ID, &at
	ops = append(joining, s.Store.leave(was.PartnerID, was.ID), seat.Redirect(s.Store.Table, was.TokenHash, is.pass(seat.ByToken)))
	if was.FeedHash != "" {
		ops = append(ops, seat.Redirect(s.Store.Table, was.FeedHash, is.pass(seat.ByFeed)))
	}
	if old, found, err := s.Store.personAt(ctx, was.ID, was.ContactEmail); err != nil {
		return nil, 0, err
	} else if found {
		ops, delta = append(ops, s.Store.unseat(old, at)...), -1
	}
	known, found, err := s.Store.personAt(ctx, is.ID, is.ContactEmail)
	if err != nil {
		return nil, 0, err
	}
	if found {
		is.ContactID = known.ID
		return append(ops, s.Store.seated(known)), delta, nil
	}
	if delta++; was.People+delta > MaxPeople {
		return nil, 0, tooManyPeople()
	}
	is.ContactID = id.New(id.PartnerPerson, now)
	first := Person{ID: is.ContactID, AccessID: is.ID, Email: is.ContactEmail, CreatedAt: at}
	return append(ops, s.Store.seatPerson(*is, first)...), delta, nil
}

func tooManyPeople() *problem.Error {
	return problem.New(http.StatusConflict, TooMany, "At most %d people may sign in for one partner. Remove one first.", MaxPeople)
}
