package gateway

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/template"
)

// functions are what stands behind the gateway in these tests: the payload that each answers, or a failure.
type functions struct {
	mu       sync.Mutex
	answers  map[string]string
	failures map[string]error
	failed   map[string]bool // answers that are function errors
	events   map[string]string
	traces   []string
}

func (f *functions) Invoke(ctx context.Context, r lambda.Request) (lambda.Result, error) {
	f.mu.Lock()
	f.events[r.Function] = string(r.Payload)
	f.traces = append(f.traces, r.TraceID)
	err, answer, failed := f.failures[r.Function], f.answers[r.Function], f.failed[r.Function]
	f.mu.Unlock()
	if errors.Is(err, context.DeadlineExceeded) {
		<-ctx.Done()
		return lambda.Result{}, ctx.Err()
	}
	if err != nil {
		return lambda.Result{}, err
	}
	result := lambda.Result{Payload: []byte(answer)}
	if failed {
		result.FunctionError = "Unhandled"
	}
	return result, nil
}

const things, authorizer = "ThingsFunction", "AuthorizerFunction"

// allow is an authorizer's answer with a usage key.
func allow(key string) string {
	return `{"principalId":"usr_1","policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"arn:aws:execute-api:*:*:*/live/*"}]},
		"context":{"principal":"{\"id\":\"usr_1\"}","n":7,"b":true},"usageIdentifierKey":"` + key + `"}`
}

const planKey = "the-plan-key-value-is-long"

type stand struct {
	*functions
	url     string
	gateway *Gateway
}

