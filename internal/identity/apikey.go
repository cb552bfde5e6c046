package identity

import (
	"time"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// APIKey is a key as people see it. It acts as one role in one team, and never
// as more than who made it is there now; what it writes counts as written by them.
type APIKey struct {
	ID          string          `json:"id" dynamodbav:"id"`
	Name        string          `json:"name" dynamodbav:"name"`
	TeamID      string          `json:"teamId" dynamodbav:"teamId"`
	Role        principal.Role  `json:"role" dynamodbav:"role" enum:"OBSERVER,RESPONDER,TEAM_ADMIN"`
	Prefix      string          `json:"prefix" dynamodbav:"prefix" doc:"the first characters of the key, to recognise it by"`
	Active      bool            `json:"active" dynamodbav:"-" doc:"false once it expired, or its creator was deactivated or left the team"`
	CreatedByID string          `json:"createdById" dynamodbav:"createdById"`
	CreatedAt   timestamp.Time  `json:"createdAt" dynamodbav:"createdAt"`
	ExpiresAt   *timestamp.Time `json:"expiresAt" dynamodbav:"expiresAt"`

	Epoch int64  `json:"-" dynamodbav:"epoch"` // of its creator, when it was made
	Hash  string `json:"-" dynamodbav:"hash"`
}

// NewAPIKey is a key in the one answer that holds its secret.
type NewAPIKey struct {
	APIKey
	Key string `json:"key" doc:"the secret; it is not shown again"`
}

// live reports whether the key works at now, given who made it.
func (k APIKey) live(creator User, now time.Time) bool {
	expired := k.ExpiresAt != nil && !now.Before(k.ExpiresAt.Time)
	return !expired && creator.Active && creator.Epoch == k.Epoch && creator.roleIn(k.TeamID).Valid()
}

// principal is who acts through the key: a role that its creator lost, or never
// had, is not kept by a key.
func (k APIKey) principal(creator User) principal.Principal {
	role := k.Role
	if is := creator.roleIn(k.TeamID); !is.AtLeast(role) {
		role = is
	}
	return principal.Principal{
		Kind: principal.APIKey, ID: k.ID, UserID: k.CreatedByID,
		Teams: map[string]principal.Role{k.TeamID: role},
	}
}

// expiry checks the end that somebody asks for a new key.
func expiry(at *timestamp.Time, now time.Time) (*timestamp.Time, error) {
	if at != nil && !at.After(now) {
		return nil, problem.InvalidField("body.expiresAt", "is not in the future")
	}
	return at, nil
}
