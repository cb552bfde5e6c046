package identity

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"pagefree/internal/platform/token"
)

// Credential is what a request carries to say who sends it.
type Credential struct {
	Secret string
	Kind   token.Kind // "" when it is not well formed, or not where its kind belongs
	Cookie bool       // a browser sent it by itself
}

// found is the credentials of a request, each with its kind, "" where that is
// not taken. The same one twice is one.
type found struct {
	kinds  map[string]token.Kind
	cookie bool
}

// take adds a secret that stands where the kinds of here are taken.
func (f *found) take(secret string, here ...token.Kind) {
	if secret == "" {
		return
	}
	kind, ok := token.KindOf(secret)
	if !ok || !slices.Contains(here, kind) {
		kind = ""
	}
	if had, twice := f.kinds[secret]; twice && had != kind { // one of its two places is wrong
		kind = ""
	}
	f.kinds[secret] = kind
}

// only is the one credential; ambiguous reports two that differ.
func (f *found) only() (c Credential, ambiguous bool) {
	c.Cookie = f.cookie
	for c.Secret, c.Kind = range f.kinds {
	}
	return c, len(f.kinds) > 1
}

// inHeaders are the credentials of the headers: a bearer token of the kinds,
// X-API-Key, which is one of none but key, and the session cookie.
func inHeaders(h http.Header, key token.Kind, bearer ...token.Kind) *found {
	f := &found{kinds: map[string]token.Kind{}}
	for _, line := range h.Values("Authorization") {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.EqualFold(scheme, "Bearer") {
			f.take(strings.TrimSpace(rest), bearer...)
		} else { // not ours to take, but not nothing either
			f.take(strings.TrimSpace(line))
		}
	}
	for _, line := range h.Values("X-Api-Key") {
		f.take(strings.TrimSpace(line), key)
	}
	for _, cookie := range cookies(h, Cookie) {
		f.cookie = true
		f.take(cookie, token.Session)
	}
	return f
}

// cookies are the values of a cookie, but for empty ones.
func cookies(h http.Header, name string) []string {
	var values []string
	for _, cookie := range (&http.Request{Header: h}).CookiesNamed(name) {
		if cookie.Value != "" {
			values = append(values, cookie.Value)
		}
	}
	return values
}

// credentials reads the credential of a request of the staff API: a bearer
// token, X-API-Key, or the session cookie.
func credentials(h http.Header) (c Credential, ambiguous bool) {
	return inHeaders(h, token.APIKey, token.Session, token.APIKey).only()
}

// none is a kind that no secret has.
const none token.Kind = ""

// readers reads the credential of a request for status pages: a partner's
// bearer token, a session, the token of a feed in the feed's own address, and a
// page's shared token in its query, or in the cookie that the page keeps it in.
// That cookie comes along by itself, and yields to whatever else is there.
func readers(h http.Header, path string, query url.Values) (c Credential, ambiguous bool) {
	f := inHeaders(h, none, token.Partner, token.Session)
	if strings.HasSuffix(path, "/feed.atom") {
		for _, secret := range query["feed"] {
			f.take(secret, token.Feed)
		}
	}
	if slugOf(path) != "" {
		for _, secret := range query["token"] {
			f.take(secret, token.Shared)
		}
	}
	if len(f.kinds) == 0 {
		for _, secret := range cookies(h, SharedCookie) {
			f.take(secret, token.Shared)
		}
	}
	return f.only()
}

// slugOf is the page that a path leads to, "" for the list of pages.
func slugOf(path string) string {
	_, rest, _ := strings.Cut(path, "/status/")
	slug, _, _ := strings.Cut(rest, "/")
	return slug
}

// foreign reports whether a page of another site made the browser send the
// request: by its Origin, or by what the browser says of the two sites. own
// are the sites of ours, as hosts (of API Gateway's own word) and origins.
func foreign(method string, h http.Header, host, site string) bool {
	if method == http.MethodGet {
		return false
	}
	relation := h.Get("Sec-Fetch-Site") // a page cannot set it
	switch relation {
	case "cross-site":
		return true
	case "same-origin": // true also where the site is reached by a name that we do not know
		return false
	}
	origins := h.Values("Origin")
	for _, origin := range origins {
		if !sameSite(origin, host, site) {
			return true
		}
	}
	return len(origins) == 0 && relation == "same-site"
}

// sameSite compares an Origin header with the host that the request came to
// and with the site that PageFree is configured to be at.
func sameSite(origin, host, site string) bool {
	if site != "" && strings.EqualFold(origin, site) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}
