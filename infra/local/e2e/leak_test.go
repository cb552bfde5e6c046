package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/client"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/web/statuspage"
)

// reading is what each kind of caller gets at each route of a page: a status,
// and of the two partners who see something also whose words.
//
//	ok     200        in     303 to signing in       .. as in the column before
const reading = `
route                                   | nobody unknown expired revoked wrong-ip acme globex other acme-session globex-session other-session acme-feed key observer responder lead admin outsider
GET /status                             | 401 401 401 401 403 200 200 200 200 200 200 401 401 404 404 404 404 404
GET /status html                        | 303 303 303 303 403 200 200 200 200 200 200 303 303 404 404 404 404 404
GET /status/{slug}                      | 401 401 403 403 403 200 200 404 200 200 404 401 401 403 403 403 403 404
GET /status/{slug} html                 | 303 303 403 403 403 200 200 404 200 200 404 303 303 403 403 403 403 404
GET /status/{slug}/history              | 401 401 403 403 403 200 200 404 200 200 404 401 401 403 403 403 403 404
GET /status/{slug}/history html         | 303 303 403 403 403 200 200 404 200 200 404 303 303 403 403 403 403 404
GET /status/{slug}/incidents/{acme}     | 401 401 403 403 403 200 404 404 200 404 404 401 401 403 403 403 403 404
GET /status/{slug}/incidents/{acme} html| 303 303 403 403 403 200 404 404 200 404 404 303 303 403 403 403 403 404
GET /status/{slug}/incidents/{globex}   | 401 401 403 403 403 404 200 404 404 200 404 401 401 403 403 403 403 404
GET /status/{slug}/incidents/{both}     | 401 401 403 403 403 200 200 404 200 200 404 401 401 403 403 403 403 404
GET /status/{slug}/incidents/{private}  | 401 401 403 403 403 404 200 404 404 200 404 401 401 403 403 403 403 404
GET /status/{slug}/incidents/{elsewhere}| 401 401 403 403 403 404 404 404 404 404 404 401 401 403 403 403 403 404
GET /status/{slug}/incidents/nonsense   | 401 401 403 403 403 404 404 404 404 404 404 401 401 403 403 403 403 404
GET /status/{slug}/feed.atom            | 401 401 403 403 403 200 200 404 200 200 404 200 401 403 403 403 403 404
GET /status/{slug}/api/v2/summary.json  | 401 401 403 403 403 200 200 404 200 200 404 401 401 403 403 403 403 404
GET /status/{slug}/api/v2/status.json   | 401 401 403 403 403 200 200 404 200 200 404 401 401 403 403 403 403 404
GET /status/{slug}/api/v2/components.json | 401 401 403 403 403 200 200 404 200 200 404 401 401 403 403 403 403 404
GET /status/{slug}/api/v2/incidents.json  | 401 401 403 403 403 200 200 404 200 200 404 401 401 403 403 403 403 404
GET /status/{slug}/api/v2/incidents/unresolved.json           | 401 401 403 403 403 200 200 404 200 200 404 401 401 403 403 403 403 404
GET /status/{slug}/api/v2/scheduled-maintenances.json          | 401 401 403 403 403 200 200 404 200 200 404 401 401 403 403 403 403 404
GET /status/{slug}/api/v2/scheduled-maintenances/upcoming.json | 401 401 403 403 403 200 200 404 200 200 404 401 401 403 403 403 403 404
GET /status/{slug}/api/v2/scheduled-maintenances/active.json   | 401 401 403 403 403 200 200 404 200 200 404 401 401 403 403 403 403 404
GET /status/{slug}/badge.svg            | 401 401 404 404 404 404 404 404 404 404 404 401 401 404 404 404 404 404
GET /status/no-such-page                | 401 401 404 404 404 404 404 404 404 404 404 401 401 404 404 404 404 404
GET /status/no-such-page html           | 303 303 404 404 404 404 404 404 404 404 404 303 303 404 404 404 404 404
GET /status/{other}                     | 401 401 404 404 404 404 404 200 404 404 200 401 401 404 404 404 403 403
GET /status/assets/nothing.css          | 404 404 404 404 404 404 404 404 404 404 404 404 404 404 404 404 404 404
POST /status/{slug}                     | 405 405 405 405 405 405 405 405 405 405 405 405 405 405 405 405 405 405
`

