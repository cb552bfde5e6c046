package incident

import "pagefree/internal/platform/timestamp"

// Service is what a team runs and incidents happen to. (The use cases of this
// room, which other rooms call Service, are Desk here.)
type Service struct {
	ID                   string         `json:"id" dynamodbav:"id"`
	Name                 string         `json:"name" dynamodbav:"name"`
	TeamID               string         `json:"teamId" dynamodbav:"teamId"`
	Description          string         `json:"description" dynamodbav:"description"`
	EscalateAfterMinutes *int           `json:"escalateAfterMinutes" dynamodbav:"escalateAfterMinutes" doc:"an incident that nobody acknowledged for so long escalates; null: never"`
	CreatedByID          string         `json:"createdById" dynamodbav:"createdById"`
	CreatedAt            timestamp.Time `json:"createdAt" dynamodbav:"createdAt"`
	UpdatedAt            timestamp.Time `json:"updatedAt" dynamodbav:"updatedAt"`

	DeletedAt *timestamp.Time `json:"-" dynamodbav:"deletedAt,omitempty"` // kept after its deletion, so that old incidents keep its name
	Rev       int64           `json:"-" dynamodbav:"rev"`
}
