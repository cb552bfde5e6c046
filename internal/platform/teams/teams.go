// Package teams is the directory of team names beside the automation data, so
// that functions which run scripts need no right on the people's table. The
// identity room writes an entry in the transaction that makes a team.
package teams

import (
	"context"

	"pagefree/internal/platform/dynamo"
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
