package edge

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pagefree/infra/local/template"
)

var load = sync.OnceValues(func() (*template.Template, error) {
	return template.Load("../../../template.yaml", template.Options{Parameters: map[string]string{
		"FirstAdminEmail": "admin@pagefree.test", "MailFrom": "pagefree@pagefree.test",
	}})
})

// distribution is the one of template.yaml, to be changed by who gets it.
func distribution(t *testing.T) *template.Distribution {
	t.Helper()
	tmpl, err := load()
	if err != nil {
		t.Fatal(err)
	}
	d := *tmpl.Edge
	d.Behaviors, d.OriginHeaders, d.ErrorTTL = slices.Clone(d.Behaviors), maps.Clone(d.OriginHeaders), maps.Clone(d.ErrorTTL)
	return &d
}

// stand is an edge before an origin that counts.
type stand struct {
	url string
	d   *template.Distribution

	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request, n int)
	seen   []*http.Request
	now    time.Time
}

func newStand(t *testing.T, change func(*template.Distribution)) *stand {
	t.Helper()
	s := &stand{d: distribution(t), now: time.Now()}
	if change != nil {
		change(s.d)
	}
	s.answer = func(w http.ResponseWriter, _ *http.Request, n int) { fmt.Fprintf(w, "answer %d", n) }
	e, err := New(Options{
		Distribution: s.d, Now: func() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now },
		Origin: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.seen = append(s.seen, r)
			s.answer(w, r, len(s.seen))
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *stand) later(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *stand) last() *http.Request { return s.seen[len(s.seen)-1] }

// client neither follows redirects nor decompresses.
var client = &http.Client{
	Transport:     &http.Transport{DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (s *stand) do(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	var payload io.Reader
	if body != "" {
		payload = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, s.url+path, payload)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// TestWhatTheOriginGets: everything of the viewer but Host, under the stage, with the secret, and from the edge.
func TestWhatTheOriginGets(t *testing.T) {
	s := newStand(t, nil)
	s.do(t, "POST", "/v1/things/a%2Fb/c?x=1&y=%20z", "the body", "Cookie", "a=b; c=d", "Authorization", "Bearer x", "X-Custom", "1", "X-Custom", "2",
		"User-Agent", "test/1", "Accept-Encoding", "br;q=1, gzip", "X-Real-Ip", "9.9.9.9", "X-Forwarded-Proto", "gopher", "If-None-Match", `"1"`)
	r := s.last()
	for what, pair := range map[string][2]string{
		"path":           {r.URL.EscapedPath(), "/live/v1/things/a%2Fb/c"},
		"target":         {r.RequestURI, "/live/v1/things/a%2Fb/c?x=1&y=%20z"},
		"query":          {r.URL.RawQuery, "x=1&y=%20z"},
		"host":           {r.Host, s.d.OriginDomain},
		"from":           {r.RemoteAddr, Address + ":443"},
		"cookie":         {r.Header.Get("Cookie"), "a=b; c=d"},
		"credential":     {r.Header.Get("Authorization"), "Bearer x"},
		"both":           {strings.Join(r.Header["X-Custom"], ","), "1,2"},
		"agent":          {r.UserAgent(), "test/1"},
		"encoding":       {r.Header.Get("Accept-Encoding"), "br;q=1, gzip"},
		"condition":      {r.Header.Get("If-None-Match"), `"1"`},
		"the secret":     {r.Header.Get("X-Pagefree-Origin"), s.d.OriginHeaders["x-pagefree-origin"]},
		"the viewer":     {r.Header.Get("X-Pagefree-Viewer"), "127.0.0.1"},
		"forwarded for":  {strings.Join(r.Header["X-Forwarded-For"], ";"), "127.0.0.1"},
		"no other word":  {r.Header.Get("X-Real-Ip") + r.Header.Get("X-Forwarded-Proto"), ""},
		"passed through": {r.Header.Get("Via"), "1.1 " + strings.ToLower(s.d.ID) + ".cloudfront.net (CloudFront)"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", what, pair[0], pair[1])
		}
	}
	if len(s.d.OriginHeaders["x-pagefree-origin"]) < 32 {
		t.Error("the secret is short, or none")
	}
}

// TestSpoofedHeaders: nobody may say to the origin what only the edge may.
func TestSpoofedHeaders(t *testing.T) {
	s := newStand(t, nil)
	for name, headers := range map[string][]string{
		"as the edge writes them": {"x-pagefree-viewer", "9.9.9.9", "x-pagefree-origin", "guess"},
		"in capitals":             {"X-PAGEFREE-VIEWER", "9.9.9.9", "X-PAGEFREE-ORIGIN", "guess"},
		"repeated":                {"X-PageFree-Viewer", "9.9.9.9", "X-PageFree-Viewer", "8.8.8.8", "X-PageFree-Origin", "a", "X-PageFree-Origin", "b"},
		"in two spellings":        {"X-PageFree-Viewer", "9.9.9.9", "x-pagefree-viewer", "8.8.8.8"},
		"forwarded":               {"X-Forwarded-For", "9.9.9.9", "X-Forwarded-Host", "evil.test", "Forwarded", "for=9.9.9.9", "x-forwarded-port", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/signin", "/v1/me", "/status/assets/x.css"} {
				s.do(t, "GET", path+"?"+strings.ReplaceAll(name, " ", "-"), "", headers...)
				for name, values := range s.last().Header {
					for _, v := range values {
						if strings.Contains(v, "9.9.9.9") || strings.Contains(v, "8.8.8.8") || strings.Contains(v, "guess") || strings.Contains(v, "evil") {
							t.Errorf("%s: the origin gets %s: %s", path, name, v)
						}
					}
				}
				if got := s.last().Header["X-Pagefree-Origin"]; len(got) != 1 || got[0] != s.d.OriginHeaders["x-pagefree-origin"] {
					t.Errorf("%s: got %q for the secret", path, got)
				}
				s.later(400 * 24 * time.Hour) // so that nothing is kept
			}
		})
	}
}

func TestIPv6Viewer(t *testing.T) {
	s := newStand(t, nil)
	e, err := New(Options{Distribution: s.d, Origin: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { s.seen = append(s.seen, r) })})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/signin", nil)
	r.RemoteAddr = net.JoinHostPort("2001:db8::9", "50000")
	e.ServeHTTP(httptest.NewRecorder(), r)
	if got := s.last().Header.Get("X-Pagefree-Viewer"); got != "2001:db8::9" {
		t.Errorf("got %q", got)
	}
}

// TestErrorsAreNotKept, by the template as it is; and they are, for ten seconds and for everybody, when it forgets to say so.
func TestErrorsAreNotKept(t *testing.T) {
	forgetful := func(d *template.Distribution) { d.ErrorTTL = map[int]time.Duration{} }
	tests := map[string]struct {
		change  func(*template.Distribution)
		status  int
		control string
		path    string
		kept    time.Duration
	}{
		"a 404":                             {status: 404, control: "private, no-store"},
		"a 404 that says nothing":           {status: 404},
		"a 404 of an asset":                 {status: 404, path: "/status/assets/gone.css"},
		"a 403":                             {status: 403, control: "no-store"},
		"a 500":                             {status: 500},
		"a 503":                             {status: 503, control: "no-store"},
		"a 429":                             {status: 429},
		"forgotten, a 404":                  {change: forgetful, status: 404, control: "private, no-store", kept: 10 * time.Second},
		"forgotten, a 503":                  {change: forgetful, status: 503, control: "no-store", kept: 10 * time.Second},
		"forgotten, a 403":                  {change: forgetful, status: 403, control: "no-store"},
		"forgotten, a 403 that asks for it": {change: forgetful, status: 403, control: "max-age=60", kept: time.Minute},
		"forgotten, a 429":                  {change: forgetful, status: 429},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, tt.change)
			s.answer = func(w http.ResponseWriter, _ *http.Request, n int) {
				if tt.control != "" {
					w.Header().Set("Cache-Control", tt.control)
				}
				w.WriteHeader(tt.status)
				fmt.Fprintf(w, "answer %d", n)
			}
			path := tt.path
			if path == "" {
				path = "/status/acme"
			}
			_, first := s.do(t, "GET", path+"?a", "", "Authorization", "Bearer one")
			s.later(tt.kept - 1)
			resp, second := s.do(t, "GET", path+"?b", "", "Authorization", "Bearer two")
			if (first == second) != (tt.kept > 0) || resp.StatusCode != tt.status || resp.Header.Get("X-Cache") != failed {
				t.Errorf("got %q, then %q, %d, %s", first, second, resp.StatusCode, resp.Header.Get("X-Cache"))
			}
			s.later(1)
			if _, third := s.do(t, "GET", path, ""); third == first {
				t.Errorf("it is kept longer than %v", tt.kept)
			}
		})
	}
}

