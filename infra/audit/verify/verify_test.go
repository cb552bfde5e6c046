package verify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/internal/audit/chain"
	"pagefree/internal/platform/id"
)

func TestWhatIsAsItWasSigned(t *testing.T) {
	tests := map[string]struct {
		loose int
		sizes []int
		team  string
		size  int // of pages
		want  Report
	}{
		"one page":              {sizes: []int{3, 2}, size: 10, want: Report{Pages: 1, Events: 5, Sealed: 5, Blocks: 2, Head: 2}},
		"pages across blocks":   {sizes: []int{3, 2, 4}, size: 2, want: Report{Pages: 5, Events: 9, Sealed: 9, Blocks: 3, Head: 3}},
		"nothing":               {size: 10, want: Report{Pages: 1}},
		"nothing sealed yet":    {loose: 2, size: 10, want: Report{Pages: 1, Events: 2, Unsealed: 2}},
		"a tail":                {loose: 3, sizes: []int{2}, size: 10, want: Report{Pages: 1, Events: 5, Sealed: 2, Blocks: 1, Head: 1, Unsealed: 3}},
		"a team's part":         {sizes: []int{3, 1, 2}, team: "team_a", size: 10, want: Report{Pages: 1, Events: 3, Sealed: 3, Blocks: 2, OfOthers: 2, Partial: true, Gaps: 1}},
		"a team's part, by two": {loose: 1, sizes: []int{4, 2}, team: "team_a", size: 2, want: Report{Pages: 2, Events: 4, Sealed: 3, Blocks: 2, OfOthers: 3, Unsealed: 1, Partial: true}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRecord(t, tt.loose, tt.sizes...)
			pages := r.export(tt.team, tt.size)
			got := check([]*ecdsa.PublicKey{&r.key.PublicKey}, text(t, pages...))
			if !got.OK() {
				t.Errorf("problems: %q", got.Problems)
			}
			since := got.UnsealedSince
			got.Teams, got.UnsealedSince, got.UnsealedUntil = nil, "", ""
			if !equal(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if want := noon.Add(time.Duration(len(r.ids)-tt.loose) * time.Minute).Format(time.RFC3339); tt.loose > 1 && since != want {
				t.Errorf("the tail since %s, want %s", since, want)
			}
			var files []string // each page a file, in any order
			for _, p := range slices.Backward(pages) {
				files = append(files, text(t, p))
			}
			if again := check(nil, files...); !again.OK() || again.Sealed != got.Sealed || again.Unfinished {
				t.Errorf("page by page: %+v", again)
			}
		})
	}
}

func equal(a, b Report) bool {
	a.Problems, a.Teams, b.Problems, b.Teams = nil, nil, nil, nil
	return a.Pages == b.Pages && a.Events == b.Events && a.Sealed == b.Sealed && a.Blocks == b.Blocks && a.Head == b.Head && a.Unsealed == b.Unsealed &&
		a.Partial == b.Partial && a.Unfinished == b.Unfinished && a.OfOthers == b.OfOthers && a.Elsewhere == b.Elsewhere && a.Gaps == b.Gaps
}

