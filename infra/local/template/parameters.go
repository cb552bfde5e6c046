package template

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// parameters gives every declared parameter its override or its default.
func parameters(declared map[string]any, overrides map[string]string) (map[string]any, error) {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		if _, ok := declared[name]; !ok {
			errs = append(errs, fmt.Errorf("parameter %s is not declared by the template", name))
		}
	}
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		m, ok := declared[name].(map[string]any)
		if !ok {
			errs = append(errs, fmt.Errorf("parameter %s: not a mapping", name))
			continue
		}
		v, err := parameter(m, overrides, name)
		if err != nil {
			errs = append(errs, fmt.Errorf("parameter %s: %w", name, err))
		}
		out[name] = v
	}
	return out, errors.Join(errs...)
}

func parameter(m map[string]any, overrides map[string]string, name string) (any, error) {
	value, given := overrides[name]
	if !given {
		def, ok := m["Default"]
		if !ok {
			return nil, errors.New("has no default, and no value was given")
		}
		var err error
		if value, err = text(def); err != nil {
			return nil, fmt.Errorf("default: %w", err)
		}
	}
	if allowed, ok := m["AllowedValues"].([]any); ok {
		if !slices.ContainsFunc(allowed, func(v any) bool { return sameValue(v, value) }) {
			return nil, fmt.Errorf("%q is not among the allowed values", value)
		}
	}
	if pattern, ok := m["AllowedPattern"].(string); ok {
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			return nil, fmt.Errorf("pattern: %w", err)
		}
		if !re.MatchString(value) {
			return nil, fmt.Errorf("%q does not match %s", value, pattern)
		}
	}
	kind, _ := m["Type"].(string)
	if kind != "CommaDelimitedList" && !strings.HasPrefix(kind, "List<") {
		return value, nil
	}
	list := []any{}
	for item := range strings.SplitSeq(value, ",") {
		list = append(list, strings.TrimSpace(item))
	}
	return list, nil
}

func parameterText(v any) string {
	list, ok := v.([]any)
	if !ok {
		return v.(string)
	}
	parts := make([]string, len(list))
	for i, item := range list {
		parts[i] = item.(string)
	}
	return strings.Join(parts, ",")
}

// merge lays a resource over Globals as SAM does: maps are merged, lists appended to the global one, all else replaced.
func merge(global, local any) any {
	switch g := global.(type) {
	case map[string]any:
		l, ok := local.(map[string]any)
		if !ok {
			return local
		}
		out := maps.Clone(g)
		for key, v := range l {
			if base, ok := g[key]; ok {
				v = merge(base, v)
			}
			out[key] = v
		}
		return out
	case []any:
		if l, ok := local.([]any); ok {
			return slices.Concat(g, l)
		}
	}
	return local
}
