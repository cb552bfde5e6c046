package verify

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pagefree/internal/audit/chain"
	"pagefree/internal/platform/id"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// object is one line of an export, to be spoiled.
type object = map[string]any

// record is a trail of some events, minute by minute: those of odd numbers are of team_a, the others of team_b.
type record struct {
	t      *testing.T
	key    *ecdsa.PrivateKey
	ids    []string
	events map[string]object
	blocks []chain.Block
}

// newRecord seals events in blocks of the sizes, and leaves loose ones at the end.
func newRecord(t *testing.T, loose int, sizes ...int) *record {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := &record{t: t, key: key, events: map[string]object{}}
	previous := chain.Genesis
	for i, size := range sizes {
		b := chain.Block{Format: chain.Format, Number: int64(i + 1), KeyID: "key-1", Previous: previous}
		for range size {
			e := r.event()
			b.Entries = append(b.Entries, r.entry(e))
		}
		b.At = r.now().Format(time.RFC3339)
		previous = r.sign(&b, key)
		r.blocks = append(r.blocks, b)
	}
	for range loose {
		r.event()
	}
	return r
}

func (r *record) now() time.Time { return noon.Add(time.Duration(len(r.ids)) * time.Minute) }

func (r *record) event() object {
	team := []string{"team_b", "team_a"}[(len(r.ids)+1)%2]
	e := object{"id": id.New(id.Audit, r.now()), "at": r.now().Format(time.RFC3339), "type": "runbook.approved", "teamId": team,
		"detail": object{"n": len(r.ids), "text": "<&\u2028é"}}
	r.ids = append(r.ids, e["id"].(string))
	r.events[e["id"].(string)] = e
	return e
}

func (r *record) entry(e object) chain.Entry {
	raw, err := json.Marshal(e)
	if err != nil {
		r.t.Fatal(err)
	}
	hash, err := chain.HashEvent(raw)
	if err != nil {
		r.t.Fatal(err)
	}
	return chain.Entry{ID: e["id"].(string), Hash: hash, Salt: rand.Text()}
}

func (r *record) sign(b *chain.Block, key *ecdsa.PrivateKey) string {
	digest, err := b.Digest()
	if err != nil {
		r.t.Fatal(err)
	}
	b.Hash = hex.EncodeToString(digest[:])
	if b.Signature, err = ecdsa.SignASN1(rand.Reader, key, digest[:]); err != nil {
		r.t.Fatal(err)
	}
	return b.Hash
}

// export writes pages of so many events, as PageFree does; team is one whose events alone are shown, or "".
func (r *record) export(team string, size int) [][]object {
	var mine []string
	for _, eventID := range r.ids {
		if team == "" || r.events[eventID]["teamId"] == team {
			mine = append(mine, eventID)
		}
	}
	var pages [][]object
	after := ""
	for first := 0; first == 0 || first < len(mine); first += size {
		last := min(first+size, len(mine))
		pages = append(pages, r.page(team, after, mine[first:last], last == len(mine)))
		if last > first {
			after = mine[last-1]
		}
	}
	return pages
}

func (r *record) page(team, after string, ids []string, last bool) []object {
	in := map[string]int64{}
	for _, b := range r.blocks {
		for _, e := range b.Entries {
			in[e.ID] = b.Number
		}
	}
	head := chain.Header{Kind: chain.KindHeader, Format: chain.Format, Scope: chain.ScopeAll, Teams: []string{}, After: after}
	if team != "" {
		head.Scope, head.Teams = chain.ScopeTeams, []string{team}
	}
	lines := []any{head, chain.Key{Kind: chain.KindKey, KeyID: "key-1", Algorithm: "ECDSA_SHA_256", PublicKey: public(r.t, r.key)}}
	held := map[int64]bool{}
	for _, eventID := range ids {
		raw, err := json.Marshal(r.events[eventID])
		if err != nil {
			r.t.Fatal(err)
		}
		line := chain.EventLine{Kind: chain.KindEvent, Event: raw}
		if n, sealed := in[eventID]; sealed {
			held[n], line.Block = true, &n
		}
		lines = append(lines, line)
	}
	end := chain.End{Kind: chain.KindEnd, Events: len(ids)}
	for _, b := range r.blocks {
		if !held[b.Number] {
			continue
		}
		shown := b
		shown.Entries = nil
		for _, e := range b.Entries {
			if team != "" && r.events[e.ID]["teamId"] != team {
				var err error
				if e, err = e.Hide(); err != nil {
					r.t.Fatal(err)
				}
			}
			shown.Entries = append(shown.Entries, e)
		}
		lines = append(lines, chain.BlockLine{Kind: chain.KindBlock, Block: shown})
		end.Blocks++
	}
	if n := len(r.blocks); last && team == "" && n > 0 {
		end.Head = &chain.Head{Number: int64(n), Hash: r.blocks[n-1].Hash}
	}
	if !last {
		next := "cursor"
		end.Through, end.NextCursor = ids[len(ids)-1], &next
	}
	lines = append(lines, end)
	var out []object
	for _, l := range lines {
		raw, err := json.Marshal(l)
		if err != nil {
			r.t.Fatal(err)
		}
		var o object
		if err := json.Unmarshal(raw, &o); err != nil {
			r.t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

func public(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// text is pages as a file has them.
func text(t *testing.T, pages ...[]object) string {
	t.Helper()
	var buf bytes.Buffer
	for _, p := range pages {
		for _, l := range p {
			if err := json.NewEncoder(&buf).Encode(l); err != nil {
				t.Fatal(err)
			}
		}
	}
	return buf.String()
}

func check(pinned []*ecdsa.PublicKey, files ...string) Report {
	var in []Input
	for i, f := range files {
		in = append(in, Input{Name: fmt.Sprintf("file%d", i+1), Data: strings.NewReader(f)})
	}
	return Files(in, pinned)
}

// of is the nth line of a kind, from 0, and its index.
func of(page []object, kind string, n int) (object, int) {
	for i, l := range page {
		if l["kind"] == kind {
			if n == 0 {
				return l, i
			}
			n--
		}
	}
	panic("no such line")
}
