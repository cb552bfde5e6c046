package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"pagefree/infra/local/demo"
	"pagefree/infra/local/stack"
)

// TestTheDemoUnderAStage: API Gateway's own address has the stage before every
// path, and mails and answers have to lead there.
func TestTheDemoUnderAStage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, stack.Options{StagePrefix: true})
	stage := w.stack.Template().API.Stage
	if !strings.HasSuffix(w.stack.URL, "/"+stage) {
		t.Fatalf("the API is at %s, want it under %s", w.stack.URL, stage)
	}
	for _, mail := range w.stack.Mail("") {
		for _, link := range mail.Links {
			if !strings.HasPrefix(link, w.stack.URL+"/signin?") {
				t.Errorf("a mail leads to another place than %s", w.stack.URL)
			}
		}
	}
	// All of it once more, where there is something already.
	if _, err := demo.Run(t.Context(), demo.Options{URL: w.stack.URL, Out: io.Discard, Whole: true}); err != nil {
		t.Error(err)
	}
	if a := w.ended(w.trigger()); a.Text("status") != "COMPLETED" {
		t.Errorf("got %s", a.Text("status"))
	}
	w.call(demo.Lead, http.StatusOK, "GET", "/v1/audit", nil)
}
