// Package verify checks an export of the audit trail, without a network and without PageFree: that each block is signed
// and follows the one before it, and that each event is what its block says. What it cannot know it says.
package verify

import (
	"crypto/ecdsa"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"pagefree/internal/audit/chain"
	"pagefree/internal/platform/id"
)

// late is how far behind the newest sealed event one may be that is not sealed: streams of several shards, and the sweep,
// do not seal in the very order of ids.
const late = time.Hour

// verifier collects what the files show.
type verifier struct {
	pinned []*ecdsa.PublicKey
	pages  []*page
	keys   map[string]*ecdsa.PublicKey // of the files, by id
	events map[string]event
	blocks map[int64]chain.Block
	in     map[string]int64 // the block of each event that one names
	report Report
}

// Files verifies exports of one reach together. Where keys are pinned, no other key is believed.
func Files(files []Input, pinned []*ecdsa.PublicKey) Report {
	v := &verifier{
		pinned: pinned, keys: map[string]*ecdsa.PublicKey{}, events: map[string]event{}, blocks: map[int64]chain.Block{}, in: map[string]int64{},
	}
	for _, f := range files {
		v.read(f)
	}
	v.report.Pages = len(v.pages)
	if len(v.pages) == 0 {
		return v.report
	}
	v.reach()
	v.learnKeys()
	v.gather()
	v.checkBlocks()
	v.checkChain()
	v.checkEvents()
	v.checkTail()
	return v.report
}

func (v *verifier) problem(format string, args ...any) {
	v.report.Problems = append(v.report.Problems, fmt.Sprintf(format, args...))
}

// reach sees what the pages show of the record, and whether they are all of it.
func (v *verifier) reach() {
	first := v.pages[0].header
	v.report.Teams = first.Teams
	v.report.Partial = first.Scope != chain.ScopeAll
	place, whole := "", true // whole: as far as place, nothing is left out
	for _, p := range slices.SortedFunc(slices.Values(v.pages), func(a, b *page) int { return compare(a.header.After, b.header.After) }) {
		h := p.header
		if h.Scope != first.Scope || !slices.Equal(h.Teams, first.Teams) {
			v.problem("%s: the pages have different reaches; verify them apart", p.at)
		}
		v.report.Partial = v.report.Partial || h.From != nil || h.To != nil
		if p.end == nil || h.After > place || place == done {
			whole = whole && place == done
			continue
		}
		if p.end.Through == "" {
			place = done
		} else {
			place = max(place, p.end.Through)
		}
	}
	v.report.Unfinished = !whole || place != done
	for i, p := range v.pages[:len(v.pages)-1] {
		if next := v.pages[i+1].header.After; v.pages[i+1].file == p.file && p.end != nil && next != "" && next != p.end.Through {
			v.problem("%s: does not follow the page before it: a page is missing or out of place", v.pages[i+1].at)
		}
	}
}

// done sorts after every id: nothing is left.
const done = "\U0010FFFF"

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// complete tells whether the files show everything that there is.
func (v *verifier) complete() bool { return !v.report.Partial && !v.report.Unfinished }

func (v *verifier) learnKeys() {
	for _, p := range v.pages {
		for _, k := range p.keys {
			key, err := parseKey(k.PublicKey)
			if err != nil {
				v.problem("%s: key %s: %v", p.at, k.KeyID, err)
				continue
			}
			if known := v.keys[k.KeyID]; known != nil && !known.Equal(key) {
				v.problem("%s: key %s is not the one that another page has", p.at, k.KeyID)
				continue
			}
			if v.keys[k.KeyID] == nil && len(v.pinned) > 0 && !slices.ContainsFunc(v.pinned, func(pin *ecdsa.PublicKey) bool { return pin.Equal(key) }) {
				v.problem("%s: key %s is not one that was pinned", p.at, k.KeyID)
			}
			v.keys[k.KeyID] = key
		}
	}
}

// gather brings the pages together. The same block may stand in several.
func (v *verifier) gather() {
	for _, p := range v.pages {
		for _, e := range p.events {
			if other, twice := v.events[e.id]; twice && other.hash != e.hash {
				v.problem("%s: event %s is shown twice, and differently", e.at, e.id)
			}
			v.events[e.id] = e
		}
		for _, b := range p.blocks {
			if other, twice := v.blocks[b.Number]; twice && !same(other, b) {
				v.problem("%s: block %d is shown twice, and differently", p.at, b.Number)
			}
			v.blocks[b.Number] = b
		}
	}
	v.report.Events, v.report.Blocks = len(v.events), len(v.blocks)
}

func same(a, b chain.Block) bool {
	return a.Number == b.Number && a.Hash == b.Hash && slices.Equal(a.Signature, b.Signature) && slices.Equal(a.Entries, b.Entries) &&
		a.At == b.At && a.Previous == b.Previous && a.KeyID == b.KeyID && a.Format == b.Format
}

