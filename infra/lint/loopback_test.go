package lint

import (
	"go/ast"
	"strings"
	"testing"

	"pagefree/internal/platform/settings"
)

// TestNothingOpensLoopback: the one way for a webhook to this machine is the local stack's word to its own processes.
// The template cannot give it, no deployment's parameters can, and a main does not read it by itself.
func TestNothingOpensLoopback(t *testing.T) {
	for _, path := range []string{"template.yaml", "samconfig.toml", "Makefile"} {
		if strings.Contains(read(t, path), settings.LocalEchoVariable) {
			t.Errorf("%s names %s: only infra/local/lambda gives it, to processes of this machine", path, settings.LocalEchoVariable)
		}
	}
	for id, f := range deployed(t).Functions {
		if _, ok := f.Environment[settings.LocalEchoVariable]; ok {
			t.Errorf("%s: is given %s", id, settings.LocalEchoVariable)
		}
		// LocalEcho believes the variable only beside an AWS on loopback. In the cloud there is none.
		if endpoint := f.Environment["AWS_ENDPOINT_URL"]; endpoint != "" {
			t.Errorf("%s: AWS_ENDPOINT_URL is %q, want it empty", id, endpoint)
		}
	}
	for _, file := range sources(t) {
		if file.test {
			continue
		}
		ast.Inspect(file.ast, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && strings.Contains(lit.Value, settings.LocalEchoVariable) && file.folder() != "internal/platform/settings" {
				t.Errorf("%s names %s: call settings.LocalEcho", file.path, settings.LocalEchoVariable)
			}
			// An address written into a program would open it in the cloud too.
			if lit, ok := n.(*ast.KeyValueExpr); ok && strings.HasPrefix(file.path, "functions/") {
				if key, ok := lit.Key.(*ast.Ident); ok && key.Name == "Local" && !calls(lit.Value, "settings", "LocalEcho") {
					t.Errorf("%s: Local is something else than settings.LocalEcho(os.Getenv)", file.path)
				}
			}
			return true
		})
	}
}

// calls tells whether an expression is a call of pkg.name.
func calls(e ast.Expr, pkg, name string) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == pkg && sel.Sel.Name == name
}
