package partner

import (
	"context"
	"strings"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/mailstop"
	"pagefree/internal/status"
)

// Store keeps partners in the status table. Sessions lie in the ephemeral one,
// which this room only reads.
type Store struct {
	Table     dynamo.Table
	Ephemeral dynamo.Table // only where sessions are listed
	Stops     dynamo.Table // the identity table, for mailstop alone; only where persons are mailed or listed
}

// stopped are those of people to whom no mail goes any more, by their address.
func (s Store) stopped(ctx context.Context, people []Person) (map[string]mailstop.Stop, error) {
	addresses := make([]string, len(people))
	for i, p := range people {
		addresses[i] = p.Email
	}
	return mailstop.Of(ctx, s.Stops, addresses...)
}

// All keys of the room.
func accountKey(partnerID string) dynamo.Key {
	return dynamo.Key{PK: "prt#" + partnerID, SK: "partner"}
}
func accessKey(pageID, accessID string) dynamo.Key {
	return dynamo.Key{PK: "grants#" + pageID, SK: accessID}
}
func personKey(accessID, personID string) dynamo.Key {
	return dynamo.Key{PK: "people#" + accessID, SK: personID}
}
func lookKey(accessID, lookID string) dynamo.Key {
	return dynamo.Key{PK: "looks#" + accessID, SK: lookID}
}

// addressKey is the account of an address in a team: there is one.
func addressKey(teamID, email string) dynamo.Key {
	return dynamo.Key{PK: "prtmail#" + teamID, SK: email}
}

// nameKey keeps a live partner's name to one access of a page.
func nameKey(pageID, lowered string) dynamo.Key {
	return dynamo.Key{PK: "prtname#" + pageID, SK: lowered}
}

// viewerKey is one place of a person that has an address: sign-in finds all of
// them by it. The access decides whether it still holds.
func viewerKey(email, accessID string) dynamo.Key {
	return dynamo.Key{PK: "viewer#" + email, SK: accessID}
}

// viewerItem is what stands under viewerKey.
type viewerItem struct {
	PK        string `dynamodbav:"pk"`
	SK        string `dynamodbav:"sk"`
	PageID    string `dynamodbav:"pageId"`
	AccessID  string `dynamodbav:"accessId"`
	PartnerID string `dynamodbav:"partnerId"`
	PersonID  string `dynamodbav:"personId"`
}

const (
	accountKind = "prt"
	accountTeam = "prt#"
)

type accountItem struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	ByTeam string `dynamodbav:"byTeam"`
	ByKind string `dynamodbav:"byKind"`
	Account
}

type accessItem struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
	Access
}

type personItem struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
	Person
}

// addressItem names the account of an address.
type addressItem struct {
	PK        string `dynamodbav:"pk"`
	SK        string `dynamodbav:"sk"`
	PartnerID string `dynamodbav:"partnerId"`
}

// nameItem names the live access that has a name.
type nameItem struct {
	PK       string `dynamodbav:"pk"`
	SK       string `dynamodbav:"sk"`
	AccessID string `dynamodbav:"accessId"`
}

func (a Access) nameKey() dynamo.Key { return nameKey(a.StatusPageID, strings.ToLower(a.PartnerName)) }

// account reads an account, and false where there is none.
func (s Store) account(ctx context.Context, partnerID string) (Account, bool, error) {
	var a Account
	found, err := s.Table.Get(ctx, accountKey(partnerID), &a)
	return a, found, err
}

// accountOf reads the account of an address in a team.
func (s Store) accountOf(ctx context.Context, teamID, email string) (Account, bool, error) {
	var at addressItem
	found, err := s.Table.Get(ctx, addressKey(teamID, email), &at)
	if err != nil || !found {
		return Account{}, false, err
	}
	return s.account(ctx, at.PartnerID)
}

// person reads a person of an access.
func (s Store) person(ctx context.Context, accessID, personID string) (Person, bool, error) {
	var p Person
	found, err := s.Table.Get(ctx, personKey(accessID, personID), &p)
	return p, found, err
}

// personAt reads the live person of an access that has an address.
func (s Store) personAt(ctx context.Context, accessID, email string) (Person, bool, error) {
	var at viewerItem
	found, err := s.Table.Get(ctx, viewerKey(email, accessID), &at)
	if err != nil || !found {
		return Person{}, false, err
	}
	p, found, err := s.person(ctx, accessID, at.PersonID)
	return p, found && p.RevokedAt == nil, err
}

// snapshot reads what a page shows, of which its components are known.
func (s Store) snapshot(ctx context.Context, p status.Page) (status.Snapshot, bool, error) {
	var published status.Published
	found, err := s.Table.Get(ctx, status.PublishedKey(p.ID), &published)
	if err != nil || !found {
		return status.Snapshot{}, false, err
	}
	snapshot, err := status.Unpack(published.Packed)
	return snapshot, err == nil, err
}

// accesses lists those of a page, newest first, the revoked ones too.
func (s Store) accesses(ctx context.Context, pageID string, page httpapi.Page, keep func(Access) bool) ([]Access, string, error) {
	q := dynamo.Query{Values: []string{accessKey(pageID, "").PK}, Sort: dynamo.SK, Before: page.Before, Limit: page.Limit}
	return dynamo.List(ctx, s.Table, q, func(a Access) string { return a.ID }, keep)
}

// people lists those of an access, newest first, the revoked ones too.
func (s Store) people(ctx context.Context, accessID string, page httpapi.Page) ([]Person, string, error) {
	q := dynamo.Query{Values: []string{personKey(accessID, "").PK}, Sort: dynamo.SK, Before: page.Before, Limit: page.Limit}
	return dynamo.List(ctx, s.Table, q, func(p Person) string { return p.ID }, nil)
}

// seated are all live people of an access.
func (s Store) seated(ctx context.Context, accessID string) ([]Person, error) {
	var all []Person
	page := httpapi.Page{Limit: 200}
	for {
		people, next, err := s.people(ctx, accessID, page)
		if err != nil {
			return nil, err
		}
		for _, p := range people {
			if p.RevokedAt == nil {
				all = append(all, p)
			}
		}
		if page.Before = next; next == "" {
			return all, nil
		}
	}
}

// accounts lists those of the teams, or of all when teams is nil, newest first.
func (s Store) accounts(ctx context.Context, teams []string, page httpapi.Page) ([]Account, string, error) {
	q := dynamo.Query{Index: "byKind", Values: []string{accountKind}, Sort: "id", Before: page.Before, Limit: page.Limit}
	if teams != nil {
		q.Index, q.Values = "byTeam", nil
		for _, t := range teams {
			q.Values = append(q.Values, accountTeam+t)
		}
	}
	return dynamo.List(ctx, s.Table, q, func(a Account) string { return a.ID }, nil)
}
