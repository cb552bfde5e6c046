package signin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"pagefree/internal/identity"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/token"
)

// sessions remembers what the page asked for.
type sessions struct {
	asked    []string // "address next"
	verified []string
	browsers []string // that asked
	looked   identity.Looked
	lookErr  error
	next     string
	kind     identity.Kind // of the session
	err      error
}

func (s *sessions) Look(context.Context, string, string) (identity.Looked, error) {
	return s.looked, s.lookErr
}

func (s *sessions) AskInvited(_ context.Context, invitation, browser string) (ratelimit.Result, error) {
	s.asked, s.browsers = append(s.asked, invitation), append(s.browsers, browser)
	return ratelimit.Result{Allowed: true, Limit: 10, Remaining: 9}, s.err
}

func (s *sessions) VerifyCode(_ context.Context, code, browser string) (identity.Opened, error) {
	s.verified, s.browsers = append(s.verified, code), append(s.browsers, browser)
	return identity.Opened{Secret: "pfs_secret", Lifetime: time.Hour, Next: s.next}, s.err
}

func (s *sessions) AskLink(_ context.Context, email, next, browser string) (ratelimit.Result, error) {
	if _, err := identity.Normalize(email); err != nil {
		return ratelimit.Result{}, problem.InvalidField("body.email", "%v", err)
	}
	s.asked, s.browsers = append(s.asked, strings.TrimSpace(email+" "+next)), append(s.browsers, browser)
	return ratelimit.Result{Allowed: true, Limit: 10, Remaining: 9}, s.err
}

func (s *sessions) Verify(_ context.Context, secret, _ string) (identity.Opened, error) {
	s.verified = append(s.verified, secret)
	return identity.Opened{Secret: "pfs_secret", Kind: s.kind, Lifetime: time.Hour, Next: s.next}, s.err
}

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func serve(t *testing.T, s *sessions, at string, r *http.Request) *http.Response {
	t.Helper()
	o, err := origin.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	api := httpapi.New()
	Routes(api, s, o)
	w := httptest.NewRecorder()
	api.Handler().ServeHTTP(w, r)
	return w.Result()
}

func get(target string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("Accept", browser)
	return r
}

func post(form url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://pagefree.test/signin", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", browser)
	return r
}

func text(t *testing.T, w *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// careful checks what every answer of the page must have.
func careful(t *testing.T, w *http.Response) {
	t.Helper()
	for name, want := range map[string]string{
		"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
	} {
		if got := w.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := w.Header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
		t.Errorf("Cache-Control: got %q", got)
	}
	if got := w.Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; style-src 'sha256-") || strings.Contains(got, "unsafe") {
		t.Errorf("Content-Security-Policy: got %q", got)
	}
}

func TestReadingChangesNothing(t *testing.T) {
	link := token.New(token.Link)
	tests := map[string]struct{ target, shows, not string }{
		"a link":                     {"/signin?token=" + link, `name="token" value="` + link + `"`, `name="email"`},
		"a link, looked at by HEAD":  {"/signin?token=" + link, "", ""},
		"no link":                    {"/signin", `type="email"`, `name="token"`},
		"where to go on to":          {"/signin?next=/console?x=1", `name="next" value="/console?x=1"`, ""},
		"where not to go on to":      {"/signin?next=//evil.example", `type="email"`, "evil"},
		"half a link":                {"/signin?token=" + link[:20], "not whole", link[:20]},
		"something to be written in": {"/signin?next=/%22%3E%3Cscript%3E", `type="email"`, "<script"},
		"signed in":                  {"/signin?done", "You are signed in", `name="email"`},
		"signed in, and then":        {"/signin?done", `<a href="console">`, ""},
		"signed in, as a partner":    {"/signin?done", `<a href="status">`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &sessions{}
			r := get(tt.target)
			if strings.HasSuffix(name, "HEAD") {
				r.Method = http.MethodHead
			}
			w := serve(t, s, "", r)
			body := text(t, w)
			if w.StatusCode != http.StatusOK || !strings.Contains(body, tt.shows) || tt.not != "" && strings.Contains(body, tt.not) {
				t.Errorf("got %d: %s", w.StatusCode, body)
			}
			if len(s.asked)+len(s.verified) > 0 || w.Header.Get("Set-Cookie") != "" {
				t.Errorf("reading did something: %+v, %v", s, w.Header)
			}
			careful(t, w)
		})
	}
}

