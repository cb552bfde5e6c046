// Package runbook is the library of what may run: runbooks, their immutable
// versions, review by a second person, and the seal over what was approved.
//
// It promises that nobody approves what they wrote or submitted, that an
// approved version never changes, and that CheckSeal tells when one did anyway.
package runbook

import (
	"fmt"
	"net/http"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// Status is the state of a runbook or of one of its versions.
type Status string

// The states of the HTTP contract. A version is never Deprecated or Archived,
// a runbook never Rejected.
const (
	Draft         Status = "DRAFT"
	PendingReview Status = "PENDING_REVIEW"
	Approved      Status = "APPROVED"
	Rejected      Status = "REJECTED"
	Deprecated    Status = "DEPRECATED"
	Archived      Status = "ARCHIVED"
)

// Runbook is the head of a runbook: its words, which version runs, and what a
// list shows of it. It is the stored item; View is what callers see.
type Runbook struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	ByTeam string `dynamodbav:"byTeam"`
	ByKind string `dynamodbav:"byKind"`

	ID          string  `dynamodbav:"id"`
	Name        string  `dynamodbav:"name"` // unique in its team, 1 to 120 characters
	Description string  `dynamodbav:"description"`
	TeamID      *string `dynamodbav:"teamId"` // nil: global

	// What callers see of the approved version, else of the newest. Nothing is
	// decided by these: what runs is read from the version.
	Language        string  `dynamodbav:"language"`
	ServiceID       *string `dynamodbav:"serviceId"`
	RequiresConfirm bool    `dynamodbav:"requiresConfirm"`
	Risk            string  `dynamodbav:"risk"`

	// The newest version and who may not approve it.
	Newest          int     `dynamodbav:"newest"`
	NewestStatus    Status  `dynamodbav:"newestStatus"`
	NewestAuthor    string  `dynamodbav:"newestAuthor"`
	NewestSubmitter *string `dynamodbav:"newestSubmitter"`

	// The pointer: which version runs, sealed by a MAC of its own. Sequence
	// counts its changes.
	Approved     int             `dynamodbav:"approved"` // 0: none
	Archived     bool            `dynamodbav:"archived"`
	Deprecated   bool            `dynamodbav:"deprecated"` // never together with Archived
	Sequence     int64           `dynamodbav:"sequence"`
	PointerMAC   []byte          `dynamodbav:"pointerMac"`
	ApprovedByID *string         `dynamodbav:"approvedById"`
	ApprovedAt   *timestamp.Time `dynamodbav:"approvedAt"`

	// Latest is the newest sequence on record, as Store read it beside the
	// head: an older pointer that was slipped back does not match it.
	Latest int64 `dynamodbav:"-"`

	EverApproved int             `dynamodbav:"everApproved"` // how many versions were approved, to know whether there is one to roll back to
	DeprecatedAt *timestamp.Time `dynamodbav:"deprecatedAt"`
	StateReason  string          `dynamodbav:"stateReason"` // why it is deprecated or archived

	CreatedByID string         `dynamodbav:"createdById"`
	CreatedAt   timestamp.Time `dynamodbav:"createdAt"`
	UpdatedAt   timestamp.Time `dynamodbav:"updatedAt"`
	Rev         int64          `dynamodbav:"rev"` // raised by every write
}

// Team is the id of the team that owns the runbook, "" for a global one.
func (r Runbook) Team() string {
	if r.TeamID == nil {
		return ""
	}
	return *r.TeamID
}

// Status is what the contract calls the runbook's state.
func (r Runbook) Status() Status {
	switch {
	case r.Archived:
		return Archived
	case r.Deprecated:
		return Deprecated
	case r.Approved > 0:
		return Approved
	case r.NewestStatus == PendingReview:
		return PendingReview
	}
	return Draft
}

// Codes of MayRun.
const (
	NotApproved     problem.Code = "not_approved"
	RunbookArchived problem.Code = "runbook_archived"
)

// MayRun reports why the runbook does not run, or nil. A deprecated one runs.
func (r Runbook) MayRun() error {
	if r.Archived {
		return problem.New(http.StatusConflict, RunbookArchived, "The runbook is archived and does not run.")
	}
	if r.Approved == 0 {
		return problem.New(http.StatusConflict, NotApproved, "No version of the runbook is approved.")
	}
	return nil
}

// Deprecation is the value of the Deprecation header (RFC 9745) of answers
// about the runbook; "" unless it is deprecated.
func (r Runbook) Deprecation() string {
	if !r.Deprecated || r.DeprecatedAt == nil {
		return ""
	}
	return fmt.Sprintf("@%d", r.DeprecatedAt.Unix())
}

// Warnings are what answers about the runbook should tell people; nil if nothing.
func (r Runbook) Warnings() []string {
	if !r.Deprecated {
		return nil
	}
	if r.StateReason == "" {
		return []string{"This runbook is deprecated."}
	}
	return []string{"This runbook is deprecated: " + r.StateReason}
}
