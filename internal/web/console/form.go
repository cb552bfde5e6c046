package console

import (
	"errors"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"pagefree/internal/platform/problem"
)

// readForm parses the form of a POST, and nothing but a form.
func (c *Call) readForm() error {
	media, _, _ := mime.ParseMediaType(c.R.Header.Get("Content-Type"))
	if media != "application/x-www-form-urlencoded" {
		return problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "This page takes a form.")
	}
	c.R.Body = http.MaxBytesReader(nil, c.R.Body, maxForm)
	if err := c.R.ParseForm(); err != nil {
		return unread(err)
	}
	for _, values := range c.R.PostForm {
		for i, v := range values {
			if !utf8.ValidString(v) {
				return problem.New(http.StatusBadRequest, "body_invalid", "The form is not UTF-8.")
			}
			values[i] = strings.ReplaceAll(v, "\r\n", "\n") // as a textarea sends each line's end
		}
	}
	c.form = c.R.PostForm
	return nil
}

// Form is what a form holds, and what is wrong in it. Fields have the names of
// the members of the API's body, "name" or "target.url".
type Form struct {
	Values url.Values
	Wrong  map[string]string // a sentence for a field
	Text   string            // a sentence for the whole
}

// NewForm is a form that holds what is there.
func NewForm(values map[string]string) Form {
	f := Form{Values: url.Values{}}
	for name, v := range values {
		f.Values.Set(name, v)
	}
	return f
}

// Option is one of several that a form offers.
type Option struct{ Value, Name string }

// Options are words of the contract to choose from.
func Options(values ...string) []Option {
	out := make([]Option, len(values))
	for i, v := range values {
		out[i] = Option{v, word(v)}
	}
	return out
}

// Sent is the form of a POST.
func (c *Call) Sent() Form { return Form{Values: c.form} }

// Get is a field's text.
func (f Form) Get(name string) string { return f.Values.Get(name) }

// All are the values of a field that has several.
func (f Form) All(name string) []string { return f.Values[name] }

// Has reports whether a field holds a value among others, or a box is ticked.
func (f Form) Has(name, value string) bool {
	for _, v := range f.Values[name] {
		if v == value {
			return true
		}
	}
	return false
}

// Any reports whether one of several fields is filled.
func (f Form) Any(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return f.Get(name) != "" })
}

// Error is what is wrong with a field, "" where nothing is.
func (f Form) Error(name string) string { return f.Wrong[name] }

// Number is a field that holds a whole number; a text that is none stays a
// text, so that the schema says what is wrong with it.
func (f Form) Number(name string) any {
	text := strings.TrimSpace(f.Get(name))
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	return text
}

// With is the form with what is wrong in it, by a service's answer: each of a
// problem's fields at the field of its name, or of its nearest parent that the
// form has; what has no field, and every other refusal, above the form. ok is
// false for what is no matter of the form: no right, no such thing, a fault of ours.
func (f Form) With(err error) (with Form, ok bool) {
	p, isProblem := errors.AsType[*problem.Error](err)
	if !isProblem {
		return f, false
	}
	switch p.Status {
	case http.StatusUnprocessableEntity, http.StatusConflict, http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge:
	default:
		return f, false
	}
	f.Wrong = map[string]string{}
	var rest []string
	for _, field := range p.Fields {
		name := strings.TrimPrefix(field.Location, "body.")
		if field.Location == "body" { // the whole; a field may have that name, too
			rest = append(rest, field.Message)
			continue
		}
		message := upperFirst(plainly(field.Message))
		if at, there := f.nearest(name); there {
			f.Wrong[at] = strings.TrimSpace(f.Wrong[at] + " " + message + ".")
		} else {
			rest = append(rest, name+": "+plainly(field.Message))
		}
	}
	switch {
	case len(p.Fields) == 0:
		f.Text = Plain(p.Detail)
	case len(rest) > 0:
		f.Text = upperFirst(strings.Join(rest, "; ")) + "."
	default:
		f.Text = "Some fields need another look."
	}
	return f, true
}

// Mark is the form with a refusal at a field, for what only one field can be
// the reason of.
func (f Form) Mark(name string, err error) Form {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		f.Wrong, f.Text = map[string]string{name: p.Detail}, "Some fields need another look."
	}
	return f
}

// Whole is all that is wrong in the form as one text, for where its fields are not shown.
func (f Form) Whole() string {
	if len(f.Wrong) == 0 {
		return f.Text
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(f.Wrong)) {
		all = append(all, f.Wrong[name])
	}
	return strings.Join(all, " ")
}

// nearest finds the field of a name, or what it is a part of: "parameters[0].name" is a part of "parameters".
func (f Form) nearest(name string) (string, bool) {
	for name != "" {
		if _, there := f.Values[name]; there {
			return name, true
		}
		name = name[:max(0, strings.LastIndexAny(name, ".["))]
	}
	return "", false
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
