package runbook

import (
	"net/http"
	"slices"
	"time"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// NamedTarget is a target that a team keeps under a name, for its runbooks to
// run at: the definition that serves, sealed, and the one that waits for its
// review. It is the stored item; TargetView is what callers see.
type NamedTarget struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	ByTeam string `dynamodbav:"byTeam"`
	ByKind string `dynamodbav:"byKind"`

	ID     string  `dynamodbav:"id"`
	Name   string  `dynamodbav:"name"`   // unique in its team, 1 to 120 characters; it decides nothing
	TeamID *string `dynamodbav:"teamId"` // nil: global
	Type   string  `dynamodbav:"type"`   // of every definition it ever has: runbooks were reviewed for it

	// What serves, sealed. Sequence counts the approvals; a deletion is one more.
	Target       *Target         `dynamodbav:"target"` // nil: none was approved yet
	Approved     int             `dynamodbav:"approved"`
	ApprovedByID *string         `dynamodbav:"approvedById"`
	ApprovedAt   *timestamp.Time `dynamodbav:"approvedAt"`
	Sequence     int64           `dynamodbav:"sequence"`
	ContentHash  string          `dynamodbav:"contentHash"`
	Seal         Seal            `dynamodbav:"seal"`

	// Latest is the newest sequence on record, as Store read it beside the
	// head: an older definition that was slipped back does not match it.
	Latest int64 `dynamodbav:"-"`

	Newest Definition `dynamodbav:"newest"`

	CreatedByID string         `dynamodbav:"createdById"`
	CreatedAt   timestamp.Time `dynamodbav:"createdAt"`
	UpdatedAt   timestamp.Time `dynamodbav:"updatedAt"`
	Rev         int64          `dynamodbav:"rev"` // raised by every write
}

// Definition is what was written last, and what became of it.
type Definition struct {
	Version      int            `dynamodbav:"version"` // from 1; each one that is written has the next
	Status       Status         `dynamodbav:"status"`  // PendingReview, Approved or Rejected
	Target       Target         `dynamodbav:"target"`
	Writers      []string       `dynamodbav:"writers"` // all who wrote since the last decision, none of whom may approve it
	LastEditorID string         `dynamodbav:"lastEditorId"`
	WrittenAt    timestamp.Time `dynamodbav:"writtenAt"`
	ReviewedByID *string        `dynamodbav:"reviewedById"`
}

// Team is the id of the team that owns the target, "" for a global one.
func (t NamedTarget) Team() string {
	if t.TeamID == nil {
		return ""
	}
	return *t.TeamID
}

// Status is Approved as long as a definition serves, whatever waits beside it.
func (t NamedTarget) Status() Status {
	if t.Target != nil {
		return Approved
	}
	return t.Newest.Status
}

// write is the target after somebody wrote another definition. Who wrote one
// that still waits stays among its writers: their words may be in this one.
func (t NamedTarget) write(to Target, by string, now time.Time) NamedTarget {
	d := Definition{Version: t.Newest.Version + 1, Status: PendingReview, Target: to, LastEditorID: by, WrittenAt: timestamp.Of(now)}
	if t.Newest.Status == PendingReview {
		d.Writers = slices.Clone(t.Newest.Writers)
	}
	if !slices.Contains(d.Writers, by) {
		d.Writers = append(d.Writers, by)
	}
	t.Newest, t.UpdatedAt = d, timestamp.Of(now)
	return t
}

// wrote reports whether a person may not approve the definition.
func (d Definition) wrote(by string) bool {
	return by == d.LastEditorID || slices.Contains(d.Writers, by)
}

