package gateway

import (
	"fmt"
	"testing"

	"pagefree/infra/local/template"
)

func TestMatch(t *testing.T) {
	var list []template.Route
	for _, path := range []string{"/", "/v1/{proxy+}", "/v1/runbooks", "/v1/runbooks/{id}", "/v1/runbooks/{id}/{proxy+}", "/v1/runbooks/reviews", "/{proxy+}"} {
		list = append(list, template.Route{Path: path, Method: "ANY"})
	}
	list = append(list, template.Route{Path: "/v1/users", Method: "GET"}, template.Route{Path: "/v1/users", Method: "ANY"})
	routes := parseRoutes(list)
	tests := map[string]struct{ method, path, want string }{
		"the root":                   {"GET", "/", "/ map[]"},
		"a literal":                  {"GET", "/v1/runbooks", "/v1/runbooks map[]"},
		"a variable":                 {"GET", "/v1/runbooks/rb_1", "/v1/runbooks/{id} map[id:rb_1]"},
		"a literal over a variable":  {"GET", "/v1/runbooks/reviews", "/v1/runbooks/reviews map[]"},
		"greedy takes the rest":      {"GET", "/v1/runbooks/rb_1/versions/2", "/v1/runbooks/{id}/{proxy+} map[id:rb_1 proxy:versions/2]"},
		"greedy at the top":          {"GET", "/other/x", "/{proxy+} map[proxy:other/x]"},
		"variables are decoded":      {"GET", "/v1/runbooks/a%20b", "/v1/runbooks/{id} map[id:a b]"},
		"no segment is no variable":  {"GET", "/v1/runbooks//x", "/v1/{proxy+} map[proxy:runbooks//x]"},
		"greedy needs a segment":     {"GET", "/v1", "/{proxy+} map[proxy:v1]"},
		"its own method before ANY":  {"GET", "/v1/users", "/v1/users map[]"},
		"ANY for the others":         {"PUT", "/v1/users", "/v1/users map[]"},
		"a slash at the end is none": {"GET", "/v1/runbooks/rb_1/", "/v1/runbooks/{id} map[id:rb_1]"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, params := match(routes, tt.path, tt.method)
			if r == nil {
				t.Fatal("nothing matches")
			}
			if got := fmt.Sprint(r.Path, " ", params); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if r, _ := match(parseRoutes(list[1:6]), "/other", "GET"); r != nil {
		t.Errorf("/other matches %s", r.Path)
	}
}

func FuzzMatch(f *testing.F) {
	routes := parseRoutes([]template.Route{{Path: "/v1/{id}/{proxy+}", Method: "ANY"}, {Path: "/v1/{id}", Method: "ANY"}, {Path: "/{proxy+}", Method: "GET"}})
	f.Add("/v1/a/b", "GET")
	f.Add("//%zz/", "POST")
	f.Fuzz(func(t *testing.T, path, method string) {
		if r, params := match(routes, path, method); (r == nil) != (params == nil) {
			t.Errorf("%q: got route %v with %v", path, r, params)
		}
	})
}

func TestWildcard(t *testing.T) {
	tests := map[string]struct {
		pattern, s string
		want       bool
	}{
		"equal":              {"a/b", "a/b", true},
		"star":               {"arn:*/live/*", "arn:x:y/live/GET/v1", true},
		"star is empty":      {"a*b", "ab", true},
		"star goes back":     {"*ab", "aab", true},
		"question mark":      {"a?c", "abc", true},
		"question needs one": {"a?c", "ac", false},
		"too short":          {"abc", "ab", false},
		"too long":           {"ab", "abc", false},
		"trailing stars":     {"ab**", "ab", true},
	}
	for name, tt := range tests {
		if got := wildcard(tt.pattern, tt.s); got != tt.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