// TestWhatIsNot spoils an export in one place each: two pages, of six and three events, in blocks of four, three and one,
// and one event that is not sealed.
func TestWhatIsNot(t *testing.T) {
	event := func(l object) object { return l["event"].(object) }
	entries := func(l object) []any { return l["entries"].([]any) }
	count := func(p []object, what string, by float64) {
		end, _ := of(p, chain.KindEnd, 0)
		end[what] = end[what].(float64) + by
	}
	remove := func(p *[]object, kind string, n int, honest bool) {
		_, i := of(*p, kind, n)
		*p = slices.Delete(*p, i, i+1)
		if honest {
			count(*p, kind+"s", -1)
		}
	}
	tests := map[string]struct {
		spoil func(r *record, pages [][]object)
		want  string
	}{
		"an event is changed":             {func(_ *record, p [][]object) { l, _ := of(p[0], "event", 1); event(l)["type"] = "runbook.rejected" }, "was changed: it is not what block 1 holds"},
		"a detail of an event is changed": {func(_ *record, p [][]object) { l, _ := of(p[1], "event", 0); event(l)["detail"].(object)["n"] = 7 }, "was changed"},
		"a member is added to an event":   {func(_ *record, p [][]object) { l, _ := of(p[0], "event", 0); event(l)["note"] = "x" }, "was changed"},
		"an event gets another id": {func(r *record, p [][]object) {
			l, _ := of(p[0], "event", 5)
			event(l)["id"] = id.New(id.Audit, r.now())
		}, "is missing"},
		"an event is missing":              {func(_ *record, p [][]object) { remove(&p[0], "event", 2, true) }, "of block 1 is missing"},
		"the last sealed event is missing": {func(_ *record, p [][]object) { remove(&p[1], "event", 1, true) }, "of block 3 is missing"},
		"an event's line is missing":       {func(_ *record, p [][]object) { remove(&p[1], "event", 2, false) }, "its end says 3 and"},
		"an event is added to a block":     {func(r *record, p [][]object) { added(r, p, 1.0) }, "was added: it says that it is in block 1"},
		"an event is added as not sealed":  {func(r *record, p [][]object) { added(r, p, nil) }, "was added: no block holds it"},
		"an event is shown twice": {func(_ *record, p [][]object) {
			_, i := of(p[0], "event", 1)
			p[0] = slices.Insert(p[0], i, p[0][i])
			count(p[0], "events", 1)
		}, "is out of order"},
		"two events change places":           {func(_ *record, p [][]object) { _, i := of(p[0], "event", 1); p[0][i], p[0][i+1] = p[0][i+1], p[0][i] }, "is out of order"},
		"an event is moved to another block": {func(_ *record, p [][]object) { l, _ := of(p[0], "event", 0); l["block"] = 2.0 }, "says that it is in block 2, and is in 1"},
		"a block's time is changed":          {func(_ *record, p [][]object) { l, _ := of(p[0], "block", 0); l["at"] = "2020-01-01T00:00:00Z" }, "block 1 was changed"},
		"a block's signature is changed": {func(_ *record, p [][]object) {
			a, _ := of(p[0], "block", 0)
			b, _ := of(p[0], "block", 1)
			a["signature"] = b["signature"]
		}, "block 1 is not signed by key"},
		"a block's entries change places":    {func(_ *record, p [][]object) { l, _ := of(p[0], "block", 0); e := entries(l); e[0], e[1] = e[1], e[0] }, "block 1 is not signed by key"},
		"an entry is dropped from its block": {func(_ *record, p [][]object) { l, _ := of(p[0], "block", 0); l["entries"] = entries(l)[1:] }, "block 1 is not signed by key"},
		"an entry is hidden":                 {func(r *record, p [][]object) { hide(r, p); remove(&p[0], "event", 0, true) }, "block 1 hides an event"},
		"an entry names another event":       {func(_ *record, p [][]object) { l, _ := of(p[0], "block", 0); entries(l)[0].(object)["id"] = "aud_x" }, "block 1 is not signed by key"},
		"a block is missing":                 {func(_ *record, p [][]object) { remove(&p[0], "block", 0, true) }, "which is missing"},
		"a block and its events are missing": {func(_ *record, p [][]object) {
			for range 4 {
				remove(&p[0], "event", 0, true)
			}
			remove(&p[0], "block", 0, true)
		}, "block 1 is missing"},
		"the last block and its event":      {func(_ *record, p [][]object) { remove(&p[1], "event", 1, true); remove(&p[1], "block", 1, true) }, "block 3 is missing"},
		"two blocks change places":          {func(_ *record, p [][]object) { _, i := of(p[0], "block", 0); p[0][i], p[0][i+1] = p[0][i+1], p[0][i] }, "block 1 is out of order"},
		"a block differs from page to page": {func(_ *record, p [][]object) { l, _ := of(p[1], "block", 0); l["at"] = "2020-01-01T00:00:00Z" }, "block 2 is shown twice, and differently"},
		"a block of our own is put in":      {func(r *record, p [][]object) { replace(r, p, r.key) }, "block 2 does not follow block 1"},
		"a block of another key is put in":  {func(r *record, p [][]object) { replace(r, p, other(r.t)) }, "block 1 is not signed by key"},
		"the end of the chain is another":   {func(_ *record, p [][]object) { l, _ := of(p[1], "end", 0); l["head"].(object)["hash"] = chain.Genesis }, "of another hash"},
		"the end of the chain is not told":  {func(_ *record, p [][]object) { l, _ := of(p[1], "end", 0); delete(l, "head") }, "does not say where the chain ends"},
		"the key is missing": {func(_ *record, p [][]object) {
			for i := range p {
				remove(&p[i], "key", 0, false)
			}
		}, "the files lack key key-1"},
		"the key differs from page to page": {func(r *record, p [][]object) {
			l, _ := of(p[1], "key", 0)
			l["publicKey"] = base64.StdEncoding.EncodeToString(public(r.t, other(r.t)))
		}, "is not the one that another page has"},
		"a key that is none":       {func(_ *record, p [][]object) { l, _ := of(p[0], "key", 0); l["publicKey"] = "AAAA" }, "it is no public key"},
		"the last page is cut off": {func(_ *record, p [][]object) { p[1] = p[1][:len(p[1])-2] }, "the page is cut off"},
		"a page is left out": {func(_ *record, p [][]object) {
			l, _ := of(p[1], "export", 0)
			l["after"] = id.New(id.Audit, noon.Add(time.Hour))
		}, "does not follow the page before it"},
		"a page of another reach": {func(_ *record, p [][]object) {
			l, _ := of(p[1], "export", 0)
			l["scope"], l["teams"] = "teams", []any{"team_a"}
		}, "have different reaches"},
		"a line of nobody":              {func(_ *record, p [][]object) { p[0][1] = object{"kind": "note", "text": "all is well"} }, `a line of the kind "note" is not known`},
		"a member that is not signed":   {func(_ *record, p [][]object) { l, _ := of(p[0], "block", 0); l["approvedBy"] = "me" }, "unknown field"},
		"a format of later":             {func(_ *record, p [][]object) { l, _ := of(p[0], "block", 0); l["format"] = 2.0 }, "format 2 is not known"},
		"an event that is sealed twice": {func(r *record, p [][]object) { twice(r, p) }, "is sealed twice, in blocks 2 and 3"},
		"an event without an id":        {func(_ *record, p [][]object) { l, _ := of(p[0], "event", 0); delete(event(l), "id") }, "an event without an id"},
		"an event that differs in another page": {func(_ *record, p [][]object) {
			l, _ := of(p[0], "event", 5)
			p[1] = slices.Insert(p[1], 2, object{"kind": "event", "event": changed(event(l))})
			count(p[1], "events", 1)
		}, "is shown twice, and differently"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRecord(t, 1, 4, 3, 1)
			pages := r.export("", 6)
			if whole := check(nil, text(t, pages...)); !whole.OK() {
				t.Fatalf("before: %q", whole.Problems)
			}
			tt.spoil(r, pages)
			got := check(nil, text(t, pages...))
			if got.OK() || !slices.ContainsFunc(got.Problems, func(p string) bool { return strings.Contains(p, tt.want) }) {
				t.Errorf("got %q, want %q", got.Problems, tt.want)
			}
		})
	}
}

