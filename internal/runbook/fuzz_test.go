package runbook

import (
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"
	"unicode/utf8"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/template"
)

// FuzzValues looks for a definition that passes its check, and a value that
// passes the definition, but that no script may be given; and for what Values
// makes and Environment refuses.
func FuzzValues(f *testing.F) {
	f.Add(`{"name":"A","type":"string","pattern":"a|b","maxLength":3}`, `"a"`, "A")
	f.Add(`{"name":"A","type":"integer","enum":[1,2],"default":2}`, `2`, "A")
	f.Add(`{"name":"A","type":"number"}`, `1e99`, "A")
	f.Add(`{"name":"A","type":"boolean","template":"{{incident.title}}"}`, `true`, "A")
	f.Add(`{"name":"A","type":"string","template":"<{{incident.description}}>"}`, `true`, "B")
	f.Add(`{"name":"A","type":"string","template":"{{json incident.title}}{{default incident.labels.x \"{\"}}"}`, `null`, "PF_A")
	f.Add(`{"name":"A","type":"integer","template":"{{default incident.labels.x \"0x_1p4\"}}"}`, `null`, "")
	f.Add(`{"name":"A","type":"string","pattern":"\\Qx","default":"x"}`, `"{{"`, "a")
	f.Add(`{"name":"A","type":"string","enum":[[],[]]}`, `[]`, "A")
	f.Add(`{"name":"A","type":"string","enum":[{"a":1},{"a":1},null,null]}`, `{"a":1}`, "A")
	f.Fuzz(func(t *testing.T, definition, value, name string) {
		var p Parameter
		var v any
		if json.Unmarshal([]byte(definition), &p) != nil || json.Unmarshal([]byte(value), &v) != nil {
			return
		}
		var wrong faults
		checkParameters(&wrong, []Parameter{p}, Sandbox)
		if len(wrong) > 0 {
			return
		}
		params := []Parameter{p}
		if p.Template == "" {
			if p.Default != nil {
				if _, err := Values(params, nil, filled); err != nil {
					t.Fatalf("the default passed its check, and is refused: %v", err)
				}
			}
			if got, err := Values(params, map[string]any{p.Name: v}, filled); err == nil {
				fits(t, params, got)
			}
		} else if _, err := Values(params, map[string]any{p.Name: v}, filled); problem.CodeOf(err) != ParameterFixed {
			t.Fatalf("a fixed parameter was given: %v", err)
		}
		if got, err := Values(params, nil, filled); err == nil {
			fits(t, params, got)
		} else if c := problem.CodeOf(err); c == problem.Internal || c == ParameterUnknown {
			t.Fatalf("got %v", err)
		}
		if name != p.Name {
			_, err := Values(params, map[string]any{name: v}, filled)
			if e, ok := errors.AsType[*problem.Error](err); !ok || e.Code != ParameterUnknown || e.Fields[0].Location != "body.parameters."+clip(name) {
				t.Fatalf("%q is no parameter: got %v", name, err)
			}
		}
	})
}

// fits fails the test unless values can be given to a script, now and after
// they were kept as JSON.
func fits(t *testing.T, params []Parameter, values map[string]any) {
	t.Helper()
	env, err := Environment(params, values)
	if err != nil {
		t.Fatalf("Values made %v, and Environment says %v", values, err)
	}
	for name, text := range env {
		if strings.Contains(text, "{{") || strings.ContainsRune(text, 0) || !utf8.ValidString(text) || len(text) > MaxValue {
			t.Fatalf("a script would be given %q as %s", text, name)
		}
	}
	raw, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	var kept map[string]any
	if err := json.Unmarshal(raw, &kept); err != nil {
		t.Fatal(err)
	}
	if later, err := Environment(params, kept); err != nil || !reflect.DeepEqual(later, env) {
		t.Fatalf("kept as %s, %v became %v: %v", raw, env, later, err)
	}
}

