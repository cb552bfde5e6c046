package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/awstest"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/ratelimit"
)

// given is the context of an authorizer that counted, as API Gateway hands it on: as strings.
func given(t *testing.T, r ratelimit.Result, more map[string]any) map[string]any {
	t.Helper()
	for name, value := range httpapi.ContextOf(r) {
		text, ok := value.(string)
		if !ok || text == "" {
			t.Errorf("%s is %v", name, value)
		}
		more[name] = value
	}
	return more
}

func TestWhatTheAuthorizerCounted(t *testing.T) {
	some := ratelimit.Result{Allowed: true, Limit: 10, Remaining: 7, Reset: 1500 * time.Millisecond}
	none := ratelimit.Result{Limit: 10, Reset: 2 * time.Second, Retry: time.Second}
	principal := map[string]any{"principal": `{"k":"user","id":"usr_1"}`}
	tests := map[string]struct {
		given     map[string]any
		handler   http.HandlerFunc
		status    int
		want      map[string]string
		reachesIt bool
	}{
		"admitted": {given: given(t, some, principal), status: 200, reachesIt: true,
			want: map[string]string{"X-Ratelimit-Limit": "10", "X-Ratelimit-Remaining": "7", "X-Ratelimit-Reset": "2", "Retry-After": ""}},
		"refused": {given: given(t, none, map[string]any{}), status: 429,
			want: map[string]string{"X-Ratelimit-Limit": "10", "X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "2", "Retry-After": "1"}},
		"a problem beside it": {given: given(t, some, map[string]any{"problem": "cross_origin"}), status: 403,
			want: map[string]string{"X-Ratelimit-Limit": "10", "X-Ratelimit-Remaining": "7"}},
		"nothing":           {given: map[string]any{}, status: 200, reachesIt: true, want: map[string]string{"X-Ratelimit-Limit": ""}},
		"what is no number": {given: map[string]any{"rateLimit": "x", "rateRemaining": "1", "rateReset": "1"}, status: 200, reachesIt: true, want: map[string]string{"X-Ratelimit-Limit": ""}},
		"a room that counts more closely": {given: given(t, some, map[string]any{}), status: 200, reachesIt: true,
			handler: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-RateLimit-Limit", "3") },
			want:    map[string]string{"X-Ratelimit-Limit": "3", "X-Ratelimit-Remaining": ""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			reached := false
			e := event("GET", "/v1/things/1")
			e.RequestContext.Authorizer = tt.given
			answer, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				reached = true
				if tt.handler != nil {
					tt.handler(w, r)
				}
				w.WriteHeader(http.StatusOK)
			}, e)
			if answer.StatusCode != tt.status || reached != tt.reachesIt {
				t.Errorf("got %d, reached %v", answer.StatusCode, reached)
			}
			for header, want := range tt.want {
				if got := http.Header(answer.MultiValueHeaders).Get(header); got != want {
					t.Errorf("%s: got %q, want %q", header, got, want)
				}
			}
		})
	}
}

// TestWhatAFunctionCounts: where no authorizer did.
func TestWhatAFunctionCounts(t *testing.T) {
	tests := map[string]struct {
		result ratelimit.Result
		err    error
		status int
	}{
		"admitted":             {result: ratelimit.Result{Allowed: true, Limit: 4, Remaining: 3}, status: 200},
		"refused":              {result: ratelimit.Result{Limit: 4, Retry: time.Second}, status: 429},
		"not to be counted":    {err: errors.New("no table"), status: 503},
		"refused in its words": {err: problem.Denied("no"), status: 403},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			count := func(context.Context, *http.Request) (ratelimit.Result, error) { return tt.result, tt.err }
			answer, err := httpapi.Lambda(http.HandlerFunc(echo), theEdge, count)(t.Context(), event("GET", "/v1/things/1"))
			if err != nil || answer.StatusCode != tt.status {
				t.Fatalf("got %d, %v", answer.StatusCode, err)
			}
			if got, want := http.Header(answer.MultiValueHeaders).Get("X-RateLimit-Limit"), map[bool]string{true: "4"}[tt.err == nil]; got != want {
				t.Errorf("X-RateLimit-Limit is %q", got)
			}
			e := event("GET", "/v1/things/1") // which an authorizer counted
			e.RequestContext.Authorizer = given(t, ratelimit.Result{Allowed: true, Limit: 9, Remaining: 8}, map[string]any{})
			if answer, err := httpapi.Lambda(http.HandlerFunc(echo), theEdge, count)(t.Context(), e); err != nil || answer.StatusCode != 200 {
				t.Errorf("counted twice: got %d, %v", answer.StatusCode, err)
			}
		})
	}
}

// TestCountLate: who is known is counted as such, and does not pay for those who are not.
func TestCountLate(t *testing.T) {
	t.Parallel()
	env := awstest.New(t)
	leases := ratelimit.NewLeases(dynamo.Table{Name: env.Table("EphemeralTable"), DB: dynamodb.NewFromConfig(env.Config)}, time.Minute)
	hour := func(n int) ratelimit.Limit { return ratelimit.Limit{Burst: n, Period: time.Hour} }
	known := ratelimit.Limits{Caller: hour(2), Source: hour(100)}.Open("known", leases, nil)
	unknown := ratelimit.Limits{Source: hour(3)}.Open("unknown", leases, nil)
	h := httpapi.CountLate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/things/known":
			if err := httpapi.Counted(r.Context(), known.Admit(r.Context(), "me", "192.0.2.1")); err != nil {
				problem.Write(w, r, err, "rid")
			}
		case "/v1/things/down":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(http.StatusUnauthorized)
		}
	}), unknown)
	for n, step := range []struct {
		path, limit, remaining string
		status                 int
	}{
		{"nobody", "3", "2", 401}, {"nobody", "3", "1", 401}, {"nobody", "3", "0", 401}, {"nobody", "3", "0", 429},
		{"known", "2", "1", 200}, {"known", "2", "0", 200}, {"known", "2", "0", 429},
		{"down", "3", "0", 503}, {"nobody", "3", "0", 429},
	} {
		answer, err := httpapi.Lambda(h, theEdge)(t.Context(), event("GET", "/v1/things/"+step.path))
		if err != nil {
			t.Fatal(err)
		}
		got := http.Header(answer.MultiValueHeaders)
		if answer.StatusCode != step.status || got.Get("X-RateLimit-Limit") != step.limit || got.Get("X-RateLimit-Remaining") != step.remaining {
			t.Errorf("number %d, %s: got %d %v, want %+v", n, step.path, answer.StatusCode, got, step)
		}
		if step.status == http.StatusTooManyRequests {
			var body problem.Body
			if json.Unmarshal([]byte(answer.Body), &body) != nil || body.Code != problem.RateLimited || got.Get("Retry-After") == "" || got.Get("WWW-Authenticate") != "" || step.path == "nobody" && got.Get("X-Request-Id") == "" {
				t.Errorf("number %d: got %v %s", n, got, answer.Body)
			}
		}
	}
}
