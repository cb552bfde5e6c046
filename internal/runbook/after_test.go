package runbook

import (
	"sync"
	"testing"

	"pagefree/internal/platform/problem"
)

// TestAddVersionAfter: of eight who write the next version of the same one at once, one does, and the others are told.
func TestAddVersionAfter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := idOf(w.approved("Both"))
	c := Content{Language: Bash, ScriptContent: "echo\n", Target: Target{Type: Sandbox}}
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[problem.Code]int{}
	for range 8 {
		wg.Go(func() {
			_, err := w.service.AddVersionAfter(w.as("lead"), id, 1, c)
			mu.Lock()
			defer mu.Unlock()
			codes[problem.CodeOf(err)]++
		})
	}
	wg.Wait()
	if codes[""] != 1 || codes[problem.PreconditionFailed] != 7 {
		t.Errorf("got %v, want one that wrote and seven told", codes)
	}
	if r, err := w.service.Runbook(w.as("lead"), id); err != nil || r.CurrentVersion != 2 {
		t.Errorf("got version %d, %v, want 2", r.CurrentVersion, err)
	}
	if v, err := w.service.AddVersionAfter(w.as("second"), id, 2, c); err != nil || v.Version.Version != 3 {
		t.Errorf("after version 2: got %d, %v, want 3", v.Version.Version, err)
	}
	for who, want := range map[string]problem.Code{"responder": problem.Forbidden, "outsider": problem.NotFound} {
		if _, err := w.service.AddVersionAfter(w.as(who), id, 3, c); problem.CodeOf(err) != want {
			t.Errorf("%s: got %v, want %s", who, err, want)
		}
	}
}
