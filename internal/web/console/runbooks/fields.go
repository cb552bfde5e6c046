package runbooks

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
)

// A form and the definition that it holds. Fields have the names of the API's
// members; what JSON has lists and maps for, a form has lines for:
//
//	enum, instanceIds   a value a line
//	tags                "key = value" a line, a key as often as it has values
//	headers             "Name: value" a line
//
// A text that would not come back as it was, such as an empty one, stands in
// quotes, as in JSON.

// maxRows is how many rows of parameters a form is shown with; one more than
// there may be, so that one too many is refused and not lost.
const maxRows = runbook.MaxParameters + 1

// param names a field of a row.
func param(i int, field string) string { return fmt.Sprintf("parameters[%d].%s", i, field) }

// contentForm is the form that holds a version.
func contentForm(v runbook.Version) console.Form {
	f := console.NewForm(map[string]string{
		"language": v.Language, "scriptContent": v.ScriptContent, "timeoutSeconds": numeral(v.TimeoutSeconds), "maxRetries": numeral(v.MaxRetries),
		"idempotent": ticked(v.Idempotent), "concurrency": numeral(v.Concurrency), "maxRunsPerHour": "", "serviceId": "",
		"requiresConfirm": ticked(v.RequiresConfirm), "risk": v.Risk, "changeNote": "",
	})
	if v.MaxRunsPerHour != nil {
		f.Values.Set("maxRunsPerHour", numeral(*v.MaxRunsPerHour))
	}
	if v.ServiceID != nil {
		f.Values.Set("serviceId", *v.ServiceID)
	}
	for i, p := range v.Parameters {
		set := func(field, value string) { f.Values.Set(param(i, field), value) }
		set("name", p.Name)
		set("type", p.Type)
		set("description", p.Description)
		set("required", ticked(p.Required))
		set("secret", ticked(p.Secret))
		set("pattern", p.Pattern)
		set("template", p.Template)
		set("default", "")
		if p.Default != nil {
			set("default", literal(p.Default))
		}
		var values []string
		for _, e := range p.Enum {
			values = append(values, literal(e))
		}
		set("enum", strings.Join(values, "\n"))
		set("maxLength", "")
		if p.MaxLength != nil {
			set("maxLength", numeral(*p.MaxLength))
		}
	}
	f.Values.Set("rows", numeral(len(v.Parameters)))
	targetForm(f.Values, v.Target)
	return f
}

// targetForm adds the fields of a target to a form.
func targetForm(to url.Values, t runbook.Target) {
	set := func(field, value string) { to.Set("target."+field, value) }
	set("type", t.Type)
	set("instanceIds", strings.Join(t.InstanceIDs, "\n"))
	set("tags", strings.Join(tagLines(t.Tags), "\n"))
	set("maxNodes", "")
	if t.MaxNodes > 0 {
		set("maxNodes", numeral(t.MaxNodes))
	}
	set("maxConcurrency", t.MaxConcurrency)
	set("maxErrors", t.MaxErrors)
	set("url", t.URL)
	set("preset", t.Preset)
	set("async", ticked(t.Async))
	var headers []string
	for _, name := range slices.Sorted(maps.Keys(t.Headers)) {
		headers = append(headers, name+": "+t.Headers[name])
	}
	set("headers", strings.Join(headers, "\n"))
	set("signWith", t.SignWith)
	set("targetId", t.TargetID)
}

// rowsOf is how many rows of parameters a form has.
func rowsOf(f console.Form) int {
	n, err := strconv.Atoi(f.Get("rows"))
	if err != nil {
		return 0
	}
	return min(max(n, 0), maxRows)
}

// contentOf is the body that a form holds, as JSON would have it.
func contentOf(f console.Form) map[string]any {
	body := map[string]any{
		"language": f.Get("language"), "scriptContent": f.Get("scriptContent"), "target": targetOf(f), "idempotent": f.Has("idempotent", "yes"),
		"requiresConfirm": f.Has("requiresConfirm", "yes"), "risk": f.Get("risk"), "changeNote": strings.TrimSpace(f.Get("changeNote")),
	}
	for _, name := range []string{"timeoutSeconds", "maxRetries", "concurrency", "maxRunsPerHour"} {
		if strings.TrimSpace(f.Get(name)) != "" {
			body[name] = f.Number(name)
		}
	}
	if s := f.Get("serviceId"); s != "" {
		body["serviceId"] = s
	}
	params := []any{}
	for i := range rowsOf(f) {
		get := func(field string) string { return f.Get(param(i, field)) }
		p := map[string]any{"name": strings.TrimSpace(get("name")), "type": get("type"), "required": f.Has(param(i, "required"), "yes"), "secret": f.Has(param(i, "secret"), "yes")}
		for _, name := range []string{"description", "pattern", "template"} {
			if text := get(name); text != "" {
				p[name] = text
			}
		}
		if text := get("default"); text != "" {
			p["default"] = value(text, get("type"))
		}
		var enum []any
		for _, text := range nonempty(get("enum")) {
			enum = append(enum, value(text, get("type")))
		}
		if enum != nil {
			p["enum"] = enum
		}
		if strings.TrimSpace(get("maxLength")) != "" {
			p["maxLength"] = f.Number(param(i, "maxLength"))
		}
		params = append(params, p)
	}
	body["parameters"] = params
	return body
}

