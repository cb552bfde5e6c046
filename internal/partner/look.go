package partner

import (
	"context"

	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
)

// Look is one request of a partner, as it travels to who keeps the record.
type Look struct {
	ID        string         `json:"id"` // made with the request: the same look twice is one
	AccessID  string         `json:"accessId"`
	PageID    string         `json:"pageId"`
	PersonID  string         `json:"personId,omitempty"`
	At        timestamp.Time `json:"at"`
	Method    string         `json:"method"`
	Path      string         `json:"path"` // without the query
	IP        string         `json:"ip"`
	UserAgent string         `json:"userAgent"`
	Outcome   string         `json:"outcome"` // Served, or the code of the refusal
	Via       seat.Via       `json:"via"`
}

// Served is the outcome of a look that saw the page. The others are codes.
const Served = "served"

// Outbox takes looks for whoever keeps the record.
type Outbox interface {
	Send(ctx context.Context, message any) error
}
