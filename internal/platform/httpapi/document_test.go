package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/httpapi"
)

// document is as much of an OpenAPI document as is looked at here.
type document struct {
	Paths map[string]map[string]struct {
		Parameters  []map[string]any
		RequestBody struct{ Content map[string]map[string]any }
		Responses   map[string]struct {
			Ref     string `json:"$ref"`
			Headers map[string]map[string]any
		}
	}
	Components struct {
		Responses, Parameters, Headers map[string]map[string]any
		Schemas                        map[string]struct{ Properties map[string]map[string]any }
	}
}

func described(t *testing.T, api *httpapi.API) (d document) {
	t.Helper()
	raw, err := json.Marshal(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

type things struct {
	Name string  `json:"name"`
	Kind *string `json:"kind,omitempty" enum:"A,B"`
	Note string  `json:"note,omitempty"`
}

type made struct {
	Location string `header:"Location"`
	Body     thing
}

func documented() *httpapi.API {
	api := httpapi.New()
	httpapi.Register(api, httpapi.Op("GET /v1/boxes", "List"), func(context.Context, *struct {
		httpapi.PageInput
		TeamID string   `query:"teamId"`
		Kind   []string `query:"kind" enum:"A,B"`
	}) (*thingOutput, error) {
		return nil, nil
	})
	create := httpapi.Op("POST /v1/boxes", "Create", 404)
	create.DefaultStatus = 201
	api.Describe(create, httpapi.Example(map[string]any{"name": "a"}))
	httpapi.Register(api, create, func(context.Context, *struct{ Body things }) (*made, error) { return nil, nil })
	httpapi.Register(api, httpapi.Op("DELETE /v1/boxes/{id}", "Delete"), func(context.Context, *struct {
		ID      string `path:"id"`
		IfMatch string `header:"If-Match"`
	}) (*struct{}, error) {
		return nil, nil
	})
	httpapi.Register(api, httpapi.Public("GET /v1/open", "Public"), func(context.Context, *struct{}) (*made, error) { return nil, nil })
	return api
}

// TestTheDocumentSaysEveryAnswer: each operation has the statuses of its kind and its own, and no word for all others,
// under which anything would pass.
func TestTheDocumentSaysEveryAnswer(t *testing.T) {
	d := described(t, documented())
	tests := map[string]struct{ path, method, want string }{
		"a list, by something that may not be shown": {"/v1/boxes", "get", "200 304 400 401 403 404 422 429 500 502 503 504"},
		"a creation that names another thing":        {"/v1/boxes", "post", "201 400 401 403 404 409 413 415 422 429 500 502 503 504"},
		"a change of a revision":                     {"/v1/boxes/{id}", "delete", "204 400 401 403 404 409 412 429 500 502 503 504"},
		"for anybody":                                {"/v1/open", "get", "200 304 400 429 500 502 503 504"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			op := d.Paths[tt.path][tt.method]
			if got := strings.Join(slices.Sorted(maps.Keys(op.Responses)), " "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			for status, r := range op.Responses {
				name, shared := strings.CutPrefix(r.Ref, "#/components/responses/")
				if shared && d.Components.Responses[name] == nil {
					t.Errorf("%s points at %s, which is not there", status, r.Ref)
				}
				if !shared && r.Headers["X-Request-Id"] == nil {
					t.Errorf("%s has no X-Request-Id", status)
				}
			}
		})
	}
}

func TestTheDocumentSaysWhichHeadersThereAre(t *testing.T) {
	d := described(t, documented())
	if h := d.Paths["/v1/boxes"]["get"].Responses["200"].Headers; h["ETag"]["$ref"] != "#/components/headers/ETag" {
		t.Errorf("a read has %v", h)
	}
	if h := d.Paths["/v1/boxes"]["post"].Responses["201"].Headers; h["Location"]["$ref"] != "#/components/headers/Location" || h["ETag"] != nil {
		t.Errorf("a creation has %v", h)
	}
	if h := d.Paths["/v1/open"]["get"].Responses["200"].Headers; h["Location"] != nil { // it has the type of what makes
		t.Errorf("a read has %v", h)
	}
	for response, header := range map[string]string{"Unauthenticated": "WWW-Authenticate", "TooManyRequests": "Retry-After", "ServiceUnavailable": "Retry-After"} {
		if h, _ := d.Components.Responses[response]["headers"].(map[string]any); h[header] == nil || h["X-Request-Id"] == nil {
			t.Errorf("%s has %v", response, h)
		}
	}
	for name, h := range d.Components.Headers {
		if required := h["required"] == true; required == (name == "Retry-Hint" || strings.HasPrefix(name, "X-RateLimit-")) { // a refusal of API Gateway may lack these
			t.Errorf("%s is required: %v", name, required)
		}
	}
}

func TestTheDocumentSaysWhatMayBeSent(t *testing.T) {
	api := documented()
	d := described(t, api)
	for _, p := range d.Paths["/v1/boxes"]["get"].Parameters {
		if schema, _ := p["schema"].(map[string]any); p["name"] == "kind" && schema["minItems"] != 1.0 {
			t.Errorf("kind may be an empty list: %v", schema)
		}
	}
	members := d.Components.Schemas["HttpapiTestThings"].Properties
	for name, want := range map[string]string{"name": "string", "kind": "[string null]", "note": "[string null]"} {
		if got := members[name]["type"]; fmt.Sprint(got) != want {
			t.Errorf("%s is of type %v, want %s", name, got, want)
		}
	}
	if got := d.Paths["/v1/boxes"]["post"].RequestBody.Content["application/json"]["example"]; fmt.Sprint(got) != "map[name:a]" {
		t.Errorf("the example is %v", got)
	}
	h := api.Handler()
	if rec := call(t, h, "POST", "/v1/boxes", `{"name":"a","kind":null,"note":null}`); rec.Code != 201 {
		t.Errorf("null for what may be left out: got %d %s", rec.Code, rec.Body)
	}
	if rec := call(t, h, "GET", "/v1/boxes?kind=", ""); rec.Code != 422 {
		t.Errorf("an empty list: got %d %s", rec.Code, rec.Body)
	}
	if again := described(t, api); len(again.Paths["/v1/boxes"]["get"].Parameters) != len(d.Paths["/v1/boxes"]["get"].Parameters) {
		t.Error("it is another one when it is asked for again")
	}
}

// TestDescribeIsForTheDocumentAlone: a function that starts does not describe itself.
func TestDescribeIsForTheDocumentAlone(t *testing.T) {
	api := httpapi.New()
	op := httpapi.Public("GET /v1/open", "Public")
	asked := 0
	api.Describe(op, func(*huma.Operation) { asked++ })
	httpapi.Register(api, op, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	if call(t, api.Handler(), "GET", "/v1/open", ""); asked != 0 {
		t.Error("a request described the operation")
	}
	api.OpenAPI()
	if api.OpenAPI(); asked != 1 {
		t.Errorf("it was described %d times", asked)
	}
}