// approve is the decision of a second person. The condition of
// Store.approveTarget repeats its first rule, so that no other route can skip it.
func (t NamedTarget) approve(by string, now time.Time) (NamedTarget, error) {
	if t.Newest.wrote(by) {
		e := problem.New(http.StatusForbidden, SelfApproval, "Nobody approves what they wrote. Ask somebody else to review it.")
		e.TeamID = t.Team()
		return t, e
	}
	if t.Newest.Status != PendingReview {
		return t, problem.Transition("approve", string(t.Newest.Status))
	}
	definition := t.Newest.Target
	t.Newest.Status, t.Newest.ReviewedByID = Approved, &by
	t.Target, t.Approved, t.ApprovedByID, t.ApprovedAt = &definition, t.Newest.Version, &by, timestamp.Ptr(now)
	t.UpdatedAt = timestamp.Of(now)
	return t, nil
}

// reject ends a review; its writers may do so too. What was approved before goes on serving.
func (t NamedTarget) reject(by string, now time.Time) (NamedTarget, error) {
	if t.Newest.Status != PendingReview {
		return t, problem.Transition("reject", string(t.Newest.Status))
	}
	t.Newest.Status, t.Newest.ReviewedByID, t.UpdatedAt = Rejected, &by, timestamp.Of(now)
	return t, nil
}

// TargetView is a named target as a caller sees it.
type TargetView struct {
	ID             string                  `json:"id"`
	Name           string                  `json:"name"`
	TeamID         *string                 `json:"teamId" doc:"null: global"`
	Target         httpapi.OrNull[Target]  `json:"target" doc:"the approved one, which serves; null before the first approval"`
	Pending        httpapi.OrNull[Pending] `json:"pending" doc:"what waits for its review"`
	Status         Status                  `json:"status" enum:"PENDING_REVIEW,APPROVED,REJECTED" doc:"APPROVED as long as one serves, whatever waits"`
	Version        int                     `json:"version" doc:"of the newest definition, from 1"`
	ApprovedByID   *string                 `json:"approvedById"`
	ApprovedAt     *timestamp.Time         `json:"approvedAt"`
	CreatedByID    string                  `json:"createdById"`
	CreatedAt      timestamp.Time          `json:"createdAt"`
	UpdatedAt      timestamp.Time          `json:"updatedAt"`
	AllowedActions []string                `json:"allowedActions" doc:"what the caller may do to it now: approve, reject"`

	rev int64
}

// Pending is a definition that waits for its review.
type Pending struct {
	Target      Target         `json:"target"`
	ChangedByID string         `json:"changedById"`
	ChangedAt   timestamp.Time `json:"changedAt"`
}

// Rev is what changes and decisions are asked to match: it changes with every write.
func (v TargetView) Rev() int64 { return v.rev }

func (t NamedTarget) view(p principal.Principal) TargetView {
	v := TargetView{
		ID: t.ID, Name: t.Name, TeamID: t.TeamID, Target: httpapi.OrNull[Target]{Value: t.Target}, Status: t.Status(), Version: t.Newest.Version,
		ApprovedByID: t.ApprovedByID, ApprovedAt: t.ApprovedAt, CreatedByID: t.CreatedByID, CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt,
		AllowedActions: []string{}, rev: t.Rev,
	}
	if t.Newest.Status != PendingReview {
		return v
	}
	v.Pending.Value = &Pending{Target: t.Newest.Target, ChangedByID: t.Newest.LastEditorID, ChangedAt: t.Newest.WrittenAt}
	manages := p.RoleIn(t.Team()).AtLeast(principal.TeamAdmin)
	if t.TeamID == nil {
		manages = p.PlatformAdmin
	}
	if manages && p.Kind == principal.User {
		if !t.Newest.wrote(writer(p)) {
			v.AllowedActions = append(v.AllowedActions, "approve")
		}
		v.AllowedActions = append(v.AllowedActions, "reject")
	}
	return v
}

// SecretNames are the secrets that a webhook's headers and signature name,
// sorted, each once. They are those of whoever owns the definition: of a named
// target its own team's (NamedTarget.Team), else the runbook's.
func (t Target) SecretNames() []string {
	var names []string
	if t.SignWith != "" {
		names = append(names, t.SignWith)
	}
	for _, value := range t.Headers {
		for _, match := range secretInText().FindAllStringSubmatch(value, -1) {
			names = append(names, match[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
