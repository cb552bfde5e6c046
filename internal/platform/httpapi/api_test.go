package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	os.Exit(m.Run())
}

type thing struct {
	Name  string                `json:"name" minLength:"1" maxLength:"5"`
	Count int                   `json:"count,omitempty" maximum:"9"`
	Tags  []string              `json:"tags,omitempty"`
	Limit httpapi.Nullable[int] `json:"limit,omitzero" minimum:"1"`
}

type change struct {
	httpapi.Patch
	Name  *string               `json:"name,omitempty" maxLength:"5"`
	Tags  []string              `json:"tags,omitempty"`
	Limit httpapi.Nullable[int] `json:"limit,omitzero"`
}

type thingOutput struct {
	ETag string `header:"ETag"`
	Body map[string]any
}

// newAPI has one route of each sort.
func newAPI() *httpapi.API {
	api := httpapi.New()
	httpapi.Register(api, httpapi.Op("GET /v1/things/{id}", "Read"), func(ctx context.Context, in *struct {
		ID string `path:"id"`
	}) (*thingOutput, error) {
		switch in.ID {
		case "panic":
			panic("secret")
		case "broken":
			return nil, errors.New("secret")
		case "forbidden":
			return nil, &problem.Error{Status: 403, Code: "self_approval", Detail: "No.", TeamID: "team_a"}
		case "slow":
			return nil, (&problem.Error{Status: 429, Code: problem.RateLimited, Header: http.Header{"Retry-After": {"7"}}})
		}
		p, _ := principal.From(ctx)
		return &thingOutput{ETag: httpapi.Revision(3), Body: map[string]any{"id": in.ID, "who": p.ID, "html": "<&>"}}, nil
	})
	httpapi.Register(api, httpapi.Op("POST /v1/things", "Create"), func(_ context.Context, in *struct{ Body thing }) (*thingOutput, error) {
		return &thingOutput{Body: map[string]any{"name": in.Body.Name, "sent": in.Body.Limit.Sent, "limit": in.Body.Limit.Value}}, nil
	})
	httpapi.Register(api, httpapi.Op("PATCH /v1/things/{id}", "Change"), func(_ context.Context, in *struct {
		ID      string `path:"id"`
		IfMatch string `header:"If-Match"`
	}) (*struct{}, error) {
		return nil, httpapi.Match(in.IfMatch, 3)
	})
	httpapi.Register(api, httpapi.Op("PATCH /v1/changes", "Change"), func(context.Context, *struct{ Body change }) (*struct{}, error) {
		return nil, nil
	})
	httpapi.Register(api, httpapi.Public("GET /v1/lists", "List"), func(_ context.Context, in *struct {
		httpapi.PageInput
		Tags []string `query:"tag"`
	}) (*thingOutput, error) {
		return &thingOutput{Body: map[string]any{"limit": in.Limit, "tags": in.Tags}}, nil
	})
	api.Handle("/page", func(w http.ResponseWriter, r *http.Request) error {
		if r.URL.Query().Has("forbidden") {
			return problem.Denied("No.")
		}
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Cache-Control", "no-cache")
		_, err := io.WriteString(w, "<p>")
		return err
	})
	httpapi.Meta(api, []byte(`{"openapi":"3.1.0"}`))
	return api
}

func call(t *testing.T, h http.Handler, method, target string, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	ctx := principal.WithOrigin(t.Context(), principal.Origin{RequestID: "rid"})
	req := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec
}

