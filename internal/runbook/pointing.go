package runbook

import (
	"context"
	"crypto/hmac"
	"fmt"
	"time"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
)

// Rollback points back, or forth, to a version that was approved before.
func (s *Service) Rollback(ctx context.Context, runbookID string, n int, reason string) (RunbookView, error) {
	return s.change(ctx, runbookID, "rolled_back", reason, 1, func(r Runbook, now time.Time, detail map[string]any) (Runbook, error) {
		v, err := s.Store.Version(ctx, r.ID, n)
		if err != nil {
			return r, err
		}
		detail["version"], detail["previousVersion"] = n, r.Approved
		is, err := r.rollback(v)
		if err != nil {
			return r, err
		}
		return point(ctx, s.Seal, is)
	})
}

// Deprecate warns whoever runs the runbook from now on.
func (s *Service) Deprecate(ctx context.Context, runbookID, reason string) (RunbookView, error) {
	return s.change(ctx, runbookID, "deprecated", reason, 1, func(r Runbook, now time.Time, _ map[string]any) (Runbook, error) {
		is, err := r.deprecate(reason, now)
		if err != nil {
			return r, err
		}
		return s.carry(ctx, r, is)
	})
}

// Archive stops the runbook from running.
func (s *Service) Archive(ctx context.Context, runbookID, reason string) (RunbookView, error) {
	return s.change(ctx, runbookID, "archived", reason, 1, func(r Runbook, now time.Time, _ map[string]any) (Runbook, error) {
		is, err := r.archive(reason)
		if err != nil {
			return r, err
		}
		return s.carry(ctx, r, is)
	})
}

// Restore undoes Deprecate and Archive.
func (s *Service) Restore(ctx context.Context, runbookID string) (RunbookView, error) {
	return s.change(ctx, runbookID, "restored", "", 0, func(r Runbook, now time.Time, _ map[string]any) (Runbook, error) {
		is, err := r.restore()
		if err != nil {
			return r, err
		}
		return s.carry(ctx, r, is)
	})
}

// change moves the pointer of a runbook: decide gives the head with its new pointer, sealed.
func (s *Service) change(ctx context.Context, runbookID, what, reason string, least int, decide func(Runbook, time.Time, map[string]any) (Runbook, error)) (RunbookView, error) {
	return again(func() (RunbookView, error) {
		r, p, err := s.open(ctx, runbookID, principal.TeamAdmin)
		if err != nil {
			return RunbookView{}, err
		}
		if err := checkWords(reason, least); err != nil {
			return RunbookView{}, err
		}
		now := s.Now()
		detail := map[string]any{}
		if reason != "" {
			detail["reason"] = reason
		}
		is, err := decide(r, now, detail)
		if err != nil {
			return RunbookView{}, err
		}
		is.UpdatedAt = timestamp.Of(now)
		err = s.Store.move(ctx, r, is, s.record(ctx, is, what, now, detail))
		is.Rev++
		return is.view(p), err
	})
}

// carry seals a pointer that names the same version as before in another
// state. One that was not ours stays broken: it gets no MAC, so that a version
// which was slipped into the table is not sealed by archiving and restoring it.
func (s *Service) carry(ctx context.Context, old, is Runbook) (Runbook, error) {
	is, err := point(ctx, s.Seal, is)
	if err != nil {
		return is, err
	}
	ours := old.Sequence == old.Latest && old.Approved == 0
	if old.Sequence > 0 && old.Sequence == old.Latest {
		message, err := pointerMessage(old)
		if err != nil {
			return is, err
		}
		mac, err := s.Seal.MAC(ctx, message)
		if err != nil {
			return is, fmt.Errorf("check the pointer of %s: %w", old.ID, err)
		}
		ours = hmac.Equal(mac, old.PointerMAC)
	}
	if !ours {
		is.PointerMAC = nil
	}
	return is, nil
}
