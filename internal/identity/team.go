package identity

import (
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
)

// Team is a group of people with roles; runbooks, incidents and keys belong to one.
type Team struct {
	ID        string         `json:"id" dynamodbav:"id"`
	Name      string         `json:"name" dynamodbav:"name"`
	CreatedAt timestamp.Time `json:"createdAt" dynamodbav:"createdAt"`
	// Admins counts the active admins. The count, not a query, makes "never
	// without an admin" a condition of each write that could break it.
	Admins int `json:"-" dynamodbav:"admins"`
}

// Member is a person in a team.
type Member struct {
	UserID string         `json:"userId" dynamodbav:"userId"`
	Email  string         `json:"email" dynamodbav:"-"`
	Name   string         `json:"name" dynamodbav:"-"`
	Active bool           `json:"active" dynamodbav:"-"`
	Role   principal.Role `json:"role" dynamodbav:"role" enum:"OBSERVER,RESPONDER,TEAM_ADMIN"`
	Since  timestamp.Time `json:"since" dynamodbav:"since" doc:"when the person joined"`

	Rev int64 `json:"-" dynamodbav:"rev"`
}

// of fills in what a member's user item knows.
func (m Member) of(u User) Member {
	m.Email, m.Name, m.Active = u.Email, u.Name, u.Active
	return m
}

// adminDelta is how a change of role changes the count of a team's active admins.
func adminDelta(active bool, from, to principal.Role) int {
	if !active || from == to {
		return 0
	}
	switch principal.TeamAdmin {
	case to:
		return 1
	case from:
		return -1
	}
	return 0
}

// MyTeam is a team as its member sees it at /v1/me.
type MyTeam struct {
	ID   string         `json:"id"`
	Name string         `json:"name"`
	Role principal.Role `json:"role" enum:"OBSERVER,RESPONDER,TEAM_ADMIN"`
}

// Me is the answer to "who am I".
type Me struct {
	ID            string   `json:"id"`
	Email         string   `json:"email"`
	Name          string   `json:"name"`
	PlatformAdmin bool     `json:"platformAdmin"`
	Teams         []MyTeam `json:"teams" nullable:"false"`
}
