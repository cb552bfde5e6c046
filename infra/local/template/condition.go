package template

import (
	"fmt"
	"reflect"
	"strconv"
)

func (e *evaluator) ifCall(arg any) (any, error) {
	list, ok := arg.([]any)
	if !ok || len(list) != 3 {
		return nil, fmt.Errorf("want [condition, then, else]")
	}
	name, ok := list[0].(string)
	if !ok {
		return nil, fmt.Errorf("want the name of a condition, got %T", list[0])
	}
	yes, err := e.condition(name)
	if err != nil {
		return nil, err
	}
	if yes {
		return e.eval(list[1])
	}
	return e.eval(list[2])
}

// condition decides a named condition once.
func (e *evaluator) condition(name string) (bool, error) {
	if yes, ok := e.decided[name]; ok {
		return yes, nil
	}
	rule, ok := e.rules[name]
	if !ok {
		return false, fmt.Errorf("condition %s is not declared", name)
	}
	if e.deciding[name] {
		return false, fmt.Errorf("condition %s depends on itself", name)
	}
	e.deciding[name] = true
	defer delete(e.deciding, name)
	yes, err := e.truth(rule)
	if err != nil {
		return false, fmt.Errorf("condition %s: %w", name, err)
	}
	e.decided[name] = yes
	return yes, nil
}

func (e *evaluator) truth(v any) (bool, error) {
	if m, ok := v.(map[string]any); ok && len(m) == 1 {
		if name, ok := m["Condition"].(string); ok {
			return e.condition(name)
		}
	}
	value, err := e.eval(v)
	if err != nil {
		return false, err
	}
	switch value := value.(type) {
	case bool:
		return value, nil
	case string:
		return strconv.ParseBool(value)
	}
	return false, fmt.Errorf("want true or false, got %T", value)
}

func (e *evaluator) decide(c call) (any, error) {
	if c.name == "Condition" {
		name, ok := c.arg.(string)
		if !ok {
			return nil, fmt.Errorf("want a name, got %T", c.arg)
		}
		return e.condition(name)
	}
	list, ok := c.arg.([]any)
	if !ok {
		return nil, fmt.Errorf("want a list, got %T", c.arg)
	}
	if c.name == "Equals" {
		v, err := e.eval(list)
		if err != nil {
			return nil, err
		}
		if pair := v.([]any); len(pair) == 2 {
			return sameValue(pair[0], pair[1]), nil
		}
		return nil, fmt.Errorf("want two values, got %d", len(list))
	}
	if c.name == "Not" {
		if len(list) != 1 {
			return nil, fmt.Errorf("want one condition, got %d", len(list))
		}
		yes, err := e.truth(list[0])
		return !yes, err
	}
	if len(list) < 2 {
		return nil, fmt.Errorf("want two conditions or more, got %d", len(list))
	}
	for _, item := range list {
		yes, err := e.truth(item)
		if err != nil {
			return nil, err
		}
		if yes != (c.name == "And") {
			return yes, nil
		}
	}
	return c.name == "And", nil
}

// sameValue compares as Fn::Equals does: scalars by their text.
func sameValue(a, b any) bool {
	x, errX := text(a)
	y, errY := text(b)
	if errX == nil && errY == nil {
		return x == y
	}
	return reflect.DeepEqual(a, b)
}
