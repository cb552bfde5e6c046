package secret

import (
	"context"
	"slices"

	"pagefree/internal/platform/dynamo"
)

// Expected are secrets that somebody believes to be needed. They are read, as
// they are stored, in one batch with other things; nothing is decrypted before
// it is known what is needed.
type Expected struct {
	resolver Resolver
	teamID   string
	names    []string
	items    []Secret
	found    []bool
}

// Expect is for the secrets of a team by their names, or of the global ones
// where teamID is "".
func (r Resolver) Expect(teamID string, names []string) *Expected {
	return &Expected{resolver: r, teamID: teamID, names: names, items: make([]Secret, len(names)), found: make([]bool, len(names))}
}

// Reads are what to read, of the table of Store.
func (e *Expected) Reads() []dynamo.Read {
	var reads []dynamo.Read
	for i, name := range e.names {
		reads = append(reads, dynamo.Read{Key: key(e.teamID, name), Out: &e.items[i], Found: &e.found[i]})
	}
	return reads
}

// Resolve is Resolver.Resolve. It reads anew what was not expected.
func (e *Expected) Resolve(ctx context.Context, teamID string, names []string) (map[string]string, error) {
	if teamID != e.teamID || !slices.Equal(names, e.names) {
		return e.resolver.Resolve(ctx, teamID, names)
	}
	var found []Secret
	for i, is := range e.found {
		if is {
			found = append(found, e.items[i])
		}
	}
	return e.resolver.open(ctx, teamID, names, found)
}
