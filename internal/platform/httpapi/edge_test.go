package httpapi_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

const originSecret = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL"

var theEdge, _ = httpapi.ParseEdge(originSecret)

// through is an event that came by the distribution.
func through(e events.APIGatewayProxyRequest, viewer string) events.APIGatewayProxyRequest {
	h := map[string][]string{"x-pagefree-origin": {originSecret}, "x-pagefree-viewer": {viewer}}
	for name, values := range e.MultiValueHeaders {
		h[name] = values
	}
	e.MultiValueHeaders = h
	return e
}

func TestParseEdge(t *testing.T) {
	for name, secret := range map[string]string{"none": "", "a short one": originSecret[:31]} {
		if _, err := httpapi.ParseEdge(secret); err == nil {
			t.Errorf("%s was taken", name)
		} else if secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v shows it", name, err)
		}
	}
	if _, err := httpapi.ParseEdge(originSecret); err != nil {
		t.Error(err)
	}
}

// TestPagesComeByTheEdge: whatever is not the API is refused to whoever went around the distribution.
func TestPagesComeByTheEdge(t *testing.T) {
	right, wrong := []string{originSecret}, []string{originSecret[:47] + "x"}
	tests := map[string]struct {
		path   string
		secret []string
		edge   httpapi.Edge
		want   int
	}{
		"a page by the edge":                       {"/signin", right, theEdge, 200},
		"a page without the secret":                {"/signin", nil, theEdge, 403},
		"a page with an empty one":                 {"/signin", []string{""}, theEdge, 403},
		"a page with another one":                  {"/signin", wrong, theEdge, 403},
		"a page with the right one and another":    {"/signin", []string{originSecret, wrong[0]}, theEdge, 403},
		"a page of a function that knows none":     {"/signin", right, httpapi.Edge{}, 403},
		"nor an empty one":                         {"/signin", []string{""}, httpapi.Edge{}, 403},
		"a page to come":                           {"/console/anything", nil, theEdge, 403},
		"the root":                                 {"/", nil, theEdge, 403},
		"no path":                                  {"", nil, theEdge, 403},
		"what is called like the API":              {"/v1", nil, theEdge, 403},
		"and begins like it":                       {"/v1signin", nil, theEdge, 403},
		"in another case":                          {"/V1/me", nil, theEdge, 403},
		"with a slash that is none":                {"/v1%2fme", nil, theEdge, 403},
		"with a host before it":                    {"//v1/me", nil, theEdge, 403},
		"the API":                                  {"/v1/things/1", nil, theEdge, 200},
		"the API by the edge":                      {"/v1/things/1", right, theEdge, 200},
		"the API with another secret":              {"/v1/things/1", wrong, theEdge, 200},
		"the API of a function that knows none":    {"/v1/things/1", nil, httpapi.Edge{}, 200},
		"the sign of life":                         {"/healthz", nil, theEdge, 200},
		"the document":                             {"/openapi.json", nil, theEdge, 200},
		"with a slash at its end":                  {"/openapi.json/", nil, theEdge, 200},
		"with two":                                 {"/healthz//", nil, theEdge, 403},
		"what lies below it":                       {"/openapi.json/x", nil, theEdge, 403},
		"the assets of pages come by the edge too": {"/status/assets/page.css", nil, theEdge, 403},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := event("GET", tt.path)
			e.MultiValueHeaders = map[string][]string{"X-PageFree-Origin": tt.secret}
			reached := false
			answer, err := httpapi.Lambda(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reached = true; w.WriteHeader(200) }), tt.edge)(t.Context(), e)
			if err != nil || answer.StatusCode != tt.want || reached != (tt.want == 200) {
				t.Fatalf("got %d (reached: %v), %v, want %d", answer.StatusCode, reached, err, tt.want)
			}
			if tt.want == 200 {
				return
			}
			var body problem.Body
			if err := json.Unmarshal([]byte(answer.Body), &body); err != nil || body.Code != problem.Forbidden || !strings.Contains(body.Detail, "public address") {
				t.Errorf("got %s", answer.Body)
			}
			stamped(t, answer)
		})
	}
}

