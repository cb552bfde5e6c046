package demo

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"pagefree/infra/local/client"
)

// Slug is where the demo's status page is: /status/acme-cloud.
const Slug = "acme-cloud"

// Partners of the demo's page, by the addresses that they sign in with.
const (
	Acme   = "partner@acme.test"
	Globex = "partner@globex.test"
)

// parts are the components of the demo's page: what it shows, and to whom.
var parts = []struct {
	name, group, about string
	acme, globex       bool
	service            string // of the demo's, by name
}{
	{name: "Public API", group: "Platform", about: "REST and streaming endpoints", acme: true, globex: true},
	{name: "Sign-in", group: "Platform", about: "Single sign-on and sessions", acme: true, globex: true},
	{name: "Checkout", group: "Commerce", about: "Carts, orders and payment", acme: true, service: "checkout"},
	{name: "Catalogue", group: "Commerce", about: "Products and prices", acme: true},
	{name: "Acme data link", group: "Connections", about: "Private link to Acme's warehouse", acme: true},
	{name: "Globex data link", group: "Connections", about: "Private link to Globex's ledger", globex: true},
	{name: "Reports", about: "Nightly exports", globex: true},
}

// page publishes a status page, and shows that each partner sees their part of it, until it is taken away.
func (d *demo) page(ctx context.Context) error {
	if err := d.publish(ctx); err != nil {
		return err
	}
	for _, partner := range []struct{ name, email string }{{"Acme", Acme}, {"Globex", Globex}} {
		if err := d.admit(ctx, partner.name, partner.email); err != nil {
			return err
		}
	}
	if err := d.compare(ctx); err != nil {
		return err
	}
	return d.revoke(ctx)
}

func (d *demo) under(path string) string { return "/v1/status-pages/" + d.statusPage + path }

// publish makes the page with its components, or finds it, with an incident that is open and a maintenance that is coming.
func (d *demo) publish(ctx context.Context) error {
	pages, err := d.all(ctx, Lead, "/v1/status-pages?limit=200&teamId="+d.team)
	if err != nil {
		return err
	}
	for _, p := range pages {
		if p["slug"] == Slug {
			d.statusPage, _ = p["id"].(string)
		}
	}
	fresh := d.statusPage == ""
	if fresh {
		a, err := d.as(ctx, Lead, http.StatusCreated, "POST", "/v1/status-pages", map[string]any{
			"name": "Acme Cloud", "slug": Slug, "teamId": d.team, "timeZone": "Europe/Berlin", "accentColor": "#2456d6",
			"description": "How the services of Acme Cloud are doing, for its partners."})
		if err != nil {
			return err
		}
		d.statusPage = a.Text("id")
		for _, c := range parts {
			body := map[string]any{"name": c.name, "group": c.group, "description": c.about}
			if c.service != "" {
				body["serviceId"] = d.services[c.service]
			}
			if _, err := d.as(ctx, Lead, http.StatusCreated, "POST", d.under("/components"), body); err != nil {
				return err
			}
		}
	}
	components, err := d.all(ctx, Lead, d.under("/components?limit=200"))
	if err != nil {
		return err
	}
	for _, c := range components {
		d.components[c["name"].(string)], _ = c["id"].(string)
	}
	for _, c := range parts {
		if d.components[c.name] == "" {
			return fmt.Errorf("the page has no component %q", c.name)
		}
	}
	if fresh && d.past != nil {
		if err := d.past.page(ctx, Slug); err != nil {
			return err
		}
	}
	d.say("status page %q: %d components in groups", Slug, len(parts))
	if err := d.tell(ctx); err != nil {
		return err
	}
	return d.plan(ctx)
}

