package identity

import (
	"context"
	"fmt"
	"strings"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
)

// Links makes sign-in links, for the mail function and for the operator's.
type Links struct {
	Store      Store
	Partners   Partners // nil for none
	Audit      audit.Log
	FirstAdmin string // normalized: who becomes the first platform admin; "" for nobody
	Origin     *origin.Source
	Now        func() time.Time
}

func (l *Links) partners() Partners {
	if l.Partners == nil {
		return nobodys{}
	}
	return l.Partners
}

// LinkRequest says for whom a link is, and how it leaves.
type LinkRequest struct {
	Email   string // normalized
	Next    string
	Browser string    // hash of the secret of the browser that asked; "" for none
	Via     string    // "mail" or "operator", for the record
	By      audit.Ref // who made it leave, where that is not the person
}

// Issued is a link that signs its user in, once. URL is a secret.
type Issued struct {
	Email     string
	URL       string
	ExpiresAt timestamp.Time
	Kind      Kind
	Bound     bool   // to the browser that asked
	Page      string // the name of the status page that it leads to, if it is a partner's and leads to one
}

// Issue makes a link for whoever has an address, and reports whether there is
// somebody: an active user, or a person of partners. Who is both gets the link
// that leads to where they want to go. If nobody has the address, and it is the
// first admin's, the user is made.
func (l *Links) Issue(ctx context.Context, r LinkRequest) (Issued, bool, error) {
	r.Next = Next(r.Next)
	u, found, err := l.Store.userByEmail(ctx, r.Email)
	if err != nil {
		return Issued{}, false, err
	}
	var places []seat.Place
	if toPages(r.Next) || !found || !u.Active {
		if places, err = l.partners().Places(ctx, r.Email, l.Now()); err != nil {
			return Issued{}, false, err
		}
	}
	if len(places) > 0 {
		return l.forPartner(ctx, r, places)
	}
	if !found && r.Email == l.FirstAdmin && r.Email != "" {
		u, found, err = l.makeFirstAdmin(ctx)
	}
	if err != nil || !found || !u.Active {
		return Issued{}, false, err
	}
	return l.forUser(ctx, r, u)
}

func (l *Links) forUser(ctx context.Context, r LinkRequest, u User) (Issued, bool, error) {
	now := l.Now()
	link := Link{Kind: Staff, UserID: u.ID, Email: u.Email, Epoch: u.Epoch}
	issued, err := l.write(ctx, r, link, now, l.Store.checkUser(u.ID, holds(u.Epoch)),
		l.Audit.Record(ctx, now, audit.Entry{Type: "link.issued", Subject: subject("user", u.ID), Actor: r.By, Detail: map[string]any{"via": r.Via}}))
	if failedAt(err, 0) { // deactivated this very moment
		return Issued{}, false, nil
	}
	return issued, err == nil, err
}

func (l *Links) forPartner(ctx context.Context, r LinkRequest, places []seat.Place) (Issued, bool, error) {
	now := l.Now()
	r.Next = onward(r.Next, places)
	issued, err := l.write(ctx, r, Link{Kind: Partner, Email: r.Email}, now,
		inTrails(ctx, l.Audit, now, places, audit.Entry{Type: "link.issued", Actor: r.By, Detail: map[string]any{"via": r.Via}})...)
	for _, p := range places {
		if r.Next == "/status/"+p.Slug || strings.HasPrefix(r.Next, "/status/"+p.Slug+"/") {
			issued.Page = p.PageName
		}
	}
	return issued, err == nil, err
}

// write makes the secret of a link and stores it, in one transaction with ops.
func (l *Links) write(ctx context.Context, r LinkRequest, link Link, now time.Time, ops ...dynamo.Op) (Issued, error) {
	at, err := l.Origin.Get(ctx)
	if err != nil {
		return Issued{}, err
	}
	secret := token.New(token.Link)
	link.Hash, link.Next, link.Browser = token.Hash(secret), r.Next, r.Browser
	link.CreatedAt, link.ExpiresAt = timestamp.Of(now), timestamp.Of(now.Add(LinkLife))
	ops = append(ops, l.Store.createLink(link))
	if link.Browser != "" {
		ops = append(ops, l.Store.createCode(link, codeOf(secret)))
	}
	err = dynamo.Commit(ctx, l.Store.Ephemeral.DB, ops...)
	return Issued{Email: link.Email, URL: at.URL("/signin?token=" + secret), ExpiresAt: link.ExpiresAt, Kind: link.Kind, Bound: link.Browser != ""}, err
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
	issued, ok, err := l.Issue(ctx, LinkRequest{Email: email, Via: "operator", By: audit.Ref{Kind: string(principal.System), ID: "iam"}})
	if err == nil && !ok {
		err = fmt.Errorf("nobody has the address %s, or its user is not active", email)
	}
	return OperatorLink{Link: issued.URL, ExpiresAt: issued.ExpiresAt}, err
}
