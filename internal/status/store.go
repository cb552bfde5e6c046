package status

import (
	"cmp"
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/timestamp"
)

// Store keeps pages in the status table. What readers get is one item, the
// snapshot; beside it, under the page's id too, stand the page itself and its
// incidents and maintenances, whole.
//
//	sp#<page>    page                   the page          byTeam sp#<team>, byKind sp
//	sp#<page>    snapshot               what readers get
//	sp#<page>    spi_...                a whole incident
//	sp#<page>    mnt_...                a whole maintenance
//	sp#<page>    link#<inc>#<spi>       which page incident tells of an internal one
//	slug#<slug>  page                   whose the slug is
//	logo#<hash>  logo                   a picture
//	due#<shard>                         when maintenances begin and end; notices; pages whose rest is to go
type Store struct {
	Table dynamo.Table
}

// All keys of the room. (Other prefixes of this table belong to the partner room and to platform/seat.)
const (
	pageSK     = "page"
	pageKind   = "sp"
	linkPrefix = "link#"
)

func pagePK(pageID string) string          { return "sp#" + pageID }
func pageKey(pageID string) dynamo.Key     { return dynamo.Key{PK: pagePK(pageID), SK: pageSK} }
func itemKey(pageID, id string) dynamo.Key { return dynamo.Key{PK: pagePK(pageID), SK: id} } // spi_... or mnt_...
func logoKey(hash string) dynamo.Key       { return dynamo.Key{PK: "logo#" + hash, SK: "logo"} }

func linkKey(pageID, internalID, incidentID string) dynamo.Key {
	return dynamo.Key{PK: pagePK(pageID), SK: linkPrefix + internalID + "#" + incidentID}
}

// accessKey is where the partner room keeps an access.
func accessKey(pageID, accessID string) dynamo.Key {
	return dynamo.Key{PK: "grants#" + pageID, SK: accessID}
}

// PageKey is the key of a Page.
func PageKey(pageID string) dynamo.Key { return pageKey(pageID) }

// PublishedKey is the key of a page's snapshot.
func PublishedKey(pageID string) dynamo.Key { return itemKey(pageID, "snapshot") }

// AddressKey is the key of an Address.
func AddressKey(slug string) dynamo.Key { return dynamo.Key{PK: "slug#" + slug, SK: "page"} }

// RecordKey is the key of the Record of an incident.
func RecordKey(pageID, incidentID string) dynamo.Key { return itemKey(pageID, incidentID) }

// LogoKey is the key of a Logo.
func LogoKey(hash string) dynamo.Key { return logoKey(hash) }

type pageItem struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	ByTeam string `dynamodbav:"byTeam"`
	ByKind string `dynamodbav:"byKind"`
	Page
}

func pageItemOf(p Page) pageItem {
	return pageItem{PK: pagePK(p.ID), SK: pageSK, ByTeam: pageKind + "#" + p.TeamID, ByKind: pageKind, Page: p}
}

// Published is the stored form of a snapshot.
type Published struct {
	PK     string         `dynamodbav:"pk"`
	SK     string         `dynamodbav:"sk"`
	PageID string         `dynamodbav:"pageId"`
	Slug   string         `dynamodbav:"slug"`
	Rev    int64          `dynamodbav:"rev"` // of the page: every change of anything in it counts it up
	At     timestamp.Time `dynamodbav:"at"`
	Packed []byte         `dynamodbav:"packed"` // Snapshot.Pack
}

// Address keeps a slug to one page, and tells which. Readers' pages are found by
// what they came with instead, so that looking takes as long where a slug is
// another's as where it is nobody's.
type Address struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	PageID string `dynamodbav:"pageId"`
	TeamID string `dynamodbav:"teamId"`
}

func addressOf(p Page) Address {
	k := AddressKey(p.Slug)
	return Address{PK: k.PK, SK: k.SK, PageID: p.ID, TeamID: p.TeamID}
}

// Record is a whole incident, with every word of it, in an item of its own.
type Record struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	ID     string `dynamodbav:"id"`
	Packed []byte `dynamodbav:"packed"` // gzipped JSON of an Incident, and of what only staff see; or of a maintenance
}

// Incident unpacks the record.
func (r Record) Incident() (Incident, error) {
	var i Incident
	err := unsqueeze(r.Packed, &i)
	return i, err
}

// Logo is a page's picture, a PNG.
type Logo struct {
	PK   string `dynamodbav:"pk"`
	SK   string `dynamodbav:"sk"`
	Data []byte `dynamodbav:"data"`
}

type linkItem struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
}

// maxRecord is the size of a record in bytes; DynamoDB takes an item of 400 KB.
const maxRecord = 380 << 10

// either holds whether or not there is an item: the write is the same both ways.
func either() expression.ConditionBuilder { return expression.Or(dynamo.Absent(), dynamo.Present()) }

// page reads a page, and false where there is none.
func (s Store) page(ctx context.Context, pageID string) (Page, bool, error) {
	var p Page
	found, err := s.Table.Get(ctx, pageKey(pageID), &p)
	return p, found, err
}

// published reads the snapshot of a page; false where it was deleted meanwhile.
func (s Store) published(ctx context.Context, p Page) (Published, Snapshot, bool, error) {
	var out Published
	found, err := s.Table.Get(ctx, PublishedKey(p.ID), &out)
	if err != nil || !found {
		return Published{}, Snapshot{}, false, err
	}
	snapshot, err := Unpack(out.Packed)
	return out, snapshot, true, err
}