// TestPagesAreNotKept, whatever they say of themselves.
func TestPagesAreNotKept(t *testing.T) {
	for _, control := range []string{"private, no-store", "public, max-age=300", ""} {
		s := newStand(t, nil)
		s.answer = func(w http.ResponseWriter, _ *http.Request, n int) {
			w.Header().Set("Cache-Control", control)
			w.Header().Set("ETag", `"1"`)
			fmt.Fprintf(w, "answer %d", n)
		}
		_, first := s.do(t, "GET", "/status/acme", "")
		resp, second := s.do(t, "GET", "/status/acme", "", "If-None-Match", `"1"`)
		if first == second || resp.StatusCode != 200 || resp.Header.Get("X-Cache") != missed {
			t.Errorf("%q: got %q, then %q, %s", control, first, second, resp.Header.Get("X-Cache"))
		}
	}
}

// TestAssetsAreKept, for as long as they say, the same for everybody, and without anybody's credentials.
func TestAssetsAreKept(t *testing.T) {
	tests := map[string]struct {
		control string
		kept    time.Duration
	}{
		"for a year":            {"public, max-age=31536000, immutable", 365 * 24 * time.Hour},
		"for a year at most":    {"max-age=99999999", 365 * 24 * time.Hour},
		"for a minute":          {"max-age=60", time.Minute},
		"shared ones as stated": {"max-age=60, s-maxage=120", 2 * time.Minute},
		"for a day, unasked":    {"", 24 * time.Hour},
		"a second, even so":     {"private, no-store", time.Second}, // its MinTTL
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, nil)
			s.answer = func(w http.ResponseWriter, r *http.Request, n int) {
				if tt.control != "" {
					w.Header().Set("Cache-Control", tt.control)
				}
				w.Header().Set("ETag", `"1"`)
				w.Header().Set("Content-Type", "text/css")
				fmt.Fprintf(w, "answer %d", n)
			}
			const path = "/status/assets/page.0123.css"
			_, first := s.do(t, "GET", path+"?token=secret", "", "Cookie", "a=b", "Authorization", "Bearer x", "X-Custom", "1")
			for _, name := range []string{"Cookie", "Authorization", "X-Custom", "X-Pagefree-Viewer"} {
				if got := s.last().Header.Get(name); got != "" {
					t.Errorf("the origin gets %s: %s", name, got)
				}
			}
			if s.last().URL.RawQuery != "" || s.last().UserAgent() != "Amazon CloudFront" || s.last().Header.Get("X-Pagefree-Origin") == "" {
				t.Errorf("the origin gets %s %v", s.last().URL, s.last().Header)
			}
			s.later(tt.kept - 1)
			resp, second := s.do(t, "GET", path, "", "Cookie", "c=d")
			if first != second || resp.Header.Get("X-Cache") != hit || resp.Header.Get("Age") == "" {
				t.Errorf("got %q, then %q, %s", first, second, resp.Header.Get("X-Cache"))
			}
			if resp, body := s.do(t, "GET", path, "", "If-None-Match", `W/"1"`); resp.StatusCode != 304 || body != "" {
				t.Errorf("who has it gets %d %q", resp.StatusCode, body)
			}
			if resp, body := s.do(t, "HEAD", path, ""); resp.StatusCode != 200 || body != "" || resp.Header.Get("X-Cache") != hit {
				t.Errorf("HEAD gets %d %q %s", resp.StatusCode, body, resp.Header.Get("X-Cache"))
			}
			if len(s.seen) != 1 {
				t.Errorf("the origin was asked %d times", len(s.seen))
			}
			s.later(1)
			if _, third := s.do(t, "GET", path, ""); third == first {
				t.Errorf("it is kept longer than %v", tt.kept)
			}
		})
	}
}

