package partner

import (
	"context"
	"net/http"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/seat"
	"pagefree/internal/status"
)

// found is what one read of the table gives about a request: the page, and the
// place that the caller has at it. What is missing is zero.
type found struct {
	seat      seat.Seat
	published status.Published
	account   Account
	access    Access
	person    Person
	record    status.Record
}

// find reads all that decides about a request at each of some seats, in one
// call: what it takes does not depend on the slug that was asked for. What is
// found has always one; without a seat it is empty.
func (s Store) find(ctx context.Context, seats []seat.Seat, r Request) ([]found, error) {
	if len(seats) == 0 {
		seats = []seat.Seat{{}}
	}
	all := make([]found, len(seats))
	var reads []dynamo.Read
	for i, one := range seats {
		f := &all[i]
		f.seat = one
		if one.PageID != "" {
			reads = append(reads, dynamo.Read{Key: status.PublishedKey(one.PageID), Out: &f.published})
		}
		if one.AccessID != "" {
			reads = append(reads,
				dynamo.Read{Key: accountKey(one.PartnerID), Out: &f.account},
				dynamo.Read{Key: accessKey(one.PageID, one.AccessID), Out: &f.access})
		}
		if one.PersonID != "" {
			reads = append(reads, dynamo.Read{Key: personKey(one.AccessID, one.PersonID), Out: &f.person})
		}
		if r.IncidentID != "" && one.PageID != "" {
			reads = append(reads, dynamo.Read{Key: status.RecordKey(one.PageID, r.IncidentID), Out: &f.record})
		}
	}
	return all, s.Table.ReadAll(ctx, reads...)
}

// decide makes the view of a request, or the refusal that it gets.
func (f found) decide(p principal.Reading, r Request, ip string, now time.Time) (*Visit, *problem.Error, error) {
	if f.published.PageID == "" || f.published.Slug != r.Slug {
		return nil, problem.Missing(), nil
	}
	snapshot, err := status.Unpack(f.published.Packed)
	if err != nil {
		return nil, nil, err
	}
	reader := status.Reader{}
	if p.Via != seat.ByShared {
		if refusal := f.refuse(p, snapshot.SessionDays, now); refusal != nil {
			return nil, refusal, nil
		}
		if !f.access.admits(ip) {
			return nil, elsewhere(), nil
		}
		reader = f.access.reader()
	}
	v := &Visit{View: snapshot.For(reader, now)}
	if r.IncidentID == "" {
		return v, nil, nil
	}
	shown, ok := v.View.Incident(r.IncidentID) // where its id is one of the reader's own, this is all that there is
	if f.record.ID != "" {
		whole, err := f.record.Incident()
		if err != nil {
			return nil, nil, err
		}
		shown, ok = snapshot.Incident(whole, reader)
	}
	if !ok || shown.ID != r.IncidentID {
		return nil, problem.Missing(), nil
	}
	v.Incident = &shown
	return v, nil, nil
}

// reader is who a partner's view is made for.
func (a Access) reader() status.Reader {
	return status.Reader{AccessID: a.ID, Components: a.ComponentIDs}
}

// refuse is why a partner may not see the page, whose sign-ins are good for
// some days, at now; nil when they may, if their address is admitted.
func (f found) refuse(p principal.Reading, days float64, now time.Time) *problem.Error {
	bySession := p.Via == seat.BySession
	switch {
	case bySession && f.access.moved(p.Since): // to an account that the session knows nothing of
		return ended()
	case f.access.ID == "" || f.access.PartnerID != f.account.ID || f.account.ID == "":
		return problem.Missing()
	case f.access.RevokedAt != nil || !f.account.Active:
		return problem.New(http.StatusForbidden, AccessRevoked, "The access to this page was revoked.")
	case f.access.expired(now):
		return problem.New(http.StatusForbidden, AccessExpired, "The access to this page has expired.")
	}
	if bySession {
		if f.seat.Epoch != f.account.Epoch || p.Since == nil || !now.Before(p.Since.Add(lifetime(days))) {
			return ended()
		}
		if f.person.ID == "" || f.person.RevokedAt != nil {
			return problem.New(http.StatusForbidden, AccessRevoked, "The access to this page was revoked.")
		}
	}
	return nil
}

// lifetime is how long a sign-in is good for at a page.
func lifetime(days float64) time.Duration { return time.Duration(days * float64(24*time.Hour)) }

// live are the pages that somebody may see at now, whatever their address.
func (d *Door) live(ctx context.Context, p principal.Reading, now time.Time) ([]Listed, error) {
	type place struct {
		found
		page status.Page
	}
	all := make([]place, len(p.Seats))
	var reads []dynamo.Read
	for i, one := range p.Seats {
		f := &all[i]
		f.seat = one
		reads = append(reads, dynamo.Read{Key: status.PageKey(one.PageID), Out: &f.page})
		if one.AccessID != "" {
			reads = append(reads,
				dynamo.Read{Key: accountKey(one.PartnerID), Out: &f.account},
				dynamo.Read{Key: accessKey(one.PageID, one.AccessID), Out: &f.access})
		}
		if one.PersonID != "" {
			reads = append(reads, dynamo.Read{Key: personKey(one.AccessID, one.PersonID), Out: &f.person})
		}
	}
	if err := d.Store.Table.ReadAll(ctx, reads...); err != nil {
		return nil, err
	}
	var list []Listed
	for _, f := range all {
		if f.page.ID != "" && (p.Via == seat.ByShared || f.refuse(p, f.page.SessionDays, now) == nil) {
			list = append(list, Listed{Slug: f.page.Slug, Name: f.page.Name, seat: f.seat, access: f.access})
		}
	}
	return list, nil
}
