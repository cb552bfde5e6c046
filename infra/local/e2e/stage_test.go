package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
)

// TestTheDemoAtTheAPIsOwnAddress: /v1 may be called at API Gateway itself, which has the stage before every path; the
// mails of who asks there lead to the public address all the same.
func TestTheDemoAtTheAPIsOwnAddress(t *testing.T) {
	t.Parallel()
	w := plainStacks.world(t)
	// All of it once more, where there is something already.
	if _, err := demo.Run(t.Context(), demo.Options{URL: w.stack.APIURL, Mail: w.stack.URL, Out: io.Discard}); err != nil {
		t.Error(err)
	}
	for _, mail := range w.stack.Mail("") {
		for _, link := range mail.Links {
			if !strings.HasPrefix(link, w.stack.URL+"/") {
				t.Errorf("a mail leads to another place than %s", w.stack.URL)
			}
		}
	}
	w.api = client.Client{URL: w.stack.APIURL}
	if a := w.ended(w.trigger()); a.Text("status") != "COMPLETED" {
		t.Errorf("got %s", a.Text("status"))
	}
	w.call(demo.Lead, http.StatusOK, "GET", "/v1/audit", nil)
}
