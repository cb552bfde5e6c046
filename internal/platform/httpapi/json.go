package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/problem"
)

// What is wrong with a body, in words for its sender.
var (
	errNotUTF8 = errors.New("the body is not UTF-8")
	errTwice   = errors.New("an object names a member twice")
	errBeyond  = errors.New("a number is beyond those that are taken")
)

// jsonFormat is how bodies are written and read. huma reads each twice: into
// an any to hold it against its schema, then into the operation's own type.
var jsonFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	},
	Unmarshal: func(b []byte, v any) error {
		if !utf8.Valid(b) {
			return errNotUTF8
		}
		err := json.Unmarshal(b, v)
		if mistyped, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return plain(mistyped)
		}
		if err != nil {
			return err
		}
		switch v.(type) {
		case *any:
			return unique(json.NewDecoder(bytes.NewReader(b)))
		case patch:
			return refuseNulls(b, reflect.TypeOf(v).Elem())
		}
		return nil
	},
}

// plain says the same without the names of Go types.
func plain(e *json.UnmarshalTypeError) error {
	if e.Field == "" { // into an any, only a number can fail
		return errBeyond
	}
	return errors.New(e.Field[strings.LastIndexByte(e.Field, '.')+1:] + " is not written as it has to be")
}

// beyond reports whether a body was refused for the size of a number: it was
// JSON, so that is a matter of validation.
func beyond(fields []problem.Field) bool {
	return slices.ContainsFunc(fields, func(f problem.Field) bool { return f.Message == errBeyond.Error() })
}

// Unambiguous is an error for JSON in which an object names a member twice, as
// every body of an operation is read; it is for bodies that are read by hand.
func Unambiguous(b []byte) error { return unique(json.NewDecoder(bytes.NewReader(b))) }

// unique refuses a value in which an object has two members of one name:
// which of them counts would be for each reader to guess, and encoding/json
// takes something of both.
func unique(d *json.Decoder) error {
	d.UseNumber()
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		names := map[any]bool{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return err
			}
			if names[name] {
				return errTwice
			}
			names[name] = true
			if err := unique(d); err != nil {
				return err
			}
		}
	case json.Delim('['):
		for d.More() {
			if err := unique(d); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = d.Token() // its end
	return err
}
