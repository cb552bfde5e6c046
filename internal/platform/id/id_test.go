package id_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pagefree/internal/platform/id"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestIdsSortByTheTimeTheyWereMade(t *testing.T) {
	var got []string
	for i := range 1000 {
		got = append(got, id.New(id.Runbook, noon.Add(time.Duration(i/100)*time.Millisecond)))
	}
	if !slices.IsSorted(got) {
		t.Error("ids of one process are not in the order of their making")
	}
	if len(slices.Compact(got)) != 1000 {
		t.Error("an id came twice")
	}
}

func TestIdsMadeAtOnceDiffer(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				v := id.New(id.Execution, noon)
				mu.Lock()
				seen[v] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 1600 {
		t.Errorf("got %d different ids, want 1600", len(seen))
	}
}

// TestOnce: the same form with the same in it makes one thing, for a day.
func TestOnce(t *testing.T) {
	form := id.New(id.Form, noon)
	first, ok := id.Once(id.APIKey, form, noon.Add(time.Minute), "usr_1", "ci")
	if !ok || !id.Valid(id.APIKey, first) || !id.Time(first).Equal(noon) {
		t.Fatalf("got %q, %v", first, ok)
	}
	if again, ok := id.Once(id.APIKey, form, noon.Add(23*time.Hour), "usr_1", "ci"); !ok || again != first {
		t.Errorf("again it is %q", again)
	}
	others := map[string]bool{first: true}
	for _, of := range [][]string{{id.APIKey, form, "usr_2", "ci"}, {id.APIKey, form, "usr_1", "cd"}, {id.APIKey, form, "usr_1c", "i"}, {id.APIKey, id.New(id.Form, noon), "usr_1", "ci"}, {id.Integration, form, "usr_1", "ci"}} {
		other, ok := id.Once(of[0], of[1], noon, of[2:]...)
		if !ok || others[other] {
			t.Errorf("%v is %q too", of, other)
		}
		others[other] = true
	}
	for name, word := range map[string]string{
		"none": "", "another id": id.New(id.Team, noon), "text": "form_x", "too old": id.New(id.Form, noon.Add(-24*time.Hour-time.Second)), "of tomorrow": id.New(id.Form, noon.Add(time.Hour)),
	} {
		if got, ok := id.Once(id.APIKey, word, noon, "usr_1", "ci"); ok {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestValid(t *testing.T) {
	good := id.New(id.Incident, noon)
	for name, test := range map[string]struct {
		text string
		want bool
	}{
		"ours":                     {good, true},
		"another prefix":           {id.New(id.Runbook, noon), false},
		"a prefix of a prefix":     {"in" + strings.TrimPrefix(good, "inc"), false},
		"no prefix":                {strings.TrimPrefix(good, "inc_"), false},
		"nothing":                  {"", false},
		"only a prefix":            {"inc_", false},
		"too short":                {good[:len(good)-1], false},
		"too long":                 {good + "0", false},
		"a key in it":              {good[:len(good)-1] + "#", false},
		"a letter that ULIDs lack": {good[:len(good)-1] + "U", false},
		"more than 128 bits":       {"inc_8" + good[5:], false},
	} {
		if got := id.Valid(id.Incident, test.text); got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

func TestFloor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		made := noon.Add(time.Duration(rapid.Int64Range(-1e6, 1e6).Draw(t, "ms")) * time.Millisecond)
		bound := noon.Add(time.Duration(rapid.Int64Range(-1e6, 1e6).Draw(t, "bound")) * time.Millisecond)
		if later := id.New(id.Audit, made) >= id.Floor(id.Audit, bound); later != !made.Before(bound) {
			t.Fatalf("made at %v, bound %v: at or after it: got %v", made, bound, later)
		}
	})
	for name, at := range map[string]time.Time{"before ULIDs": time.Unix(-1, 0), "after ULIDs": time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), "zero": {}} {
		if got := id.Floor(id.Audit, at); !id.Valid(id.Audit, got) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestTime(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want time.Time
	}{
		"an id":      {id.New(id.Audit, noon.Add(7*time.Millisecond)), noon.Add(7 * time.Millisecond)},
		"its floor":  {id.Floor(id.Audit, noon), noon},
		"nothing":    {"", time.Time{}},
		"other text": {"aud_later", time.Time{}},
	} {
		if got := id.Time(test.text); !got.Equal(test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}
