package identity

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
)

func (s Store) team(ctx context.Context, id string) (Team, bool, error) {
	item, found, err := get[teamItem](ctx, s.Identity, teamKey(id))
	return item.Team, found, err
}

// teams reads many teams, by id.
func (s Store) teams(ctx context.Context, ids []string) (map[string]Team, error) {
	var wanted []dynamo.Key
	for _, id := range ids {
		wanted = append(wanted, teamKey(id))
	}
	items, err := dynamo.GetAll[teamItem](ctx, s.Identity, wanted)
	found := make(map[string]Team, len(items))
	for _, item := range items {
		found[item.Team.ID] = item.Team
	}
	return found, err
}

func (s Store) createTeam(t Team) dynamo.Op {
	return s.Identity.Create(teamItem{keys: keysOf(teamKey(t.ID)), ByKind: kindTeam, Team: t})
}

// countAdmins changes the count of a team's active admins. It fails where the
// last one would go.
func (s Store) countAdmins(teamID string, delta int) dynamo.Op {
	cond := dynamo.Present()
	if delta < 0 {
		cond = expression.Name("admins").GreaterThan(expression.Value(-delta))
	}
	return s.Identity.Update(teamKey(teamID), expression.Add(expression.Name("admins"), expression.Value(delta)), cond)
}

func (s Store) member(ctx context.Context, teamID, userID string) (Member, bool, error) {
	item, found, err := get[memberItem](ctx, s.Identity, memberKey(teamID, userID))
	return item.Member, found, err
}

// putMember writes a member over the revision rev, 0 for none.
func (s Store) putMember(teamID string, m Member, rev int64) dynamo.Op {
	cond := dynamo.Absent()
	if rev > 0 {
		cond = dynamo.Is("rev", rev)
	}
	return s.Identity.Put(memberItem{keys: keysOf(memberKey(teamID, m.UserID)), Member: m}, cond)
}

func (s Store) dropMember(teamID string, m Member) dynamo.Op {
	return s.Identity.Delete(memberKey(teamID, m.UserID), dynamo.Is("rev", m.Rev))
}

// changeRole writes a role into the user's own item, provided that the user is
// as u was read in what counts here, and that rule holds.
func (s Store) changeRole(u User, teamID string, to principal.Role, rule expression.ConditionBuilder) dynamo.Op {
	update := expression.Add(expression.Name("teamsRev"), expression.Value(1))
	if to == principal.None {
		update = update.Remove(role(teamID))
	} else {
		update = update.Set(role(teamID), expression.Value(to))
	}
	cond := dynamo.Is("active", u.Active).And(roleIs(teamID, u.Teams[teamID]), rule)
	return s.Identity.Update(userKey(u.ID), update, cond)
}

// listUsers pages through all users, newest first.
func (s Store) listUsers(ctx context.Context, page httpapi.Page) ([]User, string, error) {
	return s.findUsers(ctx, page, nil)
}

// findUsers pages through the users that fit, newest first; nil for all.
func (s Store) findUsers(ctx context.Context, page httpapi.Page, fits func(User) bool) ([]User, string, error) {
	var keep func(userItem) bool
	if fits != nil {
		keep = func(i userItem) bool { return fits(i.User) }
	}
	items, next, err := dynamo.List(ctx, s.Identity,
		dynamo.Query{Index: "byKind", Values: []string{kindUser}, Sort: "id", Before: page.Before, Limit: page.Limit},
		func(i userItem) string { return i.User.ID }, keep)
	users := make([]User, len(items))
	for i, item := range items {
		users[i] = item.User
	}
	return users, next, err
}

// listTeams pages through all teams, newest first.
func (s Store) listTeams(ctx context.Context, page httpapi.Page) ([]Team, string, error) {
	items, next, err := dynamo.List(ctx, s.Identity,
		dynamo.Query{Index: "byKind", Values: []string{kindTeam}, Sort: "id", Before: page.Before, Limit: page.Limit},
		func(i teamItem) string { return i.Team.ID }, nil)
	teams := make([]Team, len(items))
	for i, item := range items {
		teams[i] = item.Team
	}
	return teams, next, err
}

// listMembers pages through a team's members, the newest person first.
func (s Store) listMembers(ctx context.Context, teamID string, page httpapi.Page) ([]Member, string, error) {
	items, next, err := dynamo.List(ctx, s.Identity,
		dynamo.Query{Values: []string{teamKey(teamID).PK}, Sort: dynamo.SK, Prefix: memberPrefix, Before: page.Before, Limit: page.Limit},
		func(i memberItem) string { return i.SK }, nil)
	members := make([]Member, len(items))
	for i, item := range items {
		members[i] = item.Member
	}
	return members, next, err
}
