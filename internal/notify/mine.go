package notify

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
)

// Revision is what a change of what was shown names as If-Match.
func (m Mine) Revision() string { return httpapi.Revision(m.rev) }

// Revision is what a change of what was shown names as If-Match.
func (t Teams) Revision() string { return httpapi.Revision(t.rev) }

// Offered are the types of events that a webhook may ask for.
func Offered() []string { return slices.Clone(offered) }

// OfTeam is a team of a person.
type OfTeam struct {
	ID, Name string
	Role     principal.Role
}

// MyTeams are the teams that the caller is in, by name; a platform admin's
// other teams are not among them.
func (s *Service) MyTeams(ctx context.Context) ([]OfTeam, error) {
	p, err := person(ctx)
	if err != nil {
		return nil, err
	}
	roles := p.Teams
	if p.PlatformAdmin { // whose roles do not travel with them
		found, err := s.People.People(ctx, []string{p.ID})
		if err != nil {
			return nil, err
		}
		for _, who := range found {
			roles = who.Roles
		}
	}
	names, err := s.Store.teamNames(ctx, slices.Collect(maps.Keys(roles)))
	if err != nil {
		return nil, err
	}
	var all []OfTeam
	for id, name := range names {
		all = append(all, OfTeam{id, name, roles[id]})
	}
	slices.SortFunc(all, func(a, b OfTeam) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}

// TeamName is what a team is called, for its members.
func (s *Service) TeamName(ctx context.Context, teamID string) (string, error) {
	if err := s.may(ctx, teamID, principal.Require, principal.Observer); err != nil {
		return "", err
	}
	names, err := s.Store.teamNames(ctx, []string{teamID})
	return names[teamID], err
}

// teamNames are the names of those of the teams that exist, by their ids.
func (s Store) teamNames(ctx context.Context, ids []string) (map[string]string, error) {
	var wanted []dynamo.Key
	for _, id := range ids {
		wanted = append(wanted, dynamo.Key{PK: "team#" + id, SK: "team"})
	}
	found, err := dynamo.GetAll[struct {
		ID   string `dynamodbav:"id"`
		Name string `dynamodbav:"name"`
	}](ctx, s.Identity, wanted)
	names := map[string]string{}
	for _, t := range found {
		names[t.ID] = t.Name
	}
	return names, err
}
