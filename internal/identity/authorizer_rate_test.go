package identity_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	front "pagefree/infra/local/aws"
	"pagefree/internal/identity"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/ratelimit"
)

const originSecret = "0123456789abcdef0123456789abcdef"

// narrowed is a world whose authorizer admits three of a caller and five of an address, at first.
func narrowed(t *testing.T) *world {
	w := newWorld(t)
	edge, err := httpapi.ParseEdge(originSecret)
	if err != nil {
		t.Fatal(err)
	}
	w.authorizer.Edge = edge
	leases := &ratelimit.Leases{
		Table: dynamo.Table{Name: w.env.Table("EphemeralTable"), DB: dynamodb.NewFromConfig(w.env.ConfigOf("AuthorizerFunction"))},
		Now:   w.clock.now, Within: 10 * time.Second,
	}
	few := ratelimit.Limits{Caller: ratelimit.Limit{Burst: 3, Period: time.Hour}, Source: ratelimit.Limit{Burst: 5, Period: time.Hour}}
	w.authorizer.Tiers = identity.Tiers{Staff: few.Open("api", leases, nil), Partner: few.Open("partner", leases, nil), Public: few.Open("public", leases, nil)}
	return w
}

// from is a verdict on a request from an address, as API Gateway vouches for it.
func (w *world) from(ip, secret string, more http.Header) events.APIGatewayCustomAuthorizerResponse {
	w.Helper()
	r := identity.AuthorizerRequest{
		MethodArn: "arn:aws:execute-api:us-east-1:000000000000:abc/prod/GET/v1/teams", HTTPMethod: "GET", Resource: "/v1/teams", Path: "/v1/teams",
		MultiValueHeaders: http.Header{},
	}
	r.RequestContext.Identity.SourceIP = ip
	if secret != "" {
		r.MultiValueHeaders["Authorization"] = []string{"Bearer " + secret}
	}
	for name, values := range more {
		r.MultiValueHeaders[name] = values
	}
	v, err := w.authorizer.Handle(w.Context(), r)
	if err != nil {
		w.Fatal(err)
	}
	return v
}

// limited reports whether a verdict is that of one too many, and checks that it says so alone.
func limited(t *testing.T, v events.APIGatewayCustomAuthorizerResponse) bool {
	t.Helper()
	if v.Context["rateLimit"] == nil || v.Context["rateRemaining"] == nil || v.Context["rateReset"] == nil {
		t.Errorf("it says nothing of rates: %v", v.Context)
	}
	if v.Context["rateRetry"] == nil {
		return false
	}
	if v.PolicyDocument.Statement[0].Effect != "Allow" || v.UsageIdentifierKey != "limited" || v.Context["principal"] != nil || v.Context["rateRemaining"] != "0" {
		t.Errorf("one too many is %+v", v)
	}
	return true
}

