package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/client"
	"pagefree/infra/local/stack"
)

// pages is a stack with two status pages: one with parts that only Acme or only
// Globex see, and one of another team.
type pages struct {
	*world
	slug, page   string // of the demo's team
	other        string // slug of the other team's page
	components   map[string]string
	incidents    map[string]string // "acme", "globex", "both", "elsewhere"
	accesses     map[string]string // partner -> access id
	tokens       map[string]string // caller -> secret
	sessions     map[string]string
	feeds        map[string]string
	maintenances map[string]string
}

// unlimited are limits that a test never reaches: package gateway tests those of the plans, TestLimits the others.
var unlimited = map[string]string{
	"ApiRateLimit": "10000", "ApiBurstLimit": "10000", "PartnerRateLimit": "10000", "PartnerBurstLimit": "10000", "NobodyRateLimit": "10000", "NobodyBurstLimit": "10000",
	"ApiCallerRate": "10000", "ApiCallerBurst": "100000", "ApiSourceRate": "10000", "ApiSourceBurst": "100000",
	"PartnerCallerRate": "10000", "PartnerCallerBurst": "100000", "PartnerSourceRate": "10000", "PartnerSourceBurst": "100000",
	"PublicSourceRate": "10000", "PublicSourceBurst": "100000", "SigninSourceRate": "10000", "SigninSourceBurst": "100000",
}

func newPages(t *testing.T, o stack.Options) *pages {
	t.Helper()
	if o.Parameters == nil {
		o.Parameters = unlimited
	}
	return pagesIn(newWorld(t, o))
}

func pagesIn(w *world) *pages {
	w.t.Helper()
	p := &pages{
		world: w, components: map[string]string{}, incidents: map[string]string{}, maintenances: map[string]string{},
		accesses: map[string]string{}, tokens: map[string]string{}, sessions: map[string]string{}, feeds: map[string]string{},
	}
	session, err := client.Client{URL: p.api.URL, HTTP: source("127.0.9.7")}.SignIn(w.t.Context(), outsider)
	if err != nil {
		w.t.Fatal(err)
	}
	p.people.Sessions[outsider] = session
	unique := strings.ToLower(fmt.Sprintf("%x", time.Now().UnixNano()))
	p.slug, p.other = "page-"+unique, "other-"+unique
	p.page = p.makePage(lead, "Acme Cloud", p.slug)
	return p
}

func (p *pages) teamOf(who string) string {
	p.t.Helper()
	teams := p.call(who, http.StatusOK, "GET", "/v1/me", nil).Body["teams"].([]any)
	return teams[0].(object)["id"].(string)
}

func (p *pages) makePage(who, name, slug string) string {
	p.t.Helper()
	return p.call(who, http.StatusCreated, "POST", "/v1/status-pages", object{"name": name, "slug": slug, "teamId": p.teamOf(who)}).Text("id")
}

func (p *pages) component(who, page, name, group, description string) string {
	p.t.Helper()
	id := p.call(who, http.StatusCreated, "POST", "/v1/status-pages/"+page+"/components", object{"name": name, "group": group, "description": description}).Text("id")
	p.components[name] = id
	return id
}

func (p *pages) incident(who, page, title, body string, touched ...object) string {
	p.t.Helper()
	return p.call(who, http.StatusCreated, "POST", "/v1/status-pages/"+page+"/incidents", object{
		"title": title, "impact": "major", "status": "investigating", "body": body, "components": touched}).Text("id")
}

// grant gives a partner access, and returns its id and token.
func (p *pages) grant(who, page, name string, more object) (id, token string) {
	p.t.Helper()
	body := object{"partnerName": name, "contactEmail": strings.ToLower(name) + "@partners.test"}
	for k, v := range more {
		body[k] = v
	}
	a := p.call(who, http.StatusCreated, "POST", "/v1/status-pages/"+page+"/partners", body)
	return a.Text("id"), a.Text("token")
}

// signIn signs a partner's person in by mail.
func (p *pages) signIn(email, from string) string {
	p.t.Helper()
	session, err := client.Client{URL: p.api.URL, HTTP: source(from)}.SignIn(p.t.Context(), email)
	if err != nil {
		p.t.Fatal(err)
	}
	return session
}

func (p *pages) under(path string) string { return "/v1/status-pages/" + p.page + path }

// look is a request of a reader, redirects not followed.
func (p *pages) look(method, target string, h http.Header) client.Answer {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.api.URL+target, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if h != nil {
		req.Header = h.Clone()
	}
	res, err := unfollowing.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	return read(p.t, res)
}

// unfollowing shows a redirect as it is.
var unfollowing = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: 32},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func bearer(secret string) http.Header { return http.Header{"Authorization": {"Bearer " + secret}} }

// accessesOf reads the whole record of an access, newest first.
func (p *pages) accessesOf(access string) []object {
	p.t.Helper()
	var all []object
	for cursor := ""; ; {
		a := p.call(lead, http.StatusOK, "GET", p.under("/partners/"+access+"/accesses?limit=200"+cursor), nil)
		all = append(all, a.Items()...)
		next := a.Text("nextCursor")
		if next == "" {
			return all
		}
		cursor = "&cursor=" + url.QueryEscape(next)
	}
}
