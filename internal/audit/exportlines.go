package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"pagefree/internal/audit/chain"
	"pagefree/internal/platform/timestamp"
)

// maxExport bounds a page in bytes: Lambda answers with 6 MB at most, and escapes them once more.
const maxExport = 2 << 20

// write makes the lines of a page. What does not fit is left to the next page.
func (x *export) write(ctx context.Context, cursor func(next string) (*string, error)) ([]byte, error) {
	public, err := x.reader.Public(ctx)
	if err != nil {
		return nil, err
	}
	events, blocks, err := x.lines()
	if err != nil {
		return nil, err
	}
	end := chain.End{Kind: chain.KindEnd, Events: len(events), Blocks: len(blocks), Through: x.through, Head: x.head}
	if x.through != "" {
		if end.NextCursor, err = cursor(x.through); err != nil {
			return nil, err
		}
	}
	header, err := line(x.header())
	if err != nil {
		return nil, err
	}
	key, err := line(chain.Key{Kind: chain.KindKey, KeyID: x.reader.KeyID, Algorithm: chain.Algorithm, PublicKey: public})
	if err != nil {
		return nil, err
	}
	last, err := line(end)
	if err != nil {
		return nil, err
	}
	return slices.Concat(header, key, bytes.Join(events, nil), bytes.Join(blocks, nil), last), nil
}

func (x *export) header() chain.Header {
	h := chain.Header{Kind: chain.KindHeader, Format: chain.Format, Scope: chain.ScopeAll, Teams: []string{}, After: x.after}
	if x.teams != nil {
		h.Scope, h.Teams = chain.ScopeTeams, x.teams
	}
	if from := timestamp.Of(x.filter.From).String(); !x.filter.From.IsZero() {
		h.From = &from
	}
	if to := timestamp.Of(x.filter.To).String(); !x.filter.To.IsZero() {
		h.To = &to
	}
	return h
}

// lines are those of the events, by id, and of the blocks, by number, as far
// as they fit; at least one event.
func (x *export) lines() (events, blocks [][]byte, err error) {
	ids := slices.AppendSeq(slices.Collect(maps.Keys(x.in)), maps.Keys(x.events))
	slices.Sort(ids)
	ids = slices.Compact(ids)
	held := map[int64][]byte{}
	size := 0
	for i, id := range ids {
		event, err := x.event(id)
		if err != nil {
			return nil, nil, err
		}
		block, number, err := x.block(id)
		if err != nil {
			return nil, nil, err
		}
		if held[number] != nil {
			block = nil
		}
		if size += len(event) + len(block); size > maxExport && i > 0 {
			x.through, x.head = ids[i-1], nil
			break
		}
		if event != nil {
			events = append(events, event)
		}
		if block != nil {
			held[number] = block
		}
	}
	if x.head != nil { // the last blocks, also where an earlier page showed what they hold
		for n, b := range x.blocks {
			if held[n] == nil {
				if held[n], err = x.blockLine(b); err != nil {
					return nil, nil, err
				}
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(held)) {
		blocks = append(blocks, held[n])
	}
	return events, blocks, nil
}

// event is the line of an event, nil where it is gone.
func (x *export) event(id string) ([]byte, error) {
	event, ok := x.events[id]
	if !ok {
		return nil, nil
	}
	raw, err := line(event)
	if err != nil {
		return nil, err
	}
	l := chain.EventLine{Kind: chain.KindEvent, Event: raw}
	if n, sealed := x.in[id]; sealed {
		l.Block = &n
	}
	return line(l)
}

// block is the line of the block that an event is in, nil where there is none.
func (x *export) block(id string) ([]byte, int64, error) {
	b, ok := x.blocks[x.in[id]] // there is no block 0
	if !ok {
		return nil, 0, nil
	}
	raw, err := x.blockLine(b)
	return raw, b.Number, err
}

func (x *export) blockLine(b blockItem) ([]byte, error) {
	shown, err := b.shown(x.teams.sees)
	if err != nil {
		return nil, fmt.Errorf("block %d: %w", b.Number, err)
	}
	return line(chain.BlockLine{Kind: chain.KindBlock, Block: shown})
}

// line is JSON with its line's end. Characters of HTML stand as they are: escaped, they would be six times as long.
func line(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return buf.Bytes(), err
}
