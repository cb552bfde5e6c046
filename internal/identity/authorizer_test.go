package identity_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	front "pagefree/infra/local/aws"
	"pagefree/internal/identity"
	"pagefree/internal/platform/principal"
)

// finding is what the authorizer's answer comes to.
func finding(t *testing.T, v events.APIGatewayCustomAuthorizerResponse) string {
	t.Helper()
	s := v.PolicyDocument.Statement
	if len(s) != 1 || len(s[0].Resource) != 1 || s[0].Resource[0] != "arn:aws:execute-api:us-east-1:000000000000:abc/prod/*" || s[0].Action[0] != "execute-api:Invoke" {
		t.Fatalf("policy: got %+v", s)
	}
	for name, value := range v.Context {
		if _, ok := value.(string); !ok {
			t.Errorf("%s is %T: API Gateway takes strings", name, value)
		}
	}
	if s[0].Effect == "Deny" {
		if v.Context["detail"] == "" {
			t.Error("a Deny without detail")
		}
		return "deny " + v.Context["code"].(string)
	}
	code, refused := v.Context["problem"].(string)
	plan := "plan"
	if refused && code != "unavailable" { // anyone can send it, and must not use up the callers' share
		plan = "nobody"
	}
	if v.UsageIdentifierKey != plan {
		t.Errorf("usage key: got %q, want %q", v.UsageIdentifierKey, plan)
	}
	if refused {
		if _, too := v.Context["principal"]; too {
			t.Error("a problem passes with a principal")
		}
		return "pass " + code
	}
	var p principal.Principal
	if err := json.Unmarshal([]byte(v.Context["principal"].(string)), &p); err != nil || p.ID == "" || p.ID != v.PrincipalID {
		t.Fatalf("an Allow without a principal: %v, %v", v.Context, err)
	}
	return "pass as " + string(p.Kind)
}