// added puts a made-up event among the first, with the number of a block or without.
func added(r *record, pages [][]object, block any) {
	_, i := of(pages[0], "event", 0)
	l := object{"kind": "event", "event": object{"id": id.New(id.Audit, noon.Add(-2*time.Hour)), "at": "2026-03-01T10:00:00Z"}}
	if block != nil {
		l["block"] = block
	}
	pages[0] = slices.Insert(pages[0], i, l)
	end, _ := of(pages[0], "end", 0)
	end["events"] = end["events"].(float64) + 1
}

// hide shows the first entry of the first block by its leaf alone, which leaves the signature as it was.
func hide(r *record, pages [][]object) {
	leaf, err := r.blocks[0].Entries[0].Hide()
	if err != nil {
		r.t.Fatal(err)
	}
	l, _ := of(pages[0], "block", 0)
	l["entries"].([]any)[0] = object{"leaf": leaf.Leaf}
}

// replace puts a block 1 of its own into the export, with one event less and signed anew.
func replace(r *record, pages [][]object, key *ecdsa.PrivateKey) {
	b := r.blocks[0]
	b.Entries = b.Entries[1:]
	r.sign(&b, key)
	l, _ := of(pages[0], "block", 0)
	l["entries"] = l["entries"].([]any)[1:]
	l["hash"], l["signature"] = b.Hash, base64.StdEncoding.EncodeToString(b.Signature)
}

