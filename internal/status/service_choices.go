package status

import (
	"context"

	"pagefree/internal/platform/principal"
)

// Named is something to choose, as people know it.
type Named struct {
	ID   string
	Name string
}

// Choices are what can be chosen of where something is said of a page.
type Choices struct {
	Partners []Named // accesses to the page that were not revoked, by name
	Services []Named // of the page's team, by name
}

// Choices lists what an audience and a component may name.
func (s *Service) Choices(ctx context.Context, pageID string) (Choices, error) {
	p, _, err := s.may(ctx, pageID, principal.Observer)
	if err != nil {
		return Choices{}, err
	}
	var c Choices
	if c.Partners, err = s.Store.addressees(ctx, p.ID); err != nil {
		return Choices{}, err
	}
	c.Services, err = s.Services.Of(ctx, p.TeamID)
	return c, err
}
