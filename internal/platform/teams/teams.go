// Package teams is the directory of team names beside the automation data, so
// that functions which run scripts need no right on the people's table. The
// identity room writes an entry in the transaction that makes a team.
package teams

import (
	"context"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

type entry struct {
	PK   string `dynamodbav:"pk"`
	SK   string `dynamodbav:"sk"`
	Name string `dynamodbav:"name"`
}

func key(teamID string) dynamo.Key { return dynamo.Key{PK: "team#" + teamID, SK: "team"} }

// Put is the write of a new team's entry; t is the automation table.
func Put(t dynamo.Table, teamID, name string) dynamo.Op {
	k := key(teamID)
	return t.Create(entry{PK: k.PK, SK: k.SK, Name: name})
}

// Name returns a team's name, and false for a team that does not exist.
func Name(ctx context.Context, t dynamo.Table, teamID string) (string, bool, error) {
	var e entry
	found, err := t.Get(ctx, key(teamID), &e)
	return e.Name, found, err
}

// Owner is the team that something new is to belong to, "" for what is global
// (nil), and the caller, who has to be a TEAM_ADMIN there by require, which is
// principal.Require or principal.RequirePerson. A team that does not exist is
// missing to platform admins too.
func Owner(ctx context.Context, t dynamo.Table, teamID *string, require func(context.Context, string, principal.Role) (principal.Principal, error)) (string, principal.Principal, error) {
	team := ""
	if teamID != nil {
		team = *teamID
		if !id.Valid(id.Team, team) { // also keeps "" from meaning global
			return "", principal.Principal{}, problem.Missing()
		}
	}
	p, err := require(ctx, team, principal.TeamAdmin)
	if err != nil || team == "" {
		return team, p, err
	}
	if _, found, err := Name(ctx, t, team); err != nil || !found {
		if err == nil {
			err = problem.Missing()
		}
		return "", principal.Principal{}, err
	}
	return team, p, nil
}
