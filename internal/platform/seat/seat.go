// Package seat is what ties a partner's credentials, which the authorizer
// checks, to status pages, which the partner room grants. What stands here is
// only where to look: whether an access still holds is decided at each look,
// from the grant itself (see partner.Door).
package seat

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/timestamp"
)

// Max is how many seats one session holds; of an address that has more, each
// team's newest count. Opening it writes three items for each and two more, and
// a transaction holds a hundred.
const Max = 32

// Seat is a person's place at one page: through which access, of which account.
// Names are short, since seats travel with every request of a session.
type Seat struct {
	PageID    string `json:"p" dynamodbav:"p"`
	AccessID  string `json:"a" dynamodbav:"a"`
	PartnerID string `json:"o" dynamodbav:"o"`
	PersonID  string `json:"u,omitempty" dynamodbav:"u,omitempty"` // "" for a token, which is the partner's as a whole
	Slug      string `json:"s,omitempty" dynamodbav:"s,omitempty"` // of the page when the session began: where to look first
	Epoch     int64  `json:"e,omitempty" dynamodbav:"e,omitempty"` // of the account when the session began
}

// Via says what a reader of pages came with.
type Via string

// The ways to a page.
const (
	ByToken   Via = "token"   // the partner's bearer token
	BySession Via = "session" // a person's sign-in
	ByFeed    Via = "feed"    // the token of a feed's address
	ByShared  Via = "shared"  // the page's one token for everybody
)

// Pass is where a secret that is no session leads: the status table holds it
// under the secret's hash for as long as the secret is the current one.
type Pass struct {
	Via       Via    `dynamodbav:"via"`
	PageID    string `dynamodbav:"pageId"`
	AccessID  string `dynamodbav:"accessId,omitempty"`
	PartnerID string `dynamodbav:"partnerId,omitempty"`
}

type passItem struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
	Pass
}

func passKey(hash string) dynamo.Key { return dynamo.Key{PK: "token#" + hash, SK: "token"} }

// Issue is the write of a new secret's pass; t is the status table.
func Issue(t dynamo.Table, hash string, p Pass) dynamo.Op {
	k := passKey(hash)
	return t.Create(passItem{PK: k.PK, SK: k.SK, Pass: p})
}

// Redirect is the write of where a secret leads from now on.
func Redirect(t dynamo.Table, hash string, p Pass) dynamo.Op {
	k := passKey(hash)
	return t.Put(passItem{PK: k.PK, SK: k.SK, Pass: p}, dynamo.Present())
}

// Withdraw is the removal of a secret's pass, whether or not it is there.
func Withdraw(t dynamo.Table, hash string) dynamo.Op {
	return t.Delete(passKey(hash), expression.Or(dynamo.Absent(), dynamo.Present()))
}

// PassOf reads the pass of a secret, by its hash.
func PassOf(ctx context.Context, t dynamo.Table, hash string) (Pass, bool, error) {
	var item passItem
	found, err := t.Get(ctx, passKey(hash), &item)
	return item.Pass, found, err
}

// Session is the mark that a session leaves at each access that it is good for,
// for staff to see. It is written with the session, in the ephemeral table.
type Session struct {
	ID        string         `dynamodbav:"id"`
	PersonID  string         `dynamodbav:"personId"`
	Email     string         `dynamodbav:"email"`
	Epoch     int64          `dynamodbav:"epoch"` // of the account
	IP        string         `dynamodbav:"ip"`
	UserAgent string         `dynamodbav:"userAgent"`
	CreatedAt timestamp.Time `dynamodbav:"createdAt"`
	ExpiresAt timestamp.Time `dynamodbav:"expiresAt"` // of this access within the session
}

type sessionItem struct {
	PK  string `dynamodbav:"pk"`
	SK  string `dynamodbav:"sk"`
	TTL int64  `dynamodbav:"ttl"`
	Session
}

func sessionsPK(accessID string) string { return "access#" + accessID }

// Mark is the write of a session's mark at an access.
func Mark(ephemeral dynamo.Table, accessID string, s Session) dynamo.Op {
	return ephemeral.Create(sessionItem{PK: sessionsPK(accessID), SK: s.ID, TTL: s.ExpiresAt.Unix(), Session: s})
}

// Unmark removes the mark of a session that was signed out.
func Unmark(ephemeral dynamo.Table, accessID, sessionID string) dynamo.Op {
	return ephemeral.Delete(dynamo.Key{PK: sessionsPK(accessID), SK: sessionID}, expression.Or(dynamo.Absent(), dynamo.Present()))
}

// Sessions lists the marks at an access, newest first: those that have ended by
// their time are left out, those of a person or an account that lost the access are not.
func Sessions(ctx context.Context, ephemeral dynamo.Table, accessID, before string, limit int, now time.Time) ([]Session, string, error) {
	q := dynamo.Query{Values: []string{sessionsPK(accessID)}, Sort: dynamo.SK, Before: before, Limit: limit}
	return dynamo.List(ctx, ephemeral, q, func(s Session) string { return s.ID }, func(s Session) bool { return now.Before(s.ExpiresAt.Time) })
}
