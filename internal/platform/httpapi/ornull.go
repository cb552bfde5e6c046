package httpapi

import (
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// OrNull is a member of an answer that is an object or null. A pointer would be
// written the same, but the document would not say so: it describes objects by
// reference, and a reference cannot be nullable by itself.
type OrNull[T any] struct{ Value *T }

// MarshalJSON writes the object, or null.
func (o OrNull[T]) MarshalJSON() ([]byte, error) { return json.Marshal(o.Value) }

// Schema is that of T, or null.
func (OrNull[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{r.Schema(reflect.TypeFor[T](), true, ""), {Type: "null"}}}
}
