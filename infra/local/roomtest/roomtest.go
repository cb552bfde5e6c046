// Package roomtest is what the tests of every room share: a clock, and calls of the room's API as somebody, each answer
// held against the OpenAPI document.
package roomtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"pagefree/infra/openapi/contract"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
)

// Clock gives each reader a later millisecond, so that order in time is certain.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock begins at a time.
func NewClock(at time.Time) *Clock { return &Clock{now: at} }

// Now is a millisecond after the last.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

// Advance lets time pass.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// RequestID is that of every call.
const RequestID = "5b2c1a52-0000-4000-8000-000000000000"

// As is the context of somebody's request, on top of ctx.
func As(ctx context.Context, p principal.Principal) context.Context {
	return principal.With(principal.WithOrigin(ctx, principal.Origin{IP: "192.0.2.7", RequestID: RequestID}), p)
}

// API is a room's API with its document.
type API struct {
	handler http.Handler
	says    *contract.Contract
}

// New serves an API that all routes are registered with.
func New(t testing.TB, api *httpapi.API) API {
	t.Helper()
	return API{handler: api.Handler(), says: contract.Of(t, api)}
}

// Answer is what came back.
type Answer struct {
	*http.Response
	Text string
	Body map[string]any // nil where there is none
}

// Str is a text member, "" where there is none.
func (a Answer) Str(member string) string { s, _ := a.Body[member].(string); return s }

// Items are those of a list.
func (a Answer) Items() []map[string]any {
	var out []map[string]any
	items, _ := a.Body["items"].([]any)
	for _, i := range items {
		out = append(out, i.(map[string]any))
	}
	return out
}

// Call sends a request in a context that As made. body is raw text, or a value that is made into JSON, or nil. An answer
// that is no JSON object, or not as the document says, fails the test.
func (api API) Call(ctx context.Context, t testing.TB, method, path string, body any, headers ...string) Answer {
	t.Helper()
	var in io.Reader
	switch v := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(v)
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	req := httptest.NewRequestWithContext(ctx, method, path, in)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	api.handler.ServeHTTP(rec, req)
	api.says.Check(t, req, rec)
	a := Answer{Response: rec.Result(), Text: rec.Body.String()}
	if a.Text != "" {
		if err := json.Unmarshal([]byte(a.Text), &a.Body); err != nil {
			t.Fatalf("%s %s answered what is no JSON: %s", method, path, a.Text)
		}
	}
	return a
}
