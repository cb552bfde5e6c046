package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"pagefree/infra/local/template"
	"pagefree/internal/platform/httpapi"
)

const root = "../../"

func TestTheDocumentIsTheCodes(t *testing.T) {
	want, err := build()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(root + path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the code says: run `make openapi`", path)
	}
	for range 3 {
		again, err := build()
		if err != nil || !bytes.Equal(again, want) {
			t.Fatalf("two runs differ, %v", err)
		}
	}
}

// document is the built document as another library reads it.
func document(t *testing.T) *openapi3.T {
	t.Helper()
	raw, err := build()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestTheDocumentIsValidOpenAPI(t *testing.T) {
	doc := document(t)
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("openapi: got %s, want 3.1.0", doc.OpenAPI)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestWhereAKeyIsNone: the document names API keys wherever they are taken, and nowhere else.
func TestWhereAKeyIsNone(t *testing.T) {
	doc := document(t)
	var without []string
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if len(*op.Security) > 0 && !slices.ContainsFunc(*op.Security, func(r openapi3.SecurityRequirement) bool { _, key := r["apiKey"]; return key }) {
				without = append(without, method+" "+path)
			}
		}
	}
	slices.Sort(without)
	if want := []string{"GET /v1/me", "POST /v1/auth/sign-out", "POST /v1/realtime/tickets"}; !slices.Equal(without, want) {
		t.Errorf("no API key: got %v, want %v", without, want)
	}
}

// seen is an operation and the function that registers it.
type seen struct{ function, route string }

func registered() []seen {
	var all []seen
	for function, register := range functions {
		api := httpapi.New()
		register(api)
		for _, route := range api.Routes() {
			all = append(all, seen{function, route})
		}
	}
	slices.SortFunc(all, func(a, b seen) int { return strings.Compare(a.function+a.route, b.function+b.route) })
	return all
}

// split separates a route's methods from its path; a page without a method takes GET and POST. "/{$}" is the root and nothing below it.
func split(route string) (methods []string, path string) {
	route = strings.TrimSuffix(route, "{$}")
	if method, path, ok := strings.Cut(route, " "); ok {
		return []string{method}, path
	}
	return []string{"GET", "POST"}, route
}

// TestEachRouteReachesItsFunction walks every route through the template as API Gateway does.
func TestEachRouteReachesItsFunction(t *testing.T) {
	tpl := load(t)
	for _, s := range registered() {
		methods, path := split(s.route)
		for _, method := range methods {
			route, ok := match(tpl.API.Routes, method, path)
			if !ok {
				t.Errorf("%s %s: the template has no route for it", method, path)
				continue
			}
			if route.Function != s.function {
				t.Errorf("%s %s: the template sends it to %s, its code is in %s", method, path, route.Function, s.function)
			}
		}
	}
}

// TestEachTemplateRouteHasOperations finds routes that lead to nothing.
func TestEachTemplateRouteHasOperations(t *testing.T) {
	all, routes := registered(), load(t).API.Routes
	for _, route := range routes {
		if functions[route.Function] == nil {
			t.Errorf("%s %s goes to %s, which this package does not know", route.Method, route.Path, route.Function)
			continue
		}
		used := slices.ContainsFunc(all, func(s seen) bool {
			methods, path := split(s.route)
			return s.function == route.Function && slices.ContainsFunc(methods, func(method string) bool {
				got, ok := match(routes, method, path)
				return ok && got.Path == route.Path
			})
		})
		if !used {
			t.Errorf("%s %s: %s has no operation there", route.Method, route.Path, route.Function)
		}
	}
}

// TestTheDocumentHasEveryOperation: whatever is under /v1 is described, with the credentials that the template asks for.
func TestTheDocumentHasEveryOperation(t *testing.T) {
	doc := document(t)
	tpl := load(t)
	documented := 0
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			documented++
			route, ok := match(tpl.API.Routes, method, path)
			if !ok {
				t.Errorf("%s %s is described, and the template does not route it", method, path)
				continue
			}
			public := op.Security != nil && len(*op.Security) == 0
			if public != (route.Authorizer == nil) {
				t.Errorf("%s %s: the document says public: %v, the template has an authorizer: %v", method, path, public, route.Authorizer != nil)
			}
			if op.Summary == "" || op.OperationID == "" || len(op.Tags) != 1 {
				t.Errorf("%s %s lacks a summary, an id or its tag", method, path)
			}
		}
	}
	for _, s := range registered() {
		methods, path := split(s.route)
		if item := doc.Paths.Value(path); strings.HasPrefix(path, "/v1/") && (item == nil || item.GetOperation(methods[0]) == nil) {
			t.Errorf("%s is not described", s.route)
		}
	}
	if documented < 40 {
		t.Errorf("the document describes %d operations: something was lost", documented)
	}
}

