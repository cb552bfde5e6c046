package status

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// Service is where staff handle pages: every method authorizes, decides, and
// writes the change, the snapshot that readers get, and the audit event as one.
type Service struct {
	Store     Store
	Audit     audit.Log
	Cursors   *httpapi.Cursors
	Teams     Teams
	Services  Services
	Incidents Incidents
	Notices   Outbox
	Now       func() time.Time
}

// Teams knows which teams there are.
type Teams interface {
	Exists(ctx context.Context, teamID string) (bool, error)
}

// Services knows which team a service is of, and which a team has.
type Services interface {
	// TeamOf is the team of a service that exists.
	TeamOf(ctx context.Context, serviceID string) (teamID string, found bool, err error)
	// Of are those of a team, by name.
	Of(ctx context.Context, teamID string) ([]Named, error)
}

// Incidents knows the incidents that responders work on.
type Incidents interface {
	// Incident reads one, whatever its state.
	Incident(ctx context.Context, incidentID string) (i Internal, found bool, err error)
	// Open are the open ones of services.
	Open(ctx context.Context, serviceIDs []string) ([]Internal, error)
}

// Internal is an incident that responders work on, as far as a page's staff need it.
type Internal struct {
	ID        string
	TeamID    string
	ServiceID string
	Title     string
	Impact    Impact // what readers would be told
}

// patience bounds how long a change is decided anew after lost races: as many
// writers as there may be at one page come one after the other.
const patience = 11 * time.Second

// changed is what a decision made of a page.
type changed struct {
	snapshot Snapshot
	nothing  bool  // there is nothing to write
	page     *Page // where its own words change
	with     []dynamo.Op
	notice   *Notice     // of what partners are mailed of
	event    audit.Entry // its team is the page's
}

// change reads a page, lets decide make the next state of it, and writes that
// under the condition that nobody wrote since; else it starts over.
func (s *Service) change(ctx context.Context, pageID string, min principal.Role, decide func(p Page, on Snapshot, by string, now time.Time) (changed, error)) error {
	for began, round := time.Now(), 0; ; round++ {
		p, who, err := s.may(ctx, pageID, min)
		if err != nil {
			return err
		}
		was, snapshot, found, err := s.Store.published(ctx, p)
		if err != nil {
			return err
		}
		if found {
			now := s.Now()
			c, err := decide(p, snapshot, author(who), now)
			if err != nil || c.nothing {
				return err
			}
			err = s.commit(ctx, p, was, c, now)
			lost, wasLost := dynamo.Failed(err)
			if !wasLost && !errors.Is(err, dynamo.ErrContended) {
				if err == nil {
					tell(ctx, s.Notices, c.notice)
				}
				return err
			}
			if wasLost && taken(lost, p.ID) {
				return errSlugTaken
			}
		}
		if time.Since(began) > patience {
			return dynamo.ErrContended
		}
		if err := pause(ctx, round); err != nil {
			return err
		}
	}
}

// pause waits a random time below 20, 40, 80... 1,280 ms, so that those who clashed once do not clash again.
func pause(ctx context.Context, round int) error {
	t := time.NewTimer(time.Duration(rand.Int64N(int64(20*time.Millisecond) << min(round, 6))))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commit writes a change of a page that was read as p and was.
func (s *Service) commit(ctx context.Context, p Page, was Published, c changed, now time.Time) error {
	packed, err := c.snapshot.Pack(now)
	if err != nil {
		return err
	}
	k := PublishedKey(p.ID)
	is := Published{PK: k.PK, SK: k.SK, PageID: p.ID, Slug: c.snapshot.Slug, Rev: was.Rev + 1, At: timestamp.Of(now), Packed: packed}
	ops := []dynamo.Op{s.Store.Table.Put(is, dynamo.Is("rev", was.Rev))}
	if c.page != nil && c.page.Slug != p.Slug { // the page moves, to an address that nobody has
		ops = append(ops, s.Store.Table.Create(addressOf(*c.page)), s.Store.Table.Delete(AddressKey(p.Slug), dynamo.Is("pageId", p.ID)))
	}
	if c.page != nil {
		ops = append(ops, s.Store.Table.Put(pageItemOf(*c.page), dynamo.Is("rev", p.Rev)))
	}
	if c.notice != nil {
		ops = append(ops, s.Store.Table.Put(*c.notice, either()))
	}
	c.event.TeamID = p.TeamID
	ops = append(append(ops, c.with...), s.Audit.Record(ctx, now, c.event))
	return dynamo.Commit(ctx, s.Store.Table.DB, ops...)
}

// may reads a page for somebody with the role in its team.
func (s *Service) may(ctx context.Context, pageID string, min principal.Role) (Page, principal.Principal, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return Page{}, principal.Principal{}, err
	}
	if !id.Valid(id.StatusPage, pageID) {
		return Page{}, principal.Principal{}, problem.Missing()
	}
	p, found, err := s.Store.page(ctx, pageID)
	if err != nil {
		return Page{}, principal.Principal{}, err
	}
	if !found {
		return Page{}, principal.Principal{}, problem.Missing()
	}
	who, err := principal.Require(ctx, p.TeamID, min)
	return p, who, err
}

// snapshot reads a page's state for an observer of it.
func (s *Service) snapshot(ctx context.Context, pageID string) (Page, Snapshot, error) {
	for round := range 5 {
		p, _, err := s.may(ctx, pageID, principal.Observer)
		if err != nil {
			return Page{}, Snapshot{}, err
		}
		_, snapshot, found, err := s.Store.published(ctx, p)
		if err != nil || found {
			return p, snapshot, err
		}
		if err := pause(ctx, round); err != nil { // it moved between the two reads
			return Page{}, Snapshot{}, err
		}
	}
	return Page{}, Snapshot{}, dynamo.ErrContended
}

// Preview is the page as staff see it: all of it, whatever its audience.
func (s *Service) Preview(ctx context.Context, pageID string) (View, error) {
	_, snapshot, err := s.snapshot(ctx, pageID)
	if err != nil {
		return View{}, err
	}
	return snapshot.For(Reader{Staff: true}, s.Now()), nil
}

// about is the event of something on a page.
func about(event, kind, subject, pageID string, detail map[string]any) audit.Entry {
	if detail == nil {
		detail = map[string]any{}
	}
	detail["statusPageId"] = pageID
	return audit.Entry{Type: event, Subject: audit.Ref{Kind: kind, ID: subject}, Detail: detail}
}

// author is the user that a principal's writing counts as.
func author(p principal.Principal) string {
	if p.UserID != "" {
		return p.UserID
	}
	return p.ID
}

// visible are the teams whose pages p may see: all of p's, or the one asked
// for; nil means every team.
func visible(p principal.Principal, teamID string) ([]string, error) {
	if teamID != "" {
		if p.RoleIn(teamID) == principal.None {
			return nil, problem.Missing()
		}
		return []string{teamID}, nil
	}
	if p.PlatformAdmin {
		return nil, nil
	}
	teams := []string{}
	for team, role := range p.Teams {
		if role.AtLeast(principal.Observer) {
			teams = append(teams, team)
		}
	}
	slices.Sort(teams)
	return teams, nil
}
