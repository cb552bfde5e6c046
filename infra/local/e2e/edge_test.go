package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/edge"
)

// TestAroundTheEdge: pages are the distribution's, whatever a caller says at API Gateway's own address; /v1 is at both.
// The address on record is the viewer's at either, and the secret shows nowhere.
func TestAroundTheEdge(t *testing.T) {
	t.Parallel()
	w := plainStacks.world(t)
	s := w.stack
	secret := s.Secret("OriginSecret")
	direct := client.Client{URL: s.APIURL, Mail: s.URL}

	ask := func(url string, headers http.Header) client.Answer {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = headers
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return read(t, res)
	}
	pages := map[string]bool{"/signin": true, "/signin?token=x": true}
	for _, route := range s.Template().API.Routes { // one that somebody adds is gated too
		if path := strings.NewReplacer("{proxy+}", "x", "{", "", "}", "").Replace(route.Path); !strings.HasPrefix(path, "/v1/") && path != "/healthz" && path != "/openapi.json" {
			pages[path] = false // whether it is there, its own tests know
		}
	}
	for path, there := range pages {
		for name, headers := range map[string]http.Header{
			"nothing":          {},
			"a guess":          {"X-Pagefree-Origin": {strings.Repeat("0", len(secret))}, "X-Pagefree-Viewer": {"203.0.113.9"}},
			"an empty one":     {"X-Pagefree-Origin": {""}},
			"a part of it":     {"X-Pagefree-Origin": {secret[:len(secret)-1]}},
			"it, and a second": {"X-Pagefree-Origin": {secret, "x"}},
		} {
			if a := ask(s.APIURL+path, headers); a.Status != http.StatusForbidden && a.Status != http.StatusUnauthorized ||
				a.Status == http.StatusForbidden && (a.Text("code") != "forbidden" || !strings.Contains(a.Text("detail"), "public address")) {
				t.Errorf("%s, with %s: got %d %s", path, name, a.Status, a.Raw)
			}
			if a := ask(s.URL+path, headers); there && a.Status != http.StatusOK {
				t.Errorf("%s by the edge, with %s: got %d %s", path, name, a.Status, a.Raw)
			}
		}
	}
	for _, url := range []string{s.APIURL, s.URL} {
		for _, path := range []string{"/healthz", "/openapi.json"} {
			if a := ask(url+path, http.Header{}); a.Status != http.StatusOK {
				t.Errorf("%s%s: got %d", url, path, a.Status)
			}
		}
	}

	// Signing in is on record with the address that it came from, at either address, by the socket and nothing else.
	for viewer, c := range map[string]client.Client{"127.0.20.1": w.api, "127.0.20.2": direct} {
		c.HTTP = &http.Client{Transport: spoofing{source(viewer).Transport}}
		if _, err := c.SignIn(t.Context(), demo.Lead); err != nil {
			t.Fatal(err)
		}
		if !recorded(t, w, viewer) {
			t.Errorf("no event of %s's", viewer)
		}
	}
	for _, never := range []string{edge.Address, "203.0.113.66"} {
		if recorded(t, w, never) {
			t.Errorf("an event is of %s", never)
		}
	}

	err := filepath.WalkDir(filepath.Join(s.Dir, "logs"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if text := string(b); strings.Contains(text, secret) || strings.Contains(strings.ToLower(text), "x-pagefree-origin") || strings.Contains(strings.ToLower(text), "x-pagefree-viewer") {
			t.Errorf("%s shows the edge's headers", filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// spoofing says what only the edge may.
type spoofing struct{ http.RoundTripper }

func (s spoofing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for _, name := range []string{"X-Pagefree-Viewer", "X-Forwarded-For", "X-Real-Ip", "Forwarded"} {
		r.Header.Set(name, "203.0.113.66")
	}
	r.Header.Set("X-Pagefree-Origin", "guess")
	return s.RoundTripper.RoundTrip(r)
}

// recorded tells whether an audit event is of an address.
func recorded(t *testing.T, w *world, ip string) bool {
	t.Helper()
	for path := "/v1/audit?limit=200"; ; {
		a := w.call(demo.Admin, http.StatusOK, "GET", path, nil)
		for _, item := range a.Items() {
			if raw, _ := json.Marshal(item); strings.Contains(string(raw), `"`+ip+`"`) {
				return true
			}
		}
		next, _ := a.Body["nextCursor"].(string)
		if next == "" {
			return false
		}
		path = "/v1/audit?limit=200&cursor=" + next
	}
}

// TestTheRateLimitIsTheViewers: each address has its own, by the edge as well, which itself is one for all.
func TestTheRateLimitIsTheViewers(t *testing.T) {
	t.Parallel()
	w := plainStacks.world(t)
	refusedAfter := func(ip string) int {
		c := client.Client{URL: w.stack.URL, HTTP: source(ip)}
		for n := range 200 {
			a, err := c.Do(t.Context(), "POST", "/v1/auth/magic-link", "", map[string]any{"email": "nobody" + time.Now().Format("150405.000000000") + "@pagefree.test"})
			if err != nil {
				t.Fatal(err)
			}
			if a.Status == http.StatusTooManyRequests {
				return n
			}
		}
		return -1
	}
	first, second := refusedAfter("127.0.21.1"), refusedAfter("127.0.21.2")
	if first <= 0 || second <= 0 {
		t.Errorf("one address is refused after %d, another one after %d", first, second)
	}
}