func TestTheAuthorizerCounts(t *testing.T) {
	w := narrowed(t)
	session := w.signIn(adminEmail)
	// times is how many of requests in a row are admitted.
	times := func(t *testing.T, n int, send func(n int) events.APIGatewayCustomAuthorizerResponse) int {
		admitted := 0
		for i := range n {
			if !limited(t, send(i)) {
				admitted++
			}
		}
		return admitted
	}
	unknown := "pfs_" + strings.Repeat("A", 43)
	by := func(viewer string) http.Header {
		return http.Header{"X-Pagefree-Origin": {originSecret}, "X-Pagefree-Viewer": {viewer}}
	}
	tests := []struct {
		name string
		send func(n int) events.APIGatewayCustomAuthorizerResponse
		want int // of ten
	}{
		{"a user, wherever they are", func(n int) events.APIGatewayCustomAuthorizerResponse {
			return w.from(fmt.Sprintf("192.0.2.%d", n), session, nil)
		}, 3},
		{"nobody at one address", func(int) events.APIGatewayCustomAuthorizerResponse { return w.from("198.51.100.1", "", nil) }, 5},
		{"a credential that is none, at another", func(int) events.APIGatewayCustomAuthorizerResponse { return w.from("198.51.100.2", unknown, nil) }, 5},
		{"two credentials", func(int) events.APIGatewayCustomAuthorizerResponse {
			return w.from("198.51.100.3", unknown, http.Header{"X-Api-Key": {"pfk_" + strings.Repeat("A", 43)}})
		}, 5},
		{"whoever says that they come from elsewhere", func(n int) events.APIGatewayCustomAuthorizerResponse {
			return w.from("198.51.100.4", "", http.Header{"X-Forwarded-For": {fmt.Sprintf("203.0.113.%d", n)}, "X-Pagefree-Viewer": {fmt.Sprintf("203.0.113.%d", n)}})
		}, 5},
		{"the edge's viewers, each by itself", func(n int) events.APIGatewayCustomAuthorizerResponse {
			return w.from("198.51.100.5", "", by(fmt.Sprintf("203.0.113.%d", n)))
		}, 10},
		{"one viewer at many edges", func(n int) events.APIGatewayCustomAuthorizerResponse {
			return w.from(fmt.Sprintf("198.51.100.1%d", n), "", by("203.0.113.77"))
		}, 5},
		{"one network of IPv6", func(n int) events.APIGatewayCustomAuthorizerResponse {
			return w.from("198.51.100.5", "", by(fmt.Sprintf("2001:db8:0:1:%x::%x", n, n)))
		}, 5},
		{"its neighbours", func(n int) events.APIGatewayCustomAuthorizerResponse {
			return w.from("198.51.100.5", "", by(fmt.Sprintf("2001:db8:1:%x::1", n)))
		}, 10},
		{"IPv4 as IPv6 writes it", func(n int) events.APIGatewayCustomAuthorizerResponse {
			return w.from([]string{"198.51.100.6", "::ffff:198.51.100.6"}[n%2], "", nil)
		}, 5},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := times(t, 10, test.send); got != test.want {
				t.Errorf("got %d of 10 admitted, want %d", got, test.want)
			}
		})
	}
	t.Run("sources of one IPv6 network of 48 bits", func(t *testing.T) {
		if got := times(t, 60, func(n int) events.APIGatewayCustomAuthorizerResponse {
			return w.from("198.51.100.5", "", by(fmt.Sprintf("2001:db8:2:%x::1", n)))
		}); got != 20 {
			t.Errorf("got %d of 60 admitted, want four sources' 20", got)
		}
	})
	t.Run("the function answers", func(t *testing.T) {
		w := w.in(t)
		a := w.want(w.do(request{route: "GET /v1/me", as: session}), http.StatusTooManyRequests, "rate_limited")
		if a.header.Get("Retry-After") == "" || a.header.Get("X-RateLimit-Limit") != "3" || a.header.Get("X-RateLimit-Remaining") != "0" {
			t.Errorf("got %v", a.header)
		}
	})
	t.Run("open while DynamoDB does not take counts", func(t *testing.T) {
		w := w.in(t)
		w.clock.pass(time.Hour)
		for _, operation := range []string{"UpdateItem", "TransactWriteItems"} { // the latter of a caller and an address at once
			w.env.Faults.Add(front.Fault{Function: "AuthorizerFunction", Operation: operation, Do: front.Fail, Times: -1})
		}
		defer w.env.Faults.Clear()
		if got := times(t, 10, func(int) events.APIGatewayCustomAuthorizerResponse { return w.from("192.0.2.1", session, nil) }); got != 10 {
			t.Errorf("got %d of 10", got)
		}
		if a := w.want(w.do(request{route: "GET /v1/me", as: session}), http.StatusOK, ""); a.header.Get("X-RateLimit-Limit") != "3" {
			t.Errorf("got %v", a.header)
		}
	})
}
