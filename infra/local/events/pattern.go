package events

import (
	"fmt"
	"strings"
)

// pattern is an event pattern: each of its fields must match.
// Source: EventBridge user guide, comparison operators.
type pattern map[string]field

// field is one of a pattern: fields below it, or a list of which one must match.
type field struct {
	below pattern
	any   []matcher
}

type matcher func(value any, present bool) bool

// compile reads a pattern. What it cannot judge is an error: exact values, prefix, anything-but of strings and exists are known.
func compile(written map[string]any) (pattern, error) {
	if len(written) == 0 {
		return nil, fmt.Errorf("it is empty")
	}
	p := pattern{}
	for name, v := range written {
		switch v := v.(type) {
		case map[string]any:
			below, err := compile(v)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			p[name] = field{below: below}
		case []any:
			f := field{}
			for _, item := range v {
				m, err := compileMatcher(item)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
				f.any = append(f.any, m)
			}
			p[name] = f
		default:
			return nil, fmt.Errorf("%s: want a list or a mapping, got %v", name, v)
		}
	}
	return p, nil
}

func compileMatcher(item any) (matcher, error) {
	switch want := item.(type) {
	case string, bool, nil:
		return func(v any, present bool) bool { return present && v == want }, nil
	case map[string]any:
		if len(want) != 1 {
			return nil, fmt.Errorf("a matcher has one member, got %v", want)
		}
		for operator, operand := range want {
			switch operand := operand.(type) {
			case string:
				switch operator {
				case "prefix":
					return func(v any, _ bool) bool { s, ok := v.(string); return ok && strings.HasPrefix(s, operand) }, nil
				case "anything-but":
					return func(v any, present bool) bool { return present && v != operand }, nil
				}
			case bool:
				if operator == "exists" {
					return func(_ any, present bool) bool { return present == operand }, nil
				}
			case []any:
				if operator != "anything-but" {
					break
				}
				var none []matcher
				for _, o := range operand {
					m, err := compileMatcher(o)
					if err != nil {
						return nil, err
					}
					none = append(none, m)
				}
				return func(v any, present bool) bool {
					for _, m := range none {
						if m(v, present) {
							return false
						}
					}
					return present
				}, nil
			}
			return nil, fmt.Errorf("the local stack does not know the matcher %s: %v", operator, operand)
		}
	}
	return nil, fmt.Errorf("the local stack does not match %v (%T)", item, item)
}

func (p pattern) matches(event map[string]any) bool {
	for name, f := range p {
		v, present := event[name]
		if f.below != nil {
			below, _ := v.(map[string]any)
			if !f.below.matches(below) {
				return false
			}
			continue
		}
		if !f.matches(v, present) {
			return false
		}
	}
	return true
}

// matches takes a list in the event for each of its values.
func (f field) matches(v any, present bool) bool {
	values := []any{v}
	if list, ok := v.([]any); ok {
		values = list
	}
	for _, m := range f.any {
		for _, v := range values {
			if m(v, present) {
				return true
			}
		}
	}
	return false
}
