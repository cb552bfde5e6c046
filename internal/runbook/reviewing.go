package runbook

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// Submit parses the script and puts version n up for review. A script that
// does not parse stays a draft; what was found stands on it either way.
func (s *Service) Submit(ctx context.Context, runbookID string, n int) (VersionView, error) {
	r, p, err := s.open(ctx, runbookID, principal.TeamAdmin)
	if err != nil {
		return VersionView{}, err
	}
	by, err := author(p)
	if err != nil {
		return VersionView{}, err
	}
	v, err := s.Store.Version(ctx, r.ID, n)
	if err != nil {
		return VersionView{}, err
	}
	if _, err := v.submit(by, r); err != nil {
		return VersionView{}, err
	}
	found := Check{OK: true}
	if v.ScriptContent != "" {
		if found, err = s.Checker.Check(ctx, v.Language, v.ScriptContent); err != nil {
			e := problem.New(http.StatusServiceUnavailable, problem.Unavailable, "The script could not be parsed now. Try again.")
			e.Cause = err
			return VersionView{}, e
		}
	}
	if !found.OK {
		v.Check = &found
		record := s.record(ctx, r, "checked", s.Now(), map[string]any{"version": n, "ok": false, "line": found.Line})
		if err := s.Store.checked(ctx, v, record); err != nil {
			if _, lost := dynamo.Failed(err); !lost { // a lost race here is another submit, with the same result
				return VersionView{}, err
			}
		}
		return VersionView{}, scriptInvalid(found)
	}
	return again(func() (VersionView, error) {
		r, v, err := s.read(ctx, runbookID, n)
		if err != nil {
			return VersionView{}, err
		}
		if v, err = v.submit(by, r); err != nil {
			return VersionView{}, err
		}
		now := s.Now()
		v.Check = &found
		is := r
		is.NewestStatus, is.NewestSubmitter, is.UpdatedAt = PendingReview, &by, timestamp.Of(now)
		return v.view(is), s.Store.submit(ctx, r, is, v, waiting(is, v, now), s.record(ctx, is, "submitted", now, map[string]any{"version": n}), submitted(is, v, p, now))
	})
}

// submitted is what whoever may approve a version is told.
func submitted(r Runbook, v Version, by principal.Principal, now time.Time) outbox.Event {
	e := outbox.New(outbox.RunbookSubmitted, r.ID, r.Team(), now)
	e.ActorID = by.ID
	e.Detail = map[string]string{"version": strconv.Itoa(v.Version), "name": r.Name, "submittedById": *v.SubmittedByID}
	return e
}

func (s *Service) read(ctx context.Context, runbookID string, n int) (Runbook, Version, error) {
	r, err := s.Store.Runbook(ctx, runbookID)
	if err != nil {
		return Runbook{}, Version{}, err
	}
	v, err := s.Store.Version(ctx, r.ID, n)
	return r, v, err
}

// waiting is the entry of a version in the queue of reviews.
func waiting(r Runbook, v Version, now time.Time) reviewItem {
	k := reviewKey(r.ID)
	return reviewItem{
		PK: k.PK, SK: k.SK, ByTeam: kindReview + "#" + r.Team(), ByKind: kindReview, ID: id.New("rv", now),
		Review: Review{
			Kind: kindOfRunbook, RunbookID: r.ID, RunbookName: r.Name, TeamID: r.TeamID, Version: v.Version, Language: v.Language,
			ServiceID: v.ServiceID, Risk: v.Risk, Check: v.Check, ChangeNote: v.ChangeNote,
			CreatedByID: v.CreatedByID, SubmittedByID: *v.SubmittedByID, SubmittedAt: timestamp.Of(now),
		},
	}
}

