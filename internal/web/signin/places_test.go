package signin_test

import (
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/audit"
	"pagefree/internal/partner"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
	"pagefree/internal/status"
)

// place is somebody's place at a page, as its items are.
type place struct {
	page    status.Page
	account partner.Account
	access  partner.Access
	person  partner.Person
}

// page is a page that is not stored yet.
func (w *world) page(slug, name string, days float64) status.Page {
	now := w.clock.now()
	return status.Page{ID: id.New(id.StatusPage, now), Name: name, Slug: slug, TeamID: id.New(id.Team, now), SessionDays: days, TimeZone: "UTC"}
}

// grant gives an address a place at a page, with an account of its own.
func (w *world) grant(page status.Page, email string) place {
	w.Helper()
	now := w.clock.now()
	p := place{page: page}
	p.account = partner.Account{ID: id.New(id.Partner, now), TeamID: page.TeamID, Name: "Acme", Email: email, Active: true, CreatedAt: timestamp.Of(now)}
	p.access = partner.Access{ID: id.New(id.PartnerAccess, now), StatusPageID: page.ID, TeamID: page.TeamID, PartnerID: p.account.ID, PartnerName: "Acme", ContactEmail: email, CreatedAt: timestamp.Of(now)}
	p.person = partner.Person{ID: id.New(id.PartnerPerson, now), AccessID: p.access.ID, Email: email, Name: "Pat", CreatedAt: timestamp.Of(now)}
	w.put("viewer#"+email, p.access.ID, map[string]string{"pageId": page.ID, "accessId": p.access.ID, "partnerId": p.account.ID, "personId": p.person.ID})
	w.store(p)
	return p
}

// store writes a place as it is now.
func (w *world) store(p place) {
	w.Helper()
	w.put("sp#"+p.page.ID, "page", p.page)
	w.put("prt#"+p.account.ID, "partner", p.account)
	w.put("grants#"+p.page.ID, p.access.ID, p.access)
	w.put("people#"+p.access.ID, p.person.ID, p.person)
}

// put writes one item of the status table.
func (w *world) put(pk, sk string, item any) {
	w.Helper()
	type keys struct {
		PK string `dynamodbav:"pk"`
		SK string `dynamodbav:"sk"`
	}
	var row any
	switch v := item.(type) {
	case status.Page:
		row = struct {
			keys
			status.Page
		}{keys{pk, sk}, v}
	case partner.Account:
		row = struct {
			keys
			partner.Account
		}{keys{pk, sk}, v}
	case partner.Access:
		row = struct {
			keys
			partner.Access
		}{keys{pk, sk}, v}
	case partner.Person:
		row = struct {
			keys
			partner.Person
		}{keys{pk, sk}, v}
	case map[string]string:
		v["pk"], v["sk"] = pk, sk
		row = v
	}
	if err := dynamo.Commit(w.Context(), w.status.DB, w.status.Put(row, expression.Or(dynamo.Absent(), dynamo.Present()))); err != nil {
		w.Fatal(err)
	}
}

// person reads the person of a place.
func (w *world) person(p place) partner.Person {
	w.Helper()
	var got partner.Person
	if _, err := w.status.Get(w.Context(), dynamo.Key{PK: "people#" + p.access.ID, SK: p.person.ID}, &got); err != nil {
		w.Fatal(err)
	}
	return got
}

// marks are the sessions that staff see at an access.
func (w *world) marks(p place) []seat.Session {
	w.Helper()
	list, _, err := seat.Sessions(w.Context(), w.ephemeral, p.access.ID, "", 100, w.clock.now())
	if err != nil {
		w.Fatal(err)
	}
	return list
}

// trail is the events about an access, oldest first.
func (w *world) trail(p place) []audit.Event {
	w.Helper()
	list, _, err := dynamo.List(w.Context(), w.audit,
		dynamo.Query{Index: "bySubject", Values: []string{"subject#" + p.access.ID}, Sort: "id", Limit: 200, Oldest: true},
		func(e audit.Event) string { return e.ID }, nil)
	if err != nil {
		w.Fatal(err)
	}
	return list
}

// kinds are the secrets that passes are of.
var kinds = map[seat.Via]token.Kind{seat.ByToken: token.Partner, seat.ByFeed: token.Feed, seat.ByShared: token.Shared}

// pass makes a secret of a kind that leads somewhere.
func (w *world) pass(kind token.Kind, p seat.Pass) string {
	w.Helper()
	secret := token.New(kind)
	if err := dynamo.Commit(w.Context(), w.status.DB, seat.Issue(w.status, token.Hash(secret), p)); err != nil {
		w.Fatal(err)
	}
	return secret
}
