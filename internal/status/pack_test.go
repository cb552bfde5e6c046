package status

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pagefree/internal/platform/id"
	"pagefree/internal/platform/timestamp"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// prose is text of a length that packs about as well as what people write:
// a piece of a long one, and gzip looks back no further than 32 KiB.
func prose(r *rand.Rand, length int) string {
	all := written()
	from := r.IntN(len(all) - length)
	return all[from : from+length]
}

var written = sync.OnceValue(func() string {
	r := rand.New(rand.NewPCG(7, 8))
	var b strings.Builder
	for b.Len() < 1<<20 {
		word := make([]byte, 2+r.IntN(9))
		for i := range word {
			word[i] = "etaoinshrdlucmfwypvbgkjqxz"[min(r.IntN(26), r.IntN(26))]
		}
		b.Write(word)
		b.WriteByte(" \n"[r.IntN(12)/11])
	}
	return b.String()
})

// large is a page of components and incidents, each of which touches as many as given.
func large(components, incidents, touched, body int) Snapshot {
	r := rand.New(rand.NewPCG(1, 2))
	at := timestamp.Of(noon.AddDate(0, 0, -80))
	s := Snapshot{PageID: id.New(id.StatusPage, noon), Name: "Large", Slug: "large", TimeZone: "Europe/Berlin", SessionDays: 7, SaidAt: at}
	for n := range components {
		s.Components = append(s.Components, Component{
			ID: id.New(id.Component, noon), Name: prose(r, 20), Description: prose(r, 100), Group: fmt.Sprint("Group ", n/10), Position: n,
			Status: Operational, CreatedAt: at, UpdatedAt: at, Rev: 1, Log: []Change{{at, Operational}},
		})
	}
	for n := range incidents {
		at := timestamp.Of(noon.AddDate(0, 0, -n))
		u := Update{ID: id.New(id.PageUpdate, at.Time), At: at, Status: Investigating, Body: prose(r, body)}
		for _, k := range r.Perm(components)[:touched] {
			u.Components = append(u.Components, Touched{s.Components[k].ID, PartialOutage})
		}
		over := Update{ID: id.New(id.PageUpdate, at.Time), At: at, Status: Resolved, Body: prose(r, body), Components: u.Components}
		i := Incident{ID: id.New(id.PageIncident, at.Time), Title: prose(r, 60), Impact: ImpactMajor, CreatedAt: at, Rev: 1, Updates: []Update{u}}
		if n >= 3 {
			i.Updates = append(i.Updates, over)
		}
		s.Incidents = append(s.Incidents, i)
	}
	return s
}

func packed(t *testing.T, s Snapshot, now time.Time) Snapshot {
	t.Helper()
	began := time.Now()
	raw, err := s.Pack(now)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > MaxPacked {
		t.Fatalf("%d bytes", len(raw))
	}
	t.Logf("%d bytes in %v", len(raw), time.Since(began))
	out, err := Unpack(raw)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPackOfALargePage(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]Snapshot{
		"each touches one":    large(200, 50, 1, 32<<10),
		"each touches twenty": large(200, 50, 20, 32<<10),
		"each touches all":    large(200, 50, 200, 32<<10),
		"short texts":         large(200, 50, 5, 200),
	} {
		t.Run(name, func(t *testing.T) {
			before := fmt.Sprint(s)
			got := packed(t, s, noon)
			if len(got.Components) != 200 || len(got.Incidents) != 50 {
				t.Errorf("%d components, %d incidents", len(got.Components), len(got.Incidents))
			}
			for n, i := range got.Incidents {
				was := s.Incidents[n]
				if i.ID != was.ID || i.Title != was.Title || len(i.Updates) != len(was.Updates) {
					t.Fatalf("incident %d is %+v", n, i)
				}
				for k, u := range i.Updates {
					if !strings.HasPrefix(was.Updates[k].Body, u.Body) || u.More != (len(u.Body) < len(was.Updates[k].Body)) || len(u.Body) < 70 {
						t.Errorf("update %d of %d: %d bytes, more %v", k, n, len(u.Body), u.More)
					}
					if !reflect.DeepEqual(u.Components, was.Updates[k].Components) {
						t.Errorf("update %d of %d touches something else", k, n)
					}
				}
			}
			if fmt.Sprint(s) != before {
				t.Error("the snapshot was changed")
			}
		})
	}
}

