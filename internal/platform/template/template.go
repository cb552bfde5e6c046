// Package template resolves the small templates of PageFree: text with
// {{path}} or {{helper path}} in it, over a fixed set of paths. There is no
// reflection, no nesting and no expression language: a path is looked up in a
// map that the caller built, and an unknown one is an error, never empty text.
package template

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MaxLength bounds the text of a template, in bytes.
const MaxLength = 32 << 10

// Template is parsed text: literals and what stands between braces, in turn.
type Template struct{ parts []part }

type part struct {
	literal string
	action  *action
}

// action is {{path}}, {{helper path}} or {{default path "text"}}.
type action struct {
	source   string // between the braces
	helper   string
	path     string
	fallback string
}

var helpers = []string{"default", "json", "upper", "lower", "trim"}

var pathForm = regexp.MustCompile(`^[a-z][A-Za-z0-9_]*(\.[A-Za-z0-9_-]+)*$`)

// Error says what is wrong with a template, in words for its author.
type Error struct{ Reason string }

func (e *Error) Error() string { return e.Reason }

func fail(format string, args ...any) error { return &Error{Reason: fmt.Sprintf(format, args...)} }

// Parse reads a template. Anything between {{ and }} that is not one of the
// three forms is an error that quotes it.
func Parse(text string) (*Template, error) {
	if len(text) > MaxLength {
		return nil, fail("the template is longer than %d bytes", MaxLength)
	}
	t := &Template{}
	for {
		before, rest, found := strings.Cut(text, "{{")
		if before != "" {
			t.parts = append(t.parts, part{literal: before})
		}
		if !found {
			return t, nil
		}
		inner, after, closed := cutAction(rest)
		if !closed {
			return nil, fail("{{ without }}")
		}
		a, err := parseAction(strings.TrimSpace(inner))
		if err != nil {
			return nil, err
		}
		a.source = inner
		t.parts = append(t.parts, part{action: a})
		text = after
	}
}

// cutAction finds the }} that ends an action, passing over quoted text.
func cutAction(s string) (inner, after string, closed bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(s[i:], "}}"):
			return s[:i], s[i+2:], true
		}
	}
	return "", "", false
}

func parseAction(inner string) (*action, error) {
	first, rest, _ := strings.Cut(inner, " ")
	rest = strings.TrimSpace(rest)
	if rest == "" {
		if !pathForm.MatchString(first) {
			return nil, fail("{{%s}} is no path", inner)
		}
		return &action{path: first}, nil
	}
	if !slices.Contains(helpers, first) {
		return nil, fail("{{%s}}: there is no helper %q; there are %s", inner, first, strings.Join(helpers, ", "))
	}
	a := &action{helper: first}
	path, argument, has := strings.Cut(rest, " ")
	a.path = path
	if !pathForm.MatchString(path) {
		return nil, fail("{{%s}}: %q is no path", inner, path)
	}
	if has != (first == "default") {
		if has {
			return nil, fail("{{%s}}: %s takes a path and nothing else", inner, first)
		}
		return nil, fail(`{{%s}}: default takes a path and a quoted text, as in {{default incident.labels.zone "eu"}}`, inner)
	}
	if has {
		fallback, err := strconv.Unquote(strings.TrimSpace(argument))
		if err != nil || !strings.HasPrefix(strings.TrimSpace(argument), `"`) {
			return nil, fail("{{%s}}: the text after the path stands in double quotes", inner)
		}
		a.fallback = fallback
	}
	return a, nil
}

// Paths returns every path that the template names, once, in order of appearance.
func (t *Template) Paths() []string {
	var paths []string
	for _, p := range t.parts {
		if p.action != nil && !slices.Contains(paths, p.action.path) {
			paths = append(paths, p.action.path)
		}
	}
	return paths
}

// Scope is what paths resolve to. Fields holds every path that exists and its
// text; an absent value of an existing path is nil. Open are prefixes under
// which any name may stand, such as "incident.labels.". Later are prefixes of
// paths whose values nobody knows yet: what names one that has none stays as it
// was written, helper and default included.
type Scope struct {
	Fields map[string]*string
	Open   []string
	Later  []string
}

// Waits reports whether the template names a path whose value nobody knows yet.
func (t *Template) Waits(s Scope) bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.action != nil && s.waits(p.action.path) })
}

func (s Scope) waits(path string) bool {
	return s.Fields[path] == nil && s.Knows(path) && slices.ContainsFunc(s.Later, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
}

// Knows reports whether a path may stand in a template of this scope.
func (s Scope) Knows(path string) bool {
	if _, ok := s.Fields[path]; ok {
		return true
	}
	return slices.ContainsFunc(s.Open, func(prefix string) bool {
		rest, ok := strings.CutPrefix(path, prefix)
		return ok && rest != ""
	})
}

// Check reports the first path of the template that the scope does not know.
func (t *Template) Check(s Scope) error {
	for _, p := range t.Paths() {
		if !s.Knows(p) {
			return fail("there is no %s", p)
		}
	}
	return nil
}

// Resolve fills the template. A path without a value is an error that names
// it, unless it stands under default.
func (t *Template) Resolve(s Scope) (string, error) {
	var out strings.Builder
	for _, p := range t.parts {
		if p.action == nil {
			out.WriteString(p.literal)
			continue
		}
		text, err := p.action.resolve(s)
		if err != nil {
			return "", err
		}
		out.WriteString(text)
	}
	return out.String(), nil
}

func (a *action) resolve(s Scope) (string, error) {
	if !s.Knows(a.path) {
		return "", fail("there is no %s", a.path)
	}
	value := s.Fields[a.path]
	if s.waits(a.path) {
		return "{{" + a.source + "}}", nil
	}
	if value == nil {
		if a.helper == "default" {
			return a.fallback, nil
		}
		return "", fail("%s has no value here", a.path)
	}
	switch a.helper {
	case "upper":
		return strings.ToUpper(*value), nil
	case "lower":
		return strings.ToLower(*value), nil
	case "trim":
		return strings.TrimSpace(*value), nil
	case "json":
		quoted, err := json.Marshal(*value)
		return string(quoted), err
	case "default":
		if *value == "" {
			return a.fallback, nil
		}
	}
	return *value, nil
}
