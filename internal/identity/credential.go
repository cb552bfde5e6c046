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

// credentials reads the credential of a request: a bearer token, X-API-Key, or
// the session cookie. ambiguous reports two that differ; the same one twice is one.
func credentials(h http.Header) (c Credential, ambiguous bool) {
	found := map[string]token.Kind{}
	take := func(secret string, here ...token.Kind) {
		if secret == "" {
			return
		}
		kind, ok := token.KindOf(secret)
		if !ok || !slices.Contains(here, kind) {
			kind = ""
		}
		if had, twice := found[secret]; twice && had != kind { // one of its two places is wrong
			kind = ""
		}
		found[secret] = kind
	}
	for _, line := range h.Values("Authorization") {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.EqualFold(scheme, "Bearer") {
			take(strings.TrimSpace(rest), token.Session, token.APIKey)
		} else { // not ours to take, but not nothing either
			take(strings.TrimSpace(line))
		}
	}
	for _, line := range h.Values("X-Api-Key") {
		take(strings.TrimSpace(line), token.APIKey)
	}
	for _, cookie := range (&http.Request{Header: h}).CookiesNamed(Cookie) {
		c.Cookie = c.Cookie || cookie.Value != ""
		take(cookie.Value, token.Session)
	}
	for c.Secret, c.Kind = range found {
	}
	return c, len(found) > 1
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
