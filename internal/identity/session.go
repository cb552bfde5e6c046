package identity

import (
	"net/http"
	"slices"
	"time"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
)

// Kind says whose a link or a session is: the staff's, or a partner's.
type Kind string

// The kinds: PageFree's own people, and persons of partners, who read pages.
const (
	Staff   Kind = "staff"
	Partner Kind = "partner"
)

// Names of the cookies: of a session; of the shared token of a status page,
// which the page itself sets; and of the secret that tells the browser that
// asks for a link from any other.
const (
	Cookie        = "__Host-pf_session"
	SharedCookie  = "__Host-pf_shared"
	BrowserCookie = "__Host-pf_signin"
)

// Session is a signed-in browser or client, stored by the hash of its secret.
// A staff session is a user's; a partner's is of an address, and holds the
// seats that the address had when it began.
type Session struct {
	Hash      string         `dynamodbav:"-"`
	Kind      Kind           `dynamodbav:"kind"`
	UserID    string         `dynamodbav:"userId,omitempty"` // staff only, as Epoch and SeenAt are
	Epoch     int64          `dynamodbav:"epoch"`
	CreatedAt timestamp.Time `dynamodbav:"createdAt"`
	SeenAt    timestamp.Time `dynamodbav:"seenAt"`
	ExpiresAt timestamp.Time `dynamodbav:"expiresAt"`

	ID    string      `dynamodbav:"id,omitempty"` // partners only, as all that follows: pse_..., what staff see of it
	Email string      `dynamodbav:"email,omitempty"`
	Seats []seat.Seat `dynamodbav:"seats,omitempty"`
}

// reads reports whether a partner's session holds at now. It has no idle end:
// each page ends it by its own rule, and what it leads to is decided there.
func (s Session) reads(now time.Time) bool {
	return s.Kind == Partner && now.Before(s.ExpiresAt.Time)
}

// reader is who looks in a partner's session. Of the slugs only that of the
// page that is looked at is handed on, or many seats would be more than API
// Gateway takes of an authorizer (8 KB).
func (s Session) reader(slug string) principal.Principal {
	seats := slices.Clone(s.Seats)
	for i := range seats {
		if seats[i].Slug != slug {
			seats[i].Slug = ""
		}
	}
	return principal.Principal{
		Kind: principal.Partner, ID: s.ID, Email: s.Email, SessionHash: s.Hash,
		Partner: &principal.Reading{Via: seat.BySession, Seats: seats, Since: &s.CreatedAt},
	}
}

// live reports whether a staff session holds at now: before its absolute end,
// and used within the idle time.
func (s Session) live(u User, now time.Time, idle time.Duration) bool {
	return u.Active && u.Epoch == s.Epoch && now.Before(s.ExpiresAt.Time) && now.Before(s.SeenAt.Add(idle))
}

// stale reports whether the time of last use should be written: a tenth of the
// idle time is as exact as the end of a session needs to be.
func (s Session) stale(now time.Time, idle time.Duration) bool {
	return now.Sub(s.SeenAt.Time) >= idle/10
}

// principal is who acts in a session. A platform admin has every right in
// every team, so the roles, which may be many, are left out.
func (s Session) principal(u User) principal.Principal {
	p := principal.Principal{
		Kind: principal.User, ID: u.ID, UserID: u.ID, Email: u.Email, Name: u.Name,
		PlatformAdmin: u.PlatformAdmin, SessionHash: s.Hash,
	}
	if !u.PlatformAdmin {
		p.Teams = u.Teams
	}
	return p
}

// Opened is a new session, with the secret that only its owner gets.
type Opened struct {
	Secret    string
	Kind      Kind
	ExpiresAt timestamp.Time
	Lifetime  time.Duration
	Next      string // where to go on to, a path of ours, or ""
}

// Cookie carries the session to a browser and back.
func (o Opened) Cookie() *http.Cookie {
	return cookie(Cookie, o.Secret, int(o.Lifetime/time.Second))
}

// endedCookie removes the session from a browser.
func endedCookie() *http.Cookie { return cookie(Cookie, "", -1) }

func cookie(name, value string, seconds int) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: seconds, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}
