package identity

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
)

// Store keeps people and keys in the identity table, and sessions and links,
// which come and go, in the ephemeral one. A function leaves out the table
// that it has no right to.
type Store struct {
	Identity  dynamo.Table
	Ephemeral dynamo.Table
}

// All keys of the room. A key pair of what exists once has the noun as sk.
func userKey(id string) dynamo.Key       { return dynamo.Key{PK: "usr#" + id, SK: "user"} }
func emailKey(email string) dynamo.Key   { return dynamo.Key{PK: "email#" + email, SK: "email"} }
func founderKey(email string) dynamo.Key { return dynamo.Key{PK: "founder#" + email, SK: "founder"} }
func teamKey(id string) dynamo.Key       { return dynamo.Key{PK: "team#" + id, SK: "team"} }
func memberKey(teamID, userID string) dynamo.Key {
	return dynamo.Key{PK: "team#" + teamID, SK: memberPrefix + userID}
}
func apiKeyKey(id string) dynamo.Key    { return dynamo.Key{PK: "key#" + id, SK: "key"} }
func secretKey(hash string) dynamo.Key  { return dynamo.Key{PK: "secret#" + hash, SK: "secret"} }
func sessionKey(hash string) dynamo.Key { return dynamo.Key{PK: "session#" + hash, SK: "session"} }
func linkKey(hash string) dynamo.Key    { return dynamo.Key{PK: "link#" + hash, SK: "link"} }
func inviteKey(hash string) dynamo.Key  { return dynamo.Key{PK: "invite#" + hash, SK: "invite"} }

// codeKey is the code of a link, in the browser that asked for it.
func codeKey(browser, code string) dynamo.Key {
	return dynamo.Key{PK: "browser#" + browser, SK: token.Hash(code)}
}

const memberPrefix = "member#"

// Values of byKind.
const (
	kindUser   = "user"
	kindTeam   = "team"
	kindAPIKey = "apikey"
)

type keys struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
}

func keysOf(k dynamo.Key) keys { return keys{PK: k.PK, SK: k.SK} }

type userItem struct {
	keys
	ByKind string `dynamodbav:"byKind"`
	User
}

// pointerItem is an item that only leads to another: an address or a secret to
// its owner. That it exists makes what its key says unique.
type pointerItem struct {
	keys
	Owner string `dynamodbav:"owner"`
}

type teamItem struct {
	keys
	ByKind string `dynamodbav:"byKind"`
	Team
}

type memberItem struct {
	keys
	Member
}

type apiKeyItem struct {
	keys
	ByKind string `dynamodbav:"byKind,omitempty"` // of the item that people see; the secret's has neither
	ByTeam string `dynamodbav:"byTeam,omitempty"`
	APIKey
}

type sessionItem struct {
	keys
	TTL int64 `dynamodbav:"ttl"`
	Session
}

type linkItem struct {
	keys
	TTL int64 `dynamodbav:"ttl"`
	Link
}

type codeItem struct {
	keys
	TTL  int64  `dynamodbav:"ttl"`
	Link string `dynamodbav:"link"` // its hash
}

type inviteItem struct {
	keys
	TTL int64 `dynamodbav:"ttl"`
	Invitation
}

// errContended is a write that met others at each of its tries: a 409, since
// the caller may try again.
var errContended = problem.Lost(dynamo.ErrContended)

// commit writes all of ops or none.
func (s Store) commit(ctx context.Context, ops ...dynamo.Op) error {
	err := dynamo.Commit(ctx, s.Identity.DB, ops...)
	if errors.Is(err, dynamo.ErrContended) {
		return errContended
	}
	return err
}

// get reads one item of type T; false when there is none.
func get[T any](ctx context.Context, t dynamo.Table, k dynamo.Key) (T, bool, error) {
	var item T
	found, err := t.Get(ctx, k, &item)
	return item, found, err
}

func (s Store) user(ctx context.Context, id string) (User, bool, error) {
	item, found, err := get[userItem](ctx, s.Identity, userKey(id))
	return item.User, found, err
}

// userByEmail finds a user by address, which must be normalized.
func (s Store) userByEmail(ctx context.Context, email string) (User, bool, error) {
	pointer, found, err := get[pointerItem](ctx, s.Identity, emailKey(email))
	if err != nil || !found {
		return User{}, false, err
	}
	return s.user(ctx, pointer.Owner)
}

// users reads many users, by id.
func (s Store) users(ctx context.Context, ids []string) (map[string]User, error) {
	var wanted []dynamo.Key
	for _, id := range ids {
		wanted = append(wanted, userKey(id))
	}
	items, err := dynamo.GetAll[userItem](ctx, s.Identity, wanted)
	found := make(map[string]User, len(items))
	for _, item := range items {
		found[item.User.ID] = item.User
	}
	return found, err
}

// createUser is the writes of a new user. The first fails where the address is taken.
func (s Store) createUser(u User) []dynamo.Op {
	return []dynamo.Op{
		s.claimEmail(u.Email, u.ID),
		s.Identity.Create(userItem{keys: keysOf(userKey(u.ID)), ByKind: kindUser, User: u}),
	}
}

// markFounder fails where an address already was the first admin's.
func (s Store) markFounder(u User) dynamo.Op {
	return s.Identity.Create(pointerItem{keys: keysOf(founderKey(u.Email)), Owner: u.ID})
}

// retireEmail keeps an address that a user had from becoming the first admin's:
// whoever reads its mail is not who the parameter meant any more.
func (s Store) retireEmail(email, userID string) dynamo.Op {
	return s.Identity.Put(pointerItem{keys: keysOf(founderKey(email)), Owner: userID}, expression.Or(dynamo.Absent(), dynamo.Present()))
}

