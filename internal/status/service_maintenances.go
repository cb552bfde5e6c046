package status

import (
	"context"
	"time"

	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// Schedule plans a maintenance. It begins and ends by itself.
func (s *Service) Schedule(ctx context.Context, pageID string, n NewMaintenance) (out PlannedMaintenance, err error) {
	err = s.change(ctx, pageID, principal.Responder, func(p Page, on Snapshot, by string, now time.Time) (changed, error) {
		m, err := n.schedule(id.New(id.Maintenance, now), by, on, now)
		if err != nil {
			return changed{}, err
		}
		if err := s.checkAudience(ctx, p, n.Audience.Value); err != nil {
			return changed{}, err
		}
		record, err := s.Store.record(p.ID, m.ID, m, true)
		out = m.answer(p.ID, now)
		return changed{
			snapshot: on.withMaintenance(m.Maintenance),
			with:     []dynamo.Op{record, due.Put(s.Store.Table, starts(p.ID, m.Maintenance)), due.Put(s.Store.Table, ends(p.ID, m.Maintenance))},
			notice:   notice(p.ID, m.ID, whatPlanned, now),
			event: about("maintenance.scheduled", "maintenance", m.ID, p.ID, map[string]any{
				"startsAt": m.StartsAt.String(), "endsAt": m.EndsAt.String(),
			}),
		}, err
	})
	return out, err
}

// Replan changes a maintenance that has not ended; a later end extends it. A stale ifMatch is a 412.
func (s *Service) Replan(ctx context.Context, pageID, maintenanceID, ifMatch string, by MaintenancePatch) (PlannedMaintenance, error) {
	return s.changeMaintenance(ctx, pageID, maintenanceID, func(m planned, p Page, on Snapshot, who string, now time.Time) (planned, bool, string, error) {
		if err := httpapi.Match(ifMatch, m.Rev); err != nil {
			return planned{}, false, "", err
		}
		next, differs, err := m.patch(by, who, on, now)
		if err != nil {
			return planned{}, false, "", err
		}
		return next, differs, "maintenance.updated", s.checkAudience(ctx, p, by.Audience.Value)
	})
}

// SayOf adds an update to a maintenance; one that is completed ends it now.
func (s *Service) SayOf(ctx context.Context, pageID, maintenanceID string, n NewMaintenanceUpdate) (PlannedMaintenance, error) {
	return s.changeMaintenance(ctx, pageID, maintenanceID, func(m planned, _ Page, _ Snapshot, by string, now time.Time) (planned, bool, string, error) {
		next, err := m.update(n, id.New(id.PageUpdate, now), by, now)
		return next, true, "maintenance.updated", err
	})
}

// Cancel takes a maintenance back. Partners are not shown it any more.
func (s *Service) Cancel(ctx context.Context, pageID, maintenanceID string) (PlannedMaintenance, error) {
	return s.changeMaintenance(ctx, pageID, maintenanceID, func(m planned, _ Page, _ Snapshot, _ string, now time.Time) (planned, bool, string, error) {
		next, err := m.cancel(now)
		return next, true, "maintenance.cancelled", err
	})
}

// changeMaintenance lets decide make the next state of a maintenance, and tell
// whether it is another, and of which type of event.
func (s *Service) changeMaintenance(ctx context.Context, pageID, maintenanceID string, decide func(m planned, p Page, on Snapshot, by string, now time.Time) (planned, bool, string, error)) (out PlannedMaintenance, err error) {
	err = s.change(ctx, pageID, principal.Responder, func(p Page, on Snapshot, by string, now time.Time) (changed, error) {
		m, err := s.maintenance(ctx, p.ID, maintenanceID)
		if err != nil {
			return changed{}, err
		}
		next, differs, event, err := decide(m, p, on, by, now)
		if err != nil || !differs {
			out = m.answer(p.ID, now)
			return changed{nothing: true}, err
		}
		record, err := s.Store.record(p.ID, m.ID, next, false)
		out = next.answer(p.ID, now)
		return changed{
			snapshot: on.withMaintenance(next.Maintenance),
			with:     append(s.retime(p.ID, m.Maintenance, next.Maintenance, now), record),
			notice:   noticeOf(p.ID, m.Maintenance, next.Maintenance, now),
			event: about(event, "maintenance", m.ID, p.ID, map[string]any{
				"status": string(next.Status(now)), "startsAt": next.StartsAt.String(), "endsAt": next.End().String(),
			}),
		}, err
	})
	return out, err
}

// retime are the writes that move what is due of a maintenance. What has to be
// there still is a condition: else the clock has told it, and it is decided anew.
func (s *Service) retime(pageID string, was, is Maintenance, now time.Time) []dynamo.Op {
	var ops []dynamo.Op
	move := func(from, to due.Item, told bool) {
		cond := dynamo.Present()
		if told {
			cond = either()
		}
		switch {
		case is.CancelledAt != nil:
			ops = append(ops, s.Store.Table.Delete(from.Key(), cond))
		case from.Key() != to.Key():
			ops = append(ops, s.Store.Table.Delete(from.Key(), cond), due.Put(s.Store.Table, to))
		}
	}
	move(starts(pageID, was), starts(pageID, is), was.Status(now) != Scheduled)
	move(ends(pageID, was), ends(pageID, is), false)
	return ops
}

func (s *Service) maintenance(ctx context.Context, pageID, maintenanceID string) (planned, error) {
	var m planned
	if !id.Valid(id.Maintenance, maintenanceID) {
		return planned{}, problem.Missing()
	}
	found, err := s.Store.read(ctx, pageID, maintenanceID, &m)
	if err == nil && !found {
		err = problem.Missing()
	}
	return m, err
}

// GetMaintenance reads a maintenance, with every word of it.
func (s *Service) GetMaintenance(ctx context.Context, pageID, maintenanceID string) (PlannedMaintenance, error) {
	p, _, err := s.may(ctx, pageID, principal.Observer)
	if err != nil {
		return PlannedMaintenance{}, err
	}
	m, err := s.maintenance(ctx, p.ID, maintenanceID)
	return m.answer(p.ID, s.Now()), err
}

// ListMaintenances returns those of a page, newest first; cancelled ones too.
func (s *Service) ListMaintenances(ctx context.Context, pageID string, page httpapi.Page) ([]PlannedMaintenance, string, error) {
	p, _, err := s.may(ctx, pageID, principal.Observer)
	if err != nil {
		return nil, "", err
	}
	list, next, err := records(ctx, s.Store, p.ID, id.Maintenance+"_", page, planned.length)
	if err != nil {
		return nil, "", err
	}
	now := s.Now()
	out := make([]PlannedMaintenance, len(list))
	for n, m := range list {
		out[n] = m.answer(p.ID, now)
	}
	return httpapi.Fit(out, next, func(m PlannedMaintenance) string { return m.ID })
}
