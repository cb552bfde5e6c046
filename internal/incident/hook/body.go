package hook

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"pagefree/internal/platform/problem"
)

const formType = "application/x-www-form-urlencoded"

func errTooLarge() *problem.Error {
	return problem.New(http.StatusRequestEntityTooLarge, problem.BodyTooLarge, "A delivery has at most 1 MiB, unpacked too.")
}

func malformed(format string, args ...any) *problem.Error {
	return problem.New(http.StatusBadRequest, "body_invalid", format, args...)
}

func mediaType(format string, args ...any) *problem.Error {
	return problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", format, args...)
}

// Unpack undoes the content encoding of a delivery: none, or gzip. More than
// MaxBody unpacked is a 413, broken gzip a 400, any other encoding a 415.
func Unpack(r Request) ([]byte, error) {
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
		return r.Body, nil
	case "gzip", "x-gzip":
	default:
		return nil, mediaType("The content encoding has to be gzip, or none.")
	}
	z, err := gzip.NewReader(bytes.NewReader(r.Body))
	if err != nil {
		return nil, malformed("The body is not gzip.")
	}
	body, err := io.ReadAll(io.LimitReader(z, MaxBody+1))
	if err != nil {
		return nil, malformed("The body is broken gzip.")
	}
	if len(body) > MaxBody {
		return nil, errTooLarge()
	}
	return body, nil
}

// object is a JSON object. Numbers in it are json.Number.
type object map[string]any

// unpacked reads the body of a delivery as it came.
func unpacked(r Request) (object, error) {
	body, err := Unpack(r)
	if err != nil {
		return nil, err
	}
	return read(r, body)
}

// read reads an unpacked body, be it JSON or a form that stands for it. All
// providers send UTF-8; another charset is a 415.
func read(r Request, body []byte) (object, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		kind, params = "", nil // the caller judged it against Media already
	}
	switch strings.ToLower(params["charset"]) {
	case "", "utf-8", "utf8", "us-ascii":
	default:
		return nil, mediaType("The charset has to be UTF-8.")
	}
	if kind == formType {
		return form(body)
	}
	return decode(body)
}

// form reads a form: what GitHub puts into its one field payload, or a field
// for each member of an object, as Datadog does.
func form(body []byte) (object, error) {
	fields, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, malformed("The form cannot be read.")
	}
	if payload, ok := fields["payload"]; ok && len(fields) == 1 {
		return decode([]byte(payload[0]))
	}
	o := object{}
	for name, values := range fields {
		if !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return nil, malformed("The form is not UTF-8.")
		}
		o[name] = values[0]
	}
	if len(o) == 0 {
		return nil, malformed("The form is empty.")
	}
	return o, nil
}

// decode reads a JSON object. encoding/json bounds how deep it may be.
func decode(body []byte) (object, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(body) {
		return nil, malformed("The body is not UTF-8.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, malformed("The body is not JSON.")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("The body is more than one JSON value.")
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, problem.InvalidField("body", "it has to be a JSON object")
	}
	return o, nil
}

// at follows a path of members; nil where there is none.
func (o object) at(path ...string) any {
	var v any = map[string]any(o)
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// text is a text, number or truth value at a path, as text; "" for all else.
func (o object) text(path ...string) string { return scalar(o.at(path...)) }

// object is an object at a path; an empty one where there is none.
func (o object) object(path ...string) object {
	m, _ := o.at(path...).(map[string]any)
	return m
}

// has reports whether there is an object at a path.
func (o object) has(path ...string) bool {
	_, ok := o.at(path...).(map[string]any)
	return ok
}

// list is a list at a path.
func (o object) list(path ...string) []any {
	l, _ := o.at(path...).([]any)
	return l
}

func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case json.Number:
		return v.String()
	case bool:
		if v {
			return "true"
		}
		return "false"
	}
	return ""
}

// loose finds a member of a payload that people wrote themselves, by any of its
// names: alert_cycle_key is ALERT_CYCLE_KEY and alertCycleKey. What a template
// left unfilled counts as empty.
func (o object) loose(names ...string) string {
	for _, name := range names {
		if s := filled(o.text(name)); s != "" {
			return s
		}
	}
	for _, member := range slices.Sorted(maps.Keys(o)) {
		for _, name := range names {
			if squeezed(member) == squeezed(name) {
				if s := filled(o.text(member)); s != "" {
					return s
				}
			}
		}
	}
	return ""
}

func squeezed(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// filled empties what stands for nothing in a payload that a provider filled.
func filled(s string) string {
	switch strings.ToLower(s) {
	case "null", "none", "n/a", "undefined":
		return ""
	}
	if len(s) > 1 && s[0] == '$' && strings.Trim(s[1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == "" { // a variable that Datadog did not know
		return ""
	}
	return s
}