// tell publishes what the internal incident proposes, in words for partners.
func (d *demo) tell(ctx context.Context) error {
	open, err := d.all(ctx, Responder, d.under("/incidents?limit=200"))
	if err != nil {
		return err
	}
	for _, i := range open {
		if s := i["status"]; s != "resolved" && s != "postmortem" {
			d.say("incident %q is on the page", i["title"])
			return nil
		}
	}
	a, err := d.as(ctx, Responder, http.StatusOK, "GET", d.under("/proposals"), nil)
	if err != nil {
		return err
	}
	linked := any(nil)
	for _, p := range a.Items() {
		if p["internalIncidentId"] == d.incident {
			linked = d.incident
		}
	}
	if linked == nil {
		return fmt.Errorf("the open incident proposes nothing: %s", a.Raw)
	}
	a, err = d.as(ctx, Responder, http.StatusCreated, "POST", d.under("/incidents"), map[string]any{
		"title": "Checkout answers slowly", "impact": "minor", "status": "investigating", "internalIncidentId": linked,
		"body":       "Orders take **up to four seconds**. We are looking for the cause; nothing is lost.",
		"components": []map[string]any{{"id": d.components["Checkout"], "status": "degraded_performance"}}})
	if err != nil {
		return err
	}
	if _, err := d.as(ctx, Responder, http.StatusCreated, "POST", d.under("/incidents/"+a.Text("id")+"/updates"), map[string]any{
		"status": "identified", "body": "A disk of one server is full. A [runbook](https://example.com/runbooks) is freeing it.",
		"components": []map[string]any{{"id": d.components["Checkout"], "status": "degraded_performance"}}}); err != nil {
		return err
	}
	d.say("responder publishes an incident of it, which no partner can trace to the internal one")
	return nil
}

// plan schedules a maintenance, unless one is coming.
func (d *demo) plan(ctx context.Context) error {
	list, err := d.all(ctx, Responder, d.under("/maintenances?limit=200"))
	if err != nil {
		return err
	}
	for _, m := range list {
		if m["status"] == "scheduled" {
			return nil
		}
	}
	at := time.Now().UTC().Truncate(time.Hour).Add(50 * time.Hour)
	_, err = d.as(ctx, Responder, http.StatusCreated, "POST", d.under("/maintenances"), map[string]any{
		"title": "Database upgrade", "body": "Sign-in may be slow for some minutes.", "startsAt": at, "endsAt": at.Add(2 * time.Hour),
		"components": []string{d.components["Sign-in"]}})
	if err == nil {
		d.say("a maintenance is planned for %s", at.Format("Mon 2 Jan 15:04 MST"))
	}
	return err
}

// admit gives a partner access to its part of the page, and a token that is shown now and never again.
func (d *demo) admit(ctx context.Context, name, email string) error {
	var sees []string
	for _, c := range parts {
		if name == "Acme" && c.acme || name == "Globex" && c.globex {
			sees = append(sees, d.components[c.name])
		}
	}
	existing, err := d.all(ctx, Lead, d.under("/partners?limit=200"))
	if err != nil {
		return err
	}
	for _, p := range existing {
		if p["partnerName"] != name || p["isActive"] != true {
			continue
		}
		a, err := d.as(ctx, Lead, http.StatusOK, "POST", d.under("/partners/"+p["id"].(string)+"/regenerate-token"), nil)
		if err != nil {
			return err
		}
		d.tokens[name] = a.Text("token")
		d.say("lead makes a new token for %s: the old one is dead", name)
		return nil
	}
	a, err := d.as(ctx, Lead, http.StatusCreated, "POST", d.under("/partners"), map[string]any{"partnerName": name, "contactEmail": email, "componentIds": sees})
	if err != nil {
		return err
	}
	d.tokens[name] = a.Text("token")
	d.say("lead gives %s access to %d of %d components, and a token", name, len(sees), len(parts))
	return nil
}

