package replay

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// placeholders stand in a wanted text for what differs from run to run.
var placeholders = map[string]string{
	"{{string}}": `(?s:.+)`,
	"{{token}}":  `[A-Za-z0-9_-]{20,}`,
	"{{ulid}}":   `[0-9A-HJKMNP-TV-Z]{26}`,
	"{{uuid}}":   `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`,
	"{{time}}":   `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`,
	"{{hex}}":    `[0-9a-f]+`,
}

// differences tells where got is not what was wanted, each line with the way to it. Both are JSON values.
//
// A wanted "{{any}}" is anything, "{{number}}" any number, and other placeholders may stand within a text. An object has the
// wanted members and no others, unless it has the member "*". Where an object or a list is wanted, and a text came, the
// text is read as JSON: so a proxy response's body can be written out.
func differences(at string, got, want any) []string {
	wrong := []string{fmt.Sprintf("%s: got %s, want %s", at, compact(got), compact(want))}
	switch want := want.(type) {
	case string:
		switch want {
		case "{{any}}":
			return nil
		case "{{number}}":
			if _, ok := got.(float64); ok {
				return nil
			}
			return wrong
		}
		if text, ok := got.(string); ok && pattern(want).MatchString(text) {
			return nil
		}
		return wrong
	case map[string]any:
		object, ok := unpacked(got).(map[string]any)
		if !ok {
			return wrong
		}
		return differentMembers(at, object, want)
	case []any:
		list, ok := unpacked(got).([]any)
		if !ok || len(list) != len(want) {
			return wrong
		}
		var out []string
		for i := range want {
			out = append(out, differences(fmt.Sprintf("%s[%d]", at, i), list[i], want[i])...)
		}
		return out
	}
	if reflect.DeepEqual(got, want) {
		return nil
	}
	return wrong
}

func differentMembers(at string, got, want map[string]any) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if name == "*" {
			continue
		}
		value, ok := got[name]
		if !ok {
			out = append(out, fmt.Sprintf("%s.%s is missing", at, name))
			continue
		}
		out = append(out, differences(at+"."+name, value, want[name])...)
	}
	if _, more := want["*"]; more {
		return out
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			out = append(out, fmt.Sprintf("%s.%s is not wanted: %s", at, name, compact(got[name])))
		}
	}
	return out
}

// unpacked reads a text as JSON, if it is some.
func unpacked(v any) any {
	if text, ok := v.(string); ok {
		var inner any
		if json.Unmarshal([]byte(text), &inner) == nil {
			return inner
		}
	}
	return v
}

// pattern turns a wanted text with placeholders into an expression for the whole of it.
func pattern(want string) *regexp.Regexp {
	expr := regexp.QuoteMeta(want)
	for name, p := range placeholders {
		expr = strings.ReplaceAll(expr, regexp.QuoteMeta(name), p)
	}
	return regexp.MustCompile("^" + expr + "$")
}

// compact is a value as JSON, cut where it grows long.
func compact(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if text := []rune(string(b)); len(text) > 300 {
		return string(text[:300]) + "..."
	}
	return string(b)
}
