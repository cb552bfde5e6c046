package identity

import (
	"context"
	"fmt"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
)

// Links makes sign-in links, for the mail function and for the operator's.
type Links struct {
	Store      Store
	Audit      audit.Log
	FirstAdmin string // normalized: who becomes the first platform admin; "" for nobody
	Origin     *origin.Source
	Now        func() time.Time
}

// Issued is a link that signs its user in, once. URL is a secret.
type Issued struct {
	Email     string
	URL       string
	ExpiresAt timestamp.Time
}

// Issue makes a link for the active user of an address, and reports whether
// there is one. via says in the record how the link leaves: "mail" or "operator".
// If nobody has the address, and it is the first admin's, the user is made.
func (l *Links) Issue(ctx context.Context, email, next, via string, by audit.Ref) (Issued, bool, error) {
	u, found, err := l.Store.userByEmail(ctx, email)
	if err == nil && !found && email == l.FirstAdmin && email != "" {
		u, found, err = l.makeFirstAdmin(ctx)
	}
	if err != nil || !found || !u.Active {
		return Issued{}, false, err
	}
	at, err := l.Origin.Get(ctx)
	if err != nil {
		return Issued{}, false, err
	}
	now := l.Now()
	secret := token.New(token.Link)
	link := Link{
		Hash: token.Hash(secret), Kind: Staff, UserID: u.ID, Email: u.Email, Epoch: u.Epoch, Next: Next(next),
		CreatedAt: timestamp.Of(now), ExpiresAt: timestamp.Of(now.Add(LinkLife)),
	}
	err = dynamo.Commit(ctx, l.Store.Ephemeral.DB,
		l.Store.checkUser(u.ID, holds(u.Epoch)),
		l.Store.createLink(link),
		l.Audit.Record(ctx, now, audit.Entry{Type: "link.issued", Subject: subject("user", u.ID), Actor: by, Detail: map[string]any{"via": via}}))
	if failedAt(err, 0) { // deactivated this very moment
		return Issued{}, false, nil
	}
	return Issued{Email: u.Email, URL: at.URL("/signin?token=" + secret), ExpiresAt: link.ExpiresAt}, err == nil, err
}

// makeFirstAdmin makes the first platform admin. That happens once for an
// address: a mark stays, so that somebody who was given another address, or
// was deactivated, does not come back by it.
func (l *Links) makeFirstAdmin(ctx context.Context) (User, bool, error) {
	now := l.Now()
	u := newUser(id.New(id.User, now), l.FirstAdmin, "First admin", true, true, now)
	ops := append([]dynamo.Op{l.Store.markFounder(u)}, l.Store.createUser(u)...)
	ops = append(ops, l.Audit.Record(ctx, now, audit.Entry{Type: "user.created", Subject: subject("user", u.ID),
		Detail: map[string]any{"platformAdmin": true, "active": true, "why": "first admin"}}))
	err := dynamo.Commit(ctx, l.Store.Identity.DB, ops...)
	if _, lost := dynamo.Failed(err); lost { // made before, or at this moment by another request
		return l.Store.userByEmail(ctx, l.FirstAdmin)
	}
	return u, err == nil, err
}

// OperatorRequest is what an operator invokes the sign-in link function with.
type OperatorRequest struct {
	Email string `json:"email"`
}

// OperatorLink is the answer: a secret for the operator to pass on.
type OperatorLink struct {
	Link      string         `json:"link"`
	ExpiresAt timestamp.Time `json:"expiresAt"`
}

// ForOperator makes a link for who may invoke it by IAM, and says plainly why
// there is none: an operator is no stranger.
func (l *Links) ForOperator(ctx context.Context, r OperatorRequest) (OperatorLink, error) {
	email, err := Normalize(r.Email)
	if err != nil {
		return OperatorLink{}, fmt.Errorf("%q %w", r.Email, err)
	}
	issued, ok, err := l.Issue(ctx, email, "", "operator", audit.Ref{Kind: string(principal.System), ID: "iam"})
	if err == nil && !ok {
		err = fmt.Errorf("nobody has the address %s, or its user is not active", email)
	}
	return OperatorLink{Link: issued.URL, ExpiresAt: issued.ExpiresAt}, err
}
