package incident

import (
	"strings"
	"time"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// MaxServiceDescription is the size of a service's description in bytes.
const MaxServiceDescription = 8 << 10

// Service is what a team runs and incidents happen to. (The use cases of this
// room, which other rooms call Service, are Desk here.)
type Service struct {
	ID                   string         `json:"id" dynamodbav:"id"`
	Name                 string         `json:"name" dynamodbav:"name"`
	TeamID               string         `json:"teamId" dynamodbav:"teamId"`
	Description          string         `json:"description" dynamodbav:"description"`
	EscalateAfterMinutes *int           `json:"escalateAfterMinutes" dynamodbav:"escalateAfterMinutes" doc:"an incident that nobody acknowledged for so long escalates; null: never. A change counts for incidents that open, or are reopened, from then on"`
	CreatedByID          string         `json:"createdById" dynamodbav:"createdById"`
	CreatedAt            timestamp.Time `json:"createdAt" dynamodbav:"createdAt"`
	UpdatedAt            timestamp.Time `json:"updatedAt" dynamodbav:"updatedAt"`

	DeletedAt *timestamp.Time `json:"-" dynamodbav:"deletedAt,omitempty"` // kept after its deletion, so that old incidents keep its name
	Rev       int64           `json:"-" dynamodbav:"rev"`
}

// NewService is what a caller says of a service.
type NewService struct {
	Name                 string `json:"name" minLength:"1" maxLength:"120" doc:"unique in the team, whatever its case"`
	TeamID               string `json:"teamId" maxLength:"64"`
	Description          string `json:"description,omitempty" doc:"at most 8 KiB"`
	EscalateAfterMinutes *int   `json:"escalateAfterMinutes,omitempty" nullable:"true" minimum:"1" maximum:"10080" doc:"an incident that nobody acknowledged for so long escalates; null: never. A change counts for incidents that open, or are reopened, from then on"`
}

// ServicePatch changes what a caller said of a service. What is left out stays.
type ServicePatch struct {
	httpapi.Patch
	Name                 *string               `json:"name,omitempty" minLength:"1" maxLength:"120"`
	Description          *string               `json:"description,omitempty" doc:"at most 8 KiB"`
	EscalateAfterMinutes httpapi.Nullable[int] `json:"escalateAfterMinutes,omitzero" minimum:"1" maximum:"10080" doc:"null: never"`
}

func (n NewService) create(serviceID, by string, now time.Time) (Service, error) {
	at := timestamp.Of(now)
	v := Service{ID: serviceID, TeamID: n.TeamID, CreatedByID: by, CreatedAt: at, UpdatedAt: at, Rev: 1}
	return v.say(n.Name, n.Description, n.EscalateAfterMinutes)
}

func (v Service) say(name, description string, escalate *int) (Service, error) {
	v.Name, v.Description, v.EscalateAfterMinutes = strings.TrimSpace(name), description, escalate
	if !line(v.Name, 120) {
		return Service{}, problem.InvalidField("body.name", "one line of 1 to 120 characters")
	}
	if len(description) > MaxServiceDescription {
		return Service{}, problem.InvalidField("body.description", "at most 8 KiB")
	}
	return v, nil
}

// patch applies p; changed tells whether anything is another than before.
func (v Service) patch(p ServicePatch, now time.Time) (next Service, changed bool, err error) {
	name, description, escalate := v.Name, v.Description, v.EscalateAfterMinutes
	if p.Name != nil {
		name = *p.Name
	}
	if p.Description != nil {
		description = *p.Description
	}
	if p.EscalateAfterMinutes.Sent {
		escalate = p.EscalateAfterMinutes.Value
	}
	if next, err = v.say(name, description, escalate); err != nil {
		return Service{}, false, err
	}
	changed = next.Name != v.Name || next.Description != v.Description || !same(next.EscalateAfterMinutes, v.EscalateAfterMinutes)
	if changed {
		next.UpdatedAt = timestamp.Of(now)
	}
	return next, changed, nil
}

func same(a, b *int) bool { return a == b || a != nil && b != nil && *a == *b }
