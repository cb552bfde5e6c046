package main

import (
	"context"
	"fmt"
	"net/http"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
)

// partner photographs what Acme sees in a browser, in the end without their access.
func partner(ctx context.Context, c *camera, url string, r demo.Result) error {
	api, lead := client.Client{URL: url}, r.Sessions[demo.Lead]
	page, access, err := find(ctx, api, lead)
	if err != nil {
		return err
	}
	// Whoever has no page left is asked to sign in; who has another is told what became of this one.
	if err := another(ctx, api, lead, page["teamId"]); err != nil {
		return err
	}
	session, err := api.SignIn(ctx, demo.Acme)
	if err != nil {
		return err
	}
	at := url + "/status/" + demo.Slug
	if err := c.photograph(
		view{name: "status.png", at: at, width: 1100, height: 1840, whom: session},
		view{name: "status-dark.png", at: at, width: 1100, height: 1840, dark: true},
		view{name: "status-phone.png", at: at, width: 390, height: 1200},
		view{name: "status-history.png", at: at + "/history", width: 1100, height: 900},
	); err != nil {
		return err
	}
	if _, err := api.Want(ctx, http.StatusOK, "DELETE", "/v1/status-pages/"+page["id"].(string)+"/partners/"+access, lead, nil); err != nil {
		return err
	}
	return c.photograph(view{name: "status-revoked.png", at: at, width: 720, height: 460})
}

// find is the demo's page, and Acme's access to it.
func find(ctx context.Context, api client.Client, lead string) (page map[string]any, access string, err error) {
	pages, err := api.Want(ctx, http.StatusOK, "GET", "/v1/status-pages?limit=200", lead, nil)
	if err != nil {
		return nil, "", err
	}
	for _, page = range pages.Items() {
		if page["slug"] != demo.Slug {
			continue
		}
		partners, err := api.Want(ctx, http.StatusOK, "GET", "/v1/status-pages/"+page["id"].(string)+"/partners?limit=200", lead, nil)
		if err != nil {
			return nil, "", err
		}
		for _, p := range partners.Items() {
			if p["contactEmail"] == demo.Acme {
				return page, p["id"].(string), nil
			}
		}
	}
	return nil, "", fmt.Errorf("the demo left no page %s with Acme among its partners", demo.Slug)
}

// another gives Acme access to a second page.
func another(ctx context.Context, api client.Client, lead string, team any) error {
	a, err := api.Want(ctx, http.StatusCreated, "POST", "/v1/status-pages", lead, map[string]any{"name": "Acme Labs", "slug": "acme-labs", "teamId": team})
	if err != nil {
		return err
	}
	_, err = api.Want(ctx, http.StatusCreated, "POST", "/v1/status-pages/"+a.Text("id")+"/partners", lead,
		map[string]any{"partnerName": "Acme", "contactEmail": demo.Acme})
	return err
}
