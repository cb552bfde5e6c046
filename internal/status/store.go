package status

import (
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/timestamp"
)

// Store keeps pages in the status table. What readers get is one item, the
// snapshot, under the page's slug; the page itself, and what of its incidents
// and maintenances is too old or too long for the snapshot, stand under its id.
type Store struct {
	Table dynamo.Table
}

// All keys of the room. (Other prefixes of this table belong to the partner room and to platform/seat.)
const pageSK = "page"

func pagePK(pageID string) string          { return "sp#" + pageID }
func pageKey(pageID string) dynamo.Key     { return dynamo.Key{PK: pagePK(pageID), SK: pageSK} }
func itemKey(pageID, id string) dynamo.Key { return dynamo.Key{PK: pagePK(pageID), SK: id} } // spi_... or mnt_...

// PageKey is the key of a Page.
func PageKey(pageID string) dynamo.Key { return dynamo.Key{PK: pagePK(pageID), SK: pageSK} }

// PublishedKey is the key of a page's snapshot.
func PublishedKey(slug string) dynamo.Key { return dynamo.Key{PK: "slug#" + slug, SK: "snapshot"} }

// RecordKey is the key of the Record of an incident.
func RecordKey(pageID, incidentID string) dynamo.Key { return itemKey(pageID, incidentID) }

// Published is the stored form of a snapshot.
type Published struct {
	PK     string         `dynamodbav:"pk"`
	SK     string         `dynamodbav:"sk"`
	PageID string         `dynamodbav:"pageId"`
	Rev    int64          `dynamodbav:"rev"` // of the page: every change of anything in it counts it up
	At     timestamp.Time `dynamodbav:"at"`
	Packed []byte         `dynamodbav:"packed"` // Snapshot.Pack
}

// Record is a whole incident, with every word of it, in an item of its own.
type Record struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	ID     string `dynamodbav:"id"`
	Packed []byte `dynamodbav:"packed"` // gzipped JSON of an Incident
}

// Incident unpacks the record.
func (r Record) Incident() (Incident, error) {
	var i Incident
	err := unsqueeze(r.Packed, &i)
	return i, err
}
