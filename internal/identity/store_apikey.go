package identity

import (
	"context"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
)

// apiKey reads a key as people see it, by id.
func (s Store) apiKey(ctx context.Context, id string) (APIKey, bool, error) {
	item, found, err := get[apiKeyItem](ctx, s.Identity, apiKeyKey(id))
	return item.APIKey, found, err
}

// apiKeyBySecret reads a key by the hash of its secret, in one read.
func (s Store) apiKeyBySecret(ctx context.Context, hash string) (APIKey, bool, error) {
	item, found, err := get[apiKeyItem](ctx, s.Identity, secretKey(hash))
	return item.APIKey, found, err
}

// createAPIKey writes a key twice: where it is listed, and where its secret finds it.
func (s Store) createAPIKey(k APIKey) []dynamo.Op {
	return []dynamo.Op{
		s.Identity.Create(apiKeyItem{keys: keysOf(secretKey(k.Hash)), APIKey: k}),
		s.Identity.Create(apiKeyItem{keys: keysOf(apiKeyKey(k.ID)), ByKind: kindAPIKey, ByTeam: k.TeamID, APIKey: k}),
	}
}

// dropAPIKey removes both. It fails where the key was revoked before.
func (s Store) dropAPIKey(k APIKey) []dynamo.Op {
	return []dynamo.Op{
		s.Identity.Delete(secretKey(k.Hash), dynamo.Present()),
		s.Identity.Delete(apiKeyKey(k.ID), dynamo.Present()),
	}
}

// listAPIKeys pages through the keys of some teams, newest first; of all teams for nil.
func (s Store) listAPIKeys(ctx context.Context, teamIDs []string, page httpapi.Page) ([]APIKey, string, error) {
	q := dynamo.Query{Index: "byTeam", Values: teamIDs, Sort: "id", Before: page.Before, Limit: page.Limit}
	if teamIDs == nil {
		q.Index, q.Values = "byKind", []string{kindAPIKey}
	}
	items, next, err := dynamo.List(ctx, s.Identity, q, func(i apiKeyItem) string { return i.APIKey.ID }, nil)
	found := make([]APIKey, len(items))
	for i, item := range items {
		found[i] = item.APIKey
	}
	return found, next, err
}
