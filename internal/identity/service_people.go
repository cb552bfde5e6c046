package identity

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// maxNames is how many people Names names at once.
const maxNames = 50

// Known is a person as somebody who knows them sees them.
type Known struct {
	User
	Teams []MyTeam // those that both are in, by name; all of them for platform admins
}

// Person is who somebody is: for themself, for whoever is in a team with them,
// and for platform admins. To all others there is no such person.
func (s *Service) Person(ctx context.Context, userID string) (Known, error) {
	who, err := person(ctx)
	if err != nil {
		return Known{}, err
	}
	u, err := s.existing(ctx, userID)
	if err != nil {
		return Known{}, err
	}
	if !knows(who, u) {
		return Known{}, problem.Missing()
	}
	shared := maps.Clone(u.Teams)
	if !who.PlatformAdmin && who.ID != u.ID {
		maps.DeleteFunc(shared, func(teamID string, _ principal.Role) bool { return !who.Teams[teamID].Valid() })
	}
	found, err := s.Store.teams(ctx, slices.Collect(maps.Keys(shared)))
	if err != nil {
		return Known{}, err
	}
	k := Known{User: u}
	for _, t := range found {
		k.Teams = append(k.Teams, MyTeam{ID: t.ID, Name: t.Name, Role: shared[t.ID]})
	}
	slices.SortFunc(k.Teams, func(a, b MyTeam) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return k, nil
}

// knows reports whether somebody may know of a user.
func knows(who principal.Principal, u User) bool {
	if who.PlatformAdmin || who.ID == u.ID {
		return true
	}
	for teamID, role := range who.Teams {
		if role.Valid() && u.Teams[teamID].Valid() {
			return true
		}
	}
	return false
}

// Names are the names of those of at most 50 people whom the caller may know
// of (see Person), by their ids. Of the others it says nothing.
func (s *Service) Names(ctx context.Context, ids []string) (map[string]string, error) {
	who, err := person(ctx)
	if err != nil {
		return nil, err
	}
	if len(ids) > maxNames {
		return nil, problem.InvalidField("query.ids", "names more than %d people", maxNames)
	}
	ids = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(ids))), func(one string) bool { return !id.Valid(id.User, one) })
	found, err := s.Store.users(ctx, ids)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, u := range found {
		if knows(who, u) {
			names[u.ID] = u.Name
		}
	}
	return names, nil
}

// maxSearch is the longest text that people are searched for, in characters.
const maxSearch = 200

// FindUsers lists the users whose name or address holds q, in any case, newest
// first, to platform admins.
func (s *Service) FindUsers(ctx context.Context, q string, page httpapi.Page) ([]User, string, error) {
	if _, err := principal.RequireAdmin(ctx); err != nil {
		return nil, "", err
	}
	if len([]rune(q)) > maxSearch {
		return nil, "", problem.InvalidField("query.q", "is longer than %d characters", maxSearch)
	}
	q = strings.ToLower(strings.TrimSpace(q))
	return s.Store.findUsers(ctx, page, func(u User) bool {
		return strings.Contains(strings.ToLower(u.Name), q) || strings.Contains(u.Email, q)
	})
}

// AddMember takes the user of an address into a team. It is for its admins
// alone, who are refused before the address is looked at: nobody else learns
// which address exists. Who is a member already keeps their role.
func (s *Service) AddMember(ctx context.Context, teamID, email string, as principal.Role) (Member, error) {
	if _, err := principal.RequirePerson(ctx, teamID, principal.TeamAdmin); err != nil {
		return Member{}, err
	}
	if _, err := s.existingTeam(ctx, teamID); err != nil {
		return Member{}, err
	}
	email, err := cleanEmail(email)
	if err != nil {
		return Member{}, err
	}
	u, found, err := s.Store.userByEmail(ctx, email)
	if err != nil {
		return Member{}, err
	}
	if !found {
		return Member{}, problem.InvalidField("body.email", "is nobody's here. A platform admin adds people, then you can take them into the team")
	}
	if _, member, err := s.Store.member(ctx, teamID, u.ID); err != nil || member {
		if err == nil {
			err = problem.InvalidField("body.email", "is a member's already. Change the role in the list")
		}
		return Member{}, err
	}
	return s.setRole(ctx, teamID, u.ID, `"0"`, as) // 0: who became a member in between is not changed
}
