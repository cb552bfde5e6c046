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
	Outcome   string         `json:"outcome"` // Served, Named, or the code of the refusal
	Via       seat.Via       `json:"via"`
}

// Outcomes of looks that were not refused. The others are the refusals' codes.
const (
	Served = "served" // saw something of the page: what accessCount counts
	Named  = "named"  // was told, in a list of pages, that there is this one
)

// Outbox takes looks for whoever keeps the record.
type Outbox interface {
	Send(ctx context.Context, message any) error
}

// LookEntry is a look as it is on record.
type LookEntry struct {
	ID        string         `json:"id" dynamodbav:"id"`
	At        timestamp.Time `json:"at" dynamodbav:"at"`
	Method    string         `json:"method" dynamodbav:"method"`
	Path      string         `json:"path" dynamodbav:"path"`
	IP        string         `json:"ip" dynamodbav:"ip"`
	UserAgent string         `json:"userAgent" dynamodbav:"userAgent"`
	Outcome   string         `json:"outcome" dynamodbav:"outcome" doc:"served, or the code of the refusal"`
	Via       seat.Via       `json:"via" dynamodbav:"via" enum:"token,session,feed"`
	PersonID  string         `json:"personId,omitempty" dynamodbav:"personId,omitempty" doc:"of a session"`
}

// lookItem is a look with its keys. It goes by itself when its time is over.
type lookItem struct {
	PK  string `dynamodbav:"pk"`
	SK  string `dynamodbav:"sk"`
	TTL int64  `dynamodbav:"ttl"`
	LookEntry
}