// TestTheDocumentLeavesNothingOpen: no operation has one word for all errors, under which any answer would pass, and what
// is no JSON is said.
func TestTheDocumentLeavesNothingOpen(t *testing.T) {
	doc := document(t)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.Responses.Default() != nil || op.Responses.Value("500") == nil {
				t.Errorf("%s %s does not name each of its answers", method, path)
			}
		}
	}
	export := doc.Paths.Value("/v1/audit/export").Get.Responses.Value("200").Value.Content
	rundeck := doc.Paths.Value("/v1/callbacks/rundeck").Post.RequestBody.Value.Content
	awx := doc.Paths.Value("/v1/callbacks/awx").Post.RequestBody.Value.Content
	for name, tt := range map[string]struct {
		got  openapi3.Content
		want []string
	}{
		"an export is lines":              {export, []string{"application/x-ndjson"}},
		"Rundeck sends JSON, and XML":     {rundeck, []string{"application/json", "application/xml", "text/xml"}},
		"AWX sends JSON":                  {awx, []string{"application/json"}},
		"a problem has a type of its own": {doc.Components.Responses["NotFound"].Value.Content, []string{"application/problem+json"}},
	} {
		if got := slices.Sorted(maps.Keys(tt.got)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// TestFunctionsRegisterWhatIsDescribed reads the mains: this package's table must say what they do.
func TestFunctionsRegisterWhatIsDescribed(t *testing.T) {
	tpl := load(t)
	described := calls(t, "main.go", "functions")
	for _, function := range slices.Sorted(maps.Keys(functions)) {
		f := tpl.Functions[function]
		if f == nil {
			t.Errorf("the template has no %s", function)
			continue
		}
		got := calls(t, filepath.Join(root, f.Folder, "main.go"), "")[""]
		want := described[function]
		if slices.ContainsFunc(tpl.API.Routes, func(r template.Route) bool { return r.Function == function && r.Authorizer != nil }) {
			want = append(slices.Clone(want), "audit.Denials") // who is known and refused is on record
			slices.Sort(want)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s calls %v, want %v", f.Folder, got, want)
		}
	}
}

// calls lists the calls of <package>.Routes, AuthRoutes, Meta and Denials in a file, by
// the key of the composite literal they stand in (the table of functions), or
// all under "" where table is empty.
func calls(t *testing.T, file, table string) map[string][]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	collect := func(under string, n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && slices.Contains([]string{"Routes", "AuthRoutes", "Meta", "Denials"}, sel.Sel.Name) {
				found[under] = append(found[under], pkg.Name+"."+sel.Sel.Name)
			}
			return true
		})
		slices.Sort(found[under])
	}
	if table == "" {
		collect("", parsed)
		return found
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if kv, ok := n.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.BasicLit); ok {
				collect(strings.Trim(key.Value, `"`), kv.Value)
			}
		}
		return true
	})
	return found
}

func load(t *testing.T) *template.Template {
	t.Helper()
	tpl, err := template.Load(root+"template.yaml", template.Options{
		Parameters: map[string]string{"FirstAdminEmail": "admin@pagefree.test", "MailFrom": "pagefree@pagefree.test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

// match finds the route of API Gateway for a method and a path: the one with
// the longest fixed beginning, greedy variables last.
func match(routes []template.Route, method, path string) (template.Route, bool) {
	best, length := template.Route{}, -1
	for _, route := range routes {
		if route.Method != "ANY" && route.Method != method {
			continue
		}
		fixed, greedy := strings.CutSuffix(route.Path, "{proxy+}")
		if route.Path != path && !(greedy && strings.HasPrefix(path, fixed) && len(path) > len(fixed)) {
			continue
		}
		size := len(fixed)
		if !greedy {
			size = 1 << 20 // an exact route wins
		}
		if size > length {
			best, length = route, size
		}
	}
	return best, length >= 0
}
