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
	}{
		"as described":               {"/v1/things/1", `{"name":"a","when":null}`, 200, "application/json", false},
		"a member that is too long":  {"/v1/things/1", `{"name":"abcd","when":1}`, 200, "application/json", true},
		"a missing member":           {"/v1/things/1", `{"name":"a"}`, 200, "application/json", true},
		"a member too many":          {"/v1/things/1", `{"name":"a","when":1,"rev":3}`, 200, "application/json", true},
		"null where none may be":     {"/v1/things/1", `{"name":null,"when":1}`, 200, "application/json", true},
		"another media type":         {"/v1/things/1", `x`, 200, "text/plain", true},
		"a problem":                  {"/v1/things/1", `{"type":"about:blank","title":"","status":404,"detail":"","code":"not_found","instance":""}`, 404, "application/problem+json", false},
		"a problem without its code": {"/v1/things/1", `{"type":"about:blank","title":"","status":404,"detail":"","instance":""}`, 404, "application/problem+json", true},
		"a path that is not ours":    {"/v1/other", `x`, 200, "text/plain", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			rec.Header().Set("Content-Type", test.kind)
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
