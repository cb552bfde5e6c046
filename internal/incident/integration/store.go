package integration

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/incident"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/timestamp"
)

// Store keeps integrations and their deliveries in the automation table.
//
//	int#<integration>          int         the integration          byTeam int#<team>, byKind int
//	dlv#<integration>          <delivery>  a delivery
//	content#<integration>      <delivery>  what an accepted one held
//	queue#<integration>#<hash> <delivery>  one of a dedup key that is not handled yet
//	alert#<shard>              <time>#...  the same, as what must still happen (package due)
type Store struct {
	Table     dynamo.Table
	Retention time.Duration // of deliveries
}

const (
	integrationSK   = "int"
	integrationKind = "int"

	// Kind is the kind of a delivery among what is due.
	Kind = "delivery"

	// hurried is how long a delivery is left to the queue before a sweep sees it.
	hurried = 30 * time.Second
)

// integrationItem is an integration with its keys; a deleted one is in no index.
type integrationItem struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	ByTeam string `dynamodbav:"byTeam,omitempty"`
	ByKind string `dynamodbav:"byKind,omitempty"`
	Integration
}

type deliveryItem struct {
	PK  string `dynamodbav:"pk"`
	SK  string `dynamodbav:"sk"`
	TTL int64  `dynamodbav:"ttl"`
	Delivery
	waiting
}

type contentItem struct {
	PK  string `dynamodbav:"pk"`
	SK  string `dynamodbav:"sk"`
	TTL int64  `dynamodbav:"ttl"`
	content
}

// queued is a delivery of a dedup key that is not handled yet.
type queued struct {
	PK     string          `dynamodbav:"pk"`
	SK     string          `dynamodbav:"sk"`
	TTL    int64           `dynamodbav:"ttl"`
	Action incident.Action `dynamodbav:"action"`
}

func integrationKey(integrationID string) dynamo.Key {
	return dynamo.Key{PK: "int#" + integrationID, SK: integrationSK}
}

func deliveryKey(integrationID, deliveryID string) dynamo.Key {
	return dynamo.Key{PK: "dlv#" + integrationID, SK: deliveryID}
}

func contentKey(integrationID, deliveryID string) dynamo.Key {
	return dynamo.Key{PK: "content#" + integrationID, SK: deliveryID}
}

func queueKey(integrationID, group, deliveryID string) dynamo.Key {
	return dynamo.Key{PK: "queue#" + integrationID + "#" + group, SK: deliveryID}
}

func itemOf(i Integration) integrationItem {
	k := integrationKey(i.ID)
	item := integrationItem{PK: k.PK, SK: k.SK, Integration: i}
	if i.DeletedAt == nil {
		item.ByTeam, item.ByKind = integrationKind+"#"+i.TeamID, integrationKind
	}
	return item
}

// integration reads one, deleted or not.
func (s Store) integration(ctx context.Context, integrationID string) (Integration, bool, error) {
	var i Integration
	found, err := s.Table.Get(ctx, integrationKey(integrationID), &i)
	return i, found, err
}

func (s Store) create(i Integration) dynamo.Op { return s.Table.Create(itemOf(i)) }

// replace is the write of the next revision, of an integration that was read at
// the one before and is not deleted.
func (s Store) replace(next Integration) dynamo.Op {
	return s.Table.Put(itemOf(next), dynamo.Is("rev", next.Rev-1).And(expression.Name("deletedAt").AttributeNotExists()))
}

// integrations lists those of the teams, or of all when teams is nil, newest first.
func (s Store) integrations(ctx context.Context, teams []string, page httpapi.Page) ([]Integration, string, error) {
	q := dynamo.Query{Index: "byKind", Values: []string{integrationKind}, Sort: "id", Before: page.Before, Limit: page.Limit}
	if teams != nil {
		q.Index, q.Values = "byTeam", nil
		for _, t := range teams {
			q.Values = append(q.Values, integrationKind+"#"+t)
		}
	}
	return dynamo.List(ctx, s.Table, q, func(i Integration) string { return i.ID }, nil)
}

// deliveries lists those of an integration that are not past their retention, newest first.
func (s Store) deliveries(ctx context.Context, integrationID string, now time.Time, page httpapi.Page) ([]Delivery, string, error) {
	q := dynamo.Query{Values: []string{"dlv#" + integrationID}, Sort: dynamo.SK, Before: page.Before, Limit: page.Limit}
	items, next, err := dynamo.List(ctx, s.Table, q, func(i deliveryItem) string { return i.SK }, func(i deliveryItem) bool { return i.TTL > now.Unix() })
	out := make([]Delivery, len(items))
	for n, item := range items {
		out[n] = item.Delivery
	}
	return out, next, err
}

// record is the write of a delivery.
func (s Store) record(d Delivery, w waiting) dynamo.Op {
	k := deliveryKey(w.IntegrationID, d.ID)
	return s.Table.Create(deliveryItem{PK: k.PK, SK: k.SK, TTL: s.expiry(d), Delivery: d, waiting: w})
}

// accept are the writes of a delivery that is to be handled: itself, what it
// held, its place in the queue of its dedup key, and that it is due.
func (s Store) accept(d Delivery, w waiting, c content) []dynamo.Op {
	at := contentKey(w.IntegrationID, d.ID)
	ops := []dynamo.Op{s.record(d, w), s.Table.Create(contentItem{PK: at.PK, SK: at.SK, TTL: s.expiry(d), content: c})}
	if d.HandledAt != nil {
		return ops
	}
	if w.Group != "" {
		k := queueKey(w.IntegrationID, w.Group, d.ID)
		ops = append(ops, s.Table.Create(queued{PK: k.PK, SK: k.SK, TTL: s.expiry(d), Action: d.Action}))
	}
	return append(ops, due.Put(s.Table, dueItem(w.IntegrationID, d)))
}

