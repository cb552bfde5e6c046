package consoletest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pagefree/internal/platform/principal"
)

// Gates knocks at every page and form of the console that the site has, as those who get nothing there: nobody, an API
// key, a partner, and staff by a form of another site. Path variables are filled with ids, by their names, or with "x":
// who may come in is asked before what is there.
func Gates(t *testing.T, s *Site, ids map[string]string) {
	t.Helper()
	staff := s.As(principal.Principal{Kind: principal.User, ID: "usr_gates", UserID: "usr_gates", PlatformAdmin: true})
	key := s.As(principal.Principal{Kind: principal.APIKey, ID: "key_gates", UserID: "usr_gates", Teams: map[string]principal.Role{"team_gates": principal.TeamAdmin}})
	partner := s.As(principal.Principal{Kind: principal.Partner, ID: "pse_gates", SessionHash: "ab", Partner: &principal.Reading{}})
	found := 0
	for _, route := range s.routes {
		method, path, _ := strings.Cut(route, " ")
		if !strings.HasPrefix(path, "/console") {
			continue
		}
		found++
		path = Fill(path, ids)
		call := func(b *Browser, headers ...string) *Page {
			if method == http.MethodPost {
				return b.Post(t, path, url.Values{}, headers...)
			}
			return b.Get(t, path, headers...)
		}
		to := "/signin"
		if method == http.MethodGet {
			to += "?next=" + url.QueryEscape(path+"?a=b")
			path += "?a=b"
		}
		if got := call(s.Anybody()); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != to {
			t.Errorf("%s for nobody: got %d %s, want a 303 to %s", route, got.StatusCode, got.Header.Get("Location"), to)
		}
		if got := call(s.Anybody().HTMX()); got.StatusCode != http.StatusNoContent || got.Header.Get("HX-Redirect") != "/signin" {
			t.Errorf("%s for a script of nobody: got %d %s", route, got.StatusCode, got.Header.Get("HX-Redirect"))
		}
		if got := call(key); got.StatusCode != http.StatusForbidden {
			t.Errorf("%s for an API key: got %d, want 403", route, got.StatusCode)
		}
		if got := call(partner); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s for a partner: got %d, want 404", route, got.StatusCode)
		}
		if method == http.MethodPost {
			if got := call(staff, "Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site"); got.StatusCode != http.StatusForbidden {
				t.Errorf("%s from another site: got %d, want 403", route, got.StatusCode)
			}
		}
	}
	if got := staff.Get(t, "/console/there/is/none"); got.StatusCode != http.StatusNotFound || len(got.All("h1")) != 1 {
		t.Errorf("a page that there is not: got %d with %d headings, want a 404 as a page", got.StatusCode, len(got.All("h1")))
	}
	if got := s.Anybody().Get(t, "/console/there/is/none"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("a page that there is not, for nobody: got %d, want the sign-in", got.StatusCode)
	}
	if found == 0 {
		t.Error("the site has no page of the console")
	}
}

// Fill puts ids into a path's variables, by their names, "x" where there is none.
func Fill(path string, ids map[string]string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if name, variable := strings.CutPrefix(part, "{"); variable {
			if parts[i] = ids[strings.TrimRight(name, ".}")]; parts[i] == "" {
				parts[i] = "x"
			}
		}
	}
	return strings.Join(parts, "/")
}
