package partner

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// Directory tells sign-in where the persons of partners have a place. What it
// says is good for the moment: the Door decides again at each look.
type Directory struct {
	Store Store
}

// looked is how many places of an address, those that ended included, are
// looked at before the search for live ones is given up.
const looked = 1000

// Places are those that an address holds at now, the newest accesses first, at
// most seat.Max: of more, each team's newest, so that no team can push the pages
// of another one out of a person's sign-in. The address must be normalized.
func (d Directory) Places(ctx context.Context, email string, now time.Time) ([]seat.Place, error) {
	q := dynamo.Query{Values: []string{viewerKey(email, "").PK}, Sort: dynamo.SK, Limit: seat.Max}
	var held []seat.Place
	for range looked / seat.Max {
		items, next, err := dynamo.List(ctx, d.Store.Table, q, func(v viewerItem) string { return v.SK }, nil)
		if err != nil {
			return nil, err
		}
		seats := make([]seat.Seat, len(items))
		for i, v := range items {
			seats[i] = seat.Seat{PageID: v.PageID, AccessID: v.AccessID, PartnerID: v.PartnerID, PersonID: v.PersonID}
		}
		live, err := d.hold(ctx, email, now, seats...)
		if err != nil {
			return nil, err
		}
		if held = append(held, live...); next == "" {
			break
		}
		q.Before = next
	}
	return shared(held), nil
}

// shared keeps seat.Max of places, which are the newest first: one of each team
// before a second one of any.
func shared(held []seat.Place) []seat.Place {
	if len(held) <= seat.Max {
		return held
	}
	before, rank := map[string]int{}, map[string]int{} // of the team so far; of an access within its team
	for _, p := range held {
		rank[p.AccessID] = before[p.TeamID]
		before[p.TeamID]++
	}
	slices.SortStableFunc(held, func(a, b seat.Place) int { return cmp.Compare(rank[a.AccessID], rank[b.AccessID]) })
	held = held[:seat.Max]
	slices.SortFunc(held, func(a, b seat.Place) int { return cmp.Compare(b.AccessID, a.AccessID) })
	return held
}

// Place is one seat of an address; false where it does not hold at now.
func (d Directory) Place(ctx context.Context, email string, at seat.Seat, now time.Time) (seat.Place, bool, error) {
	held, err := d.hold(ctx, email, now, at)
	if err != nil || len(held) == 0 {
		return seat.Place{}, false, err
	}
	return held[0], true, nil
}

// hold keeps those of seats that the address holds at now.
func (d Directory) hold(ctx context.Context, email string, now time.Time, seats ...seat.Seat) ([]seat.Place, error) {
	type place struct {
		account Account
		access  Access
		person  Person
		page    status.Page
	}
	all := make([]place, len(seats))
	var reads []dynamo.Read
	for i, one := range seats {
		reads = append(reads,
			dynamo.Read{Key: accessKey(one.PageID, one.AccessID), Out: &all[i].access},
			dynamo.Read{Key: personKey(one.AccessID, one.PersonID), Out: &all[i].person},
			dynamo.Read{Key: status.PageKey(one.PageID), Out: &all[i].page})
	}
	if err := d.Store.Table.ReadAll(ctx, reads...); err != nil {
		return nil, err
	}
	reads = nil
	for i := range all { // the access knows whose it is: what its persons are found by may be of before it moved
		if all[i].access.PartnerID != "" {
			reads = append(reads, dynamo.Read{Key: accountKey(all[i].access.PartnerID), Out: &all[i].account})
		}
	}
	if err := d.Store.Table.ReadAll(ctx, reads...); err != nil {
		return nil, err
	}
	var held []seat.Place
	for i, one := range seats {
		p := all[i]
		switch {
		case p.account.ID == "" || !p.account.Active:
		case p.access.ID == "" || p.access.RevokedAt != nil || p.access.expired(now):
		case p.person.ID == "" || p.person.RevokedAt != nil || p.person.Email != email:
		case p.page.ID == "":
		default:
			one.PartnerID, one.Slug, one.Epoch = p.account.ID, p.page.Slug, p.account.Epoch
			held = append(held, seat.Place{
				Seat: one, TeamID: p.access.TeamID, Email: email, PageName: p.page.Name, Lifetime: lifetime(p.page.SessionDays),
			})
		}
	}
	return held, nil
}

// Accept is the writes by which a sign-in marks its persons: the first sets
// acceptedAt. Each fails where the person was revoked meanwhile.
func (d Directory) Accept(places []seat.Place, now time.Time) []dynamo.Op {
	ops := make([]dynamo.Op, len(places))
	for i, p := range places {
		accepted := expression.Name("acceptedAt")
		ops[i] = d.Store.Table.Update(personKey(p.AccessID, p.PersonID),
			expression.Set(accepted, expression.IfNotExists(accepted, expression.Value(timestamp.Of(now)))),
			dynamo.Present().And(expression.Name("revokedAt").AttributeNotExists()))
	}
	return ops
}
