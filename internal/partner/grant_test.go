package partner_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/token"
)

func TestGrantListRevoke(t *testing.T) {
	w := newWorld(t)
	before := w.clock.Now()
	made := w.grant("Acme", " Ops@Acme.test ", "ipAllowlist", []string{"::ffff:10.0.0.1", "10.0.0.1", "2001:db8::5/32"}, "componentIds", []string{w.web, w.web})
	if k, ok := token.KindOf(made.token()); !ok || k != token.Partner || made.Str("tokenPrefix") != made.token()[:10] {
		t.Errorf("token %q, prefix %q", made.token(), made.Str("tokenPrefix"))
	}
	if got := made.Header.Get("Location"); got != of(w.page, "partners", made.id()) {
		t.Errorf("Location: got %q", got)
	}
	want := map[string]any{
		"statusPageId": w.page, "partnerName": "Acme", "contactEmail": "ops@acme.test", "isActive": true, "mail": false, "hasFeed": false,
		"ipAllowlist": []any{"10.0.0.1", "2001:db8::/32"}, "componentIds": []any{w.web}, "accessCount": 0.0, "createdById": "usr_lead",
		"expiresAt": nil, "lastAccessAt": nil, "invitedAt": nil, "acceptedAt": nil, "revokedAt": nil, "revokedById": nil,
	}
	read := w.must(200, "lead", "GET", of(w.page, "partners", made.id()), nil)
	for _, a := range []answer{made, read} {
		for name, value := range want {
			if fmt.Sprint(a.Body[name]) != fmt.Sprint(value) {
				t.Errorf("%s: got %v, want %v", name, a.Body[name], value)
			}
		}
	}
	list := w.must(200, "observer", "GET", of(w.page, "partners"), nil)
	if len(list.Items()) != 1 || list.Items()[0]["id"] != made.id() {
		t.Errorf("the list: got %s", list.Text)
	}
	for _, a := range []answer{read, list} {
		if strings.Contains(a.Text, made.token()) || strings.Contains(a.Text, token.Hash(made.token())) || strings.Contains(a.Text, "pfp_") && !strings.Contains(a.Text, `"`+made.Str("tokenPrefix")+`"`) {
			t.Errorf("it tells the token: %s", a.Text)
		}
	}
	pass, found, err := seat.PassOf(t.Context(), w.table, token.Hash(made.token()))
	if err != nil || !found || pass != (seat.Pass{Via: seat.ByToken, PageID: w.page, AccessID: made.id(), PartnerID: made.Str("partnerId")}) {
		t.Errorf("its pass: got %+v, %v, %v", pass, found, err)
	}

	gone := w.must(200, "lead", "DELETE", of(w.page, "partners", made.id()), nil)
	if _, err := time.Parse(time.RFC3339, gone.Str("revokedAt")); err != nil || gone.Body["sessionsEnded"] != 0.0 {
		t.Errorf("got %s", gone.Text)
	}
	again := w.must(200, "lead", "DELETE", of(w.page, "partners", made.id()), nil)
	if again.Text != gone.Text {
		t.Errorf("once more: got %s, want %s", again.Text, gone.Text)
	}
	read = w.must(200, "lead", "GET", of(w.page, "partners", made.id()), nil)
	if read.Body["isActive"] != false || read.Body["revokedAt"] != gone.Str("revokedAt") || read.Body["revokedById"] != "usr_lead" {
		t.Errorf("the record: got %s", read.Text)
	}
	if _, found, _ := seat.PassOf(t.Context(), w.table, token.Hash(made.token())); !found {
		t.Error("a revoked token has no pass, so that it would be a 401 and not a 403")
	}
	w.grant("ACME", "other@acme.test") // the name is free again
	var types []string
	for _, e := range w.recorded(before) {
		types = append(types, e.Type+" "+e.Subject.Kind)
	}
	if got := strings.Join(types, ", "); got != "partner.granted access, partner.revoked access, partner.granted access" {
		t.Errorf("audit: got %s", got)
	}
}
