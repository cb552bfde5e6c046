package identity

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/text"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
)

// Limits of asking for links. Both count every request, whether or not
// somebody has the address. perSource limits tries of codes too, by a count of
// their own; in IPv6 the network around a source has a wider one.
var (
	perAddress = ratelimit.Limit{Burst: 10, Period: 15 * time.Minute}
	perSource  = ratelimit.Limit{Burst: 60, Period: 15 * time.Minute}
)

// firstAsks are those of a source that may use up the ceiling alone. All others
// share half of it, so that who is at one place with many, or asks much, leaves
// the other half to those who ask once, wherever they are.
const firstAsks = 2

// MailRequest asks the sign-in mail function to send a link, if somebody has
// the address. It is what travels through the mail queue.
type MailRequest struct {
	Email     string         `json:"email"`
	Next      string         `json:"next,omitempty"`
	Browser   string         `json:"browser,omitempty"` // hash of the secret of the browser that asked
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
	Partners Partners
	Audit    audit.Log
	Limiter  ratelimit.Limiter
	Rates    *ratelimit.Leases          // counts by
	Ceiling  ratelimit.Limit            // of links that are asked for, by everybody together
	Count    func(metric string, n int) // adds to a metric
	Outbox   Outbox
	Lifetime time.Duration // of a staff session, from its beginning to its absolute end
	Now      func() time.Time
}

// AskLink asks for a link to be mailed. It does the same work, and so takes the
// same time, whether or not somebody has the address: who has it is looked up
// elsewhere, later. browser is the secret of the browser that the link is to
// open in, "" for any. The result is what is left of the nearest limit; over it
// the error is a 429.
func (s *SignIn) AskLink(ctx context.Context, email, next, browser string) (ratelimit.Result, error) {
	email, err := cleanEmail(email)
	if err != nil {
		return ratelimit.Result{}, err
	}
	return s.ask(ctx, email, Next(next), browser)
}

// ask is AskLink for an address and a path that are known to be good. All of it
// is closed while nothing can be counted.
func (s *SignIn) ask(ctx context.Context, email, next, browser string) (ratelimit.Result, error) {
	origin := principal.OriginOf(ctx)
	left, asked, err := s.from(ctx, "link", origin.IP)
	if err != nil {
		return left, err
	}
	// The hash keeps addresses that nobody here has out of the table.
	byAddress, err := s.Limiter.TakeExact(ctx, "signin#link-address#"+token.Hash(email), perAddress)
	if err != nil {
		return ratelimit.Result{}, uncounted(err)
	}
	if !byAddress.Allowed {
		return byAddress, byAddress.Refusal()
	}
	// Last, so that one address or one source cannot use it up for the others.
	all, err := s.Rates.Take(ctx, s.ceiling(asked)...)
	if err != nil {
		return ratelimit.Result{}, uncounted(err)
	}
	if !all.Allowed {
		s.Count("SignInCeilingReached", 1)
		return all, all.Refusal()
	}
	left = nearer(nearer(byAddress, left), all)
	m := MailRequest{Email: email, Next: next, At: timestamp.Of(s.Now()), IP: origin.IP, RequestID: origin.RequestID}
	if browser != "" {
		m.Browser = token.Hash(browser)
	}
	return left, s.Outbox.Send(ctx, m)
}

// from counts what somebody does by where they are: by their source, and in
// IPv6 by the network around it. The result is what is left of the nearer
// limit, or the one that refuses, with its error; asked is how often the wider
// of the two was here within the period, with this time.
func (s *SignIn) from(ctx context.Context, what, ip string) (left ratelimit.Result, asked int, err error) {
	type count struct {
		key   string
		limit ratelimit.Limit
	}
	counts := []count{{"signin#" + what + "-source#" + ratelimit.Source(ip), perSource}}
	if network := ratelimit.Network(ip); network != "" {
		counts = append(counts, count{"signin#" + what + "-net#" + network, ratelimit.Around(perSource)})
	}
	for i, c := range counts {
		is, err := s.Limiter.TakeExact(ctx, c.key, c.limit)
		if err != nil {
			return ratelimit.Result{}, 0, uncounted(err)
		}
		if !is.Allowed {
			return is, 0, is.Refusal()
		}
		if asked = is.Limit - is.Remaining; i == 0 {
			left = is
		}
		left = nearer(left, is)
	}
	return left, asked, nil
}

