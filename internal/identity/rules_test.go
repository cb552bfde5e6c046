package identity

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
)

func TestNext(t *testing.T) {
	tests := map[string]struct{ raw, want string }{
		"a path":                       {"/v1/me", "/v1/me"},
		"a query and a fragment":       {"/status/acme?x=1&y=%2F#top", "/status/acme?x=1&y=%2F#top"},
		"the root":                     {"/", "/"},
		"a space":                      {"/a b", "/a%20b"},
		"a space in the query":         {"/a?b c", "/a?b%20c"},
		"letters":                      {"/größe", "/gr%C3%B6%C3%9Fe"},
		"a path that looks like a URL": {"/https://evil.example", "/https://evil.example"},
		"nothing":                      {"", ""},
		"relative":                     {"console", ""},
		"another host":                 {"https://evil.example/", ""},
		"another host by two slashes":  {"//evil.example", ""},
		"three slashes":                {"///evil.example", ""},
		"a backslash":                  {`/\evil.example`, ""},
		"two backslashes":              {`\\evil.example`, ""},
		"a tab":                        {"/\t/evil.example", ""},
		"a newline":                    {"/a\nSet-Cookie: x=y", ""},
		"a script":                     {"javascript:alert(1)", ""},
		"no UTF-8":                     {"/\xff", ""},
		"an escape that is none":       {"/%zz", ""},
		"the longest":                  {"/" + strings.Repeat("a", 511), "/" + strings.Repeat("a", 511)},
		"too long":                     {"/" + strings.Repeat("a", 512), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Next(tt.raw); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzNext(f *testing.F) {
	for _, seed := range []string{"/v1/me", "//evil.example", "/\\evil", "/..//evil.example", "/%2f/evil.example", "/a?b#c", "/.//evil.example"} {
		f.Add(seed)
	}
	base, err := url.Parse("https://pagefree.test/prod/signin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		next := Next(raw)
		if next == "" {
			return
		}
		for _, where := range []string{next, "." + next} { // as the page writes them
			to, err := base.Parse(where)
			if err != nil || to.Scheme != "https" || to.Host != "pagefree.test" || to.User != nil {
				t.Fatalf("%q leads to %v, %v", where, to, err)
			}
		}
		if next[0] != '/' || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t ") {
			t.Fatalf("got %q of %q", next, raw)
		}
		if again := Next(next); again != next {
			t.Fatalf("%q: once more gives %q", next, again)
		}
	})
}

func FuzzCredentials(f *testing.F) {
	good := token.New(token.Session)
	f.Add("Bearer "+good, "", "")
	f.Add("", token.New(token.APIKey), "")
	f.Add("", "", Cookie+"="+good)
	f.Add("Bearer "+good, good, Cookie+"="+good+"; x=y")
	f.Fuzz(func(t *testing.T, authorization, key, cookies string) {
		h := http.Header{"Authorization": {authorization}, "X-Api-Key": {key}, "Cookie": {cookies}}
		c, ambiguous := credentials(h)
		if c.Kind != "" && c.Kind != token.Session && c.Kind != token.APIKey {
			t.Fatalf("a %s is taken", c.Kind)
		}
		if c.Kind != "" && !ambiguous && !strings.Contains(authorization+" "+key+" "+cookies, c.Secret) {
			t.Fatalf("%q came from nowhere", c.Secret)
		}
		if kind, ok := token.KindOf(c.Secret); c.Kind != "" && (!ok || kind != c.Kind) {
			t.Fatalf("%q is taken for a %s", c.Secret, c.Kind)
		}
		if c.Secret == "" && (c.Kind != "" || ambiguous) {
			t.Fatalf("nothing is taken for %+v", c)
		}
	})
}

func TestUserChange(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	yes, no, name, email := true, false, "New", "new@pagefree.test"
	base := newUser("usr_1", "old@pagefree.test", "Old", false, true, now.Add(-time.Hour))
	admin := base
	admin.PlatformAdmin = true
	off := base
	off.Active, off.Epoch = false, 1
	tests := map[string]struct {
		user    User
		change  UserChange
		by      string
		changed []string
		epoch   int64
		code    problem.Code
	}{
		"nothing":                      {user: base, by: "usr_2"},
		"the same":                     {user: base, change: UserChange{Active: &yes, PlatformAdmin: &no}, by: "usr_2"},
		"words":                        {user: base, change: UserChange{Name: &name, Email: &email}, by: "usr_2", changed: []string{"email", "name"}},
		"deactivating":                 {user: base, change: UserChange{Active: &no}, by: "usr_2", changed: []string{"active"}, epoch: 1},
		"reactivating":                 {user: off, change: UserChange{Active: &yes}, by: "usr_2", changed: []string{"active"}, epoch: 1},
		"demoting another":             {user: admin, change: UserChange{PlatformAdmin: &no}, by: "usr_2", changed: []string{"platformAdmin"}},
		"demoting oneself":             {user: admin, change: UserChange{PlatformAdmin: &no}, by: "usr_1", code: problem.InvalidTransition},
		"deactivating oneself":         {user: admin, change: UserChange{Active: &no}, by: "usr_1", code: problem.InvalidTransition},
		"one's own name, all the same": {user: admin, change: UserChange{Name: &name, PlatformAdmin: &yes}, by: "usr_1", changed: []string{"name"}},
	}
	for test, tt := range tests {
		t.Run(test, func(t *testing.T) {
			next, changed, err := tt.user.change(tt.change, tt.by, now)
			if problem.CodeOf(err) != tt.code || !slices.Equal(changed, tt.changed) || next.Epoch != tt.epoch {
				t.Errorf("got %v, epoch %d, %v, want %v, epoch %d, %q", changed, next.Epoch, err, tt.changed, tt.epoch, tt.code)
			}
			if moved := next.Rev - tt.user.Rev; (moved == 1) != (len(tt.changed) > 0) {
				t.Errorf("the revision moved by %d", moved)
			}
		})
	}
}

func TestAdminDelta(t *testing.T) {
	const none, observer, admin = principal.None, principal.Observer, principal.TeamAdmin
	tests := map[string]struct {
		active   bool
		from, to principal.Role
		want     int
	}{
		"joins as admin":            {true, none, admin, 1},
		"is made admin":             {true, observer, admin, 1},
		"stays admin":               {true, admin, admin, 0},
		"is demoted":                {true, admin, observer, -1},
		"leaves":                    {true, admin, none, -1},
		"was no admin":              {true, observer, none, 0},
		"joins, not active":         {false, none, admin, 0},
		"leaves, and was no longer": {false, admin, none, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := adminDelta(tt.active, tt.from, tt.to); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestLinkUsable(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	u := User{Active: true, Epoch: 3, Email: "a@pagefree.test"}
	link := Link{Email: u.Email, Epoch: 3, ExpiresAt: timestamp.Of(now.Add(time.Millisecond))}
	tests := map[string]struct {
		change func(*Link, *User)
		want   problem.Code
	}{
		"good":            {func(*Link, *User) {}, ""},
		"at its end":      {func(l *Link, _ *User) { l.ExpiresAt = timestamp.Of(now) }, LinkExpired},
		"used":            {func(l *Link, _ *User) { l.UsedAt = timestamp.Ptr(now) }, LinkUsed},
		"not active":      {func(_ *Link, u *User) { u.Active = false }, LinkInvalid},
		"another epoch":   {func(_ *Link, u *User) { u.Epoch = 4 }, LinkInvalid},
		"another address": {func(_ *Link, u *User) { u.Email = "b@pagefree.test" }, LinkInvalid},
		"nobody":          {func(_ *Link, u *User) { *u = User{} }, LinkInvalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l, u := link, u
			tt.change(&l, &u)
			got := problem.CodeOf(l.usable(now))
			if got == "" && !l.signsIn(u) {
				got = LinkInvalid
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestOpensIn(t *testing.T) {
	ours, other := token.New(token.Browser), token.New(token.Browser)
	tests := map[string]struct {
		bound, browser string
		want           bool
	}{
		"bound, ours":            {token.Hash(ours), ours, true},
		"bound, another browser": {token.Hash(ours), other, false},
		"bound, no browser":      {token.Hash(ours), "", false},
		"bound to nothing":       {token.Hash(""), "", false},
		"unbound, a browser":     {"", other, true},
		"unbound, none":          {"", "", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := (Link{Browser: tt.bound}).opensIn(tt.browser); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSameSite(t *testing.T) {
	tests := map[string]struct {
		origin, host, site string
		want               bool
	}{
		"the host":                     {"https://api.pagefree.test", "api.pagefree.test", "", true},
		"the host with its port":       {"http://127.0.0.1:8080", "127.0.0.1:8080", "", true},
		"another port":                 {"http://127.0.0.1:9090", "127.0.0.1:8080", "", false},
		"the site, behind an edge":     {"https://pagefree.test", "abc.execute-api.test", "https://pagefree.test", true},
		"the site, in another scheme":  {"http://pagefree.test", "abc.execute-api.test", "https://pagefree.test", false},
		"another host":                 {"https://evil.example", "api.pagefree.test", "https://pagefree.test", false},
		"a host that only begins so":   {"https://pagefree.test.evil.example", "pagefree.test", "https://pagefree.test", false},
		"no host":                      {"null", "api.pagefree.test", "", false},
		"nothing known and nothing in": {"", "", "", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := sameSite(tt.origin, tt.host, tt.site); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
