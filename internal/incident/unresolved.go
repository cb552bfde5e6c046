package incident

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
)

// readers is how many services' open incidents are read at once.
const readers = 8

// Unresolved lists the open incidents that the caller may see and f lets
// through, worst first, and of one severity the newest first: of each of the
// first thousand services at most a hundred. However long their history, it
// costs one small query a service.
func (d *Desk) Unresolved(ctx context.Context, f Filter) ([]Incident, error) {
	ids, err := d.watched(ctx, f)
	if err != nil {
		return nil, err
	}
	open, errs := make([][]Incident, len(ids)), make([]error, len(ids))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(readers, len(ids)) {
		wg.Go(func() {
			for n := range next {
				open[n], errs[n] = d.Store.Open(ctx, ids[n:n+1])
			}
		})
	}
	for n := range ids {
		next <- n
	}
	close(next)
	wg.Wait()
	if err := cmp.Or(errs...); err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(slices.Concat(open...), func(i Incident) bool { return !f.keep(i) })
	slices.SortFunc(all, func(a, b Incident) int {
		return cmp.Or(cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity)), cmp.Compare(b.ID, a.ID))
	})
	return all, nil
}

// watched are the services whose incidents f lets through, of those that the caller may see.
func (d *Desk) watched(ctx context.Context, f Filter) ([]string, error) {
	if f.ServiceID != "" {
		s, err := d.GetService(ctx, f.ServiceID)
		if problem.CodeOf(err) == problem.NotFound { // nothing of it is open that the caller may see
			return nil, nil
		}
		return []string{s.ID}, err
	}
	var ids []string
	page := httpapi.Page{Limit: 200}
	for range 5 {
		services, next, err := d.ListServices(ctx, ServiceFilter{TeamID: f.TeamID}, page)
		if err != nil {
			return nil, err
		}
		for _, s := range services {
			ids = append(ids, s.ID)
		}
		if page.Before = next; next == "" {
			break
		}
	}
	return ids, nil
}