// TestStyle holds the policy against the page as it is sent.
func TestStyle(t *testing.T) {
	w := serve(t, &sessions{}, "", get("/signin"))
	body := text(t, w)
	found := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(body)
	if found == nil {
		t.Fatal("no style")
	}
	sum := sha256.Sum256([]byte(found[1]))
	if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(w.Header.Get("Content-Security-Policy"), want) {
		t.Errorf("got %q, want %s in it", w.Header.Get("Content-Security-Policy"), want)
	}
	if regexp.MustCompile(`(?i)<script|\sstyle=|\son[a-z]+=|<img|<link|https?:`).MatchString(body) {
		t.Errorf("the page holds what its policy forbids: %s", body)
	}
}

func TestPressing(t *testing.T) {
	tests := map[string]struct {
		at, next, want string
		kind           identity.Kind
	}{
		"somewhere":                       {at: "", next: "/console/runbooks?x=1", want: "./console/runbooks?x=1"},
		"staff, somewhere":                {at: "", next: "/console/runbooks?x=1", want: "./console/runbooks?x=1", kind: identity.Staff},
		"staff, nowhere":                  {at: "", want: "./console", kind: identity.Staff},
		"staff, nowhere, behind a stage":  {at: "https://api.pagefree.test/prod", want: "/prod/console", kind: identity.Staff},
		"nowhere":                         {at: "", want: "./signin?done"},
		"somewhere, the origin known":     {at: "https://pagefree.test", next: "/console", want: "/console"},
		"somewhere, behind a stage":       {at: "https://api.pagefree.test/prod", next: "/console", want: "/prod/console"},
		"nowhere, behind a stage":         {at: "https://api.pagefree.test/prod", want: "/prod/signin?done"},
		"nowhere, the origin being known": {at: "https://pagefree.test", want: "/signin?done"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &sessions{next: tt.next, kind: tt.kind}
			w := serve(t, s, tt.at, post(url.Values{"token": {"pfl_x"}}))
			if got := w.Header.Get("Location"); w.StatusCode != http.StatusSeeOther || got != tt.want {
				t.Errorf("got %d to %q, want 303 to %q", w.StatusCode, got, tt.want)
			}
			if len(s.verified) != 1 || s.verified[0] != "pfl_x" {
				t.Errorf("verified: got %v", s.verified)
			}
			c, err := http.ParseSetCookie(w.Header.Get("Set-Cookie"))
			if err != nil || c.Name != identity.Cookie || c.Value != "pfs_secret" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
				t.Errorf("cookie: got %v, %v", c, err)
			}
			careful(t, w)
		})
	}
}

func TestAsking(t *testing.T) {
	s := &sessions{}
	w := serve(t, s, "", post(url.Values{"email": {"ann@pagefree.test"}, "next": {"/console"}}))
	if body := text(t, w); w.StatusCode != http.StatusOK || !strings.Contains(body, "Look into your mail") || strings.Contains(body, "ann@") {
		t.Errorf("got %d: %s", w.StatusCode, body)
	}
	if len(s.asked) != 1 || s.asked[0] != "ann@pagefree.test /console" {
		t.Errorf("asked: got %v", s.asked)
	}
	if got := w.Header.Get("X-RateLimit-Remaining"); got != "9" {
		t.Errorf("X-RateLimit-Remaining: got %q", got)
	}
	careful(t, w)
	s = &sessions{}
	if serve(t, s, "", post(url.Values{"email": {"ann@pagefree.test"}, "next": {"https://evil.example"}})); s.asked[0] != "ann@pagefree.test" {
		t.Errorf("asked: got %v, want no next", s.asked)
	}
	w = serve(t, s, "", post(url.Values{"email": {`"><b>`}}))
	if body := text(t, w); w.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `aria-invalid="true"`) || strings.Contains(body, "<b>") {
		t.Errorf("got %d: %s", w.StatusCode, body)
	}
}

