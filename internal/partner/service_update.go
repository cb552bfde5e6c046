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
		w, err := s.change(ctx, at.access, &is, now)
		if err != nil {
			return PartnerAccess{}, err
		}
		ops := append(w.ops, s.Store.alter(is, w.people))
		err = s.commit(ctx, is, "partner.updated", map[string]any{"changed": changed}, ops...)
		if again(err) {
			continue
		}
		if err != nil {
			return PartnerAccess{}, err
		}
		for _, op := range w.after {
			err := dynamo.Commit(ctx, s.Store.Table.DB, op)
			if _, lost := dynamo.Failed(err); err != nil && !lost { // who is lost was removed since
				return PartnerAccess{}, err
			}
		}
		return s.show(ctx, is)
	}
	return PartnerAccess{}, dynamo.ErrContended
}

// writes are what a change of an access takes, beside that of the access itself.
type writes struct {
	ops    []dynamo.Op
	people int         // how many more there are then
	after  []dynamo.Op // what does not fit into the transaction
}

// change are the writes that make an access from what it was; it fills in what
// of is follows from another address.
func (s *Service) change(ctx context.Context, was Access, is *Access, now time.Time) (writes, error) {
	var w writes
	if is.nameKey() != was.nameKey() {
		if err := s.nameIsFree(ctx, *is); err != nil {
			return w, err
		}
		w.ops = append(w.ops, s.Store.takeName(*is), s.Store.dropName(was))
	}
	switch {
	case is.ContactEmail != was.ContactEmail:
		return w, s.move(ctx, was, is, now, &w)
	case is.PartnerName != was.PartnerName: // the account has the name of its access until somebody tells them apart
		account, _, err := s.Store.account(ctx, was.PartnerID)
		if err != nil {
			return w, err
		}
		if account.Name == was.PartnerName {
			w.ops = append(w.ops, s.Store.rename(account.ID, account.Name, is.PartnerName))
		}
	}
	return w, nil
}

// atOnce is how many people follow in one transaction, which takes a hundred writes.
const atOnce = 80

// move adds to w what takes an access from the account and the first person
// that it has to those of its new address.
func (s *Service) move(ctx context.Context, was Access, is *Access, now time.Time, w *writes) error {
	account, joining, err := s.admit(ctx, *is, now)
	if err != nil {
		return err
	}
	people, err := s.Store.seated(ctx, was.ID)
	if err != nil {
		return err
	}
	at := timestamp.Of(now)
	is.PartnerID, is.MovedAt, is.ContactID = account.ID, &at, ""
	w.ops = append(append(w.ops, joining...), s.Store.leave(was.PartnerID, was.ID), seat.Redirect(s.Store.Table, was.TokenHash, is.pass(seat.ByToken)))
	if was.FeedHash != "" {
		w.ops = append(w.ops, seat.Redirect(s.Store.Table, was.FeedHash, is.pass(seat.ByFeed)))
	}
	for i, p := range people {
		follow := s.Store.follow(p, account.ID)
		switch {
		case p.Email == was.ContactEmail:
			w.ops = append(w.ops, s.Store.unseat(p, at)...)
			w.people--
			continue
		case p.Email == is.ContactEmail:
			is.ContactID = p.ID
			w.ops = append(w.ops, follow)
		case i < atOnce:
			w.ops = append(w.ops, follow)
		default:
			w.after = append(w.after, follow)
		}
	}
	if is.ContactID != "" {
		return nil
	}
	if w.people++; was.People+w.people > MaxPeople {
		return tooManyPeople()
	}
	is.ContactID = id.New(id.PartnerPerson, now)
	first := Person{ID: is.ContactID, AccessID: is.ID, Email: is.ContactEmail, CreatedAt: at}
	w.ops = append(w.ops, s.Store.seatPerson(*is, first)...)
	return nil
}

func tooManyPeople() *problem.Error {
	return problem.New(http.StatusConflict, TooMany, "At most %d people may sign in for one partner. Remove one first.", MaxPeople)
}