func newStand(t *testing.T, change func(*Options)) *stand {
	t.Helper()
	tpl, err := template.Load("testdata/template.yaml", template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{functions: &functions{
		answers:  map[string]string{things: `{"statusCode":200,"body":"ok"}`, authorizer: allow(planKey)},
		failures: map[string]error{}, failed: map[string]bool{}, events: map[string]string{},
	}}
	opts := Options{Template: tpl, Functions: s.functions}
	if change != nil {
		change(&opts)
	}
	if s.gateway, err = New(opts); err != nil {
		t.Fatal(err)
	}
	listeners, err := Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(s.gateway)
	t.Cleanup(func() { _ = server.Close() })
	for _, l := range listeners {
		go func() { _ = server.Serve(l) }()
	}
	s.url = "http://" + listeners[0].Addr().String()
	return s
}

// client neither follows redirects nor decompresses.
var client = &http.Client{
	Transport:     &http.Transport{DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (s *stand) do(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
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

func TestOutcomes(t *testing.T) {
	tests := map[string]struct {
		method, path, body string
		change             func(*stand)
		status             int
		want               string
	}{
		"a route":                                {path: "/v1/things", status: 200, want: "ok"},
		"a slash at the end":                     {path: "/v1/things/", status: 200, want: "ok"},
		"an unknown path":                        {path: "/v1/nothing?a=b", status: 404, want: `{"code":"not_found","path":"/live/v1/nothing"}`},
		"a query that is broken":                 {path: "/v1/things?a=%zz", status: 400, want: "Bad Request"},
		"a method that the resource lacks":       {method: "POST", path: "/v1/only", status: 404, want: "not_found"},
		"an open route needs no authorizer":      {path: "/open/x", status: 200, want: "ok", change: func(s *stand) { s.failures[authorizer] = errors.New("not asked") }},
		"a body over 10 MB":                      {method: "POST", path: "/v1/things", body: strings.Repeat("x", maxBody+1), status: 413, want: "Request Too Long"},
		"an event over 6 MB":                     {method: "POST", path: "/v1/things", body: strings.Repeat("x", 5<<20), status: 413, want: "Request Too Long"},
		"the function fails":                     {path: "/v1/things", status: 502, want: `{"code":"internal","status":502}`, change: func(s *stand) { s.failed[things] = true }},
		"the function cannot be invoked":         {path: "/v1/things", status: 500, want: "internal", change: func(s *stand) { s.failures[things] = lambda.ErrThrottled }},
		"the function takes too long":            {path: "/v1/things", status: 504, want: "internal", change: func(s *stand) { s.failures[things] = context.DeadlineExceeded }},
		"an answer that is no object":            {path: "/v1/things", status: 502, want: "internal", change: func(s *stand) { s.answers[things] = `"x"` }},
		"an answer that is null":                 {path: "/v1/things", status: 502, want: "internal", change: func(s *stand) { s.answers[things] = `null` }},
		"an answer with a member too many":       {path: "/v1/things", status: 502, want: "internal", change: func(s *stand) { s.answers[things] = `{"statusCode":200,"cookies":[]}` }},
		"an answer with an object as body":       {path: "/v1/things", status: 502, want: "internal", change: func(s *stand) { s.answers[things] = `{"body":{}}` }},
		"an answer with a number as header":      {path: "/v1/things", status: 502, want: "internal", change: func(s *stand) { s.answers[things] = `{"headers":{"a":1}}` }},
		"an answer with an odd status":           {path: "/v1/things", status: 502, want: "internal", change: func(s *stand) { s.answers[things] = `{"statusCode":9}` }},
		"an empty answer is 200":                 {path: "/v1/things", status: 200, change: func(s *stand) { s.answers[things] = `{}` }},
		"a status as text":                       {path: "/v1/things", status: 201, change: func(s *stand) { s.answers[things] = `{"statusCode":"201"}` }},
		"base64 that is none":                    {path: "/v1/things", status: 500, want: "internal", change: func(s *stand) { s.answers[things] = `{"body":"%","isBase64Encoded":true}` }},
		"base64":                                 {path: "/v1/things", status: 200, want: "\x00\xff", change: func(s *stand) { s.answers[things] = `{"body":"AP8=","isBase64Encoded":true}` }},
		"the authorizer is broken":               {path: "/v1/things", status: 500, want: `{"code":"internal","status":500}`, change: func(s *stand) { s.failed[authorizer] = true }},
		"the authorizer says Unauthorized":       {path: "/v1/things", status: 401, want: `{"message":"Unauthorized"}`, change: func(s *stand) { s.failed[authorizer], s.answers[authorizer] = true, `{"errorMessage":"Unauthorized"}` }},
		"the authorizer says something odd":      {path: "/v1/things", status: 500, want: "internal", change: func(s *stand) { s.answers[authorizer] = `{"principalId":"x"}` }},
		"the authorizer's context has an object": {path: "/v1/things", status: 500, want: "internal", change: func(s *stand) { s.answers[authorizer] = strings.Replace(allow(planKey), `"n":7`, `"n":{}`, 1) }},
		"a policy with a condition": {path: "/v1/things", status: 500, want: "internal", change: func(s *stand) {
			s.answers[authorizer] = strings.Replace(allow(planKey), `"Effect"`, `"Condition":{"Bool":{"a":"b"}},"Effect"`, 1)
		}},
		"a policy for another path": {path: "/v1/things", status: 401, want: `"code":""`, change: func(s *stand) {
			s.answers[authorizer] = strings.Replace(allow(planKey), "live/*", "live/GET/v1/others", 1)
		}},
		"a deny":               {path: "/v1/things", status: 401, want: `"code":"seven"`, change: func(s *stand) { s.answers[authorizer] = denyWith("seven") }},
		"no usage key":         {path: "/v1/things", status: 403, want: `{"message":"Forbidden"}`, change: func(s *stand) { s.answers[authorizer] = allow("") }},
		"an unknown usage key": {path: "/v1/things", status: 403, want: `{"message":"Forbidden"}`, change: func(s *stand) { s.answers[authorizer] = allow("another") }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, func(o *Options) { o.IntegrationTimeout = 30 * time.Millisecond })
			if tt.change != nil {
				tt.change(s)
			}
			method := tt.method
			if method == "" {
				method = "GET"
			}
			resp, body := s.do(t, method, tt.path, tt.body)
			if resp.StatusCode != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, body, tt.status, tt.want)
			}
			for _, header := range []string{"X-Amzn-Requestid", "X-Amz-Apigw-Id", "Content-Type"} {
				if resp.Header.Get(header) == "" {
					t.Errorf("%s is missing", header)
				}
			}
		})
	}
}

func denyWith(code string) string {
	return `{"principalId":"anonymous","policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["execute-api:Invoke"],"Resource":["*"]}]},"context":{"code":"` + code + `"}}`
}

func TestGatewayResponse(t *testing.T) {
	s := newStand(t, nil)
	s.answers[authorizer] = denyWith("unauthenticated")
	resp, body := s.do(t, "GET", "/v1/things", "")
	id := resp.Header.Get("X-Amzn-Requestid")
	want := `{"code":"unauthenticated","instance":"urn:uuid:` + id + `","missing":""}`
	if body != want {
		t.Errorf("got %s, want %s", body, want)
	}
	for name, want := range map[string]string{
		"Www-Authenticate": "Bearer", "X-Request-Id": id, "Content-Type": "application/problem+json", "X-Amzn-Errortype": "AccessDeniedException",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestThrottling(t *testing.T) {
	tests := map[string]struct {
		key, path, method string
		admitted          int
		want              string
	}{
		"a plan's burst":          {key: "the-small-plan-key-value", path: "/v1/things", admitted: 3, want: "Too Many Requests"},
		"a plan's quota":          {key: "the-quota-plan-key-value", path: "/v1/things", admitted: 1, want: "Limit Exceeded"},
		"a method's burst":        {path: "/open/x", method: "POST", admitted: 2, want: "Too Many Requests"},
		"another method's is its": {path: "/open/x", method: "GET", admitted: 6},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, nil)
			s.answers[authorizer] = allow(tt.key)
			for n := range 6 {
				resp, body := s.do(t, tt.method, tt.path, "")
				if n < tt.admitted && resp.StatusCode != 200 {
					t.Errorf("request %d got %d", n+1, resp.StatusCode)
				}
				if n >= tt.admitted && (resp.StatusCode != 429 || !strings.Contains(body, tt.want)) {
					t.Errorf("request %d got %d %s, want 429 %s", n+1, resp.StatusCode, body, tt.want)
				}
			}
		})
	}
}