func (s Store) expiry(d Delivery) int64 { return d.At.Add(s.Retention).Unix() }

// dueItem is the reminder of a delivery.
func dueItem(integrationID string, d Delivery) due.Item {
	return due.Alerts.New(Kind, integrationID+"/"+d.ID, d.At.Add(hurried))
}

// subject takes the subject of a reminder apart.
func subject(s string) (integrationID, deliveryID string) {
	integrationID, deliveryID, _ = strings.Cut(s, "/")
	return integrationID, deliveryID
}

// delivery reads a delivery with what it held.
func (s Store) delivery(ctx context.Context, integrationID, deliveryID string) (d deliveryItem, c content, found bool, err error) {
	var whole bool
	err = s.Table.ReadAll(ctx,
		dynamo.Read{Key: deliveryKey(integrationID, deliveryID), Out: &d, Found: &found},
		dynamo.Read{Key: contentKey(integrationID, deliveryID), Out: &c, Found: &whole})
	return d, c, found && (whole || d.HandledAt != nil), err
}

// incidentOf is what an earlier delivery led to, "" where that is not known.
func (s Store) incidentOf(ctx context.Context, integrationID, deliveryID string) (string, error) {
	var d Delivery
	found, err := s.Table.Get(ctx, deliveryKey(integrationID, deliveryID), &d)
	if err != nil || !found || d.IncidentID == nil {
		return "", err
	}
	return *d.IncidentID, nil
}

// ahead are the deliveries of the same dedup key that came before one and are
// not handled yet, oldest first: all of them, or the order would not hold.
func (s Store) ahead(ctx context.Context, d deliveryItem) ([]queued, error) {
	q := dynamo.Query{Values: []string{queueKey(d.IntegrationID, d.Group, "").PK}, Sort: dynamo.SK, To: d.ID, Limit: aheadPage, Oldest: true}
	var all []queued
	for {
		list, next, err := dynamo.List(ctx, s.Table, q, func(q queued) string { return q.SK }, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
		if next == "" {
			return all, nil
		}
		q.Before = next
	}
}

// aheadPage is how many of them one call reads.
const aheadPage = 1000

// handled are the writes of what became of a delivery. The first fails when
// somebody else handled it meanwhile.
func (s Store) handled(d deliveryItem, t incident.Taken, now time.Time) []dynamo.Op {
	detail := ""
	if t.Late {
		detail = "It came late: what its sender said of the same dedup key at a later time was heard before."
	}
	return append(s.ended(d, resultOf(t), t.IncidentID, detail, "", now), due.Done(s.Table, dueItem(d.IntegrationID, d.Delivery)))
}

// givenUp are the same of one that failed, but for its reminder, which the
// sweep moves.
func (s Store) givenUp(d deliveryItem, why string, now time.Time) []dynamo.Op {
	return s.ended(d, failed, "", "", why, now)
}

func (s Store) ended(d deliveryItem, result, incidentID, detail, failure string, now time.Time) []dynamo.Op {
	update := expression.Set(expression.Name("handledAt"), expression.Value(timestamp.Of(now))).Set(expression.Name("result"), expression.Value(result))
	if incidentID != "" {
		update = update.Set(expression.Name("incidentId"), expression.Value(incidentID))
	}
	if detail != "" {
		update = update.Set(expression.Name("detail"), expression.Value(detail))
	}
	if failure != "" {
		update = update.Set(expression.Name("error"), expression.Value(failure))
	}
	ops := []dynamo.Op{s.Table.Update(deliveryKey(d.IntegrationID, d.ID), update,
		dynamo.Present().And(expression.Name("handledAt").AttributeNotExists()))}
	if d.Group != "" {
		ops = append(ops, s.Table.Delete(queueKey(d.IntegrationID, d.Group, d.ID), expression.Or(dynamo.Absent(), dynamo.Present())))
	}
	return ops
}

// Seen remembers deliveries for as long as a replay of them could be taken for
// new, in the ephemeral table.
//
//	seen#<integration>#<hash>  seen           which delivery it was
//	seen#<integration>         <what>#<time>  how many were put on record in a minute
type Seen struct{ Table dynamo.Table }

type mark struct {
	PK         string `dynamodbav:"pk"`
	SK         string `dynamodbav:"sk"`
	TTL        int64  `dynamodbav:"ttl"`
	DeliveryID string `dynamodbav:"deliveryId"`
}

// first is the write that fails when a delivery of this proof was accepted
// before and could still be replayed.
func (s Seen) first(integrationID, proof, deliveryID string, keep time.Duration, now time.Time) dynamo.Op {
	sum := sha256.Sum256([]byte(proof)) // the sender's text, of any length
	return s.Table.Put(mark{
		PK: "seen#" + integrationID + "#" + hex.EncodeToString(sum[:]), SK: "seen",
		TTL: now.Add(keep + time.Second).Unix(), DeliveryID: deliveryID,
	}, dynamo.Absent().Or(expression.Name("ttl").LessThanEqual(expression.Value(now.Unix()))))
}

// count is the write that fails when in this minute limit things of the name
// were put on record.
func (s Seen) count(integrationID, name string, limit int, now time.Time) dynamo.Op {
	minute := timestamp.Of(now.Truncate(time.Minute))
	k := dynamo.Key{PK: "seen#" + integrationID, SK: name + "#" + minute.String()}
	n := expression.Name("n")
	return s.Table.Update(k, expression.Add(n, expression.Value(1)).Set(expression.Name("ttl"), expression.Value(minute.Add(time.Hour).Unix())),
		dynamo.Absent().Or(n.LessThan(expression.Value(limit))))
}