// checkBlocks holds each block against its signature.
func (v *verifier) checkBlocks() {
	for _, n := range slices.Sorted(maps.Keys(v.blocks)) {
		b := v.blocks[n]
		digest, err := b.Digest()
		if err != nil {
			v.problem("block %d: %v", n, err)
			continue
		}
		if hex.EncodeToString(digest[:]) != b.Hash {
			v.problem("block %d was changed: its hash is not the one that it names", n)
		}
		keys := v.pinned
		if len(keys) == 0 {
			key := v.keys[b.KeyID]
			if key == nil {
				v.problem("block %d: the files lack key %s that signed it; give it by -key", n, b.KeyID)
				continue
			}
			keys = []*ecdsa.PublicKey{key}
		}
		if !slices.ContainsFunc(keys, b.Signed) {
			v.problem("block %d is not signed by key %s", n, b.KeyID)
		}
		for _, e := range b.Entries {
			if e.Hidden() {
				if v.report.OfOthers++; len(v.report.Teams) == 0 {
					v.problem("block %d hides an event, and everything was to be shown", n)
				}
				continue
			}
			if other, twice := v.in[e.ID]; twice {
				v.problem("event %s is sealed twice, in blocks %d and %d", e.ID, other, n)
			}
			v.in[e.ID] = n
		}
	}
}

// checkChain holds each block against the one before it.
func (v *verifier) checkChain() {
	before := int64(0)
	for _, n := range slices.Sorted(maps.Keys(v.blocks)) {
		b := v.blocks[n]
		previous, shown := v.blocks[n-1]
		switch {
		case n < 1:
			v.problem("there is no block %d", n)
		case n == 1 && b.Previous != chain.Genesis:
			v.problem("block 1 follows another")
		case shown:
			digest, err := previous.Digest()
			if err == nil && hex.EncodeToString(digest[:]) != b.Previous {
				v.problem("block %d does not follow block %d", n, n-1)
			}
			if b.At < previous.At {
				v.problem("block %d is older than block %d", n, n-1)
			}
		case n > before+1:
			v.gap(before+1, n-1)
		}
		before = n
	}
	for _, p := range v.pages {
		if p.end == nil || p.end.Head == nil {
			continue
		}
		h := p.end.Head
		v.report.Head = max(v.report.Head, h.Number)
		if b, ok := v.blocks[h.Number]; !ok {
			v.gap(max(before+1, 1), h.Number)
		} else if b.Hash != h.Hash {
			v.problem("the end of the chain is block %d of another hash", h.Number)
		}
	}
	if v.complete() && v.report.Head == 0 && len(v.blocks) > 0 {
		v.problem("the export does not say where the chain ends")
	}
}

// gap notes blocks that are not there.
func (v *verifier) gap(from, to int64) {
	if from > to {
		return
	}
	v.report.Gaps += int(to - from + 1)
	if !v.complete() { // they may hold what is not shown
		return
	}
	if from == to {
		v.problem("block %d is missing", from)
	} else {
		v.problem("blocks %d to %d are missing", from, to)
	}
}

// checkEvents holds each event against the block that names it.
func (v *verifier) checkEvents() {
	for _, n := range slices.Sorted(maps.Keys(v.blocks)) {
		for _, entry := range v.blocks[n].Entries {
			if entry.Hidden() {
				continue
			}
			e, shown := v.events[entry.ID]
			switch {
			case shown && e.hash != entry.Hash:
				v.problem("event %s was changed: it is not what block %d holds", e.id, n)
			case shown:
				v.report.Sealed++
			case v.covered(entry.ID):
				v.problem("event %s of block %d is missing", entry.ID, n)
			default:
				v.report.Elsewhere++
			}
		}
	}
	for _, eventID := range slices.Sorted(maps.Keys(v.events)) {
		e := v.events[eventID]
		if e.block == nil {
			continue
		}
		if n, sealed := v.in[e.id]; sealed && n != *e.block {
			v.problem("event %s says that it is in block %d, and is in %d", e.id, *e.block, n)
		} else if _, shown := v.blocks[*e.block]; !sealed && shown {
			v.problem("event %s was added: it says that it is in block %d, which does not hold it", e.id, *e.block)
		} else if !sealed {
			v.problem("event %s says that it is in block %d, which is missing", e.id, *e.block)
		}
	}
}

// covered tells whether an event of this id would have to be shown.
func (v *verifier) covered(eventID string) bool {
	return slices.ContainsFunc(v.pages, func(p *page) bool {
		h := p.header
		if p.end == nil || eventID <= h.After || p.end.Through != "" && eventID > p.end.Through {
			return false
		}
		if from, err := parseTime(h.From); err != nil || h.From != nil && eventID < id.Floor(id.Audit, from) {
			return false
		}
		to, err := parseTime(h.To)
		return err == nil && (h.To == nil || eventID < id.Floor(id.Audit, to.Add(time.Millisecond)))
	})
}

func parseTime(s *string) (time.Time, error) {
	if s == nil {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, *s)
}

// checkTail counts what is not sealed, which can only be the newest.
func (v *verifier) checkTail() {
	newest := ""
	for eventID := range v.events {
		if _, sealed := v.in[eventID]; sealed {
			newest = max(newest, eventID)
		}
	}
	limit := ""
	if newest != "" {
		limit = id.Floor(id.Audit, id.Time(newest).Add(-late))
	}
	for _, eventID := range slices.Sorted(maps.Keys(v.events)) {
		e := v.events[eventID]
		if _, sealed := v.in[eventID]; sealed || e.block != nil {
			continue
		}
		if eventID < limit {
			v.problem("event %s was added: no block holds it, though events of more than an hour later are sealed", eventID)
			continue
		}
		if v.report.Unsealed++; v.report.UnsealedSince == "" {
			v.report.UnsealedSince = e.when
		}
		v.report.UnsealedUntil = e.when
	}
}
