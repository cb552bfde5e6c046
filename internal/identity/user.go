// Package identity keeps people and credentials: users, teams and their
// members, API keys, sign-in by a mailed link, sessions, and the authorizer
// that turns a credential into a principal.
//
// It promises that a credential is looked up at every request, so that what
// was ended (a session, a key, a person) is ended at once and for good; that
// secrets are kept as SHA-256 only; that a team never loses its last active
// admin; and that each change stands in the audit record, in one transaction.
package identity

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/text"
	"pagefree/internal/platform/timestamp"
)

// User is a person of the staff.
type User struct {
	ID            string         `json:"id" dynamodbav:"id"`
	Email         string         `json:"email" dynamodbav:"email" doc:"in the form of Normalize; unique"`
	Name          string         `json:"name" dynamodbav:"name"`
	PlatformAdmin bool           `json:"platformAdmin" dynamodbav:"platformAdmin"`
	Active        bool           `json:"active" dynamodbav:"active" doc:"who is not active cannot sign in, and neither their sessions nor the API keys that they made work"`
	CreatedAt     timestamp.Time `json:"createdAt" dynamodbav:"createdAt"`
	UpdatedAt     timestamp.Time `json:"updatedAt" dynamodbav:"updatedAt"`

	// Teams are the roles of the user, here too so that the authorizer needs one read.
	Teams map[string]principal.Role `json:"-" dynamodbav:"teams"`
	// Epoch counts deactivations. Sessions, links and keys remember the one
	// they were made in and are worth nothing in another.
	Epoch int64 `json:"-" dynamodbav:"epoch"`
	// Rev counts changes of what is shown; TeamsRev changes of Teams.
	Rev      int64 `json:"-" dynamodbav:"rev"`
	TeamsRev int64 `json:"-" dynamodbav:"teamsRev"`
}

// UserChange is a change of a user; nil leaves a member as it is.
type UserChange struct {
	Email         *string
	Name          *string
	PlatformAdmin *bool
	Active        *bool
}

// newUser is a fresh user in no team.
func newUser(id, email, name string, admin, active bool, now time.Time) User {
	return User{
		ID: id, Email: email, Name: name, PlatformAdmin: admin, Active: active,
		CreatedAt: timestamp.Of(now), UpdatedAt: timestamp.Of(now), Teams: map[string]principal.Role{}, Rev: 1,
	}
}

// change returns the user after c, and the names of the members that differ,
// none if nothing does. by is who asks for it.
func (u User) change(c UserChange, by string, now time.Time) (User, []string, error) {
	next := u
	var changed []string
	if c.Email != nil && *c.Email != u.Email {
		next.Email, changed = *c.Email, append(changed, "email")
	}
	if c.Name != nil && *c.Name != u.Name {
		next.Name, changed = *c.Name, append(changed, "name")
	}
	if c.PlatformAdmin != nil && *c.PlatformAdmin != u.PlatformAdmin {
		next.PlatformAdmin, changed = *c.PlatformAdmin, append(changed, "platformAdmin")
	}
	if c.Active != nil && *c.Active != u.Active {
		next.Active, changed = *c.Active, append(changed, "active")
		if u.Active {
			next.Epoch++
		}
	}
	if by == u.ID && (u.PlatformAdmin && !next.PlatformAdmin || u.Active && !next.Active) {
		return u, nil, problem.New(http.StatusConflict, problem.InvalidTransition,
			"You cannot take the platform, or access, from yourself: ask another platform admin, so that one always remains.")
	}
	if len(changed) > 0 {
		next.Rev++
		next.UpdatedAt = timestamp.Of(now)
	}
	return next, changed, nil
}

// roleIn is the role that the user acts with in a team.
func (u User) roleIn(teamID string) principal.Role {
	return principal.Principal{PlatformAdmin: u.PlatformAdmin, Teams: u.Teams}.RoleIn(teamID)
}

// adminOf are the teams in which the user is TEAM_ADMIN, sorted.
func (u User) adminOf() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(u.Teams)), func(id string) bool { return u.Teams[id] != principal.TeamAdmin })
}

// maxName is the longest name of a person, a team or a key, in characters.
const maxName = 120

// cleanName trims a name and reports what is wrong with it at location.
func cleanName(location, raw string) (string, error) {
	name := strings.TrimSpace(raw)
	switch {
	case name == "":
		return "", problem.InvalidField(location, "is empty")
	case len([]rune(name)) > maxName:
		return "", problem.InvalidField(location, "is longer than %d characters", maxName)
	case strings.ContainsFunc(name, unreadable) || text.Reorders(name):
		return "", problem.InvalidField(location, "has characters that cannot be read")
	}
	return name, nil
}

// unreadable reports what nobody can read.
func unreadable(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }
