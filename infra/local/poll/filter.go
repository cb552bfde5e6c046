package poll

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// filter is one pattern of an event source's FilterCriteria: members that all must fit. A record passes when one of a
// source's patterns fits, and where there is none.
type filter map[string]any

// parseFilter reads a pattern, and refuses what it could only judge wrongly. Known are texts, numbers, true, false and
// null, and the rules prefix, anything-but (a list or one value) and exists.
func parseFilter(pattern string) (filter, error) {
	var f filter
	if err := json.Unmarshal([]byte(pattern), &f); err != nil {
		return nil, fmt.Errorf("pattern %s: %w", pattern, err)
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("pattern %s: %w", pattern, err)
	}
	return f, nil
}

func (f filter) check() error {
	if len(f) == 0 {
		return fmt.Errorf("is empty")
	}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		switch v := f[name].(type) {
		case map[string]any:
			if err := filter(v).check(); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		case []any:
			for _, rule := range v {
				if err := checkRule(rule); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		default:
			return fmt.Errorf("%s: want an object or a list of rules", name)
		}
	}
	return nil
}

func checkRule(rule any) error {
	m, ok := rule.(map[string]any)
	if !ok {
		return nil // a value to be equal to
	}
	if _, known := m["prefix"].(string); known && len(m) == 1 {
		return nil
	}
	if _, known := m["exists"].(bool); known && len(m) == 1 {
		return nil
	}
	if v, known := m["anything-but"]; known && len(m) == 1 {
		if _, nested := v.(map[string]any); !nested {
			return nil
		}
	}
	return fmt.Errorf("the local stack does not know the rule %v", m)
}

// fits tells whether a record, as JSON was read, has all that the pattern asks for.
func (f filter) fits(record map[string]any) bool {
	for name, want := range f {
		value, there := record[name]
		switch want := want.(type) {
		case map[string]any:
			inner, _ := value.(map[string]any)
			if !filter(want).fits(inner) {
				return false
			}
		case []any:
			if !slices.ContainsFunc(want, func(rule any) bool { return fitsRule(rule, value, there) }) {
				return false
			}
		}
	}
	return true
}

func fitsRule(rule, value any, there bool) bool {
	m, ok := rule.(map[string]any)
	if !ok {
		return there && rule == value
	}
	if prefix, ok := m["prefix"].(string); ok {
		text, is := value.(string)
		return is && strings.HasPrefix(text, prefix)
	}
	if exists, ok := m["exists"].(bool); ok {
		return exists == there
	}
	list, ok := m["anything-but"].([]any)
	if !ok {
		list = []any{m["anything-but"]}
	}
	return there && !slices.Contains(list, value)
}