// TestOnlyWhatIsAnAssetIsKept: a path that only looks like one is decided by what it leads to.
func TestOnlyWhatIsAnAssetIsKept(t *testing.T) {
	for _, path := range []string{"/status/assets/../acme", "/status//assets/x", "/status/assets/./../acme", "/Status/assets/x", "/status/assetsx", "//status/acme"} {
		s := newStand(t, nil)
		s.do(t, "GET", path, "", "Cookie", "a=b")
		s.do(t, "GET", path, "", "Cookie", "c=d")
		kept := len(s.seen) == 1
		if want := path == "/status//assets/x"; kept != want { // dots and slashes are taken away before the choice
			t.Errorf("%s: kept is %v", path, kept)
		}
		if kept && s.seen[0].Header.Get("Cookie") != "" {
			t.Errorf("%s: kept, and made for one viewer", path)
		}
		if got := s.seen[0].URL.EscapedPath(); got != "/live"+path {
			t.Errorf("the origin gets %s, want it as it came: %s", got, path)
		}
	}
}

func TestMethods(t *testing.T) {
	s := newStand(t, nil)
	s.answer = func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.Method == "DELETE" {
			w.Header().Set("Allow", "GET")
			w.WriteHeader(405)
			return
		}
		w.Header().Set("Content-Length", "7")
		_, _ = io.WriteString(w, "content")
	}
	tests := []struct {
		method, path, body string
		want               int
		asked              bool
	}{
		{"GET", "/signin", "", 200, true}, {"HEAD", "/signin", "", 200, true}, {"POST", "/signin", "a=b", 200, true}, {"DELETE", "/signin", "", 405, true},
		{"OPTIONS", "/signin", "", 200, true}, {"PATCH", "/v1/x", "{}", 200, true}, {"TRACE", "/signin", "", 403, false}, {"PROPFIND", "/v1/x", "", 403, false},
		{"POST", "/status/assets/x", "", 403, false}, {"HEAD", "/status/assets/x", "", 200, true}, {"GET", "/signin", "a body", 403, false},
	}
	for _, tt := range tests {
		before := len(s.seen)
		resp, body := s.do(t, tt.method, tt.path, tt.body)
		if resp.StatusCode != tt.want || (len(s.seen) > before) != tt.asked {
			t.Errorf("%s %s: got %d %q, the origin was asked: %v", tt.method, tt.path, resp.StatusCode, body, len(s.seen) > before)
		}
		if tt.method == "HEAD" && (body != "" || resp.ContentLength != 7) {
			t.Errorf("%s %s: got %q of %d", tt.method, tt.path, body, resp.ContentLength)
		}
		if tt.method == "POST" && tt.asked && resp.Header.Get("X-Cache") != missed {
			t.Errorf("%s: %s", tt.method, resp.Header.Get("X-Cache"))
		}
	}
	// HEAD has no copy that a GET could be answered from.
	if _, body := s.do(t, "GET", "/status/assets/x", ""); body != "content" {
		t.Errorf("after HEAD, GET gets %q", body)
	}
}