func TestAuthorizer(t *testing.T) {
	w := newWorld(t)
	session := w.signIn(adminEmail)
	team := w.team(session, "Core")
	_, key := w.key(session, team, "OBSERVER")
	unknown := "pfs_" + strings.Repeat("A", 43)
	partner := "pfp_" + strings.Repeat("A", 43)
	const cookie = "__Host-pf_session="
	ours, theirs := "https://"+host, "https://evil.example"

	tests := map[string]struct {
		method string
		header http.Header
		want   string
	}{
		"nothing":                      {want: "deny unauthenticated"},
		"a bearer session":             {header: http.Header{"Authorization": {"Bearer " + session}}, want: "pass as user"},
		"in any case":                  {header: http.Header{"authorization": {"bearer  " + session}}, want: "pass as user"},
		"a bearer key":                 {header: http.Header{"Authorization": {"Bearer " + key}}, want: "pass as apikey"},
		"X-API-Key":                    {header: http.Header{"X-API-Key": {key}}, want: "pass as apikey"},
		"a cookie":                     {header: http.Header{"Cookie": {"a=b; " + cookie + session}}, want: "pass as user"},
		"an unknown session":           {header: http.Header{"Authorization": {"Bearer " + unknown}}, want: "deny unauthenticated"},
		"a partner's token":            {header: http.Header{"Authorization": {"Bearer " + partner}}, want: "deny unauthenticated"},
		"a session as a key":           {header: http.Header{"X-Api-Key": {session}}, want: "deny unauthenticated"},
		"a key in the cookie":          {header: http.Header{"Cookie": {cookie + key}}, want: "deny unauthenticated"},
		"another cookie":               {header: http.Header{"Cookie": {"pf_session=" + session}}, want: "deny unauthenticated"},
		"in the query's place":         {header: http.Header{"X-Token": {session}}, want: "deny unauthenticated"},
		"a password":                   {header: http.Header{"Authorization": {"Basic YTpi"}}, want: "deny unauthenticated"},
		"no scheme":                    {header: http.Header{"Authorization": {session}}, want: "deny unauthenticated"},
		"an empty bearer":              {header: http.Header{"Authorization": {"Bearer "}}, want: "deny unauthenticated"},
		"a principal in a header":      {header: http.Header{"Principal": {`{"k":"user","id":"usr_1","a":true}`}}, want: "deny unauthenticated"},
		"the same twice":               {header: http.Header{"Authorization": {"Bearer " + session}, "Cookie": {cookie + session}}, want: "pass as user"},
		"two sessions":                 {header: http.Header{"Authorization": {"Bearer " + session}, "Cookie": {cookie + unknown}}, want: "pass ambiguous_credentials"},
		"a session and a key":          {header: http.Header{"Authorization": {"Bearer " + session}, "X-Api-Key": {key}}, want: "pass ambiguous_credentials"},
		"two keys":                     {header: http.Header{"X-Api-Key": {key, key + "x"}}, want: "pass ambiguous_credentials"},
		"two authorizations":           {header: http.Header{"Authorization": {"Bearer " + session, "Bearer " + key}}, want: "pass ambiguous_credentials"},
		"two cookies":                  {header: http.Header{"Cookie": {cookie + session + "; " + cookie + unknown}}, want: "pass ambiguous_credentials"},
		"nothing beside a key":         {header: http.Header{"Authorization": {" "}, "Cookie": {cookie}, "X-Api-Key": {key}}, want: "pass as apikey"},
		"a password beside a cookie":   {header: http.Header{"Authorization": {"Basic YTpi"}, "Cookie": {cookie + session}}, want: "pass ambiguous_credentials"},
		"a cookie from our page":       {method: "POST", header: http.Header{"Cookie": {cookie + session}, "Origin": {ours}}, want: "pass as user"},
		"a cookie from their page":     {method: "POST", header: http.Header{"Cookie": {cookie + session}, "Origin": {theirs}}, want: "pass cross_origin"},
		"read from their page":         {method: "GET", header: http.Header{"Cookie": {cookie + session}, "Origin": {theirs}}, want: "pass as user"},
		"looked at from their page":    {method: "HEAD", header: http.Header{"Cookie": {cookie + session}, "Origin": {theirs}}, want: "pass cross_origin"},
		"from a page without a name":   {method: "PATCH", header: http.Header{"Cookie": {cookie + session}, "Origin": {"null"}}, want: "pass cross_origin"},
		"the browser says so":          {method: "DELETE", header: http.Header{"Cookie": {cookie + session}, "Sec-Fetch-Site": {"cross-site"}}, want: "pass cross_origin"},
		"of a neighbour":               {method: "PUT", header: http.Header{"Cookie": {cookie + session}, "Sec-Fetch-Site": {"same-site"}}, want: "pass cross_origin"},
		"our page, by another name":    {method: "POST", header: http.Header{"Cookie": {cookie + session}, "Origin": {"http://localhost:8080"}, "Sec-Fetch-Site": {"same-origin"}}, want: "pass as user"},
		"no page at all":               {method: "POST", header: http.Header{"Cookie": {cookie + session}}, want: "pass as user"},
		"a bearer from their page":     {method: "POST", header: http.Header{"Authorization": {"Bearer " + session}, "Origin": {theirs}}, want: "pass as user"},
		"an unknown one, cross-origin": {method: "POST", header: http.Header{"Cookie": {cookie + unknown}, "Origin": {theirs}}, want: "pass cross_origin"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			if got := finding(t, w.authorize(method, tt.header)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("a key where a session belongs", func(t *testing.T) {
		for resource, want := range map[string]string{"/v1/me": "deny unauthenticated", "/v1/auth/sign-out": "deny unauthenticated", "/v1/teams": "pass as apikey"} {
			r := identity.AuthorizerRequest{MethodArn: "arn:aws:execute-api:us-east-1:000000000000:abc/prod/GET" + resource, HTTPMethod: "GET", Resource: resource, Headers: map[string]string{"X-API-Key": key}}
			v, err := w.authorizer.Handle(t.Context(), r)
			if got := finding(t, v); err != nil || got != want {
				t.Errorf("%s: got %q, %v, want %q", resource, got, err, want)
			}
		}
	})
	t.Run("single headers", func(t *testing.T) {
		r := identity.AuthorizerRequest{HTTPMethod: "GET", Headers: map[string]string{"authorization": "Bearer " + session}}
		if v, err := w.authorizer.Handle(t.Context(), r); err != nil || v.PolicyDocument.Statement[0].Effect != "Allow" {
			t.Errorf("got %v, %v", v, err)
		}
	})
	t.Run("the functions answer its problems", func(t *testing.T) {
		w := w.in(t)
		w.want(w.do(request{route: "GET /v1/me", as: session, header: http.Header{"X-Api-Key": {key}}}), http.StatusBadRequest, "ambiguous_credentials")
		w.want(w.do(request{route: "POST /v1/teams", body: `{"name":"x"}`, header: http.Header{"Cookie": {cookie + session}, "Origin": {theirs}}}), http.StatusForbidden, "cross_origin")
	})
	t.Run("DynamoDB does not answer", func(t *testing.T) {
		w := w.in(t)
		w.env.Faults.Add(front.Fault{Function: "AuthorizerFunction", Operation: "GetItem", Do: front.Fail, Times: -1})
		defer w.env.Faults.Clear()
		a := w.want(w.do(request{route: "GET /v1/me", as: session}), http.StatusServiceUnavailable, "unavailable")
		if a.header.Get("X-Request-Id") == "" {
			t.Error("no X-Request-Id")
		}
	})
	t.Run("two reads, and one write", func(t *testing.T) {
		w := w.in(t)
		for _, secret := range []string{session, key} {
			w.clock.pass(time.Minute) // what was leased before has ended
			w.env.Counts.Reset()
			w.authorize("GET", http.Header{"Authorization": {"Bearer " + secret}})
			for operation, want := range map[string]int{"": 3, "GetItem": 2, "UpdateItem": 1} {
				if got := w.env.Counts.Number(front.Call{Function: "AuthorizerFunction", Operation: operation}); got != want {
					t.Errorf("%q: got %d calls, want %d", operation, got, want)
				}
			}
		}
	})
}

func TestSessionsEnd(t *testing.T) {
	w := newWorld(t)
	alive := func(w *world, session string) bool {
		return w.do(request{route: "GET /v1/me", as: session}).status == http.StatusOK
	}
	t.Run("idle", func(t *testing.T) {
		w := w.in(t)
		session := w.signIn(adminEmail)
		w.clock.pass(idle - time.Millisecond)
		if !alive(w, session) {
			t.Fatal("ended before its idle time")
		}
		w.clock.pass(idle - time.Millisecond)
		if !alive(w, session) {
			t.Fatal("the use before did not count")
		}
		w.clock.pass(idle)
		if alive(w, session) {
			t.Error("lived longer than its idle time")
		}
	})
	t.Run("absolutely", func(t *testing.T) {
		w := w.in(t)
		session := w.signIn(adminEmail)
		for left := lifetime - time.Millisecond; left > 0; left -= time.Hour {
			w.clock.pass(min(left, time.Hour))
			if !alive(w, session) {
				t.Fatalf("ended %v before its end", left)
			}
		}
		w.clock.pass(time.Millisecond)
		if alive(w, session) {
			t.Error("lived longer than its lifetime")
		}
	})
	t.Run("last use is written seldom", func(t *testing.T) {
		w := w.in(t)
		counting := w.authorizer.Tiers
		w.authorizer.Tiers = identity.Tiers{} // which writes too
		defer func() { w.authorizer.Tiers = counting }()
		session := w.signIn(adminEmail)
		written := front.Call{Function: "AuthorizerFunction", Operation: "UpdateItem"}
		w.env.Counts.Reset()
		w.clock.pass(idle/10 - time.Millisecond)
		alive(w, session)
		if got := w.env.Counts.Number(written); got != 0 {
			t.Errorf("got %d writes before a tenth of the idle time, want none", got)
		}
		w.clock.pass(time.Millisecond)
		for range 3 {
			alive(w, session)
		}
		if got := w.env.Counts.Number(written); got != 1 {
			t.Errorf("got %d writes after it, want 1", got)
		}
	})
	t.Run("a write that fails costs nobody the session", func(t *testing.T) {
		w := w.in(t)
		session := w.signIn(adminEmail)
		w.env.Faults.Add(front.Fault{Function: "AuthorizerFunction", Operation: "UpdateItem", Do: front.Fail, Times: -1})
		defer w.env.Faults.Clear()
		w.clock.pass(idle / 2)
		if !alive(w, session) {
			t.Error("the session ended")
		}
	})
	t.Run("a sign-out is not undone by a request beside it", func(t *testing.T) {
		w := w.in(t)
		for range 5 {
			session := w.signIn(adminEmail)
			w.clock.pass(idle / 2)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() { alive(w, session) })
			}
			wg.Go(func() { w.do(request{route: "POST /v1/auth/sign-out", as: session}) })
			wg.Wait()
			if alive(w, session) {
				t.Fatal("the session is still there")
			}
		}
	})
	t.Run("roles are those of now", func(t *testing.T) {
		w := w.in(t)
		admin := w.signIn(adminEmail)
		id, session := w.hire(admin, "ann", "", "")
		w.want(w.do(request{route: "GET /v1/users", as: session}), http.StatusForbidden, "forbidden")
		w.want(w.do(request{route: "PATCH /v1/users/" + id, as: admin, body: `{"platformAdmin":true}`}), http.StatusOK, "")
		w.want(w.do(request{route: "GET /v1/users", as: session}), http.StatusOK, "")
		w.want(w.do(request{route: "PATCH /v1/users/" + id, as: admin, body: `{"platformAdmin":false}`}), http.StatusOK, "")
		w.want(w.do(request{route: "GET /v1/users", as: session}), http.StatusForbidden, "forbidden")
	})
}