// record is the write of a whole incident or maintenance, which is there already unless it is new.
func (s Store) record(pageID, id string, v any, fresh bool) (dynamo.Op, error) {
	packed, err := squeeze(v)
	if err != nil {
		return dynamo.Op{}, err
	}
	if len(packed) > maxRecord {
		return dynamo.Op{}, errFullIncident
	}
	k := itemKey(pageID, id)
	cond := dynamo.Present()
	if fresh {
		cond = dynamo.Absent()
	}
	return s.Table.Put(Record{PK: k.PK, SK: k.SK, ID: id, Packed: packed}, cond), nil
}

// read unpacks the record of an incident or maintenance into v, a pointer to its whole.
func (s Store) read(ctx context.Context, pageID, id string, v any) (bool, error) {
	var r Record
	found, err := s.Table.Get(ctx, itemKey(pageID, id), &r)
	if err != nil || !found {
		return false, err
	}
	return true, unsqueeze(r.Packed, v)
}

// pages lists those of the teams, or of all when teams is nil, newest first.
func (s Store) pages(ctx context.Context, teams []string, page httpapi.Page) ([]Page, string, error) {
	q := dynamo.Query{Index: "byKind", Values: []string{pageKind}, Sort: "id", Before: page.Before, Limit: page.Limit}
	if teams != nil {
		q.Index, q.Values = "byTeam", nil
		for _, t := range teams {
			q.Values = append(q.Values, pageKind+"#"+t)
		}
	}
	return dynamo.List(ctx, s.Table, q, func(p Page) string { return p.ID }, nil)
}

// maxUnpackedList bounds the records that one list unpacks, in bytes of text.
const maxUnpackedList = 1 << 20

// records lists the incidents or maintenances of a page, newest first: sort
// prefix "spi_" or "mnt_". What would be too long for an answer stays for the next page.
func records[T any](ctx context.Context, s Store, pageID, prefix string, page httpapi.Page, length func(T) int) ([]T, string, error) {
	q := dynamo.Query{Values: []string{pagePK(pageID)}, Sort: dynamo.SK, Prefix: prefix, Before: page.Before, Limit: page.Limit}
	list, next, err := dynamo.List(ctx, s.Table, q, func(r Record) string { return r.SK }, nil)
	if err != nil {
		return nil, "", err
	}
	var out []T
	size := 0
	for i, r := range list {
		var v T
		if err := unsqueeze(r.Packed, &v); err != nil {
			return nil, "", err
		}
		if size += length(v); size > maxUnpackedList && i > 0 {
			return out, list[i-1].SK, nil
		}
		out = append(out, v)
	}
	return out, next, nil
}

// linked reports whether an incident of the page tells of an internal one.
func (s Store) linked(ctx context.Context, pageID, internalID string) (bool, error) {
	q := dynamo.Query{Values: []string{pagePK(pageID)}, Sort: dynamo.SK, Prefix: linkPrefix + internalID + "#", Limit: 1}
	list, _, err := dynamo.List(ctx, s.Table, q, func(l linkItem) string { return l.SK }, nil)
	return len(list) > 0, err
}

// relink are the writes that make an incident tell of another internal one, or of none.
func (s Store) relink(pageID, incidentID string, was, is *string) []dynamo.Op {
	var ops []dynamo.Op
	if same(was, is) {
		return nil
	}
	if was != nil {
		ops = append(ops, s.Table.Delete(linkKey(pageID, *was, incidentID), either()))
	}
	if is != nil {
		k := linkKey(pageID, *is, incidentID)
		ops = append(ops, s.Table.Put(linkItem{PK: k.PK, SK: k.SK}, either()))
	}
	return ops
}

// accesses are those ids that are of accesses to a page.
func (s Store) accesses(ctx context.Context, pageID string, ids []string) (map[string]bool, error) {
	keys := make([]dynamo.Key, len(ids))
	for i, accessID := range ids {
		keys[i] = accessKey(pageID, accessID)
	}
	type accessItem struct {
		SK string `dynamodbav:"sk"`
	}
	found, err := dynamo.GetAll[accessItem](ctx, s.Table, keys)
	there := map[string]bool{}
	for _, a := range found {
		there[a.SK] = true
	}
	return there, err
}

// maxAddressees bounds who an audience may be chosen of; an audience names fewer.
const maxAddressees = 1000

// addressees are the partners' accesses to a page that were not revoked, by name.
func (s Store) addressees(ctx context.Context, pageID string) ([]Named, error) {
	type accessItem struct {
		SK        string  `dynamodbav:"sk"`
		Name      string  `dynamodbav:"partnerName"`
		RevokedAt *string `dynamodbav:"revokedAt"`
	}
	q := dynamo.Query{Values: []string{accessKey(pageID, "").PK}, Sort: dynamo.SK, Limit: maxAddressees}
	list, _, err := dynamo.List(ctx, s.Table, q, func(a accessItem) string { return a.SK }, func(a accessItem) bool { return a.RevokedAt == nil })
	out := make([]Named, len(list))
	for i, a := range list {
		out[i] = Named{ID: a.SK, Name: a.Name}
	}
	slices.SortFunc(out, func(a, b Named) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return out, err
}
