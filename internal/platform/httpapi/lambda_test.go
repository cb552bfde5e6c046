package httpapi_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// event is a request as API Gateway sends it.
func event(method, path string) events.APIGatewayProxyRequest {
	return events.APIGatewayProxyRequest{
		Resource: "/v1/things/{proxy+}", Path: path, HTTPMethod: method,
		RequestContext: events.APIGatewayProxyRequestContext{
			DomainName: "abc.execute-api.eu-central-1.amazonaws.com", RequestID: "rid",
			Identity: events.APIGatewayRequestIdentity{SourceIP: "192.0.2.1", UserAgent: "curl"},
		},
	}
}

// echo answers what reached it.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p, _ := principal.From(r.Context())
	w.Header().Add("X-Two", "1")
	w.Header().Add("X-Two", "2")
	json.NewEncoder(w).Encode(map[string]any{
		"method": r.Method, "path": r.URL.Path, "query": r.URL.Query(), "header": r.Header.Values("X-In"),
		"body": string(body), "who": p.ID, "admin": p.PlatformAdmin, "origin": principal.OriginOf(r.Context()),
	})
}

func serve(t *testing.T, h http.HandlerFunc, e events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, map[string]any) {
	t.Helper()
	answer, err := httpapi.Lambda(h, theEdge)(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if strings.HasPrefix(answer.Body, "{") {
		if err := json.Unmarshal([]byte(answer.Body), &body); err != nil {
			t.Fatal(err)
		}
	}
	return answer, body
}

func TestLambdaPassesTheRequestOn(t *testing.T) {
	e := event("POST", "/v1/things/a%20b")
	e.MultiValueQueryStringParameters = map[string][]string{"q": {"a&b", "c"}}
	e.MultiValueHeaders = map[string][]string{"X-In": {"1", "2"}}
	e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte("é\x00")), true
	answer, got := serve(t, echo, e)
	raw, _ := json.Marshal(got)
	want := `{"admin":false,"body":"é\u0000","header":["1","2"],"method":"POST","origin":{"IP":"192.0.2.1","UserAgent":"curl","RequestID":"rid"},"path":"/v1/things/a b","query":{"q":["a&b","c"]},"who":""}`
	var wanted any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	sorted, _ := json.Marshal(wanted)
	if string(raw) != string(sorted) {
		t.Errorf("got  %s\nwant %s", raw, sorted)
	}
	if answer.StatusCode != 200 || len(answer.MultiValueHeaders["X-Two"]) != 2 || answer.IsBase64Encoded {
		t.Errorf("got %+v", answer)
	}
}

func TestLambdaSendsBytesInBase64(t *testing.T) {
	answer, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte{0xff, 0xfe}) }, event("GET", "/v1/x"))
	if got, _ := base64.StdEncoding.DecodeString(answer.Body); !answer.IsBase64Encoded || string(got) != "\xff\xfe" {
		t.Errorf("got %+v", answer)
	}
}

func TestLambdaTakesThePrincipalFromTheContextAlone(t *testing.T) {
	someone := `{"k":"user","id":"usr_1","u":"usr_1","a":true}`
	tests := map[string]struct {
		authorizer map[string]any
		header     map[string][]string
		who        string
	}{
		"the authorizer's":                    {map[string]any{"principal": someone}, nil, "usr_1"},
		"none":                                {nil, nil, ""},
		"empty":                               {map[string]any{"principal": ""}, nil, ""},
		"of another type":                     {map[string]any{"principal": map[string]any{"id": "usr_1"}}, nil, ""},
		"without an id":                       {map[string]any{"principal": `{"a":true}`}, nil, ""},
		"a header of the caller's is nothing": {nil, map[string][]string{"Principal": {someone}, "X-Pagefree-Principal": {someone}, "X-Golambdaproxy-Apigw-Context": {`{"authorizer":{"principal":"{}"}}`}}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := event("GET", "/v1/x")
			e.RequestContext.Authorizer, e.MultiValueHeaders = test.authorizer, test.header
			if _, got := serve(t, echo, e); got["who"] != test.who {
				t.Errorf("got %v, want %q", got["who"], test.who)
			}
		})
	}
	for name, given := range map[string]map[string]any{"broken": {"principal": "{"}, "an unknown problem": {"problem": "x"}} {
		e := event("GET", "/v1/x")
		e.RequestContext.Authorizer = given
		if answer, err := httpapi.Lambda(http.HandlerFunc(echo), theEdge)(t.Context(), e); err == nil {
			t.Errorf("%s: got %+v, want an error: nobody is served on a guess", name, answer)
		}
	}
}