// TestRefusals gives each refusal to a browser as a page, and to a program as a problem.
func TestRefusals(t *testing.T) {
	tests := map[string]struct {
		change func(*http.Request, *sessions)
		status int
		code   string
		shows  string
	}{
		"used": {func(_ *http.Request, s *sessions) {
			s.err = problem.New(401, identity.LinkUsed, "It was used already.")
		}, 401, "link_used", "used already"},
		"too often":         {func(_ *http.Request, s *sessions) { s.err = ratelimit.Result{Limit: 10, Retry: time.Minute}.Refusal() }, 429, "rate_limited", "too often"},
		"broken":            {func(_ *http.Request, s *sessions) { s.err = io.ErrUnexpectedEOF }, 500, "internal", "our side"},
		"from another site": {func(r *http.Request, _ *sessions) { r.Header.Set("Origin", "https://evil.example") }, 403, "cross_origin", "pages of this site"},
		"the browser says":  {func(r *http.Request, _ *sessions) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "cross_origin", "pages of this site"},
		"no form":           {func(r *http.Request, _ *sessions) { r.Header.Set("Content-Type", "application/json") }, 415, "unsupported_media_type", "takes a form"},
		"large": {func(r *http.Request, _ *sessions) {
			r.Body = io.NopCloser(strings.NewReader("token=" + strings.Repeat("x", 9000)))
		}, 413, "body_too_large", "larger"},
		"no UTF-8":       {func(r *http.Request, _ *sessions) { r.Body = io.NopCloser(strings.NewReader("token=%ff")) }, 400, "body_invalid", "UTF-8"},
		"an escape":      {func(r *http.Request, _ *sessions) { r.Body = io.NopCloser(strings.NewReader("token=%zz")) }, 400, "body_invalid", "read"},
		"another method": {func(r *http.Request, _ *sessions) { r.Method = http.MethodDelete }, 405, "method_not_allowed", "DELETE"},
	}
	for name, tt := range tests {
		for _, accept := range []string{browser, "application/json"} {
			t.Run(name+", "+accept[:9], func(t *testing.T) {
				s := &sessions{}
				r := post(url.Values{"token": {"pfl_x"}})
				r.Header.Set("Accept", accept)
				tt.change(r, s)
				w := serve(t, s, "", r)
				body := text(t, w)
				page := accept == browser
				if w.StatusCode != tt.status || page != strings.HasPrefix(w.Header.Get("Content-Type"), "text/html") {
					t.Fatalf("got %d, %s: %s", w.StatusCode, w.Header.Get("Content-Type"), body)
				}
				if page && !strings.Contains(body, tt.shows) || !page && !strings.Contains(body, `"code":"`+tt.code+`"`) {
					t.Errorf("got %s", body)
				}
				if w.Header.Get("Set-Cookie") != "" {
					t.Error("a refusal sets a cookie")
				}
				if tt.status == 403 && len(s.verified) > 0 {
					t.Error("a refused request was acted on")
				}
				careful(t, w)
			})
		}
	}
}

func TestBehindADistribution(t *testing.T) {
	s := &sessions{}
	r := post(url.Values{"token": {"pfl_x"}})
	r.Host = "abc.execute-api.us-east-1.example"
	r.Header.Set("Origin", "https://pagefree.test")
	if w := serve(t, s, "https://pagefree.test", r); w.StatusCode != http.StatusSeeOther {
		t.Errorf("got %d, want 303", w.StatusCode)
	}
}
