package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/client"
)

const cookie = "__Host-pf_session="

// contractCredentials: what is a credential, where it may stand, and that two are none.
func contractCredentials(t *testing.T, c *contract) {
	session, another := c.bearers[responder], c.bearers[lead]
	key := c.key(t, "RESPONDER").Text("key")
	none := strings.Repeat("A", 43)
	with := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	me, list := "GET /v1/me", "GET /v1/incidents?limit=1"
	refused := func(do string, h http.Header) scenario {
		return scenario{do: do, with: h, want: 401, code: "unauthenticated"}
	}
	taken := func(do string, h http.Header) scenario { return scenario{do: do, with: h, want: 200} }
	two := func(h http.Header) scenario {
		return scenario{do: list, with: h, want: 400, code: "ambiguous_credentials", lacks: session}
	}
	c.play(t, map[string]scenario{
		"a session":                          taken(me, with("Authorization", "Bearer "+session)),
		"its scheme in lower case":           taken(me, with("Authorization", "bearer "+session)),
		"its scheme in upper case":           taken(me, with("Authorization", "BEARER  "+session)),
		"as a cookie":                        taken(me, with("Cookie", "theme=dark; "+cookie+session)),
		"a cookie and the same bearer":       taken(me, with("Cookie", cookie+session, "Authorization", "Bearer "+session)),
		"an API key":                         taken(list, with("Authorization", "Bearer "+key)),
		"as X-API-Key":                       taken(list, with("X-API-Key", key)),
		"both ways":                          taken(list, with("Authorization", "Bearer "+key, "X-API-Key", key)),
		"an empty Authorization":             refused(me, with("Authorization", "")),
		"Bearer alone":                       refused(me, with("Authorization", "Bearer")),
		"Bearer and a space":                 refused(me, with("Authorization", "Bearer ")),
		"the secret alone":                   refused(me, with("Authorization", session)),
		"another scheme":                     refused(me, with("Authorization", "Token "+session)),
		"basic":                              refused(me, with("Authorization", "Basic dXNlcjpwYXNz")),
		"basic with a session":               refused(me, with("Authorization", "Basic "+session)),
		"a list":                             refused(me, with("Authorization", "Bearer "+session+", Bearer "+session)),
		"a word too many":                    refused(me, with("Authorization", "Bearer "+session+" x")),
		"a session cut short":                refused(me, with("Authorization", "Bearer "+session[:40])),
		"a session in upper case":            refused(me, with("Authorization", "Bearer "+strings.ToUpper(session))),
		"nobody's session":                   refused(me, with("Authorization", "Bearer pfs_"+none)),
		"nobody's key":                       refused(list, with("X-API-Key", "pfk_"+none)),
		"a partner token":                    refused(list, with("Authorization", "Bearer pfp_"+none)),
		"a feed token":                       refused(list, with("Authorization", "Bearer pff_"+none)),
		"a callback token":                   refused(list, with("Authorization", "Bearer pfc_"+none)),
		"a link":                             refused(list, with("Authorization", "Bearer pfl_"+none)),
		"a session as X-API-Key":             refused(list, with("X-API-Key", session)),
		"a session as both":                  refused(list, with("Authorization", "Bearer "+session, "X-API-Key", session)),
		"a key as a cookie":                  refused(list, with("Cookie", cookie+key)),
		"an API key where a session belongs": refused(me, with("Authorization", "Bearer "+key)),
		"an API key that signs out":          refused("POST /v1/auth/sign-out", with("X-API-Key", key)),
		"two sessions":                       two(with("Authorization", "Bearer "+session, "Cookie", cookie+another)),
		"a session and a key":                two(with("Authorization", "Bearer "+session, "X-API-Key", key)),
		"a session and nonsense":             two(with("Authorization", "Bearer "+session, "X-API-Key", "nonsense")),
		"two bearers":                        two(with("Authorization", "Bearer "+session, "Authorization", "Bearer "+another)),
		"a bearer and basic":                 two(with("Authorization", "Bearer "+session, "Authorization", "Basic dXNlcjpwYXNz")),
		"two cookies":                        two(with("Cookie", cookie+session+"; "+cookie+another)),
	})
}