// Approve makes version n the one that runs, and seals it. Whoever wrote or
// submitted it is refused, and every API key.
func (s *Service) Approve(ctx context.Context, runbookID string, n int, note string) (VersionView, error) {
	return again(func() (VersionView, error) {
		r, p, err := s.openForReview(ctx, runbookID)
		if err != nil {
			return VersionView{}, err
		}
		by, err := author(p)
		if err != nil {
			return VersionView{}, err
		}
		v, err := s.Store.Version(ctx, r.ID, n)
		if err != nil {
			return VersionView{}, err
		}
		if err := checkWords(note, 0); err != nil {
			return VersionView{}, err
		}
		now := s.Now()
		if v, err = v.approve(by, note, now, r); err != nil {
			return VersionView{}, err
		}
		if v, err = s.publish(ctx, r, v); err != nil { // before the seal, which covers the document; a try that ends here is repeated
			return VersionView{}, err
		}
		if v, err = seal(ctx, s.Seal, r.Team(), v); err != nil {
			return VersionView{}, err
		}
		is := r.pointsAt(v)
		is.NewestStatus, is.EverApproved, is.UpdatedAt = Approved, r.EverApproved+1, timestamp.Of(now)
		if is, err = point(ctx, s.Seal, is); err != nil {
			return VersionView{}, err
		}
		detail := map[string]any{"version": n, "contentHash": *v.ContentHash, "note": note}
		return v.view(is), s.Store.approve(ctx, r, is, v, s.record(ctx, is, "approved", now, detail))
	})
}

func checkWords(text string, least int) error {
	var f faults
	location := "note"
	if least > 0 {
		location = "reason"
	}
	words(&f, location, text, least, maxWords)
	return f.err()
}

// Reject ends the review of version n for good.
func (s *Service) Reject(ctx context.Context, runbookID string, n int, reason string) (VersionView, error) {
	return again(func() (VersionView, error) {
		r, p, err := s.openForReview(ctx, runbookID)
		if err != nil {
			return VersionView{}, err
		}
		by, err := author(p)
		if err != nil {
			return VersionView{}, err
		}
		v, err := s.Store.Version(ctx, r.ID, n)
		if err != nil {
			return VersionView{}, err
		}
		if err := checkWords(reason, 1); err != nil {
			return VersionView{}, err
		}
		now := s.Now()
		if v, err = v.reject(by, reason, now, r); err != nil {
			return VersionView{}, err
		}
		is := r
		is.UpdatedAt = timestamp.Of(now)
		if n == r.Newest {
			is.NewestStatus = Rejected
		}
		detail := map[string]any{"version": n, "reason": reason}
		return v.view(is), s.Store.reject(ctx, r, is, v, s.record(ctx, is, "rejected", now, detail))
	})
}

// Reviews lists what waits for the caller, newest first: nothing that they
// wrote or submitted themselves.
func (s *Service) Reviews(ctx context.Context, page httpapi.Page) ([]Review, string, error) {
	p, err := principal.Authenticated(ctx)
	if err != nil {
		return nil, "", err
	}
	if !p.Best().AtLeast(principal.TeamAdmin) {
		return nil, "", problem.Denied("This needs the role %s in a team.", principal.TeamAdmin)
	}
	me := writer(p)
	items, next, err := s.Store.reviews(ctx, visible(p, principal.TeamAdmin), page.Limit, page.Before, func(r reviewItem) bool {
		return r.CreatedByID != me && r.SubmittedByID != me && !slices.Contains(r.Writers, me)
	})
	if err != nil {
		return nil, "", err
	}
	reviews := make([]Review, len(items))
	for i, item := range items {
		reviews[i] = item.Review
	}
	return reviews, next, nil
}

// scriptInvalid is the answer to a script that does not parse.
func scriptInvalid(c Check) error {
	e := problem.New(http.StatusUnprocessableEntity, ScriptInvalid, "The script does not parse, line %d: %s", c.Line, c.Message)
	if c.Line == 0 {
		e.Detail = "The script does not parse: " + c.Message
	}
	e.Fields = []problem.Field{{Location: "scriptContent", Message: strings.TrimPrefix(e.Detail, "The script does not parse, ")}}
	return e
}