// planted are words that stand only where some may read them, and who these are.
var planted = map[string][]string{
	"quokka":   {"globex"},         // a component
	"wombat":   {"globex"},         // its group
	"numbat":   {"globex"},         // its description
	"bilby":    {"globex"},         // an incident's title
	"dunnart":  {"globex"},         // its text
	"potoroo":  {"globex"},         // a maintenance
	"kowari":   {"globex"},         // an update of an incident that both see
	"mulgara":  {"globex"},         // an incident for an audience
	"puffin":   {"acme"},           // a component
	"razor":    {"acme"},           // an incident's title
	"guillem":  {"acme"},           // its text
	"dotterel": {"acme"},           // an update of an incident that both see
	"bettong":  {},                 // the internal incident that a page's is linked to
	"echidna":  {"other"},          // the other page's component
	"wallaby":  {"other"},          // the other page's name
	"seagull":  {"acme", "globex"}, // what both see
}

// whose is the partner that a caller reads as, "" for everybody else.
func whose(caller string) string {
	for _, partner := range []string{"acme", "globex", "other"} {
		if caller == partner || strings.HasPrefix(caller, partner+"-") {
			return partner
		}
	}
	return ""
}

// plant fills both pages, and makes every kind of caller.
func plant(t *testing.T) (*pages, map[string]http.Header) {
	p := newPages(t, hurried)
	api := p.component(lead, p.page, "Seagull API", "", "")
	mine := p.component(lead, p.page, "Puffin store", "Shops", "")
	theirs := p.component(lead, p.page, "Quokka store", "Wombat shops", "Numbat inside")
	touched := func(id string) object { return object{"id": id, "status": "partial_outage"} }
	p.incidents["acme"] = p.incident(responder, p.page, "Razor is slow", "Guillem said so", touched(mine))
	p.incidents["globex"] = p.incident(responder, p.page, "Bilby is slow", "Dunnart said so", touched(theirs))
	p.incidents["both"] = p.incident(responder, p.page, "Seagull is slow", "All of it", touched(api))
	for body, id := range map[string]string{"Kowari is part of it": theirs, "Dotterel is part of it": mine} {
		p.call(responder, http.StatusCreated, "POST", p.under("/incidents/"+p.incidents["both"]+"/updates"), object{
			"status": "identified", "body": body, "components": []object{touched(id)}})
	}
	soon := time.Now().Add(24 * time.Hour)
	p.call(responder, http.StatusCreated, "POST", p.under("/maintenances"), object{
		"title": "Potoroo moves", "body": "Potoroo", "startsAt": soon, "endsAt": soon.Add(time.Hour), "components": []string{theirs}})

	elsewhere := p.makePage(outsider, "Wallaby", p.other)
	its := p.component(outsider, elsewhere, "Echidna API", "", "")
	p.incidents["elsewhere"] = p.incident(outsider, elsewhere, "Echidna is slow", "It is", object{"id": its, "status": "major_outage"})

	as := map[string]http.Header{"nobody": {}, "unknown": bearer("pfp_" + strings.Repeat("A", 43))}
	grant := func(caller, name string, more object) string {
		id, token := p.grant(lead, p.page, name, more)
		as[caller], p.accesses[caller] = bearer(token), id
		return id
	}
	grant("acme", "Acme", object{"componentIds": []string{api, mine}})
	globex := grant("globex", "Globex", object{"componentIds": []string{api, theirs}})
	internal := p.call(responder, http.StatusCreated, "POST", "/v1/incidents", object{
		"title": "Bettong", "severity": "HIGH", "serviceId": p.service()}).Text("id")
	p.incidents["private"] = p.call(responder, http.StatusCreated, "POST", p.under("/incidents"), object{
		"title": "Mulgara", "impact": "critical", "status": "investigating", "body": "Mulgara", "components": []object{},
		"audience": object{"partnerAccessIds": []string{globex}}, "internalIncidentId": internal}).Text("id")
	// From here on both are mailed: what follows tells each of what they see, and of nothing else.
	for _, caller := range []string{"acme", "globex"} {
		p.call(lead, http.StatusOK, "PATCH", p.under("/partners/"+p.accesses[caller]), object{"mail": true})
	}
	for body, incident := range map[string]string{"Guillem goes on": "acme", "Dunnart goes on": "globex", "Seagull goes on": "both"} {
		p.call(responder, http.StatusCreated, "POST", p.under("/incidents/"+p.incidents[incident]+"/updates"), object{"status": "monitoring", "body": body})
	}
	p.call(responder, http.StatusCreated, "POST", p.under("/maintenances"), object{
		"title": "Potoroo moves again", "body": "Potoroo", "startsAt": soon, "endsAt": soon.Add(time.Hour), "components": []string{theirs}})
	grant("expired", "Expired", object{"expiresAt": time.Now().Add(1500 * time.Millisecond)})
	gone := time.Now().Add(1600 * time.Millisecond)
	p.call(lead, http.StatusOK, "DELETE", p.under("/partners/"+grant("revoked", "Revoked", nil)), nil)
	grant("wrong-ip", "Distant", object{"ipAllowlist": []string{"203.0.113.9"}})
	_, other := p.grant(outsider, elsewhere, "Other", nil)
	as["other"] = bearer(other)
	for i, who := range []string{"acme", "globex", "other"} {
		as[who+"-session"] = http.Header{"Cookie": {"__Host-pf_session=" + p.signIn(who+"@partners.test", fmt.Sprintf("127.0.8.%d", i+1))}}
	}
	feed := p.call(lead, http.StatusCreated, "POST", p.under("/partners/"+p.accesses["acme"]+"/feed-token"), nil).Text("token")
	as["acme-feed"] = http.Header{"X-Feed": {feed}} // goes into the query
	as["key"] = bearer(p.call(lead, http.StatusCreated, "POST", "/v1/api-keys", object{"name": "k", "teamId": p.teamOf(lead), "role": "TEAM_ADMIN"}).Text("key"))
	for caller, who := range map[string]string{"observer": observer, "responder": responder, "lead": lead, "admin": admin, "outsider": outsider} {
		if p.people.Sessions[who] == "" {
			p.people.Sessions[who] = p.signIn(who, "127.0.8.9")
		}
		as[caller] = bearer(p.people.Sessions[who])
	}
	if err := client.Pause(t.Context(), time.Until(gone)); err != nil { // until one has expired
		t.Fatal(err)
	}
	return p, as
}