// targetOf is the target that a form holds: only the members that its type has.
func targetOf(f console.Form) map[string]any {
	get := func(field string) string { return f.Get("target." + field) }
	t := map[string]any{"type": get("type")}
	text := func(fields ...string) {
		for _, name := range fields {
			if v := strings.TrimSpace(get(name)); v != "" {
				t[name] = v
			}
		}
	}
	switch get("type") {
	case runbook.SSM:
		if ids := nonempty(get("instanceIds")); len(ids) > 0 {
			t["instanceIds"] = ids
		}
		tags := map[string][]string{}
		for _, l := range nonempty(get("tags")) {
			key, v, _ := strings.Cut(l, "=")
			if strings.HasPrefix(l, `"`) {
				key, v = quotedKey(l)
			}
			key = unliteral(strings.TrimSpace(key))
			tags[key] = append(tags[key], unliteral(strings.TrimSpace(v)))
		}
		if len(tags) > 0 {
			t["tags"] = tags
		}
		if strings.TrimSpace(get("maxNodes")) != "" {
			t["maxNodes"] = f.Number("target.maxNodes")
		}
		text("maxConcurrency", "maxErrors")
	case runbook.Webhook:
		text("url", "preset", "signWith")
		if f.Has("target.async", "yes") {
			t["async"] = true
		}
		headers := map[string]string{}
		for _, l := range nonempty(get("headers")) {
			name, v, _ := strings.Cut(l, ":")
			headers[strings.TrimSpace(name)] = strings.TrimPrefix(v, " ")
		}
		if len(headers) > 0 {
			t["headers"] = headers
		}
	case runbook.Named:
		t["targetId"] = get("targetId")
	}
	return t
}

// tagLines are tags as a form takes them.
func tagLines(tags map[string][]string) []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		for _, v := range tags[key] {
			name := literal(key)
			if strings.Contains(key, "=") && name == key {
				name = inQuotes(key)
			}
			all = append(all, name+" = "+literal(v))
		}
	}
	return all
}

// quotedKey cuts a line of tags whose key stands in quotes.
func quotedKey(l string) (key, v string) {
	d := json.NewDecoder(strings.NewReader(l))
	if err := d.Decode(&key); err != nil {
		key, v, _ = strings.Cut(l, "=")
		return key, v
	}
	rest := strings.TrimSpace(l[d.InputOffset():])
	return inQuotes(key), strings.TrimPrefix(rest, "=")
}

// literal is a value as a form shows it: a text in quotes where it would not come back otherwise.
func literal(v any) string {
	s, is := v.(string)
	if !is {
		return runbook.EnvValue(v)
	}
	if s == "" || strings.HasPrefix(s, `"`) || strings.TrimSpace(s) != s || strings.ContainsAny(s, "\n\r") {
		return inQuotes(s)
	}
	return s
}

func inQuotes(s string) string {
	raw, _ := json.Marshal(s) // a string always marshals
	return string(raw)
}

// unliteral takes a text out of its quotes.
func unliteral(text string) string {
	var s string
	if strings.HasPrefix(text, `"`) && json.Unmarshal([]byte(text), &s) == nil {
		return s
	}
	return text
}

// value is a text as a value of a parameter's type; what is none stays a text,
// so that it is said what is wrong with it.
func value(text, kind string) any {
	switch trimmed := strings.TrimSpace(text); kind {
	case runbook.Integer, runbook.Number:
		if json.Valid([]byte(trimmed)) && !strings.HasPrefix(trimmed, `"`) && trimmed != "null" && strings.Trim(trimmed, "-+.eE0123456789") == "" {
			return json.Number(trimmed)
		}
		return trimmed
	case runbook.Boolean:
		if b, err := strconv.ParseBool(trimmed); err == nil && (trimmed == "true" || trimmed == "false") {
			return b
		}
		return trimmed
	}
	return unliteral(text)
}

// nonempty are the lines of a text that hold something.
func nonempty(text string) []string {
	var all []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSuffix(l, "\n"); strings.TrimSpace(l) != "" {
			all = append(all, l)
		}
	}
	return all
}

func numeral(n int) string { return strconv.Itoa(n) }

func ticked(b bool) string {
	if b {
		return "yes"
	}
	return ""
}
