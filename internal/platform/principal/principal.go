// Package principal says who is calling and decides what they may do. The
// authorizer makes a Principal from a credential; every service method asks
// Require before anything else. No principal means no access.
package principal

import (
	"context"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
)

// Role is what somebody is in one team. Roles are ordered: each may do all
// that the lower ones may.
type Role string

// The roles of a team, and the absence of one.
const (
	None      Role = ""
	Observer  Role = "OBSERVER"
	Responder Role = "RESPONDER"
	TeamAdmin Role = "TEAM_ADMIN"
)

var rank = map[Role]int{None: 0, Observer: 1, Responder: 2, TeamAdmin: 3}

// Valid reports whether r is one of the three roles.
func (r Role) Valid() bool { return rank[r] > 0 }

// AtLeast reports whether r includes the rights of min.
func (r Role) AtLeast(min Role) bool { return rank[r] >= rank[min] && r.Valid() }

// Kind tells apart who can be behind a request.
type Kind string

// The kinds of principal.
const (
	User   Kind = "user"
	APIKey Kind = "apikey"
	System Kind = "system" // PageFree itself: a schedule, a queue

	Integration Kind = "integration" // a monitoring system, by a delivery that was verified
	Workflow    Kind = "workflow"    // a run of a workflow, with the rights of a responder of its team

	// Partner is a reader of status pages. To everything else it is nobody:
	// Authenticated and Require refuse it; see PartnerOf.
	Partner Kind = "partner"
)

// Principal is who calls. Its JSON form travels from the authorizer to the
// functions as request context, so names are short and it never holds a secret.
type Principal struct {
	Kind          Kind            `json:"k"`
	ID            string          `json:"id"`           // usr_..., key_..., or of a partner what it came with
	UserID        string          `json:"u,omitempty"`  // whose writing this counts as: the user, or the key's creator
	Email         string          `json:"e,omitempty"`  // of users, and of a partner's session
	Name          string          `json:"n,omitempty"`  // users only
	PlatformAdmin bool            `json:"a,omitempty"`  // users only
	Teams         map[string]Role `json:"t,omitempty"`  // team id -> role
	SessionHash   string          `json:"sh,omitempty"` // of a session: its stored form
	Partner       *Reading        `json:"p,omitempty"`  // partners only
}

// Reading is what a partner came with, and where it leads.
type Reading struct {
	Via   seat.Via        `json:"v"`
	Seats []seat.Seat     `json:"s"`           // one, but for a session
	Since *timestamp.Time `json:"b,omitempty"` // of a session: its beginning
}

// RoleIn is the role that the principal acts with in a team. Platform admins
// act as team admins everywhere.
func (p Principal) RoleIn(teamID string) Role {
	if p.PlatformAdmin {
		return TeamAdmin
	}
	return p.Teams[teamID]
}

// Best is the highest role that the principal has in any team.
func (p Principal) Best() Role {
	if p.PlatformAdmin {
		return TeamAdmin
	}
	best := None
	for _, r := range p.Teams {
		if rank[r] > rank[best] {
			best = r
		}
	}
	return best
}

// At are the seats that may be at the page of a slug, newest access first: of a
// session those that were there when it began, of a token its one.
func (r Reading) At(slug string) []seat.Seat {
	if r.Via != seat.BySession {
		return r.Seats
	}
	var at []seat.Seat
	for _, one := range r.Seats {
		if one.Slug == slug {
			at = append(at, one)
		}
	}
	return at
}

// Origin is where a request came from, for the audit trail. It is taken from
// what API Gateway or the edge vouches for, never from a header of the caller.
type Origin struct {
	IP        string
	UserAgent string
	RequestID string
}

type principalKey struct{}
type originKey struct{}

// With returns a context that carries the principal.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From returns the principal of a context, unless it is a partner.
func From(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok && p.ID != "" && p.Kind != Partner
}

// WithOrigin returns a context that carries where the request came from.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// PartnerOf returns the partner of a context.
func PartnerOf(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok && p.Kind == Partner && p.Partner != nil && p.ID != ""
}

// OriginOf returns where the request of a context came from; zero for work without a request.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

// Authenticated returns the principal, or 401 where there is none.
func Authenticated(ctx context.Context) (Principal, error) {
	p, ok := From(ctx)
	if !ok {
		return Principal{}, problem.NoPrincipal()
	}
	return p, nil
}

// Require returns the principal when it has at least the role in the team.
// Without a principal that is 401; for somebody outside the team 404, since
// they may not know of what is in it; for a member with too low a role 403.
//
// The empty team id stands for what belongs to no team (global runbooks):
// platform admins manage it, everybody with the role in any team may use it
// up to Responder.
func Require(ctx context.Context, teamID string, min Role) (Principal, error) {
	p, err := Authenticated(ctx)
	if err != nil {
		return Principal{}, err
	}
	if p.PlatformAdmin {
		return p, nil
	}
	if teamID == "" {
		if min != TeamAdmin && p.Best().AtLeast(min) {
			return p, nil
		}
		if p.Best() == None {
			return Principal{}, problem.Missing()
		}
		return Principal{}, problem.Denied("This needs %s.", needs(teamID, min))
	}
	role := p.Teams[teamID]
	if !role.Valid() {
		return Principal{}, problem.Missing()
	}
	if !role.AtLeast(min) {
		return Principal{}, denied(teamID, "This needs "+needs(teamID, min)+".")
	}
	return p, nil
}

func denied(teamID, detail string) error {
	e := problem.Denied("%s", detail)
	e.TeamID = teamID
	return e
}

// RequirePerson is Require for what an API key may never do: approving,
// rejecting, confirming, and managing members, keys and secrets.
func RequirePerson(ctx context.Context, teamID string, min Role) (Principal, error) {
	p, err := Require(ctx, teamID, min)
	if err != nil {
		return Principal{}, err
	}
	if p.Kind != User {
		return Principal{}, denied(teamID, "Only a person may do this, not an API key.")
	}
	return p, nil
}

// RequireAdmin returns the principal when it is a platform admin.
func RequireAdmin(ctx context.Context) (Principal, error) {
	p, err := Authenticated(ctx)
	if err != nil {
		return Principal{}, err
	}
	if p.Kind != User || !p.PlatformAdmin {
		return Principal{}, problem.Denied("This needs a platform admin.")
	}
	return p, nil
}

func needs(teamID string, min Role) string {
	if teamID == "" && min == TeamAdmin {
		return "a platform admin"
	}
	return "the role " + string(min) + " in the team"
}
