package realtime

import (
	"context"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/timestamp"
)

// Store keeps tickets and connections in the ephemeral table. All of it expires.
//
//	ticket#<hash>       ticket               a ticket
//	conn#<connection>   conn                 an open socket
//	sockets#<user>      <connection>         that it is the user's
//	ends#<shard>        <time>#<connection>  when its session ends if nobody uses it
//	listen#<scope>      <connection>         that it hears what changes there, and what it cares for
type Store struct{ Table dynamo.Table }

// shards spread the items by which ends are found over partitions.
const shards = 4

// kept is how long the items of a connection outlive it.
const kept = time.Hour

type keys struct {
	PK  string `dynamodbav:"pk"`
	SK  string `dynamodbav:"sk"`
	TTL int64  `dynamodbav:"ttl"`
}

type ticketItem struct {
	keys
	Ticket
}

type connectionItem struct {
	keys
	Connection
}

// mention leads to a connection, whose id is its own.
type mention struct {
	keys
	ConnectionID string `dynamodbav:"connectionId"`
	SessionHash  string `dynamodbav:"sessionHash,omitempty"` // of a user's
}

// listener is a connection that listens in a scope.
type listener struct {
	keys
	ConnectionID string   `dynamodbav:"connectionId"`
	SessionHash  string   `dynamodbav:"sessionHash"`
	Kinds        []string `dynamodbav:"kinds,omitempty"`
	IDs          []string `dynamodbav:"ids,omitempty"`
}

func ticketKey(hash string) dynamo.Key    { return dynamo.Key{PK: "ticket#" + hash, SK: "ticket"} }
func connectionKey(c string) dynamo.Key   { return dynamo.Key{PK: "conn#" + c, SK: "conn"} }
func socketKey(user, c string) dynamo.Key { return dynamo.Key{PK: "sockets#" + user, SK: c} }
func listenKey(scope, c string) dynamo.Key {
	return dynamo.Key{PK: "listen#" + scope, SK: c}
}

func endKey(c Connection) dynamo.Key {
	h := fnv.New32a()
	h.Write([]byte(c.ID))
	return dynamo.Key{PK: endPK(int(h.Sum32() % shards)), SK: c.EndsAt.String() + "#" + c.ID}
}

func endPK(shard int) string { return "ends#" + strconv.Itoa(shard) }

func (c Connection) keysOf(k dynamo.Key) keys {
	return keys{PK: k.PK, SK: k.SK, TTL: c.ConnectedAt.Add(Longest + kept).Unix()}
}

// either holds whether or not there is an item: the write is the same both ways.
func either() expression.ConditionBuilder { return expression.Or(dynamo.Absent(), dynamo.Present()) }

func (s Store) createTicket(hash string, t Ticket) dynamo.Op {
	k := ticketKey(hash)
	return s.Table.Create(ticketItem{keys: keys{PK: k.PK, SK: k.SK, TTL: t.ExpiresAt.Add(kept).Unix()}, Ticket: t})
}

func (s Store) ticket(ctx context.Context, hash string) (Ticket, bool, error) {
	var item ticketItem
	found, err := s.Table.Get(ctx, ticketKey(hash), &item)
	return item.Ticket, found, err
}

// useTicket fails where the ticket was used or has ended.
func (s Store) useTicket(hash string, now time.Time) dynamo.Op {
	at := timestamp.Of(now)
	return s.Table.Update(ticketKey(hash), expression.Set(expression.Name("usedAt"), expression.Value(at)),
		expression.Name("usedAt").AttributeNotExists().And(expression.Name("expiresAt").GreaterThan(expression.Value(at))))
}

// create are the writes of a new connection.
func (s Store) create(c Connection) []dynamo.Op {
	return []dynamo.Op{
		s.Table.Create(connectionItem{keys: c.keysOf(connectionKey(c.ID)), Connection: c}),
		s.Table.Put(mention{keys: c.keysOf(socketKey(c.UserID, c.ID)), ConnectionID: c.ID, SessionHash: c.SessionHash}, either()),
		s.putEnd(c),
	}
}

func (s Store) putEnd(c Connection) dynamo.Op {
	return s.Table.Put(mention{keys: c.keysOf(endKey(c)), ConnectionID: c.ID}, either())
}

func (s Store) connection(ctx context.Context, connectionID string) (Connection, bool, error) {
	var item connectionItem
	found, err := s.Table.Get(ctx, connectionKey(connectionID), &item)
	return item.Connection, found, err
}