func TestBucketRefills(t *testing.T) {
	w := newWall(&template.API{})
	now, limit := time.Now(), template.Throttle{Rate: 10, Burst: 2}
	var got []bool
	for _, after := range []time.Duration{0, 0, 0, 50, 60, 0, 5000, 0, 0} {
		now = now.Add(after * time.Millisecond)
		got = append(got, w.take("x", limit, now))
	}
	if want := []bool{true, true, false, false, true, false, true, true, false}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestResponseHeaders(t *testing.T) {
	s := newStand(t, nil)
	s.answers[things] = `{"statusCode":401,"headers":{"WWW-Authenticate":"Bearer","Date":"d","Server":"s","Transfer-Encoding":"x","X-Ok":"1","Set-Cookie":"a=1","X-Flag":true},
		"multiValueHeaders":{"Set-Cookie":["a=1","b=2"],"Content-Type":["text/plain"]},"body":"no"}`
	resp, _ := s.do(t, "GET", "/v1/things", "")
	for name, want := range map[string][]string{
		"X-Amzn-Remapped-Www-Authenticate": {"Bearer"}, "Www-Authenticate": nil, "X-Amzn-Remapped-Date": {"d"}, "X-Amzn-Remapped-Server": {"s"}, "Server": nil,
		"X-Ok": {"1"}, "X-Flag": {"true"}, "Set-Cookie": {"a=1", "b=2"}, "Content-Type": {"text/plain"},
	} {
		if got := resp.Header[name]; !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestStagePrefix(t *testing.T) {
	s := newStand(t, func(o *Options) { o.StagePrefix = true })
	for path, want := range map[string]int{"/live/v1/things": 200, "/live": 404, "/live/": 404, "/v1/things": 403, "/liver/v1/things": 403} {
		if resp, body := s.do(t, "GET", path, ""); resp.StatusCode != want {
			t.Errorf("%s: got %d %s, want %d", path, resp.StatusCode, body, want)
		}
	}
	s.do(t, "GET", "/live/v1/things", "")
	if e := s.events[things]; !strings.Contains(e, `"path":"/v1/things"`) || !strings.Contains(e, `"path":"/live/v1/things"`) {
		t.Errorf("got %s", e)
	}
}

func TestCompression(t *testing.T) {
	long := strings.Repeat("abcdefghij", 100)
	tests := map[string]struct {
		contentType, accept, body string
		status                    int
		packed                    string
	}{
		"long JSON":                  {"application/json", "gzip, br", long, 200, "gzip"},
		"a page":                     {"text/html; charset=utf-8", "gzip, deflate, br, zstd", long, 200, "gzip"},
		"a byte too short":           {"application/json", "gzip", long[1:], 200, ""},
		"an image":                   {"image/png", "gzip", long, 200, "gzip"},
		"an error":                   {"application/json", "gzip", long, 422, "gzip"},
		"deflate":                    {"application/json", "deflate", long, 200, "deflate"},
		"not accepted":               {"application/json", "br", long, 200, ""},
		"nothing said":               {"application/json", "", long, 200, ""},
		"anything":                   {"application/json", "*", long, 200, ""},
		"refused":                    {"application/json", "gzip;q=0", long, 200, ""},
		"another one is liked more":  {"application/json", "br;q=1.0, gzip;q=0.8", long, 200, ""},
		"the same, the other way on": {"application/json", "br;q=0.5, gzip;q=0.8", long, 200, "gzip"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, func(o *Options) { o.Template.API.MinCompress = len(long) })
			s.answers[things] = fmt.Sprintf(`{"statusCode":%d,"headers":{"Content-Type":%q,"ETag":"\"1\""},"body":%q}`, tt.status, tt.contentType, tt.body)
			resp, body := s.do(t, "GET", "/v1/things", "", "Accept-Encoding", tt.accept)
			if got := resp.Header.Get("Content-Encoding"); got != tt.packed {
				t.Fatalf("compressed is %q, want %q", got, tt.packed)
			}
			if tt.packed == "gzip" {
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
			if tt.packed != "deflate" && body != tt.body || resp.Header.Get("Etag") != `"1"` {
				t.Errorf("got %d bytes, ETag %s", len(body), resp.Header.Get("Etag"))
			}
		})
	}
}

// TestUnpacking: functions get what a caller packed as it was before, with the header that says otherwise.
func TestUnpacking(t *testing.T) {
	pack := func(open func(io.Writer) io.WriteCloser, s string) string {
		var b bytes.Buffer
		w := open(&b)
		io.WriteString(w, s)
		w.Close()
		return b.String()
	}
	gzipped := func(s string) string { return pack(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, s) }
	tests := map[string]struct {
		coding, body, want string // "" for a 413
	}{
		"gzip":                  {"gzip", gzipped("hello"), "hello"},
		"in capitals":           {"GZIP", gzipped("hello"), "hello"},
		"deflate":               {"deflate", pack(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }, "hello"), "hello"},
		"twice":                 {"gzip", gzipped(gzipped("hello")), gzipped("hello")},
		"not said":              {"", gzipped("hello"), gzipped("hello")},
		"another":               {"br", "hello", "hello"},
		"not what it says":      {"gzip", "hello", "hello"},
		"cut":                   {"gzip", gzipped("hello")[:20], gzipped("hello")[:20]},
		"a small one of 10 MiB": {"gzip", gzipped(strings.Repeat("a", maxBody+1)), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, func(o *Options) { o.Template.API.BinaryMediaTypes = []string{"*/*"} })
			resp, _ := s.do(t, "POST", "/v1/things", tt.body, "Content-Encoding", tt.coding)
			if tt.want == "" {
				if resp.StatusCode != 413 {
					t.Errorf("got %d", resp.StatusCode)
				}
				return
			}
			var e struct {
				Headers map[string]string
				Body    string
			}
			if err := json.Unmarshal([]byte(s.events[things]), &e); err != nil {
				t.Fatal(err)
			}
			if got, err := base64.StdEncoding.DecodeString(e.Body); err != nil || string(got) != tt.want || e.Headers["Content-Encoding"] != tt.coding {
				t.Errorf("got %q as %q, %v", got, e.Headers["Content-Encoding"], err)
			}
		})
	}
}

