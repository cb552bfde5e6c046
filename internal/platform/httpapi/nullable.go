package httpapi

import (
	"encoding/json"
	"reflect"

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
