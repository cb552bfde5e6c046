package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"pagefree/infra/local/chromium"
	"pagefree/internal/identity"
)

// TestALivePage: a page of the console shows what somebody else did, and says that it is live; the note that is being
// written stays. Whoever is signed out elsewhere is told so.
func TestALivePage(t *testing.T) {
	t.Parallel()
	w := plainStacks.world(t)
	b := tab{browser(t, chromium.Refusals)} // its own sign-out ends in a 401
	yes := true
	if _, err := chromedp.Call(b.Ctx, network.SetCookie, network.SetCookieParams{
		Name: identity.Cookie, Value: w.people.Sessions[responder], URL: w.stack.URL, Path: "/", Secure: &yes, HTTPOnly: &yes, SameSite: network.CookieSameSiteLax,
	}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(w.stack.URL+"/console/incidents/"+w.people.IncidentID), there(`#live-state[data-state="live"]`))
	if _, err := chromedp.Run(b.Ctx, chromedp.Evaluate[string](`document.querySelector("#f-text").value = "half a note"`)); err != nil {
		t.Fatal(err)
	}
	w.call(lead, http.StatusCreated, "POST", "/v1/incidents/"+w.people.IncidentID+"/notes", object{"text": "Somebody else looks too"})
	w.until("the other's note", func() bool { return strings.Contains(b.do(), "Somebody else looks too") })
	typed, err := chromedp.Run(b.Ctx, chromedp.Evaluate[string](`document.querySelector("#f-text").value`))
	if err != nil || typed != "half a note" {
		t.Errorf("what was being written became %q, %v", typed, err)
	}
	if _, err := w.api.Want(t.Context(), http.StatusNoContent, "POST", "/v1/auth/sign-out", w.people.Sessions[responder], nil); err != nil {
		t.Fatal(err)
	}
	b.do(there(`#live-state[data-state="out"]`))
}
