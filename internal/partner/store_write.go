package partner

import (
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
)

// live is the condition that an access or a person was not revoked.
var live = expression.Name("revokedAt").AttributeNotExists()

// revised counts a revision up.
func revised() expression.UpdateBuilder {
	return expression.Add(expression.Name("rev"), expression.Value(1))
}

// either holds whether or not there is an item: the write is the same both ways.
func either() expression.ConditionBuilder { return expression.Or(dynamo.Absent(), dynamo.Present()) }

// open are the writes of an account that is made for a first access. They
// fail when its address has one by now.
func (s Store) open(a Account) []dynamo.Op {
	k, address := accountKey(a.ID), addressKey(a.TeamID, a.Email)
	return []dynamo.Op{
		s.Table.Create(addressItem{PK: address.PK, SK: address.SK, PartnerID: a.ID}),
		s.Table.Create(accountItem{PK: k.PK, SK: k.SK, ByTeam: accountTeam + a.TeamID, ByKind: accountKind, Account: a}),
	}
}

// join adds an access to those of an account. It fails when the account was
// deactivated, or is full.
func (s Store) join(partnerID, accessID, pageID string) dynamo.Op {
	update := revised().Set(expression.Name("pages."+accessID), expression.Value(pageID))
	return s.Table.Update(accountKey(partnerID), update,
		dynamo.Is("active", true).And(expression.Name("pages").Size().LessThan(expression.Value(maxPages))))
}

// leave takes an access away from those of an account.
func (s Store) leave(partnerID, accessID string) dynamo.Op {
	return s.Table.Update(accountKey(partnerID), revised().Remove(expression.Name("pages."+accessID)), dynamo.Present())
}

// rename changes what an account is called, where that is still as it was.
func (s Store) rename(partnerID, from, to string) dynamo.Op {
	return s.Table.Update(accountKey(partnerID), revised().Set(expression.Name("name"), expression.Value(to)), dynamo.Is("name", from))
}

// activate switches an account, at its revision; every session ends with the epoch.
func (s Store) activate(is Account) dynamo.Op {
	update := expression.Set(expression.Name("active"), expression.Value(is.Active)).
		Set(expression.Name("epoch"), expression.Value(is.Epoch)).
		Set(expression.Name("rev"), expression.Value(is.Rev))
	return s.Table.Update(accountKey(is.ID), update, dynamo.Is("rev", is.Rev-1))
}

// takeName keeps a partner's name to an access of its page. It fails when
// another live access has it.
func (s Store) takeName(a Access) dynamo.Op {
	k := a.nameKey()
	return s.Table.Create(nameItem{PK: k.PK, SK: k.SK, AccessID: a.ID})
}

func (s Store) dropName(a Access) dynamo.Op {
	return s.Table.Delete(a.nameKey(), expression.Or(dynamo.Absent(), dynamo.Is("accessId", a.ID)))
}

func (s Store) createAccess(a Access) dynamo.Op {
	k := accessKey(a.StatusPageID, a.ID)
	return s.Table.Create(accessItem{PK: k.PK, SK: k.SK, Access: a})
}

// alter is the write of a patch, of an access that was read at the revision
// before its own. It leaves alone what is counted: people, and looks.
func (s Store) alter(a Access, people int) dynamo.Op {
	update := expression.Set(expression.Name("rev"), expression.Value(a.Rev)).
		Add(expression.Name("people"), expression.Value(people))
	for name, value := range map[string]any{
		"partnerName": a.PartnerName, "contactEmail": a.ContactEmail, "contactId": a.ContactID, "partnerId": a.PartnerID,
		"ipAllowlist": a.IPAllowlist, "componentIds": a.ComponentIDs, "mail": a.Mail,
	} {
		update = update.Set(expression.Name(name), expression.Value(value))
	}
	for name, at := range map[string]*timestamp.Time{"expiresAt": a.ExpiresAt, "movedAt": a.MovedAt} {
		if at == nil {
			update = update.Remove(expression.Name(name))
		} else {
			update = update.Set(expression.Name(name), expression.Value(at))
		}
	}
	return s.Table.Update(accessKey(a.StatusPageID, a.ID), update, live.And(dynamo.Is("rev", a.Rev-1)))
}

// revoke is the end of an access, at its revision.
func (s Store) revoke(a Access) dynamo.Op {
	update := expression.Set(expression.Name("rev"), expression.Value(a.Rev)).
		Set(expression.Name("revokedAt"), expression.Value(a.RevokedAt)).
		Set(expression.Name("revokedById"), expression.Value(a.RevokedByID))
	return s.Table.Update(accessKey(a.StatusPageID, a.ID), update, live.And(dynamo.Is("rev", a.Rev-1)))
}

