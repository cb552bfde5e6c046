// Package lint holds what must agree across the repository: template.yaml, the folders of functions/, the Makefile,
// sample events, the operator's page, and the arrows between packages. It has tests only, and a script, run, that is
// `make lint`.
package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pagefree/infra/local/template"
)

// root is the top of the repository, seen from this folder.
const root = "../.."

// load reads template.yaml as it would be deployed with its defaults, and an address to mail alarms to.
var load = sync.OnceValues(func() (*template.Template, error) {
	return template.Load(filepath.Join(root, "template.yaml"), template.Options{
		StackName: "pagefree-lint",
		Parameters: map[string]string{
			"FirstAdminEmail": "admin@pagefree.test", "MailFrom": "pagefree@pagefree.test", "AlarmEmail": "oncall@pagefree.test",
			"Tracing": "on",
		},
	})
})

func deployed(t *testing.T) *template.Template {
	t.Helper()
	tmpl, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

// read gives a file of the repository, by its path from the top.
func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// source is one Go file of the repository.
type source struct {
	path string // from the top, with slashes
	test bool
	ast  *ast.File
}

// folder is the package's folder, from the top.
func (s source) folder() string { return s.path[:max(0, strings.LastIndex(s.path, "/"))] }

// imports are the packages of this module that the file imports, without the module's name.
func (s source) imports() []string {
	var out []string
	for _, spec := range s.ast.Imports {
		if path, ok := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), "pagefree/"); ok {
			out = append(out, path)
		}
	}
	return out
}

var parse = sync.OnceValues(func() ([]source, error) {
	var out []source
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		out = append(out, source{path: filepath.ToSlash(rel), test: strings.HasSuffix(name, "_test.go"), ast: file})
		return err
	})
	return out, err
})

// sources are all Go files of the repository.
func sources(t *testing.T) []source {
	t.Helper()
	out, err := parse()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTopLevel keeps the top of the repository as small as the house rules want it.
func TestTopLevel(t *testing.T) {
	allowed := []string{
		".ci", ".editorconfig", ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "events", "functions",
		"go.mod", "go.sum", "infra", "internal", "samconfig.toml", "template.yaml",
	}
	made := []string{".git", ".local", ".aws-sam"} // by tools, and ignored
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); !slices.Contains(allowed, name) && !slices.Contains(made, name) {
			t.Errorf("%s does not belong at the top: see the drawing of the house in infra/README.md", name)
		}
	}
}
