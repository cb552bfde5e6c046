package audit

import (
	"context"
	"maps"
	"slices"

	"pagefree/internal/audit/chain"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
)

// tail is how many blocks before the head the last page of a whole export
// reads from the table itself, since an index may not know of them yet.
const tail = 20

// export is one page of an export, in the making.
type export struct {
	reader   *Reader
	teams    reach
	filter   Filter
	from, to string      // bounds by the filter
	after    string      // the ids that the page shows come after it
	through  string      // and not after this; "" is the end
	head     *chain.Head // of the last page of a whole export
	events   map[string]Event
	in       map[string]int64    // the block of each sealed event, also of one that is not there
	blocks   map[int64]blockItem // those that hold them
}

// Export writes a page of NDJSON, oldest first: events with the blocks that
// hold them, as package chain says. A platform admin gets everything, a
// TEAM_ADMIN the own teams' events; of other events in the same blocks only
// the leaf shows, which tells how many they are, and nothing else.
// next is the position to go on from, "" at the end; cursor makes it a cursor.
func (r *Reader) Export(ctx context.Context, f Filter, page httpapi.Page, cursor func(next string) (*string, error)) ([]byte, error) {
	teams, err := authorize(ctx)
	if err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	x := &export{reader: r, teams: teams, filter: f, after: page.Before, events: map[string]Event{}, in: map[string]int64{}, blocks: map[int64]blockItem{}}
	x.from, x.to = f.ids()
	if err := x.collect(ctx, page.Limit); err != nil {
		return nil, err
	}
	if teams == nil && x.from+x.to+x.through == "" {
		if err := x.collectTail(ctx); err != nil {
			return nil, err
		}
	}
	return x.write(ctx, cursor)
}

// collect finds up to limit events, and the blocks that hold them. It looks
// for events and for marks: an event that was sealed and is not there any
// more is missed by its mark.
func (x *export) collect(ctx context.Context, limit int) error {
	q := dynamo.Query{Oldest: true, Limit: limit, Before: x.after, From: x.from, To: x.to}
	of := x.teams.partitions(q, everything, func(team string) string { return partition(&team) })
	items, stopped, err := dynamo.List(ctx, x.reader.Table, of, place(of), nil)
	if err != nil {
		return err
	}
	found, stoppedAt, err := dynamo.List(ctx, x.reader.Table, x.teams.partitions(q, marks, func(team string) string { return markKey(team, "").PK }),
		func(m mark) string { return m.ID }, nil)
	if err != nil {
		return err
	}
	ids := map[string]string{} // to teams
	for _, e := range readable(ctx, items) {
		ids[e.ID], x.events[e.ID] = e.team(), e
	}
	for _, m := range found {
		ids[m.ID], x.in[m.ID] = m.Team, m.Block
	}
	sorted := slices.Sorted(maps.Keys(ids))
	if x.through = stopped; stoppedAt != "" && (x.through == "" || stoppedAt < x.through) {
		x.through = stoppedAt
	}
	if x.through != "" {
		sorted = slices.DeleteFunc(sorted, func(id string) bool { return id > x.through })
	}
	if len(sorted) > limit {
		sorted = sorted[:limit]
		x.through = sorted[limit-1]
	}
	kept := map[string]bool{}
	var doubtful []string // an index may lag behind, or the two reads lie apart
	for _, id := range sorted {
		kept[id] = true
		if _, ok := x.events[id]; !ok {
			doubtful = append(doubtful, id)
		}
	}
	maps.DeleteFunc(x.events, func(id string, _ Event) bool { return !kept[id] })
	maps.DeleteFunc(x.in, func(id string, _ int64) bool { return !kept[id] })
	if err := x.fetch(ctx, doubtful, ids); err != nil {
		return err
	}
	return x.settle(ctx)
}

// fetch reads events from the table itself.
func (x *export) fetch(ctx context.Context, ids []string, team map[string]string) error {
	var keys []dynamo.Key
	for _, id := range ids {
		t := team[id]
		keys = append(keys, dynamo.Key{PK: partition(&t), SK: id})
	}
	items, err := dynamo.GetAll[stored](ctx, x.reader.Table, keys)
	for _, e := range readable(ctx, items) {
		x.events[e.ID] = e
	}
	return err
}

// settle asks the table itself which events are sealed, and reads the blocks.
func (x *export) settle(ctx context.Context) error {
	in, err := blocksOf(ctx, x.reader.Table, slices.Collect(maps.Values(x.events)))
	if err != nil {
		return err
	}
	for id, e := range x.events {
		if n, sealed := in[e.mark()]; sealed {
			x.in[id] = n
		}
	}
	blocks, err := blocksAt(ctx, x.reader.Table, slices.Compact(slices.Sorted(maps.Values(x.in))))
	for _, b := range blocks {
		x.blocks[b.Number] = b
	}
	return err
}

// collectTail adds the end of the chain, and the last blocks with what they
// hold: an index may not know of them yet, or they were made just now.
func (x *export) collectTail(ctx context.Context) error {
	var end head
	if _, err := x.reader.Table.Get(ctx, headKey, &end); err != nil || end.Number == 0 {
		return err
	}
	x.head = &chain.Head{Number: end.Number, Hash: end.Hash}
	first, last := int64(1), end.Number
	for n := range x.blocks {
		first = max(first, n+1)
	}
	var numbers []int64
	for n := max(first, last-tail); n <= last; n++ {
		numbers = append(numbers, n)
	}
	blocks, err := blocksAt(ctx, x.reader.Table, numbers)
	if err != nil {
		return err
	}
	var ids []string
	team := map[string]string{}
	for _, b := range blocks {
		x.blocks[b.Number] = b
		for i, e := range b.Entries {
			if e.ID <= x.after { // on a page before
				continue
			}
			x.in[e.ID] = b.Number
			if _, there := x.events[e.ID]; !there {
				ids = append(ids, e.ID)
				team[e.ID] = b.Teams[i]
			}
		}
	}
	return x.fetch(ctx, ids, team)
}
