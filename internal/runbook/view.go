package runbook

import (
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
)

// RunbookView is a runbook as a caller sees it.
type RunbookView struct {
	ID              string          `json:"id"`
	Name            string          `json:"name"`
	Description     string          `json:"description"`
	TeamID          *string         `json:"teamId" doc:"null: global"`
	ServiceID       *string         `json:"serviceId"`
	Language        string          `json:"language" enum:"BASH,PYTHON,JAVASCRIPT"`
	Status          Status          `json:"status" enum:"DRAFT,PENDING_REVIEW,APPROVED,DEPRECATED,ARCHIVED"`
	CurrentVersion  int             `json:"currentVersion" doc:"the newest"`
	ApprovedVersion *int            `json:"approvedVersion" doc:"the one that runs"`
	ApprovedByID    *string         `json:"approvedById"`
	ApprovedAt      *timestamp.Time `json:"approvedAt"`
	RequiresConfirm bool            `json:"requiresConfirm"`
	Risk            string          `json:"risk" enum:"LOW,MEDIUM,HIGH"`
	CreatedByID     string          `json:"createdById"`
	CreatedAt       timestamp.Time  `json:"createdAt"`
	UpdatedAt       timestamp.Time  `json:"updatedAt"`
	AllowedActions  []string        `json:"allowedActions" doc:"what the caller may do to it now: submit, approve, reject, rollback, deprecate, archive, restore, execute"`
	Warnings        []string        `json:"warnings,omitempty"`

	rev         int64
	deprecation string
}

// Rev is what Describe is asked to match: it changes with every write.
func (v RunbookView) Rev() int64 { return v.rev }

func (r Runbook) view(p principal.Principal) RunbookView {
	v := RunbookView{
		ID: r.ID, Name: r.Name, Description: r.Description, TeamID: r.TeamID, ServiceID: r.ServiceID, Language: r.Language,
		Status: r.Status(), CurrentVersion: r.Newest, ApprovedByID: r.ApprovedByID, ApprovedAt: r.ApprovedAt,
		RequiresConfirm: r.RequiresConfirm, Risk: r.Risk, CreatedByID: r.CreatedByID, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
		AllowedActions: r.allowedActions(p), Warnings: r.Warnings(), rev: r.Rev, deprecation: r.Deprecation(),
	}
	if r.Approved > 0 {
		v.ApprovedVersion = &r.Approved
	}
	return v
}

// VersionView is a version as a caller sees it.
type VersionView struct {
	Version
	Warnings []string `json:"warnings,omitempty"`

	deprecation string
}

func (v Version) view(r Runbook) VersionView {
	if v.Parameters == nil {
		v.Parameters = []Parameter{}
	}
	return VersionView{Version: v, Warnings: r.Warnings(), deprecation: r.Deprecation()}
}

// Kinds of reviews.
const (
	kindOfRunbook = "runbook"
	kindOfTarget  = "target"
)

// Review is what waits for the caller's decision: a version of a runbook, or
// the definition of a named target, which has no members of a runbook.
type Review struct {
	Kind          string         `json:"kind" dynamodbav:"kind" enum:"runbook,target"`
	RunbookID     string         `json:"runbookId,omitempty" dynamodbav:"runbookId"`
	RunbookName   string         `json:"runbookName,omitempty" dynamodbav:"runbookName"`
	TargetID      string         `json:"targetId,omitempty" dynamodbav:"targetId,omitempty"`
	TargetName    string         `json:"targetName,omitempty" dynamodbav:"targetName,omitempty"`
	TeamID        *string        `json:"teamId" dynamodbav:"teamId"`
	Version       int            `json:"version" dynamodbav:"version"`
	Language      string         `json:"language,omitempty" dynamodbav:"language" enum:"BASH,PYTHON,JAVASCRIPT"`
	ServiceID     *string        `json:"serviceId" dynamodbav:"serviceId"`
	Risk          string         `json:"risk,omitempty" dynamodbav:"risk" enum:"LOW,MEDIUM,HIGH"`
	Check         *Check         `json:"check" dynamodbav:"check"`
	ChangeNote    string         `json:"changeNote" dynamodbav:"changeNote"`
	CreatedByID   string         `json:"createdById" dynamodbav:"createdById"`
	SubmittedByID string         `json:"submittedById" dynamodbav:"submittedById"`
	SubmittedAt   timestamp.Time `json:"submittedAt" dynamodbav:"submittedAt"`
}