// TestHeadersPolicy: it speaks on every answer, and leaves a page's Content-Security-Policy alone.
func TestHeadersPolicy(t *testing.T) {
	s := newStand(t, nil)
	s.answer = func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		w.Header().Set("Referrer-Policy", "unsafe-url")
		w.WriteHeader(404)
	}
	for _, path := range []string{"/status/acme", "/status/assets/x.css"} {
		resp, _ := s.do(t, "GET", path, "")
		for name, want := range map[string]string{
			"Strict-Transport-Security": "max-age=63072000", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'",
		} {
			if got := resp.Header.Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		for name := range resp.Header {
			if strings.HasPrefix(name, "X-Pagefree-") {
				t.Errorf("%s: the viewer gets %s", path, name)
			}
		}
	}
	s = newStand(t, func(d *template.Distribution) {
		d.Behaviors[len(d.Behaviors)-1].Headers = map[string]template.Header{"X-Frame-Options": {Value: "DENY"}, "X-Other": {Value: "1"}}
	})
	s.answer = func(w http.ResponseWriter, _ *http.Request, _ int) { w.Header().Set("X-Frame-Options", "SAMEORIGIN") }
	if resp, _ := s.do(t, "GET", "/signin", ""); resp.Header.Get("X-Frame-Options") != "SAMEORIGIN" || resp.Header.Get("X-Other") != "1" {
		t.Errorf("without Override: got %v", resp.Header)
	}
}

