package httpapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/problem"
)

// reading holds the schemas of what pages read, made when the first form is sent.
var reading = struct {
	sync.Mutex
	registry huma.Registry
}{registry: huma.NewMapRegistry("#/components/schemas/", func(t reflect.Type, _ string) string {
	return strings.NewReplacer("/", "-", ".", "-", "[", "-", "]", "-", "*", "-").Replace(t.PkgPath() + "-" + t.String())
})}

// Read makes a T of what a form said, under the very rules that a request body
// of the API is held against: what is wrong is a 422 that names each member as
// "body.name". body is what JSON would have held: a map of texts, numbers,
// lists and maps.
func Read[T any](body map[string]any) (T, error) {
	var out T
	raw, err := json.Marshal(body)
	if err != nil {
		return out, err
	}
	var sent any
	if err := json.Unmarshal(raw, &sent); err != nil {
		return out, err
	}
	reading.Lock()
	path, result := huma.NewPathBuffer([]byte("body"), 0), &huma.ValidateResult{}
	schema := reading.registry.Schema(reflect.TypeFor[T](), true, "")
	huma.Validate(reading.registry, schema, path, huma.ModeWriteToServer, sent, result)
	reading.Unlock()
	if len(result.Errors) > 0 {
		return out, invalid(http.StatusUnprocessableEntity, "", result.Errors)
	}
	if err := jsonFormat.Unmarshal(raw, &out); err != nil {
		return out, problem.InvalidField("body", "cannot be read: %v", err)
	}
	return out, nil
}
