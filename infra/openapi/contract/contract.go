// Package contract holds a room's answers against its part of the OpenAPI
// document: a status, header or member that is not described fails the test.
package contract

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"pagefree/internal/platform/httpapi"
)

// Lines of JSON are described as a text.
func init() {
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.RegisteredBodyDecoder("text/plain"))
}

// Contract is the document of one API.
type Contract struct{ router routers.Router }

// Of reads the document of api, with all that was registered so far.
func Of(t testing.TB, api *httpapi.API) *Contract {
	t.Helper()
	raw, err := json.Marshal(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return &Contract{router: router}
}

// Check fails t when the answer to a request is not as the document says.
// Paths and methods that it does not know are none of its business.
func (c *Contract) Check(t testing.TB, r *http.Request, rec *httptest.ResponseRecorder) {
	t.Helper()
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		return
	}
	answer := rec.Result()
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 answer.StatusCode, Header: answer.Header, Body: io.NopCloser(answer.Body),
		Options: &openapi3filter.Options{IncludeResponseStatus: answer.StatusCode != http.StatusNotModified},
	}
	if err := openapi3filter.ValidateResponse(r.Context(), input); err != nil {
		t.Errorf("%s %s answered %d, not as the document says: %v", r.Method, r.URL.Path, answer.StatusCode, err)
	}
}