// service is one of the demo's team.
func (p *pages) service() string {
	return p.call(lead, http.StatusOK, "GET", "/v1/services?teamId="+p.teamOf(lead), nil).Items()[0]["id"].(string)
}

// TestNothingLeaks asks for every route of a page as every kind of caller, holds the status against the table, and
// searches each answer, headers and all, for words that this caller may not read. A route without a row fails.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	p, as := plant(t)
	lines := strings.Split(strings.TrimSpace(reading), "\n")
	_, head, _ := strings.Cut(lines[0], "|")
	callers := strings.Fields(head)
	if want := slices.Sorted(maps.Keys(as)); !slices.Equal(slices.Sorted(slices.Values(callers)), want) {
		t.Fatalf("the table has the callers %v, the test %v", callers, want)
	}
	rows := map[string]bool{}
	fill := strings.NewReplacer("{slug}", p.slug, "{other}", p.other, "{acme}", p.incidents["acme"], "{globex}", p.incidents["globex"],
		"{both}", p.incidents["both"], "{private}", p.incidents["private"], "{elsewhere}", p.incidents["elsewhere"])
	for _, line := range lines[1:] {
		row, cells, _ := strings.Cut(line, "|")
		row = strings.TrimSpace(row)
		route, html := strings.CutSuffix(row, " html")
		method, path, _ := strings.Cut(route, " ")
		rows[path] = true
		statuses := strings.Fields(cells)
		if len(statuses) != len(callers) {
			t.Fatalf("%s: %d cells for %d callers", row, len(statuses), len(callers))
		}
		for i, caller := range callers {
			target, h := fill.Replace(path), as[caller].Clone()
			if feed := h.Get("X-Feed"); feed != "" {
				h.Del("X-Feed")
				target += "?feed=" + feed
			}
			if html {
				h.Set("Accept", "text/html,application/xhtml+xml;q=0.9")
			}
			for _, tagged := range []bool{false, true} {
				a := p.look(method, target, h)
				if got := fmt.Sprint(a.Status); got != statuses[i] && !(tagged && a.Status == http.StatusNotModified && statuses[i] == "200") {
					t.Errorf("%s as %s: got %s, want %s: %.300s", row, caller, got, statuses[i], a.Raw)
				}
				search(t, row+" as "+caller, whose(caller), a)
				if a.Status < 500 && (a.Header.Get("Cache-Control") != "private, no-store" && !strings.Contains(path, "/assets/")) {
					t.Errorf("%s as %s: Cache-Control is %q", row, caller, a.Header.Get("Cache-Control"))
				}
				etag := a.Header.Get("ETag")
				if etag == "" {
					break
				}
				h.Set("If-None-Match", etag)
			}
		}
	}
	mails(t, p)
	for _, path := range readerRoutes() {
		covered := false
		for row := range rows {
			covered = covered || matches(path, row)
		}
		if !covered {
			t.Errorf("%s has no row in the table", path)
		}
	}
}

