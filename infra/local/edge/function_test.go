package edge

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"pagefree/infra/local/template"
)

// viewerFunction is infra/edge/viewer.js, as it is.
func viewerFunction(t *testing.T) *function {
	t.Helper()
	code, err := os.ReadFile("../../edge/viewer.js")
	if err != nil {
		t.Fatal(err)
	}
	f, err := compile(string(code))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestViewer: what the function makes of a request's headers.
func TestViewer(t *testing.T) {
	f := viewerFunction(t)
	tests := map[string]struct {
		from string
		sent http.Header
		want map[string][]string // besides Host; nil where there is none
	}{
		"nothing special": {
			from: "203.0.113.9:1", sent: http.Header{"User-Agent": {"a"}, "Cookie": {"x=y"}},
			want: map[string][]string{"User-Agent": {"a"}, "Cookie": {"x=y"}, "X-Pagefree-Viewer": {"203.0.113.9"}},
		},
		"IPv6": {
			from: "[2001:db8::9]:1", sent: http.Header{},
			want: map[string][]string{"X-Pagefree-Viewer": {"2001:db8::9"}},
		},
		"a viewer of one's own": {
			from: "203.0.113.9:1", sent: http.Header{"X-Pagefree-Viewer": {"9.9.9.9"}},
			want: map[string][]string{"X-Pagefree-Viewer": {"203.0.113.9"}},
		},
		"in other cases, and repeated": {
			from: "203.0.113.9:1", sent: http.Header{"X-PAGEFREE-VIEWER": {"9.9.9.9", "8.8.8.8"}, "x-pagefree-origin": {"a", "b"}, "X-PageFree-Anything": {"c"}},
			want: map[string][]string{"X-Pagefree-Viewer": {"203.0.113.9"}, "X-Pagefree-Origin": nil, "X-Pagefree-Anything": nil},
		},
		"who forwarded it": {
			from: "203.0.113.9:1", sent: http.Header{"X-Forwarded-For": {"9.9.9.9"}, "X-Forwarded-Host": {"evil"}, "X-FORWARDED-PORT": {"1"}, "Forwarded": {"for=9.9.9.9"}, "X-Forwarded": {"kept"}},
			want: map[string][]string{"X-Forwarded-For": nil, "X-Forwarded-Host": nil, "X-Forwarded-Port": nil, "Forwarded": nil, "X-Forwarded": {"kept"}},
		},
		"what is the API's": {
			from: "203.0.113.9:1", sent: http.Header{"X-Pagefree-Secret": {"s"}, "X-Pagefree-Depth": {"2"}, "X-Api-Key": {"k"}, "Authorization": {"Bearer t"}, "Accept": {"a", "b"}},
			want: map[string][]string{"X-Pagefree-Secret": {"s"}, "X-Pagefree-Depth": {"2"}, "X-Api-Key": {"k"}, "Authorization": {"Bearer t"}, "Accept": {"a", "b"}},
		},
		"what is no UTF-8": {
			from: "203.0.113.9:1", sent: http.Header{"X-A": {"\xff\xfe"}, "Cookie": {"a=\xff"}, "X-Pagefree-X\xff": {"b"}},
			want: map[string][]string{"X-A": {"\xff\xfe"}, "Cookie": {"a=\xff"}, "X-Pagefree-X\xff": nil},
		},
		"names that mean something to JavaScript": {
			from: "203.0.113.9:1", sent: http.Header{"Constructor": {"a"}, "Hasownproperty": {"b"}, "__proto__": {"c"}, "X-Pagefree-Constructor": {"d"}},
			want: map[string][]string{"Constructor": {"a"}, "Hasownproperty": {"b"}, "X-Pagefree-Constructor": nil},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/status/acme?a=1&a=2&b&c=%ff&d=\xff", nil)
			r.RemoteAddr, r.Header = tt.from, tt.sent
			got, instead, err := f.run(r, &template.Distribution{ID: "e1", Domain: "d1.cloudfront.net"})
			if err != nil || instead != nil {
				t.Fatalf("got %v, %v", instead, err)
			}
			for name, want := range tt.want {
				if !slices.Equal(got.Header[name], want) {
					t.Errorf("%s is %q, want %q", name, got.Header[name], want)
				}
			}
			if got.URL.String() != "/status/acme?a=1&a=2&b&c=%ff&d=\xff" || got.Host != "example.com" || got.Method != "GET" {
				t.Errorf("got %s %s of %s", got.Method, got.URL, got.Host)
			}
			if len(got.Header["X-Pagefree-Viewer"]) != 1 {
				t.Errorf("the viewer is %q", got.Header["X-Pagefree-Viewer"])
			}
		})
	}
}

