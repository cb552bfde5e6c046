package status

import (
	"context"
	"net/http"
	"strings"
	"time"

	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
)

var errSlugTaken = problem.New(http.StatusConflict, "slug_taken", "Another page has this slug.")

// taken reports whether a write was lost to another page's address.
func taken(lost *dynamo.ConditionError, pageID string) bool {
	var held Address
	return dynamo.Decode(lost.Item, &held) == nil && strings.HasPrefix(held.PK, AddressKey("").PK) && held.PageID != pageID
}

// Create makes a page of a team, without anything on it.
func (s *Service) Create(ctx context.Context, n NewPage) (Page, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return Page{}, err
	}
	if !id.Valid(id.Team, n.TeamID) { // a page is never global
		return Page{}, problem.Missing()
	}
	who, err := principal.Require(ctx, n.TeamID, principal.TeamAdmin)
	if err != nil {
		return Page{}, err
	}
	exists, err := s.Teams.Exists(ctx, n.TeamID) // a platform admin may name any
	if err != nil {
		return Page{}, err
	}
	if !exists {
		return Page{}, problem.Missing()
	}
	now := s.Now()
	p, err := n.create(id.New(id.StatusPage, now), author(who), now)
	if err != nil {
		return Page{}, err
	}
	packed, err := p.on(Snapshot{}, true).Pack(now)
	if err != nil {
		return Page{}, err
	}
	k := PublishedKey(p.ID)
	event := about("status_page.created", "status_page", p.ID, p.ID, map[string]any{"slug": p.Slug})
	event.TeamID = p.TeamID
	err = dynamo.Commit(ctx, s.Store.Table.DB,
		s.Store.Table.Create(addressOf(p)),
		s.Store.Table.Create(Published{PK: k.PK, SK: k.SK, PageID: p.ID, Slug: p.Slug, Rev: 1, At: timestamp.Of(now), Packed: packed}),
		s.Store.Table.Create(pageItemOf(p)), s.Audit.Record(ctx, now, event))
	if lost, ok := dynamo.Failed(err); ok && taken(lost, p.ID) {
		return Page{}, errSlugTaken
	}
	return p, err
}

// Get reads a page.
func (s *Service) Get(ctx context.Context, pageID string) (Page, error) {
	p, _, err := s.may(ctx, pageID, principal.Observer)
	return p, err
}

// List returns the pages that the caller may see, newest first: of one team, or of all of theirs.
func (s *Service) List(ctx context.Context, teamID string, page httpapi.Page) ([]Page, string, error) {
	p, err := principal.Authenticated(ctx)
	if err != nil {
		return nil, "", err
	}
	teams, err := visible(p, teamID)
	if err != nil {
		return nil, "", err
	}
	list, next, err := s.Store.pages(ctx, teams, page)
	if err != nil {
		return nil, "", err
	}
	return httpapi.Fit(list, next, func(p Page) string { return p.ID })
}

// Update changes the words, the look and the rules of a page. Another slug
// moves it at once. A stale ifMatch is a 412, a slug that is taken a 409.
func (s *Service) Update(ctx context.Context, pageID, ifMatch string, by PagePatch) (out Page, err error) {
	err = s.change(ctx, pageID, principal.TeamAdmin, func(p Page, on Snapshot, _ string, now time.Time) (changed, error) {
		if err := httpapi.Match(ifMatch, p.Rev); err != nil {
			return changed{}, err
		}
		next, differs, seen, err := p.patch(by, now)
		if err != nil {
			return changed{}, err
		}
		out = next
		c := changed{
			snapshot: next.on(on, seen), nothing: !differs, page: &next,
			event: about("status_page.updated", "status_page", p.ID, p.ID, map[string]any{"slug": next.Slug}),
		}
		if p.SharedHash != "" && next.SharedHash == "" {
			c.with = append(c.with, seat.Withdraw(s.Store.Table, p.SharedHash))
		}
		return c, nil
	})
	return out, err
}

// Delete removes a page, its snapshot, and its token for everybody: from then
// on nobody sees it. What else stood on it, and who could see it, is removed soon (see Clock).
func (s *Service) Delete(ctx context.Context, pageID string) error {
	for round := 0; ; round++ {
		p, _, err := s.may(ctx, pageID, principal.TeamAdmin)
		if err != nil {
			return err
		}
		now := s.Now()
		event := about("status_page.deleted", "status_page", p.ID, p.ID, map[string]any{"slug": p.Slug, "name": p.Name})
		event.TeamID = p.TeamID
		ops := []dynamo.Op{
			s.Store.Table.Delete(AddressKey(p.Slug), dynamo.Is("pageId", p.ID)),
			s.Store.Table.Delete(PublishedKey(p.ID), dynamo.Present()),
			s.Store.Table.Delete(pageKey(p.ID), dynamo.Is("rev", p.Rev)),
			due.Put(s.Store.Table, due.New(duePurge, p.ID, now.Add(purgeAfter))),
			s.Audit.Record(ctx, now, event),
		}
		if p.SharedHash != "" {
			ops = append(ops, seat.Withdraw(s.Store.Table, p.SharedHash))
		}
		err = dynamo.Commit(ctx, s.Store.Table.DB, ops...)
		if _, lost := dynamo.Failed(err); !lost || round == 5 {
			return err
		}
		if err := pause(ctx, round); err != nil {
			return err
		}
	}
}

// ShareToken makes a page's token for everybody, and ends the one before at
// once. It is answered this one time.
func (s *Service) ShareToken(ctx context.Context, pageID string) (secret string, err error) {
	err = s.change(ctx, pageID, principal.TeamAdmin, func(p Page, on Snapshot, _ string, now time.Time) (changed, error) {
		secret = token.New(token.Shared)
		next := p
		next.SharedToken, next.SharedHash, next.UpdatedAt, next.Rev = true, token.Hash(secret), timestamp.Of(now), p.Rev+1
		c := changed{
			snapshot: on, page: &next, event: about("status_page.shared_token_issued", "status_page", p.ID, p.ID, nil),
			with: []dynamo.Op{seat.Issue(s.Store.Table, next.SharedHash, seat.Pass{Via: seat.ByShared, PageID: p.ID})},
		}
		if p.SharedHash != "" {
			c.with = append(c.with, seat.Withdraw(s.Store.Table, p.SharedHash))
		}
		return c, nil
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}
