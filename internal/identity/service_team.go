package identity

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/teams"
	"pagefree/internal/platform/timestamp"
)

// LastTeamAdmin is the code for what would leave a team without an active admin.
const LastTeamAdmin problem.Code = "last_team_admin"

func lastAdmin(teamID string) error {
	return problem.New(http.StatusConflict, LastTeamAdmin,
		"The team %s would be left without an active admin. Make somebody else TEAM_ADMIN first.", teamID)
}

// maxTeams is in how many teams a person can be: what the authorizer hands on
// at every request has to stay small.
const maxTeams = 100

// describe is what /v1/me shows of a user.
func (s *Service) describe(ctx context.Context, u User) (Me, error) {
	me := Me{ID: u.ID, Email: u.Email, Name: u.Name, PlatformAdmin: u.PlatformAdmin, Teams: []MyTeam{}}
	found, err := s.Store.teams(ctx, slices.Collect(maps.Keys(u.Teams)))
	if err != nil {
		return Me{}, err
	}
	for _, t := range found {
		me.Teams = append(me.Teams, MyTeam{ID: t.ID, Name: t.Name, Role: u.Teams[t.ID]})
	}
	slices.SortFunc(me.Teams, func(a, b MyTeam) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return me, nil
}

// Teams lists the caller's teams, newest first; all of them to platform admins.
func (s *Service) Teams(ctx context.Context, page httpapi.Page) ([]Team, string, error) {
	who, err := principal.Authenticated(ctx)
	if err != nil {
		return nil, "", err
	}
	if who.PlatformAdmin {
		return s.Store.listTeams(ctx, page)
	}
	ids := slices.Sorted(maps.Keys(who.Teams))
	slices.Reverse(ids)
	ids = slices.DeleteFunc(ids, func(id string) bool { return page.Before != "" && id >= page.Before })
	next := ""
	if len(ids) > page.Limit {
		ids = ids[:page.Limit]
		next = ids[page.Limit-1]
	}
	found, err := s.Store.teams(ctx, ids)
	if err != nil {
		return nil, "", err
	}
	list := []Team{}
	for _, id := range ids {
		if t, ok := found[id]; ok {
			list = append(list, t)
		}
	}
	return list, next, nil
}

// Team reads a team, for its members.
func (s *Service) Team(ctx context.Context, teamID string) (Team, error) {
	if _, err := principal.Require(ctx, teamID, principal.Observer); err != nil {
		return Team{}, err
	}
	return s.existingTeam(ctx, teamID)
}

func (s *Service) existingTeam(ctx context.Context, teamID string) (Team, error) {
	if !id.Valid(id.Team, teamID) {
		return Team{}, problem.Missing()
	}
	t, found, err := s.Store.team(ctx, teamID)
	if err == nil && !found {
		err = problem.Missing()
	}
	return t, err
}

// CreateTeam makes a team, whose first TEAM_ADMIN is who makes it: a platform admin.
func (s *Service) CreateTeam(ctx context.Context, name string) (Team, error) {
	who, err := principal.RequireAdmin(ctx)
	if err != nil {
		return Team{}, err
	}
	if name, err = cleanName("body.name", name); err != nil {
		return Team{}, err
	}
	now := s.Now()
	t := Team{ID: id.New(id.Team, now), Name: name, CreatedAt: timestamp.Of(now), Admins: 1}
	creator := User{ID: who.ID, Active: true}
	err = s.Store.commit(ctx,
		s.Store.changeRole(creator, t.ID, principal.TeamAdmin, isAdmin()),
		s.Store.createTeam(t),
		s.Store.putMember(t.ID, Member{UserID: who.ID, Role: principal.TeamAdmin, Since: timestamp.Of(now), Rev: 1}, 0),
		teams.Put(s.Automation, t.ID, t.Name),
		s.Audit.Record(ctx, now, audit.Entry{Type: "team.created", Subject: subject("team", t.ID), TeamID: t.ID,
			Detail: map[string]any{"name": t.Name}}))
	if failedAt(err, 0) {
		return Team{}, rightEnded()
	}
	return t, err
}

// Members lists a team's members, the newest person first, to members.
func (s *Service) Members(ctx context.Context, teamID string, page httpapi.Page) ([]Member, string, error) {
	if _, err := s.Team(ctx, teamID); err != nil {
		return nil, "", err
	}
	members, next, err := s.Store.listMembers(ctx, teamID, page)
	if err != nil {
		return nil, "", err
	}
	ids := make([]string, len(members))
	for i, m := range members {
		ids[i] = m.UserID
	}
	people, err := s.Store.users(ctx, ids)
	for i, m := range members {
		members[i] = m.of(people[m.UserID])
	}
	return members, next, err
}

// PutMember gives a user a role in a team. Codes: last_team_admin, precondition_failed.
func (s *Service) PutMember(ctx context.Context, teamID, userID, ifMatch string, to principal.Role) (Member, error) {
	return s.setRole(ctx, teamID, userID, ifMatch, to)
}

// RemoveMember takes a user out of a team. Codes: last_team_admin, precondition_failed.
func (s *Service) RemoveMember(ctx context.Context, teamID, userID, ifMatch string) error {
	_, err := s.setRole(ctx, teamID, userID, ifMatch, principal.None)
	return err
}

func (s *Service) setRole(ctx context.Context, teamID, userID, ifMatch string, to principal.Role) (Member, error) {
	who, err := principal.RequirePerson(ctx, teamID, principal.TeamAdmin)
	if err != nil {
		return Member{}, err
	}
	if _, err := s.existingTeam(ctx, teamID); err != nil {
		return Member{}, err
	}
	var m Member
	err = again(func() error {
		u, err := s.existing(ctx, userID)
		if err != nil {
			return err
		}
		old, member, err := s.Store.member(ctx, teamID, userID)
		switch {
		case err != nil:
			return err
		case !member && to == principal.None:
			return problem.Missing()
		case !member && !u.PlatformAdmin && len(u.Teams) >= maxTeams:
			return problem.InvalidField("path.userId", "is in %d teams, the most that a person can be in", maxTeams)
		}
		if err := httpapi.Match(ifMatch, old.Rev); err != nil {
			return err
		}
		if m = old.of(u); old.Role == to {
			return nil
		}
		now := s.Now()
		if m.Role, m.Rev = to, old.Rev+1; !member {
			m.UserID, m.Since = u.ID, timestamp.Of(now)
		}
		return s.writeRole(ctx, now, who, u, teamID, old, m)
	})
	return m, err
}

// writeRole writes the change of a member from old to m; either may have no role.
func (s *Service) writeRole(ctx context.Context, now time.Time, who principal.Principal, u User, teamID string, old, m Member) error {
	var ops []dynamo.Op
	rule := dynamo.Present()
	if who.ID == u.ID {
		rule = leads(teamID)
	} else {
		ops = append(ops, s.Store.checkUser(who.ID, leads(teamID)))
	}
	asked := len(ops)
	ops = append(ops, s.Store.changeRole(u, teamID, m.Role, rule))
	kind := "member.updated"
	switch {
	case m.Role == principal.None:
		kind = "member.removed"
		ops = append(ops, s.Store.dropMember(teamID, old))
	case old.Role == principal.None:
		kind = "member.added"
		fallthrough
	default:
		ops = append(ops, s.Store.putMember(teamID, m, old.Rev))
	}
	counted := -1
	if delta := adminDelta(u.Active, old.Role, m.Role); delta != 0 {
		counted = len(ops)
		ops = append(ops, s.Store.countAdmins(teamID, delta))
	}
	ops = append(ops, s.Audit.Record(ctx, now, audit.Entry{Type: kind, Subject: subject("user", u.ID), TeamID: teamID,
		Detail: map[string]any{"from": string(old.Role), "to": string(m.Role)}}))
	err := s.Store.commit(ctx, ops...)
	lost, _ := dynamo.Failed(err)
	switch {
	case lost == nil:
		return err
	case lost.Index < asked:
		return rightEnded()
	case lost.Index == counted:
		return lastAdmin(teamID)
	}
	return err
}
