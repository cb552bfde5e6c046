package template

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// whole is a scope in which every path that is known has a value.
func whole() Scope {
	s := scope()
	for path, value := range s.Fields {
		if value == nil {
			text := "text of " + path
			s.Fields[path] = &text
		}
	}
	s.Open = nil
	return s
}

// FuzzParse holds Parse, Check and Resolve against one another.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "plain } text {", "{{incident.title}}", "{{ upper  incident.title }}", `{{default incident.labels.a "\"}}"}}`, "{{", "}}", "{{}}", "{{{{}}}}",
		`{{json a}}{{"`, "{{incident.labels.zone}}{{incident.secret}}", "{{incident.service.name}}", `{{default incident.description "{{"}}`,
		"{{upper {{incident.title}}}}", "{{incident.labels.}}", "{{incident..title}}", "{{\tincident.title\n}}", "{{upper\tincident.title}}", "{{incident.title}}\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ours := func(err error) {
			t.Helper()
			if e, ok := errors.AsType[*Error](err); !ok || e.Reason == "" {
				t.Fatalf("%q: %v is no *Error that says something", text, err)
			}
		}
		parsed, err := Parse(text)
		if err != nil {
			ours(err)
			return
		}
		full := whole()
		got, err := parsed.Resolve(full)
		check := parsed.Check(full)
		unknown := slices.IndexFunc(parsed.Paths(), func(p string) bool { return !full.Knows(p) })
		switch {
		case (err == nil) != (check == nil) || (unknown < 0) != (check == nil):
			t.Fatalf("%q: Check says %v, Resolve says %v, and the paths are %q", text, check, err, parsed.Paths())
		case err != nil:
			ours(err)
			ours(check)
			if path := parsed.Paths()[unknown]; err.Error() != check.Error() || !strings.HasSuffix(err.Error(), path) {
				t.Fatalf("%q: Check says %v, Resolve says %v; want both to name %q", text, check, err, path)
			}
		case len(parsed.Paths()) == 0 && got != text:
			t.Fatalf("text without actions changed: %q became %q", text, got)
		}
		// Where some paths have no value, what is known stays known.
		if _, err := parsed.Resolve(scope()); err != nil {
			ours(err)
			if parsed.Check(scope()) == nil && !strings.HasSuffix(err.Error(), "has no value here") {
				t.Fatalf("%q passed its check, and then: %v", text, err)
			}
		}
		// What came out is not looked at again: a template made of it stands for itself or is another one.
		if again, err := Parse(text); err != nil || !slices.Equal(again.Paths(), parsed.Paths()) {
			t.Fatalf("%q is read in two ways", text)
		}
	})
}

// FuzzResolve puts a template together and knows what must come of it.
func FuzzResolve(f *testing.F) {
	f.Add("a", 0, "x", "y", "b")
	f.Add("{", 1, "{{now}}", `"}}`, "}")
	f.Add("\xff", 2, " <b>\u2028 ", "{{", "\x00")
	f.Add("}}", 5, "ß", "\\", "}}")
	f.Fuzz(func(t *testing.T, before string, helper int, value, fallback, after string) {
		if strings.Contains(before, "{{") || strings.HasSuffix(before, "{") || strings.Contains(after, "{{") || len(before)+len(after)+len(fallback) > MaxLength/10 {
			return
		}
		name := append(helpers, "")[uint(helper)%uint(len(helpers)+1)]
		text := before + "{{" + name + " a.b"
		if name == "default" {
			text += " " + strconv.Quote(fallback)
		}
		text += "}}" + after
		quoted, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"": value, "default": value, "json": string(quoted),
			"upper": strings.ToUpper(value), "lower": strings.ToLower(value), "trim": strings.TrimSpace(value),
		}[name]
		if name == "default" && value == "" {
			want = fallback
		}
		parsed, err := Parse(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got, err := parsed.Resolve(Scope{Fields: map[string]*string{"a.b": &value}}); err != nil || got != before+want+after {
			t.Fatalf("%q with %q: got %q, %v; want %q", text, value, got, err, before+want+after)
		}
		got, err := parsed.Resolve(Scope{Open: []string{"a."}})
		if name == "default" && (err != nil || got != before+fallback+after) || name != "default" && (err == nil || !strings.Contains(err.Error(), "a.b")) {
			t.Fatalf("%q without a value: got %q, %v", text, got, err)
		}
		if _, err := parsed.Resolve(Scope{Open: []string{"a.b."}}); err == nil || !strings.HasSuffix(err.Error(), "a.b") {
			t.Fatalf("%q resolved a path that does not exist: %v", text, err)
		}
	})
}

// TestOnlyText: a value is looked up in a map of texts. Nothing here can reach into a Go value by its name.
func TestOnlyText(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "template.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"encoding/json", "fmt", "regexp", "slices", "strconv", "strings", "unicode/utf8"}
	for _, i := range parsed.Imports {
		if path, err := strconv.Unquote(i.Path.Value); err != nil || !slices.Contains(allowed, path) {
			t.Errorf("it imports %s", i.Path.Value)
		}
	}
	for _, text := range []string{"{{incident.title.len}}", "{{incident.Title}}", "{{incident}}", "{{incident.title.0}}", "{{incident.labels.zone.String}}"} {
		if got, err := resolve(text); err == nil {
			t.Errorf("%s is %q", text, got)
		}
	}
}
