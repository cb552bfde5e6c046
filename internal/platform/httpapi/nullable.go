package httpapi

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Nullable is a member of a PATCH body that may be left out (nothing changes),
// be null (the value goes), or have a value. Its field wants `omitzero` in the
// json tag, and takes huma's validation tags as T does.
type Nullable[T any] struct {
	Sent  bool // it was in the body
	Value *T   // nil for null
}

// UnmarshalJSON is called only for a member that was sent.
func (n *Nullable[T]) UnmarshalJSON(b []byte) error {
	n.Sent = true
	return json.Unmarshal(b, &n.Value)
}

// Schema is that of T, or null.
func (Nullable[T]) Schema(r huma.Registry) *huma.Schema {
	s := r.Schema(reflect.TypeFor[T](), true, "")
	s.Nullable = true
	return s
}

// Patch, embedded, marks the body of a PATCH: a member that is sent as null is
// refused, unless it is a Nullable. huma takes null for a member left out.
type Patch struct{}

func (Patch) patch() {}

type patch interface{ patch() }

// refuseNulls finds the members of a PATCH body that are null and may not be.
func refuseNulls(b []byte, into reflect.Type) error {
	var sent map[string]json.RawMessage
	if err := json.Unmarshal(b, &sent); err != nil {
		return err
	}
	for field := range into.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if _, nullable := reflect.Zero(field.Type).Interface().(huma.SchemaProvider); !nullable && string(sent[name]) == "null" {
			return errors.New(name + " is null, which it cannot become")
		}
	}
	return nil
}
