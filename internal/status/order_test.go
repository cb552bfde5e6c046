package status_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"pagefree/infra/local/roomtest"
	"pagefree/internal/platform/problem"
	"pagefree/internal/status"
)

// ctx is somebody's, for the methods that have no route of their own.
func (w *world) ctx(who string) context.Context { return roomtest.As(w.t.Context(), w.who[who]) }

func codeOf(err error) problem.Code {
	if p, ok := err.(*problem.Error); ok {
		return p.Code
	}
	return ""
}

// TestStatusesAtOnce: all of them or none, one event, and none where nothing changes.
func TestStatusesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme-cloud")
	pageID := strings.TrimPrefix(page, "/v1/status-pages/")
	a, b := w.component(page, "A"), w.component(page, "B")
	set := func(who string, touched ...status.Touched) error {
		return w.service.SetStatuses(w.ctx(who), pageID, touched)
	}
	before := w.clock.Now()
	for who, want := range map[string]problem.Code{"nobody": "unauthenticated", "outsider": "not_found", "observer": "forbidden", "responder": "forbidden"} {
		if err := set(who, status.Touched{ID: a, Status: status.MajorOutage}); codeOf(err) != want {
			t.Errorf("%s: got %v, want %s", who, err, want)
		}
	}
	for name, touched := range map[string][]status.Touched{
		"one of another page": {{ID: a, Status: status.MajorOutage}, {ID: "cmp_x", Status: status.MajorOutage}},
		"no status":           {{ID: a, Status: status.MajorOutage}, {ID: b, Status: "splendid"}},
		"twice":               {{ID: a, Status: status.MajorOutage}, {ID: a, Status: status.PartialOutage}},
	} {
		if err := set("lead", touched...); codeOf(err) != problem.ValidationFailed {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if v := w.view("acme-cloud", status.Reader{Staff: true}); v.Components[0].Status != status.Operational {
		t.Errorf("a refused change was made: %+v", v.Components)
	}
	if err := set("lead", status.Touched{ID: a, Status: status.MajorOutage}, status.Touched{ID: b, Status: status.PartialOutage}); err != nil {
		t.Fatal(err)
	}
	if err := set("lead", status.Touched{ID: a, Status: status.MajorOutage}); err != nil { // it has it
		t.Fatal(err)
	}
	v := w.view("acme-cloud", status.Reader{Staff: true})
	if v.Components[0].Status != status.MajorOutage || v.Components[1].Status != status.PartialOutage {
		t.Errorf("got %+v", v.Components)
	}
	if got := types(w.recorded(before)); !slices.Equal(got, []string{"status_page.statuses_set"}) {
		t.Errorf("recorded %v", got)
	}
}

// TestMovesAtOnce: whoever moves at the same time as others leaves each component in one place.
func TestMovesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme-cloud")
	pageID := strings.TrimPrefix(page, "/v1/status-pages/")
	var ids []string
	for _, name := range []string{"A", "B", "C", "D"} {
		ids = append(ids, w.component(page, name))
	}
	for who, want := range map[string]problem.Code{"nobody": "unauthenticated", "outsider": "not_found", "responder": "forbidden"} {
		if err := w.service.Move(w.ctx(who), pageID, ids[0], false); codeOf(err) != want {
			t.Errorf("%s: got %v, want %s", who, err, want)
		}
	}
	if err := w.service.Move(w.ctx("lead"), pageID, "cmp_x", true); codeOf(err) != problem.NotFound {
		t.Errorf("got %v", err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := w.service.Move(w.ctx("lead"), pageID, ids[i%4], i%2 == 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s, _ := w.published("acme-cloud")
	places := map[int]bool{}
	for _, c := range s.Components {
		places[c.Position] = true
	}
	if len(s.Components) != 4 || len(places) != 4 || !places[0] || !places[3] {
		t.Errorf("got %+v", s.Components)
	}
}

func TestChoices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme-cloud")
	pageID := strings.TrimPrefix(page, "/v1/status-pages/")
	service := w.runs(w.team)
	w.runs(w.other)
	got, err := w.service.Choices(w.ctx("observer"), pageID)
	if err != nil || len(got.Partners) != 0 || len(got.Services) != 1 || got.Services[0].ID != service {
		t.Errorf("got %+v %v", got, err)
	}
	if _, err := w.service.Choices(w.ctx("outsider"), pageID); codeOf(err) != problem.NotFound {
		t.Errorf("got %v", err)
	}
}