// contractOrigins: a cookie is not taken from pages of other sites, but to read.
func contractOrigins(t *testing.T, c *contract) {
	session := c.bearers[responder]
	from := func(origin string, more ...string) http.Header {
		h := http.Header{"Cookie": {cookie + session}}
		if origin != "" {
			h.Set("Origin", origin)
		}
		for i := 0; i < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		return h
	}
	incident := "/v1/incidents/" + c.incident
	foreign := func(do string, h http.Header) scenario {
		return scenario{do: do, with: h, send: object{}, want: 403, code: "cross_origin"}
	}
	c.play(t, map[string]scenario{
		"POST":                    foreign("POST /v1/incidents", from("https://evil.test")),
		"PATCH":                   foreign("PATCH "+incident, from("https://evil.test")),
		"PUT":                     foreign("PUT /v1/teams/"+c.team+"/members/usr_"+unknown, from("https://evil.test")),
		"DELETE":                  foreign("DELETE /v1/services/"+c.service, from("https://evil.test")),
		"OPTIONS":                 foreign("OPTIONS "+incident, from("https://evil.test")),
		"signing out":             foreign("POST /v1/auth/sign-out", from("https://evil.test")),
		"an origin of no site":    foreign("POST /v1/incidents", from("null")),
		"another port":            foreign("POST /v1/incidents", from("http://127.0.0.1:1")),
		"another scheme":          foreign("POST /v1/incidents", from(strings.Replace(c.api.URL, "http:", "https:", 1))),
		"a name that begins as":   foreign("POST /v1/incidents", from(c.api.URL+".evil.test")),
		"besides the same bearer": foreign("POST /v1/incidents", from("https://evil.test", "Authorization", "Bearer "+session)),
		"what a browser says":     foreign("POST /v1/incidents", from("", "Sec-Fetch-Site", "cross-site")),
		"our own page":            {do: "POST /v1/incidents", with: from(c.api.URL), send: object{}, want: 422, code: "validation_failed"},
		"no page":                 {do: "POST /v1/incidents", with: from(""), send: object{}, want: 422, code: "validation_failed"},
		"to read":                 {do: "GET " + incident, with: from("https://evil.test"), want: 200},
		"a bearer is no cookie":   {as: responder, do: "POST /v1/incidents", with: http.Header{"Origin": {"https://evil.test"}}, send: object{}, want: 422, code: "validation_failed"},
	})
	if a := c.ask(t, nobody, "HEAD "+incident, nil, from("https://evil.test")); a.Status != http.StatusForbidden {
		t.Errorf("HEAD is not GET: %d", a.Status)
	}
}

// key makes an API key of the team.
func (c *contract) key(t *testing.T, role string) client.Answer {
	t.Helper()
	return c.want(t, lead, "POST /v1/api-keys", object{"name": c.name("key"), "teamId": c.team, "role": role}, http.StatusCreated, "")
}

// person makes a user, and returns address and id.
func (c *contract) person(t *testing.T) (email, id string) {
	t.Helper()
	email = fmt.Sprintf("p%d.%d@pagefree.test", time.Now().UnixNano(), c.names.Add(1))
	return email, c.want(t, admin, "POST /v1/users", object{"email": email, "name": "Pat"}, http.StatusCreated, "").Text("id")
}

// from is the API as seen from an address of its own, since links are limited by source.
func (c *contract) from(t *testing.T) client.Client {
	t.Helper()
	n := c.names.Add(1)
	return client.Client{URL: c.api.URL, HTTP: source(fmt.Sprintf("127.1.%d.%d", n/200, n%200+1))}
}