func TestCompression(t *testing.T) {
	long := strings.Repeat("abcdefghij", 100)
	tests := map[string]struct {
		path, contentType, accept, body string
		status                          int
		packed                          bool
	}{
		"a style sheet":          {"/status/assets/x", "text/css; charset=utf-8", "gzip, br", long, 200, true},
		"a byte too short":       {"/status/assets/x", "text/css", "gzip", long[1:], 200, false},
		"a picture":              {"/status/assets/x", "image/png", "gzip", long, 200, false},
		"a drawing":              {"/status/assets/x", "image/svg+xml", "gzip", long, 200, true},
		"refused":                {"/status/assets/x", "text/css", "gzip;q=0", long, 200, false},
		"another status":         {"/status/assets/x", "text/css", "gzip", long, 422, false},
		"what is not found, too": {"/status/assets/x", "text/html", "gzip", long, 404, true},
		"what it may not keep":   {"/status/acme", "text/html", "gzip", long, 200, false}, // the origin's to do
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, nil)
			s.answer = func(w http.ResponseWriter, _ *http.Request, _ int) {
				w.Header().Set("Content-Type", tt.contentType)
				w.Header().Set("ETag", `"1"`)
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}
			for range 2 { // fresh, and kept
				resp, body := s.do(t, "GET", tt.path, "", "Accept-Encoding", tt.accept)
				if packed := resp.Header.Get("Content-Encoding") == "gzip"; packed != tt.packed {
					t.Fatalf("compressed is %v, want %v", packed, tt.packed)
				}
				etag := `"1"`
				if tt.packed {
					etag = `W/"1"`
					z, err := gzip.NewReader(bytes.NewReader([]byte(body)))
					if err != nil {
						t.Fatal(err)
					}
					plain, err := io.ReadAll(z)
					if err != nil {
						t.Fatal(err)
					}
					body = string(plain)
				}
				if body != tt.body || resp.Header.Get("Etag") != etag {
					t.Errorf("got %d bytes, ETag %s", len(body), resp.Header.Get("Etag"))
				}
			}
			if resp, body := s.do(t, "GET", tt.path, ""); resp.Header.Get("Content-Encoding") != "" || body != tt.body {
				t.Errorf("who takes no compression gets %q", resp.Header.Get("Content-Encoding"))
			}
		})
	}
}

// TestNobodyGetsAnothersCompression: what the origin compressed is kept apart by what was accepted.
func TestNobodyGetsAnothersCompression(t *testing.T) {
	s := newStand(t, nil)
	s.answer = func(w http.ResponseWriter, r *http.Request, _ int) {
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
		}
		_, _ = io.WriteString(w, r.Header.Get("Accept-Encoding"))
	}
	for accept, want := range map[string]string{"gzip, deflate": "gzip", "gzip;q=0.1": "gzip", "br, gzip": "br,gzip", "zstd": "", "": ""} {
		if _, got := s.do(t, "GET", "/status/assets/x", "", "Accept-Encoding", accept); got != want {
			t.Errorf("%q: got %q, want %q", accept, got, want)
		}
	}
}

func TestConcurrentViewers(t *testing.T) {
	s := newStand(t, nil)
	s.answer = func(w http.ResponseWriter, r *http.Request, _ int) {
		_, _ = io.WriteString(w, r.Header.Get("X-Custom")+r.Header.Get("X-Pagefree-Viewer"))
	}
	var wg sync.WaitGroup
	for n := range 50 {
		wg.Go(func() {
			r, _ := http.NewRequest("GET", s.url+"/v1/x", nil)
			r.Header.Set("X-Custom", fmt.Sprintf("%d-", n))
			resp, err := client.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if body, _ := io.ReadAll(resp.Body); string(body) != fmt.Sprintf("%d-127.0.0.1", n) {
				t.Errorf("%d: got %s", n, body)
			}
		})
	}
	wg.Wait()
}

func TestHeadersOfTheTemplateAreCopied(t *testing.T) {
	s := newStand(t, nil)
	before := maps.Clone(s.d.OriginHeaders)
	s.do(t, "GET", "/signin", "")
	if !maps.Equal(before, s.d.OriginHeaders) {
		t.Error("a request changed the template")
	}
}
