package runbook

import (
	"context"
	"time"

	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
)

// ApproveTarget makes the definition that waits the one that serves, and seals
// it. Whoever wrote it is refused, and every API key.
//
// match is given the revision: who read another definition than the one that
// waits by now can so keep from approving what they have not seen.
func (s *Service) ApproveTarget(ctx context.Context, targetID string, match func(rev int64) error) (TargetView, error) {
	return s.decide(ctx, targetID, match, func(t NamedTarget, by string, now time.Time) (NamedTarget, error) {
		is, err := t.approve(by, now)
		if err != nil {
			return t, err
		}
		if is, err = sealTarget(ctx, s.Seal, is); err != nil {
			return t, err
		}
		detail := map[string]any{"version": is.Approved, "contentHash": is.ContentHash}
		return is, s.Store.approveTarget(ctx, t, is, s.recordTarget(ctx, is, "approved", now, detail))
	})
}

// RejectTarget ends the review of the definition that waits.
func (s *Service) RejectTarget(ctx context.Context, targetID, reason string, match func(rev int64) error) (TargetView, error) {
	return s.decide(ctx, targetID, match, func(t NamedTarget, by string, now time.Time) (NamedTarget, error) {
		if err := checkWords(reason, 1); err != nil {
			return t, err
		}
		is, err := t.reject(by, now)
		if err != nil {
			return t, err
		}
		detail := map[string]any{"version": is.Newest.Version, "reason": reason}
		return is, s.Store.rejectTarget(ctx, t, is, s.recordTarget(ctx, is, "rejected", now, detail))
	})
}

// decide is a person's decision on what waits: do decides and writes.
func (s *Service) decide(ctx context.Context, targetID string, match func(rev int64) error, do func(NamedTarget, string, time.Time) (NamedTarget, error)) (TargetView, error) {
	return again(func() (TargetView, error) {
		t, p, err := s.openTarget(ctx, targetID, principal.RequirePerson)
		if err != nil {
			return TargetView{}, err
		}
		by, err := author(p)
		if err != nil {
			return TargetView{}, err
		}
		if err := match(t.Rev); err != nil {
			return TargetView{}, err
		}
		is, err := do(t, by, s.Now())
		is.Rev++
		return is.view(p), err
	})
}

// targetWaiting is the entry of a target in the queue of reviews. Another name
// leaves it in its place.
func targetWaiting(t NamedTarget) reviewItem {
	k := targetReviewKey(t.ID)
	return reviewItem{
		PK: k.PK, SK: k.SK, ByTeam: kindReview + "#" + t.Team(), ByKind: kindReview, ID: id.New("rv", t.Newest.WrittenAt.Time), Writers: t.Newest.Writers,
		Review: Review{
			Kind: kindOfTarget, TargetID: t.ID, TargetName: t.Name, TeamID: t.TeamID, Version: t.Newest.Version,
			CreatedByID: t.Newest.LastEditorID, SubmittedByID: t.Newest.LastEditorID, SubmittedAt: t.Newest.WrittenAt,
		},
	}
}