func (s Store) claimEmail(email, userID string) dynamo.Op {
	return s.Identity.Create(pointerItem{keys: keysOf(emailKey(email)), Owner: userID})
}

func (s Store) freeEmail(email, userID string) dynamo.Op {
	return s.Identity.Delete(emailKey(email), dynamo.Is("owner", userID))
}

// changeUser writes next over old, provided that nobody wrote since old was
// read, and that the one who asks still holds, as rule says.
func (s Store) changeUser(old, next User, rule expression.ConditionBuilder) dynamo.Op {
	update := expression.
		Set(expression.Name("email"), expression.Value(next.Email)).
		Set(expression.Name("name"), expression.Value(next.Name)).
		Set(expression.Name("platformAdmin"), expression.Value(next.PlatformAdmin)).
		Set(expression.Name("active"), expression.Value(next.Active)).
		Set(expression.Name("epoch"), expression.Value(next.Epoch)).
		Set(expression.Name("rev"), expression.Value(next.Rev)).
		Set(expression.Name("updatedAt"), expression.Value(next.UpdatedAt))
	cond := dynamo.Is("rev", old.Rev).And(dynamo.Is("teamsRev", old.TeamsRev), rule)
	return s.Identity.Update(userKey(old.ID), update, cond)
}

// Conditions on the user item of who asks. They repeat in the write what was
// decided before it, so that a right which ends in between is not used.

// isAdmin holds for an active platform admin.
func isAdmin() expression.ConditionBuilder {
	return dynamo.Is("active", true).And(dynamo.Is("platformAdmin", true))
}

// leads holds for who may manage a team: its active admins, and platform admins.
func leads(teamID string) expression.ConditionBuilder {
	return dynamo.Is("active", true).And(dynamo.Is("platformAdmin", true).Or(roleIs(teamID, principal.TeamAdmin)))
}

// holds is the condition that a user is active and in the epoch.
func holds(epoch int64) expression.ConditionBuilder {
	return dynamo.Is("active", true).And(dynamo.Is("epoch", epoch))
}

// role names a user's role in a team, as an attribute. A team's id is a ULID
// with a prefix: it has none of the characters that a path gives a meaning to.
func role(teamID string) expression.NameBuilder { return expression.Name("teams." + teamID) }

// roleIs is the condition that a user has the role in a team; None is no role.
func roleIs(teamID string, r principal.Role) expression.ConditionBuilder {
	if r == principal.None {
		return role(teamID).AttributeNotExists()
	}
	return role(teamID).Equal(expression.Value(r))
}

// session reads a session by its hash.
func (s Store) session(ctx context.Context, hash string) (Session, bool, error) {
	item, found, err := get[sessionItem](ctx, s.Ephemeral, sessionKey(hash))
	item.Session.Hash = hash
	return item.Session, found, err
}

func (s Store) createSession(v Session) dynamo.Op {
	return s.Ephemeral.Create(sessionItem{keys: keysOf(sessionKey(v.Hash)), TTL: v.ExpiresAt.Unix(), Session: v})
}

// endSession fails where the session ended before.
func (s Store) endSession(hash string) dynamo.Op {
	return s.Ephemeral.Delete(sessionKey(hash), dynamo.Present())
}

// touch writes the time of last use; of several requests at once, one does.
func (s Store) touch(ctx context.Context, v Session, now time.Time) error {
	return s.Ephemeral.Nudge(ctx, sessionKey(v.Hash),
		expression.Set(expression.Name("seenAt"), expression.Value(timestamp.Of(now))), dynamo.Is("seenAt", v.SeenAt))
}

// link reads a link by its hash.
func (s Store) link(ctx context.Context, hash string) (Link, bool, error) {
	item, found, err := get[linkItem](ctx, s.Ephemeral, linkKey(hash))
	item.Link.Hash = hash
	return item.Link, found, err
}

func (s Store) createLink(l Link) dynamo.Op {
	return s.Ephemeral.Create(linkItem{keys: keysOf(linkKey(l.Hash)), TTL: l.forgottenAt(), Link: l})
}

// createCode lets the browser that asked for a link find it by its code.
func (s Store) createCode(l Link, code string) dynamo.Op {
	return s.Ephemeral.Create(codeItem{keys: keysOf(codeKey(l.Browser, code)), TTL: l.forgottenAt(), Link: l.Hash})
}

// linkByCode is the hash of the link that a browser, by its hash, has a code of.
func (s Store) linkByCode(ctx context.Context, browser, code string) (string, bool, error) {
	item, found, err := get[codeItem](ctx, s.Ephemeral, codeKey(browser, code))
	return item.Link, found, err
}

// invitation reads an invitation by its hash.
func (s Store) invitation(ctx context.Context, hash string) (Invitation, bool, error) {
	item, found, err := get[inviteItem](ctx, s.Ephemeral, inviteKey(hash))
	item.Invitation.Hash = hash
	return item.Invitation, found, err
}

func (s Store) createInvitation(i Invitation) dynamo.Op {
	return s.Ephemeral.Create(inviteItem{keys: keysOf(inviteKey(i.Hash)), TTL: i.ExpiresAt.Add(invitationRemembered).Unix(), Invitation: i})
}

// useLink fails where the link was used or has ended.
func (s Store) useLink(hash string, now time.Time) dynamo.Op {
	at := timestamp.Of(now)
	return s.Ephemeral.Update(linkKey(hash), expression.Set(expression.Name("usedAt"), expression.Value(at)),
		expression.Name("usedAt").AttributeNotExists().And(expression.Name("expiresAt").GreaterThan(expression.Value(at))))
}

// checkUser makes a write depend on a user.
func (s Store) checkUser(id string, rule expression.ConditionBuilder) dynamo.Op {
	return s.Identity.Check(userKey(id), rule)
}
