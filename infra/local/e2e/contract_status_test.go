package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// makePage makes a page of the demo's team with two components, and returns their ids.
func (c *contract) makePage(t *testing.T) (page, slug string, components []string) {
	t.Helper()
	slug = fmt.Sprintf("page-%d", c.names.Add(1)) + fmt.Sprint(time.Now().UnixNano())
	page = c.want(t, lead, "POST /v1/status-pages", object{"name": c.name("Page"), "slug": slug, "teamId": c.team}, http.StatusCreated, "").Text("id")
	for _, name := range []string{"API", "Store"} {
		components = append(components, c.want(t, lead, "POST /v1/status-pages/"+page+"/components", object{"name": name}, http.StatusCreated, "").Text("id"))
	}
	return page, slug, components
}

// contractStatusPages is what staff do with pages, and what they get wrong.
func contractStatusPages(t *testing.T, c *contract) {
	page, slug, components := c.makePage(t)
	foreign, _, others := c.makePage(t)
	at := "/v1/status-pages/" + page
	good := object{"name": "P", "slug": "never-made-" + slug, "teamId": c.team}
	incident := object{"title": "T", "impact": "minor", "status": "investigating", "body": "B", "components": []object{{"id": components[0], "status": "degraded_performance"}}}
	soon := time.Now().Add(time.Hour)
	work := object{"title": "T", "body": "B", "startsAt": soon, "endsAt": soon.Add(time.Hour), "components": components[:1]}
	const html = `<script>alert(1)</script><img src=x onerror=alert(2)>`
	c.play(t, map[string]scenario{
		"a slug that is taken":                 {as: lead, do: "POST /v1/status-pages", send: with(good, "slug", slug), want: 409, code: "slug_taken"},
		"the slug api":                         {as: lead, do: "POST /v1/status-pages", send: with(good, "slug", "api"), want: 422, code: "validation_failed"},
		"another reserved slug":                {as: lead, do: "POST /v1/status-pages", send: with(good, "slug", "healthz"), want: 422, code: "validation_failed"},
		"a slug in capitals":                   {as: lead, do: "POST /v1/status-pages", send: with(good, "slug", "Page"), want: 422, code: "validation_failed"},
		"a slug with two hyphens":              {as: lead, do: "POST /v1/status-pages", send: with(good, "slug", "a--b"), want: 422, code: "validation_failed"},
		"a slug of two characters":             {as: lead, do: "POST /v1/status-pages", send: with(good, "slug", "ab"), want: 422, code: "validation_failed"},
		"a zone that is none":                  {as: lead, do: "POST /v1/status-pages", send: with(good, "timeZone", "Mars/Phobos"), want: 422, code: "validation_failed"},
		"the zone of the machine":              {as: lead, do: "POST /v1/status-pages", send: with(good, "timeZone", "Local"), want: 422, code: "validation_failed"},
		"a colour that is none":                {as: lead, do: "POST /v1/status-pages", send: with(good, "accentColor", "red;}"), want: 422, code: "validation_failed"},
		"a sign-in of half an hour":            {as: lead, do: "POST /v1/status-pages", send: with(good, "sessionDays", 0.02), want: 422, code: "validation_failed"},
		"a sign-in of 31 days":                 {as: lead, do: "POST /v1/status-pages", send: with(good, "sessionDays", 31), want: 422, code: "validation_failed"},
		"another team's page":                  {as: outsider, do: "GET " + at, want: 404, code: "not_found"},
		"another team's id in a body":          {as: lead, do: "POST /v1/status-pages", send: with(good, "teamId", c.elsewhere), want: 404, code: "not_found"},
		"a page by a responder":                {as: responder, do: "POST /v1/status-pages", send: good, want: 403, code: "forbidden"},
		"a page as an observer sees it":        {as: observer, do: "GET " + at, want: 200, has: slug},
		"a name of HTML":                       {as: lead, do: "POST " + at + "/components", send: object{"name": html}, want: 201, has: "script"},
		"a name from right to left":            {as: lead, do: "POST " + at + "/components", send: object{"name": "واجهة برمجة"}, want: 201, has: "واجهة"},
		"a name that is an emoji":              {as: lead, do: "POST " + at + "/components", send: object{"name": "🚀"}, want: 201, has: "🚀"},
		"a name that turns text around":        {as: lead, do: "POST " + at + "/components", send: object{"name": "a\u202eb"}, want: 422, code: "validation_failed"},
		"a status that is none":                {as: lead, do: "POST " + at + "/components", send: object{"name": "N", "status": "down"}, want: 422, code: "validation_failed"},
		"a component's service of another":     {as: lead, do: "POST " + at + "/components", send: object{"name": "N", "serviceId": "svc_01ARZ3NDEKTSV4RRFFQ69G5FAV"}, want: 404, code: "not_found"},
		"a component of another page":          {as: lead, do: "GET " + at + "/components/" + others[0], want: 404, code: "not_found"},
		"a component by a responder":           {as: responder, do: "POST " + at + "/components", send: object{"name": "N"}, want: 403, code: "forbidden"},
		"an incident by an observer":           {as: observer, do: "POST " + at + "/incidents", send: incident, want: 403, code: "forbidden"},
		"an incident at a foreign component":   {as: responder, do: "POST " + at + "/incidents", send: with(incident, "components", []object{{"id": others[0], "status": "operational"}}), want: 422, code: "validation_failed"},
		"an incident of 64 KB":                 {as: responder, do: "POST " + at + "/incidents", send: with(incident, "body", strings.Repeat("a", 64<<10)), want: 422, code: "validation_failed"},
		"an incident that begins as a memory":  {as: responder, do: "POST " + at + "/incidents", send: with(incident, "status", "postmortem"), want: 422, code: "validation_failed"},
		"an impact that is none of the four":   {as: responder, do: "POST " + at + "/incidents", send: with(incident, "impact", "huge"), want: 422, code: "validation_failed"},
		"an audience of nobody's":              {as: responder, do: "POST " + at + "/incidents", send: with(incident, "audience", object{"partnerAccessIds": []string{"acc_01ARZ3NDEKTSV4RRFFQ69G5FAV"}}), want: 422, code: "validation_failed"},
		"an audience of null":                  {as: responder, do: "POST " + at + "/incidents", send: with(incident, "audience", object{"partnerAccessIds": []string(nil)}), want: 422, code: "validation_failed"},
		"a maintenance that ends before":       {as: responder, do: "POST " + at + "/maintenances", send: with(work, "endsAt", soon.Add(-time.Minute)), want: 422, code: "validation_failed"},
		"a maintenance at a foreign component": {as: responder, do: "POST " + at + "/maintenances", send: with(work, "components", others), want: 422, code: "validation_failed"},
		"an incident of another page":          {as: responder, do: "GET /v1/status-pages/" + foreign + "/incidents/spi_01ARZ3NDEKTSV4RRFFQ69G5FAV", want: 404, code: "not_found"},
		"a logo that is SVG":                   {as: lead, do: "PUT " + at + "/logo", send: text(`<svg xmlns="http://www.w3.org/2000/svg"/>`), with: http.Header{"Content-Type": {"image/svg+xml"}}, want: 415, code: "unsupported_media_type"},
		"a preview by an outsider":             {as: outsider, do: "GET " + at + "/preview", want: 404, code: "not_found"},
	})

	id := c.want(t, responder, "POST "+at+"/incidents", incident, http.StatusCreated, "").Text("id")
	update := "POST " + at + "/incidents/" + id + "/updates"
	c.want(t, responder, update, object{"status": "postmortem", "body": "why"}, http.StatusConflict, "invalid_transition")
	c.want(t, responder, update, object{"status": "resolved", "body": "done", "components": []object{{"id": components[0], "status": "operational"}}}, http.StatusCreated, "")
	c.want(t, responder, update, object{"status": "postmortem", "body": "why"}, http.StatusCreated, "")
	if got := c.want(t, observer, "GET "+at+"/components/"+components[0], nil, http.StatusOK, "").Text("status"); got != "operational" {
		t.Errorf("the component is %s after the incident was resolved", got)
	}

	first := c.want(t, responder, "POST "+at+"/maintenances", work, http.StatusCreated, "").Text("id")
	second := c.want(t, responder, "POST "+at+"/maintenances", with(work, "startsAt", time.Now().Add(-time.Minute)), http.StatusCreated, "") // overlaps, and runs
	if got := second.Text("status"); got != "in_progress" {
		t.Errorf("a maintenance that began a minute ago is %s", got)
	}
	c.want(t, responder, "POST "+at+"/maintenances/"+first+"/cancel", nil, http.StatusOK, "")
	c.want(t, responder, "POST "+at+"/maintenances/"+second.Text("id")+"/updates", object{"status": "completed", "body": "early"}, http.StatusCreated, "")
	c.want(t, responder, "POST "+at+"/maintenances/"+second.Text("id")+"/cancel", nil, http.StatusConflict, "invalid_transition")
}

