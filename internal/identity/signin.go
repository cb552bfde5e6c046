package identity

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
)

// Limits of asking for links. Both count every request, whether or not
// somebody has the address.
var (
	perAddress = ratelimit.Limit{Burst: 10, Period: 15 * time.Minute}
	perSource  = ratelimit.Limit{Burst: 60, Period: 15 * time.Minute}
)

// MailRequest asks the sign-in mail function to send a link, if somebody has
// the address. It is what travels through the mail queue.
type MailRequest struct {
	Email     string         `json:"email"`
	Next      string         `json:"next,omitempty"`
	At        timestamp.Time `json:"at"`
	IP        string         `json:"ip"`
	RequestID string         `json:"requestId"`
}

// Outbox takes messages for the sign-in mail function.
type Outbox interface {
	Send(ctx context.Context, message any) error
}

// SignIn opens and ends sessions.
type SignIn struct {
	Store    Store
	Audit    audit.Log
	Limiter  ratelimit.Limiter
	Outbox   Outbox
	Lifetime time.Duration // of a session, from its beginning to its absolute end
	Now      func() time.Time
}

// AskLink asks for a link to be mailed. It does the same work, and so takes the
// same time, whether or not somebody has the address: who has it is looked up
// elsewhere, later. The result is what is left of the nearest limit; over it
// the error is a 429.
func (s *SignIn) AskLink(ctx context.Context, email, next string) (ratelimit.Result, error) {
	email, err := cleanEmail(email)
	if err != nil {
		return ratelimit.Result{}, err
	}
	origin := principal.OriginOf(ctx)
	bySource, err := s.Limiter.TakeExact(ctx, "link-source#"+source(origin.IP), perSource)
	if err != nil {
		return ratelimit.Result{}, err
	}
	if !bySource.Allowed {
		return bySource, bySource.Refusal()
	}
	// The hash keeps addresses that nobody here has out of the table.
	left, err := s.Limiter.TakeExact(ctx, "link-address#"+token.Hash(email), perAddress)
	if err != nil {
		return ratelimit.Result{}, err
	}
	if !left.Allowed {
		return left, left.Refusal()
	}
	if bySource.Remaining < left.Remaining {
		left = bySource
	}
	return left, s.Outbox.Send(ctx, MailRequest{
		Email: email, Next: Next(next), At: timestamp.Of(s.Now()), IP: origin.IP, RequestID: origin.RequestID,
	})
}

// source is what counts as one source: an IPv4 address, or an IPv6 network of
// 64 bits, which is what one customer is given.
func source(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Unmap().Is4() {
		return ip
	}
	network, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return ip
	}
	return network.String()
}

// Verify uses up a link and opens a session. Of several at once, one does.
// Codes: link_used, link_expired, link_invalid.
func (s *SignIn) Verify(ctx context.Context, secret string) (Opened, error) {
	if kind, ok := token.KindOf(secret); !ok || kind != token.Link {
		return Opened{}, linkProblem(LinkInvalid)
	}
	l, found, err := s.Store.link(ctx, token.Hash(secret))
	if err != nil {
		return Opened{}, err
	}
	if !found || l.Kind != Staff {
		return Opened{}, linkProblem(LinkInvalid)
	}
	u, _, err := s.Store.user(ctx, l.UserID)
	if err != nil {
		return Opened{}, err
	}
	now := s.Now()
	if err := l.usable(u, now); err != nil {
		return Opened{}, err
	}
	opened := Opened{
		Secret: token.New(token.Session), Kind: l.Kind, ExpiresAt: timestamp.Of(now.Add(s.Lifetime)), Lifetime: s.Lifetime, Next: l.Next,
	}
	session := Session{
		Hash: token.Hash(opened.Secret), Kind: l.Kind, UserID: u.ID, Epoch: u.Epoch,
		CreatedAt: timestamp.Of(now), SeenAt: timestamp.Of(now), ExpiresAt: opened.ExpiresAt,
	}
	err = s.Store.commit(ctx,
		s.Store.useLink(l.Hash, now),
		s.Store.checkUser(u.ID, holds(u.Epoch).And(dynamo.Is("email", l.Email))),
		s.Store.createSession(session),
		s.Audit.Record(ctx, now, audit.Entry{Type: "session.created", Subject: subject("user", u.ID), Actor: actor(u),
			Detail: map[string]any{"kind": string(l.Kind), "expiresAt": opened.ExpiresAt.String()}}))
	switch {
	case err == nil:
		return opened, nil
	case failedAt(err, 0), errors.Is(err, errContended): // somebody else was first: see what they left
		l, _, readErr := s.Store.link(ctx, l.Hash)
		return Opened{}, cmp.Or(readErr, l.usable(u, s.Now()), error(problem.Lost(err)))
	case failedAt(err, 1):
		return Opened{}, linkProblem(LinkInvalid)
	}
	return Opened{}, err
}

func actor(u User) audit.Ref { return audit.Ref{Kind: string(principal.User), ID: u.ID} }

// SignOut ends the session of the request.
func (s *SignIn) SignOut(ctx context.Context) error {
	who, err := person(ctx)
	if err != nil {
		return err
	}
	err = s.Store.commit(ctx,
		s.Store.endSession(who.SessionHash),
		s.Audit.Record(ctx, s.Now(), audit.Entry{Type: "session.ended", Subject: subject("user", who.ID), Detail: map[string]any{"by": "sign-out"}}))
	if failedAt(err, 0) { // a sign-out beside this one was first: what was asked for is so
		return nil
	}
	return err
}
