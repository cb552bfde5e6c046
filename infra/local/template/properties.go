package template

import (
	"fmt"
	"strconv"
)

// properties reads an evaluated mapping and notes what is wrong with it in the builder, with its place.
type properties struct {
	b    *builder
	path string
	m    map[string]any
}

func (p properties) fail(format string, args ...any) {
	p.b.errs = append(p.b.errs, fmt.Errorf("%s: %s", p.path, fmt.Sprintf(format, args...)))
}

func (p properties) has(name string) bool { return p.m[name] != nil }

// only notes every member that is not among the names: a setting that is not understood is not passed over.
func (p properties) only(names ...string) {
	known := map[string]bool{}
	for _, name := range names {
		known[name] = true
	}
	for name := range p.m {
		if !known[name] {
			p.fail("the local stack does not know the property %s", name)
		}
	}
}

func (p properties) text(name, def string) string {
	v, ok := p.m[name]
	if !ok || v == nil {
		return def
	}
	s, err := text(v)
	if err != nil {
		p.fail("%s: %v", name, err)
	}
	return s
}

func (p properties) number(name string, def float64) float64 {
	if !p.has(name) {
		return def
	}
	f, err := strconv.ParseFloat(p.text(name, ""), 64)
	if err != nil {
		p.fail("%s: not a number: %v", name, p.m[name])
	}
	return f
}

func (p properties) integer(name string, def int) int {
	f := p.number(name, float64(def))
	if f != float64(int(f)) {
		p.fail("%s: not a whole number: %v", name, p.m[name])
	}
	return int(f)
}

func (p properties) flag(name string, def bool) bool {
	if !p.has(name) {
		return def
	}
	yes, err := strconv.ParseBool(p.text(name, ""))
	if err != nil {
		p.fail("%s: neither true nor false: %v", name, p.m[name])
	}
	return yes
}

func (p properties) sub(name string) properties {
	out := properties{b: p.b, path: p.path + "." + name}
	v, ok := p.m[name]
	if !ok || v == nil {
		return out
	}
	if out.m, ok = v.(map[string]any); !ok {
		out.fail("not a mapping")
	}
	return out
}

// items is a list of mappings.
func (p properties) items(name string) []properties {
	list, ok := p.m[name].([]any)
	if p.has(name) && !ok {
		p.fail("%s: not a list", name)
	}
	var out []properties
	for i, v := range list {
		item := properties{b: p.b, path: fmt.Sprintf("%s.%s[%d]", p.path, name, i)}
		if item.m, ok = v.(map[string]any); !ok {
			item.fail("not a mapping")
		}
		out = append(out, item)
	}
	return out
}

// texts is a list of strings, or one string alone; nil when the member is missing.
func (p properties) texts(name string) []string {
	v, ok := p.m[name]
	if !ok || v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return []string{p.text(name, "")}
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		s, err := text(item)
		if err != nil {
			p.fail("%s: %v", name, err)
		}
		out = append(out, s)
	}
	return out
}
