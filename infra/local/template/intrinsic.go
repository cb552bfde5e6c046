package template

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// noValue is what AWS::NoValue evaluates to: the member or list item that holds it disappears.
type noValue struct{}

// evaluator turns the raw document into plain values.
type evaluator struct {
	opts       Options
	parameters map[string]any // string, or []any for list types
	rules      map[string]any // Conditions, raw
	decided    map[string]bool
	deciding   map[string]bool
	mappings   map[string]any
	resources  map[string]*resource
	depth      int // of nested eval calls
}

// maxDepth ends what can only be a resource that refers to itself; no template nests so deep.
const maxDepth = 100

var errCircular = errors.New("circular dependency between resources")

// eval evaluates v to the bottom.
func (e *evaluator) eval(v any) (any, error) {
	if e.depth++; e.depth > maxDepth {
		return nil, errCircular
	}
	defer func() { e.depth-- }()
	switch v := v.(type) {
	case call:
		out, err := e.call(v)
		if errors.Is(err, errCircular) {
			return nil, errCircular // its path says nothing new at each turn
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", v.line, spelled(v.name), err)
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, member := range v {
			value, err := e.eval(member)
			if err != nil {
				return nil, err
			}
			if _, gone := value.(noValue); !gone {
				out[key] = value
			}
		}
		return out, nil
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			value, err := e.eval(item)
			if err != nil {
				return nil, err
			}
			if _, gone := value.(noValue); !gone {
				out = append(out, value)
			}
		}
		return out, nil
	default:
		return v, nil
	}
}

func spelled(name string) string {
	if name == "Ref" || name == "Condition" {
		return name
	}
	return "Fn::" + name
}

func (e *evaluator) call(c call) (any, error) {
	switch c.name {
	case "Ref":
		name, ok := c.arg.(string)
		if !ok {
			return nil, fmt.Errorf("want a name, got %T", c.arg)
		}
		return e.ref(name)
	case "GetAtt":
		return e.getAttCall(c.arg)
	case "Sub":
		return e.sub(c.arg)
	case "If":
		return e.ifCall(c.arg)
	case "Condition", "Equals", "Not", "And", "Or":
		return e.decide(c)
	}
	arg, err := e.eval(c.arg)
	if err != nil {
		return nil, err
	}
	switch c.name {
	case "Join":
		return join(arg)
	case "Split":
		return split(arg)
	case "Select":
		return selectItem(arg)
	case "FindInMap":
		return e.findInMap(arg)
	case "Base64":
		s, err := text(arg)
		return base64.StdEncoding.EncodeToString([]byte(s)), err
	case "GetAZs":
		return []any{e.opts.Region + "a", e.opts.Region + "b", e.opts.Region + "c"}, nil
	}
	return nil, fmt.Errorf("unknown intrinsic function")
}

func (e *evaluator) getAttCall(arg any) (any, error) {
	switch arg := arg.(type) {
	case string:
		id, attr, ok := strings.Cut(arg, ".")
		if !ok {
			return nil, fmt.Errorf("want Resource.Attribute, got %q", arg)
		}
		return e.getAtt(id, attr)
	case []any:
		if len(arg) == 2 {
			id, ok := arg[0].(string)
			attr, err := e.eval(arg[1])
			if err != nil {
				return nil, err
			}
			if name, isText := attr.(string); ok && isText {
				return e.getAtt(id, name)
			}
		}
	}
	return nil, fmt.Errorf("want [Resource, Attribute]")
}

// sub replaces ${Name}, ${Resource.Attribute} and the names of its own map; ${!Name} stands for a literal ${Name}.
func (e *evaluator) sub(arg any) (any, error) {
	local := map[string]any{}
	if list, ok := arg.([]any); ok {
		if len(list) != 2 {
			return nil, fmt.Errorf("want a string or [string, map]")
		}
		m, ok := list[1].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("want a map as second item")
		}
		evaluated, err := e.eval(m)
		if err != nil {
			return nil, err
		}
		local, arg = evaluated.(map[string]any), list[0]
	}
	rest, ok := arg.(string)
	if !ok {
		return nil, fmt.Errorf("want a string, got %T", arg)
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(rest, "${")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			return nil, fmt.Errorf("unclosed ${ in %q", arg)
		}
		value, err := e.subName(name, local)
		if err != nil {
			return nil, err
		}
		out.WriteString(value)
		rest = tail
	}
}

func (e *evaluator) subName(name string, local map[string]any) (string, error) {
	if literal, ok := strings.CutPrefix(name, "!"); ok {
		return "${" + literal + "}", nil
	}
	value, ok := local[name]
	if !ok {
		var err error
		if id, attr, dotted := strings.Cut(name, "."); dotted && !e.isSamProperty(name) {
			value, err = e.getAtt(id, attr)
		} else {
			value, err = e.ref(name)
		}
		if err != nil {
			return "", err
		}
	}
	return text(value)
}

func join(arg any) (any, error) {
	list, ok := arg.([]any)
	if !ok || len(list) != 2 {
		return nil, fmt.Errorf("want [delimiter, list]")
	}
	delimiter, ok := list[0].(string)
	items, isList := list[1].([]any)
	if !ok || !isList {
		return nil, fmt.Errorf("want [delimiter, list]")
	}
	parts := make([]string, len(items))
	for i, item := range items {
		part, err := text(item)
		if err != nil {
			return nil, err
		}
		parts[i] = part
	}
	return strings.Join(parts, delimiter), nil
}

func split(arg any) (any, error) {
	list, ok := arg.([]any)
	if !ok || len(list) != 2 {
		return nil, fmt.Errorf("want [delimiter, string]")
	}
	delimiter, ok := list[0].(string)
	s, isText := list[1].(string)
	if !ok || !isText || delimiter == "" {
		return nil, fmt.Errorf("want [delimiter, string]")
	}
	var out []any
	for part := range strings.SplitSeq(s, delimiter) {
		out = append(out, part)
	}
	return out, nil
}

func selectItem(arg any) (any, error) {
	list, ok := arg.([]any)
	if !ok || len(list) != 2 {
		return nil, fmt.Errorf("want [index, list]")
	}
	digits, err := text(list[0])
	if err != nil {
		return nil, err
	}
	index, err := strconv.Atoi(digits)
	items, isList := list[1].([]any)
	if err != nil || !isList || index < 0 || index >= len(items) {
		return nil, fmt.Errorf("no item %s in the list", digits)
	}
	return items[index], nil
}

func (e *evaluator) findInMap(arg any) (any, error) {
	list, ok := arg.([]any)
	if !ok || len(list) != 3 {
		return nil, fmt.Errorf("want [map, first key, second key]")
	}
	var at any = e.mappings
	for _, item := range list {
		key, err := text(item)
		if err != nil {
			return nil, err
		}
		m, ok := at.(map[string]any)
		if !ok || m[key] == nil {
			return nil, fmt.Errorf("no key %q in the mapping", key)
		}
		at = m[key]
	}
	return at, nil
}

// text is a scalar as CloudFormation writes it into a string.
func text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", fmt.Errorf("want a string, got %T", v)
}