func TestNoCompression(t *testing.T) {
	s := newStand(t, nil) // whose template does not ask for it
	s.answers[things] = fmt.Sprintf(`{"statusCode":200,"body":%q}`, strings.Repeat("a", 100_000))
	if resp, _ := s.do(t, "GET", "/v1/things", "", "Accept-Encoding", "gzip"); resp.Header.Get("Content-Encoding") != "" {
		t.Errorf("got %s", resp.Header.Get("Content-Encoding"))
	}
	s = newStand(t, func(o *Options) { o.Template.API.MinCompress = 0 })
	s.answers[things] = `{"statusCode":200,"headers":{"Content-Encoding":"br"},"body":"whatever"}`
	if resp, body := s.do(t, "GET", "/v1/things", "", "Accept-Encoding", "gzip"); resp.Header.Get("Content-Encoding") != "br" || body != "whatever" {
		t.Errorf("got %s %q", resp.Header.Get("Content-Encoding"), body)
	}
}

func TestNoBody(t *testing.T) {
	s := newStand(t, nil)
	s.answers[things] = `{"statusCode":304,"headers":{"ETag":"\"1\""},"body":""}`
	if resp, body := s.do(t, "GET", "/v1/things", ""); resp.StatusCode != 304 || body != "" || resp.Header.Get("Etag") != `"1"` {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
	s.answers[things] = `{"statusCode":200,"body":"long"}`
	if resp, body := s.do(t, "HEAD", "/v1/things", ""); resp.StatusCode != 200 || body != "" || resp.ContentLength != 4 {
		t.Errorf("HEAD got %d %q, length %d", resp.StatusCode, body, resp.ContentLength)
	}
}

func TestHeadersOver10KB(t *testing.T) {
	s := newStand(t, nil)
	if resp, _ := s.do(t, "GET", "/v1/things", "", "X-Long", strings.Repeat("x", 9000)); resp.StatusCode != 200 {
		t.Errorf("9 KB of headers: got %d", resp.StatusCode)
	}
	if resp, _ := s.do(t, "GET", "/v1/things", "", "X-Long", strings.Repeat("x", 10240)); resp.StatusCode != 431 {
		t.Errorf("over 10 KB of headers: got %d, want 431", resp.StatusCode)
	}
}

func TestUsedPort(t *testing.T) {
	first, err := Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, l := range first {
			_ = l.Close()
		}
	}()
	port := first[0].Addr().(*net.TCPAddr).Port
	if _, err := Listen(port); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("port %d is in use", port)) {
		t.Errorf("got %v", err)
	}
	for _, l := range first {
		if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
			t.Errorf("it listens on %s", ip)
		}
	}
}
