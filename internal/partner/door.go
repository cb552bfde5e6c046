package partner

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/text"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// Codes of a refusal at the door.
const (
	AccessRevoked problem.Code = "access_revoked"
	AccessExpired problem.Code = "access_expired"
	IPNotAllowed  problem.Code = "ip_not_allowed"
)

// Door lets partners in to pages. Every read path of a page's data, in any
// format, goes through Enter.
type Door struct {
	Store Store
	Looks Outbox
	Now   func() time.Time
}

// Request is what somebody wants to see.
type Request struct {
	Slug       string
	IncidentID string // with its own record, whole; "" for the page
	Method     string
	Path       string // for the record; without the query
}

// Visit is a look that was let in. Its View holds what the caller may see, and
// nothing else. The answer must not leave before Recorded returned.
type Visit struct {
	View     status.View
	Incident *status.ViewIncident // of Request.IncidentID
	recorded chan error
}

// Recorded waits until the look is on record. An error means that it is not,
// and then the page is not shown: a 503.
func (v *Visit) Recorded(ctx context.Context) error {
	select {
	case err := <-v.recorded:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Enter decides whether the caller may see a page, and makes their view of it.
// Nobody is a 401, also for a page that does not exist; a page that the caller
// has no access to a 404; an access that ended a 403 access_revoked or
// access_expired, or a 401 for a session that no other page is left in; an
// address that is not on the list a 403 ip_not_allowed. Staff of the page's
// team are refused with 403, since they have a preview, other staff with 404.
func (d *Door) Enter(ctx context.Context, r Request) (*Visit, error) {
	p, ok := principal.PartnerOf(ctx)
	if !ok {
		return nil, d.turnAway(ctx, r.Slug)
	}
	now := d.Now()
	here := p.Partner.At(r.Slug)
	at, v, refusal, err := d.visit(ctx, *p.Partner, here, r, now)
	if err != nil {
		return nil, err
	}
	if refusal != nil && p.Partner.Via == seat.BySession && refusal.Code != IPNotAllowed {
		left, err := d.live(ctx, *p.Partner, now)
		if err != nil {
			return nil, unavailable(err)
		}
		renamed := slices.DeleteFunc(named(left, r.Slug), func(one seat.Seat) bool { return slices.Contains(here, one) })
		if len(renamed) > 0 {
			at, v, refusal, err = d.visit(ctx, *p.Partner, renamed, r, now)
			if err != nil {
				return nil, err
			}
		} else if len(left) == 0 {
			refusal = ended()
		}
	}
	look := d.look(ctx, p.Partner.Via, at, r, outcome(refusal), now)
	if refusal != nil {
		return nil, d.turnedAway(ctx, look, refusal)
	}
	v.recorded = make(chan error, 1)
	go func() { // beside the rendering
		if err := d.send(ctx, look); err != nil {
			v.recorded <- unavailable(err)
			return
		}
		v.recorded <- nil
	}()
	return v, nil
}

// visit decides about a request at seats of one page. Who has several, by
// accesses of several partners, gets in by the newest that holds.
func (d *Door) visit(ctx context.Context, p principal.Reading, seats []seat.Seat, r Request, now time.Time) (at seat.Seat, v *Visit, refusal *problem.Error, err error) {
	all, err := d.Store.find(ctx, seats, r)
	if err != nil {
		return at, nil, nil, unavailable(err)
	}
	ip := principal.OriginOf(ctx).IP
	for i, f := range all {
		seen, no, err := f.decide(p, r, ip, now)
		if err != nil || no == nil {
			return f.seat, seen, nil, err
		}
		if i == 0 { // a partner's loss is not another's
			at, refusal = f.seat, no
		}
	}
	return at, nil, refusal, nil
}

// named are the seats of pages that have a slug.
func named(pages []Listed, slug string) (seats []seat.Seat) {
	for _, l := range pages {
		if l.Slug == slug {
			seats = append(seats, l.seat)
		}
	}
	return seats
}

func (d *Door) look(ctx context.Context, via seat.Via, at seat.Seat, r Request, outcome string, now time.Time) Look {
	from := principal.OriginOf(ctx)
	return Look{
		ID: id.New(id.PartnerLook, now), AccessID: at.AccessID, PageID: at.PageID, PersonID: at.PersonID, At: timestamp.Of(now),
		Method: r.Method, Path: clip(r.Path), IP: from.IP, UserAgent: clip(from.UserAgent), Outcome: outcome, Via: via,
	}
}

// turnedAway puts a refusal on record, and returns it.
func (d *Door) turnedAway(ctx context.Context, l Look, refusal *problem.Error) error {
	if err := d.send(ctx, l); err != nil {
		return unavailable(err)
	}
	return refusal
}

// Refused puts on record what a partner was refused before anything was looked
// up, such as a path that is none, and returns the refusal.
func (d *Door) Refused(ctx context.Context, r Request, refusal *problem.Error) error {
	p, ok := principal.PartnerOf(ctx)
	if !ok {
		return refusal
	}
	at := seat.Seat{}
	if here := p.Partner.At(r.Slug); len(here) > 0 {
		at = here[0]
	}
	return d.turnedAway(ctx, d.look(ctx, p.Partner.Via, at, r, outcome(refusal), d.Now()), refusal)
}

// send puts a look on record. One that is nobody's, by a page's shared token or
// by a session at a page that it has no seat at, is a line of the log.
func (d *Door) send(ctx context.Context, l Look) error {
	if l.AccessID == "" {
		slog.InfoContext(ctx, "look without an access", "via", l.Via, "pageId", l.PageID, "path", l.Path, "ip", l.IP, "userAgent", l.UserAgent, "outcome", l.Outcome)
		return nil
	}
	return d.Looks.Send(ctx, l)
}

// maxRecorded bounds what a look keeps of a text of the caller's, in bytes.
const maxRecorded = 512

func clip(s string) string {
	s, _ = text.Clip([]byte(s), false, maxRecorded)
	return s
}

func outcome(refusal *problem.Error) string {
	if refusal == nil {
		return Served
	}
	return string(refusal.Code)
}

// turnAway is the answer to who is no partner.
func (d *Door) turnAway(ctx context.Context, slug string) error {
	who, ok := principal.From(ctx)
	if !ok || who.Kind != principal.User {
		return ended()
	}
	var at status.Address
	there, err := d.Store.Table.Get(ctx, status.AddressKey(slug), &at)
	if err != nil {
		return unavailable(err)
	}
	if !there || who.RoleIn(at.TeamID) == principal.None {
		return problem.Missing()
	}
	return problem.Denied("This page is for partners. As one of its team, use its preview.")
}

// Listed is a page that a partner may see.
type Listed struct {
	Slug string
	Name string

	seat   seat.Seat
	access Access
}

// Pages are the pages that the caller may see at this moment, from where they
// are, by name. Without any that is a 401, or a 403 where only their address is
// in the way; staff, who have no such list, get a 404.
func (d *Door) Pages(ctx context.Context) ([]Listed, error) {
	p, ok := principal.PartnerOf(ctx)
	if !ok {
		if who, ok := principal.From(ctx); ok && who.Kind == principal.User {
			return nil, problem.Missing()
		}
		return nil, ended()
	}
	list, err := d.live(ctx, *p.Partner, d.Now())
	if err != nil {
		return nil, unavailable(err)
	}
	if len(list) == 0 {
		return nil, ended()
	}
	from := principal.OriginOf(ctx).IP
	list = slices.DeleteFunc(list, func(l Listed) bool { return !l.access.admits(from) })
	if len(list) == 0 {
		return nil, elsewhere()
	}
	if err := d.listed(ctx, p.Partner.Via, list); err != nil {
		return nil, unavailable(err)
	}
	slices.SortFunc(list, func(a, b Listed) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Slug, b.Slug)) })
	return slices.CompactFunc(list, func(a, b Listed) bool { return a.Slug == b.Slug }), nil // who is of two partners sees it once
}

// listed puts on record, at each of some accesses, that its page was named to somebody.
func (d *Door) listed(ctx context.Context, via seat.Via, list []Listed) error {
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, l := range list {
		all.Go(func() {
			errs[i] = d.send(ctx, d.look(ctx, via, l.seat, Request{Method: http.MethodGet, Path: "/status"}, Named, d.Now()))
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// ended is the answer to nobody, and to who is nobody any more.
func ended() *problem.Error {
	e := problem.New(http.StatusUnauthorized, problem.Unauthenticated, "This page needs a sign-in, or the token of a partner.")
	e.Header = http.Header{"WWW-Authenticate": {"Bearer"}}
	return e
}

// elsewhere is the answer to who comes from an address that is not on the list.
func elsewhere() *problem.Error {
	return problem.New(http.StatusForbidden, IPNotAllowed, "This page is not open to the address that you come from.")
}

// unavailable is a page that cannot be shown for now: neither what it says nor
// whether the caller may see it is known, or the look could not be recorded.
func unavailable(cause error) error {
	e := problem.New(http.StatusServiceUnavailable, problem.Unavailable, "The page cannot be shown for a moment. Try again.")
	e.Header = http.Header{"Retry-After": {"5"}}
	e.Cause = cause
	return e
}
