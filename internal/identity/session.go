package identity

import (
	"net/http"
	"time"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
)

// Kind says whose a link or a session is: the staff's, or a partner's.
type Kind string

// Staff is the kind of PageFree's own people.
const Staff Kind = "staff"

// Cookie is the name of the cookie that carries a session.
const Cookie = "__Host-pf_session"

// Session is a signed-in browser or client, stored by the hash of its secret.
type Session struct {
	Hash      string         `dynamodbav:"-"`
	Kind      Kind           `dynamodbav:"kind"`
	UserID    string         `dynamodbav:"userId"`
	Epoch     int64          `dynamodbav:"epoch"`
	CreatedAt timestamp.Time `dynamodbav:"createdAt"`
	SeenAt    timestamp.Time `dynamodbav:"seenAt"`
	ExpiresAt timestamp.Time `dynamodbav:"expiresAt"`
}

// live reports whether the session holds at now: before its absolute end, and
// used within the idle time.
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
	Next      string // where the link was to lead, a path of ours, or ""
}

// Cookie carries the session to a browser and back.
func (o Opened) Cookie() *http.Cookie {
	return cookie(o.Secret, int(o.Lifetime/time.Second))
}

// endedCookie removes the session from a browser.
func endedCookie() *http.Cookie { return cookie("", -1) }

func cookie(value string, seconds int) *http.Cookie {
	return &http.Cookie{Name: Cookie, Value: value, Path: "/", MaxAge: seconds, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}