// TestPackCutsEachTextAlike: how much of a text is shown depends on nothing else that stands on the page.
func TestPackCutsEachTextAlike(t *testing.T) {
	t.Parallel()
	alone, among := packed(t, large(2, 1, 2, MaxShown), noon), packed(t, large(2, 1, 2, MaxShown+1), noon)
	if u := alone.Incidents[0].Updates[0]; u.More || len(u.Body) != MaxShown {
		t.Errorf("of a text that fits, %d bytes are left (more: %v)", len(u.Body), u.More)
	}
	if u := among.Incidents[0].Updates[0]; !u.More || len(u.Body) != MaxShown {
		t.Errorf("of a text that is longer, %d bytes are left (more: %v)", len(u.Body), u.More)
	}
}

func TestPackForgetsWhatIsOld(t *testing.T) {
	t.Parallel()
	s := large(2, 120, 1, 20)
	ago := func(days int) timestamp.Time { return timestamp.Of(noon.AddDate(0, 0, -days)) }
	s.Incidents = append(s.Incidents, Incident{ID: "open", CreatedAt: ago(300), Updates: []Update{{At: ago(300), Status: Monitoring, Body: "x"}}})
	s.Maintenances = []Maintenance{
		{ID: "coming", StartsAt: ago(-1), EndsAt: ago(-2)},
		{ID: "recent", StartsAt: ago(89), EndsAt: ago(88)},
		{ID: "old", StartsAt: ago(200), EndsAt: ago(199)},
		{ID: "long cancelled", StartsAt: ago(-1), EndsAt: ago(-2), CancelledAt: new(ago(200))},
	}
	got := packed(t, s, noon)
	if n := len(got.Incidents); n < 91 || n > 94 || got.Incidents[n-1].ID != "open" {
		t.Errorf("%d incidents", n)
	}
	var ids []string
	for _, m := range got.Maintenances {
		ids = append(ids, m.ID)
	}
	if !slices.Equal(ids, []string{"coming", "recent"}) {
		t.Errorf("maintenances %v", ids)
	}
}

// TestAnOutageIsPublishedWhateverThePageHolds: no history, however busy, keeps a page from saying what is.
func TestAnOutageIsPublishedWhateverThePageHolds(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	s := large(200, 200, 3, 300)
	for n := range s.Components {
		c := &s.Components[n]
		at := c.CreatedAt
		for at.Before(noon) {
			at.Time = at.Add(time.Duration(r.IntN(36*3600)) * time.Second)
			c.Log = append(c.Log, Change{timestamp.Of(at.Time), ComponentStatuses[r.IntN(4)]})
		}
		c.Status = c.Log[len(c.Log)-1].Status
	}
	got := packed(t, s, noon)
	for n, c := range got.Components {
		if c.Status != s.Components[n].Status || c.Log[len(c.Log)-1].Status != c.Status {
			t.Errorf("component %d is %s, and its log ends with %v", n, c.Status, c.Log[len(c.Log)-1])
		}
	}
	for n := range 3 {
		if got.Incidents[n].ID != s.Incidents[n].ID {
			t.Errorf("the newest incidents are %+v", got.Incidents[n])
		}
	}
}

// TestCompactingKeepsTheSums: of a past day with many changes, as many seconds
// are remembered in each status, and the same worst one.
func TestCompactingKeepsTheSums(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for _, name := range []string{"UTC", "America/New_York", "Asia/Kathmandu", "America/Sao_Paulo"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		c := Component{CreatedAt: timestamp.Of(noon.AddDate(0, 0, -20))}
		for at := c.CreatedAt.Time; at.Before(noon); at = at.Add(time.Duration(1+r.IntN(3600)) * time.Second) {
			c.Log = append(c.Log, Change{timestamp.Of(at), ComponentStatuses[r.IntN(5)]})
		}
		s := Snapshot{TimeZone: name, Components: []Component{c}}
		got := packed(t, s, noon).Components[0]
		if len(got.Log) > 21*5+150 {
			t.Errorf("%s: %d changes are kept of %d", name, len(got.Log), len(c.Log))
		}
		want, is := c.days(Remembered, nil, zone, noon), got.days(Remembered, nil, zone, noon)
		for n := range want {
			if !reflect.DeepEqual(is[n], want[n]) {
				t.Errorf("%s: %+v, want %+v", name, is[n], want[n])
			}
		}
		if again := packed(t, Snapshot{TimeZone: name, Components: []Component{got}}, noon).Components[0]; !reflect.DeepEqual(again, got) {
			t.Errorf("%s: packed again, it is another", name)
		}
		if !slices.IsSortedFunc(got.Log, func(a, b Change) int { return a.At.Compare(b.At.Time) }) {
			t.Errorf("%s: the log is not in order", name)
		}
	}
}
