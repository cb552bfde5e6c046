package lint

import (
	"encoding/json"
	"go/ast"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFunctionsAgree: a logical id, its folder below functions/ and its target in the Makefile belong together.
func TestFunctionsAgree(t *testing.T) {
	want := map[string]string{} // logical id to folder, by the template
	for id, f := range deployed(t).Functions {
		want[id] = f.Folder
	}
	got := map[string]string{} // by the Makefile
	for _, m := range regexp.MustCompile(`(?m)^build-(\w+): ; \$\(call function,(\w+)\)$`).FindAllStringSubmatch(read(t, "Makefile"), -1) {
		got[m[1]] = "functions/" + m[2]
	}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if got[id] != want[id] {
			t.Errorf("%s: the template says %s, the Makefile's target build-%s %q", id, want[id], id, got[id])
		}
		if _, err := os.Stat(filepath.Join(root, want[id], "main.go")); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	for id := range got {
		if want[id] == "" {
			t.Errorf("the Makefile builds %s, which the template lacks", id)
		}
	}
	entries, err := os.ReadDir(filepath.Join(root, "functions"))
	if err != nil {
		t.Fatal(err)
	}
	folders := slices.Collect(maps.Values(want))
	for _, entry := range entries {
		if folder := "functions/" + entry.Name(); !slices.Contains(folders, folder) {
			t.Errorf("%s is no function of the template", folder)
		}
	}
}

// TestVariables: what the template gives a function is what its main reads, neither more nor less.
func TestVariables(t *testing.T) {
	read := map[string][]string{} // by folder
	name := regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)
	for _, file := range sources(t) {
		if !strings.HasPrefix(file.path, "functions/") || file.test {
			continue
		}
		ast.Inspect(file.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			for _, arg := range call.Args {
				lit, ok := arg.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					continue
				}
				if v := strings.Trim(lit.Value, "`\""); name.MatchString(v) && !setByLambda(v) {
					read[file.folder()] = append(read[file.folder()], v)
				}
			}
			return true
		})
	}
	for id, f := range deployed(t).Functions {
		for _, v := range read[f.Folder] {
			if _, ok := f.Environment[v]; !ok {
				t.Errorf("%s: main.go reads %s, which the template does not give it", id, v)
			}
		}
		for v := range f.Environment {
			if !slices.Contains(read[f.Folder], v) && !setByLambda(v) {
				t.Errorf("%s: the template gives it %s, which its main.go does not read", id, v)
			}
		}
		// Empty means AWS itself. Declared, so that sam local may point it at the local stack.
		_, endpoint := f.Environment["AWS_ENDPOINT_URL"]
		_, wrapper := f.Environment["AWS_LAMBDA_EXEC_WRAPPER"]
		if calls := len(f.Environment) > 0 && !strings.HasPrefix(id, "Sandbox") && id != "AssetsFunction"; calls != endpoint {
			t.Errorf("%s: AWS_ENDPOINT_URL declared: %v, but it calls AWS: %v", id, endpoint, calls)
		}
		if managed := f.Runtime != "provided.al2023"; managed != wrapper {
			t.Errorf("%s: runtime %s, AWS_LAMBDA_EXEC_WRAPPER declared: %v", id, f.Runtime, wrapper)
		}
	}
}

// setByLambda tells variables that Lambda or the SDK's conventions own.
func setByLambda(name string) bool {
	return strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "LAMBDA_")
}

// TestSampleEvents: each folder of functions/ has events below events/, each with what is to come of it. A folder deeper
// lie parts of events, such as bodies, which the tests of their rooms read.
func TestSampleEvents(t *testing.T) {
	seen := map[string]int{}
	err := filepath.WalkDir(filepath.Join(root, "events"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		rel, err := filepath.Rel(filepath.Join(root, "events"), path)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !json.Valid(b) {
			t.Errorf("events/%s is not JSON", rel)
		}
		for _, beside := range []string{".want.json", ".given.json"} {
			if of, is := strings.CutSuffix(path, beside); is {
				if _, err := os.Stat(of + ".json"); err != nil {
					t.Errorf("events/%s is of no event", rel)
				}
				return nil
			}
		}
		if strings.Count(filepath.ToSlash(rel), "/") > 1 {
			return nil
		}
		seen[filepath.Dir(rel)]++
		if _, err := os.Stat(strings.TrimSuffix(path, ".json") + ".want.json"); err != nil {
			t.Errorf("events/%s has no %s", rel, strings.TrimSuffix(filepath.Base(path), ".json")+".want.json")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, f := range deployed(t).Functions {
		if name := filepath.Base(f.Folder); seen[name] == 0 {
			t.Errorf("%s: no event in events/%s", id, name)
		}
	}
	for name := range seen {
		if _, err := os.Stat(filepath.Join(root, "functions", name)); err != nil {
			t.Errorf("events/%s belongs to no function", name)
		}
	}
}
