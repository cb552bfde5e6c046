package main

import (
	"context"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
)

// partner photographs what Acme sees in a browser.
func partner(ctx context.Context, c *camera, url string) error {
	api := client.Client{URL: url}
	session, err := api.SignIn(ctx, demo.Acme)
	if err != nil {
		return err
	}
	at := url + "/status/" + demo.Slug
	return c.photograph(
		view{name: "status.png", at: at, width: 1100, height: 1840, whom: session},
		view{name: "status-phone.png", at: at, width: 390, height: 1840, dark: true},
	)
}