// pass is where a secret of an access leads.
func (a Access) pass(via seat.Via) seat.Pass {
	return seat.Pass{Via: via, PageID: a.StatusPageID, AccessID: a.ID, PartnerID: a.PartnerID}
}

// exchange are the writes that put a new token in the place of the one that
// was. The first fails when that is not the access's token any more.
func (s Store) exchange(a Access, hash, prefix string) []dynamo.Op {
	update := revised().Set(expression.Name("tokenHash"), expression.Value(hash)).Set(expression.Name("tokenPrefix"), expression.Value(prefix))
	return []dynamo.Op{
		s.Table.Update(accessKey(a.StatusPageID, a.ID), update, live.And(dynamo.Is("tokenHash", a.TokenHash), dynamo.Is("partnerId", a.PartnerID))),
		seat.Withdraw(s.Table, a.TokenHash),
		seat.Issue(s.Table, hash, a.pass(seat.ByToken)),
	}
}

// exchangeFeed are the writes that put a feed's token, "" for none, in the
// place of the one that was, if there was one.
func (s Store) exchangeFeed(a Access, hash string) []dynamo.Op {
	is := expression.Name("feedHash").AttributeNotExists()
	var ops []dynamo.Op
	if a.FeedHash != "" {
		is = dynamo.Is("feedHash", a.FeedHash)
		ops = append(ops, seat.Withdraw(s.Table, a.FeedHash))
	}
	update := revised().Remove(expression.Name("feedHash"))
	cond := is.And(dynamo.Is("partnerId", a.PartnerID))
	if hash != "" {
		update = revised().Set(expression.Name("feedHash"), expression.Value(hash))
		cond = cond.And(live)
		ops = append(ops, seat.Issue(s.Table, hash, a.pass(seat.ByFeed)))
	}
	return append(ops, s.Table.Update(accessKey(a.StatusPageID, a.ID), update, cond))
}

// seatPerson are the writes of a person who may sign in. The first fails when
// the address has a live person there.
func (s Store) seatPerson(a Access, p Person) []dynamo.Op {
	k, viewer := personKey(a.ID, p.ID), viewerKey(p.Email, a.ID)
	return []dynamo.Op{
		s.Table.Create(viewerItem{PK: viewer.PK, SK: viewer.SK, PageID: a.StatusPageID, AccessID: a.ID, PartnerID: a.PartnerID, PersonID: p.ID}),
		s.Table.Create(personItem{PK: k.PK, SK: k.SK, Person: p}),
	}
}

// unseat are the writes that end a live person's place. The first fails when
// it has ended.
func (s Store) unseat(p Person, at timestamp.Time) []dynamo.Op {
	update := expression.Set(expression.Name("revokedAt"), expression.Value(at))
	return []dynamo.Op{
		s.Table.Update(personKey(p.AccessID, p.ID), update, dynamo.Present().And(live)),
		s.Table.Delete(viewerKey(p.Email, p.AccessID), either()),
	}
}

// count changes how many people an access has. One more fails when it is full,
// revoked, or its contact is another one than was read.
func (s Store) count(a Access, delta int, contactID string) dynamo.Op {
	update := revised().Add(expression.Name("people"), expression.Value(delta)).Set(expression.Name("contactId"), expression.Value(contactID))
	cond := dynamo.Is("contactEmail", a.ContactEmail).And(dynamo.Is("contactId", a.ContactID))
	if delta > 0 {
		cond = cond.And(live, expression.Name("people").LessThan(expression.Value(MaxPeople)))
	}
	return s.Table.Update(accessKey(a.StatusPageID, a.ID), update, cond)
}

// invite marks a live person as invited.
func (s Store) invite(p Person, at timestamp.Time) dynamo.Op {
	return s.Table.Update(personKey(p.AccessID, p.ID), expression.Set(expression.Name("invitedAt"), expression.Value(at)), dynamo.Present().And(live))
}

// held makes a transaction depend on an access that is still live.
func (s Store) held(a Access) dynamo.Op {
	return s.Table.Check(accessKey(a.StatusPageID, a.ID), dynamo.Present().And(live))
}

// follow tells sign-in to which account a live person's access has gone.
func (s Store) follow(p Person, partnerID string) dynamo.Op {
	return s.Table.Update(viewerKey(p.Email, p.AccessID), expression.Set(expression.Name("partnerId"), expression.Value(partnerID)), dynamo.Is("personId", p.ID))
}
