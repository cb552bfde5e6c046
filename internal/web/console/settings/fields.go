package settings

import (
	"encoding/json"
	"reflect"
	"strings"
	"unicode"

	"pagefree/internal/platform/mailstop"
	"pagefree/internal/web/console"
)

// field is one thing that may be set, as the body of the API has it: what the
// API learns to take, the page learns to ask.
type field struct {
	Name    string
	Label   string
	Hint    string
	Boxes   []box            // of a group, or of a single box
	Group   bool             // Boxes are members of an object
	Options []console.Option // of one of several
	None    string           // what no choice is called, "" where there has to be one
}

type box struct{ Value, Label, Hint string }

// words are the names of settings, and what they mean.
var words = map[string][2]string{
	"email":           {"By mail", ""},
	"push":            {"On my devices", ""},
	"incidents":       {"Incidents", "that open or escalate, as bad as said below or worse"},
	"failures":        {"Failures", "of what somebody started by hand, and of what runs for the team"},
	"confirmations":   {"Confirmations", "that a workflow waits for, and those that nobody gave"},
	"reviews":         {"Reviews", "that wait for an approval"},
	"minimumSeverity": {"Incidents from", ""},
	"showTitles":      {"Show titles on the lock screen", "Without it a push says only that something happened"},
	"includeOutput":   {"Mails of a failure hold the script's output", "as the execution shows it"},
}

func named(name string) (label, hint string) {
	if w, known := words[name]; known {
		return w[0], w[1]
	}
	var b strings.Builder
	for i, r := range name {
		switch {
		case i == 0:
			r = unicode.ToUpper(r)
		case unicode.IsUpper(r):
			b.WriteByte(' ')
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String(), ""
}

// fieldsOf are the settings in a body of the API: objects of switches,
// switches, and texts of which there are several to choose from.
func fieldsOf[T any]() []field {
	var all []field
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		t := f.Type
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		label, hint := named(name)
		one := field{Name: name, Label: label, Hint: hint}
		switch {
		case t.Kind() == reflect.Bool:
			one.Boxes = []box{{"true", label, hint}}
		case t.Kind() == reflect.String && f.Tag.Get("enum") != "":
			one.Options = console.Options(strings.Split(f.Tag.Get("enum"), ",")...)
			if f.Tag.Get("nullable") == "true" {
				one.None = "As each team says"
			}
		case t.Kind() == reflect.Struct && switches(t):
			one.Group = true
			for _, member := range reflect.VisibleFields(t) {
				value, _, _ := strings.Cut(member.Tag.Get("json"), ",")
				label, hint := named(value)
				one.Boxes = append(one.Boxes, box{value, label, hint})
			}
		default:
			continue
		}
		all = append(all, one)
	}
	return all
}

// switches reports whether a type is an object of nothing but switches.
func switches(t reflect.Type) bool {
	for _, f := range reflect.VisibleFields(t) {
		if f.Type != reflect.TypeFor[*bool]() && f.Type != reflect.TypeFor[bool]() {
			return false
		}
	}
	return t.NumField() > 0
}

// filled is a form that holds what the API shows.
func filled(fields []field, shown any) (console.Form, error) {
	raw, err := json.Marshal(shown)
	if err != nil {
		return console.Form{}, err
	}
	var is map[string]any
	if err := json.Unmarshal(raw, &is); err != nil {
		return console.Form{}, err
	}
	f := console.NewForm(nil)
	for _, one := range fields {
		switch v := is[one.Name].(type) {
		case map[string]any:
			for _, b := range one.Boxes {
				if v[b.Value] == true {
					f.Values.Add(one.Name, b.Value)
				}
			}
		case bool:
			if v {
				f.Values.Set(one.Name, "true")
			}
		case string:
			f.Values.Set(one.Name, v)
		}
	}
	return f, nil
}

// sent is the body that a form says.
func sent(fields []field, f console.Form) map[string]any {
	body := map[string]any{}
	for _, one := range fields {
		switch {
		case one.Group:
			group := map[string]any{}
			for _, b := range one.Boxes {
				group[b.Value] = f.Has(one.Name, b.Value)
			}
			body[one.Name] = group
		case one.Boxes != nil:
			body[one.Name] = f.Has(one.Name, "true")
		case one.None != "" && f.Get(one.Name) == "":
			body[one.Name] = nil
		default:
			body[one.Name] = f.Get(one.Name)
		}
	}
	return body
}

// stopped says why an address is mailed nothing any more.
var stopped = map[mailstop.Reason]string{
	"bounce":    "a mail to it came back",
	"complaint": "a mail to it was marked as spam",
}
