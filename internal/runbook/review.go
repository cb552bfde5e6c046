package runbook

import (
	"net/http"
	"time"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// Codes of review.
const (
	SelfApproval  problem.Code = "self_approval"
	ScriptInvalid problem.Code = "script_invalid"
	NameTaken     problem.Code = "name_taken"
)

// The life of a version:
//
//	            submit                approve
//	DRAFT ------------------> PENDING_REVIEW ------> APPROVED
//	                              | reject
//	                              +--------> REJECTED
//
// Only the newest version of a runbook that is not archived is submitted or
// approved. A rejected one stays so: what is better is the next version.

// newest refuses what only the newest version of a live runbook may go through.
func (v Version) newest(action string, r Runbook) error {
	if r.Archived {
		return problem.Transition(action, string(Archived))
	}
	if v.Version != r.Newest {
		return problem.New(http.StatusConflict, problem.InvalidTransition,
			"Cannot %s version %d, which is %s: version %d is the newest.", action, v.Version, v.Status, r.Newest)
	}
	return nil
}

// submit puts a draft up for review.
func (v Version) submit(by string, r Runbook) (Version, error) {
	if v.Status != Draft {
		return v, problem.Transition("submit", string(v.Status))
	}
	if err := v.newest("submit", r); err != nil {
		return v, err
	}
	v.Status, v.SubmittedByID = PendingReview, &by
	return v, nil
}

// wroteOrSubmitted reports whether a person may not approve the version.
func (v Version) wroteOrSubmitted(by string) bool {
	return by == v.CreatedByID || by == v.LastEditorID || (v.SubmittedByID != nil && by == *v.SubmittedByID)
}

// approve is the decision of a second person. The condition of Store.approve
// repeats its first rule, so that no other route can skip it.
func (v Version) approve(by, note string, now time.Time, r Runbook) (Version, error) {
	if v.wroteOrSubmitted(by) {
		e := problem.New(http.StatusForbidden, SelfApproval, "Nobody approves what they wrote or submitted. Ask somebody else to review it.")
		e.TeamID = r.Team()
		return v, e
	}
	if v.Status != PendingReview {
		return v, problem.Transition("approve", string(v.Status))
	}
	if err := v.newest("approve", r); err != nil {
		return v, err
	}
	v.Status, v.ReviewedByID, v.ReviewedAt, v.ReviewNote = Approved, &by, timestamp.Ptr(now), note
	return v, nil
}

// reject ends a review. Its author may do so too, and an older version that
// was left in review when a newer one was made may be cleared away.
func (v Version) reject(by, reason string, now time.Time, r Runbook) (Version, error) {
	if r.Archived {
		return v, problem.Transition("reject", string(Archived))
	}
	if v.Status != PendingReview {
		return v, problem.Transition("reject", string(v.Status))
	}
	v.Status, v.ReviewedByID, v.ReviewedAt, v.ReviewNote = Rejected, &by, timestamp.Ptr(now), reason
	return v, nil
}

// shows makes the head show what v says, as the contract wants it of the
// approved version, else of the newest.
func (r Runbook) shows(v Version) Runbook {
	r.Language, r.ServiceID, r.RequiresConfirm, r.Risk = v.Language, v.ServiceID, v.RequiresConfirm, v.Risk
	return r
}

// pointsAt makes v the version that runs.
func (r Runbook) pointsAt(v Version) Runbook {
	r.Approved, r.ApprovedByID, r.ApprovedAt = v.Version, v.ReviewedByID, v.ReviewedAt
	return r.shows(v)
}

// rollback goes back, or forth, to a version that was approved before.
func (r Runbook) rollback(v Version) (Runbook, error) {
	if r.Archived {
		return r, problem.Transition("roll back", string(Archived))
	}
	if v.Status != Approved {
		return r, problem.Transition("roll back to", string(v.Status))
	}
	if v.Version == r.Approved {
		return r, problem.New(http.StatusConflict, problem.InvalidTransition, "Version %d is the approved one already.", v.Version)
	}
	return r.pointsAt(v), nil
}

// deprecate warns whoever runs it from now on.
func (r Runbook) deprecate(reason string, now time.Time) (Runbook, error) {
	if r.Deprecated {
		return r, problem.Transition("deprecate", string(Deprecated))
	}
	r.Archived, r.Deprecated, r.DeprecatedAt, r.StateReason = false, true, timestamp.Ptr(now), reason
	return r, nil
}

// archive stops it from running.
func (r Runbook) archive(reason string) (Runbook, error) {
	if r.Archived {
		return r, problem.Transition("archive", string(Archived))
	}
	r.Archived, r.Deprecated, r.DeprecatedAt, r.StateReason = true, false, nil, reason
	return r, nil
}

// restore undoes either.
func (r Runbook) restore() (Runbook, error) {
	if !r.Archived && !r.Deprecated {
		return r, problem.Transition("restore", string(r.Status()))
	}
	r.Archived, r.Deprecated, r.DeprecatedAt, r.StateReason = false, false, nil, ""
	return r, nil
}

// allowedActions are the verbs of the routes that would not be refused to p
// now, and "execute".
func (r Runbook) allowedActions(p principal.Principal) []string {
	manages, runs := p.RoleIn(r.Team()).AtLeast(principal.TeamAdmin), p.RoleIn(r.Team()).AtLeast(principal.Responder)
	if r.TeamID == nil {
		manages, runs = p.PlatformAdmin, p.Best().AtLeast(principal.Responder)
	}
	reviews := manages && p.Kind == principal.User && !r.Archived && r.NewestStatus == PendingReview
	newest := Version{CreatedByID: r.NewestAuthor, LastEditorID: r.NewestAuthor, SubmittedByID: r.NewestSubmitter}
	actions := []string{}
	for _, a := range []struct {
		verb string
		may  bool
	}{
		{"submit", manages && !r.Archived && r.NewestStatus == Draft},
		{"approve", reviews && !newest.wroteOrSubmitted(writer(p))},
		{"reject", reviews},
		{"rollback", manages && !r.Archived && r.EverApproved > 1},
		{"deprecate", manages && !r.Deprecated},
		{"archive", manages && !r.Archived},
		{"restore", manages && (r.Archived || r.Deprecated)},
		{"execute", runs && r.MayRun() == nil},
	} {
		if a.may {
			actions = append(actions, a.verb)
		}
	}
	return actions
}

// writer is whose writing p's counts as: a key's is its creator's.
func writer(p principal.Principal) string {
	if p.UserID != "" || p.Kind != principal.User {
		return p.UserID
	}
	return p.ID
}