// compare looks at the page by each partner's token, and as Acme by a mailed link.
func (d *demo) compare(ctx context.Context) error {
	began := time.Now()
	if _, err := d.Want(ctx, http.StatusAccepted, "POST", "/v1/auth/magic-link", "", map[string]any{"email": Acme, "next": "/status/" + Slug}); err != nil {
		return err
	}
	link, err := d.Link(ctx, Acme, began)
	if err != nil {
		return err
	}
	u, err := url.Parse(link)
	if err != nil {
		return err
	}
	a, err := d.Want(ctx, http.StatusOK, "POST", "/v1/auth/verify", "", map[string]any{"token": u.Query().Get("token")})
	if err != nil {
		return err
	}
	session, _ := a.Body["session"].(map[string]any)
	signed, _ := session["token"].(string)
	if session["kind"] != "partner" {
		return fmt.Errorf("the link of a partner opened a session of kind %v", session["kind"])
	}
	for _, look := range []struct {
		who, credential, how string
	}{{"Acme", d.tokens["Acme"], "by token"}, {"Acme", signed, "by mailed link"}, {"Globex", d.tokens["Globex"], "by token"}} {
		a, err := d.Want(ctx, http.StatusOK, "GET", "/status/"+Slug, look.credential, nil)
		if err != nil {
			return err
		}
		seen, status, _ := components(a.Body)
		var want []string
		for _, c := range parts {
			if look.who == "Acme" && c.acme || look.who == "Globex" && c.globex {
				want = append(want, c.name)
			} else if strings.Contains(a.Raw, c.name) {
				return fmt.Errorf("%s sees %q, which is not theirs", look.who, c.name)
			}
		}
		if slices.Sort(seen); !slices.Equal(seen, slices.Sorted(slices.Values(want))) {
			return fmt.Errorf("%s sees %v, want %v", look.who, seen, want)
		}
		d.say("%s looks %s: %d components, %q, open incidents: %d", look.who, look.how, len(seen), status, open(a.Body))
	}
	if _, err := d.Want(ctx, http.StatusUnauthorized, "GET", "/v1/incidents", signed, nil); err != nil {
		return err
	}
	d.say("a partner's session opens nothing else: 401")
	return nil
}

func components(page map[string]any) (names []string, status string, ok bool) {
	list, ok := page["components"].([]any)
	for _, c := range list {
		name, _ := c.(map[string]any)["name"].(string)
		names = append(names, name)
	}
	said, _ := page["status"].(map[string]any)
	status, _ = said["description"].(string)
	return names, status, ok
}

func open(page map[string]any) (n int) {
	list, _ := page["incidents"].([]any)
	for _, i := range list {
		if s := i.(map[string]any)["status"]; s != "resolved" && s != "postmortem" {
			n++
		}
	}
	return n
}

const initech = "Initech"

// revoke gives a third partner access and takes it away: the next look is refused, and each look is on record.
func (d *demo) revoke(ctx context.Context) error {
	list, err := d.all(ctx, Lead, d.under("/partners?limit=200"))
	if err != nil {
		return err
	}
	for _, one := range list { // an earlier demo was cut short
		if one["partnerName"] == initech && one["isActive"] == true {
			if _, err := d.as(ctx, Lead, http.StatusOK, "DELETE", d.under("/partners/"+one["id"].(string)), nil); err != nil {
				return err
			}
		}
	}
	a, err := d.as(ctx, Lead, http.StatusCreated, "POST", d.under("/partners"), map[string]any{
		"partnerName": initech, "contactEmail": "partner@initech.test", "componentIds": []string{d.components["Public API"]}})
	if err != nil {
		return err
	}
	id, token := a.Text("id"), a.Text("token")
	if _, err := d.Want(ctx, http.StatusOK, "GET", "/status/"+Slug, token, nil); err != nil {
		return err
	}
	began := time.Now()
	if _, err := d.as(ctx, Lead, http.StatusOK, "DELETE", d.under("/partners/"+id), nil); err != nil {
		return err
	}
	a, err = d.Want(ctx, http.StatusForbidden, "GET", "/status/"+Slug, token, nil)
	if err != nil {
		return err
	}
	if a.Text("code") != "access_revoked" {
		return fmt.Errorf("a revoked token got the code %q", a.Text("code"))
	}
	d.say("lead revokes Initech: refused with %s %d ms later", a.Text("code"), time.Since(began).Milliseconds())
	return d.recorded(ctx, id)
}

// recorded waits for both looks of a partner to be on record.
func (d *demo) recorded(ctx context.Context, access string) error {
	for {
		looks, err := d.all(ctx, Lead, d.under("/partners/"+access+"/accesses"))
		if err != nil {
			return err
		}
		if len(looks) == 2 {
			d.say("on record: both looks of Initech, %s and %s", looks[1]["outcome"], looks[0]["outcome"])
			return nil
		}
		if err := client.Pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("%d of 2 looks are on record: %w", len(looks), err)
		}
	}
}
