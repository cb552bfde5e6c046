package signin_test

import (
	"net/http"
	"testing"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/seat"
)

// TestPartnerSignsIn goes from the mail to the session, and to what the
// authorizer makes of it.
func TestPartnerSignsIn(t *testing.T) {
	w := newWorld(t)
	const email = "partner@acme.test"
	acme, edge := w.grant(w.page("acme-cloud", "Acme Cloud", 7), email), w.grant(w.page("edge", "Edge", 30), email)
	mail := w.mailed(email, "")
	opened := w.want(w.verify(secretOf(t, mail.Links[0], "token")), http.StatusOK, "")
	if got, want := opened.text("session.kind")+" "+opened.text("session.expiresAt"), "partner 2060-03-31T12:00:00.000Z"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	session := opened.text("session.token")
	p := w.looker(session, "/status/edge/history")
	if p.Kind != principal.Partner || p.Partner.Via != seat.BySession || len(p.Partner.Seats) != 2 || p.Partner.Since == nil {
		t.Fatalf("got %+v", p)
	}
	for _, place := range []place{acme, edge} {
		marks := w.marks(place)
		if len(marks) != 1 || marks[0].ID != p.ID || marks[0].PersonID != place.person.ID || marks[0].IP != "192.0.2.7" || marks[0].UserAgent != "Firefox/999" {
			t.Fatalf("marks at %s: got %+v", place.page.Slug, marks)
		}
		if at := w.person(place).AcceptedAt; at == nil || !at.Equal(w.clock.now()) {
			t.Errorf("acceptedAt at %s: got %v", place.page.Slug, at)
		}
	}
	if got, want := w.marks(acme)[0].ExpiresAt.String(), "2060-03-08T12:00:00.000Z"; got != want {
		t.Errorf("at a page of 7 days it ends %s, want %s", got, want)
	}
}
