package lint

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// sideways lists the arrows between rooms. Everybody may know audit and platform; nobody knows anything else.
var sideways = map[string][]string{
	"workflow":  {"execution", "incident", "notify", "runbook"}, // which runbooks its team may run, and what a webhook may not set
	"execution": {"runbook", "incident"},                        // its context, and its entries on the timeline
	"partner":   {"status"},
	// Pages call services of every room; TestPagesCallServices holds that they never reach for a store.
	"web": {"identity", "runbook", "execution", "incident", "workflow", "status", "partner", "notify", "realtime"},
}

// mayKnow tells whether a file in the folder from may import the folder to, both seen from the top of the repository.
// Tests may know infra besides: the local stack, and what holds answers against the OpenAPI document.
func mayKnow(from, to string, test bool) bool {
	fromTop, fromRest, _ := strings.Cut(from, "/")
	toTop, toRest, _ := strings.Cut(to, "/")
	fromRoom, _, _ := strings.Cut(fromRest, "/")
	toRoom, _, _ := strings.Cut(toRest, "/")
	switch fromTop {
	case "infra": // stands on the product, and beside it
		return toTop == "infra" || toTop == "internal"
	case "functions":
		return toTop == "internal" || from == to || test && toTop == "infra"
	case "internal":
		if toTop == "infra" {
			return test
		}
		if toTop != "internal" {
			return false
		}
		if fromRoom == "platform" {
			return toRoom == "platform"
		}
		return fromRoom == toRoom || toRoom == "platform" || toRoom == "audit" && fromRoom != "audit" ||
			slices.Contains(sideways[fromRoom], toRoom)
	}
	return false
}

func TestMayKnow(t *testing.T) {
	tests := map[string]struct {
		from, to string
		test     bool
		want     bool
	}{
		"a function knows rooms":                    {from: "functions/runbooks", to: "internal/runbook", want: true},
		"a function knows platform":                 {from: "functions/runbooks", to: "internal/platform/log", want: true},
		"a function knows no other function":        {from: "functions/runbooks", to: "functions/executions"},
		"a function knows no infra":                 {from: "functions/runbooks", to: "infra/local/stack"},
		"a room knows platform":                     {from: "internal/runbook", to: "internal/platform/dynamo", want: true},
		"a room knows its own parts":                {from: "internal/execution", to: "internal/execution/target/sandbox", want: true},
		"a part knows its room":                     {from: "internal/execution/target/sandbox", to: "internal/execution", want: true},
		"a room knows audit":                        {from: "internal/identity", to: "internal/audit", want: true},
		"executions know runbooks":                  {from: "internal/execution", to: "internal/runbook", want: true},
		"runbooks do not know executions":           {from: "internal/runbook", to: "internal/execution"},
		"incidents do not know executions":          {from: "internal/incident", to: "internal/execution"},
		"no room knows identity":                    {from: "internal/runbook", to: "internal/identity"},
		"audit knows no room":                       {from: "internal/audit", to: "internal/identity"},
		"platform knows no room":                    {from: "internal/platform/httpapi", to: "internal/audit"},
		"no room knows web":                         {from: "internal/identity", to: "internal/web/signin"},
		"a page knows its room":                     {from: "internal/web/signin", to: "internal/identity", want: true},
		"no room knows the local stack":             {from: "internal/runbook", to: "infra/local/awstest"},
		"a room's test knows the local stack":       {from: "internal/runbook", to: "infra/local/awstest", test: true, want: true},
		"a room's test knows the contract":          {from: "internal/runbook", to: "infra/openapi/contract", test: true, want: true},
		"a room's test knows no room more than it":  {from: "internal/runbook", to: "internal/execution", test: true},
		"a partner's room never knows what it runs": {from: "internal/partner", to: "internal/execution"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := mayKnow(tt.from, tt.to, tt.test); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestImportArrows reads the import graph: functions -> rooms -> platform, and sideways only downstream.
func TestImportArrows(t *testing.T) {
	for _, file := range sources(t) {
		for _, to := range file.imports() {
			if !mayKnow(file.folder(), to, file.test) {
				t.Errorf("%s imports %s: no such arrow is allowed", file.path, to)
			}
		}
	}
}

// TestPagesCallServices: web renders what services answer; conditions and rights live behind them.
func TestPagesCallServices(t *testing.T) {
	for _, file := range sources(t) {
		if !strings.HasPrefix(file.path, "internal/web/") || file.test {
			continue
		}
		ast.Inspect(file.ast, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && strings.HasSuffix(sel.Sel.Name, "Store") {
				t.Errorf("%s reaches for %s: call the service", file.path, sel.Sel.Name)
			}
			return true
		})
	}
}

// TestPagesHaveTimeZones: a function that shows a page finds the page's zone in itself, since its image has none. On a
// laptop nobody would see that it does not: without it all times are UTC, and days begin elsewhere.
func TestPagesHaveTimeZones(t *testing.T) {
	shown := 0
	for _, file := range sources(t) {
		var with []string // source.imports tells of our own packages alone
		for _, i := range file.ast.Imports {
			with = append(with, strings.Trim(i.Path.Value, `"`))
		}
		if !strings.HasPrefix(file.path, "functions/") || file.test || !slices.Contains(with, "pagefree/internal/web/statuspage") {
			continue
		}
		if shown++; !slices.Contains(with, "time/tzdata") {
			t.Errorf("%s shows pages: it has to import time/tzdata", file.path)
		}
	}
	if shown == 0 {
		t.Error("no function shows pages")
	}
}

// TestEnvironment: only mains (a test's own too) and infra read the environment, so that a room can be tested with what
// it is given.
func TestEnvironment(t *testing.T) {
	readers := []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}
	for _, file := range sources(t) {
		top, _, _ := strings.Cut(file.path, "/")
		if name := path.Base(file.path); top == "infra" || top == "functions" && (name == "main.go" || file.test) || name == "main_test.go" {
			continue
		}
		ast.Inspect(file.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains(readers, sel.Sel.Name) {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && (pkg.Name == "os" || pkg.Name == "syscall") {
				t.Errorf("%s reads the environment by %s.%s: a main does, and hands on what it read", file.path, pkg.Name, sel.Sel.Name)
			}
			return true
		})
	}
}