// nearer is the one of two results with less left.
func nearer(a, b ratelimit.Result) ratelimit.Result {
	if b.Remaining < a.Remaining {
		return b
	}
	return a
}

// ceiling is what a link counts under that everybody shares, by how often its
// source asked.
func (s *SignIn) ceiling(asked int) []ratelimit.Counter {
	all := ratelimit.Counter{Key: "signin#links", Limit: s.Ceiling}
	if asked <= firstAsks {
		return []ratelimit.Counter{all}
	}
	half := s.Ceiling
	half.Burst = max(half.Burst/2, 1)
	return []ratelimit.Counter{all, {Key: "signin#links-again", Limit: half, Loose: true}}
}

// uncounted is the answer where nothing can be counted: who may guess without
// limit may not sign in either.
func uncounted(cause error) error {
	e := problem.New(http.StatusServiceUnavailable, problem.Unavailable, "Signing in does not work at the moment. Try again soon.")
	e.Header = http.Header{"Retry-After": {"5"}}
	e.Cause = cause
	return e
}

// Verify uses up a link and opens a session. Of several at once, one does.
// browser is the secret of the browser that it happens in, "" for none. Codes:
// link_used, link_expired, link_invalid, other_browser.
func (s *SignIn) Verify(ctx context.Context, secret, browser string) (Opened, error) {
	if kind, ok := token.KindOf(secret); !ok || kind != token.Link {
		return Opened{}, linkProblem(LinkInvalid)
	}
	return s.open(ctx, token.Hash(secret), browser)
}

// open uses up the link of a hash.
func (s *SignIn) open(ctx context.Context, hash, browser string) (Opened, error) {
	l, found, err := s.Store.link(ctx, hash)
	if err != nil {
		return Opened{}, err
	}
	if !found {
		return Opened{}, linkProblem(LinkInvalid)
	}
	if err := l.usable(s.Now()); err != nil {
		return Opened{}, err
	}
	switch {
	case !l.opensIn(browser):
		return Opened{}, otherBrowser()
	case l.Kind == Staff:
		return s.openStaff(ctx, l)
	case l.Kind == Partner:
		return s.openPartner(ctx, l)
	}
	return Opened{}, linkProblem(LinkInvalid)
}

func (s *SignIn) openStaff(ctx context.Context, l Link) (Opened, error) {
	u, _, err := s.Store.user(ctx, l.UserID)
	if err != nil {
		return Opened{}, err
	}
	if !l.signsIn(u) {
		return Opened{}, linkProblem(LinkInvalid)
	}
	now := s.Now()
	opened, session := begin(l, now, s.Lifetime)
	session.UserID, session.Epoch = u.ID, u.Epoch
	err = s.Store.commit(ctx,
		s.Store.useLink(l.Hash, now),
		s.Store.checkUser(u.ID, holds(u.Epoch).And(dynamo.Is("email", l.Email))),
		s.Store.createSession(session),
		s.Audit.Record(ctx, now, audit.Entry{Type: "session.created", Subject: subject("user", u.ID), Actor: actor(u),
			Detail: map[string]any{"kind": string(l.Kind), "expiresAt": opened.ExpiresAt.String()}}))
	switch {
	case err == nil:
		return opened, nil
	case failedAt(err, 0), errors.Is(err, errContended):
		return Opened{}, s.usedBy(ctx, l, err)
	case failedAt(err, 1):
		return Opened{}, linkProblem(LinkInvalid)
	}
	return Opened{}, err
}