// change writes what a connection became, of one that was read at the revision
// before, and where it listens now. The first write decides: it fails where the
// connection is gone or changed meanwhile.
func (s Store) change(ctx context.Context, was, is Connection) error {
	is.Rev = was.Rev + 1
	ops := []dynamo.Op{s.Table.Put(connectionItem{keys: is.keysOf(connectionKey(is.ID)), Connection: is}, dynamo.Is("rev", was.Rev))}
	if is.EndsAt != was.EndsAt {
		ops = append(ops, s.putEnd(is), s.Table.Delete(endKey(was), either()))
	}
	for _, scope := range is.Scopes {
		l := listener{keys: is.keysOf(listenKey(scope, is.ID)), ConnectionID: is.ID, SessionHash: is.SessionHash, Kinds: is.Kinds}
		for thingID, of := range is.IDs {
			if of == scope || scope == Everywhere {
				l.IDs = append(l.IDs, thingID)
			}
		}
		slices.Sort(l.IDs)
		ops = append(ops, s.Table.Put(l, either()))
	}
	for _, scope := range was.Scopes {
		if !slices.Contains(is.Scopes, scope) {
			ops = append(ops, s.Table.Delete(listenKey(scope, was.ID), either()))
		}
	}
	return s.commit(ctx, ops)
}

// forget removes all that there is of a connection.
func (s Store) forget(ctx context.Context, c Connection) error {
	ops := []dynamo.Op{
		s.Table.Delete(connectionKey(c.ID), either()), s.Table.Delete(socketKey(c.UserID, c.ID), either()), s.Table.Delete(endKey(c), either()),
	}
	for _, scope := range c.Scopes {
		ops = append(ops, s.Table.Delete(listenKey(scope, c.ID), either()))
	}
	return s.commit(ctx, ops)
}

// drop removes single items that led nowhere.
func (s Store) drop(ctx context.Context, k dynamo.Key) error {
	return s.commit(ctx, []dynamo.Op{s.Table.Delete(k, either())})
}

// commit writes in transactions of a hundred. The first decides; what the
// others would have left behind leads nowhere and expires.
func (s Store) commit(ctx context.Context, ops []dynamo.Op) error {
	for chunk := range slices.Chunk(ops, 100) {
		if err := dynamo.Commit(ctx, s.Table.DB, chunk...); err != nil {
			return err
		}
	}
	return nil
}

// connections are a user's, all of them.
func (s Store) connections(ctx context.Context, userID string) ([]Connection, error) {
	var ids []string
	for before := ""; ; {
		q := dynamo.Query{Values: []string{socketKey(userID, "").PK}, Sort: dynamo.SK, Oldest: true, Limit: 1000, Before: before}
		found, next, err := dynamo.List(ctx, s.Table, q, func(m mention) string { return m.SK }, nil)
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			ids = append(ids, m.ConnectionID)
		}
		if before = next; next == "" {
			return s.byID(ctx, ids)
		}
	}
}

// full reports whether a session has all the sockets that it may have. What is
// left of one that went without a word counts no longer than it may have lasted.
func (s Store) full(ctx context.Context, userID, sessionHash string, now time.Time) (bool, error) {
	q := dynamo.Query{Values: []string{socketKey(userID, "").PK}, Sort: dynamo.SK, Oldest: true, Limit: MaxSockets}
	found, _, err := dynamo.List(ctx, s.Table, q, func(m mention) string { return m.SK }, func(m mention) bool {
		return m.SessionHash == sessionHash && now.Before(time.Unix(m.TTL, 0).Add(-kept))
	})
	return len(found) == MaxSockets, err
}

func (s Store) byID(ctx context.Context, ids []string) ([]Connection, error) {
	wanted := make([]dynamo.Key, len(ids))
	for i, c := range ids {
		wanted[i] = connectionKey(c)
	}
	items, err := dynamo.GetAll[connectionItem](ctx, s.Table, wanted)
	found := make([]Connection, len(items))
	for i, item := range items {
		found[i] = item.Connection
	}
	return found, err
}

// ending are up to limit mentions of a shard whose sessions may have ended, those that ended first.
func (s Store) ending(ctx context.Context, shard int, now time.Time, limit int) ([]mention, error) {
	q := dynamo.Query{Values: []string{endPK(shard)}, Sort: dynamo.SK, Oldest: true, Limit: limit, To: timestamp.Of(now).String() + "\uffff"}
	found, _, err := dynamo.List(ctx, s.Table, q, func(m mention) string { return m.SK }, nil)
	return found, err
}

// listeners are up to limit of those who listen in a scope, from a connection
// on and until before another, and where to go on.
func (s Store) listeners(ctx context.Context, scope, from, to, after string, limit int) ([]listener, string, error) {
	q := dynamo.Query{Values: []string{listenKey(scope, "").PK}, Sort: dynamo.SK, Oldest: true, From: from, To: to, Before: after, Limit: limit}
	return dynamo.List(ctx, s.Table, q, func(l listener) string { return l.SK }, nil)
}

func (m mention) key() dynamo.Key { return dynamo.Key{PK: m.PK, SK: m.SK} }