// twice makes the last block hold an event of the one before it as well, signed by the key itself.
func twice(r *record, pages [][]object) {
	b := r.blocks[2]
	b.Entries = append(slices.Clone(b.Entries), r.blocks[1].Entries[2])
	r.sign(&b, r.key)
	l, _ := of(pages[1], "block", 1)
	e := b.Entries[1]
	l["entries"] = append(l["entries"].([]any), object{"id": e.ID, "salt": e.Salt, "hash": e.Hash})
	l["hash"], l["signature"] = b.Hash, base64.StdEncoding.EncodeToString(b.Signature)
}

func changed(e object) object {
	out := object{}
	for k, v := range e {
		out[k] = v
	}
	out["type"] = "runbook.archived"
	return out
}

func other(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestPinned: an export that was made up whole, with a key of its own, is good until it is held against the key that is known.
func TestPinned(t *testing.T) {
	known, forged := newRecord(t, 0, 2), newRecord(t, 0, 2)
	file := text(t, forged.export("", 10)...)
	if got := check(nil, file); !got.OK() {
		t.Fatalf("by its own key: %q", got.Problems)
	}
	got := check([]*ecdsa.PublicKey{&known.key.PublicKey}, file)
	for _, want := range []string{"key key-1 is not one that was pinned", "block 1 is not signed by key"} {
		if !slices.ContainsFunc(got.Problems, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("got %q, want %q", got.Problems, want)
		}
	}
	both := []*ecdsa.PublicKey{&known.key.PublicKey, &forged.key.PublicKey}
	if got := check(both, file); !got.OK() {
		t.Errorf("by both: %q", got.Problems)
	}
}

// TestAPartCannotProve says what a team's export does not show: that events of the team are left out of it whole.
func TestAPartCannotProve(t *testing.T) {
	r := newRecord(t, 0, 2, 2)
	page := r.export("team_a", 10)[0]
	_, e := of(page, "event", 1)
	page = slices.Delete(page, e, e+1)
	_, b := of(page, "block", 1)
	page = slices.Delete(page, b, b+1)
	end, _ := of(page, "end", 0)
	end["events"], end["blocks"] = 1, 1
	if got := check(nil, text(t, page)); !got.OK() || !got.Partial {
		t.Errorf("got %+v, want it to pass as a part", got)
	}
}

func TestAnUnfinishedExportSaysSo(t *testing.T) {
	r := newRecord(t, 0, 4, 3)
	pages := r.export("", 3)
	for name, files := range map[string][]string{
		"the first page":       {text(t, pages[0])},
		"the last page":        {text(t, pages[2])},
		"all but the one":      {text(t, pages[0]), text(t, pages[2])},
		"the first, two times": {text(t, pages[0]), text(t, pages[0])},
	} {
		got := check(nil, files...)
		if !got.OK() || !got.Unfinished || got.Elsewhere == 0 {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestNotAnExport(t *testing.T) {
	for name, file := range map[string]string{
		"nothing":              "",
		"no JSON":              "hello\n",
		"a list of the API":    `{"items":[],"nextCursor":null}` + "\n",
		"a member twice":       `{"kind":"export","kind":"key"}` + "\n",
		"no UTF-8":             "{\"kind\":\"\xff\"}\n",
		"a line before a page": `{"kind":"end","events":0,"blocks":0,"through":"","nextCursor":null}` + "\n",
	} {
		if got := check(nil, file); got.OK() {
			t.Errorf("%s: got no problem", name)
		}
	}
}

func TestParseKey(t *testing.T) {
	key := other(t)
	der := public(t, key)
	for name, raw := range map[string][]byte{
		"DER": der, "base64": []byte(base64.StdEncoding.EncodeToString(der) + "\n"), "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
	} {
		if got, err := ParseKey(raw); err != nil || !got.Equal(&key.PublicKey) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	if _, err := ParseKey([]byte("no key")); err == nil {
		t.Error("no key: got no error")
	}
}

func FuzzFiles(f *testing.F) {
	f.Add(`{"kind":"export","format":1,"scope":"all","teams":[],"from":null,"to":null,"after":""}` + "\n" + `{"kind":"block","format":1,"number":1,"entries":[{"leaf":"x"}]}`)
	f.Add(`{"kind":"export","format":1,"scope":"teams","teams":["a"],"from":"x","to":null,"after":"z"}` + "\n" + `{"kind":"event","event":{"id":"aud_1"}}`)
	f.Fuzz(func(t *testing.T, file string) {
		if got := check(nil, file); got.Sealed > 0 {
			t.Errorf("an event was taken for sealed without a block: %+v", got)
		}
	})
}