// openPartner opens a session that leads to all places that the address holds
// now. Who lost the last of them since the link was mailed is refused.
func (s *SignIn) openPartner(ctx context.Context, l Link) (Opened, error) {
	var opened Opened
	err := again(func() error {
		now := s.Now()
		places, err := s.Partners.Places(ctx, l.Email, now)
		if err != nil {
			return err
		}
		if len(places) == 0 {
			return linkProblem(LinkInvalid)
		}
		var session Session
		opened, session = begin(l, now, longest(places))
		opened.Next = onward(l.Next, places)
		session.ID, session.Email = id.New(id.PartnerSession, now), l.Email
		ops := []dynamo.Op{s.Store.useLink(l.Hash, now)}
		from := principal.OriginOf(ctx)
		for _, p := range places {
			session.Seats = append(session.Seats, p.Seat)
			ops = append(ops, seat.Mark(s.Store.Ephemeral, p.AccessID, seat.Session{
				ID: session.ID, PersonID: p.PersonID, Email: l.Email, Epoch: p.Epoch, IP: from.IP, UserAgent: clip(from.UserAgent),
				CreatedAt: session.CreatedAt, ExpiresAt: timestamp.Of(now.Add(p.Lifetime)),
			}))
		}
		ops = append(ops, s.Store.createSession(session))
		ops = append(ops, s.Partners.Accept(places, now)...)
		ops = append(ops, inTrails(ctx, s.Audit, now, places, audit.Entry{Type: "session.created",
			Detail: map[string]any{"kind": string(l.Kind), "sessionId": session.ID, "expiresAt": opened.ExpiresAt.String()}})...)
		err = s.Store.commit(ctx, ops...)
		if failedAt(err, 0) || errors.Is(err, errContended) {
			return s.usedBy(ctx, l, err)
		}
		return err // a person who was revoked meanwhile: see what is left
	})
	if err != nil {
		return Opened{}, err
	}
	return opened, nil
}

// begin is a session that a link opens.
func begin(l Link, now time.Time, lifetime time.Duration) (Opened, Session) {
	opened := Opened{
		Secret: token.New(token.Session), Kind: l.Kind, ExpiresAt: timestamp.Of(now.Add(lifetime)), Lifetime: lifetime, Next: l.Next,
	}
	return opened, Session{
		Hash: token.Hash(opened.Secret), Kind: l.Kind, CreatedAt: timestamp.Of(now), SeenAt: timestamp.Of(now), ExpiresAt: opened.ExpiresAt,
	}
}

// usedBy is the answer to who was not the first to use a link: what the first left.
func (s *SignIn) usedBy(ctx context.Context, l Link, cause error) error {
	l, _, err := s.Store.link(ctx, l.Hash)
	return cmp.Or(err, l.usable(s.Now()), error(problem.Lost(cause)))
}

// maxAgent bounds what is kept of a browser's word about itself, in bytes.
const maxAgent = 512

func clip(agent string) string {
	agent, _ = text.Clip([]byte(agent), false, maxAgent)
	return agent
}

func actor(u User) audit.Ref { return audit.Ref{Kind: string(principal.User), ID: u.ID} }

// SignOut ends the session of the request.
func (s *SignIn) SignOut(ctx context.Context) error {
	ops, err := s.ending(ctx)
	if err != nil {
		return err
	}
	err = s.Store.commit(ctx, ops...)
	if failedAt(err, 0) { // a sign-out beside this one was first: what was asked for is so
		return nil
	}
	return err
}

// ending is the writes that end the session of the request; the first fails
// where it ended before.
func (s *SignIn) ending(ctx context.Context) ([]dynamo.Op, error) {
	now := s.Now()
	ended := audit.Entry{Type: "session.ended", Detail: map[string]any{"by": "sign-out"}}
	p, ok := principal.PartnerOf(ctx)
	if !ok {
		who, err := person(ctx)
		if err != nil {
			return nil, err
		}
		ended.Subject = subject("user", who.ID)
		return []dynamo.Op{s.Store.endSession(who.SessionHash), s.Audit.Record(ctx, now, ended)}, nil
	}
	held, err := s.Partners.Places(ctx, p.Email, now)
	if err != nil {
		return nil, err
	}
	ops := []dynamo.Op{s.Store.endSession(p.SessionHash)}
	for _, one := range p.Partner.Seats {
		ops = append(ops, seat.Unmark(s.Store.Ephemeral, one.AccessID, p.ID))
	}
	held = slices.DeleteFunc(held, func(h seat.Place) bool { // come since, and so not of this session
		return !slices.ContainsFunc(p.Partner.Seats, func(one seat.Seat) bool { return one.AccessID == h.AccessID })
	})
	ended.Detail["sessionId"] = p.ID
	return append(ops, inTrails(ctx, s.Audit, now, held, ended)...), nil
}
