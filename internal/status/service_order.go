package status

import (
	"cmp"
	"context"
	"slices"
	"time"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// SetStatuses gives several components their statuses at once: readers see all
// of them change, or none. What has its status already is left alone.
func (s *Service) SetStatuses(ctx context.Context, pageID string, touched []Touched) error {
	return s.change(ctx, pageID, principal.TeamAdmin, func(p Page, on Snapshot, _ string, now time.Time) (changed, error) {
		var wrong wrongs
		on.checkTouched(&wrong, touched)
		if err := wrong.err(); err != nil {
			return changed{}, err
		}
		became := map[string]any{}
		for _, t := range touched {
			if c, _ := on.component(t.ID); c.Status != t.Status {
				became[t.ID] = map[string]any{"from": string(c.Status), "to": string(t.Status)}
			}
		}
		return changed{
			snapshot: on.touch(touched, now), nothing: len(became) == 0,
			event: about("status_page.statuses_set", "status_page", p.ID, p.ID, map[string]any{"statuses": became}),
		}, nil
	})
}

// Move takes a component one place up or down on its page: within its group,
// and from the edge of that, or without one, past what stands beside it. What
// is at the end already stays.
func (s *Service) Move(ctx context.Context, pageID, componentID string, up bool) error {
	return s.change(ctx, pageID, principal.TeamAdmin, func(p Page, on Snapshot, _ string, now time.Time) (changed, error) {
		c, found := on.component(componentID)
		if !found {
			return changed{}, problem.Missing()
		}
		order := moved(on.ordered(), c, up)
		next, differs := on, false
		for at, componentID := range order {
			if one, _ := on.component(componentID); one.Position != at {
				one.Position, one.Rev = at, one.Rev+1
				next, differs = next.withComponent(one), true
			}
		}
		return changed{
			snapshot: next, nothing: !differs,
			event: about("component.updated", "component", c.ID, p.ID, map[string]any{"name": c.Name, "position": slices.Index(order, c.ID)}),
		}, nil
	})
}

// ordered are the components in blocks, as the page shows them: each group is
// one, and each component that is in none.
func (s Snapshot) ordered() [][]Component {
	list := slices.Clone(s.Components)
	slices.SortFunc(list, func(a, b Component) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.ID, b.ID))
	})
	var blocks [][]Component
	at := map[string]int{}
	for _, c := range list {
		n, known := at[c.Group]
		if c.Group != "" && known {
			blocks[n] = append(blocks[n], c)
			continue
		}
		at[c.Group] = len(blocks)
		blocks = append(blocks, []Component{c})
	}
	return blocks
}

// moved are the ids of all components after one of them moved.
func moved(blocks [][]Component, c Component, up bool) []string {
	step := 1
	if up {
		step = -1
	}
	is := func(o Component) bool { return o.ID == c.ID }
	block := slices.IndexFunc(blocks, func(b []Component) bool { return slices.ContainsFunc(b, is) })
	within := blocks[block]
	at := slices.IndexFunc(within, is)
	if to := at + step; to >= 0 && to < len(within) {
		within[at], within[to] = within[to], within[at]
	} else if to := block + step; to >= 0 && to < len(blocks) {
		blocks[block], blocks[to] = blocks[to], blocks[block]
	}
	var order []string
	for _, b := range blocks {
		for _, one := range b {
			order = append(order, one.ID)
		}
	}
	return order
}
