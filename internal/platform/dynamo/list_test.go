package dynamo_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"pagefree/internal/platform/dynamo"
)

// TestListIsASortedCut checks List, page by page, against what a plain filter,
// sort and cut of everything says.
func TestListIsASortedCut(t *testing.T) {
	table, _ := newTable(t)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		var all []thing
		ids := rapid.SliceOfNDistinct(rapid.IntRange(0, 60), 0, 24, rapid.ID[int]).Draw(rt, "ids")
		var ops []dynamo.Op
		for _, n := range ids {
			partition := rapid.IntRange(0, 3).Draw(rt, "partition")
			v := thing{PK: fmt.Sprintf("r%d#%d", round, partition), SK: fmt.Sprintf("%s%03d", []string{"e#", "f#"}[n%2], n), ID: fmt.Sprintf("id%03d", n), N: n}
			v.Team = v.PK
			all = append(all, v)
			ops = append(ops, table.Create(v))
		}
		for part := range slices.Chunk(ops, 100) {
			if err := dynamo.Commit(context.Background(), table.DB, part...); err != nil {
				rt.Fatal(err)
			}
		}
		q := dynamo.Query{Sort: "id", Index: "byTeam", Oldest: rapid.Bool().Draw(rt, "oldest"), Limit: rapid.IntRange(1, 8).Draw(rt, "limit")}
		sortKey := func(v thing) string { return v.ID }
		if rapid.Bool().Draw(rt, "by sk") {
			q.Index, q.Sort = "", dynamo.SK
			sortKey = func(v thing) string { return v.SK }
			q.Prefix = rapid.SampledFrom([]string{"", "e#", "f#", "g#"}).Draw(rt, "prefix")
		}
		for _, p := range rapid.SliceOfN(rapid.IntRange(0, 3), 0, 4).Draw(rt, "partitions") {
			q.Values = append(q.Values, fmt.Sprintf("r%d#%d", round, p))
		}
		bound := func(name string) string {
			n := rapid.IntRange(-1, 60).Draw(rt, name)
			if n < 0 {
				return ""
			}
			return sortKey(thing{ID: fmt.Sprintf("id%03d", n), SK: fmt.Sprintf("%s%03d", []string{"e#", "f#"}[n%2], n)})
		}
		q.From, q.To = bound("from"), bound("to")
		var keep func(thing) bool
		if every := rapid.IntRange(1, 4).Draw(rt, "every"); every > 1 {
			keep = func(v thing) bool { return v.N%every == 0 }
		}

		var want []string
		for _, v := range all {
			k := sortKey(v)
			if slices.Contains(q.Values, v.PK) && strings.HasPrefix(k, q.Prefix) && k >= q.From && (q.To == "" || k < q.To) && (keep == nil || keep(v)) {
				want = append(want, k)
			}
		}
		slices.Sort(want)
		if !q.Oldest {
			slices.Reverse(want)
		}
		var got []string
		for range 60 {
			items, next, err := dynamo.List(context.Background(), table, q, sortKey, keep)
			if err != nil {
				rt.Fatal(err)
			}
			if len(items) > q.Limit {
				rt.Fatalf("got %d items, more than %d", len(items), q.Limit)
			}
			for _, v := range items {
				got = append(got, sortKey(v))
			}
			if q.Before = next; next == "" {
				break
			}
		}
		if q.Before != "" {
			rt.Fatal("the list does not end")
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("%+v\ngot  %v\nwant %v", q, got, want)
		}
	})
}

func TestAFilterThatMatchesLittleGivesShortPages(t *testing.T) {
	table, _ := newTable(t)
	const n = 2500 // more than one request reads
	var ops []dynamo.Op
	for i := range n {
		ops = append(ops, table.Create(thing{PK: "p", SK: fmt.Sprintf("%05d", i), ID: "x", N: i}))
	}
	for part := range slices.Chunk(ops, 100) {
		commit(t, table, part...)
	}
	q := dynamo.Query{Values: []string{"p"}, Sort: dynamo.SK, Limit: 10, Oldest: true}
	find := func(v thing) bool { return v.N == n-1 }
	sortKey := func(v thing) string { return v.SK }
	items, next, err := dynamo.List(t.Context(), table, q, sortKey, find)
	if err != nil || len(items) != 0 || next == "" {
		t.Fatalf("the first page: got %v, %q, %v, want nothing and a position", items, next, err)
	}
	q.Before = next
	items, next, err = dynamo.List(t.Context(), table, q, sortKey, find)
	if err != nil || len(items) != 1 || next != "" {
		t.Errorf("the second page: got %v, %q, %v, want the one item", items, next, err)
	}
}

// TestLongItemsGiveShortPages: what one page collects is bounded, and all of it
// is found on some page.
func TestLongItemsGiveShortPages(t *testing.T) {
	table, _ := newTable(t)
	const items, size = 40, 300 << 10
	for n := range items {
		v := thing{PK: fmt.Sprintf("long#%d", n%2), SK: fmt.Sprintf("%03d", n), ID: fmt.Sprint(n), Text: strings.Repeat("x", size), N: n}
		if err := dynamo.Commit(t.Context(), table.DB, table.Create(v)); err != nil {
			t.Fatal(err)
		}
	}
	q := dynamo.Query{Values: []string{"long#0", "long#1"}, Sort: dynamo.SK, Limit: 200}
	var seen []int
	for pages := 1; ; pages++ {
		page, next, err := dynamo.List(t.Context(), table, q, func(v thing) string { return v.SK }, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(page)*size > 6<<20 {
			t.Errorf("a page of %d items", len(page))
		}
		for _, v := range page {
			seen = append(seen, v.N)
		}
		if next == "" || pages > items {
			break
		}
		q.Before = next
	}
	if len(seen) != items || !slices.IsSortedFunc(seen, func(a, b int) int { return b - a }) {
		t.Errorf("got %d items, %v; want %d, newest first", len(seen), seen, items)
	}
}
