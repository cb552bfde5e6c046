package statuspages_test

import (
	"strings"
	"testing"

	"pagefree/infra/local/pagestest"
	"pagefree/internal/status"
)

// TestAnIncidentWithUpdates: from an empty page to what partners read, by forms alone.
func TestAnIncidentWithUpdates(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	api := w.Component(t, "Checkout API", "Shop", "")
	site := w.Component(t, "Website", "", "")
	acme := w.Grant(t, "Acme")
	w.Get(t, "responder", w.At("incidents", "new")).Must(t, 200).Has(t, "Checkout API", "Website", "Acme", "Preview in a new tab", "/audience-preview")

	made := w.Post(t, "responder", w.At("incidents"), "title", "Checkout is slow", "impact", "major", "status", "investigating", "body", "We **look**.\r\nMore soon.",
		"status."+api, "partial_outage", "status."+site, "", "audience", "chosen", "access", acme.ID).Must(t, 303)
	at, did, _ := strings.Cut(made.Location, "?")
	if did != "did=published" {
		t.Errorf("led to %s", made.Location)
	}
	seen := w.Get(t, "responder", made.Location).Must(t, 200)
	seen.Has(t, "The update was published.", "Checkout is slow", "<strong>look</strong>", "Checkout API: partial outage", "only for Acme", "Publish the update")
	w.Post(t, "responder", at+"/updates", "status", "resolved", "body", "It is over.", "status."+api, "operational").Must(t, 303)
	w.Get(t, "observer", at).Must(t, 200).Has(t, "It is over.", "Resolved", "Checkout API: operational")

	list, _, err := w.Status.ListIncidents(w.Lead, w.Page, pageOf(10))
	if err != nil || len(list) != 1 {
		t.Fatalf("got %v %v", list, err)
	}
	i := list[0]
	if i.Title != "Checkout is slow" || i.Impact != status.ImpactMajor || i.Status != status.Resolved || len(i.Updates) != 2 ||
		i.Updates[1].Body != "We **look**.\nMore soon." || len(i.Updates[1].Components) != 1 || i.Audience.Value == nil || i.Audience.Value.PartnerAccessIDs[0] != acme.ID {
		t.Errorf("got %+v", i)
	}
}
