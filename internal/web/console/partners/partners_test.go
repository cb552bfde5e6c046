package partners_test

import (
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pagefree/infra/local/pagestest"
	"pagefree/internal/status"
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

// after is what stands in a page after a text, up to a quote.
func after(t *testing.T, page, text string) string {
	t.Helper()
	_, rest, found := strings.Cut(page, text)
	if !found {
		t.Fatalf("the page does not have %q:\n%s", text, page)
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// TestTokensOnce: a form that makes a token makes one, however often it is sent.
func TestTokensOnce(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	a := w.Grant(t, "Globex")
	at := w.At("partners", a.ID)
	for name, tt := range map[string]struct {
		path string
		form *regexp.Regexp
		says string
	}{
		"the access":   {at + "/regenerate-token", tokenForm, "The token that there was is dead."},
		"the feed":     {at + "/feed-token", feedForm, pagestest.Origin + "/status/acme-cloud/feed.atom?feed=pff_"},
		"another feed": {at + "/feed-token", feedForm, "A feed that there was before has ended."},
	} {
		path := tt.path + "?rev=" + after(t, w.Get(t, "lead", at).Must(t, 200).Text, `action="`+tt.path+"?rev=")
		made := w.Post(t, "lead", path).Must(t, 200)
		made.Has(t, tt.says, "It is shown this once.")
		secret := tt.form.FindString(made.Text)
		if secret == "" || secret == a.Token {
			t.Errorf("%s: made %q", name, secret)
		}
		again := w.Post(t, "lead", path).Must(t, 409)
		again.Has(t, "it was shown that one time and works")
		if tt.form.MatchString(again.Text) {
			t.Errorf("%s: shown again", name)
		}
		if w.Get(t, "lead", at).Lacks(t, secret); !strings.HasPrefix(made.Header.Get("Cache-Control"), "private, no-store") {
			t.Errorf("%s: may be kept", name)
		}
	}
	w.Get(t, "lead", at).Has(t, "There is a feed")
	w.Post(t, "lead", at+"/feed-token/end").Must(t, 303)
	w.Get(t, "lead", at).Has(t, "There is no feed.")
}

func TestPeopleMailAndEdit(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	web, gone := w.Component(t, "Website", "", ""), w.Component(t, "Old", "", "")
	a := w.Grant(t, "Globex", gone)
	at := w.At("partners", a.ID)
	w.Post(t, "lead", at+"/people", "email", "nobody", "name", "Kept Name").Must(t, 422).Has(t, "Kept Name", `id="e-email"`)
	w.Post(t, "lead", at+"/people", "email", "ops@globex.test", "name", "Twice").Must(t, 422).Has(t, "may sign in here already", "Twice")
	w.Post(t, "lead", at+"/people", "email", "ann@globex.test", "name", "Ann").Must(t, 303)
	seen := w.Get(t, "lead", at).Must(t, 200)
	seen.Has(t, "Ann", "ann@globex.test", "not invited yet", "first person", "Nothing is mailed")
	people, _, err := w.Partners.People(w.Lead, w.Page, a.ID, few)
	if err != nil || len(people) != 2 {
		t.Fatalf("got %v %v", people, err)
	}
	ann := people[0].ID
	w.Post(t, "lead", at+"/people/"+ann+"/invite").Must(t, 303)
	w.Get(t, "lead", at).Has(t, "has not signed in", "Invite again")
	w.Post(t, "lead", at+"/people/"+ann+"/remove").Must(t, 303)
	w.Get(t, "lead", at).Lacks(t, "ann@globex.test")
	w.Post(t, "lead", at+"/mail", "mail", "on").Must(t, 303)
	w.Get(t, "lead", at).Has(t, "are mailed to its people", `value="off"`)

	if err := w.Status.DeleteComponent(w.Lead, w.Page, gone); err != nil {
		t.Fatal(err)
	}
	rev := after(t, w.Get(t, "lead", at+"/edit").Must(t, 200).HTML, `name="rev" value="`)
	form := []string{"partnerName", "Globex Corp", "contactEmail", "ops@globex.test", "sees", "chosen", "components", web, "rev", strings.ReplaceAll(rev, "&#34;", `"`)}
	w.Post(t, "lead", at+"/edit", form...).Must(t, 303)
	is, err := w.Partners.Access(w.Lead, w.Page, a.ID)
	if err != nil || is.PartnerName != "Globex Corp" || len(is.ComponentIDs) != 2 || is.ComponentIDs[0] != web || is.ComponentIDs[1] != gone {
		t.Errorf("got %+v %v", is, err)
	}
	stale := w.Post(t, "lead", at+"/edit", form...).Must(t, 422) // of an older revision
	stale.Has(t, "Globex Corp", "Somebody changed this since you opened the form.")
	if now := after(t, stale.HTML, `name="rev" value="`); now == rev || strings.ReplaceAll(now, "&#34;", `"`) != is.Revision() {
		t.Errorf("the form goes by revision %s", now)
	}
}

func TestWhatIsWrongWithAGrant(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	web := w.Component(t, "Website", "", "")
	w.Grant(t, "Acme")
	for name, tt := range map[string]struct {
		form  []string
		field string
		keeps string
	}{
		"no name":        {[]string{"partnerName", "", "contactEmail", "kept@globex.test"}, "partnerName", "kept@globex.test"},
		"a taken name":   {[]string{"partnerName", "acme", "contactEmail", "kept@globex.test"}, "partnerName", "kept@globex.test"},
		"no address":     {[]string{"partnerName", "Kept", "contactEmail", "somebody"}, "contactEmail", "Kept"},
		"everywhere":     {[]string{"partnerName", "Kept", "contactEmail", "a@b.test", "ipAllowlist", "0.0.0.0/0"}, "ipAllowlist", "0.0.0.0/0"},
		"over already":   {[]string{"partnerName", "Kept", "contactEmail", "a@b.test", "expiresAt", "2001-01-01T00:00"}, "expiresAt", "2001-01-01T00:00"},
		"no such time":   {[]string{"partnerName", "Kept", "contactEmail", "a@b.test", "expiresAt", "2060-03-28T02:30"}, "expiresAt", "does not exist in Europe/Berlin"},
		"all and chosen": {[]string{"partnerName", "Kept", "contactEmail", "a@b.test", "sees", "all", "components", web}, "sees", "Kept"},
		"none chosen":    {[]string{"partnerName", "Kept", "contactEmail", "a@b.test", "sees", "chosen"}, "sees", "Kept"},
	} {
		seen := w.Post(t, "lead", w.At("partners"), tt.form...).Must(t, 422)
		seen.Has(t, tt.keeps, `id="e-`+tt.field+`"`)
		seen.Lacks(t, "pfp_")
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// TestTheAudience: who sees what is written, before it is.
func TestTheAudience(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	web, db := w.Component(t, "Website", "", ""), w.Component(t, "Database", "", "")
	acme, globex := w.Grant(t, "Acme"), w.Grant(t, "Globex", web)
	path := w.At("audience-preview")
	ask := func(fields ...string) pagestest.Seen { return w.Post(t, "responder", path, fields...).Must(t, 200) }

	both := ask("title", "Slow", "body", "We **look**.", "status."+web, "major_outage", "audience", "all")
	both.Has(t, "2 partners see this", "Acme", "Globex", "Website", "<strong>look</strong>", "Nothing was published.")
	one := ask("status."+db, "major_outage")
	one.Has(t, "1 partner sees this", "Acme", "Database")
	one.Lacks(t, "Globex")
	ask("status."+db, "major_outage", "audience", "chosen", "access", globex.ID).Has(t, "Nobody sees this.")
	ask("audience", "chosen").Has(t, "Nobody sees this.")
	ask("components", db).Has(t, "1 partner sees this", "Acme") // a maintenance
	ask("audience", "all", "access", acme.ID).Has(t, "you chose partners")
	ask("status.cmp_nothing", "major_outage").Has(t, "no component of this page")
	ask("body", strings.Repeat("x", 33<<10)).Has(t, "longer than 32 KiB")
	if list, _, err := w.Status.ListIncidents(w.Lead, w.Page, few); err != nil || len(list) != 0 {
		t.Errorf("it was published: %v %v", list, err)
	}

	i, err := w.Status.Publish(w.Lead, w.Page, status.NewIncident{Title: "Disk", Impact: "minor", Status: "investigating", Body: "x", Components: []status.Touched{{ID: db, Status: "major_outage"}}})
	if err != nil {
		t.Fatal(err)
	}
	ask("incidentId", i.ID, "body", "More.").Has(t, "1 partner sees this", "Acme")         // it touched nothing that Globex sees
	ask("incidentId", i.ID, "status."+web, "partial_outage").Has(t, "2 partners see this") // now it does
	w.Post(t, "observer", path, "body", "x").Must(t, 403)
	w.Post(t, "outsider", path, "body", "x").Must(t, 404)
	w.Post(t, "lead", path, "incidentId", "spi_01ARZ3NDEKTSV4RRFFQ69G5FAV").Must(t, 404)

	req := httptest.NewRequest("POST", path, strings.NewReader("body="+url.QueryEscape("hello <script>alert(1)</script>")))
	part := w.Do(t, "responder", req, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin", "HX-Request", "true").Must(t, 200)
	part.Lacks(t, "<html", "<script>", "Nothing was published")
	part.Has(t, "hello", "2 partners see this")
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	a := w.Grant(t, "Globex")
	seen := w.Get(t, "lead", "/console/partners").Must(t, 200)
	seen.Has(t, "Globex", "ops@globex.test", "Active", "Acme Cloud", w.At("partners", a.ID))
	w.Post(t, "lead", "/console/partners/"+a.PartnerID+"/deactivate").Must(t, 303)
	w.Get(t, "lead", "/console/partners?did=deactivated").Must(t, 200).Has(t, "Deactivated", "The account was deactivated.")
	w.Get(t, "lead", w.At("partners")).Must(t, 200).Has(t, "Deactivated")
	w.Post(t, "lead", "/console/partners/"+a.PartnerID+"/activate").Must(t, 303)
	w.Grant(t, "Acme")
	for path, want := range map[string][2]string{
		"/console/partners?q=OPS@glob": {">Globex<", ">Acme<"}, w.At("partners") + "?q=acme": {">Acme<", ">Globex<"}, w.At("partners") + "?state=Revoked": {"No partner fits.", ">Globex<"},
		"/console/partners?q=%3Cscript%3E":   {"No partner fits.", ">Globex<"},
		"/console/partners?q=" + a.PartnerID: {">Globex<", ">Acme<"}, // the audit record leads there
	} {
		for _, header := range []string{"", "true"} {
			seen := w.Get(t, "lead", path, "HX-Request", header).Must(t, 200)
			seen.Has(t, want[0])
			seen.Lacks(t, want[1])
		}
	}
	w.Get(t, "outsider", "/console/partners").Must(t, 200).Lacks(t, "Globex")
	w.Get(t, "responder", "/console/partners").Must(t, 403)
	w.Post(t, "outsider", "/console/partners/"+a.PartnerID+"/deactivate").Must(t, 404)
}

func TestEachPageForEachRole(t *testing.T) {
	t.Parallel()
	routes := []struct {
		route string
		from  int // of ranks
		ok    int
		form  []string
	}{
		{"GET /partners", 0, 200, nil},
		{"GET /partners/new", 2, 200, nil},
		{"POST /partners", 2, 200, []string{"partnerName", "New", "contactEmail", "new@new.test"}},
		{"GET /partners/{access}", 2, 200, nil},
		{"GET /partners/{access}/edit", 2, 200, nil},
		{"POST /partners/{access}/edit", 2, 303, []string{"partnerName", "Globex", "contactEmail", "ops@globex.test"}},
		{"GET /partners/{access}/accesses", 2, 200, nil},
		{"GET /partners/{access}/sessions", 2, 200, nil},
		{"POST /partners/{access}/people", 2, 303, []string{"email", "ann@globex.test"}},
		{"POST /partners/{access}/people/{person}/invite", 2, 303, nil},
		{"POST /partners/{access}/mail", 2, 303, []string{"mail", "on"}},
		{"POST /partners/{access}/regenerate-token", 2, 409, nil}, // of no revision
		{"POST /partners/{access}/feed-token", 2, 409, nil},
		{"POST /partners/{access}/feed-token/end", 2, 303, nil},
		{"POST /partners/{access}/people/{person}/remove", 2, 303, nil},
		{"POST /partners/{access}/revoke", 2, 200, nil},
		{"POST /audience-preview", 1, 200, []string{"body", "x"}},
	}
	for rank, who := range []string{"observer", "responder", "lead", "admin"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			w := pagestest.New(t)
			a := w.Grant(t, "Globex")
			people, _, err := w.Partners.People(w.Lead, w.Page, a.ID, few)
			if err != nil || len(people) != 1 {
				t.Fatalf("got %v %v", people, err)
			}
			for _, r := range routes {
				method, path, _ := strings.Cut(strings.NewReplacer("{access}", a.ID, "{person}", people[0].ID, " ", " "+strings.TrimSuffix(w.At(), "/")).Replace(r.route), " ")
				ask := func(who string) pagestest.Seen {
					if method == "GET" {
						return w.Get(t, who, path)
					}
					return w.Post(t, who, path, r.form...)
				}
				if rank == 0 {
					for other, want := range map[string]int{"": 303, "partner": 404, "key": 403, "outsider": 404} {
						if got := ask(other); got.Status != want || strings.Contains(got.Text, "Globex") {
							t.Errorf("%s as %q: got %d %s", r.route, other, got.Status, got.Text)
						}
					}
				}
				want := 403
				if rank >= r.from {
					want = r.ok
				}
				if got := ask(who); got.Status != want {
					t.Errorf("%s as %s: got %d %s, want %d", r.route, who, got.Status, got.Text, want)
				} else if want == 403 {
					got.Lacks(t, a.TokenPrefix, "ops@globex.test")
				}
			}
			if got := w.Get(t, who, w.At("partners")).Text; strings.Contains(got, "Let a partner see it") != (rank >= 2) {
				t.Errorf("%s is shown:\n%s", who, got)
			}
		})
	}
}
