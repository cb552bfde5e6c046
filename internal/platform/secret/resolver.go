package secret

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
)

// unchanged is the condition that a secret is the one that was read, at its value.
func unchanged(old Secret) expression.ConditionBuilder {
	return dynamo.Is("id", old.ID).And(dynamo.Is("version", old.Version))
}

// MissingError names the secrets that a team does not have. Nothing of the
// others was decrypted.
type MissingError struct{ Names []string }

func (e *MissingError) Error() string { return "no secret named " + strings.Join(e.Names, ", ") }

// Resolver gives the dispatcher values by name.
type Resolver struct {
	Store Store
	Key   *Key
}

// Resolve returns the values of a team's secrets by name, or of the global
// ones where teamID is "". Names that the team does not have are a
// *MissingError; any other error means that a value could not be had now, or
// that its item is not what was stored. No error holds a value.
func (r Resolver) Resolve(ctx context.Context, teamID string, names []string) (map[string]string, error) {
	names = distinct(names)
	if len(names) == 0 {
		return map[string]string{}, nil
	}
	keys := make([]dynamo.Key, len(names))
	for i, name := range names {
		keys[i] = key(teamID, name)
	}
	found, err := dynamo.GetAll[Secret](ctx, r.Store.Table, keys)
	if err != nil {
		return nil, fmt.Errorf("resolve secrets: %w", err)
	}
	return r.open(ctx, teamID, names, found)
}

// open decrypts the secrets of a team that were found by names, each of which must be among them.
func (r Resolver) open(ctx context.Context, teamID string, names []string, found []Secret) (map[string]string, error) {
	names = distinct(names)
	// The key that it was read by decides whose it is, not what its item says.
	have := map[string]Secret{}
	for _, s := range found {
		s.Name, s.TeamID = s.SK, &teamID
		have[s.Name] = s
	}
	if missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { _, is := have[name]; return is }); len(missing) > 0 {
		return nil, &MissingError{Names: missing}
	}
	values := make(map[string]string, len(names))
	for _, name := range names {
		value, err := r.Key.Decrypt(ctx, have[name])
		if err != nil {
			return nil, err
		}
		values[name] = value
	}
	return values, nil
}

func distinct(names []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(names)))
}
