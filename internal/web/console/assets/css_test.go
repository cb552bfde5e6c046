package assets_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNoDeadRules: each class that the style sheet names stands on some page, or is given to one by a program.
func TestNoDeadRules(t *testing.T) {
	named, quoted := regexp.MustCompile(`class="((?:\{\{.*?\}\}|[^"])*)"`), regexp.MustCompile("\"[^\"\n]*\"|'[^'\n]*'|`[^`]*`")
	word := regexp.MustCompile(`[\w-]+`)
	used := map[string]bool{}
	if err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		kind := filepath.Ext(path)
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || kind != ".html" && kind != ".go" && kind != ".js" {
			return err
		}
		text, err := os.ReadFile(path)
		places := quoted
		if kind == ".html" {
			places = named
		}
		for _, place := range places.FindAll(text, -1) {
			for _, w := range word.FindAllString(string(place), -1) {
				used[w] = true
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("console.css")
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile(`(?s)/\*.*?\*/|\{[^{}]*\}`).ReplaceAllString(string(raw), " ")
	classes := regexp.MustCompile(`\.([a-zA-Z][\w-]*)`).FindAllStringSubmatch(rules, -1)
	if len(classes) < 100 {
		t.Fatalf("found %d classes", len(classes))
	}
	for _, c := range classes {
		colour, _ := strings.CutPrefix(strings.Replace(c[1], "b-", "c-", 1), "c-") // of an output: c-red, b-red
		if !used[c[1]] && !(colour != c[1] && used[colour]) {
			t.Errorf(".%s is the class of nothing", c[1])
		}
	}
}
