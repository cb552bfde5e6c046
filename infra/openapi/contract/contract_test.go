package contract_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"

	"pagefree/infra/openapi/contract"
	"pagefree/internal/platform/httpapi"
)

type body struct {
	Name string `json:"name" maxLength:"3"`
	When *int   `json:"when"`
}

// witness notes what a check says.
type witness struct {
	testing.TB
	said string
}

func (w *witness) Errorf(format string, args ...any) { w.said += fmt.Sprintf(format, args...) }

func TestCheck(t *testing.T) {
	api := httpapi.New()
	httpapi.Register(api, httpapi.Op("GET /v1/things/{id}", "Read"), func(context.Context, *struct {
		ID string `path:"id"`
	}) (*struct{ Body body }, error) {
		return nil, nil
	})
	c := contract.Of(t, api)
	tests := map[string]struct {
		path, answer string
		status       int
		kind         string
		fails        bool
		untagged     bool
	}{
		"as described":               {path: "/v1/things/1", answer: `{"name":"a","when":null}`, status: 200, kind: "application/json", fails: false},
		"a member that is too long":  {path: "/v1/things/1", answer: `{"name":"abcd","when":1}`, status: 200, kind: "application/json", fails: true},
		"a missing member":           {path: "/v1/things/1", answer: `{"name":"a"}`, status: 200, kind: "application/json", fails: true},
		"a member too many":          {path: "/v1/things/1", answer: `{"name":"a","when":1,"rev":3}`, status: 200, kind: "application/json", fails: true},
		"null where none may be":     {path: "/v1/things/1", answer: `{"name":null,"when":1}`, status: 200, kind: "application/json", fails: true},
		"another media type":         {path: "/v1/things/1", answer: `x`, status: 200, kind: "text/plain", fails: true},
		"a problem":                  {path: "/v1/things/1", answer: `{"type":"about:blank","title":"","status":404,"detail":"","code":"not_found","instance":""}`, status: 404, kind: "application/problem+json", fails: false},
		"a problem without its code": {path: "/v1/things/1", answer: `{"type":"about:blank","title":"","status":404,"detail":"","instance":""}`, status: 404, kind: "application/problem+json", fails: true},
		"no ETag":                    {path: "/v1/things/1", answer: `{"name":"a","when":null}`, status: 200, kind: "application/json", fails: true, untagged: true},
		"an unknown status":          {path: "/v1/things/1", answer: `{"name":"a","when":null}`, status: 202, kind: "application/json", fails: true},
		"a refusal of no such kind":  {path: "/v1/things/1", answer: `{"type":"about:blank","title":"","status":409,"detail":"","code":"conflict","instance":""}`, status: 409, kind: "application/problem+json", fails: true},
		"a path that is not ours":    {path: "/v1/other", answer: `x`, status: 200, kind: "text/plain", fails: false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			rec.Header().Set("Content-Type", test.kind)
			rec.Header().Set("X-Request-Id", "rid")
			if !test.untagged {
				rec.Header().Set("ETag", `"1"`)
			}
			rec.WriteHeader(test.status)
			rec.WriteString(test.answer)
			w := &witness{TB: t}
			c.Check(w, httptest.NewRequestWithContext(t.Context(), "GET", test.path, nil), rec)
			if (w.said != "") != test.fails {
				t.Errorf("got %q, want it to fail: %v", w.said, test.fails)
			}
		})
	}
}
