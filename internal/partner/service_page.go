package partner

import (
	"context"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/status"
)

// Page is a status page as far as those need it who grant accesses to it.
type Page struct {
	ID         string
	TeamID     string
	Name       string
	Slug       string
	TimeZone   string
	Components []status.ViewComponent // all of them, in the page's order; only by PageOf
}

// PageOf reads a page, with its components, for an observer of it.
func (s *Service) PageOf(ctx context.Context, pageID string) (Page, error) {
	page, _, err := s.page(ctx, pageID, principal.Observer)
	if err != nil {
		return Page{}, err
	}
	snapshot, found, err := s.Store.snapshot(ctx, page)
	if err != nil {
		return Page{}, err
	}
	if !found { // deleted at this moment
		return Page{}, problem.Lost(nil)
	}
	out := pageOf(page)
	out.Components = snapshot.For(status.Reader{Staff: true}, s.Now()).Components
	return out, nil
}

// NameOf reads a page without what stands on it.
func (s *Service) NameOf(ctx context.Context, pageID string) (Page, error) {
	page, _, err := s.page(ctx, pageID, principal.Observer)
	if err != nil {
		return Page{}, err
	}
	return pageOf(page), nil
}

func pageOf(p status.Page) Page {
	return Page{ID: p.ID, TeamID: p.TeamID, Name: p.Name, Slug: p.Slug, TimeZone: p.TimeZone}
}
