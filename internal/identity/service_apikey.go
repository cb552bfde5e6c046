package identity

import (
	"context"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
)

// CreateAPIKey makes a key that acts as a role in a team. The answer is the
// only one that holds its secret.
func (s *Service) CreateAPIKey(ctx context.Context, name, teamID string, as principal.Role, until *timestamp.Time) (NewAPIKey, error) {
	return s.CreateAPIKeyBy(ctx, "", name, teamID, as, until)
}

// CreateAPIKeyBy is CreateAPIKey by a form of a page (see id.Once), which makes
// one key of a name, however often it is sent. "" is by none. Codes: already_made.
func (s *Service) CreateAPIKeyBy(ctx context.Context, form, name, teamID string, as principal.Role, until *timestamp.Time) (NewAPIKey, error) {
	who, err := principal.RequirePerson(ctx, teamID, principal.TeamAdmin)
	if err != nil {
		return NewAPIKey{}, err
	}
	now := s.Now()
	if name, err = cleanName("body.name", name); err != nil {
		return NewAPIKey{}, err
	}
	if until, err = expiry(until, now); err != nil {
		return NewAPIKey{}, err
	}
	keyID, ok := id.New(id.APIKey, now), true
	if form != "" {
		if keyID, ok = id.Once(id.APIKey, form, now, who.ID, teamID, string(as), name); !ok {
			return NewAPIKey{}, problem.Again(false)
		}
	}
	if _, err := s.existingTeam(ctx, teamID); err != nil {
		return NewAPIKey{}, err
	}
	creator, err := s.existing(ctx, who.ID)
	if err != nil {
		return NewAPIKey{}, err
	}
	secret := token.New(token.APIKey)
	k := APIKey{
		ID: keyID, Name: name, TeamID: teamID, Role: as, Prefix: secret[:token.PrefixLength], Active: true,
		CreatedByID: who.ID, CreatedAt: timestamp.Of(now), ExpiresAt: until, Epoch: creator.Epoch, Hash: token.Hash(secret),
	}
	ops := []dynamo.Op{s.Store.checkUser(who.ID, leads(teamID).And(holds(creator.Epoch)))}
	ops = append(ops, s.Store.createAPIKey(k)...)
	ops = append(ops, s.Audit.Record(ctx, now, audit.Entry{Type: "apikey.created", Subject: subject("apikey", k.ID), TeamID: teamID,
		Detail: map[string]any{"name": name, "role": string(as), "prefix": k.Prefix}}))
	err = s.Store.commit(ctx, ops...)
	switch {
	case failedAt(err, 0):
		return NewAPIKey{}, rightEnded()
	case failedAt(err, 2):
		return NewAPIKey{}, problem.Again(true)
	}
	return NewAPIKey{APIKey: k, Key: secret}, err
}

// APIKeys lists the keys of the teams that the caller is TEAM_ADMIN of, newest
// first; all keys to platform admins.
func (s *Service) APIKeys(ctx context.Context, page httpapi.Page) ([]APIKey, string, error) {
	who, err := person(ctx)
	if err != nil {
		return nil, "", err
	}
	var in []string
	if !who.PlatformAdmin {
		for teamID, r := range who.Teams {
			if r == principal.TeamAdmin {
				in = append(in, teamID)
			}
		}
		if len(in) == 0 {
			return nil, "", problem.Denied("This needs the role %s in a team.", principal.TeamAdmin)
		}
	}
	list, next, err := s.Store.listAPIKeys(ctx, in, page)
	if err != nil {
		return nil, "", err
	}
	return list, next, s.judge(ctx, list)
}

// judge fills in which keys work.
func (s *Service) judge(ctx context.Context, list []APIKey) error {
	ids := map[string]bool{}
	var creators []string
	for _, k := range list {
		if !ids[k.CreatedByID] {
			ids[k.CreatedByID] = true
			creators = append(creators, k.CreatedByID)
		}
	}
	people, err := s.Store.users(ctx, creators)
	for i, k := range list {
		list[i].Active = k.live(people[k.CreatedByID], s.Now())
	}
	return err
}

// APIKey reads one key, for who may revoke it.
func (s *Service) APIKey(ctx context.Context, keyID string) (APIKey, error) {
	k, err := s.managed(ctx, keyID)
	if err != nil {
		return APIKey{}, err
	}
	list := []APIKey{k}
	err = s.judge(ctx, list)
	return list[0], err
}

// managed reads a key of a team that the caller may manage.
func (s *Service) managed(ctx context.Context, keyID string) (APIKey, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return APIKey{}, err
	}
	if !id.Valid(id.APIKey, keyID) {
		return APIKey{}, problem.Missing()
	}
	k, found, err := s.Store.apiKey(ctx, keyID)
	if err != nil {
		return APIKey{}, err
	}
	if !found {
		return APIKey{}, problem.Missing()
	}
	_, err = principal.RequirePerson(ctx, k.TeamID, principal.TeamAdmin)
	return k, err
}

// RevokeAPIKey ends a key at once.
func (s *Service) RevokeAPIKey(ctx context.Context, keyID string) error {
	k, err := s.managed(ctx, keyID)
	if err != nil {
		return err
	}
	who, _ := principal.From(ctx)
	ops := append(s.Store.dropAPIKey(k), s.Store.checkUser(who.ID, leads(k.TeamID)),
		s.Audit.Record(ctx, s.Now(), audit.Entry{Type: "apikey.revoked", Subject: subject("apikey", k.ID), TeamID: k.TeamID,
			Detail: map[string]any{"name": k.Name, "prefix": k.Prefix}}))
	err = s.Store.commit(ctx, ops...)
	switch _, lost := dynamo.Failed(err); {
	case failedAt(err, 2):
		return rightEnded()
	case lost:
		return problem.Missing()
	}
	return err
}