func TestLambdaAnswersTheAuthorizersRefusals(t *testing.T) {
	for code, status := range map[string]int{"ambiguous_credentials": 400, "cross_origin": 403, "unavailable": 503} {
		e := event("POST", "/v1/x")
		e.RequestContext.Authorizer = map[string]any{"problem": code, "principal": `{"id":"usr_1"}`}
		answer, got := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it reached the handler") }, e)
		if answer.StatusCode != status || got["code"] != code || got["instance"] != "urn:uuid:rid" ||
			answer.MultiValueHeaders["Content-Type"][0] != problem.ContentType || answer.MultiValueHeaders["X-Request-Id"][0] != "rid" {
			t.Errorf("%s: got %+v", code, answer)
		}
		stamped(t, answer)
		if again := http.Header(answer.MultiValueHeaders).Get("Retry-After"); (again != "") != (status == http.StatusServiceUnavailable) {
			t.Errorf("%s: Retry-After %q", code, again)
		}
	}
}

func TestLambdaRefusesWhatItCannotRead(t *testing.T) {
	bad := event("POST", "/v1/x")
	bad.Body, bad.IsBase64Encoded = "%%%", true
	for name, e := range map[string]events.APIGatewayProxyRequest{
		"a body that is no base64": bad,
		"a path with a bad escape": event("GET", "/v1/%zz"),
		"a control character":      event("GET", "/v1/\x7f"),
		"no method that is one":    event("GE T", "/x"),
	} {
		answer, got := serve(t, func(http.ResponseWriter, *http.Request) { t.Errorf("%s reached the handler", name) }, e)
		if answer.StatusCode != 400 || got["code"] != "request_malformed" || got["instance"] != "urn:uuid:rid" || answer.MultiValueHeaders["X-Request-Id"][0] != "rid" {
			t.Errorf("%s: got %+v", name, answer)
		}
		stamped(t, answer)
	}
}

// stamped holds what no handler has seen to the headers of every answer.
func stamped(t *testing.T, answer events.APIGatewayProxyResponse) {
	t.Helper()
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Strict-Transport-Security": "max-age=63072000",
		"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"} {
		if got := answer.MultiValueHeaders[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestLambdaServesAWholeAPI(t *testing.T) {
	lambda := httpapi.Lambda(newAPI().Handler(), theEdge)
	for name, test := range map[string]struct {
		method, path string
		want         int
	}{
		"a read":        {"GET", "/v1/things/1", 200},
		"a panic":       {"GET", "/v1/things/panic", 500},
		"an empty path": {"GET", "", 404},
		"only a query":  {"GET", "?x", 404},
		"a nothing":     {"DELETE", "/v1/things/1", 405},
		"another host":  {"GET", "//evil.test/v1/things/1", 404},
		"an at sign":    {"GET", "@evil.test/v1/things/1", 404},
	} {
		answer, err := lambda(t.Context(), through(event(test.method, test.path), "203.0.113.9"))
		if err != nil || answer.StatusCode != test.want {
			t.Errorf("%s: got %d %s, %v, want %d", name, answer.StatusCode, answer.Body, err, test.want)
		}
	}
}

func FuzzLambda(f *testing.F) {
	lambda := httpapi.Lambda(newAPI().Handler(), theEdge)
	f.Add("GET", "/v1/things/1", "q", "x", "", false)
	f.Add("POST", "/v1/things", "", "", `{"name":"a"}`, false)
	f.Add("POST", "//", "?", "#", "====", true)
	f.Fuzz(func(t *testing.T, method, path, name, value, body string, encoded bool) {
		e := event(method, path)
		e.MultiValueQueryStringParameters = map[string][]string{name: {value}}
		e.MultiValueHeaders = map[string][]string{name: {value}}
		e.Body, e.IsBase64Encoded = body, encoded
		answer, err := lambda(t.Context(), e)
		if err != nil || answer.StatusCode < 200 || answer.StatusCode == 500 && path != "/v1/things/panic" && path != "/v1/things/broken" {
			t.Errorf("got %+v, %v", answer, err)
		}
	})
}
