package status

import (
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// Edit is one thing that was changed afterwards. Readers are not shown it.
type Edit struct {
	At    timestamp.Time `json:"at"`
	ByID  string         `json:"byId"`
	Field string         `json:"field"`
	From  Held           `json:"from"`
	To    Held           `json:"to"`
}

// Held is what a field of one or the other kind held: a text, a list of ids, an Audience, or null.
type Held struct{ value any }

// MarshalJSON writes the value alone.
func (h Held) MarshalJSON() ([]byte, error) { return json.Marshal(h.value) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Held) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &h.value) }

// Schema is one of those that a field may have.
func (Held) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeString}, {Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}},
		r.Schema(reflect.TypeFor[Audience](), true, ""), {Type: "null"},
	}}
}

// maxEdits bounds the history of one thing.
const maxEdits = 200

var errManyEdits = problem.New(http.StatusUnprocessableEntity, "edits_full", "It was edited as often as it can be. Say what changed in an update.")

// edits collects what a change makes another.
type edits struct {
	at   timestamp.Time
	by   string
	list []Edit
}

func (e *edits) of(field string, from, to any, changed bool) {
	if changed {
		e.list = append(e.list, Edit{At: e.at, ByID: e.by, Field: field, From: Held{from}, To: Held{to}})
	}
}
