package partner

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
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
	all, err := d.Store.find(ctx, *p.Partner, r)
	if err != nil {
		return nil, unavailable(err)
	}
	now, from := d.Now(), principal.OriginOf(ctx)
	f := all[0]
	v, refusal, err := f.decide(*p.Partner, r, from.IP, now)
	for _, other := range all[1:] { // a partner's loss is not another's
		if err != nil || refusal == nil {
			break
		}
		if seen, no, failed := other.decide(*p.Partner, r, from.IP, now); no == nil {
			f, v, refusal, err = other, seen, nil, failed
		}
	}
	if err != nil {
		return nil, err
	}
	if refusal != nil && p.Partner.Via == seat.BySession && refusal.Code != IPNotAllowed {
		left, err := d.live(ctx, *p.Partner, now)
		if err != nil {
			return nil, unavailable(err)
		}
		if len(left) == 0 {
			refusal = ended()
		}
	}
	look := Look{
		ID: id.New(id.PartnerLook, now), AccessID: f.seat.AccessID, PageID: f.seat.PageID, PersonID: f.seat.PersonID, At: timestamp.Of(now),
		Method: r.Method, Path: clip(r.Path), IP: from.IP, UserAgent: clip(from.UserAgent), Outcome: outcome(refusal), Via: p.Partner.Via,
	}
	if refusal != nil {
		if err := d.send(ctx, look); err != nil {
			return nil, unavailable(err)
		}
		return nil, refusal
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
	var published status.Published
	there, err := d.Store.Table.Get(ctx, status.PublishedKey(slug), &published)
	if err != nil {
		return unavailable(err)
	}
	if !there {
		return problem.Missing()
	}
	snapshot, err := status.Unpack(published.Packed)
	if err != nil {
		return err
	}
	if who.RoleIn(snapshot.TeamID) == principal.None {
		return problem.Missing()
	}
	return problem.Denied("This page is for partners. As one of its team, use its preview.")
}

// Listed is a page that a partner may see.
type Listed struct {
	Slug string
	Name string

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
	slices.SortFunc(list, func(a, b Listed) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Slug, b.Slug)) })
	return slices.CompactFunc(list, func(a, b Listed) bool { return a.Slug == b.Slug }), nil // who is of two partners sees it once
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