// contractSignIn: links, sessions, and their ends.
func contractSignIn(t *testing.T, c *contract) {
	api := c.from(t)
	do := func(t *testing.T, status int, method, path, token string, body any) client.Answer {
		t.Helper()
		a, err := api.Want(t.Context(), status, method, path, token, body)
		if err != nil {
			t.Fatal(err)
		}
		hold(t, method+" "+path, a)
		return a
	}
	email, id := c.person(t)
	t.Run("an address is not told from another", func(t *testing.T) {
		known := do(t, 202, "POST", "/v1/auth/magic-link", "", object{"email": email, "next": "/v1/me"})
		unknown := do(t, 202, "POST", "/v1/auth/magic-link", "", object{"email": "nobody." + email, "next": "//evil.test"})
		if known.Raw != unknown.Raw {
			t.Errorf("got %s and %s", known.Raw, unknown.Raw)
		}
		for _, bad := range []any{"", "x", "a@b", "a b@c.de", "a@b.cd\nBcc: x@y.zz", "A <a@b.cd>", strings.Repeat("a", 300) + "@b.cd", 5, nil, []string{"a@b.cd"}} {
			if a := do(t, 422, "POST", "/v1/auth/magic-link", "", object{"email": bad}); a.Text("code") != "validation_failed" {
				t.Errorf("%v: %s", bad, a.Raw)
			}
		}
	})
	t.Run("a link signs in once, and reading it changes nothing", func(t *testing.T) {
		link := c.link(t, api, email)
		for range 3 {
			page := do(t, 200, "GET", "/signin?token="+link, "", nil)
			if !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") || page.Header.Get("Referrer-Policy") != "no-referrer" || page.Header.Get("X-Robots-Tag") != "noindex" {
				t.Errorf("the page: %v", page.Header)
			}
		}
		opened := do(t, 200, "POST", "/v1/auth/verify", "", object{"token": link})
		session := opened.Body["session"].(object)
		if session["kind"] != "staff" || !strings.HasPrefix(session["token"].(string), "pfs_") || len(session) != 3 {
			t.Errorf("the session: %v", session)
		}
		set := opened.Header.Get("Set-Cookie")
		for _, part := range []string{cookie + session["token"].(string), "Path=/", "HttpOnly", "Secure", "SameSite="} {
			if !strings.Contains(set, part) {
				t.Errorf("%q is not in %q", part, set)
			}
		}
		for bad, code := range map[string]string{link: "link_used", link + "A": "link_invalid", "": "link_invalid", "\x00": "link_invalid", "pfl_" + strings.Repeat("A", 43): "link_invalid", session["token"].(string): "link_invalid"} {
			if a := do(t, 401, "POST", "/v1/auth/verify", "", object{"token": bad}); a.Text("code") != code {
				t.Errorf("%q: got %s, want %s", bad, a.Text("code"), code)
			}
		}
		me := do(t, 200, "GET", "/v1/me", session["token"].(string), nil)
		if me.Text("id") != id || me.Text("email") != email || me.Body["platformAdmin"] != false || len(me.Body["teams"].([]any)) != 0 || len(me.Body) != 5 {
			t.Errorf("me: %s", me.Raw)
		}
		do(t, 204, "POST", "/v1/auth/sign-out", session["token"].(string), nil)
		do(t, 401, "GET", "/v1/me", session["token"].(string), nil)
	})
	t.Run("each link stands alone", func(t *testing.T) {
		first, second := c.link(t, api, email), c.link(t, api, email)
		do(t, 200, "POST", "/v1/auth/verify", "", object{"token": second})
		do(t, 200, "POST", "/v1/auth/verify", "", object{"token": first})
	})
	t.Run("a link is used once, however many try", func(t *testing.T) {
		link := c.link(t, api, email)
		got := together(8, func() string {
			a, err := api.Do(t.Context(), "POST", "/v1/auth/verify", "", object{"token": link})
			if err != nil {
				return err.Error()
			}
			return fmt.Sprint(a.Status, " ", a.Text("code"))
		})
		if got["200 "] != 1 || got["401 link_used"] != 7 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("deactivation ends sessions, links and keys at once and for good", func(t *testing.T) {
		session := do(t, 200, "POST", "/v1/auth/verify", "", object{"token": c.link(t, api, email)}).Body["session"].(object)["token"].(string)
		c.want(t, lead, "PUT /v1/teams/"+c.team+"/members/"+id, object{"role": "TEAM_ADMIN"}, 200, "")
		key := do(t, 201, "POST", "/v1/api-keys", session, object{"name": "k", "teamId": c.team, "role": "OBSERVER"})
		link := c.link(t, api, email)
		for _, active := range []bool{false, true} {
			c.want(t, admin, "PATCH /v1/users/"+id, object{"active": active}, 200, "")
			do(t, 401, "GET", "/v1/me", session, nil)
			do(t, 401, "GET", "/v1/incidents", key.Text("key"), nil)
			do(t, 401, "POST", "/v1/auth/verify", "", object{"token": link})
		}
		c.want(t, lead, "DELETE /v1/teams/"+c.team+"/members/"+id, nil, 204, "")
	})
	t.Run("ten links an address", func(t *testing.T) {
		other := c.from(t)
		for range 10 {
			if _, err := other.Want(t.Context(), 202, "POST", "/v1/auth/magic-link", "", object{"email": "often." + email}); err != nil {
				t.Fatal(err)
			}
		}
		a, err := other.Want(t.Context(), 429, "POST", "/v1/auth/magic-link", "", object{"email": "often." + email})
		if err != nil || a.Text("code") != "rate_limited" {
			t.Errorf("%v %s", err, a.Raw)
		}
		hold(t, "POST /v1/auth/magic-link", a)
	})
}

// link asks for a link and takes it from the mail.
func (c *contract) link(t *testing.T, api client.Client, email string) string {
	t.Helper()
	began := time.Now()
	if _, err := api.Want(t.Context(), 202, "POST", "/v1/auth/magic-link", "", object{"email": email}); err != nil {
		t.Fatal(err)
	}
	link, err := api.Link(t.Context(), email, began)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(link)
	if err != nil || !strings.HasPrefix(link, c.api.URL+"/signin?") {
		t.Fatalf("the link is %q", link)
	}
	return u.Query().Get("token")
}