// search looks for planted words that a partner ("" for everybody else) may not read.
func search(t *testing.T, what, partner string, a client.Answer) {
	t.Helper()
	var all strings.Builder
	if err := a.Header.Write(&all); err != nil {
		t.Fatal(err)
	}
	text := strings.ToLower(all.String() + a.Raw)
	for word, readers := range planted {
		if strings.Contains(text, word) && (partner == "" || !slices.Contains(readers, partner)) {
			t.Errorf("%s: %q leaked", what, word)
		}
	}
}

// mails holds what the partners of a page were mailed against the same words.
func mails(t *testing.T, p *pages) {
	t.Helper()
	subjects := func(partner string) (all []string) {
		for _, m := range p.stack.Mail(partner + "@partners.test") {
			if !strings.Contains(m.Subject, ": ") { // a link to sign in by
				continue
			}
			all = append(all, m.Subject)
			search(t, "a mail to "+partner, partner, client.Answer{Header: http.Header{}, Raw: m.Subject + m.Text + m.HTML})
		}
		return all
	}
	for partner, want := range map[string]int{"acme": 2, "globex": 3} { // updates of what they see; globex a maintenance too
		p.until("the mails to "+partner, func() bool { return len(p.stack.Mail(partner+"@partners.test")) > want && p.drained("PageMailQueue") })
		if got := subjects(partner); len(got) < want {
			t.Errorf("%s was mailed %q", partner, got)
		}
	}
}

// readerRoutes are the patterns that the function behind pages serves.
func readerRoutes() []string {
	api := httpapi.New()
	statuspage.Routes(api, nil)
	var paths []string
	for _, route := range api.Routes() {
		method, path, ok := strings.Cut(route, " ")
		if !ok {
			path = method
		}
		paths = append(paths, path)
	}
	return paths
}

// matches reports whether a row is of a route: both have the same fixed parts. The files of all pages are one row.
func matches(route, row string) bool {
	if strings.HasPrefix(route, "/status/assets/") {
		return strings.HasPrefix(row, "/status/assets/")
	}
	a, b := strings.Split(route, "/"), strings.Split(row, "/")
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !strings.HasPrefix(a[i], "{") && a[i] != b[i] {
			return false
		}
	}
	return true
}
