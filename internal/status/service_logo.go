package status

import (
	"context"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
)

// SetLogo gives a page its picture, from a PNG or JPEG of at most MaxLogo
// bytes: another media type is a 415, what cannot be read a 422. A stale ifMatch is a 412.
func (s *Service) SetLogo(ctx context.Context, pageID, ifMatch, contentType string, raw []byte) (Page, error) {
	if _, _, err := s.may(ctx, pageID, principal.TeamAdmin); err != nil { // before anything is decoded
		return Page{}, err
	}
	if !pictured(contentType) {
		return Page{}, errLogoKind
	}
	data, hash, err := logoOf(raw)
	if err != nil {
		return Page{}, err
	}
	k := logoKey(hash)
	return s.changeLogo(ctx, pageID, ifMatch, &hash, s.Store.Table.Put(Logo{PK: k.PK, SK: k.SK, Data: data}, either()))
}

// RemoveLogo takes a page's picture away.
func (s *Service) RemoveLogo(ctx context.Context, pageID string) error {
	_, err := s.changeLogo(ctx, pageID, "", nil)
	return err
}

func (s *Service) changeLogo(ctx context.Context, pageID, ifMatch string, hash *string, with ...dynamo.Op) (out Page, err error) {
	err = s.change(ctx, pageID, principal.TeamAdmin, func(p Page, on Snapshot, _ string, now time.Time) (changed, error) {
		if err := httpapi.Match(ifMatch, p.Rev); err != nil {
			return changed{}, err
		}
		out = p
		if same(p.Logo, hash) {
			return changed{nothing: true}, nil
		}
		out.Logo, out.UpdatedAt, out.Rev = hash, timestamp.Of(now), p.Rev+1
		next := out
		return changed{
			snapshot: next.on(on, true), page: &next, with: with,
			event: about("status_page.logo_changed", "status_page", p.ID, p.ID, map[string]any{"logo": hash}),
		}, nil
	})
	return out, err
}
