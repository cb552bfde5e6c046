package secret

import (
	"context"

	"pagefree/internal/platform/dynamo"
)

// Store keeps secrets in the automation table.
//
//	secret#<team>   <name>  the secret, where the dispatcher finds it by name  byTeam sec#<team>, byKind sec
//	secretid#<id>   id      its team and its name
type Store struct{ Table dynamo.Table }

const (
	kind = "sec"
	idSK = "id"
)

func key(teamID, name string) dynamo.Key { return dynamo.Key{PK: "secret#" + teamID, SK: name} }

// pointer leads from an id to the secret.
type pointer struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	TeamID string `dynamodbav:"teamId"` // "": global
	Name   string `dynamodbav:"name"`
}

func pointerKey(id string) dynamo.Key { return dynamo.Key{PK: "secretid#" + id, SK: idSK} }

// Secret reads one by its id, and false where there is none.
func (s Store) Secret(ctx context.Context, id string) (Secret, bool, error) {
	var at pointer
	if found, err := s.Table.Get(ctx, pointerKey(id), &at); err != nil || !found {
		return Secret{}, false, err
	}
	var v Secret
	found, err := s.Table.Get(ctx, key(at.TeamID, at.Name), &v)
	// Between the two reads it may have been deleted, and its name taken by another.
	return v, found && v.ID == id, err
}

// Create are the writes of a new secret. The first fails when its name is taken.
func (s Store) Create(v Secret) []dynamo.Op {
	k, at := key(v.Team(), v.Name), pointerKey(v.ID)
	v.PK, v.SK, v.ByTeam, v.ByKind, v.Version = k.PK, k.SK, kind+"#"+v.Team(), kind, 1
	return []dynamo.Op{s.Table.Create(v), s.Table.Create(pointer{PK: at.PK, SK: at.SK, TeamID: v.Team(), Name: v.Name})}
}

// Replace is the write of a new value of old.
func (s Store) Replace(old, is Secret) dynamo.Op {
	is.Version = old.Version + 1
	return s.Table.Put(is, unchanged(old))
}

// Delete are the writes that remove a secret.
func (s Store) Delete(old Secret) []dynamo.Op {
	return []dynamo.Op{
		s.Table.Delete(key(old.Team(), old.Name), unchanged(old)),
		s.Table.Delete(pointerKey(old.ID), dynamo.Present()),
	}
}

// List returns up to limit secrets of the teams, or of all when teams is nil, newest first.
func (s Store) List(ctx context.Context, teams []string, limit int, before string) ([]Secret, string, error) {
	q := dynamo.Query{Index: "byKind", Values: []string{kind}, Sort: "id", Before: before, Limit: limit}
	if teams != nil {
		q.Index, q.Values = "byTeam", nil
		for _, t := range teams {
			q.Values = append(q.Values, kind+"#"+t)
		}
	}
	return dynamo.List(ctx, s.Table, q, func(v Secret) string { return v.ID }, nil)
}