func TestAnswers(t *testing.T) {
	h := newAPI().Handler()
	tests := map[string]struct {
		method, path, body string
		headers            []string
		status             int
		code               string            // of a problem
		has                map[string]string // headers
		shows              string            // part of the body
	}{
		"a read":                       {"GET", "/v1/things/1", "", nil, 200, "", map[string]string{"Cache-Control": "private, no-store", "Content-Type": "application/json"}, `"html":"<&>"`},
		"a HEAD has no body":           {"HEAD", "/v1/things/1", "", nil, 200, "", nil, ""},
		"an unknown path":              {"GET", "/v1/nothing", "", nil, 404, "not_found", nil, ""},
		"a path with a slash too many": {"GET", "/v1/things/1/", "", nil, 404, "not_found", nil, ""},
		"no redirect to a clean path":  {"GET", "/v1//things/1", "", nil, 404, "not_found", map[string]string{"Location": ""}, ""},
		"nor from dots":                {"GET", "/v1/x/../things/1", "", nil, 404, "not_found", map[string]string{"Location": ""}, ""},
		"nor from the root":            {"GET", "//", "", nil, 404, "not_found", map[string]string{"Location": ""}, ""},
		"an encoded slash is no path":  {"GET", "/v1/things/a%2Fb", "", nil, 200, "", nil, `"id":"a/b"`},
		"a wrong method":               {"DELETE", "/v1/things/1", "", nil, 405, "method_not_allowed", map[string]string{"Allow": "GET, HEAD, PATCH"}, ""},
		"OPTIONS":                      {"OPTIONS", "/v1/things", "", nil, 405, "method_not_allowed", map[string]string{"Allow": "POST"}, ""},
		"a panic":                      {"GET", "/v1/things/panic", "", nil, 500, "internal", nil, ""},
		"an error":                     {"GET", "/v1/things/broken", "", nil, 500, "internal", nil, ""},
		"a problem's headers":          {"GET", "/v1/things/slow", "", nil, 429, "rate_limited", map[string]string{"Retry-After": "7"}, ""},
		"a body":                       {"POST", "/v1/things", `{"name":"a"}`, nil, 200, "", nil, `"name":"a","sent":false`},
		"its type with a charset":      {"POST", "/v1/things", `{"name":"a"}`, []string{"Content-Type", "application/json; charset=utf-8"}, 200, "", nil, ""},
		"null is not nothing":          {"POST", "/v1/things", `{"name":"a","limit":null}`, nil, 200, "", nil, `"limit":null,"name":"a","sent":true`},
		"a change to null":             {"PATCH", "/v1/changes", `{"limit":null}`, nil, 204, "", nil, ""},
		"a change to null for a text":  {"PATCH", "/v1/changes", `{"name":null}`, nil, 422, "validation_failed", nil, "name is null"},
		"a change to null for a list":  {"PATCH", "/v1/changes", `{"tags":null}`, nil, 422, "validation_failed", nil, "tags is null"},
		"a change of nothing":          {"PATCH", "/v1/changes", `{}`, nil, 204, "", nil, ""},
		"a value where null may be":    {"POST", "/v1/things", `{"name":"a","limit":4}`, nil, 200, "", nil, `"limit":4`},
		"a value too small":            {"POST", "/v1/things", `{"name":"a","limit":0}`, nil, 422, "validation_failed", nil, `"location":"body.limit"`},
		"what is no JSON":              {"POST", "/v1/things", `{"name":`, nil, 400, "body_invalid", nil, ""},
		"more than one JSON":           {"POST", "/v1/things", `{"name":"a"}{}`, nil, 400, "body_invalid", nil, ""},
		"what is no UTF-8":             {"POST", "/v1/things", "{\"name\":\"\xff\"}", nil, 400, "body_invalid", nil, ""},
		"no body":                      {"POST", "/v1/things", ``, nil, 400, "body_invalid", nil, ""},
		"a list for an object":         {"POST", "/v1/things", `[]`, nil, 422, "validation_failed", nil, ""},
		"null for an object":           {"POST", "/v1/things", `null`, nil, 422, "validation_failed", nil, ""},
		"a wrong media type":           {"POST", "/v1/things", `{"name":"a"}`, []string{"Content-Type", "text/plain"}, 415, "unsupported_media_type", nil, ""},
		"a form":                       {"POST", "/v1/things", `name=a`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported_media_type", nil, ""},
		"256 KiB":                      {"POST", "/v1/things", `{"name":"a"}` + strings.Repeat(" ", 256<<10-12), nil, 200, "", nil, ""},
		"a byte more":                  {"POST", "/v1/things", `{"name":"a"}` + strings.Repeat(" ", 256<<10-11), nil, 413, "body_too_large", nil, ""},
		"an unknown member":            {"POST", "/v1/things", `{"name":"a","colour":"red"}`, nil, 422, "validation_failed", nil, `"location":"body.colour"`},
		"a member in another case":     {"POST", "/v1/things", `{"name":"a","COUNT":1}`, nil, 422, "validation_failed", nil, ""},
		"a missing member":             {"POST", "/v1/things", `{}`, nil, 422, "validation_failed", nil, ""},
		"a value is not echoed":        {"POST", "/v1/things", `{"name":"pfs_secret"}`, nil, 422, "validation_failed", nil, `"location":"body.name"`},
		"a number too large":           {"POST", "/v1/things", `{"name":"a","count":1e400}`, nil, 422, "validation_failed", nil, `"message":"a number is beyond those that are taken"`},
		"an integer as a fraction":     {"POST", "/v1/things", `{"name":"a","count":1.0}`, nil, 422, "validation_failed", nil, `"message":"count is not written as it has to be"`},
		"an empty list of a filter":    {"GET", "/v1/lists?tag=", "", nil, 422, "validation_failed", nil, `"location":"query.tag"`},
		"an empty cursor":              {"GET", "/v1/lists?cursor=", "", nil, 200, "", nil, ""},
		"a member twice":               {"POST", "/v1/things", `{"name":"a","tags":["x"],"name":"b"}`, nil, 400, "body_invalid", nil, `names a member twice`},
		"a member twice, deep inside":  {"POST", "/v1/things", `{"name":"a","x":[1,{"y":[],"y":2}]}`, nil, 400, "body_invalid", nil, `names a member twice`},
		"a name in two objects":        {"POST", "/v1/things", `{"name":"a","x":[{"y":1},{"y":2}]}`, nil, 422, "validation_failed", nil, `"location":"body.x"`},
		"a media type in upper case":   {"POST", "/v1/things", `{"name":"a"}`, []string{"Content-Type", "Application/JSON; Charset=UTF-8"}, 200, "", nil, ""},
		"a caller that takes problems": {"GET", "/v1/things/1", "", []string{"Accept", problem.ContentType}, 200, "", map[string]string{"Content-Type": "application/json"}, ""},
		"an Accept nobody can read":    {"GET", "/v1/things/1", "", []string{"Accept", "]&s;x,"}, 200, "", map[string]string{"Content-Type": "application/json"}, ""},
		"a parameter without a value":  {"GET", "/v1/things/1", "", []string{"Accept", "text/html;q,application/json;q=0.5"}, 200, "", map[string]string{"Content-Type": "application/json"}, ""},
		"a null list":                  {"POST", "/v1/things", `{"name":"a","tags":[null]}`, nil, 422, "validation_failed", nil, ""},
		"the default limit":            {"GET", "/v1/lists", "", nil, 200, "", nil, `"limit":50`},
		"limit 200":                    {"GET", "/v1/lists?limit=200", "", nil, 200, "", nil, `"limit":200`},
		"limit 201":                    {"GET", "/v1/lists?limit=201", "", nil, 422, "validation_failed", nil, `"location":"query.limit"`},
		"limit -1":                     {"GET", "/v1/lists?limit=-1", "", nil, 422, "validation_failed", nil, ""},
		"limit that is no number":      {"GET", "/v1/lists?limit=many", "", nil, 422, "validation_failed", nil, ""},
		"a limit past every integer":   {"GET", "/v1/lists?limit=99999999999999999999", "", nil, 422, "validation_failed", nil, ""},
		"an empty limit":               {"GET", "/v1/lists?limit=", "", nil, 422, "validation_failed", nil, `"location":"query.limit"`},
		"two limits":                   {"GET", "/v1/lists?limit=1&limit=2", "", nil, 422, "validation_failed", nil, `"location":"query.limit"`},
		"a list with commas":           {"GET", "/v1/lists?tag=a,b", "", nil, 200, "", nil, `"tags":["a","b"]`},
		"a list by repetition":         {"GET", "/v1/lists?tag=a&tag=b", "", nil, 200, "", nil, `"tags":["a","b"]`},
		"a page":                       {"GET", "/page", "", nil, 200, "", map[string]string{"Content-Type": "text/html", "Cache-Control": "no-cache"}, "<p>"},
		"a page's error":               {"GET", "/page?forbidden", "", nil, 403, "forbidden", nil, ""},
		"a sign of life":               {"GET", "/healthz", "", nil, 200, "", nil, `{"status":"ok"}`},
		"the document":                 {"GET", "/openapi.json", "", nil, 200, "", map[string]string{"Content-Type": "application/json", "Cache-Control": "public, max-age=300"}, `{"openapi":"3.1.0"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rec := call(t, h, test.method, test.path, test.body, test.headers...)
			body := rec.Body.String()
			if rec.Code != test.status {
				t.Errorf("got %d %s, want %d", rec.Code, body, test.status)
			}
			if got := rec.Header().Get("X-Request-Id"); got != "rid" {
				t.Errorf("X-Request-Id: got %q", got)
			}
			if got := rec.Header().Get("X-Content-Type-Options"); got != "nosniff" {
				t.Errorf("X-Content-Type-Options: got %q", got)
			}
			if got := rec.Header().Get("Strict-Transport-Security"); got != "max-age=63072000" {
				t.Errorf("Strict-Transport-Security: got %q", got)
			}
			for k, want := range test.has {
				if got := rec.Header().Get(k); got != want {
					t.Errorf("%s: got %q, want %q", k, got, want)
				}
			}
			if !strings.Contains(body, test.shows) {
				t.Errorf("got %s, want %s in it", body, test.shows)
			}
			if test.method == "HEAD" && body != "" {
				t.Errorf("a HEAD got %s", body)
			}
			if strings.Contains(body, "secret") {
				t.Errorf("the body tells a secret: %s", body)
			}
			if test.code == "" {
				return
			}
			var p problem.Body
			if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
				t.Fatal(err)
			}
			if got := rec.Header().Get("Content-Type"); got != problem.ContentType {
				t.Errorf("Content-Type: got %q", got)
			}
			if string(p.Code) != test.code || p.Status != test.status || p.Type != "about:blank" || p.Title != http.StatusText(test.status) || p.Detail == "" && test.code != "rate_limited" || p.Instance != "urn:uuid:rid" {
				t.Errorf("got %+v, want %s", p, test.code)
			}
			if test.status == 422 && len(p.Errors) == 0 {
				t.Error("a 422 names no field")
			}
		})
	}
}

func TestETags(t *testing.T) {
	h := newAPI().Handler()
	first := call(t, h, "GET", "/v1/things/1", "")
	etag := first.Header().Get("ETag")
	if !strings.HasPrefix(etag, `"3-`) || !strings.HasSuffix(etag, `"`) {
		t.Fatalf("got %q, want the revision and a hash", etag)
	}
	if got := call(t, h, "HEAD", "/v1/things/1", "").Header().Get("ETag"); got != etag {
		t.Errorf("HEAD: got %q, want %q", got, etag)
	}
	if got := call(t, h, "GET", "/v1/things/2", "").Header().Get("ETag"); got == etag {
		t.Error("another body has the same tag")
	}
	for name, test := range map[string]struct {
		method, ifNoneMatch string
		want                int
	}{
		"the same":       {"GET", etag, 304},
		"by HEAD":        {"HEAD", etag, 304},
		"made weak":      {"GET", "W/" + etag, 304},
		"one of several": {"GET", `"x", ` + etag, 304},
		"anything":       {"GET", "*", 304},
		"another":        {"GET", `"3"`, 200},
		"none":           {"GET", "", 200},
	} {
		rec := call(t, h, test.method, "/v1/things/1", "", "If-None-Match", test.ifNoneMatch)
		if rec.Code != test.want || rec.Header().Get("ETag") != etag {
			t.Errorf("%s: got %d %q, want %d", name, rec.Code, rec.Header().Get("ETag"), test.want)
		}
		if rec.Code == 304 && (rec.Body.Len() > 0 || rec.Header().Get("Content-Type") != "") {
			t.Errorf("%s: a 304 with a body: %v %s", name, rec.Header(), rec.Body)
		}
	}
	if rec := call(t, h, "GET", "/v1/things/broken", "", "If-None-Match", "*"); rec.Code != 500 || rec.Header().Get("ETag") != "" {
		t.Errorf("an error: got %d with %q", rec.Code, rec.Header().Get("ETag"))
	}
	for name, test := range map[string]struct {
		ifMatch string
		want    int
	}{
		"as it was read":    {etag, 204},
		"the revision":      {`"3"`, 204},
		"made weak":         {"W/" + etag, 204},
		"one of several":    {`"2-abc", "3-abc"`, 204},
		"anything":          {"*", 204},
		"none":              {"", 204},
		"an older revision": {strings.Replace(etag, "3-", "2-", 1), 412},
		"a longer one":      {`"33"`, 412},
		"rubbish":           {`x`, 412},
	} {
		if rec := call(t, h, "PATCH", "/v1/things/1", "", "If-Match", test.ifMatch); rec.Code != test.want {
			t.Errorf("If-Match %s: got %d %s, want %d", name, rec.Code, rec.Body, test.want)
		}
	}
}

func TestOnDenied(t *testing.T) {
	api := newAPI()
	var told []*problem.Error
	var patterns []string
	api.OnDenied(func(_ context.Context, r *http.Request, p *problem.Error) {
		told, patterns = append(told, p), append(patterns, r.Pattern)
	})
	h := api.Handler()
	for _, path := range []string{"/v1/things/1", "/v1/things/broken", "/v1/things/panic", "/v1/nothing"} {
		call(t, h, "GET", path, "")
	}
	if len(told) != 0 {
		t.Fatalf("told of what is no refusal: %v", told)
	}
	call(t, h, "GET", "/v1/things/forbidden", "")
	call(t, h, "GET", "/page?forbidden", "")
	if len(told) != 2 || told[0].Code != "self_approval" || told[0].TeamID != "team_a" || told[1].Code != problem.Forbidden {
		t.Fatalf("got %+v", told)
	}
	if patterns[0] != "GET /v1/things/{id}" || patterns[1] != "/page" {
		t.Errorf("patterns: got %v", patterns)
	}
}

func TestTheDocument(t *testing.T) {
	api := newAPI()
	doc, err := json.Marshal(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"a problem's media type":    `"application/problem+json"`,
		"a security requirement":    `{"bearer":[]}`,
		"an open route":             `"security":[]`,
		"a type by its package":     `"#/components/schemas/HttpapiTestThing"`,
		"a value that may be null":  `"limit":{"format":"int64","minimum":1,"type":["integer","null"]}`,
		"a list that is never null": `"tags":{"items":{"type":"string"},"type":"array"}`,
	} {
		if !bytes.Contains(doc, []byte(want)) {
			t.Errorf("%s: no %s in %s", name, want, doc)
		}
	}
	if got := api.Routes(); len(got) != 8 || got[0] != "GET /v1/things/{id}" || got[5] != "/page" {
		t.Errorf("routes: got %v", got)
	}
}