// TestFunctions: what CloudFront lets a function do, and what it does not.
func TestFunctions(t *testing.T) {
	tests := map[string]struct {
		body    string // of handler
		compile bool   // it is refused before it runs
		err     error  // nil where anything but errForbidden
		fails   bool
		status  int // of an answer instead
	}{
		"as it came":               {body: "return event.request"},
		"an answer":                {body: "return {statusCode: 302, headers: {location: {value: '/x'}}}", status: 302},
		"nothing":                  {body: "", fails: true},
		"null":                     {body: "return null", fails: true},
		"an exception":             {body: "throw new Error('no')", fails: true},
		"what is not there":        {body: "return fetch('https://example.com')", fails: true},
		"no timers":                {body: "setTimeout(function () {}, 1); return event.request", fails: true},
		"no eval":                  {body: "eval('1'); return event.request", fails: true},
		"a log":                    {body: "console.log('x'); return event.request"},
		"another method":           {body: "event.request.method = 'POST'; return event.request", fails: true, err: errForbidden},
		"another host":             {body: "event.request.headers.host = {value: 'x'}; return event.request", fails: true, err: errForbidden},
		"no host":                  {body: "delete event.request.headers.host; return event.request", fails: true, err: errForbidden},
		"a header that is hidden":  {body: "event.request.headers['x-real-ip'] = {value: 'x'}; return event.request", fails: true, err: errForbidden},
		"one of CloudFront's":      {body: "event.request.headers['x-amz-cf-id'] = {value: 'x'}; return event.request", fails: true, err: errForbidden},
		"a name in capitals":       {body: "event.request.headers['X-A'] = {value: 'x'}; return event.request", fails: true, err: errForbidden},
		"another path":             {body: "event.request.uri = '/x'; return event.request", fails: true},
		"another cookie":           {body: "event.request.cookies = {}; return event.request", fails: true},
		"it goes on and on":        {body: "for (;;) {}", fails: true},
		"no JavaScript":            {body: "return return", compile: true},
		"more than CloudFront has": {body: "// " + strings.Repeat("x", maxCode), compile: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := compile("function handler(event) {\n" + tt.body + "\n}")
			if tt.compile != (err != nil) {
				t.Fatalf("got %v", err)
			}
			if tt.compile {
				return
			}
			r := httptest.NewRequest("GET", "/", nil)
			r.Header = http.Header{"Cookie": {"a=b"}, "Connection": {"close"}}
			got, instead, err := f.run(r, &template.Distribution{})
			switch {
			case tt.fails != (err != nil), tt.err != nil && !errors.Is(err, tt.err), tt.err == nil && errors.Is(err, errForbidden):
				t.Errorf("got %v", err)
			case err != nil:
			case tt.status != 0 && (instead == nil || instead.status != tt.status || instead.header.Get("Location") != "/x"):
				t.Errorf("got %v", instead)
			case tt.status == 0 && got.Header.Get("Connection") != "close":
				t.Error("what the function does not see is lost")
			}
		})
	}
	if _, err := compile("var x = 1"); err == nil {
		t.Error("a function without a handler is taken")
	}
}

// TestABrokenFunctionServesNobody: the origin is not asked when the function could not say who the viewer is.
func TestABrokenFunctionServesNobody(t *testing.T) {
	for body, want := range map[string]int{"throw 1": 503, "event.request.method = 'PUT'; return event.request": 502} {
		s := newStand(t, func(d *template.Distribution) {
			for i := range d.Behaviors {
				d.Behaviors[i].ViewerRequest = "function handler(event) { " + body + " }"
			}
		})
		if resp, _ := s.do(t, "GET", "/signin", ""); resp.StatusCode != want || len(s.seen) != 0 {
			t.Errorf("%s: got %d, the origin was asked %d times", body, resp.StatusCode, len(s.seen))
		}
	}
}
