package partner_test

import (
	"strings"
	"testing"

	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/token"
)

// leads reports where a secret leads.
func (w *world) leads(secret string) (seat.Pass, bool) {
	w.t.Helper()
	pass, found, err := seat.PassOf(w.t.Context(), w.table, token.Hash(secret))
	if err != nil {
		w.t.Fatal(err)
	}
	return pass, found
}

func TestRegenerate(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	path := of(w.page, "partners", made.id())
	since := w.clock.Now()
	next := w.must(200, "lead", "POST", path+"/regenerate-token", nil)
	if next.token() == made.token() || next.Str("tokenPrefix") != next.token()[:10] || next.id() != made.id() {
		t.Errorf("got %s", next.Text)
	}
	if _, found := w.leads(made.token()); found {
		t.Error("the old token leads somewhere")
	}
	if pass, found := w.leads(next.token()); !found || pass.AccessID != made.id() || pass.Via != seat.ByToken {
		t.Errorf("the new token leads to %+v, %v", pass, found)
	}
	events := w.recorded(since)
	if len(events) != 1 || events[0].Type != "partner.token_regenerated" || events[0].Subject.ID != made.id() {
		t.Errorf("audit: got %+v", events)
	}
	if read := w.must(200, "lead", "GET", path, nil); read.Str("tokenPrefix") != next.Str("tokenPrefix") || strings.Contains(read.Text, next.token()) {
		t.Errorf("got %s", read.Text)
	}
	w.must(200, "lead", "DELETE", path, nil)
	if a := w.as("lead", "POST", path+"/regenerate-token", nil); a.StatusCode != 409 || a.code() != "invalid_transition" {
		t.Errorf("of a revoked one: got %d %s", a.StatusCode, a.Text)
	}
	if _, found := w.leads(next.token()); !found {
		t.Error("a revoked token has lost its pass, so that it would not be told so")
	}
}

func TestFeed(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	path := of(w.page, "partners", made.id())
	w.must(204, "lead", "DELETE", path+"/feed-token", nil) // there is none
	first := w.must(201, "lead", "POST", path+"/feed-token", nil)
	if k, ok := token.KindOf(first.token()); !ok || k != token.Feed || first.Str("path") != "/status/acme-cloud/feed.atom?feed="+first.token() {
		t.Errorf("got %s", first.Text)
	}
	if pass, found := w.leads(first.token()); !found || pass != (seat.Pass{Via: seat.ByFeed, PageID: w.page, AccessID: made.id(), PartnerID: made.Str("partnerId")}) {
		t.Errorf("it leads to %+v, %v", pass, found)
	}
	if w.must(200, "lead", "GET", path, nil).Body["hasFeed"] != true {
		t.Error("the access does not say that it has a feed")
	}
	second := w.must(201, "lead", "POST", path+"/feed-token", nil)
	if _, found := w.leads(first.token()); found {
		t.Error("the first one still leads somewhere")
	}
	w.must(204, "lead", "DELETE", path+"/feed-token", nil)
	if _, found := w.leads(second.token()); found {
		t.Error("the second one still leads somewhere")
	}
	if _, found := w.leads(made.token()); !found {
		t.Error("the partner's token went with it")
	}
	if w.must(200, "lead", "GET", path, nil).Body["hasFeed"] != false {
		t.Error("the access says that it has a feed")
	}
	third := w.must(201, "lead", "POST", path+"/feed-token", nil)
	w.must(200, "lead", "DELETE", path, nil)
	if a := w.as("lead", "POST", path+"/feed-token", nil); a.StatusCode != 409 || a.code() != "invalid_transition" {
		t.Errorf("of a revoked one: got %d %s", a.StatusCode, a.Text)
	}
	w.must(204, "lead", "DELETE", path+"/feed-token", nil)
	if _, found := w.leads(third.token()); found {
		t.Error("the third one still leads somewhere")
	}
}
