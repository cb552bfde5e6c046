package partners_test

import (
	"regexp"
	"strings"
	"testing"

	"pagefree/infra/local/pagestest"
)

var (
	tokenForm = regexp.MustCompile(`pfp_[A-Za-z0-9_-]+`)
	feedForm  = regexp.MustCompile(`pff_[A-Za-z0-9_-]+`)
)

// TestGrantAndRevoke: the token is shown in one answer and in no other, and the end has a receipt.
func TestGrantAndRevoke(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	web, db := w.Component(t, "Website", "", ""), w.Component(t, "Database", "", "")
	w.Get(t, "lead", w.At("partners")).Must(t, 200).Has(t, "No partner sees this page yet.", w.At("partners", "new"))
	w.Get(t, "lead", w.At("partners", "new")).Must(t, 200).Has(t, "Website", "Database", "Grant access and show the token")

	form := []string{"partnerName", "Globex", "contactEmail", "ops@globex.test", "sees", "chosen", "components", web, "ipAllowlist", "203.0.113.0/24\r\n2001:db8::1", "expiresAt", "2060-06-01T12:00"}
	made := w.Post(t, "lead", w.At("partners"), form...).Must(t, 200)
	token := tokenForm.FindString(made.Text)
	if token == "" || made.Header.Get("Cache-Control") != "private, no-store" || made.Location != "" {
		t.Fatalf("got %q, %v:\n%s", token, made.Header, made.Text)
	}
	made.Has(t, "curl -H 'Authorization: Bearer "+token+"' "+pagestest.Origin+"/status/acme-cloud", `data-copy="#token"`, "It is shown this once.")
	list, _, err := w.Partners.Accesses(w.Lead, w.Page, few)
	if err != nil || len(list) != 1 {
		t.Fatalf("got %v %v", list, err)
	}
	a := list[0]
	if !strings.HasPrefix(token, a.TokenPrefix) || len(a.ComponentIDs) != 1 || a.ComponentIDs[0] != web || len(a.IPAllowlist) != 2 || a.ExpiresAt.String() != "2060-06-01T10:00:00.000Z" {
		t.Errorf("granted %+v", a)
	}
	again := w.Post(t, "lead", w.At("partners"), form...).Must(t, 422) // a reload
	again.Has(t, "Another partner of this page is called so", "Globex", "203.0.113.0/24")
	again.Lacks(t, token, "pfp_")
	if list, _, err = w.Partners.Accesses(w.Lead, w.Page, few); err != nil || len(list) != 1 {
		t.Errorf("a reload made another: %v %v", list, err)
	}

	at := w.At("partners", a.ID)
	seen := w.Get(t, "lead", at).Must(t, 200)
	seen.Has(t, "Globex", "ops@globex.test", "Website", "203.0.113.0/24", "2060, 12:00 CEST", "Nobody looked yet", "Nobody is signed in", "/v1/status-pages/"+w.Page+"/partners/"+a.ID+"/preview")
	seen.Lacks(t, token, "Database, ", db)
	gone := w.Post(t, "lead", at+"/revoke").Must(t, 200)
	gone.Has(t, "The access was revoked.", "0 sessions lost the page", "This record stays.")
	gone.Lacks(t, "Make another token", "Revoke this access")
	if got := w.Post(t, "lead", at+"/revoke"); got.Status != 303 || got.Location != at {
		t.Errorf("revoked twice: %d %s", got.Status, got.Location)
	}
	w.Get(t, "lead", w.At("partners")).Must(t, 200).Has(t, "Revoked", "Globex")
}
