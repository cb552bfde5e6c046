package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/ses"
)

// TestMailsOfAPage: two partners are mailed what each may see of an incident and a maintenance, which begins by the
// clock, and once; a third, whose mail is off, is not.
func TestMailsOfAPage(t *testing.T) {
	t.Parallel()
	p := pagesIn(hurriedStacks.world(t))
	store, shop := p.component(lead, p.page, "Puffin store", "", ""), p.component(lead, p.page, "Quokka shop", "", "")
	acme := strings.TrimPrefix(p.slug, "page-") + "a"
	globex, silent := acme+"g", acme+"s"
	for name, sees := range map[string]string{acme: store, globex: shop, silent: store} {
		access, _ := p.grant(lead, p.page, name, object{"componentIds": []string{sees}})
		if name != silent {
			p.call(lead, http.StatusOK, "PATCH", p.under("/partners/"+access), object{"mail": true})
		}
	}
	mails := func(name string) []ses.Mail {
		a := p.look("GET", "/_local/mail?to="+name+"@partners.test", nil)
		var out []ses.Mail
		if err := json.Unmarshal([]byte(a.Raw), &out); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(out)
		return out
	}
	incident := p.incident(responder, p.page, "Puffin is slow", "We look.", object{"id": store, "status": "partial_outage"})
	p.until("the mail", func() bool { return len(mails(acme)) == 1 && p.drained("PageMailQueue") })
	first := mails(acme)[0]
	if first.Subject != "[Acme Cloud] Puffin is slow: investigating" || len(first.Links) != 1 || first.Links[0] != p.stack.URL+"/status/"+p.slug+"/incidents/"+incident {
		t.Errorf("got %q with %v", first.Subject, first.Links)
	}
	p.call(responder, http.StatusCreated, "POST", p.under("/incidents/"+incident+"/updates"), object{"status": "identified", "body": "All of it.", "components": []object{}})
	p.call(responder, http.StatusCreated, "POST", p.under("/incidents/"+incident+"/updates"), object{
		"status": "monitoring", "body": "The shop too.", "components": []object{{"id": shop, "status": "major_outage"}}})
	soon := time.Now().Add(2 * time.Second)
	p.call(responder, http.StatusCreated, "POST", p.under("/maintenances"), object{
		"title": "Moving", "body": "Boxes", "startsAt": soon, "endsAt": soon.Add(time.Hour), "components": []string{shop}})
	want := map[string][]string{
		acme:   {"Puffin is slow: investigating", "Puffin is slow: identified"},
		globex: {"Puffin is slow: monitoring", "Moving: scheduled", "Moving: in progress"},
		silent: nil,
	}
	subjects := func(name string) (got []string) {
		for _, m := range mails(name) {
			got = append(got, strings.TrimPrefix(m.Subject, "[Acme Cloud] "))
			for _, text := range []string{m.Subject, m.Text, m.HTML} {
				if name == acme && strings.Contains(text, "Quokka") || name == globex && strings.Contains(text, "Puffin store") {
					t.Errorf("%s reads what is hidden: %s", name, text)
				}
			}
		}
		slices.Sort(got)
		return got
	}
	p.until("every mail", func() bool {
		return len(subjects(globex)) >= 3 && len(subjects(acme)) >= 2 && p.drained("PageMailQueue")
	})
	for name, all := range want {
		if got := subjects(name); !slices.Equal(got, slices.Sorted(slices.Values(all))) {
			t.Errorf("%s was mailed %q, want %q", name, got, all)
		}
	}
}
