// Package realtime tells staff who look at a page that something changed: over
// a socket, which a ticket opens.
//
// It promises that a message says only what changed, by kind, id and version,
// never what it is now: that is read over HTTP, where the one authorization
// rule stands. What a connection hears follows from its session alone: the
// client says what kinds and ids it cares for, never where to listen. A session
// is looked up when it subscribes and, where the last look is over five seconds
// old, before a push; one that was ended loses its sockets as the audit record
// tells of it. Messages may be lost, doubled or late, and that is harmless.
package realtime

import (
	"slices"
	"strings"
	"time"

	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
)

// Times and sizes.
const (
	TicketLife = 30 * time.Second
	// Longest is how long API Gateway keeps a socket open.
	Longest = 2 * time.Hour
	// Fresh is how long a look at a session counts.
	Fresh = 5 * time.Second
	// MaxIDs is how many single things a connection may listen for.
	MaxIDs = 50
	// MaxSockets is how many a session has open, a tab of a browser one each; a
	// few more where they open at the same moment. Each change costs a message to
	// each of them.
	MaxSockets = 100
)

// Kinds of what changes.
const (
	Incident    = "incident"
	Execution   = "execution"
	WorkflowRun = "workflow-run"
)

// Change is what a socket is told.
type Change struct {
	Kind    string `json:"kind"`
	ID      string `json:"id"`
	Version int64  `json:"version"` // revision of the thing; it may stay the same where only what belongs to it changed
}

// Subscription is what a client cares for: all that changes of some kinds, and
// single things. A new one replaces the old.
type Subscription struct {
	Kinds []string `json:"kinds"`
	IDs   []string `json:"ids"`
}

// Connection is an open socket.
type Connection struct {
	ID          string         `dynamodbav:"id"`
	UserID      string         `dynamodbav:"userId"`
	SessionHash string         `dynamodbav:"sessionHash"`
	ConnectedAt timestamp.Time `dynamodbav:"connectedAt"`
	// EndsAt is when its session ends if nobody uses it until then: the sweep looks then.
	EndsAt timestamp.Time `dynamodbav:"endsAt"`
	Kinds  []string       `dynamodbav:"kinds,omitempty"`
	// IDs are the single things, each with the scope that it belongs to.
	IDs map[string]string `dynamodbav:"ids,omitempty"`
	// Scopes are where it listens.
	Scopes []string `dynamodbav:"scopes,omitempty"`
	Rev    int64    `dynamodbav:"rev"`
}

// Everywhere is the scope of who may see all: platform admins.
const Everywhere = "*"

// Ticket opens one socket, stored by the hash of its secret.
type Ticket struct {
	UserID      string         `dynamodbav:"userId"`
	SessionHash string         `dynamodbav:"sessionHash"`
	ExpiresAt   timestamp.Time `dynamodbav:"expiresAt"`
}

// sees tells whether somebody may know of what changes in a scope: a team, or
// the one person that something without a team belongs to.
func sees(p principal.Principal, scope string) bool {
	if strings.HasPrefix(scope, id.User+"_") {
		return p.PlatformAdmin || p.ID == scope
	}
	return scope != "" && p.RoleIn(scope).AtLeast(principal.Observer)
}

// scopesOf is where a connection of p has to listen to hear what it cares for.
func scopesOf(p principal.Principal, kinds []string, ids map[string]string) []string {
	var scopes []string
	switch {
	case len(kinds) > 0 && p.PlatformAdmin:
		return []string{Everywhere}
	case len(kinds) > 0:
		scopes = append(scopes, p.ID)
		for team, role := range p.Teams {
			if role.AtLeast(principal.Observer) {
				scopes = append(scopes, team)
			}
		}
	}
	for _, scope := range ids {
		if sees(p, scope) {
			scopes = append(scopes, scope)
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// cares tells whether a listener wants to hear of a change.
func (l listener) cares(c Change) bool {
	return slices.Contains(l.Kinds, c.Kind) || slices.Contains(l.IDs, c.ID)
}
