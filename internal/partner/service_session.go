package partner

import (
	"context"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
)

// SignedIn is a session that has or had a place at an access.
type SignedIn struct {
	ID        string         `json:"id"`
	PersonID  string         `json:"personId"`
	Email     string         `json:"email"`
	IP        string         `json:"ip" doc:"that it began from"`
	UserAgent string         `json:"userAgent"`
	CreatedAt timestamp.Time `json:"createdAt"`
	ExpiresAt timestamp.Time `json:"expiresAt" doc:"at this page"`
	Live      bool           `json:"live" doc:"false once the person, the access or the account lost the page"`
}

// Sessions lists those that are not over by their time, newest first.
func (s *Service) Sessions(ctx context.Context, pageID, accessID string, page httpapi.Page) ([]SignedIn, string, error) {
	at, err := s.may(ctx, pageID, accessID, principal.TeamAdmin)
	if err != nil {
		return nil, "", err
	}
	return s.signedIn(ctx, at, page)
}

func (s *Service) signedIn(ctx context.Context, at place, page httpapi.Page) ([]SignedIn, string, error) {
	now := s.Now()
	marks, next, err := seat.Sessions(ctx, s.Store.Ephemeral, at.access.ID, page.Before, page.Limit, now)
	if err != nil {
		return nil, "", err
	}
	var account Account
	people := make([]Person, len(marks))
	reads := []dynamo.Read{{Key: accountKey(at.access.PartnerID), Out: &account}}
	for i, m := range marks {
		reads = append(reads, dynamo.Read{Key: personKey(at.access.ID, m.PersonID), Out: &people[i]})
	}
	if err := s.Store.Table.ReadAll(ctx, reads...); err != nil {
		return nil, "", err
	}
	list := make([]SignedIn, 0, len(marks))
	for i, m := range marks {
		until := m.ExpiresAt
		if by := timestamp.Of(m.CreatedAt.Add(lifetime(at.page.SessionDays))); by.Before(until.Time) { // the page was made stricter since
			until = by
		}
		list = append(list, SignedIn{
			ID: m.ID, PersonID: m.PersonID, Email: m.Email, IP: m.IP, UserAgent: m.UserAgent, CreatedAt: m.CreatedAt, ExpiresAt: until,
			Live: now.Before(until.Time) && at.access.keeps(m, account, people[i], now),
		})
	}
	return list, next, nil
}

// keeps reports whether a session that is not over by its time sees the page
// at now: what the door decides (see found.refuse), of a session's mark.
func (a Access) keeps(m seat.Session, account Account, person Person, now time.Time) bool {
	return a.RevokedAt == nil && !a.expired(now) && !a.moved(&m.CreatedAt) &&
		account.Active && account.Epoch == m.Epoch && person.ID != "" && person.RevokedAt == nil
}

// lost counts the sessions that an access loses as it ends.
func (s *Service) lost(ctx context.Context, at place) (int, error) {
	n, before := 0, ""
	for {
		list, next, err := s.signedIn(ctx, at, httpapi.Page{Limit: 200, Before: before})
		if err != nil {
			return 0, err
		}
		for _, one := range list {
			if one.Live {
				n++
			}
		}
		if before = next; next == "" {
			return n, nil
		}
	}
}

// History lists the looks of an access, newest first, refusals too.
func (s *Service) History(ctx context.Context, pageID, accessID string, page httpapi.Page) ([]LookEntry, string, error) {
	if _, err := s.may(ctx, pageID, accessID, principal.TeamAdmin); err != nil {
		return nil, "", err
	}
	now := s.Now().Unix()
	q := dynamo.Query{Values: []string{lookKey(accessID, "").PK}, Sort: dynamo.SK, Prefix: id.PartnerLook, Before: page.Before, Limit: page.Limit}
	looks, next, err := dynamo.List(ctx, s.Store.Table, q, func(l lookItem) string { return l.ID }, func(l lookItem) bool { return l.TTL > now })
	if err != nil {
		return nil, "", err
	}
	list := make([]LookEntry, len(looks))
	for i, l := range looks {
		list[i] = l.LookEntry
	}
	return httpapi.Fit(list, next, func(l LookEntry) string { return l.ID })
}
