package execution

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"pagefree/internal/runbook"
)

func TestConfirmation(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T) (*world, string, string) {
		w := newWorld(t)
		rb := w.runbook("Asks", func(c *runbook.Creation) { c.RequiresConfirm = true })
		ex := w.trigger(rb)
		if got := w.read(ex); got.text("status") != "AWAITING_CONFIRMATION" || got.text("reason") == "" || len(w.queued()) != 0 {
			t.Fatalf("got %v", got.body)
		}
		return w, rb, ex
	}
	t.Run("confirmed, it runs", func(t *testing.T) {
		t.Parallel()
		w, _, ex := setup(t)
		if a := w.as("responder", "POST", "/v1/executions/"+ex+"/confirm", nil); a.status != http.StatusOK || a.text("status") != "PENDING" {
			t.Fatalf("got %d %v", a.status, a.body)
		}
		if got := w.queued(); len(got) != 1 {
			t.Errorf("got %d messages", len(got))
		}
		if a := w.as("lead", "POST", "/v1/executions/"+ex+"/confirm", nil); a.status != http.StatusConflict || a.text("code") != "invalid_transition" {
			t.Errorf("twice: got %d %v", a.status, a.body)
		}
		w.dispatch(ex)
		if got := w.read(ex).text("status"); got != "COMPLETED" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("archived since, it is cancelled", func(t *testing.T) {
		t.Parallel()
		w, rb, ex := setup(t)
		if _, err := w.runbooks.Archive(w.ctx("lead"), rb, "no"); err != nil {
			t.Fatal(err)
		}
		a := w.as("responder", "POST", "/v1/executions/"+ex+"/confirm", nil)
		if a.status != http.StatusConflict || a.text("code") != "not_approved" || w.read(ex).text("status") != "CANCELLED" || !strings.Contains(w.read(ex).text("reason"), "archived") {
			t.Errorf("got %d %v, %s", a.status, a.body, w.read(ex).text("status"))
		}
	})
	t.Run("rolled back since, it is cancelled", func(t *testing.T) {
		t.Parallel()
		w, rb, ex := setup(t)
		w.second(rb) // asks for no confirmation
		later := w.as("responder", "POST", "/v1/executions", map[string]any{"runbookId": rb}).text("id")
		if _, err := w.runbooks.Rollback(w.ctx("lead"), rb, 1, "the second is wrong"); err != nil {
			t.Fatal(err)
		}
		w.dispatch(later)
		if got := w.read(later); got.text("status") != "FAILED" || got.text("error") != "not_approved" {
			t.Errorf("of the version that was rolled back: got %v", got.body)
		}
		if _, err := w.runbooks.Rollback(w.ctx("lead"), rb, 2, "no, it was right"); err != nil {
			t.Fatal(err)
		}
		a := w.as("responder", "POST", "/v1/executions/"+ex+"/confirm", nil)
		if a.status != http.StatusConflict || a.text("code") != "not_approved" || w.read(ex).text("status") != "CANCELLED" {
			t.Errorf("got %d %v, %s", a.status, a.body, w.read(ex).text("status"))
		}
	})
	t.Run("a second before the end it is in time, at the end too late", func(t *testing.T) {
		t.Parallel()
		w, rb, ex := setup(t)
		late := w.trigger(rb)
		w.clock.Advance(ConfirmWithin - time.Second)
		if a := w.as("responder", "POST", "/v1/executions/"+ex+"/confirm", nil); a.status != http.StatusOK {
			t.Errorf("in time: got %d %v", a.status, a.body)
		}
		w.clock.Advance(time.Second)
		if a := w.as("responder", "POST", "/v1/executions/"+late+"/confirm", nil); a.status != http.StatusConflict || w.read(late).text("status") != "CANCELLED" {
			t.Errorf("late: got %d %v", a.status, a.body)
		}
	})
}