// FuzzMatchesWhole compares with anchors around what a pattern was read as.
func FuzzMatchesWhole(f *testing.F) {
	for _, pattern := range []string{"a|b", "a|ab", "a*?", `\Qa.b`, "(?m)^a$", "(?i)abc", "(?U)a+", "x*", `\bword\b`, "[^\\n]*", "(?s).*", "(a|b)*?c", "", `\z`, `a\A`, "(?-s).+$"} {
		f.Add(pattern, "ab\nAB")
		f.Add(pattern, "a")
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		re, err := compile(pattern)
		if err != nil || !utf8.ValidString(s) || len(s) > 1000 {
			return
		}
		read, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		anchored, err := regexp.Compile(`\A(?:` + read.String() + `)\z`)
		if err != nil {
			return // the form that it is written in may be deeper than the pattern
		}
		if got, want := matchesWhole(re, s), anchored.MatchString(s); got != want {
			t.Fatalf("%q on %q: got %v, want %v", pattern, s, got, want)
		}
	})
}

// FuzzTemplateOfAParameter: what passes its check when it is written can only
// lack a value later, or give one that the definition refuses.
func FuzzTemplateOfAParameter(f *testing.F) {
	f.Add("{{incident.title}}", String, "Disk {{full", "eu")
	f.Add(`{{default incident.labels.zone "{{"}}`, String, "", "")
	f.Add("{{incident.labels.zone}}", Integer, "", "12")
	f.Add(" {{lower incident.labels.zone}} ", Boolean, "", "TRUE")
	f.Add("{{{incident.labels.zone}}", String, "", "{x")
	f.Fuzz(func(t *testing.T, text, kind, title, zone string) {
		p := Parameter{Name: "A", Type: kind, Template: text}
		var wrong faults
		checkParameters(&wrong, []Parameter{p}, Sandbox)
		if len(wrong) > 0 || text == "" {
			return
		}
		scope := TemplateScope()
		scope.Fields["incident.title"], scope.Fields["incident.labels.zone"] = &title, &zone
		got, err := Values([]Parameter{p}, nil, func(text string) (string, error) {
			parsed, err := template.Parse(text)
			if err != nil {
				t.Fatalf("%q passed its check: %v", text, err)
			}
			return parsed.Resolve(scope)
		})
		switch problem.CodeOf(err) {
		case "":
			fits(t, []Parameter{p}, got)
		case ParameterInvalid:
		case TemplateUnresolved:
			if !strings.Contains(err.Error(), "has no value here") {
				t.Fatalf("%q passed its check: %v", text, err)
			}
		default:
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// FuzzContent: any body is accepted or refused with reasons, and what was
// accepted is accepted once more in the form that it is kept in.
func FuzzContent(f *testing.F) {
	f.Add(`{"language":"BASH","scriptContent":"true","target":{"type":"sandbox"}}`)
	f.Add(`{"language":"PYTHON","scriptContent":"1","parameters":[{"name":"A","type":"string","enum":[[1],[1]],"default":{}}],"target":{"type":"ssm","tags":{"a":["b"]}}}`)
	f.Add(`{"language":"JAVASCRIPT","parameters":[{"name":"A","type":"number","default":1e300}],"target":{"type":"webhook","url":"https://a/b","headers":{"X":"{{secrets.a}}"}}}`)
	f.Add(`{"target":{"type":"named","targetId":"tgt_1"},"maxRetries":3,"idempotent":true,"timeoutSeconds":-1,"maxRunsPerHour":0}`)
	all := []string{Sandbox, SSM, Webhook, Named}
	f.Fuzz(func(t *testing.T, body string) {
		var c Content
		if json.Unmarshal([]byte(body), &c) != nil {
			return
		}
		c = c.withDefaults()
		if err := c.check(all); err != nil {
			if e, ok := errors.AsType[*problem.Error](err); !ok || e.Status != 422 || len(e.Fields) == 0 || e.Fields[0].Message == "" {
				t.Fatalf("got %v, want a 422 with reasons", err)
			}
			return
		}
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var kept Content
		if err := json.Unmarshal(raw, &kept); err != nil {
			t.Fatal(err)
		}
		if err := kept.withDefaults().check(all); err != nil {
			t.Fatalf("%s was accepted, and then: %v", raw, err)
		}
	})
}