// contractPartners is what staff do with partners, and what they get wrong.
func contractPartners(t *testing.T, c *contract) {
	page, slug, components := c.makePage(t)
	_, _, others := c.makePage(t)
	at := "/v1/status-pages/" + page + "/partners"
	good := object{"partnerName": "Good", "contactEmail": "good@partners.test"}
	granted := c.want(t, lead, "POST "+at, with(good, "partnerName", "Taken"), http.StatusCreated, "")
	id, token := granted.Text("id"), granted.Text("token")
	c.play(t, map[string]scenario{
		"a live name twice":               {as: lead, do: "POST " + at, send: with(good, "partnerName", "taken"), want: 409, code: "name_taken"},
		"an expiry in the past":           {as: lead, do: "POST " + at, send: with(good, "expiresAt", time.Now().Add(-time.Minute)), want: 422, code: "validation_failed"},
		"an address that is none":         {as: lead, do: "POST " + at, send: with(good, "contactEmail", "nobody"), want: 422, code: "validation_failed"},
		"everything of IPv4":              {as: lead, do: "POST " + at, send: with(good, "ipAllowlist", []string{"0.0.0.0/0"}), want: 422, code: "validation_failed", has: "ipAllowlist[0]"},
		"everything of IPv6":              {as: lead, do: "POST " + at, send: with(good, "ipAllowlist", []string{"::/0"}), want: 422, code: "validation_failed"},
		"an entry that is no address":     {as: lead, do: "POST " + at, send: with(good, "ipAllowlist", []string{"10.0.0.1", "ten"}), want: 422, code: "validation_failed", has: "ipAllowlist[1]"},
		"IPv4 in the form of IPv6":        {as: lead, do: "POST " + at, send: with(good, "partnerName", "Mapped", "ipAllowlist", []string{"::ffff:10.0.0.1"}), want: 201, has: `"10.0.0.1"`},
		"a component of another page":     {as: lead, do: "POST " + at, send: with(good, "componentIds", others[:1]), want: 422, code: "validation_failed"},
		"nothing at all to see":           {as: lead, do: "POST " + at, send: with(good, "partnerName", "Blind", "componentIds", []string{}), want: 201, has: `"componentIds":[]`},
		"a grant by a responder":          {as: responder, do: "POST " + at, send: good, want: 403, code: "forbidden"},
		"a list as an observer":           {as: observer, do: "GET " + at, want: 200, has: "Taken", lacks: token},
		"people as an observer":           {as: observer, do: "GET " + at + "/" + id + "/people", want: 403, code: "forbidden"},
		"an access of another team":       {as: outsider, do: "GET " + at + "/" + id, want: 404, code: "not_found"},
		"a token in another header":       {do: "GET /status/" + slug, with: http.Header{"X-Api-Key": {token}}, want: 401, code: "unauthenticated"},
		"a token in the query":            {do: "GET /status/" + slug + "?token=" + token, want: 401, code: "unauthenticated"},
		"a token of a partner for a feed": {do: "GET /status/" + slug + "/feed.atom?feed=" + token, want: 401, code: "unauthenticated"},
		"a token for the staff's API":     {as: token, do: "GET /v1/status-pages", want: 401, code: "unauthenticated"},
		"two credentials":                 {as: token, do: "GET /status/" + slug, with: http.Header{"Cookie": {"__Host-pf_session=pfs_" + strings.Repeat("A", 43)}}, want: 400, code: "ambiguous_credentials"},
		"a page by its token":             {as: token, do: "GET /status/" + slug, want: 200, has: components[0]},
		"a page by staff":                 {as: lead, do: "GET /status/" + slug, want: 403, code: "forbidden"},
	})

	again := c.want(t, lead, "POST "+at+"/"+id+"/regenerate-token", nil, http.StatusOK, "").Text("token")
	c.want(t, token, "GET /status/"+slug, nil, http.StatusUnauthorized, "unauthenticated")
	c.want(t, again, "GET /status/"+slug, nil, http.StatusOK, "")
	if a := c.want(t, lead, "DELETE "+at+"/"+id, nil, http.StatusOK, ""); a.Text("revokedAt") == "" || a.Body["sessionsEnded"] != 0.0 {
		t.Errorf("a revocation answered %s", a.Raw)
	}
	c.want(t, again, "GET /status/"+slug, nil, http.StatusForbidden, "access_revoked")
	c.want(t, lead, "POST "+at+"/"+id+"/regenerate-token", nil, http.StatusConflict, "")
	c.want(t, lead, "POST "+at, with(good, "partnerName", "Taken"), http.StatusCreated, "") // the name is free again
}
