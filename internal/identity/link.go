package identity

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
)

// LinkLife is how long a sign-in link is good for.
const LinkLife = 15 * time.Minute

// linkRemembered is how long after its end a link is still told apart from one
// that never was.
const linkRemembered = 24 * time.Hour

// Codes of a link that does not sign in.
const (
	LinkUsed     problem.Code = "link_used"
	LinkExpired  problem.Code = "link_expired"
	LinkInvalid  problem.Code = "link_invalid"
	OtherBrowser problem.Code = "other_browser" // it was asked for in another one
)

// Link is a sign-in link, stored by the hash of its secret, good for one use.
type Link struct {
	Hash      string          `dynamodbav:"-"`
	Kind      Kind            `dynamodbav:"kind"`
	UserID    string          `dynamodbav:"userId,omitempty"` // staff only, as Epoch is
	Email     string          `dynamodbav:"email"`            // where it was sent: it is worth nothing once the user has another
	Epoch     int64           `dynamodbav:"epoch"`
	Browser   string          `dynamodbav:"browser,omitempty"` // hash of the secret of the one browser that it is for; "" for any
	Next      string          `dynamodbav:"next"`
	CreatedAt timestamp.Time  `dynamodbav:"createdAt"`
	ExpiresAt timestamp.Time  `dynamodbav:"expiresAt"`
	UsedAt    *timestamp.Time `dynamodbav:"usedAt,omitempty"`
}

// usable returns why the link does not sign in at now, whoever uses it, or nil.
func (l Link) usable(now time.Time) error {
	switch {
	case l.UsedAt != nil:
		return linkProblem(LinkUsed)
	case !now.Before(l.ExpiresAt.Time):
		return linkProblem(LinkExpired)
	}
	return nil
}

// forgottenAt is when nothing needs to be known of the link any more, in Unix seconds.
func (l Link) forgottenAt() int64 { return l.ExpiresAt.Add(linkRemembered).Unix() }

// signsIn reports whether the link still is u's.
func (l Link) signsIn(u User) bool { return u.Active && u.Epoch == l.Epoch && u.Email == l.Email }

// opensIn reports whether the link may be used in a browser, by the secret that
// the browser has, "" for none.
func (l Link) opensIn(browser string) bool {
	return l.Browser == "" || browser != "" && l.Browser == token.Hash(browser)
}

var linkDetails = map[problem.Code]string{
	LinkUsed:    "This link was used already. Each link signs in once: ask for a new one.",
	LinkExpired: "This link is older than 15 minutes. Ask for a new one.",
	LinkInvalid: "This is not a link that signs in. Ask for a new one.",
}

// otherBrowser refuses a link that is good, but in the browser that asked.
func otherBrowser() *problem.Error {
	return problem.New(http.StatusForbidden, OtherBrowser, "This link was asked for in another browser, and signs in there only. It was not used up.")
}

func linkProblem(code problem.Code) *problem.Error {
	e := problem.New(http.StatusUnauthorized, code, "%s", linkDetails[code])
	e.Header = http.Header{"WWW-Authenticate": {"Bearer"}}
	return e
}

// maxNext is the longest path to go on to after signing in, in bytes as escaped.
const maxNext = 512

// Next returns where to go after signing in, if raw is a path of ours, and ""
// for anything else. What it returns is escaped as a Location needs it, begins
// with one slash, and can lead to no other host.
func Next(raw string) string {
	if !utf8.ValidString(raw) || strings.Contains(raw, `\`) || strings.ContainsFunc(raw, unicode.IsControl) {
		return ""
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return ""
	}
	next := escape(u.String())
	if len(next) > maxNext || !strings.HasPrefix(raw, "/") || !strings.HasPrefix(next, "/") || strings.HasPrefix(raw, "//") || strings.HasPrefix(next, "//") {
		return ""
	}
	return next
}

// escape writes what may not stand in a Location header, such as a space in a
// query, as its bytes' percent-encoding.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7F || strings.IndexByte("\"<>^`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