// TestTheViewersAddress is the edge's word with the secret, and API Gateway's without.
func TestTheViewersAddress(t *testing.T) {
	const gateway = "192.0.2.1"
	tests := map[string]struct {
		header map[string][]string
		want   string
	}{
		"by the edge":            {map[string][]string{"x-pagefree-origin": {originSecret}, "x-pagefree-viewer": {"203.0.113.9"}}, "203.0.113.9"},
		"an IPv6 viewer":         {map[string][]string{"x-pagefree-origin": {originSecret}, "x-pagefree-viewer": {"2001:DB8:0::9"}}, "2001:db8::9"},
		"an IPv4 one within":     {map[string][]string{"x-pagefree-origin": {originSecret}, "x-pagefree-viewer": {"::ffff:203.0.113.9"}}, "203.0.113.9"},
		"names in another case":  {map[string][]string{"X-PAGEFREE-ORIGIN": {originSecret}, "X-PageFree-Viewer": {"203.0.113.9"}}, "203.0.113.9"},
		"without the secret":     {map[string][]string{"x-pagefree-viewer": {"203.0.113.9"}}, gateway},
		"with another secret":    {map[string][]string{"x-pagefree-origin": {"x" + originSecret[1:]}, "x-pagefree-viewer": {"203.0.113.9"}}, gateway},
		"with two secrets":       {map[string][]string{"x-pagefree-origin": {originSecret, originSecret}, "x-pagefree-viewer": {"203.0.113.9"}}, gateway},
		"in two spellings":       {map[string][]string{"x-pagefree-origin": {originSecret}, "X-Pagefree-Viewer": {"203.0.113.9"}, "x-pagefree-viewer": {"203.0.113.8"}}, gateway},
		"two viewers":            {map[string][]string{"x-pagefree-origin": {originSecret}, "x-pagefree-viewer": {"203.0.113.9", "203.0.113.8"}}, gateway},
		"joined":                 {map[string][]string{"x-pagefree-origin": {originSecret}, "x-pagefree-viewer": {"203.0.113.9, 203.0.113.8"}}, gateway},
		"no viewer":              {map[string][]string{"x-pagefree-origin": {originSecret}}, gateway},
		"no address":             {map[string][]string{"x-pagefree-origin": {originSecret}, "x-pagefree-viewer": {"localhost"}}, gateway},
		"with a zone":            {map[string][]string{"x-pagefree-origin": {originSecret}, "x-pagefree-viewer": {"fe80::1%eth0"}}, gateway},
		"a forwarded one is not": {map[string][]string{"x-pagefree-origin": {originSecret}, "X-Forwarded-For": {"203.0.113.9"}}, gateway},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := event("GET", "/v1/x")
			e.MultiValueHeaders = tt.header
			var got principal.Origin
			if _, err := httpapi.Lambda(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = principal.OriginOf(r.Context())
				w.WriteHeader(204)
			}), theEdge)(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			if got.IP != tt.want || got.UserAgent != "curl" || got.RequestID != "rid" {
				t.Errorf("got %+v, want %s", got, tt.want)
			}
		})
	}
}

// TestNobodySeesTheSecret: no handler gets the edge's headers, so that none can log or show them, and no log line has them.
func TestNobodySeesTheSecret(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	defer slog.SetDefault(before)
	for _, path := range []string{"/signin", "/v1/x", "/v1/%zz"} {
		e := through(event("GET", path), "203.0.113.9")
		e.Headers = map[string]string{"X-Pagefree-Origin": originSecret, "X-Pagefree-Viewer": "203.0.113.9", "Accept": "*/*"}
		answer, err := httpapi.Lambda(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			slog.Info("all that a handler gets", "request", r.Header)
			_ = json.NewEncoder(w).Encode(r.Header)
		}), theEdge)(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		if shown := answer.Body + log.String(); strings.Contains(shown, originSecret) || strings.Contains(strings.ToLower(shown), "x-pagefree-") {
			t.Errorf("%s: %s", path, shown)
		}
	}
}
