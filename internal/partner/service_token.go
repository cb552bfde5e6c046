package partner

import (
	"context"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/token"
)

// FeedToken is the secret of a feed's address, in the one answer that holds it.
type FeedToken struct {
	Token string `json:"token" doc:"the secret; it is not shown again"`
	Path  string `json:"path" doc:"of the feed, with the secret in it"`
}

// Regenerate gives an access another token; the old one is dead at once. Of
// two who do so at the same moment one is refused: they would not know whose
// token is the one that works.
func (s *Service) Regenerate(ctx context.Context, pageID, accessID string) (GrantedAccess, error) {
	at, err := s.may(ctx, pageID, accessID, principal.TeamAdmin)
	if err != nil {
		return GrantedAccess{}, err
	}
	if at.access.RevokedAt != nil {
		return GrantedAccess{}, problem.Transition("regenerate the token of", "revoked")
	}
	secret := token.New(token.Partner)
	is := at.access
	is.TokenHash, is.TokenPrefix = token.Hash(secret), secret[:token.PrefixLength]
	err = s.commit(ctx, is, "partner.token_regenerated", map[string]any{"prefix": is.TokenPrefix, "was": at.access.TokenPrefix},
		s.Store.exchange(at.access, is.TokenHash, is.TokenPrefix)...)
	if _, lost := dynamo.Failed(err); lost {
		return GrantedAccess{}, problem.Lost(err)
	}
	if err != nil {
		return GrantedAccess{}, err
	}
	is.Rev++
	shown, err := s.show(ctx, is)
	return GrantedAccess{PartnerAccess: shown, Token: secret}, err
}

// IssueFeed gives an access a token for its feed, in the place of the one that
// it may have.
func (s *Service) IssueFeed(ctx context.Context, pageID, accessID string) (FeedToken, error) {
	at, err := s.may(ctx, pageID, accessID, principal.TeamAdmin)
	if err != nil {
		return FeedToken{}, err
	}
	if at.access.RevokedAt != nil {
		return FeedToken{}, problem.Transition("make a feed of", "revoked")
	}
	secret := token.New(token.Feed)
	err = s.commit(ctx, at.access, "partner.feed_issued", nil, s.Store.exchangeFeed(at.access, token.Hash(secret))...)
	if _, lost := dynamo.Failed(err); lost {
		return FeedToken{}, problem.Lost(err)
	}
	return FeedToken{Token: secret, Path: "/status/" + at.page.Slug + "/feed.atom?feed=" + secret}, err
}

// WithdrawFeed ends the feed of an access, if it has one.
func (s *Service) WithdrawFeed(ctx context.Context, pageID, accessID string) error {
	for range rounds {
		at, err := s.may(ctx, pageID, accessID, principal.TeamAdmin)
		if err != nil || at.access.FeedHash == "" {
			return err
		}
		err = s.commit(ctx, at.access, "partner.feed_withdrawn", nil, s.Store.exchangeFeed(at.access, "")...)
		if !again(err) {
			return err
		}
	}
	return dynamo.ErrContended
}
