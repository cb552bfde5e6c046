package partner_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pagefree/infra/local/roomtest"
	"pagefree/internal/partner"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

func TestAudiencePreview(t *testing.T) {
	w := newWorld(t)
	all := w.grant("All", "all@acme.test")
	web := w.grant("Web", "web@acme.test", "componentIds", []string{w.web})
	none := w.grant("None", "none@acme.test", "componentIds", []string{})
	off := w.grant("Off", "off@acme.test")
	w.must(200, "lead", "PATCH", "/v1/partners/"+off.Str("partnerId"), `{"active":false}`)
	gone := w.grant("Gone", "gone@acme.test")
	w.must(200, "lead", "DELETE", of(w.page, "partners", gone.id()), nil)
	over := w.grant("Over", "over@acme.test")
	w.expire(of(w.page, "partners", over.id()))
	elsewhere := w.grantAt(w.second, "Elsewhere", "all@acme.test")

	touch := func(ids ...string) string {
		var out []string
		for _, one := range ids {
			out = append(out, fmt.Sprintf(`{"id":%q,"status":"major_outage"}`, one))
		}
		return `"components":[` + strings.Join(out, ",") + `]`
	}
	tests := map[string]struct{ body, want string }{
		"both":                      {`{` + touch(w.web, w.db) + `}`, "Web[Component 0] All[Component 0 Component 1]"},
		"one":                       {`{"title":"x","impact":"major","status":"investigating","body":"b",` + touch(w.db) + `,"internalIncidentId":null}`, "All[Component 1]"},
		"none, so that all see it":  {`{"components":[],"audience":null}`, "None[] Web[] All[]"},
		"an audience":               {`{` + touch(w.web, w.db) + `,"audience":{"partnerAccessIds":["` + web.id() + `","` + web.id() + `"]}}`, "Web[Component 0]"},
		"an audience that sees not": {`{` + touch(w.db) + `,"audience":{"partnerAccessIds":["` + web.id() + `","` + none.id() + `"]}}`, "nobody"},
		"an audience of nobody":     {`{"audience":{"partnerAccessIds":[]}}`, "nobody"},
		"an audience that is gone":  {`{"audience":{"partnerAccessIds":["` + off.id() + `","` + gone.id() + `","` + over.id() + `"]}}`, "nobody"},
		"an audience in any order":  {`{"audience":{"partnerAccessIds":["` + all.id() + `","` + none.id() + `","` + web.id() + `"]}}`, "None[] Web[] All[]"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := w.must(200, "responder", "POST", of(w.page, "audience-preview"), tt.body)
			var out []string
			for _, p := range a.Body["partners"].([]any) {
				p := p.(map[string]any)
				var sees []string
				for _, c := range p["sees"].([]any) {
					sees = append(sees, c.(map[string]any)["name"].(string))
				}
				out = append(out, fmt.Sprint(p["name"], sees))
			}
			got := strings.Join(out, " ")
			if a.Body["nobody"] == true {
				got += "nobody"
			}
			if got != tt.want || a.Body["more"] != false {
				t.Errorf("got %s, want %s", a.Text, tt.want)
			}
		})
	}
	for name, tt := range map[string]struct{ body, where string }{
		"a component of another page": {`{` + touch(w.web, w.far) + `}`, "body.components[1]"},
		"an access of another page":   {`{"audience":{"partnerAccessIds":["` + elsewhere.id() + `"]}}`, "body.audience.partnerAccessIds[0]"},
		"an access that is none":      {`{"audience":{"partnerAccessIds":["` + web.id() + `","x"]}}`, "body.audience.partnerAccessIds[1]"},
		"an impact that is none":      {`{"impact":"bad"}`, "body.impact"},
		"a status of a maintenance":   {`{"status":"scheduled"}`, "body.status"},
		"a member too many":           {`{"nobody":true}`, "body"},
		"an audience without members": {`{"audience":{}}`, "body.audience"},
	} {
		if a := w.as("responder", "POST", of(w.page, "audience-preview"), tt.body); a.StatusCode != 422 || !strings.Contains(a.Text, `"`+tt.where) {
			t.Errorf("%s: got %d %s, want a 422 at %s", name, a.StatusCode, a.Text, tt.where)
		}
	}
}

func TestPreview(t *testing.T) {
	w := newWorld(t)
	page := w.snapshot("acme-cloud")
	at := timestamp.Of(w.clock.Now())
	page.Incidents = []status.Incident{{ID: id.New(id.PageIncident, at.Time), Title: "Database", Impact: status.ImpactMajor, CreatedAt: at,
		Updates: []status.Update{{ID: id.New(id.PageUpdate, at.Time), At: at, Status: status.Investigating, Components: []status.Touched{{ID: w.db, Status: status.MajorOutage}}}}}}
	w.show(page)
	web := w.grant("Web", "web@acme.test", "componentIds", []string{w.web}).id()
	all := w.grant("All", "all@acme.test").id()
	as := func(who string) context.Context { return roomtest.As(t.Context(), w.who[who]) }

	view, access, err := w.service.Preview(as("lead"), w.page, web)
	if err != nil || access.ID != web || len(view.Components) != 1 || view.Components[0].ID != w.web || len(view.Incidents) != 0 || view.Indicator != status.ImpactNone {
		t.Errorf("got %+v of %s, %v", view, access.ID, err)
	}
	view, _, err = w.service.Preview(as("lead's key"), w.page, all)
	if err != nil || len(view.Components) != 2 || len(view.Incidents) != 1 {
		t.Errorf("got %+v, %v", view, err)
	}
	for who, want := range map[string]problem.Code{"nobody": problem.Unauthenticated, "outsider": problem.NotFound, "observer": problem.Forbidden, "responder": problem.Forbidden, "admin": ""} {
		if _, _, err := w.service.Preview(as(who), w.page, web); problem.CodeOf(err) != want {
			t.Errorf("%s: got %v, want %q", who, err, want)
		}
	}
	if _, _, err := w.service.Preview(as("lead"), w.second, web); problem.CodeOf(err) != problem.NotFound {
		t.Errorf("of another page: got %v", err)
	}
	if got := w.messages("LooksQueue"); len(got) != 0 {
		t.Errorf("it was a look: %v", got)
	}
}

// TestABigAudience: an answer names a thousand, and says that there are more.
func TestABigAudience(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	for i := range 1000 {
		accessID := id.New(id.PartnerAccess, w.clock.Now())
		w.put(dynamo.Key{PK: "grants#" + w.page, SK: accessID}, partner.Access{ID: accessID, StatusPageID: w.page, TeamID: w.team, PartnerID: made.Str("partnerId"), PartnerName: fmt.Sprint(i)})
	}
	a := w.must(200, "responder", "POST", of(w.page, "audience-preview"), `{}`)
	if n := len(a.Body["partners"].([]any)); n != 1000 || a.Body["more"] != true || a.Body["nobody"] != false {
		t.Errorf("%d are named, more: %v", n, a.Body["more"])
	}
	w.must(200, "lead", "DELETE", of(w.page, "partners", made.id()), nil)
	a = w.must(200, "responder", "POST", of(w.page, "audience-preview"), `{}`)
	if n := len(a.Body["partners"].([]any)); n != 1000 || a.Body["more"] != false {
		t.Errorf("%d are named, more: %v", n, a.Body["more"])
	}
}
